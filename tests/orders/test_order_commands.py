"""`station order` as a line lead gives it: what it says, its exit codes, and files as offices send them (F-A4)."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from fixtures.demo.place import acting
from fixtures.office import make_office
from fixtures.people import make_people
from station.cli import main
from station.config import StationConfig
from station.identifiers import Kind
from station.orders import Office, OrderOptions
from station.people import first_admin
from station.records import Records, open_records
from tests.orders.test_order_edits import begin, scrap
from tests.station.cli_world import Ran

HEAD = "order;bundle;quantity;prefix;first;customer;mac\n"
FILE = HEAD + "WO-1;ac22-eu-r1;2;AC22-;1;Stadtwerke Süd;\nWO-1;;;;;;001122AABB01\nWO-1;;;;;;001122AABB02\n"
"""An order of two with its list of MACs."""
WHY = ("--reason", "customer waits")
Station = Callable[..., Ran]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> StationConfig:
    """Return an office with people."""
    folder = tmp_path_factory.mktemp("commands")
    config = make_office(folder)
    with open_records(config.database_url, config.station.id) as records:
        first = first_admin(records)
    make_people(folder / "station", folder / "people", f"badge {first.person.badge}, one-time code {first.code}")
    return config


@pytest.fixture
def station(config: StationConfig, tmp_path: Path) -> Station:
    """Return who gives a command of `station order`, with a file where the test has one."""

    def give(*words: str, content: str | bytes = "", name: str = "orders.csv", who: str = "lead-1") -> Ran:
        given = list(words)
        if content:
            (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
            given.append(str(tmp_path / name))
        people = config.directory.parent / "people"
        ran = CliRunner().invoke(main, ["order", *given, "--dir", str(config.directory)], env=acting(people, who))
        return Ran(ran.exit_code, ran.stdout, ran.stderr)

    return give


@pytest.fixture
def records(config: StationConfig) -> Iterator[Records]:
    """Yield the records of the office."""
    with open_records(config.database_url, config.station.id) as opened:
        yield opened


def again(text: str, number: int) -> str:
    """Return a file's text for another order, with a serial block and MACs of its own."""
    return (
        text.replace("WO-1", f"WO-{number}")
        .replace("AC22-;1;", f"AC22-;{number}00;")
        .replace("AABB0", f"AA{number}{number}0")
    )


UNREADABLE = {
    "half a file": (FILE.encode()[:-9], "orders.csv", "has no end", "Send the whole file"),
    "half a JSON": (b'[{"order": "WO-9", "quan', "orders.json", "cut off", "Send the whole file"),
    "Latin-1": (FILE.encode("latin-1"), "orders.csv", "is not UTF-8", "CSV UTF-8"),
    "UTF-16": (FILE.encode("utf-16"), "orders.csv", "UTF-16", "CSV UTF-8"),
    "unknown column": (FILE.replace("quantity", "quantty").encode(), "orders.csv", "no column 'quantty'", "quantity"),
    "only a head": (HEAD.encode(), "orders.csv", "has no row", "Send a file"),
}
BAD_ROWS = {
    "German thousands": ("WO-9;ac22-eu-r1;1.000;AC22-;900;;", "digits only"),
    "German decimals": ("WO-9;ac22-eu-r1;20,5;AC22-;900;;", "digits only"),
    "formula": ('WO-9;ac22-eu-r1;2;AC22-;900;"=HYPERLINK(""http://x"")";', "formula"),
    "duplicate serials": ("WO-9;ac22-eu-r1;2;AC22-;901;;\nWO-8;ac22-eu-r1;2;AC22-;902;;", "WO-9"),
    "duplicate number": ("WO-9;ac22-eu-r1;2;AC22-;900;;001122AABB09\nWO-9;;;;;;00:11:22:AA:BB:09", "in line 2 too"),
    "rounded number": ("WO-9;ac22-eu-r1;2;AC22-;900;;0,01122E+11", "rounded"),
}


@pytest.mark.parametrize("why", UNREADABLE)
@pytest.mark.parametrize("preview", [("--preview",), ()], ids=["preview", "import"])
def test_unreadable_file(station: Station, records: Records, why: str, preview: tuple[str, ...]) -> None:
    """Exit code 2 with the file's name, the cause and the next step; the same with a preview and without."""
    content, name, cause, step = UNREADABLE[why]
    before = records.orders()
    ran = station("import", *preview, content=content, name=name)
    assert (ran.code, ran.out) == (2, "")
    assert all(words in ran.err for words in ("Error: ", name, cause, step)), ran.err
    assert records.orders() == before


@pytest.mark.parametrize("why", BAD_ROWS)
def test_refused_row(station: Station, records: Records, why: str) -> None:
    """Preview and import name the line and its cause, exit code 2; the good row beside it is not imported either."""
    rows, cause = BAD_ROWS[why]
    content = f"{HEAD}{rows}\nWO-7;ac22-eu-r1;1;AC22-;700;;\n"
    bad = 2 + rows.count("\n")
    before = records.orders()
    looked, done = station("import", "--preview", content=content), station("import", content=content)
    for ran in (looked, done):
        assert (ran.code, f"line {bad}: " in ran.err, cause in ran.err) == (2, True, True), ran.err
        assert "1 of" in ran.out + ran.err
        assert "nothing is imported" in ran.out + ran.err
    assert records.orders() == before


FORMS = {
    "semicolons": lambda text: text.encode(),
    "BOM": lambda text: text.encode("utf-8-sig"),
    "CRLF": lambda text: text.replace("\n", "\r\n").encode(),
    "commas": lambda text: text.replace(";", ",").encode(),
}


@pytest.mark.parametrize(("number", "form"), list(enumerate(FORMS, 1)))
def test_file_is_previewed_then_imported_once(station: Station, records: Records, number: int, form: str) -> None:
    """The preview writes nothing, the import does what it said, and the same file again says that it was there."""
    content = FORMS[form](again(FILE, number))
    looked = station("import", "--preview", content=content)
    assert (looked.code, "3 rows are new, 0 known already; orders made: 1." in looked.out) == (0, True), looked.err
    assert f"WO-{number}: 2 units of ac22, AC22-000{number}00 on" in looked.out
    assert records.order(f"WO-{number}") is None
    assert station("import", content=content).out == looked.out
    made = records.order(f"WO-{number}")
    assert (made.quantity, made.customer, made.created_by) == (2, "Stadtwerke Süd", "lead-1")
    for preview in ((), ("--preview",)):
        same = station("import", *preview, content=content)
        assert (same.code, "was imported by lead-1 on" in same.out, "nothing changes" in same.out) == (0, True, True)
    macs = [f"001122AA{number}{number}0{last}" for last in "12"]
    assert set(records.known_identifiers(Kind.MAC, macs)) == set(macs)


def test_only_a_line_lead_imports(station: Station, records: Records) -> None:
    """F-K1: an operator's import is refused before the file is looked at, and so is that of nobody."""
    ran = station("import", content=again(FILE, 6), who="operator-1")
    assert (ran.code, "it takes the role line-lead" in ran.err) == (2, True), ran.err
    assert records.order("WO-6") is None
    assert station("import", "nowhere.csv").code == 2


@pytest.fixture(scope="module")
def order(config: StationConfig) -> str:
    """Make an order with a unit at work, and return its name."""
    with open_records(config.database_url, config.station.id) as records:
        Office(config, records, lambda: False).create(
            "WO-60", OrderOptions(3, "AC22-", "ac22-eu-r1", first=600), "lead-1"
        )
        begin(records, "aa", order="WO-60")
    return "WO-60"


def test_show(station: Station, order: str) -> None:
    """For people and for scripts; an order that nobody knows is told with the next step."""
    shown = station("show", order).out
    assert all(words in shown for words in ("open, version ", "AC22-000600 to AC22-000602", "0 of 3 released, 1 begun"))
    told = json.loads(station("show", order, "--json").out)
    assert (told["order"]["id"], told["progress"]["tally"]["reserved"]) == (order, 1)
    unknown = station("show", "WO-99")
    assert (unknown.code, unknown.out) == (2, "")
    assert "no work order WO-99" in unknown.err
    assert "station order list" in unknown.err


def test_pause_resume_close(station: Station, records: Records, order: str) -> None:
    """Each act says the state it led to, refuses who saw an older version, and what is closed stays closed."""
    station("create", "WO-55", "--bundle", "ac22-eu-r1", "--quantity", "1", "--prefix", "AC22-", "--first", "550")
    assert station("pause", "WO-55", *WHY).out == "Order WO-55 is paused, version 2.\n"
    for act in ("pause", "resume", "close", "replace"):
        stale = station(act, "WO-55", *WHY, "--version", "1")
        assert (stale.code, "it is version 2, not 1" in stale.err) == (2, True), stale.err
    assert station("resume", "WO-55", *WHY, "--version", "2").out == "Order WO-55 is open, version 3.\n"
    begin(records, "bb", order="WO-55")
    scrap(records, "AC22-000550")
    assert station("close", "WO-55", *WHY).out == "Order WO-55 is closed, version 4.\n"
    for act in ("pause", "resume", "replace"):
        refused = station(act, "WO-55", *WHY)
        assert (refused.code, "is closed" in refused.err) == (2, True), f"{act}: {refused.out}{refused.err}"
    assert [event.who for event in records.events(subject="WO-55", kind="order-edited")] == ["lead-1"] * 3
    assert records.order("WO-55").allowed == 1


@pytest.mark.parametrize("act", ["pause", "resume", "close", "replace"])
def test_steering_needs_a_line_lead_and_a_reason(station: Station, records: Records, order: str, act: str) -> None:
    """Refused with exit code 2 and its cause: no such order, an operator, no reason, one that says nothing."""
    before = records.order(order)
    for words, who, cause in (
        (("WO-99", *WHY), "lead-1", "WO-99"),
        ((order, *WHY), "operator-1", "it takes the role line-lead"),
        ((order,), "lead-1", "--reason"),
        ((order, "--reason", " "), "lead-1", "reason"),
    ):
        ran = station(act, *words, who=who)
        assert (ran.code, cause in ran.err, ran.out) == (2, True, ""), f"{words}: {ran.out}{ran.err}"
    assert records.order(order) == before


def test_replace(station: Station, records: Records, order: str) -> None:
    """F-A4: one more unit for each that was scrapped, and not one beyond."""
    none = station("replace", order, *WHY)
    assert (none.code, "0 scrapped units" in none.err) == (2, True), none.err
    scrap(records, "AC22-000600")
    assert station("replace", order, *WHY).out == f"Order {order} builds 4 units: 1 for scrapped ones.\n"
    assert station("replace", order, *WHY).code == 2
    assert "0 of 4 released, 1 begun, 0 in rework, 1 scrapped, 1 replaced" in station("show", order).out
