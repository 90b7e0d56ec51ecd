"""A bench for the acceptance server: two hierarchies, a running server, and stations to let loose on it."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode does not find helpers beside a test

from acceptance_pki import Credential, Office, issue
from acceptance_station import Station

from pki.passwords import Password, Verifier
from station.acceptance import AcceptanceServer, Expected, Limits, PersonaConfig, Renewal, ServerConfig
from station.model import Connector, Environment, OcppVersion

SERIAL = "AC22-000001"
OUTLETS = tuple(Connector(n, 1, "AB"[n - 1], "cType2", 3, 32, 22_000) for n in (1, 2))
LIMITS = Limits(handshake_seconds=3, ping_seconds=5, pending_seconds=1, ship_watch_seconds=0.5, messages=400)


@dataclass
class Bench:
    """Everything a test needs: CAs, the server, and makers of units and stations."""

    directory: Path
    roots: dict[Environment, Credential]
    bench_root: Credential
    server: AcceptanceServer

    def credential(
        self, serial: str = SERIAL, environment: Environment = Environment.TEST, **options: Any
    ) -> Credential:
        return issue(self.directory, serial, self.roots[environment], **options)

    def expected(self, credential: Credential | None, version: str = "ocpp2.0.1", **changes: Any) -> Expected:
        unit = Expected(
            environment=Environment.TEST,
            identity=SERIAL,
            serial=SERIAL,
            certificate_sha256=credential.sha256 if credential else "",
            certificate_serial=credential.serial if credential else "",
            version=OcppVersion(version),
            security_profile=3,
            password=None,
            vendor="Example Chargers",
            model="AC22",
            firmware="1.4.0",
            connectors=OUTLETS,
        )
        if changes.get("password"):
            changes["password"] = Verifier(Password(changes["password"]))
        return replace(unit, **changes)

    def office(self, serial: str = SERIAL) -> Office:
        return Office(self.directory, self.roots[Environment.TEST], serial)

    def renewal(self, serial: str = SERIAL) -> Renewal:
        return self.office(serial).renewal()

    def station(
        self, credential: Credential | None, environment: Environment = Environment.TEST, **options: Any
    ) -> Station:
        return Station(self.server.port(environment), self.bench_root.pem, credential, **options)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    roots = {environment: issue(tmp_path, f"{environment} root") for environment in Environment}
    bench_root = issue(tmp_path, "bench root")
    server = AcceptanceServer(ServerConfig("127.0.0.1", personas(tmp_path, roots, bench_root), LIMITS))
    server.start()
    yield Bench(tmp_path, roots, bench_root, server)
    server.stop()


def personas(directory: Path, roots: dict[Environment, Credential], bench_root: Credential) -> tuple[Any, ...]:
    served = [(e, issue(directory, f"{e} server", bench_root)) for e in Environment]
    return tuple(PersonaConfig(e, 0, c.chain_file, c.key_file, None, roots[e].pem) for e, c in served)
