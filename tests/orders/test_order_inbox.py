"""Files of work orders by drop folder and upload: whole files only, acknowledged row by row (F-A4, domain.md 5.5)."""

import json
import os
from pathlib import Path

import pytest

from station.board import Board
from station.config import StationConfig
from station.errors import ConfigError
from station.model import LineView
from station.orders import Office
from station.orders.inbox import OrderInbox
from station.orders.uploads import MOST_KEPT, Uploads
from station.person import Person, Role
from station.records import Records
from tests.orders.test_order_import import ONE

LEAD = Person("lead-1", "Lead", frozenset({Role.LINE_LEAD}))
BAD = ONE + "WO-1;;;;;;001122AABB02\n"


@pytest.fixture
def board() -> Board:
    """Return a page without slots."""
    return Board(LineView("line1", 1, ()))


@pytest.fixture
def inbox(office: Office, board: Board, tmp_path: Path) -> OrderInbox:
    """Return a drop folder that nobody watches; tests look themselves."""
    (tmp_path / "inbox").mkdir()
    return OrderInbox(office, tmp_path / "inbox", board)


def put(folder: Path, name: str, content: str) -> Path:
    """Put a file there that has rested for a while."""
    path = folder / name
    path.write_text(content)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return path


def answer(folder: Path, verdict: str) -> list[dict[str, object]]:
    """Return the lines of the one acknowledgement."""
    (path,) = (folder / verdict).glob("*.ack.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_file_is_imported_acknowledged_and_moved(inbox: OrderInbox, records: Records, tmp_path: Path) -> None:
    """Every row has its verdict; the file lies in `done` beside it, and the import names the machine."""
    put(tmp_path / "inbox", "orders.csv", ONE)
    assert inbox.look() == 1
    told, *rows = answer(tmp_path / "inbox", "done")
    assert (told["accepted"], told["orders"], told["new"]) == (True, ["WO-1"], 3)
    assert [(row["line"], row["verdict"]) for row in rows] == [(2, "new"), (3, "new"), (4, "new")]
    assert [path.name[17:] for path in (tmp_path / "inbox/done").glob("*.csv")] == ["orders.csv"]
    assert records.events(kind="orders-imported")[0].who == "service:inbox"


@pytest.mark.parametrize("content", [BAD, ONE[:-1], "order;quantty\n1;2\n"])
def test_refused_file(inbox: OrderInbox, records: Records, tmp_path: Path, content: str) -> None:
    """Nothing of it is imported, and the answer says why."""
    put(tmp_path / "inbox", "orders.csv", content)
    inbox.look()
    told = answer(tmp_path / "inbox", "refused")[0]
    assert (told["accepted"], records.orders()) == (False, ())
    assert str(told["sentence"])
    assert list((tmp_path / "inbox").glob("*.csv")) == []


def test_file_that_is_not_whole(inbox: OrderInbox, tmp_path: Path) -> None:
    """What is still being written, hidden, a link or none of ours stays where it is."""
    folder = tmp_path / "inbox"
    put(folder, "orders.csv.tmp", ONE)
    put(folder, ".orders.csv", ONE)
    put(folder, "orders.xlsx", ONE)
    (folder / "link.csv").symlink_to("/etc/passwd")
    (folder / "fresh.csv").write_text(ONE)
    assert inbox.look() == 0
    (folder / "orders.csv.tmp").rename(folder / "orders.csv")
    assert inbox.look() == 1


def test_power_cut_before_the_file_was_moved(inbox: OrderInbox, records: Records, tmp_path: Path) -> None:
    """The same file is read again, changes nothing, and is acknowledged as accepted."""
    for _ in range(2):
        put(tmp_path / "inbox", "orders.csv", ONE)
        inbox.look()
    told = answer(tmp_path / "inbox", "done")[0]
    assert (told["accepted"], told["new"], told["same"]) == (True, 0, 3)
    assert "imported by service:inbox" in str(told["sentence"])
    assert len(records.events(kind="orders-imported")) == 1


def test_upload_is_looked_at_first(office: Office, config: StationConfig, records: Records, tmp_path: Path) -> None:
    """What was seen is imported by its digest, under the name it came with, by who signs in; then it is gone."""
    uploads = Uploads(office, tmp_path)
    view = uploads.preview("../../Aufträge Mai.csv", ONE.encode())
    assert (view.importable, view.new, view.orders[0].serials) == (True, 3, "AC22-000001 to AC22-000002")
    assert records.orders() == ()
    assert "orders made: 1" in uploads.commit(view.sha256, LEAD)
    event = records.events(kind="orders-imported")[0]
    assert (event.who, event.subject) == ("lead-1", ".._.._Auftr_ge_Mai.csv")
    with pytest.raises(ConfigError, match="not wait here"):
        uploads.commit(view.sha256, LEAD)


def test_upload_with_refused_rows(office: Office, records: Records, tmp_path: Path) -> None:
    """Refused rows are shown with their line; who imports nevertheless is refused."""
    uploads = Uploads(office, tmp_path)
    view = uploads.preview("orders.csv", BAD.encode())
    assert (view.importable, [row.line for row in view.problems]) == (False, [5])
    with pytest.raises(ConfigError, match="nothing is imported"):
        uploads.commit(view.sha256, LEAD)
    assert records.orders() == ()


def test_uploads_that_nobody_imports(office: Office, tmp_path: Path) -> None:
    """The disk does not fill up: the oldest goes when another comes."""
    uploads = Uploads(office, tmp_path)
    for number in range(MOST_KEPT + 3):
        uploads.preview("orders.csv", f"order,mac\nWO-1,{number:012X}\n".encode())
    assert len(list((tmp_path / "uploads").iterdir())) == MOST_KEPT
