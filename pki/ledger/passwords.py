"""Passwords of units: what recognises each and what only its recipient can open; never the password."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, func, insert, select

from pki.errors import RequestRefused
from pki.ledger.database import Database, Fact, now
from pki.ledger.tables import PasswordRow


@dataclass(frozen=True)
class PasswordOwner:
    """Whose password it is: a unit, in one environment, of one kind."""

    unit: str
    environment: str
    kind: str


_MARK = PasswordOwner("", "", "")
"""Owner of the one row that holds the mark of the hash's key."""


@dataclass(frozen=True)
class NewPassword:
    """A password about to be entered, as its owner's next version."""

    owner: PasswordOwner
    version: int
    encoding: str
    digest: str
    """Keyed hash of what must be unique, hexadecimal."""
    sealed: bytes
    recipient: str
    """SHA-256 of the recipient's certificate, hexadecimal."""


@dataclass(frozen=True)
class PasswordRecord(NewPassword):
    """A password as it was entered."""

    at: str


@dataclass(frozen=True)
class HashMark:
    """By what a hash's key is recognised."""

    place: str
    """Where the key is, in words."""
    digest: str
    """What it makes of a constant, hexadecimal."""


class PasswordRows(Database):
    """Passwords by owner and version; a digest is there once, over all units and environments."""

    def password(self, owner: PasswordOwner) -> PasswordRecord | None:
        """Return the newest password of an owner."""
        with self.reading() as connection:
            return _newest(connection, owner)

    def passwords(self, recipient: str) -> list[PasswordRecord]:
        """Return every password that is sealed for a recipient, oldest first."""
        wanted = _select().where(PasswordRow.recipient == recipient).order_by(PasswordRow.id)
        with self.reading() as connection:
            return [_record(row) for row in connection.execute(wanted)]

    def add_password(self, new: NewPassword, reason: str, **facts: Fact) -> PasswordRecord | None:
        """Enter a password; None, and nothing is entered, if another version or the same digest came first.

        Raises:
            RequestRefused: The owner has one already, and no reason is given for the next.
        """
        owner = new.owner
        with self.writing() as connection:
            before = _newest(connection, owner)
            if before and not reason:
                has = f"{owner.unit} has a {owner.environment} {owner.kind} password, version {before.version}, already"
                raise RequestRefused(has, hint="Hand it over again, or give a reason for a new one.")
            if new.version != (before.version if before else 0) + 1 or _taken(connection, new.digest):
                return None
            made = _insert(connection, new)
            told: dict[str, Fact] = {
                "kind": owner.kind,
                "version": new.version,
                "recipient": new.recipient,
                "reason": reason,
            }
            self.audit(connection, "password-made", owner.unit, environment=owner.environment, **told, **facts)
        return made

    def hash_mark(self, make: Callable[[], HashMark]) -> HashMark:
        """Return what tells the key of this ledger's hash; the first time, what `make` returns, once for everybody."""
        with self.reading() as connection:
            found = _newest(connection, _MARK)
        if found is None:
            with self.writing() as connection:
                found = _newest(connection, _MARK) or self._adopt(connection, make())
        return HashMark(found.encoding, found.digest)

    def _adopt(self, connection: Connection, mark: HashMark) -> PasswordRecord:
        self.audit(connection, "password-hash-adopted", mark.place, digest=mark.digest)
        return _insert(connection, NewPassword(_MARK, 1, mark.place, mark.digest, b"", ""))

    def password_faults(self) -> list[str]:
        """Return which passwords are shared, one sentence each, read anew from every row (F-D6)."""
        units = func.group_concat(PasswordRow.unit, ", ")
        shared = select(units).group_by(PasswordRow.digest).having(func.count() > 1)
        with self.reading() as connection:
            return [f"one password for {units}" for units in connection.scalars(shared)]


_FIELDS = ("version", "encoding", "digest", "sealed", "recipient", "at")


def _select() -> Select[Any]:
    return select(
        PasswordRow.unit, PasswordRow.environment, PasswordRow.kind, *(getattr(PasswordRow, name) for name in _FIELDS)
    )


def _newest(connection: Connection, owner: PasswordOwner) -> PasswordRecord | None:
    row = connection.execute(_select().filter_by(**vars(owner)).order_by(PasswordRow.version.desc()).limit(1)).first()
    return _record(row) if row else None


def _record(row: Row[Any]) -> PasswordRecord:
    unit, environment, kind, *rest = tuple(row)
    return PasswordRecord(PasswordOwner(unit, environment, kind), *rest)


def _taken(connection: Connection, digest: str) -> bool:
    return connection.scalar(select(PasswordRow.id).where(PasswordRow.digest == digest)) is not None


def _insert(connection: Connection, new: NewPassword) -> PasswordRecord:
    made = PasswordRecord(**vars(new), at=now())
    values = {name: getattr(made, name) for name in _FIELDS}
    connection.execute(insert(PasswordRow).values(**vars(new.owner), **values))
    return made
