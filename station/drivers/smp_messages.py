"""SMP vendor group 64, "factory", as message classes, and the bounds on what any device may say.

A message that parses here is safe to show and to store: sizes are bounded and text has no control characters.
Ref: station/drivers/README.md.
"""

from enum import IntEnum
from typing import Annotated, ClassVar

from pydantic import AfterValidator, ConfigDict, Field
from smp import error, header, message

FACTORY = 64
"""The vendor group's id."""
LARGEST_REQUEST = 8 * 1024
"""Bytes of a PKCS#10 request (DER)."""
LARGEST_CERTIFICATE = 4 * 1024
UID_BYTES = (4, 32)


class FactoryRc(IntEnum):
    """Error codes of the group."""

    CERTIFICATE_MISMATCH = 3
    """The certificate is not for the key in the slot."""
    EXISTS = 6
    """A key exists and `force` is false, or another serial number is set."""
    LOCKED = 11


def printable(text: str) -> str:
    """Return the text if no control or other invisible character stands in it."""
    if not text.isprintable():
        raise ValueError("not printable")
    return text


Text = Annotated[str, Field(max_length=64), AfterValidator(printable)]
Uid = Annotated[bytes, Field(min_length=UID_BYTES[0], max_length=UID_BYTES[1])]
Spki = Annotated[bytes, Field(max_length=2048)]
Signature = Annotated[bytes, Field(max_length=512)]
Csr = Annotated[bytes, Field(min_length=1, max_length=LARGEST_REQUEST)]
Certificate = Annotated[bytes, Field(min_length=1, max_length=LARGEST_CERTIFICATE)]

# Strict, because pydantic would otherwise take text for bytes; tolerant of fields that a later version adds.
_RESPONSE = ConfigDict(strict=True, extra="ignore", frozen=True)


class FactoryErrorV1(error.ErrorV1):
    """An error in the oldest version of the protocol."""

    _GROUP_ID: ClassVar[header.GroupIdField] = FACTORY


class FactoryErrorV2(error.ErrorV2[FactoryRc]):
    """An error of the group."""

    _GROUP_ID: ClassVar[header.GroupIdField] = FACTORY


class _Group:
    """What every request of the group shares."""

    _ErrorV1 = FactoryErrorV1
    _ErrorV2 = FactoryErrorV2


class IdentityResponse(message.ReadResponse):
    """Who the device says it is; the first five fields are the baseline."""

    model_config = _RESPONSE
    _GROUP_ID: ClassVar[header.GroupIdField] = FACTORY
    _COMMAND_ID: ClassVar[int] = 0

    uid: Uid
    model: Text
    key: bool
    cert: bool
    locked: bool
    hw: Text = ""
    fw: Text = ""
    serial: Text = ""
    slots: Annotated[dict[Text, Spki], Field(max_length=8)] | None = None
    transport: dict[Text, Text | Spki] | None = None
    caps: Annotated[list[Text], Field(max_length=32)] = Field(default_factory=list)


class KeyResponse(message.WriteResponse):
    """The PKCS#10 request of a key."""

    model_config = _RESPONSE
    _GROUP_ID: ClassVar[header.GroupIdField] = FACTORY
    _COMMAND_ID: ClassVar[int] = 1

    csr: Csr


class CertificateResponse(message.ReadResponse):
    """The installed leaf certificate."""

    model_config = _RESPONSE
    _GROUP_ID: ClassVar[header.GroupIdField] = FACTORY
    _COMMAND_ID: ClassVar[int] = 2

    cert: Certificate


class EmptyResponse(message.WriteResponse):
    """Done."""

    model_config = _RESPONSE
    _GROUP_ID: ClassVar[header.GroupIdField] = FACTORY
    _COMMAND_ID: ClassVar[int] = 3


class ProofResponse(message.WriteResponse):
    """A signed statement; while a key package is incomplete, only how far it came."""

    model_config = _RESPONSE
    _GROUP_ID: ClassVar[header.GroupIdField] = FACTORY
    _COMMAND_ID: ClassVar[int] = 4

    off: Annotated[int, Field(ge=0)] | None = None
    spki: Spki | None = None
    sig: Signature | None = None


class IdentityRead(message.ReadRequest, _Group):
    """Ask who the device is."""

    _GROUP_ID: ClassVar[header.GroupIdField] = FACTORY
    _COMMAND_ID: ClassVar[int] = 0
    _Response = IdentityResponse


class KeyWrite(message.WriteRequest, _Group):
    """Let the device make a key; `force` replaces one that exists."""

    _GROUP_ID: ClassVar[header.GroupIdField] = FACTORY
    _COMMAND_ID: ClassVar[int] = 1
    _Response = KeyResponse

    cn: str
    force: bool
    slot: str | None = None


class KeyRead(message.ReadRequest, _Group):
    """Ask for the PKCS#10 request of the key in a slot."""

    _GROUP_ID: ClassVar[header.GroupIdField] = FACTORY
    _COMMAND_ID: ClassVar[int] = 1
    _Response = KeyResponse

    slot: str | None = None


class CertificateWrite(message.WriteRequest, _Group):
    """Store the leaf certificate (DER)."""

    _GROUP_ID: ClassVar[header.GroupIdField] = FACTORY
    _COMMAND_ID: ClassVar[int] = 2
    _Response = EmptyResponse

    cert: bytes
    slot: str | None = None


class CertificateRead(message.ReadRequest, _Group):
    """Ask for the installed leaf certificate."""

    _GROUP_ID: ClassVar[header.GroupIdField] = FACTORY
    _COMMAND_ID: ClassVar[int] = 2
    _Response = CertificateResponse

    slot: str | None = None


class LockWrite(message.WriteRequest, _Group):
    """Close the device for good."""

    _GROUP_ID: ClassVar[header.GroupIdField] = FACTORY
    _COMMAND_ID: ClassVar[int] = 3
    _Response = EmptyResponse


class PackageWrite(message.WriteRequest, _Group):
    """Hand over a piece of a key package; `len` in the first piece, `nonce` in the last."""

    _GROUP_ID: ClassVar[header.GroupIdField] = FACTORY
    _COMMAND_ID: ClassVar[int] = 4
    _Response = ProofResponse

    off: int
    data: bytes
    slot: str | None = None
    len: int | None = None
    nonce: bytes | None = None


class ChallengeWrite(message.WriteRequest, _Group):
    """Let the device sign a nonce with the key in a slot."""

    _GROUP_ID: ClassVar[header.GroupIdField] = FACTORY
    _COMMAND_ID: ClassVar[int] = 5
    _Response = ProofResponse

    nonce: bytes
    slot: str | None = None


class SerialWrite(message.WriteRequest, _Group):
    """Write the serial number."""

    _GROUP_ID: ClassVar[header.GroupIdField] = FACTORY
    _COMMAND_ID: ClassVar[int] = 6
    _Response = EmptyResponse

    serial: str
