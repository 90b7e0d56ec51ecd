"""`station lifecycle` with a token and people: reports become signed passports, all of a report or none of it."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from fixtures.batches import STATION, Plant, add_order, opened_plant, release_units
from pki.ledger import Reason
from station.clock import utc_now
from station.config import load_station
from station.documents.passport import read_passport
from station.documents.passport_pdf import Edition, render_passport
from station.errors import ConfigError
from station.factory import opened_factory
from station.lifecycle import tell
from station.records import BatchFilter, LifecycleEvent, LifecycleKind, Records, UnitState, open_records, tables
from station.trace.lifecycle_reports import LinesRefused, Report, of_serials, of_table
from station.trace.unit_page import Dossiers
from tests.people.staff import Staff
from tests.station.founded import founded, run_as

COUNT = 12


class Field:
    """A station directory with a token, people, and units that may be shipped."""

    def __init__(self, staff: Staff) -> None:
        self.staff, self.directory = staff, staff.station
        settings = self.directory / "station.toml"
        settings.write_text(settings.read_text().replace('"ST1"', f'"{STATION}"'))
        self.config = load_station(self.directory)
        self._free = iter(_packable(self))

    def run(self, *words: str | Path, who: str = "lead-1") -> tuple[int, str]:
        return run_as(self.staff, who, *words)

    def told(self, *words: str | Path, who: str = "lead-1") -> str:
        code, said = self.run("lifecycle", *words, who=who)
        assert code == 0, said
        return said

    @contextmanager
    def records(self) -> Iterator[Records]:
        with open_records(self.config.database_url, self.config.station.id) as records:
            yield records

    def unit(self) -> str:
        """Return one more unit that may be shipped."""
        return next(self._free)

    def shipped(self) -> str:
        """Return one more unit that was shipped, without a command and its PIN."""
        event = LifecycleEvent(LifecycleKind.SHIPPED, self.unit(), "lead-1", party="Example Energy")
        with self.records() as records, opened_factory(self.config) as factory:
            (row,) = tell(records, factory, [event])
        return row.unit


def _packable(field: Field) -> list[str]:
    serials = [f"AC22-{number:06d}" for number in range(1, COUNT + 1)]
    with opened_plant(field.staff.directory) as (plant, _), field.records() as records:
        add_order(records, COUNT)
        release_units(Plant(plant.ledger), records, serials)
        with records.database.write() as session:
            session.execute(update(tables.Unit).values(state=UnitState.PACKABLE))
    return serials


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    """Yield a station with a token, people and units."""
    with founded(tmp_path_factory.mktemp("field")) as staff:
        yield Field(staff)


def test_a_life_is_reported_and_each_revision_is_proved(field: Field, tmp_path: Path) -> None:
    """F-M3: the newest passport says what happened, replaces the one before, and a stranger proves it."""
    serial = field.unit()
    field.told("ship", serial, "--party", "Example Energy", "--reference", "DN-7")
    field.told("commission", serial, "--place", "Harbour 3")
    with field.records() as records:
        rows, passport = records.lifecycle(serial), records.passport(serial)
        earlier = [row.sha256 for row in records.unit_history(serial).passports]
    content = read_passport(passport.document)
    assert [row.revision for row in rows] == [2, 3]
    assert (content["revision"]["number"], content["revision"]["replaces"]) == (3, earlier[-2])
    assert [one["event"] for one in content["lifecycle"]] == ["shipped", "commissioned"]
    for name, raw in (("p.json", passport.document), ("p.json.sig", passport.signature)):
        (tmp_path / name).write_bytes(raw)
    code, said = field.run("passport", "verify", tmp_path / "p.json")
    assert (code, "The unit was commissioned on" in said, "It is revision 3" in said) == (0, True, True)
    assert f"It replaces the passport with SHA-256 {earlier[-2]}." in said


def test_what_the_release_said_stays_as_it_was_said(field: Field) -> None:
    """A revision adds what happened and changes nothing else; its pages show it in both languages."""
    serial = field.shipped()
    with field.records() as records:
        first, last = (read_passport(row.document) for row in records.unit_history(serial).passports)
        row = records.passport(serial)
    assert {name: last[name] for name in first if name != "minor"} == {
        name: first[name] for name in first if name != "minor"
    }
    for language in ("en", "de"):
        assert render_passport(row.document, row.signature, row.signer, Edition(language)).startswith(b"%PDF-1.7")


def test_a_table_is_recorded_whole_or_not_at_all(field: Field, tmp_path: Path) -> None:
    """Every wrong line is told by its number, and nothing of the report happened; then all of it does."""
    first, second, table = field.unit(), field.unit(), tmp_path / "sites.csv"
    table.write_text(f"serial,party,reference\n{first},North,DN-1\n{second},,DN-2\nAC22-999999,East,DN-3\n")
    code, said = field.run("lifecycle", "ship", "--file", table)
    assert (code, "line 3" in said, "needs its party" in said) == (2, True, True)
    code, said = field.run("lifecycle", "ship", "--file", table, "--party", "South", "--json")
    assert (code, [one["line"] for one in json.loads(said)["refused"]]) == (1, [4])
    with field.records() as records:
        assert (records.lifecycle(first), records.passport(first).revision) == ((), 1)
    table.write_text(table.read_text().replace("AC22-999999,East,DN-3\n", ""))
    said = field.told("ship", "--file", table, "--party", "South", "--json")
    assert [one["party"] for one in json.loads(said)["recorded"]] == ["North", "South"]


def test_who_may_report_and_what_a_state_refuses(field: Field) -> None:
    """F-K2: an operator reports nothing; a unit that is not there yet is not commissioned."""
    serial = field.unit()
    code, said = field.run("lifecycle", "ship", serial, "--party", "North", who="operator-1")
    assert (code, "Error" in said) == (2, True)
    code, said = field.run("lifecycle", "commission", serial, "--place", "Harbour 3")
    assert (code, f"unit {serial} is packable: it can't be commissioned" in said) == (1, True)
    assert field.run("lifecycle", "ship", "--party", "North")[0] == 2
    for nobody in ("AC22-999999", "\udcff", "%' OR 1=1"):
        assert field.run("lifecycle", "show", nobody)[0] == 1


def test_a_return_is_shown_and_found(field: Field) -> None:
    """F-M4: the command, the unit page and the search say that it is back, by the number of its return."""
    serial = field.shipped()
    field.told("return", serial, "--reference", "RMA-4711", "--reason", "does not charge", who="rework-1")
    shown = json.loads(field.told("show", serial, "--json"))
    assert (shown["state"], shown["lifecycle"][-1]["reference"]) == ("returned", "RMA-4711")
    assert "RMA-4711" in field.told("show", serial)
    with field.records() as records:
        card = Dossiers(records).unit(serial)
    facts = dict(card.facts)["Since its release"]
    assert (card.state, [fact.kind for fact in facts]) == ("returned", ["returned", "shipped"])
    code, said = field.run("search", "RMA-4711")
    assert (code, serial in said) == (0, True)


def test_the_export_tells_site_and_begin_of_the_warranty(field: Field, tmp_path: Path) -> None:
    """F-M7: what the field reported fills the columns that are empty for it; the release keeps its own time."""
    serial, file = field.shipped(), tmp_path / "units.jsonl"
    day = utc_now() - timedelta(minutes=1)
    field.told("commission", serial, "--place", "Harbour 3", "--at", day.isoformat())
    field.told("move", serial, "--place", "Harbour 4")
    code, said = field.run("export", "jsonl", "--unit", serial, "--out", file, who="qa-1")
    assert code == 0, said
    row = json.loads(file.read_text().splitlines()[0])
    with field.records() as records:
        released = records.unit_history(serial).passports[0].at
    assert (row["site"], row["warranty_start"][:19]) == ("Harbour 4", day.isoformat()[:19])
    assert (row["released_at"][:19], row["passport_revision"]) == (released.isoformat()[:19], 4)


def test_what_was_taken_back_from_a_cpms_is_not_handed_to_it_again(field: Field) -> None:
    """P21: neither by a batch, nor does reconciliation take its record for one that may stay."""
    serial = field.shipped()
    field.told("commission", serial, "--place", "Harbour 3")
    field.told("operator", serial, "--party", "South")
    with field.records() as records:
        wanted = BatchFilter(records.unit(serial).work_order)
        assert serial in records.kept_back(wanted)
        assert records.is_taken_back(serial)


def _serial(made: Callable[[], object]) -> str:
    with pytest.raises(ConfigError) as caught:
        made()
    return caught.value.message


REPORT = Report(LifecycleKind.SHIPPED, "lead-1", {"party": "North"})


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"\xff\xfe", "can't be read"),
        (b"unit,party\nAC22-000001,North\n", "columns are not known"),
        (b"serial\n", "1 to 500 units, not 0"),
        (b"serial\nAC22-000001\n" * 501, "units, not"),
        (b"serial,at\nAC22-000001,yesterday\n", "line 2: at: 'yesterday'"),
        (b"serial,party\nAC22-000001\n", "line 2: it has more or fewer cells"),
        (b"serial,serial\nAC22-000001,AC22-000002\n", "stand there twice"),
        (b"serial\n%' OR 1=1\n", "line 2: '%' OR 1=1' is no serial number"),
    ],
)
def test_tables_that_are_none_are_refused(raw: bytes, told: str) -> None:
    assert told in _serial(lambda: of_table(REPORT, raw))


def test_lines_are_told_by_their_number() -> None:
    reported = of_table(REPORT, b'\xef\xbb\xbfSerial,Place\n"ac22-000001","Har\xc3\xa9"\n\nAC22-000002,\n')
    assert [event.unit for event in reported.events] == ["AC22-000001", "AC22-000002"]
    assert (reported.events[0].place, reported.lines) == ("Haré", (2, 4))
    with pytest.raises(LinesRefused, match="line 2"):
        of_serials(REPORT, ["AC22-000001", "nobody!"])


def test_reasons_are_those_of_the_pki() -> None:
    """What a new owner's certificate is revoked for is a reason that the PKI knows."""
    from station.records.lifecycle import PASSAGES

    assert {Reason(passage.revoked_as) for passage in PASSAGES.values()} == {
        Reason.CESSATION_OF_OPERATION, Reason.AFFILIATION_CHANGED,
    }  # fmt: skip
