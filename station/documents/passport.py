"""The device passport: one canonical JSON document that is signed, checked by anyone, and kept for the unit's life.

The JSON is RFC 8785, so that the signed bytes can be made again from the record. It holds what is written below and
nothing else: fingerprints of keys and certificates, never a secret. The signature is the station's, over the JSON's
bytes: ECDSA with SHA-256 in DER (`openssl dgst -sha256 -verify`), or Ed25519.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import Certificate, load_pem_x509_certificate

from station.errors import StationError
from station.model import Connector, Measurement, UnitRecord

SCHEMA = "charger-station/device-passport"
VERSION = 1
MAX_PASSPORT = 1_000_000
"""Bytes of a passport that are read."""


@dataclass(frozen=True)
class StepResult:
    """How one step of the releasing run ended."""

    name: str
    outcome: str
    seconds: float


def passport_document(
    record: UnitRecord, steps: Sequence[StepResult], measurements: Sequence[Measurement] = ()
) -> bytes:
    """Return the passport of a released unit as canonical JSON.

    Raises:
        StationError: The record would put a secret into the passport.
    """
    if urlsplit(record.endpoint).password is not None:
        raise StationError(f"passport of {record.serial}: the endpoint contains a password")
    return rfc8785.dumps(
        {
            "schema": SCHEMA,
            "version": VERSION,
            "unit": _unit(record),
            "connectors": [_connector(outlet) for outlet in record.connectors],
            "ratings": [{"name": name, "value": value} for name, value in record.ratings.items()],
            "firmware": {"version": record.firmware, "sha256": record.firmware_sha256},
            "configuration": _configuration(record),
            "certificate": _certificate(record),
            "production": _production(record),
            "acceptance": [{**asdict(step), "seconds": round(step.seconds, 3)} for step in steps],
            "measurements": [_measurement(taken) for taken in measurements],
            "not_shown_by_hardware": list(record.not_shown_by_hardware),
        }
    )


def verify_passport(passport_json: bytes, signature: bytes, certificate_pem: bytes) -> None:
    """Check that a passport is whole, canonical, and signed by the certificate's key while that was valid.

    Trust in the certificate itself is the caller's to establish.

    Raises:
        StationError: Anything of it is not so.
    """
    passport = read_passport(passport_json)
    try:
        certificate = load_pem_x509_certificate(certificate_pem)
    except ValueError as error:
        raise _doubt(f"the signer's certificate cannot be read: {error}") from error
    try:
        _verify(certificate, signature, passport_json)
    except InvalidSignature as error:
        raise _doubt("the signature does not match") from error
    released = passport["production"]["released_at"]
    if not certificate.not_valid_before_utc <= datetime.fromisoformat(released) <= certificate.not_valid_after_utc:
        raise _doubt(f"it was released at {released}, outside the validity of the signer's certificate")


def read_passport(passport_json: bytes) -> dict[str, Any]:
    """Parse a passport and check that it is one, of a version we know, in canonical form.

    Raises:
        StationError: It is not.
    """
    if len(passport_json) > MAX_PASSPORT:
        raise _doubt(f"it is longer than {MAX_PASSPORT} bytes")
    try:
        passport = json.loads(passport_json)
        canonical = rfc8785.dumps(passport)
        schema = (passport["schema"], passport["version"])
        datetime.fromisoformat(passport["production"]["released_at"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _doubt(f"it is no device passport: {error}") from error
    if schema != (SCHEMA, VERSION):
        raise _doubt(f"schema {schema[0]} version {schema[1]} is not known here")
    if canonical != passport_json:
        raise _doubt("it is not in canonical form (RFC 8785)")
    return dict(passport)


def _verify(certificate: Certificate, signature: bytes, message: bytes) -> None:
    """Verify with the certificate's key; the key's type decides the algorithm."""
    key = certificate.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, message, ec.ECDSA(SHA256()))
    elif isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(signature, message)
    else:
        raise _doubt("the signer's key is neither ECDSA nor Ed25519")


def _doubt(problem: str) -> StationError:
    """Return the error for a passport that must not be believed."""
    return StationError(f"passport: {problem}", hint="Put the unit aside and tell quality assurance.")


def _unit(record: UnitRecord) -> dict[str, Any]:
    """Return who the unit is."""
    return {
        "serial": record.serial,
        "ocpp_identity": record.ocpp_identity,
        "vendor": record.vendor,
        "model": record.model,
        "product": record.product,
        "product_revision": record.product_revision,
        "hardware": record.hardware,
        "hardware_uid": record.hardware_uid,
    }


def _connector(outlet: Connector) -> dict[str, Any]:
    """Return one row of the connector map."""
    return asdict(outlet)


def _configuration(record: UnitRecord) -> dict[str, Any]:
    """Return how the unit was configured; the values themselves stay behind their digest."""
    return {
        "sha256": record.configuration_sha256,
        "ocpp_version": record.ocpp_version,
        "security_profile": record.security_profile,
        "endpoint": record.endpoint,
    }


def _certificate(record: UnitRecord) -> dict[str, Any]:
    """Return the ship certificate's particulars."""
    return {
        "serial": record.certificate_serial,
        "sha256": record.certificate_sha256,
        "subject": record.certificate_subject,
        "issuer": record.certificate_issuer,
        "not_after": record.certificate_not_after,
        "key_origin": record.key_origin,
    }


def _production(record: UnitRecord) -> dict[str, Any]:
    """Return where, when and by which recipe the unit was made."""
    return {
        "station": record.station,
        "run": record.run,
        "work_order": record.work_order,
        "customer": record.customer,
        "recipe": record.recipe,
        "recipe_digest": record.recipe_digest,
        "released_at": record.released_at,
    }


def _measurement(taken: Measurement) -> dict[str, Any]:
    """Return a measurement without what it does not have."""
    return {name: value for name, value in asdict(taken).items() if value is not None and value != ""}
