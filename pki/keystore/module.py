"""The PKCS#11 modules of this process: one state per shared object, whoever uses it.

A module is initialised for its first user and finalised after its last. Starting it anew ends the sessions of all its
users, so that happens only when every one of them has found its token away.
"""

import functools
import hashlib
import os
import re
import secrets
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pki.errors import KeystoreError
from pki.keystore.cryptoki import Cryptoki
from pki.keystore.quirks import RESERVED
from pki.keystore.results import CryptokiError

_NO_PATH = re.compile(r"[0-9]*|.*[:=].*", re.DOTALL)
"""Values of environment variables that are numbers, addresses or lists of settings."""
_NSS_FOLDER = re.compile(r"(?<=configdir='sql:)[^']+|(?<=configDir=sql:)\S+")


class Module:
    """One shared object of this process."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._cryptoki: Cryptoki | None = None
        self._environment: dict[str, str] = {}
        self._users: dict[str, bool] = {}
        """Labels of the tokens in use, and whether each was found away."""
        self._salt = secrets.token_bytes(16)
        self._refused_pins: set[bytes] = set()

    def acquire(self, token: str, environment: Mapping[str, str]) -> Cryptoki:
        """Return the initialised module for the exclusive use of one token.

        Raises:
            KeystoreError: The module can't be loaded, or this process uses it with other settings or for this token.
        """
        with self._lock:
            if token in self._users:
                raise KeystoreError(f"token '{token}' is open already in this process", hint="Close it first.")
            if self._users and dict(environment) != self._environment:
                raise KeystoreError(f"{self._path} is in use with other settings", hint="Use a process of its own.")
            if not self._users:
                self._environment = dict(environment)
                self._start()
            self._users[token] = False
            return self._loaded()

    def release(self, token: str) -> None:
        """Give a token back; the last one finalises the module."""
        with self._lock:
            if self._users.pop(token, None) is not None and not self._users:
                self._stop()

    def mark(self, token: str, *, away: bool) -> None:
        """Note whether a token was found away; one that is away has nobody inside the module."""
        with self._lock:
            if token in self._users:
                self._users[token] = away

    def restart(self, token: str) -> bool:
        """Start the module anew for one user if every user's token is away; tell whether that was done.

        Raises:
            KeystoreError: The module does not start.
        """
        with self._lock:
            if not all(self._users.values()):
                return False
            self._stop()
            self._start()
            self._users[token] = False
            return True

    def pin_was_refused(self, token: str, pin: str) -> bool:
        """Tell whether this process tried this PIN on this token already, and in vain."""
        return self._pin_mark(token, pin) in self._refused_pins

    def remember_refused_pin(self, token: str, pin: str) -> None:
        """Never let this PIN be tried on this token again: many tokens lock after three wrong ones."""
        self._refused_pins.add(self._pin_mark(token, pin))

    def _pin_mark(self, token: str, pin: str) -> bytes:
        return hashlib.blake2b(f"{token}\0{pin}".encode(), key=self._salt).digest()

    def _start(self) -> None:
        os.environ.update(self._environment)
        reserved = next((self._environment[name] for name in RESERVED if name in self._environment), None)
        try:
            self._loaded().initialize(reserved.encode() if reserved else None)
        except (CryptokiError, OSError) as error:
            raise KeystoreError(f"PKCS#11 module {self._path} can't be started: {error}") from error

    def _stop(self) -> None:
        with suppress(CryptokiError):  # it may have ended by itself when its daemon died
            self._loaded().finalize()

    def _loaded(self) -> Cryptoki:
        if self._cryptoki is None:
            self._cryptoki = Cryptoki(self._path)
        return self._cryptoki


@functools.cache
def module(path: str) -> Module:
    """Return the one `Module` of this process for a shared object; PKCS#11 state is per process, not per caller."""
    return Module(path)


def module_environment(settings: Mapping[str, str], directory: Path) -> dict[str, str]:
    """Return the module's environment variables with relative paths made absolute from `directory`."""

    def absolute(path: str) -> str:
        return str((directory / path).resolve())

    def resolved(value: str) -> str:
        if _NO_PATH.fullmatch(value):
            return _NSS_FOLDER.sub(lambda match: absolute(match.group()), value)
        return absolute(value)

    return {name: resolved(value) for name, value in settings.items()}
