"""Which labels a recipe has printed beside the rating plate, and where a product keeps the secret of the inside one."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from enum import StrEnum

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
KEY = re.compile(r"[!-~]{1,128}")


class SecretKind(StrEnum):
    """What a secret on paper is for; `pki.passwords` has the form and strength of each."""

    PIN = "pin"
    BLE_PIN = "ble-pin"
    CLAIM = "claim"
    WIFI = "wifi"
    WEB = "web"


@dataclass(frozen=True)
class InsideSecret:
    """The secret that stands on paper inside the unit: a setting of the device that is written and never read."""

    key: str = ""
    """Key of the device's settings; empty for a product whose units have no such secret."""
    kind: SecretKind = SecretKind.PIN

    def __post_init__(self) -> None:
        """Refuse what is no key of a device."""
        if self.key and not KEY.fullmatch(self.key):
            raise ValueError("key: must be 1 to 128 visible characters")


@dataclass(frozen=True)
class LabelSet:
    """Label templates of a recipe beside the rating plate's; what is empty is not printed."""

    connector: str = ""
    """One for each outlet."""
    inside: str = ""
    """The secret, where only the owner sees it."""
    carton: str = ""

    def __post_init__(self) -> None:
        """Refuse what is no name of a template."""
        wrong = [sort for sort, name in self.named if not NAME.fullmatch(name)]
        if wrong:
            raise ValueError(*(f"{sort}: must be 1 to 40 lower-case letters, digits and hyphens" for sort in wrong))

    @property
    def named(self) -> tuple[tuple[str, str], ...]:
        """Return the sort and template of each label that is printed."""
        found = ((entry.name, getattr(self, entry.name)) for entry in fields(self))
        return tuple((sort, name) for sort, name in found if name)


def label_problems(labels: LabelSet, secret: InsideSecret, product: str, path: str) -> Iterator[str]:
    """Tell which labels can't be printed for a product."""
    if labels.inside and not secret.key:
        yield f"{path}: labels: inside: product {product} keeps no secret: its [inside] names no key"
