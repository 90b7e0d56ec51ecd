"""A CPMS that imports files: one JSON file per unit in a directory, created whole or not at all."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

from pki.passwords import Password
from station.cpms.contract import Body, Limits, Record
from station.cpms.payload import canonical
from station.cpms.registry import CERTIFICATE, IDENTITY, Occupied, Registry
from station.cpms.wire import parse_record, parse_revocation, parse_withdrawal, safe_number, safe_serial
from station.errors import ConfigError, Service, ServiceError
from station.http import MAX_BYTES, Secret, split_uri

FORMAT = "charger-registration/1"
REVOKED = "revoked-certificate/1"
WITHDRAWN = "withdrawn-registration/1"
LIMITS = Limits(8)


@dataclass(frozen=True)
class Folder:
    """A directory of registrations."""

    directory: Path

    def read(self, serial: str) -> Record | None:
        """Return a record, or None."""
        return _read(self._path(serial))

    def create(self, serial: str, revision: int, body: Body) -> bool:
        """Create the unit's file; an existing one is compared and left alone.

        Raises:
            Occupied: Another registration is there.
            ServiceError: The directory can't be written.
        """
        present = self.read(serial)
        taken = self.holders(IDENTITY, body[IDENTITY]) or self._is_revoked(serial, body)
        if present is None and (taken or self.withdrawal(serial, revision) is not None):
            raise Occupied
        content = {"format": FORMAT, "serial": serial, "revision": revision, "charger": body}
        try:
            if present is None and _create(self._path(serial), canonical(content) + b"\n"):
                return True
        except OSError as error:
            raise _trouble(self.directory, error) from error
        present = self.read(serial)
        if present is None or (present.revision, dict(present.fields)) != (revision, body):
            raise Occupied
        return False

    def entrust(self, serial: str, password: Password) -> None:
        """Keep nothing: a password is no text for files, it travels sealed in the batch."""

    def revocation(self, serial: str, certificate_serial: str) -> Body | None:
        """Return what the directory knows of a revoked certificate, or None."""
        path = self._revocation_path(serial, certificate_serial)
        content = _content(path)
        return None if content is None else parse_revocation(content, str(path))

    def revoke(self, serial: str, certificate_serial: str, body: Body) -> bool:
        """Create the file of a revoked certificate; an existing one is compared and left alone.

        Raises:
            Occupied: Another content is there.
            ServiceError: The directory can't be written.
        """
        path = self._revocation_path(serial, certificate_serial)
        content = {"format": REVOKED, "serial": serial, "certificate_serial": certificate_serial, "revocation": body}
        try:
            path.parent.mkdir(exist_ok=True)
            if _create(path, canonical(content) + b"\n"):
                return True
        except OSError as error:
            raise _trouble(path, error) from error
        if self.revocation(serial, certificate_serial) != body:
            raise Occupied
        return False

    def withdrawal(self, serial: str, revision: int) -> Body | None:
        """Return why a registration was withdrawn, or None."""
        path = self._withdrawal_path(serial, revision)
        content = _content(path)
        return None if content is None else parse_withdrawal(content, str(path))

    def withdraw(self, serial: str, revision: int, body: Body) -> bool:
        """Create the file of a withdrawn registration, then remove the registration; both may be done again.

        Raises:
            Occupied: Another content is there.
            ServiceError: The directory can't be written.
        """
        path = self._withdrawal_path(serial, revision)
        content = {"format": WITHDRAWN, "serial": serial, "revision": revision, "withdrawal": body}
        try:
            path.parent.mkdir(exist_ok=True)
            created = _create(path, canonical(content) + b"\n")
            present = self.read(serial)
            if present is not None and present.revision <= revision:
                self._path(serial).unlink()
                _sync(self.directory)
        except OSError as error:
            raise _trouble(path, error) from error
        if not created and self.withdrawal(serial, revision) != body:
            raise Occupied
        return created

    def holders(self, field: str, value: str) -> tuple[str, ...]:
        """Return the serials that are registered with this identity or certificate."""
        records = [_read(path) for path in sorted(self.directory.glob("*.json"))]
        return tuple(record.serial for record in records if record and _field(record, field) == value)

    def page(self, after: str) -> tuple[str, ...]:
        """Return all serials at once."""
        return () if after else tuple(path.stem for path in sorted(self.directory.glob("*.json")))

    def close(self) -> None:
        """Do nothing: nothing is open."""

    def _is_revoked(self, serial: str, body: Body) -> bool:
        return self.revocation(serial, body["certificate"]["serial_number"]) is not None

    def _withdrawal_path(self, serial: str, revision: int) -> Path:
        return self.directory / "withdrawn" / f"{safe_serial(serial)}.{revision:d}.json"

    def _revocation_path(self, serial: str, certificate_serial: str) -> Path:
        return self.directory / "revoked" / f"{safe_serial(serial)}.{safe_number(certificate_serial)}.json"

    def _path(self, serial: str) -> Path:
        return self.directory / f"{safe_serial(serial)}.json"


def open_folder(uri: str, token: Secret, directory: Path) -> Registry:
    """Open `file:/dir`, or `file:dir` within `directory`; the directory is made if it is missing.

    Raises:
        ConfigError: The URI has no path, or the directory can't be made.
    """
    del token
    parts = split_uri(uri, "environment.cpms")
    if parts.netloc or not parts.path or parts.query or parts.fragment:
        raise ConfigError("environment.cpms: 'file:' takes a directory and nothing else")
    folder = directory / unquote(parts.path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"environment.cpms: {folder}: {error.strerror}") from error
    return Registry(uri, Folder(folder), LIMITS)


def _field(record: Record, field: str) -> Any:
    if field != CERTIFICATE:
        return record.fields.get(field)
    certificate = record.fields.get("certificate")
    return certificate.get("sha256") if isinstance(certificate, dict) else None


def _read(path: Path) -> Record | None:
    content = _content(path)
    return None if content is None else parse_record(content, str(path))


def _content(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _trouble(path, error) from error


def _create(path: Path, content: bytes) -> bool:
    """Write a new file durably; False where one of this name exists."""
    part = path.with_name(f".{path.name}.{uuid4()}.part")
    with part.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    try:
        # A link fails where the name is taken, so two writers can't both create it.
        os.link(part, path)
    except FileExistsError:
        return False
    finally:
        with suppress(OSError):
            part.unlink()
    _sync(path.parent)
    return True


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _trouble(path: Path, error: OSError) -> ServiceError:
    return ServiceError(
        Service.CPMS,
        f"{path}: {error.strerror or error}",
        hint="Check disk and permissions of the directory that the CPMS imports from.",
        stops_line=False,
    )
