"""The page's API: what it takes, what it refuses and in which words."""

import json
import socket
from contextlib import ExitStack

import httpx
import pytest

from station.errors import Service, ServiceError
from station.model import SlotState
from station.web.guard import MOST_LARGE
from station.web.server import RunningServer


def test_page_carries_every_slot_and_escapes_what_it_shows(client: httpx.Client, line) -> None:
    """Texts from devices and files are shown, never run."""
    line.put("B", SlotState.FAIL, sentence="<script>alert(1)</script>")
    text = client.get("/").text
    assert text.count('data-slot="') == 4
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text
    assert "Line &lt;1&gt;" in text


def test_every_answer_has_strict_headers(client: httpx.Client) -> None:
    """Also errors and files; nothing inline may ever run."""
    for address in ("/", "/api/line", "/static/station.css", "/no/such/page"):
        headers = client.get(address).headers
        assert headers["content-security-policy"].startswith("default-src 'self';")
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_icon_is_found_where_browsers_look_beside_a_passport(client: httpx.Client) -> None:
    answer = client.get("/favicon.ico")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml")


def test_line_as_json(client: httpx.Client, line) -> None:
    """The same view as the page, for tools."""
    line.put("A", SlotState.RUNNING, serial="AC22-0001", progress=0.5)
    slot = client.get("/api/line").json()["slots"][0]
    assert (slot["state"], slot["serial"], slot["progress"]) == ("running", "AC22-0001", 0.5)


def test_scan_reaches_the_line_and_its_reply_comes_back(client: httpx.Client, line) -> None:
    """The line decides; the page says what it said."""
    assert client.post("/api/scan", json={"code": "SL-B"}).json() == {
        "accepted": True,
        "sentence": "Slot B selected.",
        "slot": "B",
    }
    assert client.post("/api/scan", json={"code": " AC22-0001 "}).json()["accepted"]
    assert (line.scans, line.people) == (["SL-B", "AC22-0001"], ["operator-1"] * 2)


@pytest.mark.parametrize(
    "code",
    ["", "   ", "x" * 129, "AC22\x0d0001", "AC22\t0001", "\x1b[2J", "AC22\x7f", "S\u00e9rie", "\u202eAC22", "AC22\n"],
)
def test_text_that_is_no_code_never_reaches_the_line(client: httpx.Client, line, code: str) -> None:
    """F-N2: control characters and over-long scans are refused with one sentence."""
    answer = client.post("/api/scan", json={"code": code})
    assert (answer.status_code, answer.json()["accepted"], line.scans) == (422, False, [])
    assert answer.json()["sentence"].endswith(".")


@pytest.mark.parametrize("body", ["", "[]", "{", '{"code": 5}', '{"code": "A", "slot": "B"}', '{"code": null}', "\x00"])
def test_bodies_of_another_form_are_refused(client: httpx.Client, line, body: str) -> None:
    """A malformed request gets a sentence, not a stack trace or an echo of itself."""
    answer = client.post("/api/scan", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, line.scans) == (422, [])
    assert set(answer.json()) == {"accepted", "sentence", "slot"}


def test_big_bodies_are_cut_off(client: httpx.Client, line) -> None:
    """4096 bytes are enough for any scan, declared or streamed."""
    huge = json.dumps({"code": "A" * 5000})
    assert client.post("/api/scan", content=huge).status_code == 413
    assert client.post("/api/scan", content=iter([huge.encode()] * 3)).status_code == 413
    assert line.scans == []


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": "own"},
        {"origin": "http://127.0.0.1:9999"},
    ],
)
def test_pages_from_elsewhere_may_not_act(client: httpx.Client, line, headers: dict[str, str]) -> None:
    """A browser that also shows another page must not be its hand."""
    for address in ("/api/scan", "/api/slots/A/acknowledge", "/api/slots/A/act"):
        assert client.post(address, json={"code": "SL-A"}, headers=headers).status_code == 403
    assert (line.scans, line.acts, line.view().version) == ([], [], 1)


def test_our_own_page_and_tools_may_act(client: httpx.Client) -> None:
    """The page itself, and programs that are no browser."""
    for headers in ({}, {"origin": str(client.base_url).rstrip("/")}, {"sec-fetch-site": "same-origin"}):
        assert client.post("/api/scan", json={"code": "SL-A"}, headers=headers).status_code == 200


@pytest.mark.parametrize("host", ["localhost:80", "127.0.0.1:8080", "[::1]:8080"])
def test_own_names_are_answered(client: httpx.Client, host: str) -> None:
    """The computer's own names need no configuration."""
    assert client.get("/healthz", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", ""])
def test_foreign_host_names_are_refused(client: httpx.Client, host: str) -> None:
    """A name that was bound to our address elsewhere (DNS rebinding) opens nothing."""
    assert client.get("/api/line", headers={"host": host}).status_code == 400
    assert client.get("/api/line", headers={"host": "station-3.example"}).status_code == 200


def test_acknowledge_and_act_only_as_offered(client: httpx.Client, line) -> None:
    """What a slot does not offer cannot be asked of it by address."""
    line.put("A", SlotState.ALREADY_RELEASED, actions=("reprint",))
    assert client.post("/api/slots/A/act", json={"action": "reprint"}).json()["accepted"]
    assert client.post("/api/slots/A/act", json={"action": "rework"}).status_code == 409
    assert client.post("/api/slots/B/act", json={"action": "reprint"}).status_code == 409
    assert line.acts == [("A", "reprint", "operator-1", "")]


@pytest.mark.parametrize("slot", ["%2e%2e", "a%0ab", "A" * 17, "-A"])
def test_slot_names_are_names(client: httpx.Client, line, slot: str) -> None:
    """A slot in an address is a slot's name or nothing."""
    assert client.post(f"/api/slots/{slot}/acknowledge").status_code in (404, 422)
    assert line.view().version == 1


def test_documents_by_serial(client: httpx.Client) -> None:
    """A passport that exists is given as what it is; the rest is a sentence."""
    found = client.get("/api/passports/AC22-0001.pdf")
    assert (found.content, found.headers["content-type"]) == (b"%PDF-1.7", "application/pdf")
    assert client.get("/api/passports/AC22-0002.pdf").json()["sentence"].endswith("unit AC22-0002.")
    assert client.get("/api/labels/AC22-0001").status_code == 404
    assert client.get("/api/passports/..%2f..%2fetc.json").status_code in (404, 422)


def test_what_is_away_is_said_with_the_next_step(client: httpx.Client, line) -> None:
    """A service that is away does not look like a bug."""
    line.away = ServiceError(Service.DATABASE, "The disk is full.", hint="Call the line lead.")
    answer = client.post("/api/scan", json={"code": "SL-A"})
    assert (answer.status_code, answer.json()["sentence"]) == (503, "The disk is full. Call the line lead.")


def test_links_that_would_run_something_are_not_offered(client: httpx.Client, line) -> None:
    """Links come from configuration; only pages are offered."""
    line.change(links=(("Bench", "http://127.0.0.1:9000/"), ("Odd", "javascript:alert(1)")))
    text = client.get("/").text
    assert "http://127.0.0.1:9000/" in text
    assert "javascript:" not in text


def test_few_large_bodies_are_received_at_a_time(server: RunningServer) -> None:
    """Bad input: people on the network who are not signed in fill no memory with files that never end."""
    begun = b"POST /api/orders/preview?name=a.csv HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9999\r\n\r\norder"
    with ExitStack() as stack:
        for _ in range(MOST_LARGE):
            stack.enter_context(socket.create_connection((server.host, server.port), 5)).sendall(begun)
        answers = []
        while httpx.codes.SERVICE_UNAVAILABLE not in answers and len(answers) < 50:
            answers.append(httpx.post(f"{server.url}api/orders/preview?name=b.csv", content=b"order").status_code)
    assert answers[-1] == httpx.codes.SERVICE_UNAVAILABLE
