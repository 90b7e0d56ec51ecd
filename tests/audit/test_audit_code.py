"""The newest checkpoint as a QR code on the shift's page and in its report: what QA scans verifies the log (F-K3)."""

import re

import zxingcpp
from PIL import Image, ImageDraw

from pki.log import open_note
from station.clock import utc_now
from station.documents.log_code import checkpoint_code
from station.documents.printers import open_printer
from station.quality.handover import handover_report
from tests.audit.conftest import World

BAR = re.compile(r"M(\d+) (\d+)h(\d+)v(\d+)h-\d+Z")


def test_a_scanned_checkpoint_verifies_the_log(world: World) -> None:
    """The code is read back as the signed checkpoint, byte for byte, and the log fits it."""
    note = world.records.last_checkpoint().note
    drawn = checkpoint_code(note)
    picture = Image.new("L", (drawn.side * 4, drawn.side * 4), 255)
    for x, y, width, height in (map(int, bar) for bar in BAR.findall(drawn.path)):
        corner = ((x + width) * 4 - 1, (y + height) * 4 - 1)
        ImageDraw.Draw(picture).rectangle(((x * 4, y * 4), corner), fill=0)
    (read,) = zxingcpp.read_barcodes(picture)
    assert read.text.encode() == note
    assert world.verify(read.text.encode()).good


def test_the_shift_signs_the_checkpoint(world: World) -> None:
    """Both signatures of a handover are over the newest checkpoint, too."""
    report = handover_report(world.records, open_printer(f"file:{world.folder}"), utc_now())
    assert open_note(report["log"]["checkpoint"].encode(), world.key.spki).size == report["log"]["entries"]
