"""Keys and certificates: the one place where the station, the issuer and the device meet.

The order is key, package, receipt, claim, signature, installed, proven (design 8.3). After a crash the device is
asked which key it holds: the expected one continues, anything else is marked lost and a new key version starts.
"""

from typing import TypeVar

from pki.environment import Ship, Test
from pki.errors import KeystoreError, PkiError, RequestRefused
from pki.issue import Certificate, Issuer, Key
from station.bench import Bench
from station.clock import Deadline
from station.drivers import Challenges, KeyPackages, StoredCertificates, ability
from station.errors import Defect, Service, ServiceError, StationError, UnitError
from station.model import Environment, KeyOrigin, Proof

E = TypeVar("E", Test, Ship)
PROFILE = "station"
NONCE_BYTES = 32


def credentials(bench: Bench, deadline: Deadline) -> None:
    """Give the device its test key, certificate and trust anchors (F-D1, F-D3 to F-D5)."""
    install_credentials(bench, Environment.TEST, deadline)
    anchors = bench.services.factory.issuer(Test).anchors().pem
    write_file(bench, bench.recipe.product.files.anchors, anchors, deadline)


def install_credentials(bench: Bench, environment: Environment, deadline: Deadline) -> None:
    """Converge on one proven key with one certificate in the environment's key slot."""
    try:
        if environment is Environment.TEST:
            _install(bench, environment, bench.services.factory.issuer(Test), deadline)
        else:
            _install(bench, environment, bench.services.factory.issuer(Ship), deadline)
    except PkiError as error:
        raise translated(error) from error


def translated(error: PkiError) -> StationError:
    """Turn an error of the PKI into the station's error of the same fault."""
    if isinstance(error, RequestRefused):
        return UnitError(Defect.KEY, str(error))
    service = Service.HSM if isinstance(error, KeystoreError) else Service.PKI
    return ServiceError(service, str(error), hint="Stop the line and call the PKI officer.")


def _install(bench: Bench, environment: Environment, issuer: Issuer[E], deadline: Deadline) -> None:
    key = _held_key(bench, environment, issuer, deadline)
    if key is not None:
        certificate = issuer.issue(key)
        if not _accepts(bench, environment, certificate, deadline):
            issuer.lose(key, "the device refuses the certificate of this key")
            key = None
    if key is None:
        key = _new_key(bench, environment, issuer, deadline)
        certificate = issuer.issue(key)
        bench.charger.install_certificate(bench.key_slot(environment), certificate.der, deadline)
    issuer.record(certificate, "installed")
    write_file(bench, bench.recipe.product.files.chain(environment), certificate.chain_pem, deadline)
    _prove(bench, environment, issuer, key, certificate, deadline)


def _held_key(bench: Bench, environment: Environment, issuer: Issuer[E], deadline: Deadline) -> Key[E] | None:
    """Return the ledger's current key if the device still holds it; mark it lost otherwise."""
    key = issuer.current(bench.unit.serial, PROFILE)
    if key is None:
        return None
    if not _holds(bench, environment, issuer, key, deadline):
        issuer.lose(key, "the device does not hold this key")
        return None
    return key


def _holds(bench: Bench, environment: Environment, issuer: Issuer[E], key: Key[E], deadline: Deadline) -> bool:
    """Ask the device whether it holds the key; hardware that can't say so is asked by its certificate later."""
    if not bench.recipe.product.abilities.receipts:
        return bench.identity.has_key
    if (bench.identity.keys or {}).get(bench.key_slot(environment)) != key.spki:
        return False
    challenge(bench, environment, issuer, key, deadline)
    return True


def challenge(bench: Bench, environment: Environment, issuer: Issuer[E], key: Key[E], deadline: Deadline) -> None:
    """Let the device sign a fresh nonce with the key in its slot.

    Raises:
        UnitError: The signature is not of the expected key.
    """
    nonce = bench.services.factory.random(NONCE_BYTES)
    proof = ability(bench.charger, Challenges).challenge(bench.key_slot(environment), nonce, deadline)
    _confirm(bench, issuer, key, nonce, proof, "challenge")


def _confirm(bench: Bench, issuer: Issuer[E], key: Key[E], nonce: bytes, proof: Proof, kind: str) -> None:
    try:
        issuer.confirm(key, bench.unit.hardware_uid, nonce, proof.spki, proof.signature, kind=kind)
    except RequestRefused as error:
        message = f"The device could not prove that it holds its key: {error}."
        raise UnitError(Defect.KEY, message) from error


def _accepts(bench: Bench, environment: Environment, certificate: Certificate[E], deadline: Deadline) -> bool:
    try:
        bench.charger.install_certificate(bench.key_slot(environment), certificate.der, deadline)
    except UnitError as error:
        if error.defect is Defect.CERTIFICATE:
            return False
        raise
    return True


def _new_key(bench: Bench, environment: Environment, issuer: Issuer[E], deadline: Deadline) -> Key[E]:
    if bench.recipe.file.key_origin is KeyOrigin.HSM:
        return _key_from_hsm(bench, environment, issuer, deadline)
    return _key_from_device(bench, environment, issuer, deadline)


def _key_from_hsm(bench: Bench, environment: Environment, issuer: Issuer[E], deadline: Deadline) -> Key[E]:
    transport = bench.identity.transport
    if transport is None:
        raise UnitError(Defect.WRONG_HARDWARE, "The device has no transport key for a key born in the HSM.")
    key, package = issuer.generate(bench.unit.serial, PROFILE, transport.spki)
    nonce = bench.services.factory.random(NONCE_BYTES)
    proof = ability(bench.charger, KeyPackages).deliver_key(bench.key_slot(environment), package, nonce, deadline)
    _confirm(bench, issuer, key, nonce, proof, "receipt")
    return key


def _key_from_device(bench: Bench, environment: Environment, issuer: Issuer[E], deadline: Deadline) -> Key[E]:
    """Let the device make its key; whatever key was there is of no record and is replaced."""
    slot, name = bench.key_slot(environment), bench.unit.serial
    request = bench.charger.create_key(slot, name, replace=True, deadline=deadline)
    key = issuer.adopt(bench.unit.serial, PROFILE, request, name)
    if bench.recipe.product.abilities.receipts:
        challenge(bench, environment, issuer, key, deadline)
    return key


def _prove(
    bench: Bench, environment: Environment, issuer: Issuer[E], key: Key[E], certificate: Certificate[E], deadline: Deadline
) -> None:
    """Read the certificate back and let the device sign with its key, as far as this hardware can (F-D4)."""
    slot, abilities = bench.key_slot(environment), bench.recipe.product.abilities
    if abilities.certificate_readback:
        found = ability(bench.charger, StoredCertificates).read_certificate(slot, deadline)
        if found != certificate.der:
            raise UnitError(Defect.CERTIFICATE, f"The device did not keep its {environment} certificate.")
    if abilities.receipts:
        challenge(bench, environment, issuer, key, deadline)
    bench.measure(f"{environment}_certificate", certificate.serial)
    bench.note(certificate_sha256=certificate.sha256, key_version=key.version, key_origin=key.origin)
    bench.services.records.certificate_event(
        bench.run, environment.value, certificate.serial, "installed", {"sha256": certificate.sha256}
    )


def write_file(bench: Bench, path: str, content: bytes, deadline: Deadline) -> None:
    """Write a file unless it is there already, and read it back.

    Raises:
        UnitError: The file does not read back equal.
    """
    if bench.charger.read_file(path, deadline) == content:
        return
    bench.charger.write_file(path, content, deadline)
    if bench.charger.read_file(path, deadline) != content:
        raise UnitError(Defect.CONFIGURATION, f"The device did not keep the file {path}.")
