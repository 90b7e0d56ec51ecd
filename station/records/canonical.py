"""The one form in which facts are stored: RFC 8785 canonical JSON, so that bytes can be hashed, signed and compared."""

from typing import Any

import rfc8785

MOST_BYTES = 65_536
"""Largest JSON value of one row."""
LONGEST_TEXT = 1_000
"""Longest sentence of one row, in characters."""


def canonical(value: Any) -> bytes:
    """Return the RFC 8785 bytes of a JSON value.

    Raises:
        ValueError: The value is no JSON (also NaN and integers beyond 2^53), or larger than `MOST_BYTES`.
    """
    content = rfc8785.dumps(value)
    if len(content) > MOST_BYTES:
        raise ValueError(f"the value takes {len(content)} bytes as JSON; {MOST_BYTES} are allowed")
    return content


def sentence(text: str) -> str:
    """Cut a text that may quote a device or a network answer to one bounded line without control characters."""
    clean = "".join(character if character.isprintable() else " " for character in text[:LONGEST_TEXT])
    return clean.strip()
