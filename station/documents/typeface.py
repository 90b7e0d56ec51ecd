"""The typeface of our documents, and what it can print.

Roboto comes with the packages, so that a document looks the same from every station. It has Latin, Greek and Cyrillic;
text in another writing is refused with a sentence: boxes, or Arabic letters that do not join, would be a wrong name.
"""

import unicodedata
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

from station.errors import StationError

REGULAR, MEDIUM, BOLD, LIGHT = "Roboto-Regular", "Roboto-Medium", "Roboto-Bold", "Roboto-Light"
INVISIBLE = frozenset({"Cc", "Cf", "Co", "Cs", "Mn", "Me"})
"""Unicode categories of what is not seen, or would stand on another letter."""
LONGEST_SHOWN = 40
"""Characters of a refused text that its refusal repeats."""


@cache
def typeface() -> frozenset[str]:
    """Load the typeface and return the characters that it prints in every weight."""
    folder = files("font_roboto") / "files"
    fonts = [TTFont(name, str(folder / f"{name}.ttf")) for name in (REGULAR, MEDIUM, BOLD, LIGHT)]
    for font in fonts:
        pdfmetrics.registerFont(font)
    shared = frozenset.intersection(*(frozenset(map(chr, font.face.charToGlyph)) for font in fonts))
    return frozenset(char for char in shared if unicodedata.category(char) not in INVISIBLE)


def demand_printable(texts: Iterable[str], document: str) -> None:
    """Refuse text that the typeface can't print rightly.

    Raises:
        StationError: A character is missing or invisible; the message names it and the text.
    """
    for text in texts:
        missing = set(printable(text)) - typeface()
        if missing:
            first = next(char for char in printable(text) if char in missing)
            name = unicodedata.name(first, f"U+{ord(first):04X}")
            raise StationError(
                f"{document}: '{_shortened(text)}' can't be printed: the typeface has no {name}",
                hint="Write the name in Latin, Greek or Cyrillic letters.",
            )


def printable(text: str) -> str:
    """Return text in the form that is printed: composed accents, one space for each run of white space."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def _shortened(text: str) -> str:
    shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return shown if len(shown) <= LONGEST_SHOWN else shown[: LONGEST_SHOWN - 1] + "…"
