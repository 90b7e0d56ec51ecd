"""Tokens of other programs: kept as hashes, each with what it may read and how long; never removed (F-K1)."""

import re
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select

from station.clock import iso, utc_now
from station.errors import ConfigError
from station.records import tables
from station.records.holds import note
from station.records.orders import Section, value
from station.records.quality_rows import check_reason

PROGRAM = re.compile(r"[a-z0-9][a-z0-9-]{1,39}")


@dataclass(frozen=True)
class TokenRow:
    """A program that may read, or might until its token was revoked."""

    id: str
    """Short name of the program."""
    sha256: str = field(repr=False)
    scopes: tuple[str, ...]
    created_at: datetime
    created_by: str
    until: datetime
    revoked_at: datetime | None
    revoked_by: str
    reason: str
    """Why it was revoked."""

    def valid(self, now: datetime) -> bool:
        """Tell whether the token counts."""
        return self.revoked_at is None and now < self.until


@dataclass(frozen=True)
class NewToken:
    """A token that is to be kept."""

    id: str
    sha256: str = field(repr=False)
    scopes: tuple[str, ...]
    until: datetime

    def __post_init__(self) -> None:
        """Refuse a name that nobody could type again."""
        if not PROGRAM.fullmatch(self.id):
            message = f"'{self.id[:60]}' is no name of a program: 2 to 40 small letters, digits and hyphens"
            raise ConfigError(message, hint="Choose another name.")


class Tokens(Section):
    """Who may read over HTTP without being a person."""

    def add_token(self, token: NewToken, who: str) -> TokenRow:
        """Keep a token's hash.

        Raises:
            ConfigError: There is, or was, a token of this name.
        """
        with self.database.write() as session:
            if session.get(tables.ApiToken, token.id) is not None:
                message = f"there is a token '{token.id}' already, or was"
                raise ConfigError(message, hint="Choose another name, so that the record can tell them apart.")
            row = tables.ApiToken(
                **vars(token), created_at=utc_now(), created_by=who, revoked_at=None, revoked_by="", reason=""
            )
            session.add(row)
            body = {"scopes": list(token.scopes), "until": iso(token.until)}
            note(self.database, session, "token-created", token.id, who, body)
            return _row(row)

    def revoke_token(self, name: str, reason: str, who: str) -> TokenRow:
        """End a token now; one that ended before stays as it is.

        Raises:
            ConfigError: There is no such token, or the reason is too short or too long.
        """
        check_reason(reason)
        with self.database.write() as session:
            row = session.get(tables.ApiToken, name)
            if row is None:
                raise ConfigError(f"there is no token '{name[:60]}'", hint="See 'station token list'.")
            if row.revoked_at is None:
                row.revoked_at, row.revoked_by, row.reason = utc_now(), who, reason.strip()
                note(self.database, session, "token-revoked", name, who, {"reason": row.reason})
            return _row(row)

    def tokens(self) -> tuple[TokenRow, ...]:
        """List all tokens that there ever were, by name."""
        with self.database.read() as session:
            return tuple(_row(row) for row in session.scalars(select(tables.ApiToken).order_by(tables.ApiToken.id)))

    def token(self, sha256: str) -> TokenRow | None:
        """Return the token of a hash, also one that counts no longer."""
        with self.database.read() as session:
            found = session.scalar(select(tables.ApiToken).filter_by(sha256=sha256))
            return None if found is None else _row(found)


def _row(row: tables.ApiToken) -> TokenRow:
    return value(TokenRow, row, scopes=tuple(row.scopes))
