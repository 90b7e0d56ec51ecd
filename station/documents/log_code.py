"""The newest checkpoint of the audit log as a QR code, which leaves the station with whoever takes a picture of it."""

import re
from dataclasses import dataclass

import zxingcpp

PATH = re.compile(r'<svg width="(\d+)".*<path d="([MmHhVvZz0-9 -]+)"', re.DOTALL)


@dataclass(frozen=True)
class DrawnCode:
    """A code as one path, to be filled in black on white."""

    side: int
    """Modules of the square, with its quiet zone."""
    path: str
    """What SVG calls the data of a path."""


def checkpoint_code(note: bytes) -> DrawnCode:
    """Draw a signed checkpoint: whoever scans it has all that `station audit verify --from` needs.

    Raises:
        RuntimeError: It can't be drawn.
    """
    drawn = zxingcpp.create_barcode(note.decode(), zxingcpp.BarcodeFormat.QRCode, ec_level="L")
    found = PATH.search(drawn.to_svg(add_quiet_zones=True))
    if found is None:
        raise RuntimeError("the code of a checkpoint has no path")
    return DrawnCode(int(found[1]), found[2])
