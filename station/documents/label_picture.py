"""Labels as pictures, and what a scanner reads from them: how a label is proven before it is sent, shown or put on PDF.

The renderer's own copy of Zebra's font 0 ends with ASCII. A field with other characters is therefore drawn in a
stand-in typeface of about the same width; a real printer draws it in font 0.
"""

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import BytesIO

import zplkit
import zxingcpp
from PIL import Image, ImageOps

from station.errors import ConfigError

RESOLUTIONS = {203: 8, 300: 12}
"""Dots per inch, as printers are sold -> dots per millimetre, as they print."""
STAND_IN = "E:STANDIN.TTF"
STAND_IN_WIDTH = 0.74
"""Width of the stand-in typeface that gives the advance of font 0."""
SPILL = 64
"""Dots beyond the right and lower edge in which is looked for what a printer would cut off."""
DEFAULT_SIZE = (800, 480)
"""Dots of a label that does not tell its size: 100 x 60 mm at 203 dpi."""
MAX_DOTS = 4000
"""Longest side of a label."""
CORRECT = "Correct the label template."
POINTS_PER_MM = 72 / 25.4
SYMBOLS = ("QRCode", "Code128", "DataMatrix")
"""What labels have; in pictures of text a reader of every symbol now and then sees an EAN that nobody printed."""

_TEXT = re.compile(rb"\^A0N,(\d+),(\d+)((?:\^FH_)?\^FD)")
_FOREIGN = re.compile(rb"\^A0N,(\d+),(\d+)(\^FH_\^FD[^^]*_[89A-F][0-9A-F])")
_SIZE = {name: re.compile(rb"\^%b(\d{1,5})" % name) for name in (b"PW", b"LL")}


@dataclass(frozen=True)
class Picture:
    """A label as it comes out of a printer, one pixel a dot."""

    image: Image.Image
    """Grey, of the label's size."""
    spilled: bool
    """Whether something would be printed beyond its edges, where a printer cuts it off."""

    def codes(self) -> list[str]:
        """Return the text of every code that a scanner finds, of the kinds that labels have."""
        return _read(self.image, *SYMBOLS)

    def png(self) -> bytes:
        """Return the picture as PNG."""
        written = BytesIO()
        self.image.convert("1", dither=Image.Dither.NONE).save(written, "PNG", optimize=False)
        return written.getvalue()


def draw(zpl: bytes, *, printed: bool = True) -> Picture:
    """Draw one label.

    Args:
        zpl: The label.
        printed: As a label printer does, in font 0; else every text is in the typeface of our documents.

    Raises:
        ConfigError: It is no ZPL that a printer would print.
    """
    width, height = size_of(zpl)
    drawn, changes = (_FOREIGN if printed else _TEXT).subn(_stand_in, zpl)
    for pattern in _SIZE.values():
        drawn = pattern.sub(b"", drawn)
    options = zplkit.Options(profile="specification", width=width + SPILL, height=height + SPILL, dpi=203)
    try:
        raster = zplkit.render(_typeface() + drawn if changes else drawn, options).labels[-1].rasterize()
    except (ValueError, IndexError) as error:
        raise ConfigError(f"the label can't be drawn: {error}", hint=CORRECT) from error
    whole = Image.frombytes("L", (raster.width, raster.height), raster.pixels)
    box = ImageOps.invert(whole).getbbox() or (0, 0, 0, 0)
    return Picture(whole.crop((0, 0, width, height)), box[2] > width or box[3] > height)


def size_of(zpl: bytes) -> tuple[int, int]:
    """Return width and height of a label in dots, as it tells them.

    Raises:
        ConfigError: It has no area, or a side is longer than any label.
    """
    found = (pattern.search(zpl) for pattern in _SIZE.values())
    width, height = (int(match[1]) if match else usual for match, usual in zip(found, DEFAULT_SIZE, strict=True))
    if not (0 < width <= MAX_DOTS and 0 < height <= MAX_DOTS):
        raise ConfigError(f"a label of {width} x {height} dots is none", hint="Correct the label template.")
    return width, height


def read_codes(picture: bytes) -> list[str]:
    """Return the text of every code that a scanner finds on a PNG picture."""
    with Image.open(BytesIO(picture)) as image:
        return _read(image.convert("L"), "AllReadable")


def label_pdf(zpl: bytes, dpi: int = 203) -> bytes:
    """Return a label as PDF: one page of its size, its texts in the typeface of our documents, its codes read back.

    Args:
        zpl: One label.
        dpi: The resolution that it was rendered for.

    Raises:
        ConfigError: It is no ZPL that a printer would print, or its codes can't be read in this typeface.
    """
    from reportlab.lib.utils import ImageReader
    from reportlab.pdfgen.canvas import Canvas

    picture = draw(zpl, printed=False)
    if picture.spilled or sorted(picture.codes()) != sorted(draw(zpl).codes()):
        raise ConfigError("the label can't be set as PDF: something is beyond its edge or over a code", hint=CORRECT)
    image = picture.image.convert("1", dither=Image.Dither.NONE)
    width, height = (side / RESOLUTIONS[dpi] * POINTS_PER_MM for side in image.size)
    written = BytesIO()
    canvas = Canvas(written, pagesize=(width, height), invariant=1, pageCompression=1)
    canvas.setTitle("Label")
    canvas.drawImage(ImageReader(image), 0, 0, width, height)
    canvas.save()
    return written.getvalue()


def _read(image: Image.Image, *symbols: str) -> list[str]:
    # Made anew each time: one that outlives the interpreter is reported as a leak when a process ends.
    formats = zxingcpp.BarcodeFormats([getattr(zxingcpp.BarcodeFormat, name) for name in symbols])
    found = zxingcpp.read_barcodes(image, formats=formats, text_mode=zxingcpp.TextMode.Plain)
    return [code.text for code in found]


def _stand_in(field: re.Match[bytes]) -> bytes:
    """Return the field's commands with font 0 replaced."""
    width = round(int(field[2]) * STAND_IN_WIDTH)
    return b"^A@N,%b,%d,%b%b" % (field[1], width, STAND_IN.encode(), field[3])


@cache
def _typeface() -> bytes:
    """Return the download command of the stand-in typeface, the one of our documents."""
    font = (files("font_roboto") / "files" / "Roboto-Bold.ttf").read_bytes()
    return b"~DYE:STANDIN,B,T,%d,,%b" % (len(font), font)
