"""One MCUboot image, taken apart and verified: header, body, protected and unprotected TLVs, and not one byte more.

The rule: whatever is not covered by hash and signature, or not understood, is refused.
Ref: MCUboot "Image format"; bootutil/include/bootutil/image.h.
"""

import hashlib
import struct
from dataclasses import dataclass

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
ENCRYPTED = 0x04 | 0x08
KEY_HASH, HASH, ECDSA_SIGNATURE, ED25519_SIGNATURE = 0x01, 0x10, 0x22, 0x24
SECURITY_COUNTER, HARDWARE = 0x50, 0x00A0
KNOWN_UNPROTECTED = frozenset({KEY_HASH, HASH, ECDSA_SIGNATURE, ED25519_SIGNATURE})
"""Nothing signs the unprotected TLVs, so nothing else may stand there."""
KNOWN_PROTECTED = frozenset({SECURITY_COUNTER, HARDWARE})

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

    @property
    def security_counter(self) -> int:
        """Return the anti-rollback counter, 0 where there is none."""
        return int.from_bytes(self.protected.get(SECURITY_COUNTER, b""), "little")

    @property
    def hardware(self) -> tuple[str, ...]:
        """Return the hardware revisions named by the custom TLV 0x00A0 (comma-separated), if any."""
        text = self.protected.get(HARDWARE, b"").rstrip(b"\0").decode("ascii", "replace")
        return tuple(name for name in text.split(",") if name)


def parse_image(content: bytes) -> McubootImage:
    """Take an image apart and recompute its hash.

    Raises:
        ImageFault: It is no image, has one byte too many or too few, is encrypted, or its hash differs.
    """
    if len(content) < HEADER_SIZE:
        raise ImageFault("header", "shorter than an image header")
    magic, load_address, header, protected_size, body, flags, *version = HEADER.unpack_from(content)[:10]
    if magic != MAGIC:
        raise ImageFault("magic", "this is not an MCUboot image")
    if flags & ENCRYPTED:
        raise ImageFault("encryption", "encrypted images cannot be judged and are refused")
    if flags or load_address or header < HEADER_SIZE:
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
    digest = _checked_hash(content[:covered], protected, unprotected)
    return McubootImage(_version(*version), digest, protected, unprotected)


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


def _checked_hash(covered: bytes, protected: Tlvs, unprotected: Tlvs) -> bytes:
    strange = (unprotected.keys() - KNOWN_UNPROTECTED) | (protected.keys() - KNOWN_PROTECTED)
    if strange:
        raise ImageFault("TLV", f"{min(strange):#06x} is not known and refused")
    if len(protected.get(SECURITY_COUNTER, b"1234")) != 4:
        raise ImageFault("anti-rollback counter", "not four bytes long")
    if HASH not in unprotected:
        raise ImageFault("hash", "the image has no SHA-256")
    digest = hashlib.sha256(covered).digest()
    if unprotected[HASH] != digest:
        raise ImageFault("hash", "the SHA-256 in the image is not that of its content")
    return digest


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
