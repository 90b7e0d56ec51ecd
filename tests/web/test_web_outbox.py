"""The screen *Messages*: what waits, what stands aside, and what the line lead decides of it, with a reason (F-K1)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser

from fixtures.bench.outbox_books import STATION, make_books, unit_of
from station.clock import utc_now
from station.records import DecisionKind, Postponed, Records, UnitState, open_records
from station.web.app import create_app
from station.web.outbox import outbox_routes
from station.web.server import RunningServer, serve
from station.web.session import Door
from tests.people.staff import Staff
from tests.web.conftest import Open, SmallLine, come_in, signed_in, visiting

AGAIN = "Check the network to the CPMS; the station tries again by itself."
REASON = "The CPMS knows BOOKS-000002 otherwise: <b>firmware</b> differs. Put the unit aside."


@dataclass
class Post:
    """A station whose messages wait, with its pages."""

    records: Records
    server: RunningServer
    staff: Staff

    @contextmanager
    def as_person(self, person: str) -> Iterator[httpx.Client]:
        """Yield a client where somebody is signed in."""
        with httpx.Client(base_url=self.server.url, timeout=60) as client:
            yield come_in(client, self.staff, person)

    @property
    def dead(self) -> str:
        """Return the id of the message that stands aside."""
        return str(self.records.dead_letters()[0].ref)


@pytest.fixture
def post(tmp_path: Path, staff: Staff, door: Door) -> Iterator[Post]:
    """Yield three messages: one that waits, one that failed, one that stands aside."""
    url = f"sqlite:///{tmp_path / 'books.db'}"
    make_books(url, 3)
    with open_records(url, STATION) as records:
        first, second, _ = records.due(utc_now(), 3)
        late = [
            Postponed(first, f"The CPMS is away: status 500. {AGAIN}", utc_now()),
            Postponed(second, REASON, utc_now(), dead=True),
        ]
        records.keep_deliveries([], late)
        page = create_app(SmallLine(1), title="Post", door=door, screens=[partial(outbox_routes, records)])
        running = serve(page, "127.0.0.1", 0)
        yield Post(records, running, staff)
        running.stop()


@pytest.fixture
def opened(browser: Browser, post: Post) -> Iterator[Open]:
    """Return a function that opens the screen for a person, in a language."""
    url = post.server.url.rstrip("/")
    with visiting(browser, url, partial(signed_in, url, post.staff)) as opening:
        yield partial(opening, "/outbox")


def test_screen_shows_what_waits_and_what_stands_aside(opened: Open, post: Post) -> None:
    page = opened("qa-1")
    assert page.locator("#queue dd").all_inner_texts()[:2] == ["3", "1"]
    assert "<b>firmware</b> differs" in page.locator(f"#dead [data-message='{post.dead}']").inner_text()
    assert page.locator("#waiting tbody tr").count() == 2
    assert "status 500" in page.locator("#waiting").inner_text()


def test_lead_sends_a_message_on_with_a_reason(opened: Open, post: Post) -> None:
    """It is due at once, and who decided what stands on the page and in the records."""
    page, dead = opened("lead-1"), post.dead
    act = page.locator("[data-act='retry']")
    act.locator("summary").click()
    act.locator("input[name='reason']").fill("the CPMS team corrected it")
    act.locator("button").click()
    page.wait_for_selector("#decisions")
    assert "the CPMS team corrected it" in page.locator("#decisions").inner_text()
    assert page.locator("#dead").count() == 0
    (decision,) = post.records.decisions()
    assert (str(decision.message), decision.who, decision.kind) == (dead, "lead-1", DecisionKind.RETRY)
    assert len(post.records.due(utc_now(), 9)) == 3


def test_lead_gives_a_message_up_and_the_unit_stays_unpacked(post: Post) -> None:
    with post.as_person("lead-1") as lead:
        answer = lead.post("/api/outbox/drop", json={"message": post.dead, "reason": "registered by hand there"})
        assert answer.json()["sentence"] == f"The message about unit {unit_of(2).serial} is given up."
    assert post.records.queue().waiting == 2
    unit = post.records.unit(unit_of(2).serial)
    assert unit is not None
    assert unit.state is UnitState.RELEASED


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"message": "BOOKS/2", "reason": "x"}, 422, "A reason has 3 to 200"),
        ({"message": "BOOKS/1", "reason": "no time to wait"}, 409, "still tries"),
        ({"message": "BOOKS/99", "reason": "no such one"}, 409, "There is no message BOOKS/99"),
        ({"message": "'; DROP TABLE outbox", "reason": "a trick"}, 409, "is not the id of a message"),
        ({"message": "BOOKS/2"}, 422, ""),
    ],
)
def test_what_may_not_be_given_up_says_why(post: Post, body: dict[str, str], status: int, told: str) -> None:
    with post.as_person("lead-1") as lead:
        answer = lead.post("/api/outbox/drop", json=body)
    assert (answer.status_code, told in answer.text) == (status, True), answer.text
    assert post.records.decisions() == ()


def test_quality_reads_and_decides_nothing(post: Post) -> None:
    with post.as_person("qa-1") as quality:
        assert quality.get("/outbox").status_code == 200
        answer = quality.post("/api/outbox/retry", json={"message": post.dead, "reason": "it is time"})
    assert answer.status_code == 403
    with post.as_person("operator-1") as operator:
        assert operator.get("/outbox").status_code == 403
    assert post.records.decisions() == ()


def test_screen_speaks_german(opened: Open) -> None:
    """Also what the CPMS's trouble is."""
    page = opened("lead-1", "de")
    assert "Diese stehen beiseite, bis jemand entscheidet" in page.locator("#dead").inner_text()
    assert "die Station versucht es von selbst" in page.locator("#waiting").inner_text()
