"""What may be built no longer: withdrawn bundles and firmware, and minimum versions; checked again at the release.

A restriction is only ever added. It holds from the moment it stands in the records: for new orders, for runs that are
about to start, for what is about to be written, and for units on their way to the release (F-A2, F-C4).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from station.catalog.firmware_manifest import VERSION, ordered
from station.catalog.recipes import Recipe


class RestrictionKind(StrEnum):
    """What a restriction stops."""

    BUNDLE = "bundle"
    """A release bundle is withdrawn; the subject is its digest."""
    FIRMWARE = "firmware"
    """A firmware release is withdrawn; the subject is its name."""
    MINIMUM = "minimum"
    """A product leaves with this version of its firmware or a newer one; the subject is its name."""


@dataclass(frozen=True)
class Restriction:
    """One restriction, as it was decided."""

    kind: RestrictionKind
    subject: str
    value: str = ""
    """The minimum version; empty for a withdrawal."""
    reason: str = ""
    who: str = ""
    at: datetime | None = None
    """When it was recorded."""

    def __post_init__(self) -> None:
        """Refuse a minimum that could not be compared, and a restriction of nothing."""
        if not self.subject:
            raise ValueError("a restriction names what it restricts")
        if (self.kind is RestrictionKind.MINIMUM) != bool(VERSION.fullmatch(self.value)):
            raise ValueError(f"'{self.value}' is not of the form 1.2.3 or 1.2.3+4")


@dataclass(frozen=True)
class Built:
    """What a unit is built of, by the names that restrictions use."""

    bundle: str
    """Digest of the bundle, or of the draft."""
    product: str
    firmware: str
    """Name of the firmware release."""
    version: str
    """Its version."""


def refusal(recipe: Recipe, restrictions: Iterable[Restriction]) -> str:
    """Return why a recipe may be built and shipped no longer, as one sentence, or nothing."""
    return refusal_of(
        Built(recipe.digest, recipe.product.name, recipe.file.firmware, recipe.release.version), restrictions
    )


def refusal_of(built: Built, restrictions: Iterable[Restriction]) -> str:
    """Return why what a unit is built of may be shipped no longer, as one sentence, or nothing."""
    return next((_sentence(built, one) for one in restrictions if concerns(one, built)), "")


def concerns(restriction: Restriction, built: Built) -> bool:
    """Tell whether a restriction stops what a unit is built of."""
    match restriction.kind:
        case RestrictionKind.BUNDLE:
            return restriction.subject == built.bundle
        case RestrictionKind.FIRMWARE:
            return restriction.subject == built.firmware
        case RestrictionKind.MINIMUM:
            return restriction.subject == built.product and ordered(built.version) < ordered(restriction.value)


def _sentence(built: Built, restriction: Restriction) -> str:
    because = f": {restriction.reason.rstrip('.')}." if restriction.reason else "."
    match restriction.kind:
        case RestrictionKind.BUNDLE:
            return f"The release bundle is withdrawn{because}"
        case RestrictionKind.FIRMWARE:
            return f"Firmware {built.firmware} is withdrawn{because}"
        case RestrictionKind.MINIMUM:
            what = f"Firmware {built.version} is older than {restriction.value}"
            return f"{what}, the minimum for product {built.product}{because}"
