"""Keys and certificates: the one place where the station, the issuer and the device meet.

The order is key, package, receipt, claim, signature, installed, proven (design 8.3). After a crash the device is
asked which key it holds: the expected one continues, anything else is marked lost and a new key version starts.
"""

from dataclasses import dataclass
from typing import Generic, Literal

from pki.cms import recipient_of
from pki.environment import Certificate, E, Key, Ship, Test
from pki.errors import RequestRefused
from pki.issuer import Issuer
from pki.proof import Proof as KeyProof
from station.bench import Bench
from station.clock import Deadline
from station.drivers import Challenges, KeyPackages, StoredCertificates, ability
from station.errors import Defect, UnitError
from station.model import Environment, KeyOrigin, Proof
from station.passwords import told
from station.steps.trust import check_issuer, install_roots, prove_roots, write_file

PROFILE = "station"
NONCE_BYTES = 32


def credentials(bench: Bench, deadline: Deadline) -> None:
    """Give the device its test key, certificate and trust anchors (F-D1, F-D3 to F-D5)."""
    install_credentials(bench, Environment.TEST, deadline)
    install_roots(bench, Environment.TEST, deadline)
    prove_roots(bench, Environment.TEST, deadline)


def install_credentials(bench: Bench, environment: Environment, deadline: Deadline) -> None:
    """Converge on one proven key with one certificate in the environment's key slot, and have a password where needed.

    Raises:
        UnitError: The device holds, proves or keeps something else than it was given.
        ServiceError: The HSM or the ledger is away.
        ConfigError: Another factory issues for this environment.
    """
    factory = bench.services.factory
    with told():
        check_issuer(factory.root_sha256, bench.recipe.environment(environment))
        if environment is Environment.TEST:
            Enrolment(bench, environment, factory.issuer(Test), deadline).converge()
        else:
            Enrolment(bench, environment, factory.issuer(Ship), deadline).converge()
    if bench.recipe.product.password.key:
        made = bench.services.passwords.ensure(bench.unit.serial, environment)
        bench.note(password_version=made.version, password_encoding=made.encoding)


@dataclass(frozen=True)
class Enrolment(Generic[E]):
    """One unit, one environment, and the issuer of just that environment."""

    bench: Bench
    environment: Environment
    issuer: Issuer[E]
    deadline: Deadline

    @property
    def slot(self) -> str:
        """Return the device's key slot."""
        return self.bench.key_slot(self.environment)

    def converge(self) -> None:
        """Find out what the device holds, do what is missing, and prove the result."""
        key = self.held_key()
        if key is not None and not self._takes(self._issued(key)):
            self.issuer.lose(key, "the device refuses the certificate of this key")
            key = None
        if key is None:
            self._end_password()
            key = self._new_key()
            self.bench.charger.install_certificate(self.slot, self._issued(key).der, self.deadline)
        self._prove(key, self._issued(key))

    def held_key(self) -> Key[E] | None:
        """Return the ledger's current key if the device still holds it; one that it does not hold is marked lost."""
        key = self.issuer.current(self.bench.unit.serial, PROFILE)
        if key is None:
            return None
        if not self._holds(key):
            self.issuer.lose(key, "the device does not hold this key")
            return None
        return key

    def challenged(self) -> bool:
        """Tell whether the device holds the current key, letting it sign a fresh nonce; changes nothing."""
        key = self.issuer.current(self.bench.unit.serial, PROFILE)
        return key is not None and self._holds(key)

    def _holds(self, key: Key[E]) -> bool:
        """Ask the device whether it holds the key; hardware that can't say so is asked by its certificate later."""
        if not self.bench.recipe.product.abilities.receipts:
            return self.bench.identity.has_key
        if (self.bench.identity.keys or {}).get(self.slot) != key.spki:
            return False
        self._challenge(key)
        return True

    def _end_password(self) -> None:
        """Let the unit have another password beside its new key: whoever had the old credentials has none now."""
        serial = self.bench.unit.serial
        if self.bench.recipe.product.password.key and self.issuer.had_key(serial, PROFILE):
            self.bench.services.passwords.end(serial, self.environment, "the unit gets another key")

    def _issued(self, key: Key[E]) -> Certificate[E]:
        return self.issuer.issue(key, self.bench.recipe.environment(self.environment).owner)

    def _takes(self, certificate: Certificate[E]) -> bool:
        try:
            self.bench.charger.install_certificate(self.slot, certificate.der, self.deadline)
        except UnitError as error:
            if error.defect is Defect.CERTIFICATE:
                return False
            raise
        return True

    def _new_key(self) -> Key[E]:
        if self.bench.recipe.file.key_origin is KeyOrigin.HSM:
            return self._key_from_hsm()
        return self._key_from_device()

    def _key_from_hsm(self) -> Key[E]:
        transport = self.bench.identity.transport
        if transport is None:
            raise UnitError(Defect.WRONG_HARDWARE, "The device has no transport key for a key born in the HSM.")
        recipient = recipient_of(transport.algorithm, transport.key)
        key, package = self.issuer.generate(self.bench.unit.serial, PROFILE, recipient, self.bench.unit.work_order)
        nonce = self.bench.services.factory.random(NONCE_BYTES)
        device = ability(self.bench.charger, KeyPackages)
        return self._confirmed(key, nonce, device.deliver_key(self.slot, package, nonce, self.deadline), "receipt")

    def _key_from_device(self) -> Key[E]:
        """Let the device make its key; whatever key was there is of no record and is replaced."""
        serial = self.bench.unit.serial
        request = self.bench.charger.create_key(self.slot, serial, replace=True, deadline=self.deadline)
        return self.issuer.adopt(serial, PROFILE, request, serial, self.bench.unit.work_order)

    def _challenge(self, key: Key[E]) -> None:
        """Let the device sign a fresh nonce with the key in its slot.

        Raises:
            UnitError: The signature is not of the expected key.
        """
        nonce = self.bench.services.factory.random(NONCE_BYTES)
        device = ability(self.bench.charger, Challenges)
        self._confirmed(key, nonce, device.challenge(self.slot, nonce, self.deadline), "challenge")

    def _confirmed(self, key: Key[E], nonce: bytes, proof: Proof, kind: Literal["receipt", "challenge"]) -> Key[E]:
        uid = self.bench.unit.hardware_uid
        try:
            return self.issuer.confirm(key, KeyProof(kind, uid, nonce, proof.spki, proof.signature))
        except RequestRefused as error:
            message = f"The device could not prove that it holds its key: {error.message}."
            raise UnitError(Defect.KEY, message) from error

    def _prove(self, key: Key[E], certificate: Certificate[E]) -> None:
        """Read back what the device keeps and let it sign with its key, as far as this hardware can (F-D4)."""
        bench, abilities = self.bench, self.bench.recipe.product.abilities
        chain = bench.recipe.product.files.chain(self.environment)
        write_file(bench, chain, certificate.chain_pem.encode(), self.deadline)
        if abilities.certificate_readback:
            found = ability(bench.charger, StoredCertificates).read_certificate(self.slot, self.deadline)
            if found != certificate.der:
                raise UnitError(Defect.CERTIFICATE, f"The device did not keep its {self.environment} certificate.")
        if abilities.receipts:
            self._challenge(key)
        self.issuer.record(certificate, "installed")
        bench.measure(f"{self.environment}_certificate", certificate.serial)
        bench.note(certificate_sha256=certificate.sha256, key_version=key.version, key_origin=key.origin.value)
        bench.services.records.certificate_event(
            bench.run, self.environment.value, certificate.serial, "installed", {"sha256": certificate.sha256}
        )
