"""The device passport: one canonical JSON document that is signed, checked by anyone, and kept for the unit's life.

The JSON is RFC 8785, so that the signed bytes can be made again from the record. It holds what is written below and
nothing else: fingerprints of keys and certificates, never a secret. The signature is the station's, over the JSON's
bytes: ECDSA with SHA-256 in DER (`openssl dgst -sha256 -verify`), or Ed25519.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.x509 import load_pem_x509_certificate

from station.certificates import demand_signed
from station.errors import StationError
from station.model import Approval, Connector, Measurement, UnitRecord

SCHEMA = "charger-station/device-passport"
VERSION = 1
MINOR = 3
"""Rises with members that are added: 1 has results, identifiers, and where parts and seals sit; 2 the whole firmware
set, the chain, papers, security state, evidence, labels, earlier runs, and when each step and check ended; 3 what
happened to the unit since its release, and the revision that says it."""
MAX_PASSPORT = 1_000_000
"""Bytes of a passport that are read."""


IDENTIFIERS = ("gtin", "support_until")
RELEASE = ("software", "operator", "attempts", "labels", "earlier_runs")
SECTIONS = (
    *("results", "identifiers", "components", "meters", "seals"),
    *("trust_anchors", "sboms", "security", "evidence", "papers", "lifecycle"),
)
"""What a passport has where the record has it; their shapes are in the schema."""


@dataclass(frozen=True)
class CheckResult:
    """How one check over OCPP ended."""

    name: str
    outcome: str
    seconds: float


@dataclass(frozen=True)
class StepResult:
    """How one step of the releasing run ended."""

    name: str
    outcome: str
    seconds: float
    finished_at: str = ""
    """ISO 8601; empty where it is not known."""
    attempts: int = 1
    """How often it was tried in the run."""
    checks: tuple[CheckResult, ...] = ()
    evidence: str = ""
    """Attempt of an earlier run on which it stands; empty for a step that was done."""


def passport_document(
    record: UnitRecord, steps: Sequence[StepResult], measurements: Sequence[Measurement] = (), replaces: str = ""
) -> bytes:
    """Return the passport of a released unit as canonical JSON.

    Args:
        record: What is known of the unit; fields that no section names are left out, so that none slips in.
        steps: How the steps of the releasing run ended.
        measurements: What they measured.
        replaces: SHA-256 of the unit's last passport, if it had one.

    Raises:
        StationError: The record would put a secret into the passport.
    """
    if urlsplit(record.endpoint).password is not None:
        raise StationError(f"passport of {record.serial}: the endpoint contains a password")
    return rfc8785.dumps(
        {
            "schema": SCHEMA,
            "version": VERSION,
            "minor": MINOR,
            "unit": _unit(record),
            "connectors": [_connector(outlet) for outlet in record.connectors],
            "ratings": [{"name": name, "value": value} for name, value in record.ratings.items()],
            "firmware": _firmware(record),
            "configuration": _configuration(record),
            "certificate": _certificate(record),
            "production": _production(record, replaces),
            "acceptance": [_step(step) for step in steps],
            "measurements": [_measurement(taken) for taken in measurements],
            "not_shown_by_hardware": list(record.not_shown_by_hardware),
            **_known(record, SECTIONS),
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
        demand_signed(certificate, passport_json, signature)
    except InvalidSignature as error:
        raise _doubt("the signature does not match") from error
    except TypeError as error:
        raise _doubt(str(error)) from error
    signed = signed_at(passport)
    if not certificate.not_valid_before_utc <= datetime.fromisoformat(signed) <= certificate.not_valid_after_utc:
        raise _doubt(f"it was signed at {signed}, outside the validity of the signer's certificate")


def signed_at(passport: Mapping[str, Any]) -> str:
    """Return when a passport says that it was signed: at the release, or when something happened to the unit since."""
    revision = passport.get("revision")
    said: str = revision["issued_at"] if revision else passport["production"]["released_at"]
    return said


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
        datetime.fromisoformat(signed_at(passport))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _doubt(f"it is no device passport: {error}") from error
    if schema != (SCHEMA, VERSION):
        raise _doubt(f"schema {schema[0]} version {schema[1]} is not known here")
    if canonical != passport_json:
        raise _doubt("it is not in canonical form (RFC 8785)")
    return dict(passport)


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
        **_known(record, IDENTIFIERS),
    }


def _connector(outlet: Connector) -> dict[str, Any]:
    """Return one row of the connector map."""
    return asdict(outlet)


def _firmware(record: UnitRecord) -> dict[str, Any]:
    """Return the firmware set; version and digest are the application's."""
    named = {"name": record.firmware_name} if record.firmware_name else {}
    return {"version": record.firmware, "sha256": record.firmware_sha256, **named, **_known(record, ("members",))}


def _step(step: StepResult) -> dict[str, Any]:
    """Return a step without what it does not have."""
    kept: dict[str, Any] = {"name": step.name, "outcome": step.outcome, "seconds": round(step.seconds, 3)}
    if step.attempts > 1:
        kept["attempts"] = step.attempts
    if step.checks:
        kept["checks"] = [{**asdict(check), "seconds": round(check.seconds, 3)} for check in step.checks]
    return kept | {name: text for name in ("finished_at", "evidence") if (text := getattr(step, name))}


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
        **({"spki_sha256": record.certificate_spki_sha256} if record.certificate_spki_sha256 else {}),
        **({"chain": _told(record.certificate_chain)} if record.certificate_chain else {}),
        **({"renewal": asdict(record.renewal)} if record.renewal else {}),
    }


def _production(record: UnitRecord, replaces: str) -> dict[str, Any]:
    """Return where, when and by which recipe the unit was made, and who let it."""
    return {
        "station": record.station,
        "run": record.run,
        "work_order": record.work_order,
        "customer": record.customer,
        "recipe": record.recipe,
        "recipe_digest": record.recipe_digest,
        **_approval(record.approval),
        "released_at": record.released_at,
        **({"replaces": replaces} if replaces else {}),
        **_known(record, RELEASE),
    }


def _known(record: UnitRecord, names: Sequence[str]) -> dict[str, Any]:
    """Return those of the fields that the record has and that say something."""
    facts = ((name, getattr(record, name, None)) for name in names)
    return {name: _told(fact) for name, fact in facts if fact}


def _told(fact: Any) -> Any:
    """Return a fact; of a list of facts, each without what it does not say."""
    if not isinstance(fact, list | tuple):
        return fact
    return [_said(one) for one in fact]


def _said(one: Any) -> Any:
    """Return what a fact says; a text stands for itself."""
    if isinstance(one, str):
        return one
    members = one if isinstance(one, dict) else asdict(one)
    return {name: value for name, value in members.items() if value is not None and value != ""}


def _approval(approval: Approval) -> dict[str, Any]:
    """Return on whose word the unit was built, as far as there is one; the bundle's digest is the recipe's."""
    said = {
        "bundle": approval.bundle,
        "author": approval.author,
        "approvers": list(approval.approvers),
        "override": asdict(approval.override) if approval.override else None,
        "development": approval.development,
    }
    return {name: value for name, value in said.items() if value}


def _measurement(taken: Measurement) -> dict[str, Any]:
    """Return a measurement without what it does not have; an empty answer of a device is a value too."""
    kept = {name: value for name, value in asdict(taken).items() if value is not None and value != ""}
    return {"value": taken.value} | kept
