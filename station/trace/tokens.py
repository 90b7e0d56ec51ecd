"""Tokens by which other programs read: made once, shown once, kept as a hash, good for what they were made for."""

import secrets
from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from hashlib import sha256

from station.clock import utc_now
from station.errors import ConfigError
from station.records import NewToken, Records, TokenRow

PREFIX = "cst_"
"""By which people, and programs that look for leaked secrets, know what they see."""
SECRET_BYTES = 32
LONGEST_TOKEN = 100
MOST_DAYS = 731


class Scope(StrEnum):
    """What a token may be good for."""

    SEARCH = "search"
    UNITS = "units"
    RECALL = "recall"
    EXPORTS = "exports"
    """Files that people, or a schedule, had made."""


def new_token(records: Records, name: str, scopes: Sequence[Scope], days: int, who: str) -> str:
    """Make a token for a program and return it; only its hash is kept.

    Raises:
        ConfigError: There is, or was, a token of this name; it has no scope, or would live too long.
    """
    if not scopes or not 1 <= days <= MOST_DAYS:
        message = f"a token is good for something, and for 1 to {MOST_DAYS} days"
        raise ConfigError(message, hint="Name a scope and a number of days.")
    token = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    until = utc_now() + timedelta(days=days)
    records.add_token(NewToken(name, _hash(token), tuple(sorted({scope.value for scope in scopes})), until), who)
    return token


def program_of(records: Records, token: str) -> TokenRow | None:
    """Return the program that shows a token, or None for one that counts no longer, or never did.

    The hash of a random number of 256 bits is looked up, so how long that takes tells nothing of others.
    """
    if not token.startswith(PREFIX) or len(token) > LONGEST_TOKEN:
        return None
    row = records.token(_hash(token))
    return row if row is not None and row.valid(utc_now()) else None


def _hash(token: str) -> str:
    return sha256(token.encode()).hexdigest()
