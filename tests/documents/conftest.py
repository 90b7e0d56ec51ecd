import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.samples import sample_unit
from station.documents.printer import Printer
from station.documents.printers import open_printer
from station.model import UnitRecord
from tests.documents.passport_office import Office, opened_office

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


def sample_record(connectors: int = 2, **changes: Any) -> UnitRecord:
    return replace(sample_unit(outlets=connectors), **changes)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Yield a station's records and who draws its passports."""
    with opened_office(tmp_path) as office:
        yield office
