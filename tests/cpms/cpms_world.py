"""A staging CPMS in a process of its own, and units to register there."""

import subprocess
import sys
import time
from dataclasses import replace

import httpx

from station.cpms import open_cpms
from station.model import Connector, UnitRecord

TOKEN = "token-of-the-staging-cpms-0123456789"


class Staging:
    """The CPMS's process: started, stopped, killed and told to misbehave."""

    def __init__(self, directory, *options):
        self.directory, self.options, self.process = directory, options, None
        self.directory.mkdir(exist_ok=True)
        (self.directory / "token").write_text(TOKEN)
        self.port = 0
        self.start()

    def start(self):
        (self.directory / "url").unlink(missing_ok=True)
        command = [sys.executable, "-m", "fixtures.cpms", "--dir", str(self.directory), "--port", str(self.port)]
        self.process = subprocess.Popen([*command, *self.options])
        end = time.monotonic() + 60
        while not (self.directory / "url").exists():
            assert self.process.poll() is None, "the CPMS did not start"
            assert time.monotonic() < end
            time.sleep(0.02)
        self.url = (self.directory / "url").read_text()
        self.port = int(self.url.rpartition(":")[2])

    def kill(self):
        self.process.kill()
        self.process.wait(10)

    def misbehave(self, fault):
        part = self.directory / "fault.new"
        part.write_text(fault)
        part.replace(self.directory / "fault")

    def open(self, token=TOKEN):
        return open_cpms(f"staging+{self.url}", lambda: token)

    def serials(self):
        """Return what the CPMS keeps, asked as an outsider."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        return httpx.get(f"{self.url}/api/v1/chargers", headers=headers, trust_env=False).json()["serials"]


def make_unit(serial, **changes):
    digest = serial.encode().hex().rjust(64, "0")
    unit = UnitRecord(
        serial=serial,
        ocpp_identity=serial,
        vendor="Example Chargers",
        model="AC22",
        product="ac22",
        product_revision=1,
        work_order="WO-1",
        customer="Customer One",
        hardware_uid="00112233",
        hardware="rev-b",
        firmware="1.2.0",
        firmware_sha256="ab" * 32,
        ocpp_version="ocpp2.0.1",
        security_profile=3,
        endpoint="wss://csms.ship.example/ocpp",
        connectors=(
            Connector(1, 1, "A", "cType2", 3, 32, 22_000),
            Connector(2, 1, "B", "cType2", 3, 32, 22_000),
        ),
        certificate_serial="0A1B",
        certificate_sha256=digest,
        certificate_subject=f"CN={serial},O=Owner",
        certificate_issuer="CN=Ship CA",
        certificate_not_after="2036-11-21T00:00:00Z",
        key_origin="hsm",
        recipe="ac22-eu/1",
        recipe_digest="cd" * 32,
        configuration_sha256="ef" * 32,
        station="line1",
        run="line1/1",
        released_at="2026-11-21T12:00:00Z",
    )
    return replace(unit, **changes)
