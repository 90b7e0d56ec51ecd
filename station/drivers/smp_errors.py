"""What a device's error codes mean on the line: which defect, which sentence, what to do.

The first table is vendor group 64, "factory"; the second the groups of Zephyr and MCUboot. A code that stands in
neither gets its group's defect and its number. Ref: station/drivers/README.md; Zephyr "SMP protocol specification".
"""

from typing import NamedTuple

from station.drivers.smp_messages import FACTORY, FactoryRc
from station.errors import Defect, UnitError

OS, IMAGE, SETTINGS, FILES = 0, 1, 3, 8


class Meaning(NamedTuple):
    """One line of the tables."""

    defect: Defect
    sentence: str
    hint: str = ""


FACTORY_ERRORS: dict[int, Meaning] = {
    FactoryRc.CERTIFICATE_MISMATCH: Meaning(
        Defect.CERTIFICATE, "The charger says that the certificate does not belong to its key."
    ),
    FactoryRc.EXISTS: Meaning(
        Defect.KEY, "The charger already holds another key or serial number and does not replace it."
    ),
    FactoryRc.LOCKED: Meaning(
        Defect.LOCK, "The charger is locked and takes no changes.", "Put the unit aside: it is sealed."
    ),
}
GROUP_ERRORS: dict[tuple[int, int], Meaning] = {
    (IMAGE, 9): Meaning(Defect.FLASH, "The charger has no free firmware slot."),
    (IMAGE, 12): Meaning(Defect.FLASH, "The charger could not write its flash memory."),
    (IMAGE, 13): Meaning(Defect.FLASH, "The charger could not erase its flash memory."),
    (IMAGE, 22): Meaning(Defect.FIRMWARE, "The charger says that the file is too short for a firmware image."),
    (IMAGE, 23): Meaning(Defect.FIRMWARE, "The charger says that the file is not a firmware image."),
    (IMAGE, 27): Meaning(Defect.FIRMWARE, "The charger runs newer firmware than the released one."),
    (IMAGE, 30): Meaning(Defect.FIRMWARE, "The firmware does not fit into the charger's firmware slot."),
    (SETTINGS, 3): Meaning(Defect.CONFIGURATION, "The charger does not know one of its settings."),
    (SETTINGS, 5): Meaning(Defect.CONFIGURATION, "The charger does not know one of its settings."),
    (SETTINGS, 6): Meaning(Defect.CONFIGURATION, "The charger does not let one of its settings be written."),
    (OS, 4): Meaning(Defect.CLOCK, "The charger's clock is not set."),
    (OS, 5): Meaning(Defect.CLOCK, "The charger's clock does not work."),
}
GENERAL_ERRORS: dict[int, Meaning] = {
    8: Meaning(Defect.PROTOCOL, "The charger's firmware does not offer what the station needs."),
    9: Meaning(Defect.PROTOCOL, "The charger says that what it received is damaged."),
    11: FACTORY_ERRORS[FactoryRc.LOCKED],
}
_DEFECT_OF_GROUP = {
    IMAGE: Defect.FLASH,
    SETTINGS: Defect.CONFIGURATION,
    FILES: Defect.CONFIGURATION,
    FACTORY: Defect.KEY,
}

NOT_SUPPORTED, NOT_FOUND = 8, 5
"""General codes that the driver acts on."""


class Refused(Exception):
    """The device answered a request with an error; carries numbers only, never what was asked or said."""

    def __init__(self, asked: int, group: int | None, rc: int, length: int | None = None) -> None:
        """Keep the group that was asked, the group the code belongs to (None: general), and the code."""
        super().__init__(f"group {group}, rc {rc}")
        self.asked, self.group, self.rc, self.length = asked, group, rc, length
        """`length` comes with a file offset error: what the device holds already."""

    def is_one_of(self, group: int | None, *codes: int) -> bool:
        """Tell whether it is one of a group's codes."""
        return self.group == group and self.rc in codes

    @property
    def is_not_supported(self) -> bool:
        """Tell whether the device does not know the command at all."""
        return self.is_one_of(None, NOT_SUPPORTED)


def explain(refused: Refused, doing: str) -> UnitError:
    """Turn a refusal into the operator's error; `doing` is what the station tried."""
    meaning = _meaning(refused)
    if meaning is not None:
        return UnitError(meaning.defect, f"{meaning.sentence} ({doing})", hint=meaning.hint)
    defect = _DEFECT_OF_GROUP.get(refused.asked, Defect.PROTOCOL)
    group = refused.asked if refused.group is None else refused.group
    return UnitError(defect, f"The charger refused: {doing} (group {group}, code {refused.rc}).")


def _meaning(refused: Refused) -> Meaning | None:
    if refused.group is None:
        return GENERAL_ERRORS.get(refused.rc)
    if refused.group == FACTORY:
        return FACTORY_ERRORS.get(refused.rc)
    return GROUP_ERRORS.get((refused.group, refused.rc))
