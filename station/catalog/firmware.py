"""Firmware releases: which images are meant, and the proof that a file is exactly that image before it is written.

A device accepts the upload and even the test mark of an image that its bootloader refuses later, so the station judges
first. Signing tools verify too kindly for that (trailing bytes, missing keys); this parser knows one exact shape.
Ref: MCUboot "Image format".
"""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)

from station.catalog.firmware_manifest import (
    HIGHEST_SCHEMA,
    ImageSection,
    RecoverySection,
    ReleaseFile,
    ReportedSection,
    Role,
    RollbackSection,
    ordered,
)
from station.catalog.mcuboot_image import ImageFault, McubootImage, PublicKey, parse_image, verify_signature
from station.catalog.sbom import Sbom, read_sbom
from station.catalog.source import Source
from station.errors import ConfigError
from station.strict import parse, toml_table

TRAILER_BYTES = 4096
"""Flash at the end of a slot that the bootloader needs for itself: 128 sectors, write blocks of 8 bytes, one page."""
MANIFEST = "release.toml"


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
    number: int = 0
    """Of the image on the device."""
    encrypted: bool = False
    schema: tuple[int, int] = (1, HIGHEST_SCHEMA)
    """Lowest and highest version of the configuration's schema that the image may declare."""
    sbom: Sbom | None = None
    """None for an image that never ships."""

    @property
    def key_sha256(self) -> str:
        """Return the SHA-256 of the pinned key, as bootloaders name it."""
        return hashlib.sha256(self.public_key).hexdigest()


@dataclass(frozen=True)
class ReportedMember:
    """A member of a release that the device only tells of."""

    role: Role
    version: str
    sbom: Sbom


@dataclass(frozen=True)
class Release:
    """One firmware release: a set whose members were tested together."""

    name: str
    version: str
    products: tuple[str, ...]
    image: tuple[ImageRule, ...]
    """What is written, the application first."""
    digest: str
    """SHA-256 over the manifest, which names every file's digest, and the pinned keys."""
    reported: tuple[ReportedMember, ...] = ()
    schema: tuple[int, int] = (1, 1)
    """Lowest and highest version of the configuration's schema that the firmware reads."""
    rollback: ImageRule | None = None
    """A signed application that does not start; None where the way back can't be proven."""
    recovery: ImageRule | None = None
    """An image by which a locked device becomes a blank one; None where it stays locked for good."""


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
    schema: int = 1
    """Version of the configuration's schema that it declares."""
    encrypted: bool = False
    """Its digest is of the plain image and was taken from it, not computed."""


def load_release(source: Source, name: str) -> Release:
    """Read `firmware/<name>/release.toml` and the SBOMs; the images themselves are judged by `check_image`.

    Raises:
        ConfigError: A key is unknown, missing or wrong, or an SBOM is; names the file and the key path.
    """
    folder = f"firmware/{name}"
    path = f"{folder}/{MANIFEST}"
    raw = source.read(path)
    found = parse(ReleaseFile, toml_table(raw, path), path)
    if found.release.name != name:
        raise ConfigError(f"{path}: release: name: '{found.release.name}' differs from the directory's name")
    schema = (found.configuration.schema_min, found.configuration.schema_max)
    images = enumerate(found.image)
    rules = [_rule(source, folder, section, f"{path}: image[{index}]") for index, section in images]
    rules = [replace(rule, schema=schema) if rule.role is Role.APPLICATION else rule for rule in rules]
    reported = enumerate(found.reported)
    members = [_reported(source, folder, section, f"{path}: reported[{index}]") for index, section in reported]
    parts = [hashlib.sha256(raw).hexdigest(), *(rule.key_sha256 for rule in rules)]
    rules.sort(key=lambda rule: rule.number)
    recovery = _recovery(source, folder, found.recovery, rules[0]) if found.recovery else None
    parts += [recovery.key_sha256] if recovery else []
    return Release(
        name=found.release.name,
        version=found.release.version,
        products=found.release.products,
        image=tuple(rules),
        digest=hashlib.sha256("\n".join(parts).encode()).hexdigest(),
        reported=tuple(members),
        schema=schema,
        rollback=_rollback(source, folder, found.rollback, rules[0]) if found.rollback else None,
        recovery=recovery,
    )


def refuse_unsuited(release: Release, product: str, schema: int) -> None:
    """Refuse a release that is not for a product, or does not read the product's configuration (F-C7).

    Args:
        release: what would be written.
        product: name of the product.
        schema: version of the configuration's schema that the product's data is written in.

    Raises:
        ConfigError: It is for other products, or for other versions of the schema.
    """
    if product not in release.products:
        raise ConfigError(f"firmware {release.name} is for {', '.join(release.products)}, not for {product}")
    low, high = release.schema
    if not low <= schema <= high:
        reads = f"{low}" if low == high else f"{low} to {high}"
        raise ConfigError(
            f"firmware {release.name} reads configuration schema {reads}; product {product} has {schema}",
            hint="Choose a firmware release that reads the product's configuration.",
        )


def _rule(source: Source, folder: str, section: ImageSection, where: str) -> ImageRule:
    pinned = _read_key(source, f"{folder}/{section.public_key}", f"{where}: public_key")
    sbom = _sbom(source, folder, section, where)
    return ImageRule(
        role=section.role,
        path=source.locate(f"{folder}/{section.file}"),
        sha256=section.sha256,
        size=section.size,
        version=section.version,
        hardware=section.hardware,
        security_counter=section.security_counter,
        slot_size=section.slot_size,
        public_key=pinned.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        minimum_version=section.minimum_version,
        number=section.number,
        encrypted=section.encrypted,
        sbom=sbom,
    )


def _reported(source: Source, folder: str, section: ReportedSection, where: str) -> ReportedMember:
    return ReportedMember(section.role, section.version, _sbom(source, folder, section, where))


def _rollback(source: Source, folder: str, section: RollbackSection, application: ImageRule) -> ImageRule:
    """Return the rule of the image that does not start: but for file and version, all is as for the application."""
    return replace(
        application,
        path=source.locate(f"{folder}/{section.file}"),
        sha256=section.sha256,
        size=section.size,
        version=section.version,
        encrypted=False,
        schema=(1, HIGHEST_SCHEMA),
        sbom=None,
    )


def _recovery(source: Source, folder: str, section: RecoverySection, application: ImageRule) -> ImageRule:
    """Return the rule of the image that makes a locked device blank: made for the application's slot.

    Raises:
        ConfigError: The key that signs what ships would also unlock it.
    """
    where = f"{folder}/{MANIFEST}: recovery: public_key"
    key = _read_key(source, f"{folder}/{section.public_key}", where)
    pinned = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if pinned == application.public_key:
        raise ConfigError(f"{where}: the key that signs releases must not unlock devices", hint="Use a key apart.")
    return replace(
        application,
        path=source.locate(f"{folder}/{section.file}"),
        sha256=section.sha256,
        size=section.size,
        version=section.version,
        public_key=pinned,
        minimum_version=section.version,
        encrypted=False,
        schema=(1, HIGHEST_SCHEMA),
        sbom=None,
    )


def _sbom(source: Source, folder: str, section: ImageSection | ReportedSection, where: str) -> Sbom:
    path = f"{folder}/{section.sbom}"
    try:
        raw = source.read(path)
    except ConfigError as error:
        raise ConfigError(f"{where}: sbom: {error.message}", hint=error.hint) from error
    if hashlib.sha256(raw).hexdigest() != section.sbom_sha256:
        raise ConfigError(f"{where}: sbom_sha256: differs from that of {path}", hint="Restore the released SBOM.")
    image = section.sha256 if isinstance(section, ImageSection) else ""
    return read_sbom(raw, path, version=section.version, image_sha256=image)


def _read_key(source: Source, path: str, where: str) -> PublicKey:
    try:
        return _pinnable(load_pem_public_key(source.read(path)))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error.message}", hint=error.hint) from error
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
    if image.encrypted != rule.encrypted:
        raise ImageFault("encryption", f"the manifest says encrypted = {str(rule.encrypted).lower()}, which is not so")
    verify_signature(image, _pinnable(load_der_public_key(rule.public_key)))
    _check_version(image, rule)
    _check_hardware(image, rule)
    _check_numbers(image, rule)
    if len(content) + TRAILER_BYTES > rule.slot_size:
        raise ImageFault("slot size", f"{len(content)} + {TRAILER_BYTES} bytes do not fit into {rule.slot_size}")
    return CheckedImage(
        digest=image.digest,
        version=image.version,
        security_counter=image.security_counter,
        hardware=image.hardware,
        size=len(content),
        sha256=rule.sha256,
        schema=image.schema,
        encrypted=image.encrypted,
    )


def _check_version(image: McubootImage, rule: ImageRule) -> None:
    if ordered(image.version) != ordered(rule.version):
        raise ImageFault("version", f"{image.version}, the manifest says {rule.version}")
    if ordered(image.version) < ordered(rule.minimum_version):
        raise ImageFault("version", f"{image.version} is older than the minimum {rule.minimum_version}")


def _check_hardware(image: McubootImage, rule: ImageRule) -> None:
    """The manifest may narrow what the signed image says, never widen it."""
    missing = [name for name in rule.hardware if image.hardware and name not in image.hardware]
    if missing:
        raise ImageFault("hardware", f"made for {', '.join(image.hardware)}, the manifest says {', '.join(missing)}")


def _check_numbers(image: McubootImage, rule: ImageRule) -> None:
    if image.security_counter != rule.security_counter:
        said = f"{image.security_counter}, the manifest says {rule.security_counter}"
        raise ImageFault("anti-rollback counter", said)
    low, high = rule.schema
    if not low <= image.schema <= high:
        raise ImageFault("configuration schema", f"{image.schema}, the manifest says {low} to {high}")
