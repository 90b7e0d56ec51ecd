"""The unit as it leaves: one object from which label, passport and CPMS payload are rendered (F-G6, F-I5)."""

import ssl
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pki.environment import Certificate
from station.bench import Bench
from station.catalog.recipes import Recipe
from station.catalog.roots import Use
from station.clock import iso
from station.errors import ConfigError
from station.model import Environment, FirmwareMember, Paper, SoftwareBill, TrustAnchor, UnitRecord
from station.steps.genealogy import genealogy
from station.version import software_version


def unit_record(bench: Bench, released_at: str) -> UnitRecord:
    """Put together what is known of the unit from records and ledger, never from the device's memory.

    Raises:
        ConfigError: The unit has no ship certificate: the steps are in the wrong order.
        UnitError: A part or number that its product demands is not in the record.
    """
    certificate = bench.services.issuer(Environment.SHIP).certificate(bench.unit.serial)
    if certificate is None:
        raise ConfigError(f"unit {bench.unit.serial} has no ship certificate")
    return UnitRecord(
        hardware=bench.hardware or bench.recipe.product.revisions[0],
        configuration_sha256=bench.configuration(Environment.SHIP).sha256,
        not_shown_by_hardware=_not_shown(bench),
        released_at=released_at,
        **_unit(bench),
        **_product(bench.recipe),
        **_firmware(bench.recipe),
        **_recipe(bench.recipe),
        **_certificate(certificate),
        **genealogy(bench),
    )


Fields = Mapping[str, Any]
"""Some fields of a unit's record, by their names."""


def _unit(bench: Bench) -> Fields:
    """Return who the unit is, for whom it was made, and by which run."""
    unit = bench.unit
    return {
        "serial": unit.serial,
        "ocpp_identity": unit.ocpp_identity,
        "work_order": unit.work_order,
        "customer": unit.customer,
        "hardware_uid": unit.hardware_uid.hex(),
        "sscc": bench.services.records.carton(unit.serial),
        "station": bench.run.station,
        "run": str(bench.run),
        "software": software_version(),
    }


def _product(recipe: Recipe) -> Fields:
    """Return what the unit has in common with every one of its product."""
    product = recipe.product
    return {
        "vendor": product.vendor,
        "model": product.model,
        "product": product.name,
        "product_revision": product.revision,
        "ocpp_version": product.ocpp_version,
        "security_profile": product.security_profile,
        "connectors": product.connector,
        "ratings": product.ratings,
        "gtin": product.gtin,
        "support_until": product.support_until.isoformat(),
        "papers": _papers(recipe),
    }


def _firmware(recipe: Recipe) -> Fields:
    """Return the firmware set; version and digest are the application's."""
    release = recipe.release
    return {
        "firmware": release.version,
        "firmware_sha256": release.image[0].sha256,
        "firmware_name": release.name,
        "members": _members(recipe),
        "sboms": _sboms(recipe),
    }


def _recipe(recipe: Recipe) -> Fields:
    """Return by which recipe it was made, on whose word, and for which environment."""
    return {
        "recipe": recipe.title,
        "recipe_digest": recipe.digest,
        "approval": recipe.approval,
        "key_origin": recipe.file.key_origin.value,
        "endpoint": recipe.ship.endpoint,
        "renewal": recipe.ship.renewal,
        "trust_anchors": _trust_anchors(recipe),
    }


def _trust_anchors(recipe: Recipe) -> tuple[TrustAnchor, ...]:
    """Return the roots of the ship environment's server; the ship step compared them with the device's (F-D5)."""
    roots = recipe.ship.trusted(Use.CSMS).each
    return tuple(
        TrustAnchor(root.subject, root.sha256, f"{root.not_after.isoformat()}T00:00:00.000Z") for root in roots
    )


def _sboms(recipe: Recipe) -> tuple[SoftwareBill, ...]:
    """Return the bills of materials of all members of the firmware (F-C8)."""
    written = [(image.role, image.version, image.sbom) for image in recipe.release.image]
    told = [(member.role, member.version, member.sbom) for member in recipe.release.reported]
    return tuple(
        SoftwareBill(f"{role.value} {version}", sbom.serial_number or sbom.name, sbom.sha256)
        for role, version, sbom in (*written, *told)
        if sbom is not None
    )


def _members(recipe: Recipe) -> tuple[FirmwareMember, ...]:
    """Return all that the firmware is made of: what is written, and what the device only tells of (F-C1)."""
    written = (
        FirmwareMember(image.role.value, image.version, image.sha256, image.security_counter)
        for image in recipe.release.image
    )
    return (*written, *(FirmwareMember(one.role.value, one.version) for one in recipe.release.reported))


def _papers(recipe: Recipe) -> tuple[Paper, ...]:
    """Return the documents that stand behind the unit (F-I3)."""
    return tuple(
        Paper(one.kind, one.number, one.sha256, one.marking, one.valid_until.isoformat() if one.valid_until else "")
        for one in recipe.product.paper
    )


def _certificate(certificate: Certificate[Any]) -> Fields:
    """Return what is public of the ship certificate: with its key's digest, and the CAs that are presented with it."""
    above = x509.load_pem_x509_certificates(certificate.above.encode()) if certificate.above else []
    key = x509.load_der_x509_certificate(certificate.der).public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return {
        "certificate_serial": certificate.serial,
        "certificate_sha256": certificate.sha256,
        "certificate_subject": certificate.subject,
        "certificate_issuer": certificate.issuer,
        "certificate_not_after": iso(certificate.not_after),
        "certificate_spki_sha256": sha256(spki).hexdigest(),
        "certificate_chain": tuple(
            TrustAnchor(one.subject.rfc4514_string(), one.fingerprint(SHA256()).hex(), iso(one.not_valid_after_utc))
            for one in above
        ),
    }


def _not_shown(bench: Bench) -> tuple[str, ...]:
    """Return what this very device could not prove, each as one sentence."""
    shown = bench.recipe.product.not_shown
    return shown if bench.hardware else (*shown, "The device does not tell its hardware revision.")


def fingerprint(certificate_pem: str) -> str:
    """Return the SHA-256 of a certificate, by which a signer is named in records and documents."""
    return f"certificate SHA-256 {sha256(ssl.PEM_cert_to_DER_cert(certificate_pem)).hexdigest()}"
