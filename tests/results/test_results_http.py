"""Results over HTTP: a token in the place of a session, the same acknowledgement, nothing without it."""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from hashlib import sha256

import httpx
import pytest

from station.config import StationConfig
from station.people import Attendance, Sessions
from station.records import Records
from station.results.intake import Intake
from station.web.app import create_app
from station.web.results import result_routes
from station.web.server import serve
from station.web.session import Door
from tests.results.results_world import SERIAL, sample
from tests.web.conftest import SmallLine

TOKEN = "t0ken-of-the-testers-0123456789"
ADDRESS = "/api/results/safety-tester-de"


@pytest.fixture
def tester(config: StationConfig, records: Records) -> Iterator[httpx.Client]:
    """A tester that knows the token, before a real server."""
    sessions = Sessions(records, timedelta(minutes=15), ())
    door = Door(sessions, Attendance(records, sessions), "line1")
    screen = partial(result_routes, Intake(config, records), lambda: TOKEN)
    server = serve(create_app(SmallLine(1), title="line1", door=door, screens=(screen,)), "127.0.0.1", 0)
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=20) as client:
        yield client
    server.stop()


def test_file_over_http_is_taken_and_kept(tester: httpx.Client, config: StationConfig, records: Records) -> None:
    content = sample("safety-tester-de.csv")
    answer = tester.post(ADDRESS, params={"name": "a.csv"}, content=content)
    assert (answer.status_code, answer.json()["sentence"]) == (200, "4 results: 4 taken.")
    assert {row.who for row in records.results(SERIAL)} == {"service:safety-tester-de"}
    kept = config.directory / "inbox/results/done" / f"{sha256(content).hexdigest()[:16]}-a.csv"
    assert kept.read_bytes() == content


def test_refused_rows_are_told(tester: httpx.Client) -> None:
    answer = tester.post(ADDRESS, content=sample("safety-tester-de.csv").replace(b"AC22", b"AC23"))
    assert answer.status_code == 422
    assert {row["taken"] for row in answer.json()["rows"]} == {"refused"}


@pytest.mark.parametrize("shown", ["", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer \u00e9"])
def test_nothing_is_taken_without_the_token(tester: httpx.Client, records: Records, shown: str) -> None:
    """F-K1: every write is checked on the server, also that of a machine."""
    answer = tester.post(
        ADDRESS, content=sample("safety-tester-de.csv"), headers={"Authorization": shown.encode("latin-1")}
    )
    assert (answer.status_code, answer.json()["accepted"]) == (401, False)
    assert records.find_results() == ()


def test_large_and_foreign_requests_are_refused(tester: httpx.Client) -> None:
    assert tester.post(ADDRESS, content=b"x" * (4 * 1024 * 1024 + 1)).status_code == 413
    assert tester.post(ADDRESS, content=b"x", headers={"Origin": "http://elsewhere.example"}).status_code == 403
    assert tester.post("/api/results/..%2fsecret", content=b"x").status_code in (404, 422)
    assert tester.post(ADDRESS, params={"name": "../../a"}, content=b"x").status_code == 422
    assert tester.post("/api/results/gernan", content=b"x").json()["accepted"] is False
