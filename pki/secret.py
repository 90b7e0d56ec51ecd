"""Secrets from systemd credentials, from files that nobody else may read, or from a person at a terminal.

A secret is known by its name alone; it never stands in a URI, an argument list, a log or an exception.
"""

import getpass
import os
import re
import stat
import sys
from collections.abc import Callable
from pathlib import Path

from pki.errors import ProfileError

NAME = re.compile(r"[a-z][a-z0-9-]{0,63}")
MAX_BYTES = 4096


def secret(name: str, directory: Path, *, ask: str = "") -> str:
    """Return the secret `name` of systemd's credentials, or else of `directory`/secrets, or else from the terminal.

    A person is asked `ask` only where that is given, the file is missing, and standard input is a terminal.

    Raises:
        ProfileError: There is no such secret, it is empty, or its file is open to other users.
    """
    if not NAME.fullmatch(name):
        raise ProfileError(f"'{name}' is not a name of a secret")
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    # systemd guards its directory itself and may show an access list as group bits, so only our own files are judged.
    if credentials and (path := Path(credentials) / name).exists():
        return _read(path)
    path = directory / "secrets" / name
    if ask and not path.exists() and sys.stdin.isatty():
        return _asked(name, ask)
    _refuse_open_file(path)
    return _read(path)


def write_secret(name: str, directory: Path, value: str) -> None:
    """Keep a new secret in `directory`/secrets, for its owner only, durable before this returns."""
    folder = directory / "secrets"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = folder / f".{name}.part"
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(value)
        file.flush()
        os.fsync(file.fileno())
    part.rename(folder / name)


def kept_secret(name: str, directory: Path, make: Callable[[], str]) -> str:
    """Return a secret that is made by `make` where there is none yet, in no credential and no file.

    Raises:
        ProfileError: It can't be read, or its file is open to other users.
    """
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if not (credentials and (Path(credentials) / name).exists()) and not (directory / "secrets" / name).exists():
        write_secret(name, directory, make())
    return secret(name, directory)


def _asked(name: str, question: str) -> str:
    try:
        value = getpass.getpass(f"{question}: ")  # from the terminal itself, without echo
    except (EOFError, KeyboardInterrupt):
        value = ""
    if not value or len(value) > MAX_BYTES:
        raise ProfileError(f"secret '{name}' was not given", hint="Start again and type it.")
    return value


def _refuse_open_file(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        hint = f"Create {path} with mode 0600."
        raise ProfileError(f"secret '{path.name}' is missing: {error.strerror}", hint=hint) from error
    if not stat.S_ISREG(mode) or mode & 0o077:
        raise ProfileError(f"secret '{path.name}' may be read by other users", hint=f"Run: chmod 600 {path}")


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES)
        value = raw.decode().rstrip("\n")
    except (OSError, UnicodeDecodeError):
        # The cause could carry bytes of the secret.
        raise ProfileError(f"secret '{path.name}' can't be read") from None
    if not value:
        raise ProfileError(f"secret '{path.name}' is empty")
    return value
