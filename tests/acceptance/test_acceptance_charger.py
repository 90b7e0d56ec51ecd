"""The simulated charger's own OCPP application against the real server: two programs that share no code."""

import asyncio
import contextlib
import datetime as dt
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from acceptance_station import V16, V201
from cryptography.hazmat.primitives import serialization

from fixtures.charger.meter import Meter
from fixtures.charger.nvm import Nvm
from fixtures.charger.ocpp import run_station
from fixtures.charger.ocpp_renewal import ORGANIZATION, leaf_of
from fixtures.charger.vault import Vault
from station.acceptance import ACCEPTANCE, adjusted, run_sequence, watch_ship
from station.clock import Deadline
from station.errors import Defect, UnitError
from station.model import Environment, OcppVersion, Outcome

VERSIONS = pytest.mark.parametrize("version", [V16, V201])
ALL_VERSIONS = pytest.mark.parametrize("version", [V16, V201, "ocpp2.1"])
QUICK = {"trigger heartbeat": 2, "availability": 2, "clock": 3}


class Device:
    """A charger's memory in dictionaries; a restart starts its application anew."""

    serial, vendor, model, firmware_version = "AC22-000001", "Example Chargers", "AC22", "1.4.0"
    boot_reason, connector_count, locked = "PowerUp", 2, False
    LOST = dt.timedelta(days=-2000)
    """Offset of a clock that nothing keeps while the power is off."""

    def __init__(self, credential: Any, port: int, anchors: bytes, version: str, fault: str = "") -> None:
        self.credential, self.port, self.fault = credential, port, fault
        self.directory = credential.chain_file.parent / "unit"
        self.directory.mkdir(exist_ok=True)
        self.power_up()
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        self.nvm.slot("test").update(key=credential.key.private_bytes(*form).decode())
        self.nvm.save()
        self.chain = credential.pem
        self.offset = dt.timedelta(hours=1)
        self.files = {"/lfs/anchors.pem": anchors}
        self.settings = {
            "charger/ocpp/url": "wss://localhost/ocpp",
            "charger/ocpp/identity": self.serial,
            "charger/ocpp/version": version,
            "charger/ocpp/profile": "3",
            "charger/ocpp/slot": "test",
        }

    def power_up(self) -> None:
        self.nvm = Nvm(self.directory)
        self.vault = Vault(self.nvm, Meter(self.directory))

    def setting(self, key: str) -> str | None:
        return self.settings.get(key)

    def set_setting(self, key: str, value: str) -> None:
        self.settings[key] = value

    def file(self, path: str) -> bytes | None:
        return self.files.get(path)

    def write_file(self, path: str, data: bytes) -> None:
        self.files[path] = data

    def key_path(self, slot: str) -> Path:
        path = self.directory / "key.pem"
        path.write_text(self.vault.key_pem("test") or "")
        return path

    def chain_path(self, slot: str) -> Path:
        path = self.directory / "chain.pem"
        path.write_bytes(self.chain)
        return path

    def new_request(self, slot: str) -> bytes:
        return self.vault.request_beside("test", {"O": self.settings.get(ORGANIZATION, ""), "CN": self.serial})

    def accept_chain(self, slot: str, chain: bytes) -> bool:
        leaf = leaf_of(chain, self.serial, self.now())
        return leaf is not None and self.vault.stage("test", leaf, chain)

    def switch(self, slot: str) -> None:
        chain = self.vault.staged("test")
        if chain is not None:
            self.chain = chain
            self.vault.switch("test")

    def now(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC) + self.offset

    def set_clock(self, moment: dt.datetime) -> None:
        self.offset = moment - dt.datetime.now(dt.UTC)

    def resolve(self, host: str, port: int) -> tuple[str, int]:
        return "127.0.0.1", self.port

    def count(self, event: str) -> None: ...

    def request_reboot(self, reason: str) -> None:
        self.boot_reason = reason
        self.power_up()
        self.reboot.set()

    async def live(self) -> None:
        self.loop = asyncio.get_running_loop()
        while True:
            self.reboot = asyncio.Event()
            application = asyncio.create_task(run_station(self))
            try:
                await self.reboot.wait()
            finally:
                application.cancel()
                await asyncio.gather(application, return_exceptions=True)


@contextlib.contextmanager
def running(device: Device) -> Iterator[None]:
    """Run a charger's application in a thread while the block runs."""
    loop = asyncio.new_event_loop()
    ending = loop.create_task(device.live())

    def work() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(ending)
        loop.close()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield
    loop.call_soon_threadsafe(ending.cancel)
    thread.join(5)


def examine(bench: Any, version: str, fault: str = "") -> tuple[Any, ...]:
    credential = bench.credential()
    device = Device(credential, bench.server.port(Environment.TEST), bench.bench_root.pem, version, fault)
    sequence = adjusted(ACCEPTANCE[OcppVersion(version)], QUICK)
    with bench.server.expect(bench.expected(credential, version)) as visit, running(device):
        return run_sequence(visit, sequence, settings={}, deadline=Deadline(40), renewal=bench.renewal())


@ALL_VERSIONS
def test_the_simulated_charger_passes(bench: Any, version: str) -> None:
    assert {result.outcome for result in examine(bench, version)} == {Outcome.PASS}


@VERSIONS
def test_a_charger_that_accepts_and_does_nothing_fails(bench: Any, version: str) -> None:
    with pytest.raises(UnitError, match=r"accepted .* but nothing changed") as caught:
        examine(bench, version, "accepts-and-does-nothing")
    assert caught.value.defect is Defect.OCPP


RENEWAL_FAULTS = {
    "renewal-keeps-old-key": r"presents certificate [0-9a-f]+, not the renewed [0-9a-f]+ that it accepted",
    "renewal-takes-foreign-chain": "accepted a certificate of a key that it does not have",
}


@VERSIONS
@pytest.mark.parametrize("fault", RENEWAL_FAULTS)
def test_a_charger_that_renews_wrongly_fails(bench: Any, version: str, fault: str) -> None:
    """F-D9: neither the word for a foreign chain nor the word for its own is believed."""
    with pytest.raises(UnitError, match=RENEWAL_FAULTS[fault]) as caught:
        examine(bench, version, fault)
    assert caught.value.defect is Defect.CERTIFICATE


@VERSIONS
def test_a_charger_with_a_wrong_clock_fails(bench: Any, version: str) -> None:
    with pytest.raises(UnitError, match=r"clock is off by \+(3600|359\d) s") as caught:
        examine(bench, version, "wrong-clock")
    assert caught.value.defect is Defect.CLOCK


@ALL_VERSIONS
def test_the_simulated_charger_ships_without_the_bench_root(bench: Any, version: str) -> None:
    credential, ship_root = bench.credential(environment=Environment.SHIP), bench.roots[Environment.SHIP].pem
    anchors = bench.bench_root.pem + ship_root
    device = Device(credential, bench.server.port(Environment.SHIP), anchors, version)
    expected = bench.expected(credential, version, environment=Environment.SHIP)
    with bench.server.expect(expected) as visit, running(device):
        results = watch_ship(visit, bench.bench_root.pem, Deadline(30), owner="Owner")
    assert {result.outcome for result in results} == {Outcome.PASS}
    assert device.files["/lfs/anchors.pem"].strip() == ship_root.strip()
