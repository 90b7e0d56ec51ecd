"""One MCUboot image, taken apart and verified: header, body, protected and unprotected TLVs, and not one byte more.

The rule: whatever is not covered by hash and signature, or not understood, is refused. An encrypted image is hashed and
signed before it is encrypted, and only the device can decrypt it: its hash TLV, which is what the signature covers, is
taken as it stands, and that the ciphertext is the released one is shown by the manifest's SHA-256 alone.
Ref: MCUboot "Image format", "Encrypted images"; bootutil/include/bootutil/image.h.
"""

import hashlib
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PublicKey = EllipticCurvePublicKey | Ed25519PublicKey

MAGIC = 0x96F3B83D
HEADER = struct.Struct("<IIHHIIBBHI")
HEADER_SIZE = 32
TLV = struct.Struct("<HH")
UNPROTECTED, PROTECTED = 0x6907, 0x6908
AES_128, AES_256 = 0x04, 0x08
"""Flags of the header: the body is encrypted, with a key of so many bits."""
KEY_HASH, HASH, ECDSA_SIGNATURE, ED25519_SIGNATURE = 0x01, 0x10, 0x22, 0x24
RSA_2048, KEY_WRAP, ECIES_P256, ECIES_X25519 = 0x30, 0x31, 0x32, 0x33
WRAPPED_KEYS: Mapping[int, Mapping[int, int]] = MappingProxyType(
    {
        RSA_2048: {AES_128: 256, AES_256: 256},
        KEY_WRAP: {AES_128: 24, AES_256: 40},
        ECIES_P256: {AES_128: 65 + 32 + 16, AES_256: 65 + 32 + 32},
        ECIES_X25519: {AES_128: 32 + 32 + 16, AES_256: 32 + 32 + 32},
    }
)
"""Length of each TLV that carries the image's key, wrapped for the device, by the flag of the header."""
SECURITY_COUNTER, HARDWARE, SCHEMA = 0x50, 0x00A0, 0x00A1
KNOWN_UNPROTECTED = frozenset({KEY_HASH, HASH, ECDSA_SIGNATURE, ED25519_SIGNATURE, *WRAPPED_KEYS})
"""Nothing signs the unprotected TLVs, so nothing else may stand there."""
KNOWN_PROTECTED = frozenset({SECURITY_COUNTER, HARDWARE, SCHEMA})
SCHEMA_TEXT = re.compile(rb"[1-9][0-9]{0,3}")

Tlvs = dict[int, bytes]


class ImageFault(ValueError):
    """The image is refused."""

    def __init__(self, check: str, reason: str) -> None:
        """Say which check failed, and why."""
        super().__init__(f"{check}: {reason}")


@dataclass(frozen=True)
class McubootImage:
    """An image whose length and hash are right; its signature is not verified yet."""

    version: str
    digest: bytes
    protected: Tlvs
    unprotected: Tlvs
    encrypted: bool = False
    """The digest, which is over the plain image, could not be recomputed."""

    @property
    def security_counter(self) -> int:
        """Return the anti-rollback counter, 0 where there is none."""
        return int.from_bytes(self.protected.get(SECURITY_COUNTER, b""), "little")

    @property
    def hardware(self) -> tuple[str, ...]:
        """Return the hardware revisions named by the custom TLV 0x00A0 (comma-separated), if any."""
        text = self.protected.get(HARDWARE, b"").rstrip(b"\0").decode("ascii", "replace")
        return tuple(name for name in text.split(",") if name)

    @property
    def schema(self) -> int:
        """Return the version of the configuration's schema that the firmware reads: TLV 0x00A1, or 1."""
        return int(self.protected.get(SCHEMA, b"1").rstrip(b"\0"))


def parse_image(content: bytes) -> McubootImage:
    """Take an image apart and recompute its hash.

    Raises:
        ImageFault: It is no image, has one byte too many or too few, or its hash differs.
    """
    if len(content) < HEADER_SIZE:
        raise ImageFault("header", "shorter than an image header")
    magic, load_address, header, protected_size, body, flags, *version = HEADER.unpack_from(content)[:10]
    if magic != MAGIC:
        raise ImageFault("magic", "this is not an MCUboot image")
    if flags not in (0, AES_128, AES_256) or load_address or header < HEADER_SIZE:
        raise ImageFault("header", f"flags {flags:#x}, load address {load_address:#x} or header size is not supported")
    covered = header + body
    protected: Tlvs = {}
    if protected_size:
        protected, covered = _tlvs(content, covered, PROTECTED)
        if covered != header + body + protected_size:
            raise ImageFault("length", "the protected TLVs are not as long as the header says")
    unprotected, end = _tlvs(content, covered, UNPROTECTED)
    if end != len(content):
        raise ImageFault("length", f"{len(content) - end} bytes after the end of the image")
    _check_tlvs(protected, unprotected)
    _check_encryption(unprotected, flags)
    digest = unprotected[HASH]
    if not flags and digest != hashlib.sha256(content[:covered]).digest():
        raise ImageFault("hash", "the SHA-256 in the image is not that of its content")
    return McubootImage(_version(*version), digest, protected, unprotected, encrypted=bool(flags))


def _version(major: int, minor: int, revision: int, build: int) -> str:
    return f"{major}.{minor}.{revision}" + (f"+{build}" if build else "")


def _tlvs(content: bytes, start: int, magic: int) -> tuple[Tlvs, int]:
    """Return the TLVs of the area at `start` and where it ends."""
    if start + TLV.size > len(content):
        raise ImageFault("length", "truncated before its TLVs")
    found, total = TLV.unpack_from(content, start)
    end = start + total
    if found != magic or end > len(content) or total < TLV.size:
        raise ImageFault("length", "truncated, or no TLV area where the header says")
    at, tlvs = start + TLV.size, {}
    while at < end:
        kind, value = _tlv(content[at:end])
        if kind in tlvs:
            raise ImageFault("TLV", f"{kind:#06x} stands there twice")
        tlvs[kind] = value
        at += TLV.size + len(value)
    return tlvs, end


def _tlv(rest: bytes) -> tuple[int, bytes]:
    if len(rest) < TLV.size:
        raise ImageFault("TLV", "cut off")
    kind, size = TLV.unpack_from(rest)
    if TLV.size + size > len(rest):
        raise ImageFault("TLV", f"{kind:#06x} is longer than its area")
    return kind, rest[TLV.size : TLV.size + size]


def _check_tlvs(protected: Tlvs, unprotected: Tlvs) -> None:
    strange = (unprotected.keys() - KNOWN_UNPROTECTED) | (protected.keys() - KNOWN_PROTECTED)
    if strange:
        raise ImageFault("TLV", f"{min(strange):#06x} is not known and refused")
    if len(protected.get(SECURITY_COUNTER, b"1234")) != 4:
        raise ImageFault("anti-rollback counter", "not four bytes long")
    if not SCHEMA_TEXT.fullmatch(protected.get(SCHEMA, b"1").rstrip(b"\0")):
        raise ImageFault("configuration schema", "not a number from 1 to 9999")
    if len(unprotected.get(HASH, b"")) != hashlib.sha256().digest_size:
        raise ImageFault("hash", "the image has no SHA-256")


def _check_encryption(unprotected: Tlvs, flag: int) -> None:
    """Hold the header's flag and the wrapped key against each other; the key itself only the device can unwrap."""
    found = sorted(unprotected.keys() & WRAPPED_KEYS.keys())
    if not flag and found:
        raise ImageFault("encryption", f"{found[0]:#06x} carries a key, but the header says that nothing is encrypted")
    if flag and len(found) != 1:
        raise ImageFault("encryption", f"{len(found)} TLVs carry the key of an encrypted image instead of one")
    if flag and len(unprotected[found[0]]) != WRAPPED_KEYS[found[0]][flag]:
        raise ImageFault("encryption", f"{found[0]:#06x} is not as long as a key of the header's kind")


def verify_signature(image: McubootImage, key: PublicKey) -> None:
    """Verify that the pinned key, and no other, signed the image.

    Raises:
        ImageFault: The image is unsigned, names another key, or the signature does not verify.
    """
    kind = ED25519_SIGNATURE if isinstance(key, Ed25519PublicKey) else ECDSA_SIGNATURE
    if kind not in image.unprotected or {ED25519_SIGNATURE, ECDSA_SIGNATURE} <= image.unprotected.keys():
        raise ImageFault("signature", "not signed, or not with the kind of key that is pinned")
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if image.unprotected.get(KEY_HASH) != hashlib.sha256(spki).digest():
        raise ImageFault("key hash", "signed with another key than the pinned one")
    try:
        _verify(key, image.unprotected[kind], image.digest)
    except InvalidSignature as error:
        raise ImageFault("signature", "does not verify with the pinned key") from error


def _verify(key: PublicKey, signature: bytes, digest: bytes) -> None:
    if isinstance(key, Ed25519PublicKey):
        key.verify(signature, digest)
    else:
        key.verify(signature, digest, ECDSA(Prehashed(SHA256())))


def with_wrong_signature(content: bytes) -> bytes:
    """Return a signed image with one bit of its signature changed: what an attacker could write, and no device may run.

    Everything else stays true, so that a bootloader refuses it for its signature or not at all.

    Raises:
        ImageFault: It is no image, or bears no signature.
    """
    image = parse_image(content)
    signature = image.unprotected.get(ECDSA_SIGNATURE) or image.unprotected.get(ED25519_SIGNATURE)
    if not signature:
        raise ImageFault("signature", "not signed")
    last = content.rindex(signature) + len(signature) - 1
    return content[:last] + bytes([content[last] ^ 1]) + content[last + 1 :]
