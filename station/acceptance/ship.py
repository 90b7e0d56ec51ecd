"""The unit as it ships, at the stand-in for its real endpoint: seen there, not seen on staging, and left clean.

The roots of the test endpoint go last. A unit that lost them before it reached its ship endpoint would reach nobody any
more, so whoever takes them away must show an `Arrival`, and there is none before the unit was seen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from cryptography import x509

from station.acceptance import checks
from station.acceptance.anchors import delete_roots, is_hash_of
from station.acceptance.attempts import Attempt
from station.acceptance.messages import printable
from station.acceptance.sequence import Check, Exam, NotOfferedError, Progress, ignore_progress, run_checks
from station.acceptance.switch import Target, endpoint_checks
from station.acceptance.visit import Answer, CallRefused, CheckResult, Visit
from station.clock import Deadline
from station.errors import Defect, UnitError
from station.model import Environment, OcppVersion

DELETE_ROOTS = "delete test roots"
"""Name of the check that takes the roots of the test away over OCPP."""


@dataclass(frozen=True)
class Arrival:
    """That a unit was seen, and accepted, at the stand-in for its ship endpoint: without it no root is taken away."""

    visit: Visit

    def __post_init__(self) -> None:
        """Refuse a visit that proves nothing of the kind.

        Raises:
            RuntimeError: It is none at the ship endpoint, or the unit was not accepted there: a bug of the caller.
        """
        boots = self.visit.messages("BootNotification", self.visit.epoch)
        if self.visit.expected.environment is not Environment.SHIP or not any(boot.accepted for boot in boots):
            raise RuntimeError(f"{self.visit.expected.identity} was not yet seen at its ship endpoint")


def watch_ship(
    visit: Visit,
    gone: bytes,
    deadline: Deadline,
    *,
    owner: str = "",
    sequence: Sequence[Check] | None = None,
    progress: Progress = ignore_progress,
) -> tuple[CheckResult, ...]:
    """Wait for the unit on the ship persona, prove that it never tried the test persona, and clean it.

    Attempts on the test persona count from the moment the visit was opened, or from `AcceptanceServer.forget`.

    Args:
        visit: The unit's visit on the ship persona, opened before the unit restarts.
        gone: Roots (PEM) that the unit must not trust afterwards: those of the test endpoint and of the bench.
        deadline: For everything, the watch of `Limits.ship_watch_seconds` included.
        owner: Organisation that the unit's later certificate requests must name; empty where it need not know.
        sequence: A product's own sequence, as `ship_sequence` makes it, in place of `SHIP_WATCH[version]`.
        progress: Told before each check and at the end.

    Raises:
        UnitError: The unit did not come, tried the test persona, or could not be cleaned.
    """
    chosen = SHIP_WATCH[visit.expected.version] if sequence is None else sequence
    return run_checks(chosen, Exam(visit, {}, deadline, gone, owner), progress)


def ship_sequence(version: OcppVersion, target: Target, kept: bytes) -> tuple[Check, ...]:
    """Return what a unit goes through that is told its ship endpoint in the way of its product.

    Args:
        version: What it speaks.
        target: Its ship endpoint, and how it was told.
        kept: The roots (PEM) that it trusts in the end, and no others.
    """
    last = partial(leave_roots, kept)
    sequence = [replace(check, function=last) if check.name == DELETE_ROOTS else check for check in SHIP_WATCH[version]]
    place = [check.name for check in sequence].index("owner name")
    return (*sequence[:place], *endpoint_checks(target), *sequence[place:])


def come(exam: Exam) -> None:
    """Wait for the unit, as long as it does not go back to the test endpoint; who it is was settled at admission."""
    visit = exam.visit
    while not exam.deadline.expired:
        if visit.until(lambda: visit.connections or None, exam.deadline.at_most(_GLANCE_SECONDS)) is not None:
            break
        _refuse_attempts(visit.attempts.of_unit(Environment.TEST, visit.names, visit.watched_since))
    checks.connect(exam)


def owner_name(exam: Exam) -> None:
    """Tell the unit whose it is now, so that its next certificate request does not name the owner it was tested for."""
    if not exam.owner:
        raise NotOfferedError("The unit does not renew its certificate over OCPP.")
    name = exam.dialect.organization
    exam.dialect.write(exam.visit, name, exam.owner, exam.deadline)
    found = exam.dialect.read(exam.visit, name, exam.deadline) or ""
    if not exam.compare(name, found, exam.owner):
        raise UnitError(Defect.SHIP_STATE, f"{name} reads '{printable(found)}', not '{exam.owner}'.")


def clear_cache(exam: Exam) -> None:
    """Empty the authorization cache."""
    answer = _offered(exam, "ClearCache", {})
    if answer.status != "Accepted":
        raise UnitError(Defect.SHIP_STATE, f"The unit answered ClearCache with '{printable(answer.status)}'.")


def clear_local_list(exam: Exam) -> None:
    """Empty the local authorization list and read its version back."""
    try:
        version = exam.dialect.clear_local_list(exam.visit, exam.deadline)
    except CallRefused as refusal:
        raise _skip_or_fail(refusal) from refusal
    exam.measure("local_list_version", float(version))
    if version > 0:
        raise UnitError(Defect.SHIP_STATE, f"The local authorization list still has version {version}.")


def clear_charging_profiles(exam: Exam) -> None:
    """Remove every charging profile, and ask again: `Unknown` is the answer of a unit that has none."""
    for which in _ALL_PROFILES[exam.visit.expected.version]:
        word = _offered(exam, "ClearChargingProfile", which).status
        if word == "Accepted":
            word = _offered(exam, "ClearChargingProfile", which).status
        if word != "Unknown":
            told = f"The unit answered ClearChargingProfile with '{printable(word)}' and still has charging profiles"
            raise UnitError(Defect.SHIP_STATE, f"{told}, or does not say that it has none.")


def no_transactions(exam: Exam) -> None:
    """Make sure that no transaction of the tests is left: none is told here, and none waits to be told."""
    told = [message for message in exam.visit.messages() if message.action in _TRANSACTION_MESSAGES]
    exam.measure("transaction_messages", float(len(told)))
    if told:
        raise UnitError(Defect.SHIP_STATE, f"The unit tells its ship endpoint of a transaction ({told[0].action}).")
    if exam.visit.expected.version is OcppVersion.V16:
        return
    waiting = _offered(exam, "GetTransactionStatus", {}).payload.get("messagesInQueue")
    exam.measure("transaction_messages_queued", waiting is not False)
    if waiting is not False:
        raise UnitError(Defect.SHIP_STATE, "The unit still has messages of transactions to tell.")


def leave_roots(kept: bytes, exam: Exam) -> None:
    """Delete roots by their hashes, and compare the list afterwards: those are gone, and just `kept` (PEM) is there."""
    Arrival(exam.visit)  # the way back ends here
    roots = x509.load_pem_x509_certificates(exam.anchors) if exam.anchors.strip() else []
    if not roots:
        raise NotOfferedError("There is no root to delete.")
    try:
        deleted = delete_roots(exam, roots)
        left = exam.dialect.root_hashes(exam.visit, exam.deadline)
    except CallRefused as refusal:
        raise _skip_or_fail(refusal, required=exam.dialect.certificates_required) from refusal
    exam.measure("test_roots_deleted", float(deleted))
    exam.measure("roots_left", float(len(left)))
    if any(is_hash_of(entry, root) for entry in left for root in roots):
        raise UnitError(Defect.SHIP_STATE, "The unit still trusts a root of the test after DeleteCertificate.")
    wanted = x509.load_pem_x509_certificates(kept) if kept.strip() else []
    if wanted and not _same_roots(left, wanted):
        raise UnitError(Defect.SHIP_STATE, "The unit does not list exactly the roots of its ship environment.")


def _same_roots(listed: Sequence[Mapping[str, object]], wanted: Sequence[x509.Certificate]) -> bool:
    known = all(any(is_hash_of(entry, root) for root in wanted) for entry in listed)
    return known and all(any(is_hash_of(entry, root) for entry in listed) for root in wanted)


def operative(exam: Exam) -> None:
    """Leave the whole unit in service, judged by the latest status of every connector."""
    answer = exam.dialect.change_availability(exam.visit, None, "Operative", exam.deadline)
    if answer.status != "Accepted":
        said = printable(answer.status)
        raise UnitError(Defect.SHIP_STATE, f"The unit answered ChangeAvailability(Operative) with '{said}'.")
    checks.status(exam)


def no_test_attempts(exam: Exam) -> None:
    """Watch to the end of the time that the unit does not try the test persona."""
    _count_attempts(exam, exam.deadline.at_most(exam.visit.limits.ship_watch_seconds))


def still_no_test_attempts(exam: Exam) -> None:
    """Make sure that it did not try the test persona while it was cleaned either."""
    _count_attempts(exam, Deadline(0))


def _count_attempts(exam: Exam, watch: Deadline) -> None:
    visit = exam.visit
    seen = visit.attempts.wait_for_unit(Environment.TEST, visit.names, visit.watched_since, watch)
    unsure = visit.attempts.unattributed(Environment.TEST, visit.names, visit.watched_since)
    exam.measure("test_endpoint_attempts", float(len(seen)))
    exam.measure("test_endpoint_attempts_unattributed", float(len(unsure)))
    _refuse_attempts(seen)


def _refuse_attempts(seen: Sequence[Attempt]) -> None:
    if seen:
        told = f"The unit tried the test endpoint from {seen[0].address} while it should live at its ship endpoint"
        raise UnitError(Defect.SHIP_STATE, f"{told}: {seen[0].verdict}.")


def _offered(exam: Exam, action: str, payload: Mapping[str, object]) -> Answer:
    try:
        return exam.visit.call(action, payload, exam.deadline)
    except CallRefused as refusal:
        raise _skip_or_fail(refusal) from refusal


def _skip_or_fail(refusal: CallRefused, *, required: bool = False) -> Exception:
    if refusal.not_offered and not required:
        return NotOfferedError(refusal.message)
    return UnitError(Defect.SHIP_STATE, refusal.message)


_GLANCE_SECONDS = 0.5
"""How often it is looked whether a unit that is waited for went somewhere else."""
_TRANSACTION_MESSAGES = frozenset({"StartTransaction", "StopTransaction", "TransactionEvent"})
# K10.FR.02: an id or criteria must be given.
_BY_PURPOSE: tuple[Mapping[str, object], ...] = tuple(
    {"chargingProfileCriteria": {"chargingProfilePurpose": purpose}}
    for purpose in ("TxDefaultProfile", "TxProfile", "ChargingStationMaxProfile")
)
_ALL_PROFILES: Mapping[OcppVersion, tuple[Mapping[str, object], ...]] = {
    OcppVersion.V16: ({},),
    OcppVersion.V201: _BY_PURPOSE,
    OcppVersion.V21: _BY_PURPOSE,
}

_SHIP = (
    Check("ship connect", come, 180),
    Check("ship boot", checks.boot, 60),
    Check("into service", checks.into_service, 60),
    Check("ship status", checks.status, 60),
    Check("owner name", owner_name, 15),
    Check("clear cache", clear_cache, 15),
    Check("clear local list", clear_local_list, 30),
    Check("clear charging profiles", clear_charging_profiles, 15),
    Check("no transactions", no_transactions, 15),
    Check("operative", operative, 30),
    Check("no test attempts", no_test_attempts, 120),
    # After the watch: without these roots an attempt on the test endpoint would no longer show whose it is.
    Check(DELETE_ROOTS, partial(leave_roots, b""), 30),
    Check("no test attempts while cleaned", still_no_test_attempts, 5),
)

SHIP_WATCH: Mapping[OcppVersion, tuple[Check, ...]] = dict.fromkeys(OcppVersion, _SHIP)
"""What a unit goes through at the stand-in for its ship endpoint, by OCPP version."""
