"""What units of an order will need of the network, looked at from where they are built (F-F6, F-K8, P10)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from station.catalog.environments import EnvironmentDefinition
from station.catalog.roots import Use
from station.clock import Deadline
from station.preflight.probes import ask_name_server, ask_time, authenticate, link, resolve
from station.preflight.report import Probe

WSS = 443
INTERFACES = Path("/sys/class/net")


@dataclass(frozen=True)
class Surroundings:
    """Where things are that no environment says."""

    acceptance: str = "127.0.0.1"
    """Address of the bench's OCPP server; empty while it does not run, so that nobody looks at it."""
    test_port: int = 8443
    ship_port: int = 8444
    bench_roots: bytes = b""
    """Roots (PEM) of the stand-in for the ship endpoint; empty where they are not known."""
    interfaces: Path = INTERFACES
    dns_port: int = 53
    ntp_port: int = 123


def probes(
    test: EnvironmentDefinition,
    ship: EnvironmentDefinition,
    around: Surroundings,
    cpms: Callable[[], str] | None = None,
) -> Iterator[Probe]:
    """Yield all there is to look at for units that go from one environment to the other; `cpms` says how it is."""
    yield Probe("link", "this computer", lambda _: link(around.interfaces))
    yield Probe("name", ship.host, lambda deadline: _addresses(ship.host, deadline))
    for server in ship.dns:
        look = partial(ask_name_server, server, ship.host, port=around.dns_port)
        yield Probe("name server", f"{server}:{around.dns_port}/udp", look)
    for host in dict.fromkeys((*test.ntp, *ship.ntp)):
        yield Probe("time", f"{host}:{around.ntp_port}/udp", partial(ask_time, host, port=around.ntp_port))
    if around.acceptance:
        yield _staging(test, around)
        if around.bench_roots:
            yield _stand_in(ship, around)
    yield _production(ship)
    if cpms is not None:
        yield Probe("CPMS", ship.cpms, lambda _: cpms())


def _staging(test: EnvironmentDefinition, around: Surroundings) -> Probe:
    roots = test.trusted(Use.CSMS).pem
    look = partial(_bench, test.host, around.test_port, roots, around.acceptance)
    return Probe("test endpoint", f"{around.acceptance}:{around.test_port}", look)


def _stand_in(ship: EnvironmentDefinition, around: Surroundings) -> Probe:
    look = partial(_bench, ship.host, around.ship_port, around.bench_roots, around.acceptance)
    return Probe("stand-in for the ship endpoint", f"{around.acceptance}:{around.ship_port}", look)


def _production(ship: EnvironmentDefinition) -> Probe:
    """Reach the real endpoint by TLS alone: no credential of any unit is shown, so the login is not tested (F-K8)."""
    port = urlsplit(ship.endpoint).port or WSS
    roots = ship.trusted(Use.CSMS).pem
    return Probe("ship endpoint", f"{ship.host}:{port}", partial(_production_look, ship.host, port, roots))


def _production_look(host: str, port: int, roots: bytes, deadline: Deadline) -> str:
    return f"{authenticate(host, port, roots, deadline)}; login not tested"


def _bench(host: str, port: int, roots: bytes, address: str, deadline: Deadline) -> str:
    return authenticate(host, port, roots, deadline, address)


def _addresses(host: str, deadline: Deadline) -> str:
    return ", ".join(resolve(host, deadline))
