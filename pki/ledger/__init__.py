"""Every key, certificate, revocation and password this factory ever made, in a file of the PKI's own.

Rows are only ever added, and every privileged act stands in the audit chain of the same transaction.
"""

import sqlite3
from pathlib import Path

from sqlalchemy import insert, select
from sqlalchemy.exc import SQLAlchemyError

from pki.errors import PkiError
from pki.ledger.database import Database, connect
from pki.ledger.enrolments import Enrolment, Enrolments
from pki.ledger.keys import Keys, NewKey
from pki.ledger.passwords import PasswordOwner, PasswordRows
from pki.ledger.quotas import Quota, QuotaKey
from pki.ledger.records import ClaimRecord, KeyRecord, Owner, Version
from pki.ledger.revocations import Reason, Revocation
from pki.ledger.tables import SCHEMA_VERSION, Base, EventKind, SchemaRow

__all__ = [
    "ClaimRecord",
    "Database",
    "Enrolment",
    "EventKind",
    "KeyRecord",
    "Ledger",
    "NewKey",
    "Owner",
    "PasswordOwner",
    "Quota",
    "QuotaKey",
    "Reason",
    "Revocation",
    "Version",
    "create_ledger",
    "open_ledger",
]


class Ledger(Keys, Enrolments, PasswordRows):
    """The open ledger file; safe from many threads and processes."""


def create_ledger(path: Path) -> None:
    """Create an empty ledger where there is none."""
    if not path.exists():
        part = path.with_suffix(".part")
        part.unlink(missing_ok=True)
        engine = connect(part)
        Base.metadata.create_all(engine)
        with engine.begin() as connection:
            connection.execute(insert(SchemaRow).values(version=SCHEMA_VERSION))
        engine.dispose()
        part.rename(path)


def open_ledger(path: Path, actor: str) -> Ledger:
    """Open the ledger for one actor, who stands in the audit entries of what is done through it.

    A missing ledger is never replaced by an empty one, which would allow everything twice.

    Raises:
        PkiError: The file is missing, of another version, or no ledger.
    """
    if not path.exists():
        raise PkiError(f"the ledger {path} is missing", hint="Restore it from the backup.")
    engine = connect(path)
    try:
        with engine.connect() as connection:
            version = connection.scalar(select(SchemaRow.version))
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise PkiError(f"{path} is no ledger: {getattr(error, 'orig', error)}", hint="Restore the backup.") from error
    if version != SCHEMA_VERSION:
        raise PkiError(f"{path} has schema {version}, this program needs {SCHEMA_VERSION}", hint="Install its version.")
    return Ledger(engine, actor)
