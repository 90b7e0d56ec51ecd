"""What a product's papers say: documents that its units leave with by their digest, and which check speaks for what.

The papers themselves stay with the maker; a unit's passport names them with their SHA-256, so that a reader knows
whether the paper before him is the one that was meant.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from station.strict import shown

SHA256 = re.compile(r"[0-9a-f]{64}")
LONGEST = 200
MOST = 64


@dataclass(frozen=True)
class PaperRule:
    """One document that stands behind every unit of the product, such as a type-examination certificate."""

    kind: str
    """What it is, such as `EU declaration of conformity`."""
    number: str
    sha256: str
    """Of the file as its maker publishes it."""
    marking: str = ""
    """Marking on the rating plate that it stands behind, such as `CE`; empty for none."""
    valid_until: date | None = None

    def __post_init__(self) -> None:
        """Refuse what no passport could say."""
        named = (("kind", self.kind), ("number", self.number))
        problems = [f"{name}: {_WANTED}" for name, text in named if not _is_text(text)]
        problems += [f"marking: {_WANTED}"] if self.marking and not _is_text(self.marking) else []
        if not SHA256.fullmatch(self.sha256):
            problems.append(f"sha256: 64 digits of lower-case hexadecimal are expected, not {shown(self.sha256)}")
        if problems:
            raise ValueError(*problems)


@dataclass(frozen=True)
class EvidenceRule:
    """Which check of the record speaks for which clause of a regulation or standard."""

    clause: str
    """As it is cited, such as `EN 18031-1 SUM`."""
    check: str
    """Name of a step, of a check over OCPP, of a measurement, or of a test of other equipment."""

    def __post_init__(self) -> None:
        """Refuse what no passport could say."""
        named = (("clause", self.clause), ("check", self.check))
        problems = [f"{name}: {_WANTED}" for name, text in named if not _is_text(text)]
        if problems:
            raise ValueError(*problems)


_WANTED = f"must be 1 to {LONGEST} printable characters"


def paper_problems(papers: Sequence[PaperRule], evidence: Sequence[EvidenceRule]) -> Iterator[str]:
    """Tell what stands twice, or is more than a passport should hold."""
    numbers = [(paper.kind, paper.number) for paper in papers]
    yield from (f"paper: {kind} {number} stands twice" for kind, number in _twice(numbers))
    pairs = [(rule.clause, rule.check) for rule in evidence]
    yield from (f"evidence: {check} speaks for {clause} twice" for clause, check in _twice(pairs))
    for name, count in (("paper", len(papers)), ("evidence", len(evidence))):
        if count > MOST:
            yield f"{name}: at most {MOST} are expected, not {count}"


def _twice(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    return sorted({pair for pair in pairs if pairs.count(pair) > 1})


def _is_text(value: str) -> bool:
    return 0 < len(value) <= LONGEST and value.isprintable() and value.strip() == value
