"""Where a ceremony's results lie."""

from dataclasses import dataclass
from pathlib import Path

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

    def certificate(self, name: str) -> Path:
        """Return the path of a CA's or server's certificate."""
        return self.directory / "certificates" / f"{name}.pem"

    def server_key(self, name: str) -> Path:
        """Return the path of a server's encrypted private key."""
        return self.directory / "keys" / f"{name}.pem"
