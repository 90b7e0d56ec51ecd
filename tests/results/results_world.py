"""The words in which tests of results speak: one unit, one good result, and a bench that delivers."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from station.catalog.recipes import RequiredResult
from station.model import Outcome
from station.records import (
    Answer,
    Disposition,
    DispositionKind,
    Part,
    Records,
    Reported,
    Result,
    ResultSource,
    RunRequest,
    SerialBlock,
    SubjectKind,
    WorkOrder,
)
from station.results.formats import SHIPPED, Format
from station.strict import load

DATA = Path(__file__).parent / "data"
SERIAL, UID = "AC22-000001", "33ffd7055153383943170743"
NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
ORDER = WorkOrder(
    "WO-1", "ac22", "ac22-eu", 7, "a" * 64, 12, "Example Energy", SerialBlock("AC22-", 1, 99), "staging", "production"
)
GOOD = Result(
    SubjectKind.SERIAL, SERIAL, "insulation", NOON, 512.4, "512.4", "MOhm", 1.0, None, "PASS", program="eol",
    version="2.3", instrument="7800-11", calibration_due=(NOON + timedelta(days=200)).date(),
)  # fmt: skip


REQUIRED = RequiredResult("insulation", "MOhm", low=1.0)


class Bench:
    """Records that take results one at a time, as a test bench would deliver them."""

    def __init__(self, records: Records) -> None:
        self.records = records

    def report(self, *results: Result) -> tuple[Answer, ...]:
        """Take results as one file."""
        lines = tuple(Reported(line, result) for line, result in enumerate(results, 1))
        return self.records.add_results(ResultSource("f" * 64, "a.csv", "eol r1"), lines, "service:eol")

    def said(self, **changes: object) -> Answer:
        """Take the good result with some of it changed."""
        (answer,) = self.report(replace(GOOD, **changes))
        return answer

    def unit(self) -> None:
        """Bind the device to its serial by a run that came to nothing."""
        run = self.records.open_run(RunRequest("WO-1", UID, "1", ("identify",), "1.4.0", SERIAL))
        self.records.close_run(run, Outcome.ABORTED)

    def scrap(self) -> None:
        """End the unit for good."""
        self.records.dispose(Disposition(DispositionKind.SCRAP, SERIAL, "broken", "fell off the belt", "qa-1"))

    def swap(self, kind: str, opens: tuple[str, ...]) -> None:
        """Put a part in, and another in its place."""
        self.records.attach(Part(SERIAL, kind, "K1", "K-1", opens=opens), "operator-1")
        self.records.swap(Part(SERIAL, kind, "K1", "K-2", opens=opens), "it was welded", "rework-1")


def shipped(name: str) -> Format:
    """Return a format that comes with the software."""
    return load(Format, SHIPPED / f"{name}.toml")


def sample(name: str) -> bytes:
    """Return a file as a tester wrote it."""
    return (DATA / name).read_bytes()
