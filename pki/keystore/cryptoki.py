"""The calls of one PKCS#11 module (v2.40), as bare as they come: numbers and bytes in, numbers and bytes out.

python-pkcs11 lends its names of mechanisms and attributes, but not its calls: it initialises a module for a single
thread and then enters it from many; it asks for a length with a NULL buffer before every C_Sign and C_WrapKey (NSS
answers too small a one, SoftHSM does the whole work twice); it reads twenty attributes of each new object; and it can
pass neither a module's initialisation string nor a vendor's mechanism. ctypes releases the GIL around every call too.
"""

import ctypes
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from ctypes import POINTER, byref, c_char_p, c_ubyte, c_ulong, c_void_p
from dataclasses import dataclass
from typing import Any

from pkcs11 import Attribute, Mechanism

from pki.keystore.results import CryptokiError

Value = bool | int | bytes | str
Template = Mapping[Attribute, Value]
OS_LOCKING_OK = 0x2
READ_WRITE_SESSION = 0x6
SECURITY_OFFICER, USER = 0, 1
"""CKU_SO, CKU_USER."""
OUTPUT_BYTES = 1024
"""Larger than any wrapped key that is made here."""
SIGNATURE_BYTES = ATTRIBUTE_BYTES = 512
SEARCH_BATCH = 64

_HANDLE, _POINTER = c_ulong, c_void_p
_FUNCTIONS: dict[str, tuple[int, tuple[Any, ...]]] = {
    "Initialize": (0, (_POINTER,)),
    "Finalize": (1, (_POINTER,)),
    "GetSlotList": (4, (c_ubyte, _POINTER, _POINTER)),
    "GetTokenInfo": (6, (_HANDLE, _POINTER)),
    "OpenSession": (12, (_HANDLE, c_ulong, _POINTER, _POINTER, _POINTER)),
    "CloseSession": (13, (_HANDLE,)),
    "Login": (18, (_HANDLE, c_ulong, c_char_p, c_ulong)),
    "CreateObject": (20, (_HANDLE, _POINTER, c_ulong, _POINTER)),
    "DestroyObject": (22, (_HANDLE, _HANDLE)),
    "GetAttributeValue": (24, (_HANDLE, _HANDLE, _POINTER, c_ulong)),
    "SetAttributeValue": (25, (_HANDLE, _HANDLE, _POINTER, c_ulong)),
    "FindObjectsInit": (26, (_HANDLE, _POINTER, c_ulong)),
    "FindObjects": (27, (_HANDLE, _POINTER, c_ulong, _POINTER)),
    "FindObjectsFinal": (28, (_HANDLE,)),
    "DecryptInit": (33, (_HANDLE, _POINTER, _HANDLE)),
    "Decrypt": (34, (_HANDLE, c_char_p, c_ulong, _POINTER, _POINTER)),
    "SignInit": (42, (_HANDLE, _POINTER, _HANDLE)),
    "Sign": (43, (_HANDLE, c_char_p, c_ulong, _POINTER, _POINTER)),
    "GenerateKey": (58, (_HANDLE, _POINTER, _POINTER, c_ulong, _POINTER)),
    "GenerateKeyPair": (59, (_HANDLE, _POINTER, _POINTER, c_ulong, _POINTER, c_ulong, _POINTER, _POINTER)),
    "WrapKey": (60, (_HANDLE, _POINTER, _HANDLE, _HANDLE, _POINTER, _POINTER)),
    "UnwrapKey": (61, (_HANDLE, _POINTER, _HANDLE, c_char_p, c_ulong, _POINTER, c_ulong, _POINTER)),
    "DeriveKey": (62, (_HANDLE, _POINTER, _HANDLE, _POINTER, c_ulong, _POINTER)),
    "GenerateRandom": (64, (_HANDLE, _POINTER, c_ulong)),
}
"""Place in CK_FUNCTION_LIST and argument types of every function that is called."""
_WITH_MECHANISM = frozenset(
    {"DecryptInit", "SignInit", "GenerateKey", "GenerateKeyPair", "WrapKey", "UnwrapKey", "DeriveKey"}
)
"""Functions whose second argument is a mechanism."""


class _FunctionList(ctypes.Structure):
    _fields_ = (("version", c_ubyte * 2), ("functions", c_void_p * 65))


class _InitializeArguments(ctypes.Structure):
    _fields_ = (
        *((name, c_void_p) for name in ("CreateMutex", "DestroyMutex", "LockMutex", "UnlockMutex")),
        ("flags", c_ulong),
        ("pReserved", c_char_p),
    )


class _TokenInfo(ctypes.Structure):
    _fields_ = (
        ("label", c_ubyte * 32),
        ("manufacturer", c_ubyte * 32),
        ("model", c_ubyte * 16),
        ("serial", c_ubyte * 16),
        ("flags", c_ulong),
        ("counts_and_sizes", c_ulong * 10),
        ("versions_and_time", c_ubyte * 20),
    )


class _Attribute(ctypes.Structure):
    _fields_ = (("type", c_ulong), ("pValue", c_char_p), ("ulValueLen", c_ulong))


class _ReadAttribute(ctypes.Structure):
    _fields_ = (("type", c_ulong), ("pValue", c_void_p), ("ulValueLen", c_ulong))


class _Mechanism(ctypes.Structure):
    _fields_ = (("mechanism", c_ulong), ("pParameter", c_void_p), ("ulParameterLen", c_ulong))


class _OaepParameters(ctypes.Structure):
    _fields_ = (
        ("hashAlg", c_ulong),
        ("mgf", c_ulong),
        ("source", c_ulong),
        ("pSourceData", c_void_p),
        ("ulSourceDataLen", c_ulong),
    )


class _EcdhParameters(ctypes.Structure):
    _fields_ = (
        ("kdf", c_ulong),
        ("ulSharedDataLen", c_ulong),
        ("pSharedData", c_char_p),
        ("ulPublicDataLen", c_ulong),
        ("pPublicData", c_char_p),
    )


class _GcmParameters(ctypes.Structure):
    _fields_ = (
        ("pIv", c_char_p),
        ("ulIvLen", c_ulong),
        ("ulIvBits", c_ulong),
        ("pAAD", c_void_p),
        ("ulAADLen", c_ulong),
        ("ulTagBits", c_ulong),
    )


@dataclass(frozen=True)
class TokenInfo:
    """What a token says of itself."""

    slot: int
    label: str
    manufacturer: str
    model: str
    serial: str


class PackedTemplate:
    """A template encoded once for many calls."""

    def __init__(self, template: Template, common: "PackedTemplate | None" = None) -> None:
        """Encode a template, which may add to one that was encoded before."""
        self._common = common  # keeps the memory alive
        values = [(int(name), _packed(value)) for name, value in template.items()]
        parts = [*(common.array if common else ()), *(_Attribute(name, value, len(value)) for name, value in values)]
        self.size = len(parts)
        self.array: ctypes.Array[_Attribute] = (_Attribute * self.size)(*parts)
        self.pointer = ctypes.addressof(self.array)


class PackedMechanism:
    """A mechanism with its parameter, encoded once for many calls."""

    def __init__(self, mechanism: int, parameter: ctypes.Structure | None = None) -> None:
        self._parameter = parameter  # keeps the memory alive
        address = ctypes.addressof(parameter) if parameter is not None else None
        self.structure = _Mechanism(mechanism, address, ctypes.sizeof(parameter) if parameter is not None else 0)
        self.pointer = ctypes.addressof(self.structure)


def oaep(digest: Mechanism, mask: int) -> PackedMechanism:
    """Return RSAES-OAEP without a label."""
    data_specified = 1
    return PackedMechanism(Mechanism.RSA_PKCS_OAEP, _OaepParameters(digest, mask, data_specified, None, 0))


def ecdh(kdf: int, shared_info: bytes, public_point: bytes) -> PackedMechanism:
    """Return ECDH with a key derivation function inside the token."""
    parameters = _EcdhParameters(kdf, len(shared_info), shared_info, len(public_point), public_point)
    return PackedMechanism(Mechanism.ECDH1_DERIVE, parameters)


def aes_gcm(nonce: bytes, tag_bytes: int) -> PackedMechanism:
    """Return AES-GCM without additional data."""
    return PackedMechanism(Mechanism.AES_GCM, _GcmParameters(nonce, len(nonce), 8 * len(nonce), None, 0, 8 * tag_bytes))


class Cryptoki:
    """One loaded module. Every method raises `CryptokiError` with the module's own answer."""

    def __init__(self, path: str) -> None:
        """Load the shared object.

        Raises:
            OSError: It can't be loaded, or is no PKCS#11 module.
        """
        listed = POINTER(_FunctionList)()
        try:
            ctypes.CDLL(path).C_GetFunctionList(byref(listed))
        except AttributeError as error:
            raise OSError("it is no PKCS#11 module") from error
        addresses = listed.contents.functions
        call = {name: _checked(name, addresses[place], arguments) for name, (place, arguments) in _FUNCTIONS.items()}
        self._functions = call
        self._sign_init, self._sign, self._wrap = call["SignInit"], call["Sign"], call["WrapKey"]
        self._generate, self._generate_pair = call["GenerateKey"], call["GenerateKeyPair"]
        self._derive, self._create, self._destroy = call["DeriveKey"], call["CreateObject"], call["DestroyObject"]
        self._value = call["GetAttributeValue"]

    def initialize(self, reserved: bytes | None) -> None:
        """Start the module, told to lock by itself because threads will call it (section 5.4 of the standard)."""
        arguments = _InitializeArguments(flags=OS_LOCKING_OK, pReserved=reserved)
        self._functions["Initialize"](byref(arguments))

    def finalize(self) -> None:
        """End the module; every session of this process ends."""
        self._functions["Finalize"](None)

    def tokens(self) -> list[TokenInfo]:
        """Return the tokens that are there; a sick slot hides only itself."""
        count = c_ulong(0)
        self._functions["GetSlotList"](1, None, byref(count))
        slots = (c_ulong * count.value)()
        self._functions["GetSlotList"](1, slots, byref(count))
        found = []
        for slot in slots[: count.value]:
            with suppress(CryptokiError):
                found.append(self._token_info(slot))
        return found

    def _token_info(self, slot: int) -> TokenInfo:
        info = _TokenInfo()
        self._functions["GetTokenInfo"](slot, byref(info))
        fields = (bytes(getattr(info, name)) for name in ("label", "manufacturer", "model", "serial"))
        return TokenInfo(slot, *(field.rstrip(b" \0").decode("utf-8", "replace") for field in fields))

    def open_session(self, slot: int) -> int:
        """Return a new read-write session."""
        session = c_ulong()
        self._functions["OpenSession"](slot, READ_WRITE_SESSION, None, None, byref(session))
        return session.value

    def close_session(self, session: int) -> None:
        """Close a session; its session objects are gone."""
        self._functions["CloseSession"](session)

    def log_in(self, session: int, pin: str, user: int = USER) -> None:
        """Log this process in to the session's token."""
        encoded = pin.encode()
        self._functions["Login"](session, user, encoded, len(encoded))

    def find(self, session: int, template: Template) -> list[int]:
        """Return every object that matches."""
        wanted = PackedTemplate(template)
        found: list[int] = []
        batch, count = (c_ulong * SEARCH_BATCH)(), c_ulong(1)
        self._functions["FindObjectsInit"](session, wanted.pointer, wanted.size)
        try:
            while count.value:
                self._functions["FindObjects"](session, batch, SEARCH_BATCH, byref(count))
                found += batch[: count.value]
        finally:
            self._functions["FindObjectsFinal"](session)
        return found

    def value(self, session: int, target: int, name: int) -> bytes:
        """Return one attribute's value."""
        buffer = ctypes.create_string_buffer(ATTRIBUTE_BYTES)
        wanted = _ReadAttribute(name, ctypes.addressof(buffer), ATTRIBUTE_BYTES)
        self._value(session, target, byref(wanted), 1)
        return buffer.raw[: wanted.ulValueLen]

    def set(self, session: int, target: int, template: PackedTemplate) -> None:
        """Change attributes."""
        self._functions["SetAttributeValue"](session, target, template.pointer, template.size)

    def create(self, session: int, template: PackedTemplate) -> int:
        """Make an object of given parts, e.g. somebody's public key."""
        made = c_ulong()
        self._create(session, template.pointer, template.size, byref(made))
        return made.value

    def destroy(self, session: int, target: int) -> None:
        """Destroy an object."""
        self._destroy(session, target)

    def generate(self, session: int, mechanism: PackedMechanism, template: PackedTemplate) -> int:
        """Make a secret key."""
        made = c_ulong()
        self._generate(session, mechanism.pointer, template.pointer, template.size, byref(made))
        return made.value

    def generate_pair(
        self, session: int, mechanism: PackedMechanism, public: PackedTemplate, private: PackedTemplate
    ) -> tuple[int, int]:
        """Make a key pair; return its public and its private half."""
        halves = c_ulong(), c_ulong()
        templates = public.pointer, public.size, private.pointer, private.size
        self._generate_pair(session, mechanism.pointer, *templates, byref(halves[0]), byref(halves[1]))
        return halves[0].value, halves[1].value

    def derive(self, session: int, mechanism: PackedMechanism, base: int, template: PackedTemplate) -> int:
        """Derive a secret key from a key."""
        made = c_ulong()
        self._derive(session, mechanism.pointer, base, template.pointer, template.size, byref(made))
        return made.value

    def wrap(self, session: int, mechanism: PackedMechanism, under: int, target: int) -> bytes:
        """Return `target` encrypted under another key."""
        buffer, size = ctypes.create_string_buffer(OUTPUT_BYTES), c_ulong(OUTPUT_BYTES)
        self._wrap(session, mechanism.pointer, under, target, buffer, byref(size))
        return ctypes.string_at(buffer, size.value)

    def unwrap(
        self, session: int, mechanism: PackedMechanism, under: int, wrapped: bytes, template: PackedTemplate
    ) -> int:
        """Bring an encrypted key into the session, clear inside the token only."""
        made = c_ulong()
        arguments = under, wrapped, len(wrapped), template.pointer, template.size
        self._functions["UnwrapKey"](session, mechanism.pointer, *arguments, byref(made))
        return made.value

    def decrypt(self, session: int, mechanism: PackedMechanism, key: int, data: bytes) -> bytes:
        """Return `data` decrypted; the buffer it came in is wiped."""
        buffer, size = ctypes.create_string_buffer(len(data)), c_ulong(len(data))
        self._functions["DecryptInit"](session, mechanism.pointer, key)
        self._functions["Decrypt"](session, data, len(data), buffer, byref(size))
        clear = ctypes.string_at(buffer, size.value)
        ctypes.memset(buffer, 0, len(data))
        return clear

    def sign(self, session: int, mechanism: PackedMechanism, key: int, data: bytes) -> bytes:
        """Return the signature over `data`."""
        buffer, size = ctypes.create_string_buffer(SIGNATURE_BYTES), c_ulong(SIGNATURE_BYTES)
        self._sign_init(session, mechanism.pointer, key)
        self._sign(session, data, len(data), buffer, byref(size))
        return ctypes.string_at(buffer, size.value)

    def random(self, session: int, size: int) -> bytes:
        """Return random bytes of the token's generator."""
        buffer = ctypes.create_string_buffer(size)
        self._functions["GenerateRandom"](session, buffer, size)
        return buffer.raw


def _checked(name: str, address: int, arguments: tuple[Any, ...]) -> Callable[..., None]:
    def check(result: int, _function: object, given: tuple[Any, ...]) -> None:
        if result:
            raise CryptokiError(result, name, c_ulong.from_address(given[1]).value if name in _WITH_MECHANISM else None)

    function = ctypes.CFUNCTYPE(c_ulong, *arguments)(address)
    function.errcheck = check  # type: ignore[assignment]  # typeshed knows only functions that return a value
    return function


def _packed(value: Value) -> bytes:
    if isinstance(value, bool):
        return bytes([value])
    if isinstance(value, int):
        return int(value).to_bytes(ctypes.sizeof(c_ulong), sys.byteorder)
    return value.encode() if isinstance(value, str) else value
