"""A line whose labels come out of an IPP printer over TLS, which is out of labels for a while (F-J2, F-J5)."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from fixtures.demo.world import World
from fixtures.printer_ipp import ipp_printer
from station.clock import Deadline
from station.documents.ipp import IppPrinter
from station.documents.label_picture import read_codes
from station.documents.printers import open_printer
from tests.documents.test_ipp_tls import certify
from tests.station.cli_world import Operator, copied, edit, eventually, run, unit_of

pytestmark = pytest.mark.timeout(400)


@dataclass
class Shop:
    """A running line, and its printer's folder."""

    world: World
    printer: str
    folder: Path

    def fall(self, fault: str) -> None:
        (self.folder / "fault").write_text(fault)

    @property
    def labels(self) -> list[Path]:
        """Return what came out, in its order."""
        return sorted(self.folder.glob("[0-9]*.pdf"))

    def test_page(self) -> None:
        """Have the printer print something of somebody else's."""
        other = open_printer(self.printer)
        assert isinstance(other, IppPrinter)
        other.print(other.begin("test page", Deadline(30)), b"%PDF-1.7\n%%EOF\n", Deadline(30))


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """Yield a line of which the printer shows a certificate that the station was given."""
    place, addresses = copied(tmp_path / "line")
    with TemporaryDirectory() as name:
        folder, key = Path(name), generate_private_key(SECP256R1())
        certify(folder / "localhost.crt", "localhost", key, key)
        written = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / "localhost.key").write_bytes(written)
        with ipp_printer(folder, keys=folder) as uri:
            printer = f"{uri}?ca={folder / 'localhost.crt'}"
            edit(place.station / "station.toml", f"tcp://127.0.0.1:{addresses.printer}", printer)
            with World(place, addresses) as world:
                yield Shop(world, printer, folder)


def scanned(label: Path, folder: Path) -> list[str]:
    """Read a printed PDF like a hand scanner."""
    page = ["pdftoppm", "-r", "300", "-png", "-singlefile", str(label), str(folder / "page")]
    subprocess.run(page, check=True, timeout=60)
    return read_codes((folder / "page.png").read_bytes())


def test_unit_waits_for_labels_and_gets_one(shop: Shop, tmp_path: Path) -> None:
    """It says what it waits for and prints once somebody loaded labels: one label, scanned back, and it may leave."""
    shop.fall("media-empty")
    shop.test_page()
    checked = ("station", "printer", "check", "--dir", shop.world.place.station)
    eventually(lambda: run(*checked), lambda ran: ran.code == 3 and "out of labels" in ran.out)
    bench = Operator(shop.world)
    serial = bench.begin(1, "1")
    told = "out of labels. Load labels."
    eventually(lambda: bench.slot("1"), lambda view: any(told in step["doing"] for step in view["steps"]), 150)
    assert shop.labels == []
    shop.fall("")
    shown = bench.until("1", "scan label", "FAIL", "ERROR", "ABORTED", timeout=150)
    assert shown["state"] == "scan label", shown["sentence"]
    _, label = shop.labels
    assert scanned(label, tmp_path) == [f"SN:{serial}"]
    assert bench.finish("1")["state"] == "PASS"
    eventually(lambda: unit_of(shop.world, serial)["unit"]["state"], lambda state: state == "packable", 120)
    rows = unit_of(shop.world, serial)["labels"]
    assert [(row["copy"], row["state"]) for row in rows] == [(1, "scanned")]
    assert len(shop.labels) == 2
    bench.unplug("1")
