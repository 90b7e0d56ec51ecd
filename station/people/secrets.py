"""PINs, badges and one-time codes: how they are made, which are too easy, and how they are kept.

Only argon2id hashes are kept. A PIN has few digits, so its hash only slows down whoever stole the database; what keeps
a thief of a badge out is the limit of attempts in `station.people.sign_in`.
"""

import re
import secrets
import threading
from datetime import date

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

PIN = re.compile(r"[0-9]{4,8}")
BADGE = re.compile(r"BG-[A-Z0-9]{4,24}")
LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: nothing in it is read as something else."""
CODE_LETTERS, BADGE_LETTERS = 12, 10
"""Characters of a one-time code (60 bits) and of a badge (50 bits)."""
KEYPAD = ("2580", "0852", "1397", "1379", "2468", "8642", "1357", "7531", "1470", "3690", "159753")
"""Paths over a keypad that are tried first."""
LOOPS = ("01234567890123456789", "98765432109876543210")

# OWASP's second choice for argon2id: 19 MiB, two passes, one lane; about 30 ms on a station's computer.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_NOBODY = _HASHER.hash(secrets.token_hex(16))
_ONE_AT_A_TIME = threading.Lock()


def new_badge() -> str:
    """Return the code of a new badge."""
    return "BG-" + _letters(BADGE_LETTERS)


def new_code() -> str:
    """Return a one-time code, in groups of four as it is read out."""
    text = _letters(CODE_LETTERS)
    return "-".join(text[start : start + 4] for start in range(0, CODE_LETTERS, 4))


def plain_code(text: str) -> str:
    """Return a one-time code as it is hashed, however its reader typed it."""
    letters = text.upper().translate(str.maketrans("OIL", "011", " -"))
    return letters[: 2 * CODE_LETTERS]


def hashed(secret: str) -> str:
    """Return the argon2id hash of a PIN or code."""
    with _ONE_AT_A_TIME:
        return _HASHER.hash(secret)


def matches(kept: str, secret: str) -> bool:
    """Tell whether a secret is the one that was hashed; takes as long where nothing is kept."""
    try:
        with _ONE_AT_A_TIME:
            return _HASHER.verify(kept or _NOBODY, secret) and bool(kept)
    except (Argon2Error, InvalidHashError):
        return False


def why_not_a_pin(pin: str) -> str:
    """Return why a PIN can't be chosen, as one sentence, or nothing."""
    if not PIN.fullmatch(pin):
        return "A PIN has 4 to 8 digits."
    if _repeats(pin) or any(pin in loop for loop in LOOPS) or pin in KEYPAD:
        return "This PIN is too easy: it repeats, counts or follows the keypad."
    if _is_year(pin) or _is_date(pin):
        return "This PIN is too easy: it is a year or a date."
    return ""


def _letters(number: int) -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(number))


def _repeats(pin: str) -> bool:
    """Tell whether a PIN is one part again and again, such as 7777, 1212 or 123123, or the same from both ends."""
    parts = (pin[:size] for size in range(1, len(pin) // 2 + 1) if len(pin) % size == 0)
    return any(part * (len(pin) // len(part)) == pin for part in parts) or len(set(pin)) < 3 or pin == pin[::-1]


def _is_year(pin: str) -> bool:
    return len(pin) == 4 and pin[:2] in ("19", "20")


def _is_date(pin: str) -> bool:
    """Tell whether 6 or 8 digits are a day of somebody's life, in any usual order."""
    if len(pin) == 8:
        orders = ((pin[:4], pin[4:6], pin[6:]), (pin[4:], pin[2:4], pin[:2]), (pin[4:], pin[:2], pin[2:4]))
        return any(year[:2] in ("19", "20") and _is_day(year, month, day) for year, month, day in orders)
    if len(pin) == 6:
        orders = ((pin[:2], pin[2:4], pin[4:]), (pin[4:], pin[2:4], pin[:2]), (pin[4:], pin[:2], pin[2:4]))
        return any(_is_day("20" + year, month, day) for year, month, day in orders)
    return False


def _is_day(year: str, month: str, day: str) -> bool:
    try:
        date(int(year), int(month), int(day))
    except ValueError:
        return False
    return True
