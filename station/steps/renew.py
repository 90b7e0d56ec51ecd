"""The rehearsal of a renewal as the issuer sees it: a new key of the test world, and never of another (design 8.2).

The new key is entered and the old certificate is superseded in one transaction of the ledger, before anything is
signed. Whatever happens after it, the next run asks the device which key it holds (`Enrolment.converge`): the new one
continues; the old one is nobody's any more, and a third is made, which the work order does not pay for. So no unit
ever has two living certificates, and a power cut uses up none.
"""

from dataclasses import dataclass

from pki.certificate.csr import CertificateRequest
from pki.environment import Certificate, Test
from pki.issuer import Issuer
from station.acceptance import Renewed
from station.bench import Bench
from station.errors import Defect, UnitError
from station.model import Environment
from station.passwords import told
from station.steps.credentials import PROFILE


@dataclass
class TestRenewal:
    """The test certificate of one unit, being renewed."""

    __test__ = False  # pytest would take the name for a test class

    bench: Bench
    issuer: Issuer[Test]
    certificate: Certificate[Test] | None = None
    """The renewed certificate, once it is signed."""

    def probe(self) -> str:
        """Return a chain (PEM) for a key that nobody has.

        Raises:
            ServiceError: The HSM or the ledger is away.
        """
        with told():
            return self.issuer.probe(self.bench.unit.serial)

    def sign(self, request: CertificateRequest) -> Renewed:
        """Enter the key of the unit's own request and issue for it; repeated, the same certificate.

        Raises:
            UnitError: The request is not one for a new key of this unit.
            ServiceError: The HSM or the ledger is away.
        """
        with told():
            self.certificate = made = self._issued(request)
        return Renewed(made.chain_pem, made.serial, made.sha256)

    def seen_in_use(self) -> None:
        """Record that the renewed certificate was presented after the restart.

        Raises:
            ServiceError: The ledger is away.
        """
        if self.certificate is not None:
            made, bench = self.certificate, self.bench
            with told():
                self.issuer.record(made, "installed")
                self.issuer.record(made, "proven")
            bench.note(renewed_certificate=made.serial, renewed_key_version=made.version)
            if bench.run.sequence:  # outside of any run, whoever does it records it
                bench.services.records.certificate_event(
                    bench.run, Environment.TEST.value, made.serial, "renewed", {"sha256": made.sha256}
                )

    def _issued(self, request: CertificateRequest) -> Certificate[Test]:
        serial = self.bench.unit.serial
        key = self.issuer.current(serial, PROFILE)
        if key is None or key.spki != request.spki:
            certificate = self.issuer.certificate(serial, PROFILE)
            if certificate is None:
                raise UnitError(Defect.CERTIFICATE, f"Unit {serial} has no living certificate to renew.")
            key = self.issuer.renew(certificate, request.der)
        return self.issuer.issue(key, self.bench.recipe.test.owner)
