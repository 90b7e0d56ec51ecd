"""What a unit lists of itself over OCPP: complete, as the released firmware has it, and without a secret in it.

The unit is asked while it is Pending, before anything is written: what differs then, somebody else wrote, or the
firmware is another one than the released.
"""

from collections.abc import Mapping

from station.acceptance.messages import printable
from station.acceptance.sequence import Exam
from station.acceptance.transcript import is_secret
from station.errors import Defect, UnitError

MOST_TOLD = 5
"""Deviations that are told in one sentence; all of them are measured."""


def inventory(exam: Exam) -> None:
    """List every setting, compare the list with the product's golden values, and see that no secret can be read."""
    found = exam.dialect.inventory(exam.visit, exam.deadline)
    exam.measure("inventory_settings", float(len(found)))
    if not found:
        raise UnitError(Defect.OCPP, "The unit lists no settings at all.")
    _refuse_readable(exam, found)
    _compare_meters(exam, found)
    _compare_golden(exam, found)


def _refuse_readable(exam: Exam, found: Mapping[str, str]) -> None:
    for name in dict.fromkeys((*exam.dialect.passwords, *filter(is_secret, found))):
        value = found.get(name, "")
        if not value and name in exam.dialect.passwords:
            value = exam.dialect.read(exam.visit, name, exam.deadline) or ""
        # Asterisks are how some stations say that there is a value.
        if value and set(value) != {"*"}:
            raise UnitError(Defect.CONFIGURATION, f"The password setting {printable(name)} can be read over OCPP.")


def _compare_meters(exam: Exam, found: Mapping[str, str]) -> None:
    """Compare the meter of each outlet with the one that was captured there."""
    for evse, serial in exam.visit.expected.meters.items():
        name = exam.dialect.meter_setting(evse)
        if name and not exam.compare(name, found.get(name, ""), serial):
            told = f"'{printable(found[name])}'" if name in found else "no meter"
            raise UnitError(
                Defect.CONFIGURATION, f"Outlet {evse} says {told} over OCPP; '{serial}' was captured there."
            )


def _compare_golden(exam: Exam, found: Mapping[str, str]) -> None:
    """Compare with what the released firmware has; what this sequence writes is judged where it is written."""
    plan = exam.plan
    missing = [name for name in (*plan.golden, *plan.listed) if name not in found]
    others = [name for name, value in plan.golden.items() if name in found and not _equal(exam, name, found, value)]
    exam.measure("inventory_missing", float(len(missing)))
    exam.measure("inventory_deviations", float(len(others)))
    told = [f"{name} is missing" for name in missing]
    told += [f"{name} is '{printable(found[name])}', not '{plan.golden[name]}'" for name in others]
    if told:
        more = f" and {len(told) - MOST_TOLD} more" if len(told) > MOST_TOLD else ""
        raise UnitError(
            Defect.CONFIGURATION,
            f"The unit's settings are not those of its firmware: {'; '.join(told[:MOST_TOLD])}{more}.",
        )


def _equal(exam: Exam, name: str, found: Mapping[str, str], wanted: str) -> bool:
    return name in exam.wanted or exam.compare(name, found[name], wanted)
