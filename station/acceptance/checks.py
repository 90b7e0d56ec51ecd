"""The checks themselves: each one is a small function that asks, waits for the effect and judges it.

"Accepted" proves nothing. A setting is judged by reading it, an availability by the status that follows, a reset by
the unit starting again.
"""

from collections.abc import Mapping, Sequence

from station.acceptance.dialect import Outlet, Status, moment
from station.acceptance.messages import printable
from station.acceptance.sequence import Exam
from station.acceptance.transcript import is_secret
from station.acceptance.visit import CallRefused, ConnectionGone, Received, Visit
from station.clock import Deadline
from station.errors import Defect, UnitError
from station.identifiers import Kind, parse
from station.model import Connector

_WRITTEN = frozenset({"Accepted", "RebootRequired"})
_ACCEPTED = frozenset({"Accepted", "Scheduled"})
_SETTLE_SECONDS = 3.0


def connect(exam: Exam) -> None:
    """Wait for the unit; who it is and that it is the right one was settled when it was let in."""
    visit = exam.visit
    shown = visit.until(lambda: visit.connections or None, exam.deadline)
    if shown is None:
        raise _not_connected(exam)
    latest = shown[-1]
    exam.measure("tls_version", latest.tls_version)
    exam.measure("tls_cipher", latest.cipher)
    exam.measure("subprotocol", visit.expected.version.value)
    exam.measure("offered_subprotocols", printable(", ".join(latest.subprotocols)))
    exam.compare("ocpp_identity", latest.claimed, visit.expected.identity)
    if latest.certificate is not None and visit.expected.security_profile == 3:
        exam.compare("certificate_name", latest.certificate.common_name, visit.expected.serial)
        exam.compare("certificate_sha256", latest.certificate.sha256, visit.expected.certificate_sha256.lower())


def _not_connected(exam: Exam) -> UnitError:
    """Explain an absence by what was seen: refused claims to the identity, or attempts that ended in TLS."""
    visit = exam.visit
    missing = f"No connection of {visit.expected.identity} within {exam.deadline.seconds:.3g} s"
    if visit.claims:
        claim = f"{missing}; a station with this identity was refused: {visit.claims[-1]}."
        return UnitError(Defect.CERTIFICATE, claim, hint="Check credentials and slot, then put the unit aside.")
    tries = visit.attempts.of_unit(visit.expected.environment, visit.names, visit.watched_since)
    if tries:
        return UnitError(Defect.CERTIFICATE, f"{missing}; it tried {len(tries)} times, last: {tries[-1].verdict}.")
    failed = visit.attempts.nameless(visit.expected.environment, visit.watched_since)
    if failed:
        last = f"last from {failed[-1].address}: {failed[-1].verdict}"
        missing = f"{missing}; meanwhile {len(failed)} handshakes of nobody known failed, {last}"
    return UnitError(Defect.OCPP, f"{missing}.", hint="Check the unit's network cable, then put the unit aside.")


def boot(exam: Exam) -> None:
    """Wait for the first BootNotification and compare what it says with the work order."""
    visit, start = exam.visit, exam.visit.epoch
    found = visit.until(lambda: first_of(visit.messages("BootNotification", start)), exam.deadline)
    if found is None:
        raise exam.missing("BootNotification", exam.deadline)
    compare_boot(exam, found)
    said, wanted = exam.dialect.boot(found.payload).reason, exam.plan.boot_reasons
    if said and wanted and said not in wanted:
        told = f"The unit gives '{printable(said)}' as the reason of its boot, not {' or '.join(wanted)}."
        raise UnitError(Defect.OCPP, told)


def compare_boot(exam: Exam, message: Received) -> None:
    """Compare what a BootNotification says with the work order, field by field, each with the right one.

    Raises:
        UnitError: A field says something else.
    """
    said, expected = exam.dialect.boot(message.payload), exam.visit.expected
    exam.measure("boot_reason", printable(said.reason))
    meters = expected.meters if exam.dialect.boots_with_meter else {}
    pairs = {
        "vendor": (said.vendor, expected.vendor),
        "model": (said.model, expected.model),
        "serial number": (said.serial, expected.serial),
        "firmware": (said.firmware, expected.firmware),
        "ICCID": (_compared(Kind.ICCID, said.iccid), _compared(Kind.ICCID, expected.iccid)),
        "IMSI": (said.imsi, expected.imsi),
        "meter serial number": (said.meter, meters[min(meters)] if meters else ""),
    }
    promised = {"vendor", "model", "serial number", "firmware"}
    for name, (found, wanted) in pairs.items():
        # A part that the product does not have may be told or not; one that it has must be told, and rightly.
        if not wanted and name not in promised:
            continue
        if not exam.compare(f"boot_{name.lower().replace(' ', '_')}", found, wanted):
            told = f"'{printable(found)}'" if found else "nothing"
            raise UnitError(Defect.CONFIGURATION, f"BootNotification says {told} as {name}, ordered is '{wanted}'.")


def _compared(kind: Kind, text: str) -> str:
    """Return the form in which a number is compared: an ICCID may be told with its check digit or without."""
    try:
        return parse(kind, text, strict=False).value if text else ""
    except ValueError:
        return text


def settings(exam: Exam) -> None:
    """Write each setting and read it back."""
    for name, value in exam.wanted.items():
        word = exam.dialect.write(exam.visit, name, value, exam.deadline)
        if word not in _WRITTEN:
            shown = "a new value" if is_secret(name) else f"'{value}'"
            raise UnitError(Defect.CONFIGURATION, f"The unit refuses {shown} for {name}: {printable(word)}.")
        if word == "RebootRequired":
            exam.notes.append(f"{name} takes effect after a restart.")
            continue
        wrong = _read_back(exam, name, value)
        if wrong:
            raise no_effect(f"{name} = {value}", wrong)


def settings_kept(exam: Exam) -> None:
    """Read each setting again, after the restart."""
    for name, value in exam.wanted.items():
        wrong = _read_back(exam, name, value)
        if wrong:
            raise UnitError(Defect.CONFIGURATION, f"After the restart, {name} is not {value}: {wrong}.")


def _read_back(exam: Exam, name: str, value: str) -> str:
    """Read a setting and return what is wrong with it; one that holds a secret cannot be read and is not tried."""
    if is_secret(name):
        return ""
    found = exam.dialect.read(exam.visit, name, exam.deadline)
    if exam.compare(name, found or "", value):
        return ""
    return "it cannot be read" if found is None else f"it reads '{printable(found)}'"


def accept(exam: Exam) -> None:
    """Ask the unit to boot again and accept it; one that cannot be asked does so by itself after the interval."""
    visit, since = exam.visit, exam.visit.position
    visit.accepting = True
    try:
        word = exam.dialect.trigger(visit, "BootNotification", None, exam.deadline).status
    except CallRefused as refusal:
        word = refusal.code
    if word != "Accepted":
        exam.notes.append(f"TriggerMessage(BootNotification) was answered with {printable(word)}.")
    if visit.until(lambda: accepted_since(exam, since), exam.deadline) is None:
        raise exam.missing("BootNotification after TriggerMessage", exam.deadline)


def into_service(exam: Exam) -> None:
    """Put a unit back into service that an interrupted test left out of it; a unit that is in service is left alone."""
    wanted = set(exam.dialect.outlets(exam.visit.expected))
    exam.visit.until(lambda: wanted <= set(_statuses(exam)) or None, exam.deadline)
    latest = _statuses(exam)
    for outlet in sorted(wanted - set(latest)):
        raise exam.missing(f"StatusNotification of {named(outlet)}", exam.deadline)
    left = sorted(outlet for outlet, state in latest.items() if state == "Unavailable")
    exam.measure("found_out_of_service", float(len(left)))
    if left:
        exam.dialect.change_availability(exam.visit, None, "Operative", exam.deadline)


def status(exam: Exam) -> None:
    """Wait until every outlet is Available, and let there be no other outlets."""
    visit, wanted = exam.visit, set(exam.dialect.outlets(exam.visit.expected))
    visit.until(lambda: _all_available(_statuses(exam), wanted) or None, exam.deadline)
    latest = _statuses(exam)
    for outlet in sorted(wanted):
        if outlet not in latest:
            raise exam.missing(f"StatusNotification of {named(outlet)}", exam.deadline)
        if not exam.compare(f"status_{named(outlet).replace(' ', '_')}", latest[outlet], "Available"):
            said = f"{named(outlet)} reports {latest[outlet]}, not Available, after {exam.deadline.seconds:.3g} s."
            raise UnitError(Defect.OCPP, said)
    others = sorted({report.outlet for _, report in status_reports(exam, 0)} - wanted - {(0, 0)})
    if others:
        raise UnitError(Defect.CONFIGURATION, f"The unit reports {named(others[0])}, which was not ordered.")


def _statuses(exam: Exam) -> dict[Outlet, str]:
    """Return the latest state of each outlet since the unit was accepted in its present start."""
    accepted = accepted_since(exam, exam.visit.epoch)
    if accepted is None:
        return {}
    return {report.outlet: report.state for number, report in status_reports(exam, accepted) if number >= accepted}


def status_reports(exam: Exam, since: int) -> list[tuple[int, Status]]:
    """Return the status reports from a position on, with their positions."""
    messages = exam.visit.messages("", since)
    numbered = [(since + index, message) for index, message in enumerate(messages)]
    return [(n, status) for n, m in numbered for status in exam.dialect.statuses(m.action, m.payload)]


def _all_available(latest: Mapping[Outlet, str], wanted: set[Outlet]) -> bool:
    return all(latest.get(outlet) == "Available" for outlet in wanted)


def named(outlet: Outlet) -> str:
    """Return what messages call an outlet."""
    evse, connector = outlet
    return f"connector {evse}" if connector <= 1 else f"connector {evse}/{connector}"


def accepted_since(exam: Exam, since: int) -> int | None:
    """Return the position after the first BootNotification that was answered Accepted, or None."""
    for index, message in enumerate(exam.visit.messages("", since)):
        if message.action == "BootNotification" and message.accepted:
            return since + index + 1
    return None


def clock(exam: Exam) -> None:
    """Judge the device's clock by the timestamps of its own messages, asking for one if none came."""
    visit, limit = exam.visit, exam.visit.limits.clock_seconds
    for message in ("", "StatusNotification", "MeterValues"):
        if message:
            _ask(exam, message)
        offset = visit.until(lambda: _offset(exam), exam.effect() if message else Deadline(0))
        if offset is not None:
            break
    if offset is None:
        raise UnitError(Defect.CLOCK, "The unit puts its own time in no message, so its clock cannot be judged.")
    exam.measure("clock_offset", round(offset, 3), "s")
    if abs(offset) > limit:
        raise UnitError(Defect.CLOCK, f"The unit's clock is off by {offset:+.0f} s; {limit:g} s are allowed.")


def _ask(exam: Exam, message: str) -> None:
    """Ask for a message; a refusal only means that it does not come."""
    try:
        exam.dialect.trigger(exam.visit, message, exam.visit.expected.connectors[0], exam.effect())
    except CallRefused as refusal:
        exam.notes.append(refusal.message)


def _offset(exam: Exam) -> float | None:
    """Return device time minus ours: the least offset of all, since a report may be late but its clock runs on."""
    accepted = accepted_since(exam, exam.visit.epoch)
    messages = [] if accepted is None else exam.visit.messages("", accepted)
    stated = [(moment(message.payload), message.at) for message in messages]
    return min(((theirs - ours).total_seconds() for theirs, ours in stated if theirs), key=abs, default=None)


def trigger_heartbeat(exam: Exam) -> None:
    """Ask for a Heartbeat; it must come after the answer."""
    _trigger(exam, "Heartbeat", None)


def trigger_status(exam: Exam) -> None:
    """Ask each connector for its status; it must come after the answer."""
    for connector in exam.visit.expected.connectors:
        _trigger(exam, "StatusNotification", connector)


def _trigger(exam: Exam, message: str, connector: Connector | None) -> None:
    visit, waited = exam.visit, exam.effect()
    answer = exam.dialect.trigger(visit, message, connector, waited)
    command = f"TriggerMessage({message})"
    must_accept(command, answer.status)
    if connector is None:
        came = visit.until(lambda: first_of(visit.messages(message, answer.position)), waited) is not None
    else:
        came = state_follows(exam, connector, "", answer.position, waited)
    if not came:
        raise no_effect(command, f"no {message} within {waited.seconds:.3g} s")


def availability(exam: Exam) -> None:
    """Take each connector out of service and back, judged by the status that follows."""
    for connector in exam.visit.expected.connectors:
        _change_availability(exam, connector, "Inoperative", "Unavailable")
        _change_availability(exam, connector, "Operative", "Available")


def _change_availability(exam: Exam, connector: Connector, state: str, shown: str) -> None:
    since, waited = exam.visit.position, exam.effect()
    command = f"ChangeAvailability({state})"
    must_accept(command, exam.dialect.change_availability(exam.visit, connector, state, waited).status)
    if not state_follows(exam, connector, shown, since, waited):
        found = f"no StatusNotification {shown} of connector {connector.evse} within {waited.seconds:.3g} s"
        raise no_effect(command, found)


def state_follows(exam: Exam, connector: Connector, state: str, since: int, waited: Deadline) -> bool:
    """Wait for a status of a connector, of the given state or of any."""
    outlet = exam.dialect.outlet(connector)

    def look() -> bool | None:
        return any(r.outlet == outlet and state in {"", r.state} for _, r in status_reports(exam, since)) or None

    return exam.visit.until(look, waited) is not None


def reset(exam: Exam) -> None:
    """Restart the unit over OCPP; admission sees to it that who comes back has the right certificate."""
    visit = exam.visit
    since = _order_reset(exam)
    before = visit.connections_before_reset
    # A boot may come before the answer, on the same connection or on a new one, with any reason.
    booted = visit.until(lambda: first_of(visit.messages("BootNotification", since)), exam.deadline)
    if booted is None:
        raise no_effect("Reset", f"no BootNotification within {exam.deadline.seconds:.3g} s")
    visit.epoch = since
    exam.measure("reset_new_connection", len(visit.connections) > before)
    compare_boot(exam, booted)


def _order_reset(exam: Exam) -> int:
    """Order the restart and return the position from which a boot is that of this restart."""
    visit = exam.visit
    while True:
        _settle(exam)
        visit.connections_before_reset, since = len(visit.connections), visit.position
        try:
            must_accept("Reset", exam.dialect.reset(visit, exam.deadline).status)
        except ConnectionGone:
            # One that comes back with its renewed certificate may never have seen the command.
            if visit.reconnecting:
                continue
            exam.notes.append("The unit restarted before it answered Reset.")
        return since


def _settle(exam: Exam) -> None:
    """Let a unit that came back with a renewed certificate say its boot first, if it says one at all."""
    visit = exam.visit
    number = visit.until(lambda: len(visit.connections) if visit.link else None, exam.deadline)
    if visit.reconnecting and number and number > visit.connections_before_renewal:
        visit.reconnecting = False
        visit.until(lambda: first_of(_boots_over(visit, number)), exam.deadline.at_most(_SETTLE_SECONDS))


def _boots_over(visit: Visit, number: int) -> list[Received]:
    return [message for message in visit.messages("BootNotification") if message.connection == number]


def conformance(exam: Exam) -> None:
    """Report every message that broke its schema or the protocol."""
    findings = exam.visit.findings
    exam.measure("protocol_findings", float(len(findings)))
    if findings:
        raise UnitError(Defect.OCPP, f"Protocol broken {len(findings)} times: {'; '.join(findings[:3])}.")


def must_accept(command: str, word: str) -> None:
    """Refuse any other answer than one that accepts a command.

    Raises:
        UnitError: It was not accepted.
    """
    if word not in _ACCEPTED:
        raise UnitError(Defect.OCPP, f"The unit answered {command} with '{printable(word)}'.")


def no_effect(command: str, what: str) -> UnitError:
    """Return the error for a command that was accepted and not done."""
    return UnitError(Defect.OCPP, f"The unit accepted {command} but nothing changed: {what}.")


def first_of(messages: Sequence[Received]) -> Received | None:
    """Return the first of some messages, or None."""
    return messages[0] if messages else None
