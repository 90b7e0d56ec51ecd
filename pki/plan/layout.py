"""Where a ceremony's results lie."""

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from pki.errors import ProfileError

FILE = "pki.toml"


@dataclass(frozen=True)
class Layout:
    """The files of one PKI directory."""

    directory: Path

    @property
    def plan(self) -> Path:
        """Return the path of the reviewed ceremony file."""
        return self.directory / FILE

    @property
    def ledger(self) -> Path:
        """Return the path of the ledger."""
        return self.directory / "ledger.sqlite"

    @property
    def plans(self) -> Path:
        """Return the folder of the ceremony files that a later review has replaced."""
        return self.directory / "plans"

    @property
    def transcripts(self) -> Path:
        """Return the folder of the ceremonies' signed transcripts."""
        return self.directory / "transcripts"

    @property
    def renewals(self) -> Path:
        """Return the folder of the renewals that were ordered, each with its reason."""
        return self.directory / "renewals"

    @property
    def crls(self) -> Path:
        """Return the folder in which revocation lists are published."""
        return self.directory / "crl"

    def identity(self, name: str) -> Path:
        """Return the folder of a station's or service's own certificates and encrypted keys."""
        return self.directory / "identities" / name

    def certificate(self, name: str) -> Path:
        """Return the path of a CA's or server's certificate."""
        return self.directory / "certificates" / f"{name}.pem"

    def load(self, name: str) -> x509.Certificate:
        """Return a CA's, signer's or server's certificate.

        Raises:
            ProfileError: It can't be read.
        """
        path = self.certificate(name)
        try:
            return x509.load_pem_x509_certificate(path.read_bytes())
        except (OSError, ValueError) as error:
            raise ProfileError(f"certificate {path} can't be read", hint="Hold the ceremony again.") from error

    @property
    def sealing_key(self) -> Path:
        """Return the path of the public half (PEM) of the key that opens what is sealed for the factory itself."""
        return self.directory / "certificates" / "sealing.pub"

    def load_sealing_key(self) -> bytes:
        """Return that public half (SPKI, DER).

        Raises:
            ProfileError: It can't be read.
        """
        path = self.sealing_key
        try:
            key = load_pem_public_key(path.read_bytes())
        except (OSError, ValueError, UnsupportedAlgorithm) as error:
            raise ProfileError(f"sealing key {path} can't be read", hint="Hold the ceremony again.") from error
        return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def server_key(self, name: str) -> Path:
        """Return the path of a server's encrypted private key."""
        return self.directory / "keys" / f"{name}.pem"
