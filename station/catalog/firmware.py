"""Firmware releases: which image is meant, and the proof that a file is exactly that image, before a device is touched.

A device accepts the upload and even the test mark of an image that its bootloader refuses later, so the station judges
first. Signing tools verify too kindly for that (trailing bytes, missing keys); this parser knows one exact shape.
Ref: MCUboot "Image format".
"""

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)

from station.catalog.mcuboot_image import ImageFault, McubootImage, PublicKey, parse_image, verify_signature
from station.errors import ConfigError
from station.strict import parse, read_toml

TRAILER_BYTES = 4096
"""Flash at the end of a slot that the bootloader needs for itself: 128 sectors, write blocks of 8 bytes, one page."""
LARGEST_IMAGE = 16 * 1024 * 1024
VERSION = re.compile(r"(\d{1,3})\.(\d{1,3})\.(\d{1,5})(?:\+(\d{1,10}))?")
DIGEST = re.compile(r"[0-9a-f]{64}")


class Role(StrEnum):
    """What an image is on the device."""

    APPLICATION = "application"


@dataclass(frozen=True)
class ReleaseSection:
    """`[release]`: how people call it and which product it is for."""

    name: str
    version: str
    product: str


@dataclass(frozen=True)
class ImageSection:
    """`[[image]]` as written: one file and everything it must be."""

    role: Role
    file: str
    sha256: str
    """Of the file."""
    size: int
    """In bytes."""
    version: str
    hardware: tuple[str, ...]
    security_counter: int
    slot_size: int
    """Size of the device's firmware slot, in bytes."""
    public_key: str
    """PEM file of the key that must have signed the image."""
    minimum_version: str
    """Oldest version that may be written at all."""

    def __post_init__(self) -> None:
        """Check what the types cannot say."""
        for key in ("version", "minimum_version"):
            if not VERSION.fullmatch(getattr(self, key)):
                raise ValueError(f"{key}: '{getattr(self, key)}' is not of the form 1.2.3 or 1.2.3+4")
        if not DIGEST.fullmatch(self.sha256):
            raise ValueError("sha256: 64 lower-case hexadecimal digits are expected")
        if not 0 < self.size <= LARGEST_IMAGE or not 0 < self.slot_size <= LARGEST_IMAGE:
            raise ValueError(f"size and slot_size must be between 1 and {LARGEST_IMAGE}")
        if not self.hardware:
            raise ValueError("hardware: at least one hardware revision is expected")
        if self.security_counter < 0:
            raise ValueError("security_counter: must not be negative")


@dataclass(frozen=True)
class ReleaseFile:
    """The whole release manifest."""

    release: ReleaseSection
    image: tuple[ImageSection, ...]


@dataclass(frozen=True)
class ImageRule:
    """What one image of a release must be, its key read once and pinned."""

    role: Role
    path: Path
    sha256: str
    size: int
    version: str
    hardware: tuple[str, ...]
    security_counter: int
    slot_size: int
    public_key: bytes
    """SubjectPublicKeyInfo (DER)."""
    minimum_version: str


@dataclass(frozen=True)
class Release:
    """One firmware release."""

    name: str
    version: str
    product: str
    image: tuple[ImageRule, ...]
    digest: str
    """SHA-256 over the manifest and the pinned keys, so that neither changes unnoticed."""


@dataclass(frozen=True)
class CheckedImage:
    """An image that passed every check, and what it says of itself."""

    digest: bytes
    """The SHA-256 hash TLV, by which the device lists the image."""
    version: str
    security_counter: int
    hardware: tuple[str, ...]
    """Revisions the signed image names; empty where it names none."""
    size: int
    sha256: str
    """Of the whole file."""


def load_release(path: Path) -> Release:
    """Read a release manifest; the images themselves are judged by `check_image`.

    Raises:
        ConfigError: A key is unknown, missing or wrong; names the file and the key path.
    """
    table, digest = read_toml(path)
    found = parse(ReleaseFile, table, str(path))
    if not found.image:
        raise ConfigError(f"{path}: image: at least one [[image]] is expected")
    if len({section.role for section in found.image}) != len(found.image):
        raise ConfigError(f"{path}: image: two images have the same role")
    rules = tuple(_rule(section, path, f"{path}: image[{index}]") for index, section in enumerate(found.image))
    parts = (digest, *(hashlib.sha256(rule.public_key).hexdigest() for rule in rules))
    whole = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return Release(found.release.name, found.release.version, found.release.product, rules, whole)


def _rule(section: ImageSection, manifest: Path, where: str) -> ImageRule:
    for key in ("file", "public_key"):
        if Path(getattr(section, key)).name != getattr(section, key):
            raise ConfigError(f"{where}: {key}: must be a file beside the manifest, not '{getattr(section, key)}'")
    pinned = _read_key(manifest.parent / section.public_key, f"{where}: public_key")
    return ImageRule(
        role=section.role,
        path=manifest.parent / section.file,
        sha256=section.sha256,
        size=section.size,
        version=section.version,
        hardware=section.hardware,
        security_counter=section.security_counter,
        slot_size=section.slot_size,
        public_key=pinned.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        minimum_version=section.minimum_version,
    )


def _read_key(path: Path, where: str) -> PublicKey:
    try:
        return _pinnable(load_pem_public_key(path.read_bytes()))
    except OSError as error:
        raise ConfigError(f"{where}: {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise ConfigError(f"{where}: {path}: must be an ECDSA P-256 or Ed25519 public key (PEM)") from error


def _pinnable(key: object) -> PublicKey:
    if isinstance(key, Ed25519PublicKey):
        return key
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return key
    raise ValueError("neither ECDSA P-256 nor Ed25519")


def load_image(rule: ImageRule) -> tuple[bytes, CheckedImage]:
    """Read an image and judge it by its rule; nothing that was not judged leaves this function.

    Raises:
        ConfigError: The file can't be read, or is not what the release says.
    """
    try:
        content = rule.path.read_bytes()
    except OSError as error:
        message = f"{rule.path.name}: {error.strerror or error}"
        raise ConfigError(message, hint="Restore the released firmware file.") from error
    return content, check_image(content, rule)


def check_image(image: bytes, rule: ImageRule) -> CheckedImage:
    """Judge an image by its rule, completely, without any device.

    Raises:
        ConfigError: The image is not what the release says; the message names the check that failed.
    """
    try:
        return _check(image, rule)
    except ImageFault as fault:
        message = f"{rule.path.name}: {fault}"
        raise ConfigError(message, hint="Restore the released firmware file, or correct the manifest.") from fault


def _check(content: bytes, rule: ImageRule) -> CheckedImage:
    if len(content) != rule.size:
        raise ImageFault("size", f"{len(content)} bytes, the manifest says {rule.size}")
    if hashlib.sha256(content).hexdigest() != rule.sha256:
        raise ImageFault("file digest", "SHA-256 differs from the manifest's")
    image = parse_image(content)
    verify_signature(image, _pinnable(load_der_public_key(rule.public_key)))
    _check_version(image, rule)
    _check_hardware(image, rule)
    if image.security_counter != rule.security_counter:
        said = f"{image.security_counter}, the manifest says {rule.security_counter}"
        raise ImageFault("anti-rollback counter", said)
    if len(content) + TRAILER_BYTES > rule.slot_size:
        raise ImageFault("slot size", f"{len(content)} + {TRAILER_BYTES} bytes do not fit into {rule.slot_size}")
    return CheckedImage(image.digest, image.version, image.security_counter, image.hardware, len(content), rule.sha256)


def _check_version(image: McubootImage, rule: ImageRule) -> None:
    if _ordered(image.version) != _ordered(rule.version):
        raise ImageFault("version", f"{image.version}, the manifest says {rule.version}")
    if _ordered(image.version) < _ordered(rule.minimum_version):
        raise ImageFault("version", f"{image.version} is older than the minimum {rule.minimum_version}")


def _ordered(version: str) -> tuple[int, ...]:
    found = VERSION.fullmatch(version)
    return tuple(int(part or 0) for part in found.groups()) if found else ()


def _check_hardware(image: McubootImage, rule: ImageRule) -> None:
    """The manifest may narrow what the signed image says, never widen it."""
    missing = [name for name in rule.hardware if image.hardware and name not in image.hardware]
    if missing:
        raise ImageFault("hardware", f"made for {', '.join(image.hardware)}, the manifest says {', '.join(missing)}")
