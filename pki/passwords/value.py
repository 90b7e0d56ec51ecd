"""A password in memory: it shows itself to nobody who does not ask for it by name."""

import hmac
from typing import NoReturn


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
