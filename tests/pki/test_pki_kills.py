"""kill -9 while certificates are issued: no unit ever has two that live (design 7.2, 8.3)."""

import os
import random
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from fixtures.charger.meter import Meter
from fixtures.charger.nvm import Nvm
from fixtures.charger.vault import Vault, public_key_of
from fixtures.warm import Process, start
from pki.environment import KeyState
from pki.issue import Factory, open_factory

COUNT = int(os.environ.get("PKI_ISSUANCES", "300"))
KILLS = int(os.environ.get("PKI_KILLS", "8"))
WORKER = Path(__file__).with_name("issuing_worker.py")


@pytest.fixture
def devices(tmp_path: Path) -> Path:
    """Blank devices; they share a transport key, because making 300 takes minutes."""
    transport = rsa.generate_private_key(65537, 2048)
    pem = transport.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    for number in range(1, COUNT + 1):
        state = tmp_path / "devices" / f"{number:03}"
        state.mkdir(parents=True)
        nvm = Nvm(state)
        nvm.data |= {"uid": f"{number:024x}", "transport": pem}
        nvm.save()
    return tmp_path / "devices"


@contextmanager
def started(pki_directory: Path, devices: Path) -> Iterator[tuple[Process, IO[str]]]:
    """Yield a worker, and what it prints."""
    reading, writing = os.pipe()
    command = [sys.executable, str(WORKER), str(pki_directory), str(devices), str(COUNT)]
    worker = start(command, writing, modules=["pki.issue", "fixtures.charger.vault"])
    os.close(writing)
    with os.fdopen(reading) as printed:
        yield worker, printed


def killed_once(pki_directory: Path, devices: Path, chance: random.Random) -> None:
    """Kill the worker at some moment after it began to issue to a unit that had no certificate."""
    had = certified(pki_directory)
    with started(pki_directory, devices) as (worker, printed):
        while int(printed.readline()) <= had:
            pass
        time.sleep(chance.uniform(0.0, 0.4))
        worker.kill()
        assert worker.wait(30) == -signal.SIGKILL
    assert had < certified(pki_directory) < COUNT


def certified(pki_directory: Path) -> int:
    """Count the units that have a certificate, in the ledger itself; they have them in their order."""
    with closing(sqlite3.connect(pki_directory / "ledger.sqlite")) as ledger:
        ((count,),) = ledger.execute("SELECT count(DISTINCT unit) FROM keys JOIN certificates ON key_id = keys.id")
    return int(count)


@pytest.mark.timeout(600 + 10 * KILLS)
def test_no_unit_has_two_living_certificates_whenever_the_issuer_dies(pki_directory, devices):
    """F-D12, design 7.2: every unit ends with one key, one serial number and one living certificate."""
    chance = random.Random(20261121)
    for _ in range(KILLS):
        killed_once(pki_directory, devices, chance)
    with started(pki_directory, devices) as (worker, printed):
        assert printed.readlines()[-1] == f"{COUNT}\n"
        assert worker.wait(300) == 0
    factory = open_factory(pki_directory)
    judge(factory, devices)
    factory.close()


def judge(factory: Factory, devices: Path) -> None:
    """Compare the ledger with what the devices hold."""
    rows = factory.rows()
    living = [row for row in rows if row.certificate and not row.revoked and row.state is KeyState.PROVEN]
    assert Counter(row.unit for row in living) == Counter(f"AC22-{number:06}" for number in range(1, COUNT + 1))
    serials = [row.serial for row in rows if row.claim]
    assert len(set(serials)) == len(serials)
    for row in living:
        vault = Vault(Nvm(devices / row.unit[-3:]), Meter(devices / row.unit[-3:]))
        assert vault.spki("test") == row.spki == public_key_of(vault.certificate("test") or b"")
        assert vault.certificate("test") == row.certificate
    used = next(quota.used for quota in factory.ledger.quotas())
    assert used == len(serials)
