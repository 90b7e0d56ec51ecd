"""The unit as it ships, at the stand-in for its real endpoint: seen there, not seen on staging, and left clean."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from station.acceptance import checks
from station.acceptance.messages import printable
from station.acceptance.sequence import Check, Exam, NotOfferedError, Progress, ignore_progress, run_checks
from station.acceptance.visit import Answer, CallRefused, CheckResult, Visit
from station.clock import Deadline
from station.errors import Defect, UnitError
from station.model import Environment, OcppVersion


def watch_ship(
    visit: Visit,
    bench_roots_pem: bytes,
    deadline: Deadline,
    *,
    owner: str = "",
    sequence: Sequence[Check] | None = None,
    progress: Progress = ignore_progress,
) -> tuple[CheckResult, ...]:
    """Wait for the unit on the ship persona, clean it, and prove that it never tried the test persona.

    Attempts on the test persona count from the moment the visit was opened, or from `AcceptanceServer.forget`.

    Args:
        visit: The unit's visit on the ship persona, opened before the unit restarts.
        bench_roots_pem: Roots the unit trusted for this watch only; they are deleted. Empty where there are none.
        deadline: For everything, the watch of `Limits.ship_watch_seconds` included.
        owner: Organisation that the unit's later certificate requests must name; empty where it need not know.
        sequence: A product's own sequence, in place of `SHIP_WATCH[version]`.
        progress: Told before each check and at the end.

    Raises:
        UnitError: The unit did not come, tried the test persona, or could not be cleaned.
    """
    chosen = SHIP_WATCH[visit.expected.version] if sequence is None else sequence
    return run_checks(chosen, Exam(visit, {}, deadline, bench_roots_pem, owner), progress)


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
    """Remove every charging profile; `Unknown` is the answer of a unit that has none."""
    for which in _ALL_PROFILES[exam.visit.expected.version]:
        answer = _offered(exam, "ClearChargingProfile", which)
        if answer.status not in {"Accepted", "Unknown"}:
            said = printable(answer.status)
            raise UnitError(Defect.SHIP_STATE, f"The unit answered ClearChargingProfile with '{said}'.")


def delete_bench_roots(exam: Exam) -> None:
    """Delete the roots of the bench by their hashes, and compare the list afterwards."""
    roots = x509.load_pem_x509_certificates(exam.anchors) if exam.anchors.strip() else []
    if not roots:
        raise NotOfferedError("The bench has no root to delete.")
    try:
        listed = exam.dialect.root_hashes(exam.visit, exam.deadline)
        doomed = [entry for entry in listed if any(_is_hash_of(entry, root) for root in roots)]
        for entry in doomed:
            exam.visit.call("DeleteCertificate", {"certificateHashData": entry}, exam.deadline)
        left = exam.dialect.root_hashes(exam.visit, exam.deadline)
    except CallRefused as refusal:
        raise _skip_or_fail(refusal, required=exam.dialect.certificates_required) from refusal
    exam.measure("bench_roots_deleted", float(len(doomed)))
    exam.measure("roots_left", float(len(left)))
    if any(_is_hash_of(entry, root) for entry in left for root in roots):
        raise UnitError(Defect.SHIP_STATE, "The unit still trusts the bench's root after DeleteCertificate.")


def operative(exam: Exam) -> None:
    """Leave the whole unit in service, judged by the latest status of every connector."""
    answer = exam.dialect.change_availability(exam.visit, None, "Operative", exam.deadline)
    if answer.status != "Accepted":
        said = printable(answer.status)
        raise UnitError(Defect.SHIP_STATE, f"The unit answered ChangeAvailability(Operative) with '{said}'.")
    checks.status(exam)


def no_test_attempts(exam: Exam) -> None:
    """Watch to the end of the time that the unit does not try the test persona."""
    visit = exam.visit
    watch = exam.deadline.at_most(visit.limits.ship_watch_seconds)
    seen = visit.attempts.wait_for_unit(Environment.TEST, visit.names, visit.watched_since, watch)
    unsure = visit.attempts.unattributed(Environment.TEST, visit.names, visit.watched_since)
    exam.measure("test_endpoint_attempts", float(len(seen)))
    exam.measure("test_endpoint_attempts_unattributed", float(len(unsure)))
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


def _is_hash_of(entry: Mapping[str, Any], root: x509.Certificate) -> bool:
    """Tell whether OCPP hash data is that of a self-signed root; an unknown algorithm matches nothing."""
    algorithm = str(entry.get("hashAlgorithm", "")).lower()
    if algorithm not in {"sha256", "sha384", "sha512"}:
        return False
    name = hashlib.new(algorithm, root.issuer.public_bytes()).hexdigest()
    key = hashlib.new(algorithm, _key_bits(root)).hexdigest()
    given = tuple(str(entry.get(field, "")).lower() for field in ("issuerNameHash", "issuerKeyHash", "serialNumber"))
    return given[:2] == (name, key) and given[2].lstrip("0") == f"{root.serial_number:x}"


def _key_bits(root: x509.Certificate) -> bytes:
    """Return the content of the subjectPublicKey bit string (RFC 6960, 4.1.1: issuerKeyHash)."""
    key = root.public_key()
    if isinstance(key, EllipticCurvePublicKey):
        return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    if isinstance(key, RSAPublicKey):
        return key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


_ALL_PROFILES: Mapping[OcppVersion, tuple[Mapping[str, object], ...]] = {
    OcppVersion.V16: ({},),
    # K10.FR.02: an id or criteria must be given.
    OcppVersion.V201: tuple(
        {"chargingProfileCriteria": {"chargingProfilePurpose": purpose}}
        for purpose in ("TxDefaultProfile", "TxProfile", "ChargingStationMaxProfile")
    ),
}

_SHIP = (
    Check("ship connect", checks.connect, 180),
    Check("ship boot", checks.boot, 60),
    Check("into service", checks.into_service, 60),
    Check("ship status", checks.status, 60),
    Check("owner name", owner_name, 15),
    Check("clear cache", clear_cache, 15),
    Check("clear local list", clear_local_list, 30),
    Check("clear charging profiles", clear_charging_profiles, 15),
    Check("operative", operative, 30),
    Check("delete bench roots", delete_bench_roots, 30),
    Check("no test attempts", no_test_attempts, 120),
)

SHIP_WATCH: Mapping[OcppVersion, tuple[Check, ...]] = {OcppVersion.V16: _SHIP, OcppVersion.V201: _SHIP}
"""What a unit goes through at the stand-in for its ship endpoint, by OCPP version."""
