"""Files of work orders as others really write them: a verdict for each row, all rows or none (F-A4, F-A7)."""

import json

import pytest

from station.errors import ConfigError
from station.identifiers import Kind, parse
from station.orders import Office, Verdict, examined
from station.records import OrderState, Records, RunRequest

HEAD = "order;bundle;quantity;prefix;first;customer;mac\n"
ONE = HEAD + "WO-1;ac22-eu-r1;2;AC22-;1;Stadtwerke Süd;\nWO-1;;;;;;001122AABB01\nWO-1;;;;;;00:11:22:aa:bb:02\n"
ROWS = [
    {"order": "WO-1", "bundle": "ac22-eu-r1", "quantity": 2, "prefix": "AC22-", "first": 1,
     "customer": "Stadtwerke Süd"},
    {"order": "WO-1", "mac": "001122AABB01"},
    {"order": "WO-1", "mac": "00:11:22:aa:bb:02"},
]  # fmt: skip
FORMS = {
    "orders.csv": ONE,
    "crlf.csv": ONE.replace("\n", "\r\n"),
    "bom.csv": "\ufeff" + ONE,
    "comma.csv": ONE.replace(";", ","),
    "tab.txt": ONE.replace(";", "\t"),
    "quoted.csv": ONE.replace("Stadtwerke Süd", '"Stadtwerke Süd"').replace("order;", " ORDER ;"),
    "empty.csv": ONE + ";;;;;;\n\n",
    "orders.json": json.dumps(ROWS),
    "bom.json": "\ufeff" + json.dumps(ROWS, ensure_ascii=False),
}


def imported(office: Office, path) -> None:
    with examined(office, path) as examination:
        examination.commit("lead-1")


def refusals(office: Office, path) -> dict[int, str]:
    """Return the refused lines, after a commit that must be refused as well."""
    with examined(office, path) as examination:
        with pytest.raises(ConfigError, match="nothing is imported") as refused:
            examination.commit("lead-1")
        assert len(refused.value.problems) == examination.preview.refused
        return {row.line: row.sentence for row in examination.preview.problems}


@pytest.mark.parametrize("name", FORMS)
def test_same_content_in_many_forms(office: Office, records: Records, write, name: str) -> None:
    """Whatever separates cells and lines, and with a BOM or without: one order with its list."""
    imported(office, write(FORMS[name], name))
    (order,) = records.orders()
    assert (order.id, order.quantity, order.customer, order.created_by) == ("WO-1", 2, "Stadtwerke Süd", "lead-1")
    assert set(records.known_identifiers(Kind.MAC, ["001122AABB01", "001122AABB02"])) == {
        "001122AABB01",
        "001122AABB02",
    }


def test_preview_writes_nothing(office: Office, records: Records, write) -> None:
    """What a file would do is told before it does it."""
    with examined(office, write(ONE)) as examination:
        preview = examination.preview
        assert [row.verdict for row in examination.verdicts()] == [Verdict.NEW] * 3
    assert (preview.new, preview.same, preview.refused, [made.id for made in preview.orders]) == (3, 0, 0, ["WO-1"])
    assert records.orders() == ()


def test_same_file_twice(office: Office, records: Records, write) -> None:
    """The same file changes nothing and says when it came; the same rows in another file are known."""
    imported(office, write(ONE))
    with examined(office, write(ONE)) as again:
        assert "imported by lead-1" in again.commit("lead-1").sentence
    with examined(office, write(FORMS["orders.json"], "orders.json")) as other:
        assert (other.preview.new, other.preview.same) == (0, 3)
    assert len(records.orders()) == 1
    assert len(records.events(kind="orders-imported")) == 1


def test_list_grows(office: Office, records: Records, write) -> None:
    """A later file brings further numbers for an order that is there."""
    imported(office, write(ONE))
    with examined(office, write("order,mac\nWO-1,001122AABB02\nWO-1,001122AABB03\n")) as examination:
        assert [row.verdict for row in examination.verdicts()] == [Verdict.SAME, Verdict.NEW]
        examination.commit("lead-1")
    assert len(records.known_identifiers(Kind.MAC, [f"001122AABB{number:02}" for number in range(9)])) == 3


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("WO-2;ac22-eu-r1;1.000;AC22-;9;;", "digits only"),
        ("WO-2;ac22-eu-r1;20,0;AC22-;9;;", "digits only"),
        ("WO-2;ac22-eu-r1;0;AC22-;9;;", "1 to 1000000"),
        ("WO-2;ac22-eu-r1;-5;AC22-;9;;", "formula"),
        ("WO-2;ac22-eu-r1;2;AC22-;9;=HYPERLINK(1);", "formula"),
        ("WO-2;ac22-eu-r1;2;;9;;", "no prefix"),
        ("WO-2;ac22-xx-r9;2;AC22-;9;;", "ac22-xx-r9"),
        ("WO-2;ac22-eu-r1;2;ac22-;9;;", "capital letters"),
        ("WO-2;ac22-eu-r1;2;AC22-;2;;", "belongs to work order WO-1"),
        ("WO-2;ac22-eu-r1;2;AC22-;999999;;", "6 digits"),
        ("WO/2 ;ac22-eu-r1;2;--;9;;", "ocpp-identity|formula"),
        ("WO 2;ac22-eu-r1;2;AC22-;9;;", "name of a work order"),
        ("WO-1;ac22-eu-r1;2;AC22-;1;;", "line 2 too"),
        (";ac22-eu-r1;2;AC22-;9;;", "names no order"),
        ("WO-1;;;;;;", "neither a quantity nor a number"),
        ("WO-9;;;;;;001122AABB09", "no work order WO-9"),
        ("WO-1;;;;;;001122AABB02", "in line 4 too"),
        ("WO-1;;;;;;00-11-22-AA-BB-02", "in line 4 too"),
        ("WO-1;;;;;;0,01122E+11", "rounded"),
        ("WO-1;;;;;;011122AABB09", "multicast"),
        ("WO-1;;;;;;001122AABB", "12 hexadecimal"),
        ("WO-1;;;;;;001122AABB0٣", "characters"),
        ("WO-1;;;;;\x1b[2J;001122AABB09", "control characters"),
        (f"WO-1;;;;;{'x' * 129};001122AABB09", "128 characters"),
        ("WO-1;;;;;001122AABB09", "has 6 cells"),
    ],
)
def test_one_bad_row(office: Office, records: Records, write, row: str, words: str) -> None:
    """One row that is wrong is told with its line, and none of the others is imported."""
    found = refusals(office, write(f"{ONE}{row}\n"))
    assert list(found) == [5]
    assert any(word in found[5] for word in words.split("|"))
    assert records.orders() == ()
    assert records.known_identifiers(Kind.MAC, ["001122AABB01"]) == {}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("half.csv", ONE.encode()[:-1], "no end"),
        ("half.json", json.dumps(ROWS).encode()[:-9], "cut off"),
        ("none.csv", b"", "empty"),
        ("head.csv", HEAD.encode(), "no row"),
        ("object.json", b"{}", "no row"),
        ("latin.csv", ONE.encode("latin-1"), "not UTF-8"),
        ("utf16.csv", ONE.encode("utf-16"), "UTF-16"),
        ("latin.json", json.dumps(ROWS, ensure_ascii=False).encode("latin-1"), "no JSON"),
        ("typo.csv", ONE.replace("quantity", "quantty").encode(), "no column 'quantty'"),
        ("twice.csv", ONE.replace("customer", "order").encode(), "each column stands once"),
        ("quote.csv", ONE.replace("Stadtwerke", '"Stadtwerke').encode(), "no CSV"),
        ("binary.csv", bytes(range(256)) + b"\n", "binary.csv"),
        ("endless.json", b'[{"order": "WO-1", "quantity": ' + b"9" * 5000 + b"}]", "more than 1000 digits"),
        ("huge.json", b'[{"order": "WO-1", "quantity": 1e99999999999999999999}]', "no JSON"),
        ("deep.json", b"[" * 200_000, "nested deeper"),
    ],
)
def test_unreadable_file(office: Office, records: Records, write, name: str, content: bytes, words: str) -> None:
    """A file that can't be read as a whole is refused with its name and what to do."""
    with pytest.raises(ConfigError, match=words) as refused, examined(office, write(content, name)):
        pass
    assert name in refused.value.message
    assert refused.value.hint
    assert records.orders() == ()


@pytest.mark.parametrize("item", [17, None, [], {"order": ["WO-1"]}, {"order": True}, {"ordr": "WO-1"}])
def test_odd_json(office: Office, write, item: object) -> None:
    """What is no row of texts is refused with its number."""
    assert list(refusals(office, write(json.dumps([*ROWS, item]), "odd.json"))) == [4]


def test_numbers_of_other_orders_and_units(office: Office, records: Records, write) -> None:
    """A number that is listed for another order, or is on a unit of another, is refused (F-B4)."""
    imported(office, write(ONE))
    records.open_run(RunRequest("WO-1", "aa", "1", ("identify",), "1.4.0", "AC22-000001"))
    records.claim("AC22-000001", parse(Kind.EID, "89049032123451234512345678901235"), "modem")
    rows = "order;bundle;quantity;prefix;first;mac;eid\nWO-2;ac22-eu-r1;2;AC22-;9;001122AABB01;\n"
    found = refusals(office, write(rows + "WO-2;;;;;;89049032123451234512345678901235\n"))
    assert list(found) == [2, 3]
    assert all("belongs to work order WO-1" in sentence for sentence in found.values())


def test_closed_order_takes_no_list(office: Office, records: Records, write) -> None:
    """What is closed stays as it is."""
    imported(office, write(ONE))
    records.set_order_state("WO-1", OrderState.CLOSED)
    assert "is closed" in refusals(office, write("order,mac\nWO-1,001122AABB09\n"))[2]


def test_order_that_came_meanwhile(office: Office, records: Records, write) -> None:
    """Between preview and import another file takes a number: nothing of this one is imported."""
    imported(office, write(ONE))
    later = write("order,mac\nWO-1,001122AABB07\nWO-1,001122AABB08\n", "later.csv")
    with examined(office, later) as examination:
        imported(office, write("order,mac\nWO-1,001122AABB08\n", "sooner.csv"))
        with pytest.raises(ConfigError, match="meanwhile; nothing was imported"):
            examination.commit("lead-1")
    assert list(records.known_identifiers(Kind.MAC, ["001122AABB07", "001122AABB08"])) == ["001122AABB08"]
