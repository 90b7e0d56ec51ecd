"""Identities that are no identities, and secrets where none belongs: refused, told safely, and in no log."""

import contextlib
import logging
import socket
import ssl
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from acceptance_station import V16, V201, basic

from station.acceptance import ACCEPTANCE, adjusted, run_sequence
from station.acceptance.connection import WIRE_LOG
from station.clock import Deadline
from station.errors import UnitError
from station.model import Environment, OcppVersion

PASSWORD = "Wq7_5dLpX2mN8kRt3vZa"
LONGEST = "AC22-" + "0" * 43
NAMES = {
    "a colon": "AC22-000001:x",
    "a slash": "AC22/000001",
    "an encoded slash": "AC22%2F000001",
    "49 characters": LONGEST + "0",
    "another case": "ac22-000001",
    "a trailing blank": "AC22-000001 ",
    "nothing": "",
    "control characters": "AC22\r\n-\x00000001",
    "a dot segment": "../AC22-000001",
    "other letters": "АС22-000001",
}


def meet(bench: Any, identity: str, path: str) -> str:
    """Expect a unit of an identity, let a station come by a path, and return why it failed; empty when it passes."""
    credential = bench.credential()
    expected = bench.expected(credential, identity=identity)
    station = bench.station(credential)
    station.path, _, station.identity = path.rpartition("/")
    sequence = adjusted(ACCEPTANCE[OcppVersion.V201][:2], {"connect": 10, "boot": 10})
    with bench.server.expect(expected) as visit, station:
        try:
            run_sequence(visit, sequence, settings={}, deadline=Deadline(30))
        except UnitError as error:
            return str(error.message)
    return ""


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_was_not_ordered_is_refused(bench: Any, name: str) -> None:
    """The certificate is right, the path is not: F-D4 compares it to the letter."""
    reason = meet(bench, "AC22-000001", f"/ocpp/{quote(NAMES[name], safe='')}")
    assert "connected to path" in reason
    assert reason.isascii()
    assert reason.isprintable()


@pytest.mark.parametrize("identity", ["AC22:000001", "AC22/000001", "AC22%2F000001", "AC22|=_+@.*-1", LONGEST])
def test_an_odd_name_that_was_ordered_passes_encoded(bench: Any, identity: str) -> None:
    assert meet(bench, identity, f"/ocpp/{quote(identity, safe='')}") == ""


@pytest.mark.parametrize(("identity", "path"), [("AC22/000001", "/ocpp/AC22/000001"), ("a%2Fb", "/ocpp/a%2Fb")])
def test_a_slash_in_a_name_is_not_a_slash_of_the_path(bench: Any, identity: str, path: str) -> None:
    """What is not encoded, or encoded once too little, is another path."""
    assert "connected to path" in meet(bench, identity, path)


@contextlib.contextmanager
def everything_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Set every logger there is to DEBUG, whatever the server has set; what a client of the tests logs is its own."""
    named = logging.root.manager.loggerDict.items()
    loggers = [each for name, each in named if isinstance(each, logging.Logger) and not name.startswith("tests.")]
    levels = {logger: (logger.level, logger.propagate) for logger in loggers}
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
        logger.propagate = True
    with caplog.at_level(logging.DEBUG):
        yield
    for logger, (level, propagate) in levels.items():
        logger.setLevel(level)
        logger.propagate = propagate


AUTHORIZATION = basic("AC22-000001", PASSWORD)
REQUESTS = {
    "a right login": f"GET /ocpp/AC22-000001 HTTP/1.1\r\nAuthorization: {AUTHORIZATION}\r\n\r\n",
    "a wrong login": f"GET /ocpp/AC22-000001 HTTP/1.1\r\nAuthorization: {basic('AC22-000002', PASSWORD)}\r\n\r\n",
    "no colon": f"GET /ocpp/AC22-000001 HTTP/1.1\r\nAuthorization {AUTHORIZATION}\r\n\r\n",
    "a bare password": f"GET /ocpp/AC22-000001 HTTP/1.1\r\nAuthorization: Basic {PASSWORD}\r\n\r\n",
    "a broken value": f"GET /ocpp/AC22-000001 HTTP/1.1\r\nAuthorization: {AUTHORIZATION}\x00\r\n\r\n",
    "a query": f"GET /ocpp/AC22-000001?password={PASSWORD} HTTP/1.1\r\n\r\n",
    "no HTTP": f"{AUTHORIZATION}\r\n\r\n",
    "a long header": f"GET /ocpp/AC22-000001 HTTP/1.1\r\nAuthorization: {AUTHORIZATION * 400}\r\n\r\n",
}


@pytest.mark.parametrize("kind", REQUESTS)
def test_a_secret_of_a_broken_request_reaches_no_log(bench: Any, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """Libraries quote what they cannot read; with everything logged, nothing of it may show."""
    context = ssl.create_default_context(cadata=bench.bench_root.pem.decode())
    expected = bench.expected(None, security_profile=2, password=PASSWORD)
    with (
        everything_logged(caplog),
        bench.server.expect(expected) as visit,
        socket.create_connection(("127.0.0.1", bench.server.port(Environment.TEST)), 30) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as tls,
    ):
        tls.send(REQUESTS[kind].encode("latin-1"))
        with contextlib.suppress(OSError):
            while tls.recv(4096):
                pass
    verdicts = [attempt.verdict for attempt in bench.server.attempts.latest(Environment.TEST)]
    told = caplog.text + repr(visit.claims) + repr(verdicts) + repr(visit)
    assert not [secret for secret in (PASSWORD, AUTHORIZATION.removeprefix("Basic ")) if secret in told]


@pytest.mark.parametrize("version", [V16, V201, "ocpp2.1"])
def test_a_whole_sequence_with_everything_logged_tells_no_password(
    bench: Any, version: str, caplog: pytest.LogCaptureFixture
) -> None:
    """F-D2: over the handshake, the settings and the station's own messages, at DEBUG and of every logger."""
    name = "AuthorizationKey" if version == V16 else "SecurityCtrlr.BasicAuthPassword"
    value = PASSWORD.encode().hex() if version == V16 else PASSWORD
    expected = bench.expected(None, version, security_profile=2, password=PASSWORD)
    noise = (f'[2,"n","DataTransfer",{{"vendorId":"{PASSWORD}","data":"{value}"}}]', f"broken {PASSWORD}")
    with (
        everything_logged(caplog),
        bench.server.expect(expected) as visit,
        bench.station(None, version=version, authorization=AUTHORIZATION, noise=noise) as station,
    ):
        sequence = [check for check in ACCEPTANCE[OcppVersion(version)][:4] if check.name != "inventory"]
        run_sequence(visit, sequence, settings={name: value}, deadline=Deadline(30))
    assert station.settings[name] == value
    told = caplog.text + visit.transcript().data.decode() + repr(visit.results) + repr(expected)
    assert not [secret for secret in (PASSWORD, value, AUTHORIZATION.removeprefix("Basic ")) if secret in told]


def test_an_exception_on_the_wire_is_logged_by_its_type(caplog: pytest.LogCaptureFixture) -> None:
    """What a library could not read stands in its exceptions, and in the causes of those."""
    with everything_logged(caplog):
        WIRE_LOG.error("opening handshake failed", exc_info=ValueError(AUTHORIZATION))
    assert "opening handshake failed: ValueError" in caplog.text
    assert AUTHORIZATION not in caplog.text
