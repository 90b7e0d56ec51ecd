"""A passport says that its unit was scrapped: nobody who holds it later takes the unit for a good one (F-M3, F-D11)."""

import json
import subprocess
from datetime import timedelta
from hashlib import sha256

from jsonschema import Draft202012Validator

from station.clock import utc_now
from station.documents.passport import verify_passport
from station.documents.wording import CATALOGUES
from station.model import Outcome
from station.outbox.carriers import carriers
from station.records import SCRAP_SAID, Disposition, DispositionKind, OutboxRow, RunRequest
from station.run import RENDER_PASSPORT
from tests.documents.passport_office import Office

SCHEMA = json.loads((CATALOGUES / "device-passport-1.schema.json").read_text())
DAMAGE = "RC-DAMAGE", "fell from the lift", "qa-1"


def scrapped(office: Office) -> OutboxRow:
    """Release a unit, scrap it, and return the message of its passport."""
    unit = office.release().unit
    office.log.records.dispose(Disposition(DispositionKind.SCRAP, unit, *DAMAGE))
    return next(row for row in office.log.records.waiting_messages_of() if row.kind == SCRAP_SAID)


def deliver(office: Office, row: OutboxRow) -> bytes:
    """Carry a message out as the station's worker does."""
    return carriers(office.services, lambda _: None, office.folder, None)(row).deliver(row).answer  # type: ignore[arg-type,return-value]


def test_the_next_revision_says_who_scrapped_it_when_and_why(office: Office) -> None:
    row = scrapped(office)
    before = office.log.records.passport(row.unit)
    assert deliver(office, row) == b"revision 2"
    after = office.log.records.passport(row.unit)
    assert before is not None
    assert after is not None
    verify_passport(after.document, after.signature, office.factory.record_certificate.encode())
    content = json.loads(after.document)
    Draft202012Validator(SCHEMA).validate(content)
    (decided,) = office.log.records.dispositions(row.unit)
    (said,) = content["lifecycle"]
    assert (said["event"], said["reason"], said["recorded_by"]) == ("scrapped", "RC-DAMAGE: fell from the lift", "qa-1")
    assert said["occurred_at"].startswith(f"{decided.at:%Y-%m-%dT%H:%M:%S}")
    assert content["revision"]["replaces"] == sha256(before.document).hexdigest()


def test_the_paper_says_it_too(office: Office) -> None:
    row = scrapped(office)
    deliver(office, row)
    papers = [one for one in office.log.records.waiting_messages_of() if one.kind == RENDER_PASSPORT]
    assert papers[-1].revision == 2
    office.printer.render(papers[-1])
    command = ["pdftotext", "-layout", str(office.folder / f"{row.unit}.pdf"), "-"]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert "scrapped" in told
    assert "fell from the lift" in told


def test_it_is_said_once_however_often_the_message_is_delivered(office: Office) -> None:
    """The plug may be pulled between the passport and the note that the message was delivered."""
    row = scrapped(office)
    assert [deliver(office, row) for _ in range(2)] == [b"revision 2"] * 2
    passport = office.log.records.passport(row.unit)
    assert passport is not None
    assert len(json.loads(passport.document)["lifecycle"]) == 1


def test_it_waits_for_no_cpms_and_nothing_waits_for_it(office: Office) -> None:
    row = scrapped(office)
    due = [one.kind for one in office.log.records.due(utc_now() + timedelta(hours=1), 100)]
    assert SCRAP_SAID in due
    assert "cpms" in due
    assert row.kind in office.log.records.waiting_of(row.unit)


def test_a_unit_without_a_passport_needs_none(office: Office) -> None:
    records = office.log.records
    run = records.open_run(RunRequest("WO-1", "aa02", "2", ("label",), "3.4.1"))
    unit = records.run(run).unit
    records.close_run(run, Outcome.FAIL, fault="flash", reason="bad flash")
    records.dispose(Disposition(DispositionKind.SCRAP, unit, *DAMAGE))
    assert SCRAP_SAID not in records.waiting_of(unit)
