"""What commands share that judge a file offline: by which certificate, and how its proof is told."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from station.config import load_station
from station.errors import ConfigError, StationError
from station.strict import read_bounded

if TYPE_CHECKING:
    from cryptography import x509

MOST_ANCHORS = 1_000_000
FILE = click.Path(dir_okay=False, path_type=Path)
ANCHOR = click.option("--anchor", type=FILE, help="The factory's record certificate (PEM); the station's by default.")
KEPT_ELSEWHERE = click.option(
    "--from",
    "outside",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="A checkpoint of the audit log that was kept elsewhere, or a folder of them; may be repeated.",
)


def anchors_of(anchor: Path | None, directory: Path) -> "tuple[x509.Certificate, ...]":
    """Return the record certificates by which a file is judged: those that were named, or the station's own.

    Raises:
        ConfigError: There are none, or they can't be read.
    """
    from station.documents.passport_proof import read_anchors

    place = anchor or _own_anchor(directory)
    return read_anchors(read_bounded(place, str(place), MOST_ANCHORS))


def _own_anchor(directory: Path) -> Path:
    try:
        return load_station(directory).pki_directory / "certificates" / "records.pem"
    except StationError as error:
        hint = "Name the factory's record certificate with --anchor FILE."
        raise ConfigError("there is no trust anchor", hint=hint) from error


def tell_proof(proved: Iterable[str], not_proved: Iterable[str]) -> None:
    """Print what a check proved and what not, a line for each sentence."""
    for title, sentences in (("Proved:", proved), ("Not proved:", not_proved)):
        click.echo("\n".join((title, *(f"  {sentence}" for sentence in sentences))))
