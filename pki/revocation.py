"""Tell the world which certificates ended before their time: revocation lists and OCSP answers, signed in the HSM.

Both are signed by the CA's own key. A responder's key of its own would lie in the same token and be used by the same
process, so it would protect nothing; it would add a certificate to renew and to carry in every answer, which small
devices pay for. A CA whose token is away (a root) has its list from the last ceremony and no OCSP.

A list is encoded by `cryptography` under a throwaway signature, an answer by `asn1crypto`; the HSM signs these very
bytes, and what comes out is verified, parsed and compared before it is given away.

Ref: RFC 5280 section 5 (CRL), RFC 6960 and RFC 5019 (OCSP), RFC 9654 (nonce).
"""

import fcntl
import functools
import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, cast

from asn1crypto import core, keys
from asn1crypto import crl as asn1_crl
from asn1crypto import ocsp as asn1_ocsp
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from pki.algorithm import algorithm_of
from pki.authority import BACKDATED, Authority, spki_of
from pki.certificate.encoder import SIGNATURES
from pki.certificate.throwaway import throwaway
from pki.cms import key_identifier
from pki.errors import PkiError, ProfileError
from pki.ledger import Ledger, Reason
from pki.ledger.revocations import CrlRecord, Revoked

CRL_PERIOD = timedelta(days=7)
OCSP_PERIOD = timedelta(days=1)
MAX_REQUEST_BYTES = 1024
MAX_CACHED = 20_000
"""About 400 bytes each."""
NONCE_BYTES = range(1, 33)
MAX_NONCE_BYTES = 128
_FLAGS = {
    Reason.KEY_COMPROMISE: x509.ReasonFlags.key_compromise,
    Reason.CA_COMPROMISE: x509.ReasonFlags.ca_compromise,
    Reason.AFFILIATION_CHANGED: x509.ReasonFlags.affiliation_changed,
    Reason.SUPERSEDED: x509.ReasonFlags.superseded,
    Reason.CESSATION_OF_OPERATION: x509.ReasonFlags.cessation_of_operation,
    Reason.PRIVILEGE_WITHDRAWN: x509.ReasonFlags.privilege_withdrawn,
}
"""`unspecified` is told by silence (RFC 5280 section 5.3.1)."""
Digest = hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None
_EXTENSIONS: dict[Reason, list[x509.Extension[x509.ExtensionType]]] = {
    reason: [x509.Extension(x509.CRLReason.oid, critical=False, value=x509.CRLReason(flag))]
    for reason, flag in _FLAGS.items()
}
Status = Revoked | Literal["good", "unknown"]


@dataclass(frozen=True)
class StatusAuthority:
    """One CA, as those who ask about its certificates see it; its key must be bound in the keystore."""

    certificate: x509.Certificate
    authority: Authority
    ledger: Ledger
    others: frozenset[str] = frozenset()
    """Serial numbers (upper-case hexadecimal) of certificates that it issued to no unit: those of the ceremony."""
    period: timedelta = CRL_PERIOD
    """From one list to the end of its validity."""

    @property
    def name(self) -> str:
        """Return the CA's name, as `test-issuing`."""
        return self.authority.label

    def status(self, serial: str) -> Status:
        """Return how a certificate ended, or else whether this CA ever issued it."""
        revoked = self.ledger.revoked(self.name, serial)
        if revoked:
            return revoked
        return "good" if serial in self.others or self.ledger.claimed(self.name, serial) else "unknown"

    def publish(self, folder: Path, *, force: bool = False) -> bool:
        """Write `<name>.crl` (DER) if something changed or half of the last one's time is over; tell whether it did.

        The list's number is durable in the ledger before the list is; a reader of the folder sees an old list or a
        whole new one.

        Raises:
            KeystoreError: The HSM is away.
            PkiError: The ledger can't be written.
        """
        with _alone(folder / f".{self.name}.lock"):
            newest = self.ledger.newest_crl(self.name)
            if not force and newest and self._fresh(newest) and _number(folder / f"{self.name}.crl") == newest.number:
                return False
            _write(folder / f"{self.name}.crl", self._next(newest))
        return True

    def _fresh(self, newest: CrlRecord) -> bool:
        half = newest.next_update - self.period / 2
        return datetime.now(UTC) < half and self.ledger.last_revocation(self.name) == newest.last_revocation

    def _next(self, newest: CrlRecord | None) -> bytes:
        now = datetime.now(UTC).replace(microsecond=0)
        start, end, number = now - BACKDATED, now + self.period, newest.number + 1 if newest else 1
        last = self.ledger.last_revocation(self.name)
        # An entry stays until after the certificate's end, so that at least one list tells of it (RFC 5280 section 5).
        entries = self.ledger.revocations(self.name, last, now - 2 * self.period)
        draft = draft_crl(self.certificate, number, (start, end), entries)
        signed = sign_crl(self.authority, draft)
        digest = hashlib.sha256(draft.tbs_certlist_bytes).hexdigest()
        self.ledger.add_crl(CrlRecord(self.name, number, start, end, last, len(draft), digest))
        return signed


def draft_crl(
    issuer: x509.Certificate, number: int, validity: tuple[datetime, datetime], revoked: Iterable[Revoked]
) -> x509.CertificateRevocationList:
    """Return a version 2 list with a throwaway signature: its TBS is what the HSM will sign.

    The library's constructor takes all entries at once: adding them one by one copies the list each time.
    """
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    key_identifier = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    builder = x509.CertificateRevocationListBuilder(
        issuer_name=issuer.subject,
        last_update=_naive(validity[0]),
        next_update=_naive(validity[1]),
        extensions=[
            x509.Extension(key_identifier.oid, critical=False, value=key_identifier),
            x509.Extension(x509.CRLNumber.oid, critical=False, value=x509.CRLNumber(number)),
        ],
        revoked_certificates=[_entry(found) for found in revoked],
    )
    algorithm = algorithm_of(spki_of(issuer))
    return builder.sign(throwaway(algorithm), cast("Digest", algorithm.digest))


def sign_crl(authority: Authority, draft: x509.CertificateRevocationList) -> bytes:
    """Return the list (DER) with the HSM's signature in place of the throwaway's.

    Raises:
        KeystoreError: The HSM is away, or signs with another key.
        ProfileError: What came out is not what was drafted.
    """
    tbs = draft.tbs_certlist_bytes
    parts = asn1_crl.CertificateList.load(draft.public_bytes(Encoding.DER))
    parts["signature"] = authority.sign(tbs)
    encoded: bytes = parts.dump()
    if x509.load_der_x509_crl(encoded).tbs_certlist_bytes != tbs:
        raise ProfileError(f"the signed CRL of {authority.label} differs from its draft")
    return encoded


def _entry(revoked: Revoked) -> x509.RevokedCertificate:
    extensions = _EXTENSIONS.get(revoked.reason, [])
    return x509.RevokedCertificateBuilder(int(revoked.serial, 16), _naive(revoked.at), extensions).build()


def _naive(moment: datetime) -> datetime:
    return moment.replace(microsecond=0, tzinfo=None)


def _number(path: Path) -> int | None:
    """Return the number of a published list; None if there is none that can be read."""
    try:
        published = x509.load_der_x509_crl(path.read_bytes())
        return published.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except (OSError, ValueError, x509.ExtensionNotFound):
        return None


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other processes from publishing meanwhile: an older list must not replace a newer one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write(path: Path, data: bytes) -> None:
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    part.rename(path)


@dataclass(frozen=True)
class Answer:
    """What the responder says to one request."""

    der: bytes
    """OCSPResponse."""
    until: datetime | None = None
    """How long it may be kept; None for an answer to a nonce, and for a refusal."""
    since: datetime | None = None


@dataclass(frozen=True)
class _Asked:
    """The parts of a request that are looked at."""

    request: ocsp.OCSPRequest
    hash: hashes.HashAlgorithm
    certificate: asn1_ocsp.CertId
    nonce: bytes


@dataclass(frozen=True)
class Responder:
    """Answers OCSP requests about the certificates of several CAs; safe from many threads.

    The ledger is asked each time, so a revocation counts at once; signatures are kept for half of their validity.
    """

    authorities: Sequence[StatusAuthority]
    _kept: OrderedDict[tuple[object, ...], Answer] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, request: bytes) -> Answer:
        """Return the answer to one OCSPRequest (DER); whatever came, there is one."""
        asked = _parse(request)
        if asked is None:
            return _refusal(ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
        source = next((found for found in self.authorities if _is_of(found.certificate, asked)), None)
        if source is None:
            return _refusal(ocsp.OCSPResponseStatus.UNAUTHORIZED)  # RFC 5019 section 2.2.3
        try:
            return self._signed(source, asked)
        except PkiError:
            return _refusal(ocsp.OCSPResponseStatus.TRY_LATER)

    def _signed(self, source: StatusAuthority, asked: _Asked) -> Answer:
        status = source.status(f"{asked.request.serial_number:X}")
        if asked.nonce:
            return _answer(source, asked, status)
        key = (source.name, asked.hash.name, asked.request.serial_number, status)
        with self._lock:
            kept = self._kept.get(key)
        if kept and kept.until and kept.until - OCSP_PERIOD / 2 > datetime.now(UTC):
            return kept
        fresh = _answer(source, asked, status)
        with self._lock:
            self._kept[key] = fresh
            self._kept.move_to_end(key)
            if len(self._kept) > MAX_CACHED:
                self._kept.popitem(last=False)
        return fresh


def _parse(request: bytes) -> _Asked | None:
    """Return a request for one certificate; None if it is malformed or asks for several (RFC 5019 section 2.1.1)."""
    if len(request) > MAX_REQUEST_BYTES:
        return None
    try:
        parsed = ocsp.load_der_ocsp_request(request)
        nonces = [found.value.nonce for found in parsed.extensions if isinstance(found.value, x509.OCSPNonce)]
        first = asn1_ocsp.OCSPRequest.load(request)["tbs_request"]["request_list"][0]
        asked = _Asked(parsed, parsed.hash_algorithm, first["req_cert"], nonces[0] if nonces else b"")
    except (ValueError, NotImplementedError, UnsupportedAlgorithm):
        return None
    if nonces and not 0 < len(asked.nonce) <= MAX_NONCE_BYTES:
        return None
    # RFC 9654 section 2.1: a nonce of another length may be passed over.
    return asked if len(asked.nonce) in NONCE_BYTES else replace(asked, nonce=b"")


def _is_of(certificate: x509.Certificate, asked: _Asked) -> bool:
    if not isinstance(asked.hash, hashes.SHA1 | hashes.SHA256):
        return False
    return (asked.request.issuer_name_hash, asked.request.issuer_key_hash) == _hashes(certificate, asked.hash.name)


@functools.cache
def _hashes(certificate: x509.Certificate, name: str) -> tuple[bytes, bytes]:
    """Return the hashes of a CA's name and key bits, as a CertID carries them (RFC 6960 section 4.1.1)."""
    key = keys.PublicKeyInfo.load(spki_of(certificate))["public_key"].contents[1:]
    return hashlib.new(name, certificate.subject.public_bytes()).digest(), hashlib.new(name, key).digest()


def _answer(source: StatusAuthority, asked: _Asked, status: Status) -> Answer:
    now = datetime.now(UTC).replace(microsecond=0)
    since, until = now - BACKDATED, now + OCSP_PERIOD
    single = {
        "cert_id": asked.certificate,
        "cert_status": _told(status),
        "this_update": since,
        "next_update": until,
    }
    data = {
        "responder_id": asn1_ocsp.ResponderId("by_key", key_identifier(source.authority.signer.spki)),
        "produced_at": now,
        "responses": [single],
    }
    if asked.nonce:
        data["response_extensions"] = [{"extn_id": "nonce", "extn_value": core.OctetString(asked.nonce)}]
    der = sign_ocsp(source.authority, asn1_ocsp.ResponseData(data).dump())
    return Answer(der) if asked.nonce else Answer(der, until, since)


def _told(status: Status) -> asn1_ocsp.CertStatus:
    if not isinstance(status, Revoked):
        return asn1_ocsp.CertStatus(status, core.Null())
    told: dict[str, object] = {"revocation_time": status.at.replace(microsecond=0)}
    if status.reason in _FLAGS:
        told["revocation_reason"] = _FLAGS[status.reason].name
    return asn1_ocsp.CertStatus("revoked", asn1_ocsp.RevokedInfo(told))


def sign_ocsp(authority: Authority, tbs: bytes) -> bytes:
    """Return the OCSP answer (DER) of a ResponseData (DER), signed by the HSM.

    Raises:
        KeystoreError: The HSM is away, or signs with another key.
        ProfileError: Another parser does not read what was to be signed.
    """
    basic = asn1_ocsp.BasicOCSPResponse(
        {
            "tbs_response_data": asn1_ocsp.ResponseData.load(tbs),
            "signature_algorithm": {"algorithm": SIGNATURES[algorithm_of(authority.signer.spki)]},
            "signature": authority.sign(tbs),
        }
    )
    response = {"response_type": "basic_ocsp_response", "response": core.ParsableOctetString(basic.dump())}
    encoded: bytes = asn1_ocsp.OCSPResponse({"response_status": "successful", "response_bytes": response}).dump()
    if ocsp.load_der_ocsp_response(encoded).tbs_response_bytes != tbs:
        raise ProfileError(f"the signed OCSP answer of {authority.label} differs from its draft")
    return encoded


def _refusal(status: ocsp.OCSPResponseStatus) -> Answer:
    return Answer(ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER))
