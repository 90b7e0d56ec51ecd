"""Runs a tuple of checks over one visit: what a sequence is, is data; how it is run, is here."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from station.acceptance.contract import Renewal
from station.acceptance.dialect import Dialect
from station.acceptance.fixture import Fixture, NoFixture, NotOfferedError
from station.acceptance.messages import printable
from station.acceptance.v16 import Ocpp16
from station.acceptance.v21 import Ocpp21
from station.acceptance.v201 import Ocpp201
from station.acceptance.visit import CheckResult, Visit
from station.catalog.acceptance import Acceptance
from station.clock import Deadline
from station.errors import Defect, UnitError
from station.model import Measurement, OcppVersion, Outcome

Value = str | float | bool
Progress = Callable[[float], None]
"""Told the share of the sequence that is done, 0 to 1; may raise to end it."""
OnCheck = Callable[[str], None]
"""Told the name of each check as it begins."""

DIALECTS: Mapping[OcppVersion, Dialect] = {
    OcppVersion.V16: Ocpp16(),
    OcppVersion.V201: Ocpp201(),
    OcppVersion.V21: Ocpp21(),
}
__all__ = ["DIALECTS", "Check", "Exam", "NotOfferedError", "adjusted", "ignore_progress", "run_checks", "run_sequence"]

_EFFECT_SECONDS = 10.0
_SHOWN = 200
"""Longest foreign text in a measurement, in characters."""


def ignore_check(name: str) -> None:
    """Take no notice of which check begins."""


@dataclass
class Exam:
    """One check at work: whom it examines, and what it has found so far."""

    visit: Visit
    settings: Mapping[str, str]
    deadline: Deadline
    anchors: bytes = b""
    """PEM of the roots that must be gone afterwards; for the ship sequence."""
    owner: str = ""
    """Organisation that the unit must name in certificate requests; empty where it need not know."""
    renewal: Renewal | None = None
    plan: Acceptance = field(default_factory=Acceptance)
    """What the product proves beyond what all do."""
    fixture: Fixture = field(default_factory=NoFixture)
    roots: bytes = b""
    """PEM of exactly the roots that the unit trusts for its server; empty where nobody knows."""
    on_check: OnCheck = ignore_check
    measurements: list[Measurement] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def dialect(self) -> Dialect:
        """Return the ordered version's language."""
        return DIALECTS[self.visit.expected.version]

    @property
    def wanted(self) -> Mapping[str, str]:
        """Return what is written: the caller's settings, the heartbeat interval in any case, and whose the unit is."""
        owner = {self.dialect.organization: self.owner} if self.owner else {}
        return {self.dialect.heartbeat: str(self.visit.limits.heartbeat_seconds), **owner, **self.settings}

    def measure(self, name: str, value: Value, unit: str = "") -> None:
        """Record a value without a verdict."""
        self.measurements.append(Measurement(name, value, unit=unit))

    def compare(self, name: str, value: str, expected: str) -> bool:
        """Record a value judged by equality, safe to print, and return the verdict."""
        shown = printable(value, _SHOWN)
        self.measurements.append(Measurement(name, shown, expected=expected, passed=value == expected))
        return value == expected

    def effect(self) -> Deadline:
        """Return the time an accepted command has until its effect must show."""
        return self.deadline.at_most(_EFFECT_SECONDS)

    def missing(self, what: str, waited: Deadline) -> UnitError:
        """Return the error for a message that did not come."""
        return UnitError(Defect.OCPP, f"No {what} within {waited.seconds:.3g} s.")


@dataclass(frozen=True)
class Check:
    """One step of a sequence."""

    name: str
    function: Callable[[Exam], None]
    limit_seconds: float
    mandatory: bool = True
    """A check that is not mandatory is recorded when it fails, and the sequence goes on."""
    left_out: str = ""
    """Why it is not performed; it stands in the record all the same."""


def adjusted(
    checks: Sequence[Check], limits: Mapping[str, float], optional: frozenset[str] = frozenset()
) -> tuple[Check, ...]:
    """Return a product's version of a sequence: its own limits by check name, and which checks are optional."""
    return tuple(
        replace(check, limit_seconds=limits.get(check.name, check.limit_seconds), mandatory=check.name not in optional)
        for check in checks
    )


def ignore_progress(share: float) -> None:
    """Take no notice of progress."""


def run_sequence(
    visit: Visit,
    checks: Sequence[Check],
    *,
    settings: Mapping[str, str],
    deadline: Deadline,
    progress: Progress = ignore_progress,
    renewal: Renewal | None = None,
) -> tuple[CheckResult, ...]:
    """Run checks in order and return their results; `visit.results` has them also when one fails.

    Args:
        visit: The unit, as `AcceptanceServer.expect` gave it.
        checks: Such as `ACCEPTANCE[version]`.
        settings: OCPP settings to write and read back, by their names in the ordered version.
        deadline: For the whole sequence; each check has its own limit within it.
        progress: Told before each check and at the end.
        renewal: Who renews the unit's certificate; without it the checks of the renewal are skipped.

    Raises:
        UnitError: A mandatory check failed.
    """
    owner = renewal.organization if renewal else ""
    return run_checks(checks, Exam(visit, settings, deadline, owner=owner, renewal=renewal), progress)


def run_checks(checks: Sequence[Check], exam: Exam, progress: Progress) -> tuple[CheckResult, ...]:
    """Run checks in order, each with a fresh exam made after the given one.

    Raises:
        UnitError: A mandatory check failed.
    """
    first = len(exam.visit.results)
    for index, check in enumerate(checks):
        progress(index / len(checks))
        exam.on_check(check.name)
        _run_check(check, replace(exam, deadline=exam.deadline.at_most(check.limit_seconds), measurements=[], notes=[]))
    progress(1.0)
    return tuple(exam.visit.results[first:])


def _refuse_left_out(check: Check) -> None:
    if check.left_out:
        raise NotOfferedError(check.left_out)


def _run_check(check: Check, exam: Exam) -> None:
    started, outcome = time.monotonic(), Outcome.ERROR
    try:
        _refuse_left_out(check)
        check.function(exam)
        outcome = Outcome.PASS
    except NotOfferedError as reason:
        outcome = Outcome.SKIPPED
        exam.notes.append(str(reason))
    except UnitError as error:
        outcome = Outcome.FAIL
        exam.notes.append(error.message)
        if check.mandatory or exam.visit.failed:
            raise
    finally:
        seconds = round(time.monotonic() - started, 3)
        detail = " ".join(exam.notes)
        exam.visit.results.append(CheckResult(check.name, outcome, seconds, tuple(exam.measurements), detail))
