"""Is this passport what it says? Judged anywhere, offline, with the factory's record certificate as only trust.

Whoever has the certificate of the log's key too learns that the passport stands in the factory's log: nobody could
then take it back, or make another in secret.

A PDF is judged in an order that gives a stranger nothing to attack: first the signature over all bytes of the file by
the anchor's key, found by plain search and bounded in size; only a file that the factory signed is parsed at all. So a
bomb, a later edit and a truncated file end in the same place as a forgery: before any decompression.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from typing import Any

import pikepdf
from asn1crypto import cms
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.sign.validation.generic_cms import validate_sig_integrity

from pki.errors import RequestRefused
from pki.log import prove_document
from station.documents.pades_cms import signed_data
from station.documents.passport import read_passport, verify_passport
from station.documents.passport_pdf import PASSPORT_JSON, PASSPORT_PROOF, PASSPORT_SIGNATURE
from station.errors import ConfigError, StationError

MAX_FILE = 20_000_000
"""Bytes of a file that is judged."""
MAX_CMS = 32_768
"""Bytes of the signature inside a PDF, before its hexadecimal form."""
MAX_ANCHORS = 32
RANGES = re.compile(rb"/ByteRange\s*\[\s*(\d{1,10})\s+(\d{1,10})\s+(\d{1,10})\s+(\d{1,10})\s*\]")
HINT = "Do not rely on this passport; ask the manufacturer for it again."
UNREADABLE = (
    *(ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError, NotImplementedError),
    UnsupportedAlgorithm,
)
"""What parsers make of a stranger's bytes; anything else would be a fault of ours, and is none of theirs."""


@dataclass(frozen=True)
class InLog:
    """What is known of the log: a proof that came with a passport, and the key that must have signed its checkpoint."""

    proof: bytes = b""
    key: bytes = b""
    """SubjectPublicKeyInfo (DER); empty where the reader has none."""


@dataclass(frozen=True)
class Proof:
    """What a check showed, each as one sentence."""

    passport: dict[str, Any]
    proved: tuple[str, ...]
    not_proved: tuple[str, ...]


NO_LOG = InLog()


def read_anchors(pem: bytes) -> tuple[x509.Certificate, ...]:
    """Return the record certificates of a trust anchor file; generations follow one another in it.

    Raises:
        ConfigError: There is none, or there are too many.
    """
    try:
        anchors = x509.load_pem_x509_certificates(pem[:MAX_FILE])
    except ValueError as error:
        raise ConfigError(f"the trust anchor can't be read: {error}", hint="Give a PEM certificate.") from error
    if len(anchors) > MAX_ANCHORS:
        raise ConfigError(f"the trust anchor has more than {MAX_ANCHORS} certificates", hint="Give the factory's own.")
    return tuple(anchors)


def prove_json(document: bytes, signature: bytes, anchors: Sequence[x509.Certificate], log: InLog = NO_LOG) -> Proof:
    """Judge a passport as JSON with its signature, and with the log's proof if it has one.

    Raises:
        StationError: It is not what it says; one sentence tells why.
    """
    passport = read_passport(document)
    anchor = _signer(document, signature, anchors)
    logged, open_ = _logged(document, log)
    return Proof(passport, (*_told(passport, document, anchor), *logged), (*open_, *_NOT_PROVED))


def prove_pdf(pdf: bytes, anchors: Sequence[x509.Certificate], log_key: bytes = b"") -> Proof:
    """Judge a passport as PDF: the whole file, and the JSON in it.

    Raises:
        StationError: It is not what it says; one sentence tells why.
    """
    if len(pdf) > MAX_FILE:
        raise _doubt(f"it is longer than {MAX_FILE} bytes")
    if not pdf.startswith(b"%PDF-"):
        raise _doubt("it is no PDF")
    contents, digest = _signed_parts(pdf)
    anchor = _anchor_of(contents, digest, anchors)
    document, signature, proof = _attached(pdf)
    inner = prove_json(document, signature, (anchor,), InLog(proof, log_key))
    whole = (
        "The PDF is whole and unchanged: one signature covers every byte of it, and nothing was added after.",
        "The PDF was signed by the same key, which signs what it shows.",
    )
    return Proof(inner.passport, (*whole, *inner.proved), inner.not_proved)


def _logged(document: bytes, log: InLog) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what the log's proof proves, and what is open for want of it or of the log's key.

    Raises:
        StationError: There is a proof, and it does not hold.
    """
    if not log.proof:
        return (), ("That it stands in the factory's log: no proof of that came with it.",)
    if not log.key:
        return (), (
            "That it stands in the factory's log: a proof came with it; give the log's key to have it checked.",
        )
    try:
        found = prove_document(log.proof, document, log.key)
    except RequestRefused as error:
        raise _doubt(f"the proof of the factory's log does not hold: {error.message}") from error
    size, origin = found.checkpoint.size, found.checkpoint.origin
    return (
        f"It is entry {found.index} of the factory's log {origin}, by its signed checkpoint of {size} entries.",
    ), ()


_NOT_PROVED = (
    "That it is the newest passport of this unit: a later one says which it replaces; ask the manufacturer.",
    "That the charger before you is this unit: compare the serial number and, over TLS, the certificate's SHA-256.",
    "That the unit's certificate was not revoked since: ask the list of its issuer.",
    "When it was signed: the time is the station's word, no authority stamped it.",
)


def _told(passport: dict[str, Any], document: bytes, anchor: x509.Certificate) -> list[str]:
    """Return what the JSON's signature proves."""
    unit, production = passport["unit"], passport["production"]
    name = anchor.subject.rfc4514_string()
    told = [
        f"passport.json (SHA-256 {sha256(document).hexdigest()}) is unchanged since it was signed.",
        f"It was signed by {name}, certificate SHA-256 {_fingerprint(anchor)}: the trust anchor that you gave.",
        f"It is the passport of {unit['vendor']} {unit['model']}, serial number {unit['serial']}, "
        f"released {production['released_at']} by station {production['station']}.",
    ]
    told.extend(_since(passport))
    if "replaces" in production:
        told.append(f"It replaces the passport with SHA-256 {production['replaces']}.")
    if production.get("development"):
        told.append("A development factory made it: the unit is not for sale.")
    return told


def _since(passport: dict[str, Any]) -> Iterator[str]:
    """Yield what happened to the unit since its release, and which revision says it."""
    revision = passport.get("revision")
    if revision:
        yield f"It is revision {revision['number']}, of {revision['issued_at']}: the release with what happened since."
        yield f"It replaces the passport with SHA-256 {revision['replaces']}."
    for event in passport.get("lifecycle", ()):
        details = ", ".join(
            f"{name} {event[name]}" for name in ("place", "party", "reference", "reason") if name in event
        )
        yield f"The unit was {event['event']} on {event['occurred_at'][:10]}{f' ({details})' if details else ''}."


def _signed_parts(pdf: bytes) -> tuple[bytes, bytes]:
    """Return the signature in a PDF and the digest of all the rest.

    Raises:
        StationError: There is not exactly one signature, or it does not cover the whole file.
    """
    found = RANGES.findall(pdf)
    if len(found) != 1:
        raise _doubt("it has no signature" if not found else "it has more than one signature")
    start, length, resumed, rest = (int(number) for number in found[0])
    if resumed + rest < len(pdf):
        raise _doubt("it was changed after it was signed: bytes follow the signed ones")
    if resumed + rest > len(pdf) or start != 0 or not length < resumed:
        raise _doubt("it is truncated, or its signature does not cover all of it")
    gap = pdf[length:resumed]
    if len(gap) > 2 * MAX_CMS or gap[:1] != b"<" or gap[-1:] != b">":
        raise _doubt("what its signature leaves out is not the signature alone")
    try:
        contents = bytes.fromhex(gap[1:-1].decode("ascii"))
    except ValueError as error:
        raise _doubt("its signature is damaged") from error
    if gap[1:-1] != contents.hex().upper().encode():
        raise _doubt("its signature is damaged")
    return contents, sha256(pdf[:length] + pdf[resumed:]).digest()


def _anchor_of(contents: bytes, digest: bytes, anchors: Sequence[x509.Certificate]) -> x509.Certificate:
    """Return the anchor whose key signed the digest (RFC 5652, ETSI EN 319 142-1 clause 5).

    Raises:
        StationError: It is none of them, or the signature does not fit.
    """
    try:
        given = cms.ContentInfo.load(contents)
        (signer,) = given["content"]["signer_infos"]
        named = bytes(signer["sid"].chosen["serial_number"].contents)
        anchor = next((one for one in anchors if _serial(one) == named), None)
        checked = _check(contents, signer, anchor, digest) if anchor else None
    except UNREADABLE as error:
        raise _doubt("its signature is damaged") from error
    if anchor is None:
        raise _doubt("it was signed by a certificate that is not the trust anchor: another factory's, or a forgery")
    if checked != (True, True):
        raise _doubt("it is not what was signed: a byte was changed, or the signature is another document's")
    return anchor


def _check(contents: bytes, signer: cms.SignerInfo, anchor: x509.Certificate, digest: bytes) -> tuple[bool, bool]:
    """Return whether the digest is the signed one, and whether the anchor's key signed it."""
    der = anchor.public_bytes(Encoding.DER)
    made = signed_data(der, signer["signed_attrs"].contents, signer["signature"].native)
    if contents != made.ljust(len(contents), b"\0"):
        return False, False  # something hides beside what was signed
    return validate_sig_integrity(signer, asn1_x509.Certificate.load(der), "data", digest)


def _serial(certificate: x509.Certificate) -> bytes:
    known = asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER))
    return bytes(known["tbs_certificate"]["serial_number"].contents)


def _attached(pdf: bytes) -> tuple[bytes, bytes, bytes]:
    """Return the JSON, its signature and the log's proof, if there is one, out of a PDF that the factory signed."""
    try:
        with pikepdf.open(BytesIO(pdf)) as opened:
            files = opened.attachments
            read = [files[name].get_file().read_bytes() for name in (PASSPORT_JSON, PASSPORT_SIGNATURE)]
            proof = files[PASSPORT_PROOF].get_file().read_bytes() if PASSPORT_PROOF in files else b""
            return read[0], read[1], proof
    except (pikepdf.PdfError, KeyError) as error:
        raise _doubt("the factory signed it, but no passport.json with its signature is in it") from error


def _signer(document: bytes, signature: bytes, anchors: Sequence[x509.Certificate]) -> x509.Certificate:
    """Return the anchor that signed the JSON.

    Raises:
        StationError: None of them did, while it was valid.
    """
    for anchor in anchors[:-1]:
        try:
            verify_passport(document, signature, anchor.public_bytes(Encoding.PEM))
        except StationError:
            continue
        return anchor
    verify_passport(document, signature, anchors[-1].public_bytes(Encoding.PEM))
    return anchors[-1]


def _fingerprint(certificate: x509.Certificate) -> str:
    return sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def _doubt(problem: str) -> StationError:
    return StationError(f"passport: {problem}", hint=HINT)
