import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from station.documents.printer import Printer
from station.documents.printers import open_printer
from station.model import Connector, UnitRecord

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class VirtualPrinter:
    """A running virtual Zebra and the station's handle on it."""

    printer: Printer
    folder: Path
    port: int
    process: subprocess.Popen[str]

    def fall(self, fault: str) -> None:
        (self.folder / "fault").write_text(fault)

    @property
    def labels(self) -> list[bytes]:
        return [path.read_bytes() for path in sorted(self.folder.glob("[0-9]*.zpl"))]


@pytest.fixture
def virtual_printer(tmp_path: Path) -> Iterator[Callable[..., VirtualPrinter]]:
    """Start virtual printers of their own; all are ended with the test."""
    running: list[subprocess.Popen[str]] = []

    def start(*options: str, folder: Path = tmp_path / "printer") -> VirtualPrinter:
        command = [sys.executable, "-m", "fixtures.printer", "--port", "0", "--dir", str(folder), *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        running.append(process)
        assert process.stdout
        port = json.loads(process.stdout.readline())["port"]
        return VirtualPrinter(open_printer(f"tcp://127.0.0.1:{port}"), folder, port, process)

    yield start
    for process in running:
        process.terminate()
        process.wait(10)


@pytest.fixture
def record() -> UnitRecord:
    """A released charger of two connectors."""
    return sample_record()


@pytest.fixture
def sample() -> Callable[..., UnitRecord]:
    """Make records that differ from the sample in some fields."""
    return sample_record


def sample_record(connectors: int = 2, **changes: object) -> UnitRecord:
    outlets = tuple(
        Connector(
            evse=n + 1, connector=1, letter="ABCDEFGH"[n], type="cType2", phases=3, max_current_a=32, max_power_w=22_000
        )
        for n in range(connectors)
    )
    values: dict[str, object] = {
        "serial": "AC22-000001-7",
        "ocpp_identity": "AC22-000001-7",
        "vendor": "Example Chargers",
        "model": "AC22",
        "product": "ac22",
        "product_revision": 3,
        "work_order": "WO-2026-0042",
        "customer": "Example Charge Point Operator",
        "hardware_uid": "3f0a1c2255d14e77",
        "hardware": "rev-b",
        "firmware": "1.4.2+7",
        "firmware_sha256": "9f2c" * 16,
        "ocpp_version": "ocpp2.0.1",
        "security_profile": 3,
        "endpoint": "wss://csms.ship.example/ocpp",
        "connectors": outlets,
        "certificate_serial": "5D2A77C01F3B9E4410AA34C8D2E0B761",
        "certificate_sha256": "a7" * 32,
        "certificate_subject": "CN=AC22-000001-7,O=Example Charge Point Operator",
        "certificate_issuer": "CN=Example Ship Issuing CA,O=Example Chargers",
        "certificate_not_after": "2036-11-21T03:41:00.000Z",
        "key_origin": "hsm",
        "recipe": "ac22-eu revision 7",
        "recipe_digest": "4b" * 32,
        "configuration_sha256": "c0" * 32,
        "station": "line-1",
        "run": "line-1/000123",
        "released_at": "2026-11-21T03:55:12.345Z",
        "ratings": {
            "Voltage": "400 V 3~ N PE",
            "Frequency": "50 Hz",
            "Current": "2 x 32 A",
            "Power": "2 x 22 kW",
            "Protection": "IP54  IK10",
            "Temperature": "-30 to +50 °C",
        },
        "not_shown_by_hardware": ("The debug port's state cannot be read back.",),
    }
    return UnitRecord(**{**values, **changes})  # type: ignore[arg-type]
