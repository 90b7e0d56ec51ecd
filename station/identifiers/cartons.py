"""Numbers of cartons: the Serial Shipping Container Code (GS1 General Specifications, 3.2.1)."""

import re
from dataclasses import dataclass

from stdnum import ean

DIGITS = re.compile(r"[0-9]{18}")


@dataclass(frozen=True)
class CartonBlock:
    """Numbers of cartons that this station gives, behind its company prefix; no other station has any of them."""

    prefix: str = ""
    """GS1 company prefix, 4 to 12 digits; empty for a station that gives no numbers."""
    extension: int = 0
    first: int = 1
    last: int = 0

    def __post_init__(self) -> None:
        """Refuse a block whose numbers don't fit behind the prefix."""
        if not self.prefix:
            return
        if not (self.prefix.isascii() and self.prefix.isdecimal() and 4 <= len(self.prefix) <= 12):
            raise ValueError("prefix: a GS1 company prefix has 4 to 12 digits")
        if not 0 <= self.extension <= 9:
            raise ValueError("extension must be 0 to 9")
        if not 0 < self.first <= self.last < 10 ** (16 - len(self.prefix)):
            raise ValueError(f"first and last: 1 to {10 ** (16 - len(self.prefix)) - 1}, and first not behind last")


def sscc(prefix: str, number: int, extension: int = 0) -> str:
    """Return the code of a carton with its check digit, 18 digits.

    Args:
        prefix: GS1 company prefix, 4 to 12 digits.
        number: Number of the carton within the prefix.
        extension: 0 to 9, free for the company.

    Raises:
        ValueError: The number does not fit behind the prefix.
    """
    digits = f"{extension}{prefix}{number:0{max(16 - len(prefix), 0)}d}"
    if len(digits) != 17 or not digits.isascii() or not digits.isdecimal():
        raise ValueError(f"carton {number} does not fit behind the GS1 company prefix '{prefix[:20]}'")
    return digits + str(ean.calc_check_digit(digits))


def is_sscc(text: str) -> bool:
    """Tell whether a text is such a code, with the right check digit."""
    return DIGITS.fullmatch(text) is not None and str(ean.calc_check_digit(text[:17])) == text[17]
