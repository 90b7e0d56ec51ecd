"""Signed statements: in-toto Statement v1 in a DSSE envelope, which any in-toto tool, or openssl, can check.

The signature is the record key's: ECDSA with SHA-256 in DER, or Ed25519, over the envelope's pre-authentication
encoding.

# Ref: https://github.com/secure-systems-lab/dsse/blob/master/protocol.md
# Ref: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import rfc8785
from cryptography import x509

from station.certificates import fingerprint, has_signed

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
MOST_ENVELOPE = 4_000_000


@dataclass(frozen=True)
class Signer:
    """The record key as exports use it."""

    sign: Callable[[bytes], bytes]
    certificate: str
    """By which it is verified (PEM)."""

    @property
    def sha256(self) -> str:
        """Return the SHA-256 of the certificate."""
        return fingerprint(x509.load_pem_x509_certificate(self.certificate.encode()))


@dataclass(frozen=True)
class Opened:
    """A statement that was signed by one of the certificates."""

    statement: dict[str, Any]
    signer: x509.Certificate


def statement_of(name: str, digest: str, predicate_type: str, predicate: Mapping[str, Any]) -> dict[str, Any]:
    """Return a statement about one thing, known by its SHA-256."""
    subject = [{"name": name, "digest": {"sha256": digest}}]
    return {"_type": STATEMENT, "subject": subject, "predicateType": predicate_type, "predicate": dict(predicate)}


def sealed(statement: Mapping[str, Any], signer: Signer) -> bytes:
    """Return a statement in a signed envelope, as one line of JSON."""
    payload = rfc8785.dumps(dict(statement))
    signature = {"keyid": signer.sha256, "sig": _base64(signer.sign(encoding_of(payload)))}
    return rfc8785.dumps({"payload": _base64(payload), "payloadType": PAYLOAD_TYPE, "signatures": [signature]}) + b"\n"


def opened(envelope: bytes, anchors: Sequence[x509.Certificate]) -> Opened:
    """Return what an envelope says, once it is shown that one of the certificates signed it.

    Raises:
        ValueError: It is no envelope, or none of them did.
    """
    try:
        content = json.loads(envelope)
        payload = base64.b64decode(content["payload"], validate=True)
        signatures = [base64.b64decode(each["sig"], validate=True) for each in content["signatures"][:9]]
        is_ours = content["payloadType"] == PAYLOAD_TYPE
    except (ValueError, TypeError, KeyError, RecursionError, binascii.Error) as error:
        raise ValueError("it is no signed statement") from error
    message = encoding_of(payload)
    pairs = ((anchor, signature) for anchor in anchors for signature in signatures)
    signer = next((anchor for anchor, signature in pairs if is_ours and has_signed(anchor, message, signature)), None)
    if signer is None:
        raise ValueError("it was not signed by the trust anchor: another factory's, changed, or a forgery")
    statement = json.loads(payload)
    if not isinstance(statement, dict) or statement.get("_type") != STATEMENT:
        raise ValueError("what was signed is no statement")
    return Opened(statement, signer)


def encoding_of(payload: bytes) -> bytes:
    """Return the bytes that are signed (DSSE pre-authentication encoding)."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
