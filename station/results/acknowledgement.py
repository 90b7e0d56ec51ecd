"""What a tester is told: a verdict on the file, and one on each of its rows."""

from collections import Counter
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from station.clock import iso
from station.records import Answer, Taken


@dataclass(frozen=True)
class Acknowledgement:
    """What became of a file."""

    file: str
    sha256: str
    format: str
    at: datetime
    rows: tuple[Answer, ...] = ()
    refusal: str = ""
    """Why nothing of it was read."""
    hint: str = ""

    def count(self, taken: Taken) -> int:
        """Return how many rows ended so."""
        return Counter(row.taken for row in self.rows)[taken]

    @property
    def accepted(self) -> bool:
        """Tell whether nobody has to look at the file: every row was taken, or known before."""
        return not self.refusal and not self.count(Taken.REFUSED)

    @property
    def sentence(self) -> str:
        """Return what became of it in one sentence."""
        if self.refusal:
            return self.refusal
        counts = ", ".join(f"{self.count(taken)} {taken}" for taken in Taken if self.count(taken))
        return f"{len(self.rows)} results: {counts}."

    def document(self) -> dict[str, Any]:
        """Return the acknowledgement as JSON."""
        told = {"format": "results-acknowledgement/1", "accepted": self.accepted, "sentence": self.sentence}
        told |= {"file": self.file, "sha256": self.sha256, "read_as": self.format, "at": iso(self.at)}
        return told | {"hint": self.hint, "rows": [asdict(row) for row in self.rows]}
