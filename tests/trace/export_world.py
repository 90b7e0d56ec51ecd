"""Records with units of every kind, from which exports are made; and the few words in which tests speak of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cryptography import x509
from sqlalchemy import insert

from fixtures.batches import ORDER, Plant, add_order, opened_plant, release_units
from station.errors import Defect
from station.model import Measurement, Outcome
from station.records import Part, Records, RunRef, RunRequest, SerialBlock, StepResult, WorkOrder, tables
from station.trace.export import ExportProof, Made, Signer, Wanted, make_export, prove_export
from station.trace.export.formats import FORMATS

OTHER = "WO-2"
FORMULA, SECOND = "=cmd|' /C calc'!A0", "Example;=1+1"
SECRET = "canary-8a61c2"
TAKEN = (
    Measurement("clock offset", -0.1 - 0.2, "s", -1.0, 1.0),
    Measurement("voltage", 229.87654321987654, "V", 207, 253.0),
    Measurement("answer", "=1+1", expected="ok", passed=False),
    Measurement("locked", True, expected=True),
    Measurement("name", "Größe\t7 Ω\u2028x", expected="2"),
)


@dataclass
class Exporter:
    """Records, a record key, and a folder for what is exported."""

    plant: Plant
    records: Records
    folder: Path

    @property
    def signer(self) -> Signer:
        return Signer(self.plant.records.sign, self.plant.records.certificate)

    @property
    def anchors(self) -> Sequence[x509.Certificate]:
        return x509.load_pem_x509_certificates(self.plant.records.certificate.encode())

    def make(self, form: str, name: str = "", progress: Any = None, **wanted: Any) -> Made:
        target = self.folder / (name or f"export{FORMATS[form].suffix}")
        given = () if progress is None else (progress,)
        return make_export(self.records, self.signer, Wanted(form, "qa-1", **wanted), target, *given)

    def prove(self, path: Path) -> ExportProof:
        return prove_export(path, self.anchors)

    def left(self) -> list[str]:
        """Return what lies in the folder of exports."""
        return sorted(each.name for each in self.folder.iterdir())

    def failed(self, serial: str, number: int) -> RunRef:
        """Add a run that failed, with measurements of all kinds."""
        run = self.records.open_run(RunRequest(ORDER, f"ee{number:02d}", "1", ("identify", "accept"), "1.4.2", serial))
        step = self.records.start_step(run, 0, "identify", 1)
        self.records.finish_step(step, StepResult(Outcome.FAIL, fault=Defect.CLOCK.value, measurements=TAKEN))
        self.records.close_run(run, Outcome.FAIL, fault=Defect.CLOCK.value, reason=FORMULA, hint=SECRET)
        return run

    def measure(self, run: RunRef, count: int, first: int = 1_000_000) -> None:
        """Add many measurements to the first step of a run."""
        row = {"station": run.station, "step_sequence": 1, "name": "ripple", "unit": "V", "low": -1.0, "high": 1.0,
               "expected": None, "passed": True}  # fmt: skip
        with self.records.database.write() as session:
            rows = [row | {"sequence": first + number, "value": number / 7} for number in range(count)]
            session.execute(insert(tables.MeasurementRow), rows)


@contextmanager
def exporter(folder: Path) -> Iterator[Exporter]:
    """Yield records with six units: wallboxes and a DC charger, released and failed, of two orders."""
    with opened_plant(folder) as (plant, records):
        (folder / "out").mkdir()
        made = Exporter(plant, records, folder / "out")
        add_order(records, 50)
        block = SerialBlock("DC60-", 1, 9)
        records.create_order(WorkOrder(OTHER, "dc60", "dc60-eu", 2, "b" * 64, 9, SECOND, block, "bench-test", "field"))
        release_units(plant, records, [f"AC22-{number:06d}" for number in (1, 2, 3)])
        release_units(plant, records, ["DC60-000001"], OTHER, lambda unit: replace(unit, vendor=FORMULA))
        made.failed("AC22-000004", 1)
        made.failed("AC22-000005", 2)
        records.attach(Part("AC22-000004", "meter", "A", "MTR-7741", evse=1), "operator-1")
        records.attach(Part("AC22-000004", "contactor", "K1", lot="LOT-7"), "operator-1")
        records.event("secret-seen", "AC22-000001", {"password": SECRET})
        yield made
