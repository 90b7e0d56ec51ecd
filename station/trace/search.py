"""What somebody typed or scanned, looked up in every way in which the records may keep it (F-I6)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from station.errors import ConfigError
from station.identifiers import Kind, parse
from station.records import Found, Records

LONGEST = 128
MOST, USUAL = 200, 50
"""Hits that are returned at most, and where nobody says how many."""
SEPARATORS = re.compile(r"[:.\- *]")


@dataclass(frozen=True)
class Answer:
    """What was found."""

    text: str
    hits: tuple[Found, ...]
    more: bool
    """Whether there is more than is returned."""

    @property
    def unit(self) -> str:
        """Return the serial number of the one unit that bears exactly this and still does, or nothing."""
        exact = {hit.unit for hit in self.hits if hit.exact and not hit.ended}
        return exact.pop() if len(exact) == 1 else ""


def look_up(records: Records, text: str, limit: int = USUAL) -> Answer:
    """Find units and orders by a text: a serial number, an identifier, a part, a lot, a certificate, a label, an order.

    Raises:
        ConfigError: The text is empty, too long, or has characters that no code has.
        ServiceError: The records can't be read.
    """
    clean = text.strip()
    if not clean or len(clean) > LONGEST or not clean.isprintable():
        message = f"what is looked for must be 1 to {LONGEST} printable characters"
        raise ConfigError(message, hint="Scan or type one number, or how it begins.")
    most = min(limit, MOST)
    hits = records.find(forms(clean), most + 1)
    return Answer(clean, hits[:most], len(hits) > most)


def forms(text: str) -> tuple[str, ...]:
    """Return the ways in which a number may be kept: as it is, in capitals, without separators, as its kind has it."""
    return tuple(dict.fromkeys(_forms(text)))


def _forms(text: str) -> Iterator[str]:
    yield text
    yield text.upper()
    packed = SEPARATORS.sub("", text)
    yield from (packed.upper(), packed.lower()) if packed else ()
    for kind in Kind:
        try:
            yield parse(kind, text, strict=False).value
        except ValueError:
            continue
