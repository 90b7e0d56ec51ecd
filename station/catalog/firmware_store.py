"""Firmware releases on their way into the catalogue: judged as a whole first, copied as judged, never changed again."""

import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from station.catalog.firmware import MANIFEST, CheckedImage, ImageRule, Release, load_image, load_release
from station.catalog.firmware_manifest import LARGEST_IMAGE, ReleaseFile, ordered
from station.catalog.source import Folder
from station.errors import ConfigError
from station.strict import parse, toml_table

RELEASES = "firmware"


@dataclass(frozen=True)
class Judged:
    """A release whose every file was judged."""

    release: Release
    images: tuple[tuple[ImageRule, CheckedImage], ...]
    """What is written, the application first."""


def judge_release(catalog: Path, name: str) -> Judged:
    """Read a release of a catalogue and judge every file of it.

    Raises:
        ConfigError: Manifest, SBOM or image is wrong; names the file and the check that failed.
    """
    release = load_release(Folder(catalog), name)
    images = tuple((rule, load_image(rule)[1]) for rule in release.image)
    if release.rollback is not None:
        _check_rollback(release.rollback, {image.digest for _, image in images})
    if release.recovery is not None:
        load_image(release.recovery)
    return Judged(release, images)


def _check_rollback(rule: ImageRule, digests: set[bytes]) -> None:
    """Refuse a rollback image that is one of the release's own: it would start, and prove nothing."""
    if load_image(rule)[1].digest in digests:
        raise ConfigError(f"{rule.path.name}: the rollback image is an image of the release itself")


def add_release(catalog: Path, folder: Path) -> tuple[Judged, bool]:
    """Copy a release into the catalogue once all of it was judged, and tell whether it is new there.

    What is judged is the copy, so that nothing changes in between. The same release again changes nothing.

    Raises:
        ConfigError: Something of it is wrong, or the catalogue holds another one of the same name.
    """
    manifest = _manifest(folder)
    name = manifest.release.name
    catalog.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".adding-", dir=catalog) as scratch:
        copy = Path(scratch) / RELEASES / name
        copy.mkdir(parents=True)
        for file in _files(manifest):
            _copy(folder / file, copy / file)
        judged = judge_release(Path(scratch), name)
        target = catalog / RELEASES / name
        if target.exists():
            _require_same(copy, target, name)
            return judge_release(catalog, name), False
        target.parent.mkdir(exist_ok=True)
        copy.rename(target)
    return judged, True


def newest_version(catalog: Path, product: str) -> str:
    """Return the highest version that a readable release for a product has, empty where there is none."""
    source = Folder(catalog)
    found = []
    for name in source.names(RELEASES):
        try:
            release = load_release(source, name)
        except ConfigError:
            continue
        found += [release.version] if product in release.products else []
    return max(found, key=ordered, default="")


def _manifest(folder: Path) -> ReleaseFile:
    path = folder / MANIFEST
    try:
        with path.open("rb") as file:
            raw = file.read(1_000_001)
    except OSError as error:
        message = f"{path}: {error.strerror or error}"
        raise ConfigError(message, hint=f"Name the directory in which the release's {MANIFEST} lies.") from error
    return parse(ReleaseFile, toml_table(raw, str(path)), str(path))


def _files(manifest: ReleaseFile) -> tuple[str, ...]:
    """Return every file that the manifest names, and itself; a release holds nothing else."""
    names = {MANIFEST}
    for image in manifest.image:
        names |= {image.file, image.public_key, image.sbom}
    names |= {reported.sbom for reported in manifest.reported}
    names |= {manifest.rollback.file} if manifest.rollback else set()
    names |= {manifest.recovery.file, manifest.recovery.public_key} if manifest.recovery else set()
    return tuple(sorted(names))


def _copy(source: Path, target: Path) -> None:
    try:
        state = source.stat()
        if not stat.S_ISREG(state.st_mode) or state.st_size > LARGEST_IMAGE:
            raise ConfigError(f"{source}: not a file of at most {LARGEST_IMAGE} bytes")
        shutil.copyfile(source, target)
    except OSError as error:
        message = f"{source}: {error.strerror or error}"
        raise ConfigError(message, hint="Complete the release; its manifest names every file.") from error


def _require_same(copy: Path, target: Path, name: str) -> None:
    for path in sorted(copy.iterdir()):
        there = target / path.name
        if not there.is_file() or there.read_bytes() != path.read_bytes():
            raise ConfigError(
                f"firmware {name} is in the catalogue with another {path.name}",
                hint="Give the changed release a new version and name: a release never changes.",
            )
