"""Zero-touch (F-M1): a released unit is powered on at the site, and its operator's server knows it without any typing.

The site is a server of its own: its certificate is of a root that the operator gave, it trusts the root of the units'
certificates alone, and it looks each unit up in the CPMS by the identity in the path.
"""

import asyncio
import json
import shutil
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from fixtures.campaign import registrations
from fixtures.charger.options import Options
from fixtures.charger.process import SimulatedCharger, read_state
from fixtures.demo.operator import Crew, Job
from fixtures.demo.place import Place, free_ports, prepare
from fixtures.demo.world import World
from fixtures.environments import BLOCK
from tests.line.conftest import QUICK
from tests.preflight.certificates import Authority
from tests.station.cli_world import edit, eventually, next_bundle, run

pytestmark = pytest.mark.timeout(300)

HOST = "csms.ship.example"


@dataclass
class Site:
    """An operator's server: whom it knows, and who booted there."""

    known: dict[str, Any]
    """What the CPMS has, by identity."""
    context: ssl.SSLContext
    booted: dict[str, dict[str, Any]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    changed: threading.Event = field(default_factory=threading.Event)

    async def take(self, socket: ServerConnection) -> None:
        assert socket.request
        identity = socket.request.path.rpartition("/")[2]
        shown = socket.transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
        record = self.known.get(identity)
        if record is None or sha256(shown).hexdigest() not in json.dumps(record).lower():
            self.refused.append(identity)
            await socket.close()
            return
        try:
            while True:
                kind, number, action, payload = json.loads(await socket.recv())
                assert kind == 2
                if action == "BootNotification":
                    self.booted[identity] = payload
                    self.changed.set()
                now = {"currentTime": "2026-11-21T12:00:00Z", "interval": 300, "status": "Accepted"}
                await socket.send(json.dumps([3, number, now if action == "BootNotification" else {}]))
        except ConnectionClosed:
            return

    @contextmanager
    def running(self) -> Iterator[int]:
        """Serve in a thread, and yield the port."""
        loop, ready = asyncio.new_event_loop(), threading.Event()
        ports: list[int] = []

        async def work() -> None:
            async with serve(self.take, "127.0.0.1", 0, ssl=self.context, subprotocols=["ocpp2.0.1"]) as server:  # type: ignore[list-item]
                ports.append(next(iter(server.sockets)).getsockname()[1])
                ready.set()
                await asyncio.Event().wait()

        task = loop.create_task(work())

        def run_loop() -> None:
            with pytest.raises(asyncio.CancelledError):
                loop.run_until_complete(task)

        thread = threading.Thread(target=run_loop, daemon=True)
        thread.start()
        assert ready.wait(60)
        yield ports[0]
        loop.call_soon_threadsafe(task.cancel)
        thread.join(10)


@dataclass
class Shipped:
    """A unit that left, with what its operator has."""

    world: World
    serial: str
    operator: Authority
    known: dict[str, Any]


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shipped]:
    """Build one unit for an operator who gave a root of its own; then the factory closes."""
    folder = tmp_path_factory.mktemp("site")
    operator = Authority("Operator's Root", folder)
    place = Place(folder / "line", 1, firmware_bytes=16 * 1024)
    addresses = free_ports()
    prepare(place, addresses, 1)
    roots = place.environments / "field-roots.pem"
    first, *_ = BLOCK.findall(roots.read_text())
    roots.write_text(first + operator.pem.decode())
    made = run("station", "order", "create", "WO-2", "--dir", place.station, "--bundle", next_bundle(place.station),
               "--quantity", "1", "--prefix", "AC22-", "--first", "500", "--customer", "Example Operator")  # fmt: skip
    assert made.code == 0, made.err
    edit(place.station / "station.toml", f'order = "{place.order}"', 'order = "WO-2"')
    serial = "AC22-000500"
    with World(place, addresses) as world:
        crew = Crew(world, iter([Job(1, serial, replace(Options(Path(), Path(), ""), **QUICK))]))
        crew.work(["1"], 120)
        assert (crew.results[0].outcome, crew.results[0].reason) == ("PASS", "")
        known = eventually(lambda: registrations(world, [serial]), bool, 60)
        world.stop("station")
        yield Shipped(world, serial, operator, dict(known))


@contextmanager
def at_the_site(shipped: Shipped, folder: Path, port: int) -> Iterator[SimulatedCharger]:
    """Power the unit on from its sealed files alone, in a network where its server's name leads to the site."""
    sealed = folder / "unit"
    shutil.copytree(shipped.world.place.charger(1), sealed)
    hosts = folder / "hosts"
    hosts.write_text(f"{HOST}:443 127.0.0.1:{port}\n")
    there = replace(shipped.world.charger(1, 1).options, dir=sealed, ports=folder / "ports", hosts=hosts)
    with SimulatedCharger(replace(there, boot_seconds=0.1, firmware=None)) as charger:
        yield charger


def test_a_unit_that_is_powered_on_at_the_site_is_known_there(shipped: Shipped, tmp_path: Path) -> None:
    """F-M1: its own certificate, its record found by its identity, its numbers those of the record."""
    site = Site({shipped.serial: shipped.known[shipped.serial]}, site_context(shipped))
    with site.running() as port, at_the_site(shipped, tmp_path, port):
        assert site.changed.wait(60), site.refused
    told = site.booted[shipped.serial]["chargingStation"]
    assert (told["serialNumber"], told["vendorName"]) == (shipped.serial, "Example Chargers")
    assert read_state(tmp_path / "unit").locked


def test_a_unit_that_nobody_registered_is_not_let_in(shipped: Shipped, tmp_path: Path) -> None:
    """F-G9: the certificate alone is not enough."""
    site = Site({}, site_context(shipped))
    with site.running() as port, at_the_site(shipped, tmp_path, port):
        for _ in range(100):
            if site.refused or site.changed.wait(0.1):
                break
    assert (site.refused[0], site.booted) == (shipped.serial, {})


def test_a_unit_does_not_trust_the_bench_any_more(shipped: Shipped) -> None:
    """F-K6: the stand-in's root was for the bench only, so at the site a server that bears it is a stranger."""
    bench = shipped.world.place.station / "pki" / "certificates"
    device = read_state(shipped.world.place.charger(1)).files["/lfs/anchors.pem"]
    for name in ("bench-root.pem", "test-root.pem"):
        assert BLOCK.findall((bench / name).read_text())[0].encode() not in device
    assert shipped.operator.pem in device


def site_context(shipped: Shipped) -> ssl.SSLContext:
    """Return the context of the operator's server, which trusts the root of the units' certificates alone."""
    context = shipped.operator.server(HOST)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(shipped.world.place.station / "pki" / "certificates" / "ship-root.pem")
    return context
