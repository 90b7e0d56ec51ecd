"""The outlets one by one: unlocked, told apart by a signal of their own, and charging on remote command.

A charger whose wires are crossed passes every test that asks OCPP alone. So a simulated vehicle is plugged into the
outlet that bears a letter, and exactly the connector of that letter must say so (F-H4).
"""

from collections.abc import Iterator
from contextlib import contextmanager

from station.acceptance.checks import must_accept, named, no_effect, status_reports
from station.acceptance.dialect import Outlet
from station.acceptance.messages import printable
from station.acceptance.sequence import Exam
from station.acceptance.visit import CallRefused
from station.catalog.acceptance import Unlocking
from station.clock import Deadline
from station.errors import Defect, UnitError
from station.model import Connector

IN_USE = frozenset({"Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Finishing", "Occupied"})
"""States of a connector with a vehicle, of all versions."""
UNPLUG_SECONDS = 10.0
_NO_LOCK = {"UnknownConnector": Unlocking.NOT_SUPPORTED, "NotSupported": Unlocking.NOT_SUPPORTED}


def unlock(exam: Exam) -> None:
    """Unlock each connector while nothing is plugged in; the answer must be the product's."""
    for connector in exam.visit.expected.connectors:
        try:
            word = exam.dialect.unlock(exam.visit, connector, exam.effect())
        except CallRefused as refusal:
            if not refusal.not_offered:
                raise
            word = Unlocking.NOT_SUPPORTED
        word = _NO_LOCK.get(word, word)
        if not exam.compare(f"unlock_{connector.evse}", word, exam.plan.unlock):
            told = f"connector {connector.evse} with '{printable(word)}', not '{exam.plan.unlock}'"
            raise UnitError(Defect.OCPP, f"The unit answered UnlockConnector of {told}.")


def outlets(exam: Exam) -> None:
    """Plug a simulated vehicle into each outlet in turn: its own connector says so, and no other."""
    for connector in exam.visit.expected.connectors:
        since = exam.visit.position
        with _vehicle(exam, connector):
            _refuse_wrong(exam, connector, _first_in_use(exam, connector, since))
        _until_free(exam, connector, since)
        for outlet in sorted(_in_use(exam, since)):
            _refuse_wrong(exam, connector, outlet)
        exam.measure(f"outlet_{connector.letter}_is_connector", float(connector.evse))


def _first_in_use(exam: Exam, connector: Connector, since: int) -> Outlet:
    waited = exam.effect()
    found = exam.visit.until(lambda: next(iter(_in_use(exam, since)), None), waited)
    if found is None:
        told = f"No connector changed within {waited.seconds:.3g} s while a vehicle was plugged into outlet"
        raise UnitError(
            Defect.OCPP, f"{told} {connector.letter}.", hint="Check the plug of the fixture, then the unit."
        )
    return found


def _in_use(exam: Exam, since: int) -> list[Outlet]:
    return [report.outlet for _, report in status_reports(exam, since) if report.state in IN_USE]


def _refuse_wrong(exam: Exam, connector: Connector, found: Outlet) -> None:
    wanted = exam.dialect.outlet(connector)
    if found not in {wanted, (0, 0)}:
        moved = f"{named(found)}, not {named(wanted)}"
        told = f"A vehicle in outlet {connector.letter} moved {moved}: the outlets are mixed up."
        raise UnitError(Defect.WRONG_HARDWARE, told)


def remote_start(exam: Exam) -> None:
    """Begin and end a transaction at each outlet by remote command, with a simulated vehicle there (F-H5)."""
    for connector in exam.visit.expected.connectors:
        _charge(exam, connector)


def _charge(exam: Exam, connector: Connector) -> None:
    since = exam.visit.position
    with _vehicle(exam, connector), _granted(exam):
        _first_in_use(exam, connector, since)
        _end(exam, _begin(exam, connector))
    _until_free(exam, connector, since)


@contextmanager
def _granted(exam: Exam) -> Iterator[None]:
    """Let the server grant transactions of our own card for the time of the block, and none after it."""
    exam.visit.granted = exam.dialect.grants
    try:
        yield
    finally:
        exam.visit.granted = {}


def _begin(exam: Exam, connector: Connector) -> str:
    visit, since, waited = exam.visit, exam.visit.position, exam.effect()
    must_accept("the remote start", exam.dialect.remote_start(visit, connector, waited).status)
    found = visit.until(lambda: exam.dialect.begun(visit.messages("", since), connector), waited)
    if found is None:
        told = f"no transaction charges at connector {connector.evse} within {waited.seconds:.3g} s"
        raise no_effect("the remote start", told)
    return found


def _end(exam: Exam, transaction: str) -> None:
    visit, since, waited = exam.visit, exam.visit.position, exam.effect()
    must_accept("the remote stop", exam.dialect.remote_stop(visit, transaction, waited).status)
    if not visit.until(lambda: exam.dialect.ended(visit.messages("", since), transaction) or None, waited):
        raise no_effect("the remote stop", f"the transaction goes on after {waited.seconds:.3g} s")


@contextmanager
def _vehicle(exam: Exam, connector: Connector) -> Iterator[None]:
    """Have a simulated vehicle in an outlet for the time of the block, whatever happens in it."""
    try:
        exam.fixture.vehicle(connector, plugged=True, deadline=exam.deadline)
        yield
    finally:
        exam.fixture.vehicle(connector, plugged=False, deadline=Deadline(UNPLUG_SECONDS))


def _until_free(exam: Exam, connector: Connector, since: int) -> None:
    """Wait until an outlet that was in use says that it is Available again."""
    outlet, waited = exam.dialect.outlet(connector), exam.effect()

    def free() -> bool | None:
        states = [report.state for _, report in status_reports(exam, since) if report.outlet == outlet]
        return bool(states and states[-1] == "Available") or None

    if not exam.visit.until(free, waited):
        told = f"Connector {connector.evse} is not Available {waited.seconds:.3g} s after its vehicle left."
        raise UnitError(Defect.OCPP, told)
