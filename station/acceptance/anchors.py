"""Trust anchors over OCPP: told apart by hash data, installed, listed and deleted (F-D5, P09).

Anchors expire. A unit whose anchors can't be replaced from afar leaves the network on that day, so the replacement is
proven before the unit ships: a root that it does not know goes in, is listed, comes out again, and nothing else moves.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from station.acceptance.messages import printable
from station.acceptance.sequence import Exam, NotOfferedError
from station.acceptance.visit import CallRefused
from station.errors import Defect, UnitError

HashData = Mapping[str, Any]
"""OCPP's CertificateHashDataType, untrusted."""
_IDENTITY = ("issuerNameHash", "issuerKeyHash", "serialNumber")


def replace_anchor(pem: bytes, exam: Exam) -> None:
    """Install a root that the unit does not trust, see it listed, delete it, and see it gone and the others there."""
    root = x509.load_pem_x509_certificate(pem)
    try:
        _replace(exam, root)
    except CallRefused as refusal:
        hint = "If this product can't do it yet, its [anchor_replacement] says why not."
        told = f"The unit's trust anchors can't be replaced over OCPP: {refusal.message}"
        raise UnitError(refusal.defect, told, hint=hint) from refusal


def listed(exam: Exam) -> None:
    """Compare the roots that the unit lists for its server with those that it was given: these, and no other (F-D5)."""
    roots = x509.load_pem_x509_certificates(exam.roots) if exam.roots.strip() else []
    if not roots:
        raise NotOfferedError("Nobody said which roots the unit trusts.")
    try:
        entries = _listed(exam)
    except CallRefused as refusal:
        if refusal.not_offered and not exam.dialect.certificates_required:
            raise NotOfferedError(refusal.message) from refusal
        raise
    lacking = [root for root in roots if not any(is_hash_of(entry, root) for entry in entries)]
    foreign = [entry for entry in entries if not any(is_hash_of(entry, root) for root in roots)]
    exam.measure("roots_listed", float(len(entries)))
    if lacking:
        name = printable(lacking[0].subject.rfc4514_string())
        raise UnitError(Defect.CONFIGURATION, f"The unit does not list the root {name}, which it was given.")
    if foreign:
        number = printable(str(foreign[0].get("serialNumber", "")))
        told = f"The unit trusts {len(foreign)} roots that nobody gave it, one with serial number {number}."
        raise UnitError(Defect.CONFIGURATION, told)


def _replace(exam: Exam, root: x509.Certificate) -> None:
    delete_roots(exam, [root])  # an interrupted run may have left it
    before = _listed(exam)
    if any(is_hash_of(entry, root) for entry in before):
        raise _no_effect("DeleteCertificate", "it still lists the root")
    word = exam.dialect.install_root(exam.visit, _pem(root), exam.deadline).status
    if word != "Accepted":
        raise UnitError(Defect.OCPP, f"The unit answered InstallCertificate with '{printable(word)}'.")
    if not any(is_hash_of(entry, root) for entry in _listed(exam)):
        raise _no_effect("InstallCertificate", "it does not list the root")
    exam.measure("anchor_deleted", float(delete_roots(exam, [root])))
    after = _listed(exam)
    exam.measure("anchors_kept", float(len(after)))
    if any(is_hash_of(entry, root) for entry in after):
        raise _no_effect("DeleteCertificate", "it still lists the root")
    if _names(after) != _names(before):
        raise UnitError(Defect.OCPP, "The unit lost or changed other trust anchors while one was replaced.")


def delete_roots(exam: Exam, roots: Iterable[x509.Certificate]) -> int:
    """Delete those of the roots that the unit lists, and return how many they were.

    Raises:
        CallRefused: The unit answered with an error.
    """
    doomed = [entry for entry in _listed(exam) if any(is_hash_of(entry, root) for root in roots)]
    for entry in doomed:
        exam.visit.call("DeleteCertificate", {"certificateHashData": entry}, exam.deadline)
    return len(doomed)


def is_hash_of(entry: HashData, root: x509.Certificate) -> bool:
    """Tell whether OCPP hash data is that of a self-signed root; an unknown algorithm matches nothing."""
    algorithm = str(entry.get("hashAlgorithm", "")).lower()
    if algorithm not in {"sha256", "sha384", "sha512"}:
        return False
    name = hashlib.new(algorithm, root.issuer.public_bytes()).hexdigest()
    key = hashlib.new(algorithm, _key_bits(root)).hexdigest()
    given = tuple(str(entry.get(field, "")).lower() for field in _IDENTITY)
    return given[:2] == (name, key) and given[2].lstrip("0") == f"{root.serial_number:x}"


def _listed(exam: Exam) -> list[dict[str, Any]]:
    return exam.dialect.root_hashes(exam.visit, exam.deadline)


def _pem(root: x509.Certificate) -> str:
    return root.public_bytes(Encoding.PEM).decode()


def _names(entries: Iterable[HashData]) -> set[tuple[str, ...]]:
    return {tuple(str(entry.get(field, "")).lower() for field in _IDENTITY) for entry in entries}


def _no_effect(command: str, what: str) -> UnitError:
    return UnitError(Defect.OCPP, f"The unit accepted {command} but nothing changed: {what}.")


def _key_bits(root: x509.Certificate) -> bytes:
    """Return the content of the subjectPublicKey bit string (RFC 6960, 4.1.1: issuerKeyHash)."""
    key = root.public_key()
    if isinstance(key, EllipticCurvePublicKey):
        return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    if isinstance(key, RSAPublicKey):
        return key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)
