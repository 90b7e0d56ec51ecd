"""The device's firmware slots as the steps see them: what runs, what waits, and what a step leaves behind there."""

import re
from dataclasses import dataclass
from enum import StrEnum

from station.bench import Bench
from station.catalog.firmware import CheckedImage, ImageRule, load_image
from station.catalog.firmware_manifest import ordered
from station.clock import Deadline
from station.errors import Defect, UnitError
from station.model import ImageState

COUNTER_DIGITS, LONGEST_SHOWN = 10, 80
LISTED = re.compile(r"(\d+\.\d+\.\d+)[.+](\d+)")
"""A version with a build number as devices list it; a manifest puts a plus before the build."""


class Secondary(StrEnum):
    """What the slot that does not run holds when the unit leaves (F-C5)."""

    ERASED = "erased"
    PREVIOUS = "previous"
    """What ran before, if it may still ship; else the released image once more."""
    ANY = "any"
    """Whatever the update left there; it is recorded."""


@dataclass(frozen=True)
class FlashOptions:
    """Options of the step `flash`."""

    secondary: Secondary = Secondary.ANY


@dataclass(frozen=True)
class Member:
    """One image of the release, judged, with its bytes."""

    rule: ImageRule
    image: CheckedImage
    content: bytes

    @property
    def title(self) -> str:
        """Return how people call it."""
        return f"{self.rule.role} {self.rule.version}"


def member(rule: ImageRule) -> Member:
    """Read and judge an image.

    Raises:
        ConfigError: It is not what the release says.
    """
    content, image = load_image(rule)
    return Member(rule, image, content)


def running(bench: Bench, number: int, deadline: Deadline) -> ImageState | None:
    """Return what runs as image `number`."""
    return next((state for state in bench.charger.firmware(deadline) if state.active and state.image == number), None)


def waiting(bench: Bench, number: int, deadline: Deadline) -> ImageState | None:
    """Return what stands in the slot of image `number` that does not run."""
    states = bench.charger.firmware(deadline)
    return next((state for state in states if not state.active and state.image == number), None)


def released_form(version: str) -> str:
    """Return a version as manifests write it."""
    found = LISTED.fullmatch(version)
    return f"{found[1]}+{found[2]}" if found else version


def note_slots(bench: Bench, name: str, deadline: Deadline) -> None:
    """Put all slots into the step's record, as the device lists them."""
    states = bench.charger.firmware(deadline)
    told = [
        {
            "image": state.image,
            "slot": state.slot,
            "version": state.version,
            "digest": state.digest.hex(),
            "active": state.active,
            "confirmed": state.confirmed,
        }
        for state in states
    ]
    bench.note(**{name: told})


def shown(bench: Bench, key: str, deadline: Deadline) -> str:
    """Return what a device setting shows, fit to be told; empty for nothing."""
    raw = (bench.charger.read_settings((key,), deadline)[key] or b"")[:LONGEST_SHOWN]
    return "".join(letter if letter.isprintable() else "?" for letter in raw.decode("ascii", "replace"))


def security_counter(bench: Bench, deadline: Deadline) -> int | None:
    """Return the device's anti-rollback counter; None for hardware that shows none.

    Raises:
        UnitError: The product declares that it is shown, and it is not.
    """
    key = bench.recipe.product.reports.security_counter
    if not key:
        return None
    raw = shown(bench, key, deadline)
    if not raw.isdecimal() or len(raw) > COUNTER_DIGITS:
        raise UnitError(Defect.FIRMWARE, "The device does not show its anti-rollback counter, as its product declares.")
    return int(raw)


def write(bench: Bench, found: Member, deadline: Deadline, *, begin: float = 0.0, end: float = 0.9) -> None:
    """Write an image into its free slot, and see that it stands there.

    Raises:
        UnitError: It stands elsewhere: a device with fewer images takes any number.
    """
    content, number = found.content, found.rule.number
    for written in bench.charger.write_firmware(content, deadline, number=number):
        bench.progress(begin + (end - begin) * written / len(content))
    state = waiting(bench, number, deadline)
    if state is None or state.digest != found.image.digest:
        message = f"The device took {found.title} and does not list it as image {number}."
        raise UnitError(Defect.FLASH, message, hint="Check that the unit has all its controllers.")


def settle(bench: Bench, found: Member, known: frozenset[bytes], deadline: Deadline) -> None:
    """Bring the slot that does not run into the state that the recipe names, and read it back.

    Args:
        bench: the run.
        found: the released image, which runs.
        known: digests of what ran before, which may stay as the previous firmware.
        deadline: for all of it.

    Raises:
        UnitError: The device does not keep the slot so.
    """
    wanted = bench.options(FlashOptions).secondary
    state = waiting(bench, found.rule.number, deadline)
    if wanted is Secondary.ERASED and state is not None:
        bench.charger.erase_firmware(found.rule.number, deadline)
        state = waiting(bench, found.rule.number, deadline)
    if wanted is Secondary.PREVIOUS and not _may_stay(state, found, known):
        write(bench, found, deadline)
        state = waiting(bench, found.rule.number, deadline)
    name = f"{found.rule.role}_secondary"
    bench.measure(name, released_form(state.version) if state else "erased")
    kept = {Secondary.ERASED: state is None, Secondary.PREVIOUS: _may_stay(state, found, known), Secondary.ANY: True}
    if not kept[wanted]:
        raise UnitError(Defect.FLASH, f"The second slot of the {found.rule.role} is not {wanted}, as the recipe says.")


def _may_stay(state: ImageState | None, found: Member, known: frozenset[bytes]) -> bool:
    """Tell whether a slot holds firmware that ran here and may still ship, or the released one."""
    if state is None or state.digest not in known | {found.image.digest}:
        return False
    version = ordered(released_form(state.version))
    return ordered(found.rule.minimum_version) <= version <= ordered(found.rule.version)
