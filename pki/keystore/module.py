"""Load a PKCS#11 module so that threads may use it.

python-pkcs11 0.10 calls C_Initialize(NULL), which tells the module that only one thread will ever call it, but releases
the GIL around every call. SoftHSM then switches its mutexes off, and threads corrupt memory and token files. Here the
module is told to lock by itself (CKF_OS_LOCKING_OK, PKCS#11 v2.40 section 5.4).
"""

import ctypes
import functools
import os
import threading
from collections.abc import Mapping
from pathlib import Path

from pkcs11 import _pkcs11, exceptions

from pki.errors import KeystoreError

CKF_OS_LOCKING_OK = 0x2


class _InitializeArguments(ctypes.Structure):
    """CK_C_INITIALIZE_ARGS."""

    _fields_ = (
        ("CreateMutex", ctypes.c_void_p),
        ("DestroyMutex", ctypes.c_void_p),
        ("LockMutex", ctypes.c_void_p),
        ("UnlockMutex", ctypes.c_void_p),
        ("flags", ctypes.c_ulong),
        ("pReserved", ctypes.c_void_p),
    )


class _FunctionList(ctypes.Structure):
    """The head of CK_FUNCTION_LIST; a module need not export its functions in any other way."""

    _fields_ = (
        ("version", ctypes.c_ubyte * 2),
        ("C_Initialize", ctypes.CFUNCTYPE(ctypes.c_ulong, ctypes.c_void_p)),
        ("C_Finalize", ctypes.CFUNCTYPE(ctypes.c_ulong, ctypes.c_void_p)),
    )


class _LockingLibrary(_pkcs11.lib):
    """The library with its one unsafe call replaced."""

    def initialize(self) -> None:
        """Initialise the module with locking of the operating system."""
        arguments = _InitializeArguments(flags=CKF_OS_LOCKING_OK)
        result = self._functions().C_Initialize(ctypes.addressof(arguments))
        if result:
            raise exceptions.GeneralError(f"C_Initialize answered 0x{result:x}")

    def finalize(self) -> None:
        """Finalise the module; every session of this process ends."""
        self._functions().C_Finalize(None)

    def _functions(self) -> _FunctionList:
        pointer = ctypes.POINTER(_FunctionList)()
        ctypes.CDLL(self.so).C_GetFunctionList(ctypes.byref(pointer))
        return pointer.contents


class Module:
    """One shared object of this process, initialised for its first user and finalised after its last."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._library: _LockingLibrary | None = None
        self._environment: dict[str, str] = {}
        self._tokens: set[str] = set()

    def acquire(self, token: str, environment: Mapping[str, str]) -> _pkcs11.lib:
        """Return the initialised library for the exclusive use of one token.

        Raises:
            KeystoreError: The module can't be loaded, or this process uses it with other settings or for this token.
        """
        with self._lock:
            if token in self._tokens:
                raise KeystoreError(f"token '{token}' is open already in this process", hint="Close it first.")
            if self._tokens and dict(environment) != self._environment:
                raise KeystoreError(f"{self._path} is in use with other settings", hint="Use a process of its own.")
            if self._library is None or not self._tokens:
                self._library = self._start(environment)
            self._tokens.add(token)
            return self._library

    def release(self, token: str) -> None:
        """Give a token back; the last one finalises the module."""
        with self._lock:
            self._tokens.discard(token)
            if not self._tokens and self._library is not None:
                self._library.finalize()

    def _start(self, environment: Mapping[str, str]) -> _LockingLibrary:
        os.environ.update(environment)
        self._environment = dict(environment)
        try:
            if self._library is None:
                return _LockingLibrary(self._path)
            self._library.initialize()
        except (exceptions.PKCS11Error, OSError) as error:
            raise KeystoreError(f"PKCS#11 module {self._path} can't be started: {error}") from error
        return self._library


@functools.cache
def module(path: str) -> Module:
    """Return the one `Module` of this process for a shared object; PKCS#11 state is per process, not per caller."""
    return Module(path)


def module_environment(settings: Mapping[str, str], directory: Path) -> dict[str, str]:
    """Return the module's environment variables with relative paths made absolute from `directory`."""
    return {name: str((directory / value).resolve()) for name, value in settings.items()}
