"""A staging CPMS in a process of its own, and units to register there."""

import sys
import time

import httpx

from fixtures.samples import sample_unit
from fixtures.warm import start
from station.cpms import open_cpms

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
        self.process = start([*command, *map(str, self.options)], modules=["fixtures.cpms_api"])
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

    def suffered(self, fault):
        """Tell whether as many requests as were told misbehaved."""
        name, _, *rest = fault.split()
        return (self.directory / "fault").read_text().split() == [name, "0", *rest]

    def open(self, token=TOKEN):
        return open_cpms(f"staging+{self.url}", lambda: token)

    def serials(self):
        """Return what the CPMS keeps, asked as an outsider."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        return httpx.get(f"{self.url}/api/v1/chargers", headers=headers, trust_env=False).json()["serials"]


def make_unit(serial, **changes):
    """Return a unit to register; what the tests compare stands here."""
    told = {"firmware": "1.2.0", "certificate_serial": "0A1B", "certificate_subject": f"CN={serial},O=Owner"}
    return sample_unit(serial, **(told | changes))
