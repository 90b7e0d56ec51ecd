"""What a unit has to survive: a network that goes away, and power that goes away.

A unit that does not come back by itself, or comes back with a wrong clock, is one that somebody has to drive to.
"""

from station.acceptance.checks import compare_boot, first_of, must_accept, status_reports
from station.acceptance.dialect import Outlet
from station.acceptance.sequence import Exam
from station.clock import Deadline
from station.errors import Defect, UnitError

_BY_ITSELF_SECONDS = 3.0
"""How long a unit that is back has to report its outlets before it is asked to."""


def offline(exam: Exam) -> None:
    """Take the network away once: the unit comes back by itself and reports every outlet again (F-H6)."""
    visit, pause = exam.visit, exam.plan.offline_seconds
    before = len(visit.connections)
    with visit.network_gone():
        visit.until(lambda: None, exam.deadline.at_most(pause))
    exam.measure("offline_for", pause, "s")
    waited = Deadline(exam.deadline.remaining)
    if visit.until(lambda: len(visit.connections) > before or None, waited) is None:
        told = f"The unit did not come back within {waited.seconds:.3g} s after its network was gone for {pause:g} s."
        raise UnitError(Defect.OCPP, told)
    exam.measure("reconnected_after", round(waited.seconds - waited.remaining, 3), "s")
    _report_again(exam, before)


def _report_again(exam: Exam, before: int) -> None:
    """Wait for the status of every outlet; one that sends none by itself is asked for it (2.0.1, B04.FR.02)."""
    wanted = {exam.dialect.outlet(connector) for connector in exam.visit.expected.connectors}
    own = exam.visit.until(lambda: wanted <= _free(exam, before) or None, exam.deadline.at_most(_BY_ITSELF_SECONDS))
    exam.measure("status_sent_again_by_itself", bool(own))
    if own:
        return
    for connector in exam.visit.expected.connectors:
        answer = exam.dialect.trigger(exam.visit, "StatusNotification", connector, exam.deadline)
        must_accept("TriggerMessage(StatusNotification)", answer.status)
    if not exam.visit.until(lambda: wanted <= _free(exam, before) or None, exam.effect()):
        raise UnitError(Defect.OCPP, "Not every outlet is Available after the network came back.")


def _free(exam: Exam, before: int) -> set[Outlet]:
    """Return the outlets that are Available by what came over a later connection than the first `before`."""
    messages = exam.visit.messages()
    since = next((index for index, message in enumerate(messages) if message.connection > before), len(messages))
    latest = {report.outlet: report.state for _, report in status_reports(exam, since)}
    return {outlet for outlet, state in latest.items() if state == "Available"}


def power_cycle(exam: Exam) -> None:
    """Take the power away, judge the clock before the server tells the unit the time, and see it boot (F-E4, P14)."""
    visit, plan = exam.visit, exam.plan
    since = visit.position
    with visit.network_gone():
        exam.fixture.power_cycle(plan.power_off_seconds, exam.deadline)
        drift = exam.fixture.clock_offset(exam.deadline)
    exam.measure("power_off_for", plan.power_off_seconds, "s")
    exam.measure("clock_drift", round(drift, 3), "s")
    if abs(drift) > plan.clock_drift:
        told = f"The clock is off by {drift:+.0f} s after {plan.power_off_seconds:g} s without power"
        raise UnitError(Defect.CLOCK, f"{told}; {plan.clock_drift:g} s are allowed.")
    booted = visit.until(lambda: first_of(visit.messages("BootNotification", since)), exam.deadline)
    if booted is None:
        raise exam.missing("BootNotification after the power came back", exam.deadline)
    visit.epoch = since
    compare_boot(exam, booted)
    said = exam.dialect.boot(booted.payload).reason
    if said and not exam.compare("power_cycle_reason", said, "PowerUp"):
        raise UnitError(Defect.OCPP, f"The unit gives '{said}' as the reason of its boot after power was cut.")
