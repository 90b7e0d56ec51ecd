"""Starting and stopping the server, and what its configuration may get wrong."""

import socket
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from acceptance_pki import issue

from station.acceptance import ACCEPTANCE, AcceptanceServer, Limits, PersonaConfig, ServerConfig, adjusted, run_sequence
from station.acceptance.attempts import AttemptLog
from station.clock import Deadline
from station.errors import ConfigError, ServiceError, UnitError
from station.model import Environment, OcppVersion

NAMES = frozenset({"AC22-000001"})


def persona(directory: Path, password: bytes = b"", given: str | None = None) -> PersonaConfig:
    root = issue(directory, "root")
    made = issue(directory, "server", root, password=password)
    return PersonaConfig(Environment.TEST, 0, made.chain_file, made.key_file, given, root.pem)


def start(config: PersonaConfig) -> None:
    server = AcceptanceServer(ServerConfig("127.0.0.1", (config,)))
    try:
        server.start()
        assert server.port(Environment.TEST) > 0
    finally:
        server.stop()


def test_a_key_with_a_password_is_opened(tmp_path: Path) -> None:
    start(persona(tmp_path, b"correct horse", "correct horse"))


@pytest.mark.parametrize("given", ["wrong horse", None])
def test_a_wrong_key_password_is_refused_and_not_told(tmp_path: Path, given: str | None) -> None:
    with pytest.raises(ConfigError, match="persona test") as caught:
        start(persona(tmp_path, b"correct horse", given))
    assert "horse" not in caught.value.message


@pytest.mark.parametrize("broken", [b"", b"no PEM", b"\xff"])
def test_roots_that_cannot_be_read_are_refused(tmp_path: Path, broken: bytes) -> None:
    with pytest.raises(ConfigError, match="client roots"):
        start(replace(persona(tmp_path), client_roots_pem=broken))


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    other = persona(tmp_path)
    with pytest.raises(ConfigError, match="persona test"):
        start(replace(persona(tmp_path), key_file=other.key_file))


def test_a_taken_port_is_named(bench: Any, tmp_path: Path) -> None:
    port = bench.server.port(Environment.TEST)
    with pytest.raises(ServiceError, match=f"cannot listen on 127.0.0.1:{port}"):
        start(replace(persona(tmp_path), port=port))


def test_stopping_twice_is_stopping_once(bench: Any) -> None:
    bench.server.stop()
    bench.server.stop()


def test_the_default_limits_are_those_of_the_design() -> None:
    assert Limits().message_bytes == 64 * 1024
    assert Limits().clock_seconds <= 10


def test_a_unit_that_does_not_trust_the_server_is_explained(bench: Any) -> None:
    """Nobody can name a client that gives up before its certificate, but its address and reason help."""
    credential = bench.credential()
    station = bench.station(credential)
    station.root = bench.roots[Environment.TEST].pem
    sequence = adjusted(ACCEPTANCE[OcppVersion.V201], {"connect": 3})
    with (
        bench.server.expect(bench.expected(credential)) as visit,
        station,
        pytest.raises(UnitError, match=r"handshakes of nobody known failed, last from 127\.0\.0\.1: TLS failed"),
    ):
        run_sequence(visit, sequence, settings={}, deadline=Deadline(30))


def test_a_watch_that_cannot_see_every_attempt_proves_nothing() -> None:
    """Forgotten attempts might have been the unit's: that is our failure, and not its good conduct."""
    log = AttemptLog(size=4)
    since = log.mark()
    for _ in range(5):
        log.opened(Environment.TEST, "10.0.0.9")
    with pytest.raises(ServiceError, match="More than 4 connection attempts"):
        log.of_unit(Environment.TEST, NAMES, since)


def test_an_attempt_under_way_is_nobodys_yet() -> None:
    """Another unit may come from an address where so far only this one was seen."""
    log = AttemptLog()
    log.learned(log.opened(Environment.SHIP, "10.0.0.9"), "admitted", owner="AC22-000001", settled=True)
    number = log.opened(Environment.TEST, "10.0.0.9")
    assert log.of_unit(Environment.TEST, NAMES, 0) == ()
    assert len(log.unattributed(Environment.TEST, NAMES, 0)) == 1
    log.learned(number, "TLS failed", settled=True)
    assert len(log.of_unit(Environment.TEST, NAMES, 0)) == 1


def test_a_silent_attempt_settles_with_time() -> None:
    log = AttemptLog(patience_seconds=-1)
    log.learned(log.opened(Environment.SHIP, "10.0.0.9"), "admitted", owner="AC22-000001")
    log.opened(Environment.TEST, "10.0.0.9")
    assert len(log.of_unit(Environment.TEST, NAMES, 0)) == 1


@pytest.mark.parametrize(("address", "counts"), [("10.0.0.9", 0), ("10.0.0.8", 1), ("10.0.0.7", 1)])
def test_a_claim_from_another_units_address_does_not_count(address: str, counts: int) -> None:
    log = AttemptLog()
    log.learned(log.opened(Environment.SHIP, "10.0.0.9"), "admitted", owner="AC22-000002")
    log.learned(log.opened(Environment.SHIP, "10.0.0.8"), "admitted", owner="AC22-000001")
    log.learned(log.opened(Environment.TEST, address), "refused", claimed="AC22-000001")
    assert len(log.of_unit(Environment.TEST, NAMES, 0)) == counts


def test_attempts_before_a_mark_are_forgotten() -> None:
    log = AttemptLog()
    log.learned(log.opened(Environment.TEST, "10.0.0.9"), "admitted", owner="AC22-000001")
    assert len(log.of_unit(Environment.TEST, NAMES, 0)) == 1
    assert log.of_unit(Environment.TEST, NAMES, log.mark()) == ()
    assert log.of_unit(Environment.SHIP, NAMES, 0) == ()


def test_each_connection_proves_its_key_anew(bench: Any) -> None:
    """No session tickets: a resumed session would not show the certificate again."""
    context = ssl.create_default_context(cadata=bench.bench_root.pem.decode())
    address = ("127.0.0.1", bench.server.port(Environment.TEST))
    with socket.create_connection(address, 30) as raw, context.wrap_socket(raw, server_hostname="localhost") as tls:
        tls.send(b"GET / HTTP/1.1\r\n\r\n")
        while tls.recv(4096):
            pass
        assert tls.version() == "TLSv1.3"
        assert tls.session is None or not tls.session.has_ticket
