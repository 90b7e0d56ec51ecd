"""The stream of events, the server and the files it serves."""

import hashlib
import socket
from pathlib import Path

import httpx
import pytest

from station.errors import ConfigError
from station.model import SlotState
from station.web.app import STATIC, create_app
from station.web.server import serve

TEMPLATES = Path(__file__).resolve().parents[2] / "templates" / "pages"


def events(url: str, count: int, headers: dict[str, str] | None = None, timeout: float = 60) -> list[dict[str, str]]:
    """Return the first events of the stream."""
    found: list[dict[str, str]] = []
    current: dict[str, str] = {}
    with httpx.stream("GET", f"{url}events", headers=headers, timeout=timeout) as answer:
        for text in answer.iter_lines():
            if text:
                name, _, value = text.partition(": ")
                current[name] = current.get(name, "") + value
            elif current:
                found.append(current)
                current = {}
            if len(found) == count:
                break
    return found


def test_a_new_page_gets_everything_and_a_heartbeat(server) -> None:
    """Four slots, band, head, prompt, the echo of the last scan, and the sign of life."""
    names = [event["event"] for event in events(server.url, 9)]
    assert names == ["slot-0", "slot-1", "slot-2", "slot-3", "band", "head", "prompt", "echo", "beat"]


def test_a_page_that_comes_back_gets_only_what_it_missed(server, line) -> None:
    """Resume by the last event id; after a change everything is sent again rather than guessed."""
    last = events(server.url, 9)[-1]["id"]
    assert [event["event"] for event in events(server.url, 2, {"last-event-id": last})] == ["beat", "beat"]
    line.put("A", SlotState.RUNNING)
    while events(server.url, 9)[-1]["id"] == last:
        continue  # the page's listener has not seen the change yet
    assert len({event["event"] for event in events(server.url, 8, {"last-event-id": last})}) == 8


def test_only_what_changed_is_sent_and_ids_rise(server, line) -> None:
    """A change of one slot does not redraw the others."""
    last = events(server.url, 9)[-1]["id"]
    with httpx.stream("GET", f"{server.url}events", headers={"last-event-id": last}, timeout=60) as answer:
        lines = answer.iter_lines()
        next(text for text in lines if text == "event: beat")
        line.put("C", SlotState.CONNECTING)
        assert next(text for text in lines if text.startswith("event:") and "beat" not in text) == "event: slot-2"
        later = next(text for text in lines if text.startswith("id: ")).removeprefix("id: ")
    boot, version = last.split("-")
    assert (later.split("-")[0], int(later.split("-")[1])) == (boot, int(version) + 1)


def test_no_heartbeat_without_the_line(server, line) -> None:
    """The heart that beats is the line's, not the web server's: a stuck line makes pages go stale."""
    events(server.url, 9)
    line.deaf.set()
    with pytest.raises(httpx.ReadTimeout), httpx.stream("GET", f"{server.url}events", timeout=3.5) as answer:
        for _ in answer.iter_lines():
            pass
    assert httpx.get(f"{server.url}healthz").status_code == 503
    with pytest.raises(httpx.ReadTimeout):
        events(server.url, 1, timeout=2)
    line.deaf.clear()
    assert events(server.url, 1)


def test_stop_ends_open_streams(line, door) -> None:
    """A page left open does not keep the daemon from stopping."""
    running = serve(create_app(line, title="Line", door=door), "127.0.0.1", 0)
    with httpx.stream("GET", f"{running.url}events", timeout=60) as answer:
        lines = answer.iter_lines()
        next(lines)
        running.stop()
        running.stop()
        assert not running._thread.is_alive()
    with pytest.raises(httpx.ConnectError):
        httpx.get(running.url)


def test_too_many_pages_are_told_so(server) -> None:
    """The 33rd page is refused and the first one is not hurt."""
    with httpx.Client(timeout=60) as client:
        pages = [client.send(client.build_request("GET", f"{server.url}events"), stream=True) for _ in range(32)]
        streams = [page.iter_bytes() for page in pages]
        for stream in streams:
            next(stream)
        assert client.get(f"{server.url}events").status_code == 503
        for page in pages:
            page.close()


def test_a_slow_body_is_given_up(server, line) -> None:
    """A client that never finishes its request does not hold the station."""
    with socket.create_connection((server.host, server.port), timeout=60) as client:
        client.sendall(b"POST /api/scan HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90\r\n\r\n{")
        assert client.recv(100).startswith(b"HTTP/1.1 408")
    assert line.scans == []


def test_a_body_without_end_is_cut_off_early(server) -> None:
    """What is too long is refused when that is known, not when it has all come."""
    with socket.create_connection((server.host, server.port), timeout=60) as client:
        client.sendall(b"POST /api/scan HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000\r\n\r\n")
        client.sendall(b"A" * 5000)
        assert client.recv(100).startswith(b"HTTP/1.1 413")


def test_a_request_that_breaks_off_is_not_half_taken(server, line) -> None:
    """What arrived before the cable was pulled would be a whole scan by itself: it is none."""
    with socket.create_connection((server.host, server.port), timeout=60) as client:
        client.sendall(b"POST /api/scan HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
        client.sendall(b'Content-Length: 90\r\n\r\n{"code": "SL-A"}')
        client.shutdown(socket.SHUT_WR)
        client.recv(100)
    events(server.url, 1)
    assert line.scans == []


def test_an_address_in_use_is_a_matter_of_configuration(server, line, door) -> None:
    """The reason and the key are named."""
    with pytest.raises(ConfigError, match=str(server.port)) as caught:
        serve(create_app(line, title="Line", door=door), "127.0.0.1", server.port)
    assert "web.port" in caught.value.hint


def test_vendored_files_are_the_published_ones() -> None:
    """What was reviewed is what is served."""
    vendor = STATIC / "vendor"
    listed = dict(reversed(row.split()) for row in (vendor / "SHA256SUMS").read_text().splitlines())
    found = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in vendor.iterdir()}
    del found["SHA256SUMS"]
    assert found == listed


def test_nothing_of_ours_names_another_host_or_runs_inline() -> None:
    """No CDN, no inline script or style, no handler attributes: the CSP never has to be loosened."""
    for file in [*TEMPLATES.glob("*.html"), *STATIC.glob("*.*")]:
        text = file.read_text().replace("http://www.w3.org/2000/svg", "")
        for forbidden in ("http:", "https:", "<style", " style=", " onclick", "hx-on", "javascript:"):
            assert forbidden not in text, (file.name, forbidden)
        assert "<script>" not in text
