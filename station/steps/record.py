"""The unit as it leaves: one object from which label, passport and CPMS payload are rendered (F-G6, F-I5)."""

import ssl
from hashlib import sha256

from station.bench import Bench
from station.clock import iso
from station.errors import ConfigError
from station.model import Environment, UnitRecord


def unit_record(bench: Bench, released_at: str) -> UnitRecord:
    """Put together what is known of the unit from records and ledger, never from the device's memory.

    Raises:
        ConfigError: The unit has no ship certificate: the steps are in the wrong order.
    """
    certificate = bench.services.issuer(Environment.SHIP).certificate(bench.unit.serial)
    if certificate is None:
        raise ConfigError(f"unit {bench.unit.serial} has no ship certificate")
    product, release = bench.recipe.product, bench.recipe.release
    return UnitRecord(
        serial=bench.unit.serial,
        ocpp_identity=bench.unit.ocpp_identity,
        vendor=product.vendor,
        model=product.model,
        product=product.name,
        product_revision=product.revision,
        work_order=bench.unit.work_order,
        customer=bench.unit.customer,
        hardware_uid=bench.unit.hardware_uid.hex(),
        hardware=bench.identity.hardware or product.hardware[0],
        firmware=release.version,
        firmware_sha256=release.image[0].sha256,
        ocpp_version=product.ocpp_version,
        security_profile=product.security_profile,
        endpoint=bench.recipe.ship.endpoint,
        connectors=product.connector,
        certificate_serial=certificate.serial,
        certificate_sha256=certificate.sha256,
        certificate_subject=certificate.subject,
        certificate_issuer=certificate.issuer,
        certificate_not_after=iso(certificate.not_after),
        key_origin=bench.recipe.file.key_origin.value,
        recipe=bench.recipe.title,
        recipe_digest=bench.recipe.digest,
        configuration_sha256=bench.configuration(Environment.SHIP).sha256,
        station=bench.run.station,
        run=str(bench.run),
        released_at=released_at,
        ratings=product.ratings,
        not_shown_by_hardware=_not_shown(bench),
    )


def _not_shown(bench: Bench) -> tuple[str, ...]:
    """Return what this very device could not prove, each as one sentence."""
    shown = bench.recipe.product.not_shown
    return shown if bench.identity.hardware else (*shown, "The device does not tell its hardware revision.")


def fingerprint(certificate_pem: str) -> str:
    """Return the SHA-256 of a certificate, by which a signer is named in records and documents."""
    return f"certificate SHA-256 {sha256(ssl.PEM_cert_to_DER_cert(certificate_pem)).hexdigest()}"
