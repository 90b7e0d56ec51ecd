"""A station's records with their log, a key that signs passports, and who draws them, without a line."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fixtures.passports import STEPS, SampleRecords
from fixtures.samples import sample_unit
from station.bench import Services
from station.documents.passport import passport_document
from station.documents.passport_proof import prove_pdf, read_anchors
from station.model import Outcome
from station.outbox.carriers import PassportPrinter
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
    def services(self) -> Services:
        return Services(self.log.records, self.factory, None, None, None)  # type: ignore[arg-type]

    @property
    def printer(self) -> PassportPrinter:
        return PassportPrinter(self.services, self.folder, None)

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


@contextmanager
def opened_office(folder: Path) -> Iterator[Office]:
    """Open new records with an order in a folder, where passports are written too."""
    upgrade(url := f"sqlite:///{folder / 'station.db'}")
    with open_records(url, STATION) as records:
        records.create_order(ORDER)
        yield Office(World(records, folder, SoftKey()), Factory(SampleRecords()), folder)
