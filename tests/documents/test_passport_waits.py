"""A passport's PDF waits for its place in the log, and nothing waits for the PDF (F-I5, F-I8)."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import pytest

from fixtures.passports import STEPS, SampleRecords
from fixtures.samples import sample_unit
from station.bench import Services
from station.board import Board
from station.documents.passport import passport_document
from station.documents.passport_proof import prove_pdf, read_anchors
from station.model import LineView, Outcome
from station.outbox import Courier, Effect, Habits, Patience, Route
from station.outbox.carriers import LOOKS_FOR_PROOF, PassportPrinter
from station.outbox.patience import NotYet
from station.records import LabelJob, Message, OutboxRow, RunRequest, StepResult, open_records, upgrade
from station.run import RENDER_PASSPORT
from tests.audit.conftest import ORDER, STATION, SoftKey, World


@dataclass
class Factory:
    """What signs passports."""

    records: SampleRecords

    @property
    def record_certificate(self) -> str:
        return self.records.certificate

    @property
    def sign(self) -> Callable[[bytes], bytes]:
        return self.records.sign


@dataclass
class Office:
    """A station's log, its passports, and who draws them."""

    log: World
    factory: Factory
    folder: Path

    @property
    def printer(self) -> PassportPrinter:
        services = Services(self.log.records, self.factory, None, None, None)  # type: ignore[arg-type]
        return PassportPrinter(services, self.folder, None)

    def release(self) -> OutboxRow:
        """Build a unit whose passport is to be drawn, then its CPMS be told."""
        records = self.log.records
        run = records.open_run(RunRequest("WO-1", "aa01", "1", ("label",), "3.4.1"))
        unit = records.run(run).unit
        records.finish_step(records.start_step(run, 0, "label", 1), StepResult(Outcome.PASS))
        label = records.label_rendered(LabelJob(unit, "unit", "code", "0" * 64))
        records.label_scanned(records.label_sent(label, 7, "Z1"), "code")
        document = passport_document(sample_unit(unit), STEPS)
        messages = [Message(RENDER_PASSPORT, unit, b"{}"), Message("cpms", unit, b"{}")]
        records.release(run, document, self.factory.sign(document), "me", messages)
        return next(row for row in records.waiting_messages_of() if row.kind == RENDER_PASSPORT)

    def told_of_the_log(self, unit: str) -> bool:
        """Tell whether the PDF proves to a stranger that the log has the passport."""
        anchors = read_anchors(self.factory.record_certificate.encode())
        told = prove_pdf((self.folder / f"{unit}.pdf").read_bytes(), anchors, self.log.key.spki)
        return any("of the factory's log" in line for line in told.proved)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    upgrade(url := f"sqlite:///{tmp_path / 'station.db'}")
    with open_records(url, STATION) as records:
        records.create_order(ORDER)
        yield Office(World(records, tmp_path, SoftKey()), Factory(SampleRecords()), tmp_path)


def test_passport_is_drawn_once_the_log_was_signed(office: Office) -> None:
    office.log.publish()
    row = office.release()
    with pytest.raises(NotYet, match="waits for its place in the log"):
        office.printer.render(row)
    office.log.publish()
    office.printer.render(row)
    assert office.told_of_the_log(row.unit)


def test_passport_does_not_wait_for_ever(office: Office) -> None:
    """A log that is not signed delays no paper for more than a minute."""
    office.log.publish()
    row = office.release()
    office.printer.render(replace(row, attempts=LOOKS_FOR_PROOF))
    assert not office.told_of_the_log(row.unit)


def test_passport_does_not_wait_where_nobody_signs_the_log(office: Office) -> None:
    row = office.release()
    office.printer.render(row)
    assert not office.told_of_the_log(row.unit)


def test_nothing_waits_for_a_passport_that_waits(office: Office) -> None:
    """The CPMS is told meanwhile, and waiting is no failure that anybody is told of."""
    office.log.publish()
    row = office.release()
    with delivering(office) as board:
        eventually(lambda: office.log.records.waiting_of(row.unit) == (RENDER_PASSPORT,))
        eventually(lambda: any(one.attempts > 2 for one in office.log.records.waiting_messages_of()))
        assert board.view().alarms == ()
        office.log.publish()
        eventually(lambda: office.log.records.depth() == 0)
    assert office.told_of_the_log(row.unit)


@contextmanager
def delivering(office: Office) -> Iterator[Board]:
    """Have messages delivered while the block runs."""
    board = Board(LineView(STATION, 1, ()))
    ways = {
        RENDER_PASSPORT: Route("passports", (RENDER_PASSPORT,), 1, office.printer.render),
        "cpms": Route("cpms", ("cpms",), 1, lambda _: Effect(b"told")),
    }
    worker = Courier(office.log.records, board, lambda row: ways[row.kind], habits=Habits(Patience(), Random(7)))
    worker.start()
    try:
        yield board
    finally:
        worker.stop(20.0)


def eventually(true: Callable[[], bool]) -> None:
    ends = time.monotonic() + 60
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.05)
