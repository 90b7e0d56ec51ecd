"""A password in memory: it shows itself to nobody who does not ask for it by name."""

import hmac
import os
import re
from collections.abc import Iterator
from hashlib import sha256
from typing import NoReturn

_BEGINNING = 2
"""Characters of a password that are kept in clear to find it quickly: 12 of its bits or so."""


class Password:
    """A clear password; printing, formatting, logging or pickling it gives nothing away."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the password; call it where it is written, sealed or hashed, and nowhere else."""
        return self._text

    def hexadecimal(self) -> str:
        """Return it as OCPP 1.6 sends an AuthorizationKey: each byte as two digits."""
        return self._text.encode("ascii").hex()

    def __repr__(self) -> str:
        """Return a word in its place."""
        return "Password(hidden)"

    def __eq__(self, other: object) -> bool:
        """Compare in a time that does not depend on where they differ."""
        return isinstance(other, Password) and hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        """Refuse: a hash of a clear password is for no table."""
        raise TypeError("a password has no hash")

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied."""
        raise TypeError("a password is not for storing")


class Verifier:
    """What recognises a long password without holding it: a salted hash, for the memory of one process.

    No slow hash: what it is for was drawn with at least 80 bits, so there is nothing to guess.
    """

    __slots__ = ("_beginning", "_digest", "_salt", "_size")

    def __init__(self, password: Password) -> None:
        self._salt = os.urandom(32)
        self._size = len(password.reveal())
        self._digest = self._hash(password.reveal())
        self._beginning = password.reveal()[:_BEGINNING].encode()

    def matches(self, text: str) -> bool:
        """Tell whether this is the password, in a time that does not depend on where it differs."""
        return hmac.compare_digest(self._hash(text), self._digest)

    def hide(self, text: str, mark: str) -> str:
        """Return a text with `mark` in place of the password, wherever it stands in it, also in hexadecimal."""
        for found in {*self._plain(text), *self._hexadecimal(text)}:
            text = text.replace(found, mark)
        return text

    def __repr__(self) -> str:
        """Return a word in its place."""
        return "Verifier(hidden)"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied."""
        raise TypeError("a verifier is not for storing")

    def _plain(self, text: str) -> Iterator[str]:
        for run in re.findall(f"[0-9A-Za-z_-]{{{self._size},}}", text):
            yield from (run[start : start + self._size] for start in self._found(run.encode()))

    def _hexadecimal(self, text: str) -> Iterator[str]:
        for run in re.findall(f"[0-9A-Fa-f]{{{2 * self._size},}}", text):
            for odd in (0, 1):
                digits = run[odd : len(run) - (len(run) - odd) % 2]
                places = (2 * start for start in self._found(bytes.fromhex(digits)))
                yield from (digits[start : start + 2 * self._size] for start in places)

    def _found(self, data: bytes) -> Iterator[int]:
        """Yield where the password stands; its beginning first, as foreign text may be long and a hash is slow."""
        start = data.find(self._beginning)
        while start >= 0:
            if self.matches(data[start : start + self._size].decode("latin-1")):
                yield start
            start = data.find(self._beginning, start + 1)

    def _hash(self, text: str) -> bytes:
        return sha256(self._salt + text.encode(errors="surrogateescape")).digest()
