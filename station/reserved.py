"""A golden unit in a slot: checked, recorded, and never built."""

from station.clock import Deadline
from station.guest import Guest
from station.model import Outcome
from station.quality.golden import golden_check
from station.rework import NO_RUN
from station.run import Verdict

CHECK_SECONDS = 60.0
PUT_BACK = "Put it back to its place."


def is_golden(guest: Guest) -> bool:
    """Tell whether the charger is one by which stations are checked."""
    found = guest.records.golden_unit(guest.uid)
    return found is not None and found.retired_at is None


def check_golden(guest: Guest) -> Verdict:
    """Check the station by a golden unit: good where it is found as it must be, whether that is good or bad.

    Raises:
        LinkError: Contact was lost; nothing is recorded.
        ServiceError: The HSM or the records are away; likewise.
    """
    guest.desk.show(sentence="A golden unit is checked.", hint="")
    unit = guest.records.unit_of_hardware(guest.uid)
    bench = guest.bench(unit.serial if unit else "", NO_RUN)
    check = golden_check(bench, guest.slot, guest.desk.who, Deadline(CHECK_SECONDS))
    if check.as_expected:
        return Verdict(Outcome.PASS, f"The golden unit was found {check.found}, as it must be.", PUT_BACK)
    sentence = f"The golden unit was found {check.found}, which it must not be: the station is on hold."
    return Verdict(Outcome.ERROR, sentence, "Call quality.", "golden")
