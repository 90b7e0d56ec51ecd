"""What of a station directory goes into a backup, what stays out, and why.

No PIN and no other secret is copied, and no key that a token holds: a backup may lie where nobody guards it.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pki.plan import Layout
from station.audit.key import audit_certificate
from station.config import StationConfig
from station.errors import ConfigError
from station.keeping.around import certificates_named, rest_of

SETTINGS = ("station.toml", "approvers")
LEFT_OUT: Mapping[str, str] = {
    "secrets": "PINs, tokens and passphrases are kept apart; give them again by hand",
    "tokens": "the keys of a software token are kept by those who held the ceremony",
    "audit": "made again from the records",
    "passports": "PDFs, made again from the signed passports in the records: station passport build",
    "exports": "made again on request",
    "labels": "what a printer in a folder printed",
    "inbox": "files of others that wait to be read; they are sent again",
}
"""Folders of a station that a backup has nothing of."""
PKI_LEFT_OUT: Mapping[str, str] = {
    "secrets": LEFT_OUT["secrets"],
    "paper": "it opens secrets of units that are not on paper yet",
    "tokens": LEFT_OUT["tokens"],
}
"""Folders of the PKI that a backup has nothing of."""
OTHER = "a key, or nothing that a backup knows; keep it apart if it is needed"
PKI_FOLDERS = ("certificates", "keys", "crl", "identities", "plans", "renewals", "transcripts")
"""Of the PKI: nothing in them opens without a secret or a token."""
AUDIT_KEY = "audit-key.pem"
"""Under this name a backup has the certificate of the audit key, wherever the PKI lies: its log is judged by it."""
MOST_FILES = 100_000


@dataclass(frozen=True)
class Contents:
    """What a backup is made of."""

    database: Path
    ledger: Path | None
    """The PKI's ledger; None where the PKI lies outside of the station directory, or was never made."""
    files: Mapping[str, Path]
    """Where each file lies, by its name below the station directory."""
    left_out: Mapping[str, str]
    """What is there and not copied, each with why."""
    secrets: tuple[str, ...]
    """Names of the secrets that a restored station needs again."""


def contents_of(config: StationConfig) -> Contents:
    """Look at what there is to copy.

    Raises:
        ConfigError: The records do not lie in the station directory, a path is written so that a restored station
            would use what is here, or there are too many files.
    """
    directory = config.directory
    _demand_relative(config)
    database = directory / config.station.database
    if "://" in config.station.database or not _is_inside(database, directory):
        message = f"the records lie outside of {directory}"
        raise ConfigError(message, hint="Back them up with the database's own tools.")
    files = dict(sorted(_files(config)))
    if len(files) > MOST_FILES:
        raise ConfigError(f"{directory} has more than {MOST_FILES} files", hint="Move away what is not needed.")
    ledger = Layout(config.pki_directory).ledger
    kept = ledger if ledger.exists() and _is_inside(ledger, directory) else None
    return Contents(database, kept, files, _left_out(config, database, kept, files), tuple(_secrets(config)))


def _left_out(config: StationConfig, database: Path, ledger: Path | None, files: Mapping[str, Path]) -> dict[str, str]:
    """Return what is not copied: folders that never are, and by its name alone whatever else lies around."""
    directory, pki = config.directory, config.pki_directory
    never = {directory / name: why for name, why in LEFT_OUT.items()}
    never |= {pki / name: why for name, why in PKI_LEFT_OUT.items()} if _is_inside(pki, directory) else {}
    left = {path.relative_to(directory).as_posix(): why for path, why in never.items() if path.exists()}
    if ledger is None:
        left[str(config.pki.directory)] = "the PKI lies elsewhere; back it up there"
    known = {directory / name for name in (*files, *left)} | {database, *([ledger] if ledger else [])}
    return left | dict.fromkeys(rest_of(directory, known), OTHER)


def _demand_relative(config: StationConfig) -> None:
    """Refuse absolute paths into the station directory: restored elsewhere, the station would use what is left here."""
    station = config.station
    named = {"station.database": Path(station.database), "station.catalog": station.catalog}
    named |= {"station.approvers": station.approvers, "results.formats": config.results.formats}
    for name, path in (named | {"pki.directory": config.pki.directory}).items():
        if path.is_absolute() and _is_inside(path, config.directory):
            relative = os.path.relpath(path, config.directory)
            message = f"station.toml: {name} is an absolute path into the station directory"
            raise ConfigError(
                f"{message}; a restored station would use what is here", hint=f'Write "{relative}" there.'
            )


def _files(config: StationConfig) -> Iterator[tuple[str, Path]]:
    """Yield settings, catalogue and what the PKI may show, each under its name below the station directory."""
    directory, pki = config.directory, config.pki_directory
    folders = [config.catalog, directory / config.results.formats, directory / "batch-profiles"]
    if _is_inside(pki, directory):
        folders += [pki / name for name in PKI_FOLDERS]
    if (certificate := audit_certificate(config)).is_file():
        yield AUDIT_KEY, certificate
    single = [*(directory / name for name in SETTINGS), config.approvers, Layout(pki).plan]
    settings = [directory / SETTINGS[0], *sorted((config.catalog / "environments").glob("*.toml"))]
    single += [path for path in certificates_named(directory, settings) if not _stays(path, config)]
    for path in single:
        if path.is_file() and _is_inside(path, directory):
            yield path.relative_to(directory).as_posix(), path
    for folder in folders:
        if _is_inside(folder, directory):
            yield from ((path.relative_to(directory).as_posix(), path) for path in _below(folder))


def _stays(path: Path, config: StationConfig) -> bool:
    """Tell whether a file lies in a folder that is never copied."""
    never = [config.directory / name for name in LEFT_OUT] + [config.pki_directory / name for name in PKI_LEFT_OUT]
    return any(_is_inside(path, folder) for folder in never)


def _below(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder; what links lead to is copied as a file, and no folder is walked twice."""
    seen: set[str] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        yield from (Path(place) / name for name in names if not name.startswith(".") and (Path(place) / name).is_file())


def _secrets(config: StationConfig) -> Iterator[str]:
    for folder in (config.directory / "secrets", config.pki_directory / "secrets"):
        if folder.is_dir() and _is_inside(folder, config.directory):
            names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
            yield from (f"{folder.relative_to(config.directory).as_posix()}/{name}" for name in names)


def _is_inside(path: Path, directory: Path) -> bool:
    """Tell whether a path is named below a directory; where links on the way lead to is the keeper's choice."""
    return Path(os.path.abspath(path)).is_relative_to(Path(os.path.abspath(directory)))  # noqa: PTH100 - links stay
