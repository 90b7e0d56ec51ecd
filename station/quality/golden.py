"""The check of a golden unit: what the station finds of a unit of which it is known what must be found.

It looks and compares, and writes nothing to the device: who is in the slot, which variant it is, and, of a unit that
was released, that it is locked and signs with its key. So it finds what these find: wrong hardware, another variant, a
device that is not locked or has another key; not what only a whole run would, such as a fault in its OCPP.
"""

from station.bench import Bench
from station.clock import Deadline
from station.errors import UnitError
from station.records import GOOD, GoldenCheck, GoldenCheckRow, UnitRow
from station.steps.identify import identify
from station.steps.verify import verify_released
from station.version import software_version

AS_GOOD = "It is what it must be, and nothing is wrong with it."


def golden_check(bench: Bench, slot: str, who: str, deadline: Deadline) -> GoldenCheckRow:
    """Check the golden unit in a slot and record what was found; if it is not what must be, the station is on hold.

    Args:
        bench: The device with its definitions, outside of any run; its unit bears the serial that the device was
            given, or none.
        slot: Where it is.
        who: Who put it there.
        deadline: When the device must have answered.

    Raises:
        LinkError: Contact was lost: nothing was found, and nothing is recorded.
        ServiceError: The HSM or the records are away; likewise.
    """
    found, sentence = judged(bench, deadline)
    check = GoldenCheck(bench.unit.hardware_uid.hex(), slot, found, sentence, software_version(), who)
    return bench.services.records.golden_checked(check)


def judged(bench: Bench, deadline: Deadline) -> tuple[str, str]:
    """Return what is found, `PASS` or a defect, and a sentence that says it."""
    try:
        identify(bench, deadline)
        released = _released(bench)
        if released is not None:
            recipe, charger, identity = bench.recipe, bench.charger, bench.identity
            verify_released(bench.services, recipe, charger, identity, released.serial, deadline)
    except UnitError as error:
        return error.defect.value, error.message
    return GOOD, AS_GOOD


def _released(bench: Bench) -> UnitRow | None:
    """Return the unit if it was released once, whatever became of it."""
    records = bench.services.records
    unit = records.unit_of_hardware(bench.unit.hardware_uid.hex())
    return unit if unit is not None and records.passport(unit.serial) is not None else None
