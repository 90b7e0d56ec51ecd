"""Check characters of serial numbers: a number that was mistyped or misread is refused by itself (ISO 7064 MOD 37,36).

Any one wrong character and nearly every swap of neighbours is found. Hyphens don't count: people leave them out.
"""

from stdnum.iso7064 import mod_37_36

from station.identifiers.equality import shown

MOD_37_36 = "mod37-36"
"""Name of the only check character there is; a work order without one has an empty name."""
CONFUSABLE = frozenset("IOQU")
"""Letters that people take for 1, 0 or V; a stem that is typed by hand has none of them."""


def serial_with_check(stem: str) -> str:
    """Return a serial number with its check character at the end.

    The check character may be any of the 36: one that is misread is found like every other.

    Args:
        stem: Capital letters, digits and hyphens.

    Raises:
        ValueError: The stem has other characters, or letters that people confuse with digits.
    """
    confusable = sorted(CONFUSABLE & set(stem))
    if confusable:
        raise ValueError(f"'{shown(stem)}' has letters that are confused with digits: {', '.join(confusable)}")
    return stem + mod_37_36.calc_check_digit(_counted(stem))


def check_serial(serial: str) -> str:
    """Return why a serial number with a check character can't be right, in one sentence, or nothing."""
    try:
        fits = mod_37_36.is_valid(_counted(serial))
    except ValueError:
        fits = False
    return "" if fits else f"{shown(serial)} does not fit its check character: it is mistyped or misread."


def _counted(text: str) -> str:
    counted = text.replace("-", "")
    if not (counted.isascii() and counted.isalnum() and counted == counted.upper()):
        raise ValueError(f"'{shown(text)}' is not made of capital letters, digits and hyphens")
    return counted
