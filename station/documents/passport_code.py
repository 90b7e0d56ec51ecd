"""The code on a passport: a GS1 Digital Link where the product has a GTIN, else the passport's own code.

A link leads to the maker, names product and serial number, and satisfies IEC 61406-1 as well. It tells a stranger
nothing that the outside of the charger does not.
"""

import hashlib
import re
from typing import Any

from station.errors import StationError

GTIN = re.compile(r"[0-9]{8}(?:[0-9]{4,6})?\Z")
"""8, 12, 13 or 14 digits; checked with `gtin14`."""
LONGEST_SERIAL = 20
"""Characters of AI 21 (GS1 General Specifications, 3.5.2)."""


def passport_code(serial: str, passport_json: bytes) -> str:
    """Return the passport's own code, not to be taken for a unit label: `DPP:<serial>:<JSON's SHA-256>`."""
    return f"DPP:{serial}:{hashlib.sha256(passport_json).hexdigest().upper()}"


def code_of(passport: dict[str, Any], passport_json: bytes, resolver: str) -> str:
    """Return the text of the QR code.

    Raises:
        StationError: The GTIN is wrong.
    """
    unit = passport["unit"]
    if "gtin" in unit and len(unit["serial"]) <= LONGEST_SERIAL:
        return f"{resolver}/01/{gtin14(unit['gtin'])}/21/{unit['serial']}"
    return passport_code(unit["serial"], passport_json)


def gtin14(gtin: str) -> str:
    """Return a GTIN in its 14-digit form, once its check digit was computed again.

    Raises:
        StationError: It has another length, or its check digit is wrong.
    """
    digits = gtin.zfill(14)
    if not GTIN.match(gtin) or check_digit(digits[:13]) != digits[13]:
        raise StationError(f"'{gtin}' is no GTIN: its length or check digit is wrong", hint="Correct the product.")
    return digits


def check_digit(digits: str) -> str:
    """Return the GS1 check digit that belongs behind these digits (General Specifications, 7.9.1)."""
    weighted = (int(digit) * (1 if place % 2 else 3) for place, digit in enumerate(reversed(digits)))
    return str(-sum(weighted) % 10)
