"""The manifest of a firmware release as it is written: `firmware/<name>/release.toml`."""

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

LARGEST_IMAGE = 16 * 1024 * 1024
HIGHEST_IMAGE = 3
"""Highest image number; bootloaders of our products know four images."""
HIGHEST_SCHEMA = 9999
VERSION = re.compile(r"(\d{1,3})\.(\d{1,3})\.(\d{1,5})(?:\+(\d{1,10}))?")
DIGEST = re.compile(r"[0-9a-f]{64}")
NAME = re.compile(r"[a-z0-9][a-z0-9._+-]{0,63}")


class Role(StrEnum):
    """What a member of a release is on the device."""

    BOOTLOADER = "bootloader"
    APPLICATION = "application"
    SAFETY = "safety"
    """The controller that can open the contactors whatever the application does."""
    MODEM = "modem"
    METER = "meter"
    PLC = "plc"
    """Power-line communication with the vehicle."""
    RFID = "rfid"


def ordered(version: str) -> tuple[int, ...]:
    """Return a version's numbers, to compare; what is no version comes before all others."""
    found = VERSION.fullmatch(version)
    return tuple(int(part or 0) for part in found.groups()) if found else ()


def _versions(section: object, *keys: str) -> None:
    for key in keys:
        if not VERSION.fullmatch(getattr(section, key)):
            raise ValueError(f"{key}: '{getattr(section, key)}' is not of the form 1.2.3 or 1.2.3+4")


def _digests(section: object, *keys: str) -> None:
    for key in keys:
        if not DIGEST.fullmatch(getattr(section, key)):
            raise ValueError(f"{key}: 64 lower-case hexadecimal digits are expected")


def _files(section: object, *keys: str) -> None:
    for key in keys:
        name = getattr(section, key)
        if not name or Path(name).name != name:
            raise ValueError(f"{key}: must be a file beside the manifest, not '{name}'")


@dataclass(frozen=True)
class ReleaseSection:
    """`[release]`: how people call it and which products it is for."""

    name: str
    version: str
    products: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check what the types cannot say."""
        if not NAME.fullmatch(self.name):
            raise ValueError("name: 1 to 64 small letters, digits and '._+-' are expected")
        _versions(self, "version")
        if not self.products or len(set(self.products)) != len(self.products):
            raise ValueError("products: at least one product is expected, none of them twice")


@dataclass(frozen=True)
class ConfigurationSection:
    """`[configuration]`: versions of the configuration's schema that this firmware reads (F-C7)."""

    schema_min: int
    schema_max: int

    def __post_init__(self) -> None:
        """Refuse a range that holds nothing."""
        if not 1 <= self.schema_min <= self.schema_max <= HIGHEST_SCHEMA:
            raise ValueError(f"schema_min and schema_max must be from 1 to {HIGHEST_SCHEMA}, in this order")


@dataclass(frozen=True)
class ImageSection:
    """`[[image]]`: a member that the station writes; one file and everything it must be."""

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
    sbom: str
    """CycloneDX JSON file of what the image is made of (F-C8)."""
    sbom_sha256: str
    number: int = 0
    """Number of the image on the device: 0 is the application."""
    encrypted: bool = False
    """Whether only the device can read it."""

    def __post_init__(self) -> None:
        """Check what the types cannot say."""
        _versions(self, "version", "minimum_version")
        _digests(self, "sha256", "sbom_sha256")
        _files(self, "file", "public_key", "sbom")
        if not 0 < self.size <= LARGEST_IMAGE or not 0 < self.slot_size <= LARGEST_IMAGE:
            raise ValueError(f"size and slot_size must be between 1 and {LARGEST_IMAGE}")
        if not self.hardware:
            raise ValueError("hardware: at least one hardware revision is expected")
        if self.security_counter < 0:
            raise ValueError("security_counter: must not be negative")
        if not 0 <= self.number <= HIGHEST_IMAGE:
            raise ValueError(f"number: must be from 0 to {HIGHEST_IMAGE}")


@dataclass(frozen=True)
class ReportedSection:
    """`[[reported]]`: a member that can't be written over this wire; the device tells its version."""

    role: Role
    version: str
    sbom: str
    sbom_sha256: str

    def __post_init__(self) -> None:
        """Check what the types cannot say."""
        _versions(self, "version")
        _digests(self, "sbom_sha256")
        _files(self, "sbom")
        if self.role is not Role.BOOTLOADER:
            raise ValueError(f"role: devices tell of their bootloader only; '{self.role}' must be an [[image]]")


@dataclass(frozen=True)
class RollbackSection:
    """`[rollback]`: a small application that is validly signed and does not start; it proves the way back (F-C5)."""

    file: str
    sha256: str
    size: int
    version: str

    def __post_init__(self) -> None:
        """Check what the types cannot say."""
        _versions(self, "version")
        _digests(self, "sha256")
        _files(self, "file")
        if not 0 < self.size <= LARGEST_IMAGE:
            raise ValueError(f"size must be between 1 and {LARGEST_IMAGE}")


@dataclass(frozen=True)
class RecoverySection:
    """`[recovery]`: an application signed with the product's recovery key; it makes a locked device blank (F-L2)."""

    file: str
    sha256: str
    size: int
    version: str
    public_key: str
    """File of the recovery key; never the one that signs what ships."""

    def __post_init__(self) -> None:
        """Check what the types cannot say."""
        _versions(self, "version")
        _digests(self, "sha256")
        _files(self, "file", "public_key")
        if not 0 < self.size <= LARGEST_IMAGE:
            raise ValueError(f"size must be between 1 and {LARGEST_IMAGE}")


@dataclass(frozen=True)
class ReleaseFile:
    """The whole manifest."""

    release: ReleaseSection
    configuration: ConfigurationSection
    image: tuple[ImageSection, ...]
    reported: tuple[ReportedSection, ...] = ()
    rollback: RollbackSection | None = None
    recovery: RecoverySection | None = None

    def __post_init__(self) -> None:
        """Refuse a set in which two members are the same, or none is the application."""
        roles = [*(member.role for member in self.image), *(member.role for member in self.reported)]
        numbers = [member.number for member in self.image]
        if len(set(roles)) != len(roles):
            raise ValueError("image: two members have the same role")
        if len(set(numbers)) != len(numbers):
            raise ValueError("image: two images have the same number")
        applications = [one.version for one in self.image if (one.role, one.number) == (Role.APPLICATION, 0)]
        if not applications:
            raise ValueError("image: at least one [[image]] with role 'application' and number 0 is expected")
        if applications != [self.release.version]:
            raise ValueError(
                f"release: version: must be that of the application, {applications[0]}, which units report"
            )
