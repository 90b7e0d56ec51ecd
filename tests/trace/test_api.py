"""The interface for other programs: each token reads what it was made for, and nothing is written (F-K1)."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from station.clock import utc_now
from station.config import LineSection, PrinterSection, StationConfig, StationSection
from station.errors import ConfigError
from station.records import NewToken, Records
from station.trace.desk import FOLDER, ExportDesk
from station.trace.seeker import Seeker
from station.trace.tokens import PREFIX, Scope, new_token
from station.web.api import api_routes
from station.web.app import create_app
from station.web.server import serve
from station.web.session import Door
from tests.people.staff import door_of, staffed
from tests.trace.search_world import Shop
from tests.web.conftest import SmallLine

READS = {
    Scope.SEARCH: "search?q=AC22-000001",
    Scope.UNITS: "units/AC22-000001",
    Scope.RECALL: "recall?lot=K-1",
    Scope.EXPORTS: "exports",
}
FILES = ("units-2026-08.csv", "units-2026-09.csv", "units-2026-10.csv")


@dataclass
class Served:
    """A shop whose records are read over HTTP."""

    records: Records
    client: httpx.Client
    tokens: dict[Scope, str]
    folder: Path

    def get(self, address: str, token: str | None) -> httpx.Response:
        """Ask with a token, or without one."""
        return self.client.get(f"/api/v1/{address}", headers={"Authorization": f"Bearer {token}"} if token else {})

    def read(self, scope: Scope, address: str) -> Any:
        """Return what a token of a scope reads."""
        answer = self.get(address, self.tokens[scope])
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """Who comes and goes there: nobody."""
    with staffed(tmp_path_factory.mktemp("staff")).records() as records:
        yield door_of(records)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, door: Door) -> Iterator[Served]:
    """Five units of one order, the first released, and a token of each scope."""
    with Shop.opened(tmp_path_factory.mktemp("shop")) as shop:
        order = shop.order("WO-1", shop.bundle("r"), "AC22-")
        shop.released(order, "aa00")
        for number in range(1, 5):
            shop.failed(order, f"aa0{number}")
        tokens = {scope: new_token(shop.records, f"reads-{scope}", [scope], 30, "admin-1") for scope in Scope}
        station = tmp_path_factory.mktemp("station")
        screens = [partial(api_routes, Seeker(shop.records), ExportDesk(_config(station)))]
        server = serve(create_app(SmallLine(1), title="API", door=door, screens=screens), "127.0.0.1", 0)
        with httpx.Client(base_url=server.url, timeout=30) as client:
            yield Served(shop.records, client, tokens, _exported(station / FOLDER))
        server.stop()


def _config(folder: Path) -> StationConfig:
    return StationConfig(StationSection("line1"), LineSection("WO-1"), PrinterSection("discard:"), (), directory=folder)


def _exported(folder: Path) -> Path:
    """Fill a folder with three exports, of which each is a day younger than the one before, and what is none."""
    (folder / "deeper").mkdir(parents=True)
    for name in (".units.csv.partial", "deeper/units.csv"):
        (folder / name).write_text("not for you")
    for number, name in enumerate(FILES):
        for file in (folder / name, folder / f"{name}.manifest.json"):
            file.write_text(f"content of {file.name}")
            os.utime(file, (1_790_000_000 + 86_400 * number,) * 2)
    (folder / f"{FILES[0]}.manifest.json").unlink()
    (folder / "link.csv").symlink_to(folder / "deeper" / "units.csv")
    return folder


@pytest.mark.parametrize("scope", READS)
def test_token_reads_what_it_was_made_for_and_nothing_else(served: Served, scope: Scope) -> None:
    """Another scope is 403, no token and a wrong one are 401."""
    assert served.get(READS[scope], served.tokens[scope]).status_code == 200
    others = {other: served.get(READS[scope], token).status_code for other, token in served.tokens.items()}
    assert {status for other, status in others.items() if other is not scope} == {403}
    wrong = (None, "x", PREFIX, PREFIX + "A" * 43, served.tokens[scope][:-1], "A" * 5000, "cst_é")
    for token in wrong:
        shown = {"Authorization": f"Bearer {token}".encode()} if token is not None else {}
        answer = served.client.get(f"/api/v1/{READS[scope]}", headers=shown)
        assert (answer.status_code, answer.headers.get("www-authenticate")) == (401, "Bearer")


def test_revoked_and_expired_tokens_count_no_longer(served: Served) -> None:
    """At once, and for good; their names are not given again."""
    records, token = served.records, new_token(served.records, "leaves", [Scope.SEARCH], 1, "admin-1")
    assert served.get(READS[Scope.SEARCH], token).status_code == 200
    records.revoke_token("leaves", "it leaked", "admin-1")
    assert served.get(READS[Scope.SEARCH], token).status_code == 401
    records.add_token(NewToken("old", sha256(b"cst_old").hexdigest(), ("search",), utc_now() - timedelta(1)), "admin-1")
    assert served.get(READS[Scope.SEARCH], "cst_old").status_code == 401
    with pytest.raises(ConfigError, match="already, or was"):
        new_token(records, "leaves", [Scope.SEARCH], 1, "admin-1")
    assert [event.who for event in records.events("leaves")] == ["admin-1", "admin-1"]


def test_only_the_hash_of_a_token_is_kept(tmp_path: Path) -> None:
    """Whoever reads the file can't read over HTTP."""
    with Shop.opened(tmp_path) as shop:
        token = new_token(shop.records, "erp", [Scope.UNITS], 30, "admin-1")
        assert token not in repr(shop.records.tokens())
    files = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert (b"erp" in files, token.encode() in files, token.removeprefix(PREFIX).encode() in files) == (True,) + (
        False,
    ) * 2


def test_search_and_unit_tell_what_the_records_have(served: Served) -> None:
    """The unit's whole history, with its passport and without anything that can't be JSON."""
    answer = served.read(Scope.SEARCH, "search?q=sn:ac22-000001")
    assert (answer["unit"], answer["hits"][0]["kind"]) == ("AC22-000001", "label")
    unit = served.read(Scope.UNITS, "units/AC22-000001")
    assert (unit["unit"]["state"], unit["runs"][0]["run"]["outcome"]) == ("released", "PASS")
    assert unit["passports"][0]["document"]["serial"] == "AC22-000001"
    assert served.get("units/AC22-999999", served.tokens[Scope.UNITS]).status_code == 404


def test_pages_follow_each_other_by_their_cursor(served: Served) -> None:
    """Each unit once, in order, however small the pages; a unit added meanwhile disturbs nothing."""
    cursor, seen = "", []
    for _ in range(3):
        page = served.read(Scope.RECALL, f"recall?order=WO-1&limit=2&cursor={cursor}")
        seen += [unit["serial"] for unit in page["units"]]
        assert page["count"] == 5
        cursor = page["next"]
    assert (seen, cursor) == ([f"AC22-00000{number}" for number in range(1, 6)], "")


def test_exports_are_listed_newest_first_page_by_page(served: Served) -> None:
    """Each with its manifest; what is half written, or no file of the folder itself, is not there."""
    page = served.read(Scope.EXPORTS, "exports?limit=2")
    newest = [(name, f"{name}.manifest.json") for name in reversed(FILES[1:])]
    assert [(row["name"], row["manifest"]) for row in page["files"]] == newest
    rest = served.read(Scope.EXPORTS, f"exports?limit=2&cursor={page['next']}")
    assert ([(row["name"], row["manifest"]) for row in rest["files"]], rest["next"]) == ([(FILES[0], "")], "")
    since = served.read(Scope.EXPORTS, f"exports?since={page['files'][0]['at']}")
    assert [row["name"] for row in since["files"]] == [FILES[2]]


def test_export_comes_down_as_it_was_made(served: Served) -> None:
    """With its manifest, in parts if asked for; nothing else of the computer does."""
    token = served.tokens[Scope.EXPORTS]
    for name in (FILES[1], f"{FILES[1]}.manifest.json"):
        assert served.get(f"exports/{name}", token).content == (served.folder / name).read_bytes()
    shown = {"Authorization": f"Bearer {token}", "Range": "bytes=0-6"}
    part = served.client.get(f"/api/v1/exports/{FILES[1]}", headers=shown)
    assert (part.status_code, part.text) == (206, "content")
    for name in ("gone.csv", ".units.csv.partial", "..%2Fstation.toml", "deeper", "deeper%2Funits.csv", "link.csv"):
        assert served.get(f"exports/{name}", token).status_code in (404, 422)
    assert served.get(f"exports/{FILES[1]}", served.tokens[Scope.RECALL]).status_code == 403


def test_question_too_long_for_an_address_is_posted(served: Served) -> None:
    """Ten thousand serial numbers, of which two exist."""
    words = {"serials": " ".join(["AC22-000002", "AC22-000004", *(f"GONE-{number}" for number in range(9_998))])}
    shown = {"Authorization": f"Bearer {served.tokens[Scope.RECALL]}"}
    answer = served.client.post("/api/v1/recall", json={"words": words}, headers=shown)
    assert (answer.status_code, answer.json()["count"], len(answer.json()["unknown"])) == (200, 2, 9_998)


@pytest.mark.parametrize(
    ("scope", "address"),
    [
        (Scope.RECALL, "recall?since=0000-01-01"), (Scope.RECALL, "recall?nonsense=1"),
        (Scope.RECALL, "recall?limit=0"), (Scope.RECALL, "recall?lot=A&lot=B"), (Scope.RECALL, "recall?lot=A&lot="),
        (Scope.RECALL, "recall?lot="),
        (Scope.RECALL, "recall?limit=100000"), (Scope.SEARCH, "search?q="), (Scope.SEARCH, "search"),
        (Scope.EXPORTS, "exports?since=0000-01-01"), (Scope.EXPORTS, "exports?cursor=gone.csv"),
        (Scope.EXPORTS, "exports?limit=0"), (Scope.SEARCH, f"search?q={'x' * 300}"),
        (Scope.UNITS, "units/%27%20OR%201=1"), (Scope.SEARCH, "search?q=%00"),
    ],
)  # fmt: skip
def test_what_nothing_can_be_is_refused_in_a_sentence(served: Served, scope: Scope, address: str) -> None:
    """With 422, and nothing of the station in it."""
    answer = served.get(address, served.tokens[scope])
    assert (answer.status_code, answer.json()["accepted"]) == (422, False)
    assert answer.json()["sentence"].endswith(".")


def test_answers_are_what_openapi_describes(served: Served) -> None:
    """The description needs no token, and its schemas judge real answers."""
    described = served.client.get("/api/v1/openapi.json").json()
    for scope, address in READS.items():
        path = f"/api/v1/{address.split('?')[0].replace('AC22-000001', '{serial}')}"
        got = described["paths"][path]["get"]
        assert got["security"] == [{"HTTPBearer": []}]
        schema = got["responses"]["200"]["content"]["application/json"]["schema"]
        jsonschema.validate(served.read(scope, address), schema | {"components": described["components"]})
    named = {each["name"] for each in described["paths"]["/api/v1/recall"]["get"]["parameters"]}
    assert {"firmware", "component", "lot", "anchor_ends_before", "cursor", "limit"} <= named


def test_nothing_can_be_written(served: Served) -> None:
    """Every other method is refused, whatever the token."""
    shown = {"Authorization": f"Bearer {served.tokens[Scope.UNITS]}"}
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = served.client.request(method, "/api/v1/units/AC22-000001", headers=shown, content=json.dumps({}))
        assert answer.status_code == 405
