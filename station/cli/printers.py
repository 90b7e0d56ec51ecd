"""`station printer`: the label printer, whether it is ready, and which labels wait."""

import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import click

from station.cli.common import AS_JSON, DIRECTORY, exit_codes, print_json
from station.clock import Deadline, iso
from station.config import StationConfig, load_station
from station.errors import ServiceError

Answer = TypeVar("Answer", int, str)
ASK_SECONDS = 10.0


@dataclass(frozen=True)
class Found:
    """What a printer tells of itself."""

    uri: str
    language: str
    ready: bool
    problem: str
    hint: str
    waiting: int | None
    serial: str
    labels: int | None
    """Ever printed; None where it does not count."""
    dpi: int
    fits: bool
    """Whether labels are made for its resolution."""


@click.group()
def printer() -> None:
    """The label printer of a station.

    \b
    Examples:
      station printer list        which printer, its serial number, and how it is
      station printer check       exit code 0 if a label sent now would come out now, 3 if not
      station printer queue       labels that wait for the printer or for their scan
    """


@printer.command("list")
@DIRECTORY
@AS_JSON
@exit_codes
def printer_list(directory: Path, *, as_json: bool) -> None:
    """Show the station's printer and what it tells of itself; nothing is printed."""
    found = _found(load_station(directory))
    if as_json:
        print_json([asdict(found)])
        return
    labels = "does not count labels" if found.labels is None else f"{found.labels} labels ever"
    dots = f" {found.dpi} dpi" if found.dpi else ""
    click.echo(f"{found.uri}  {found.language}{dots}  {found.serial or '-'}  {labels}  {_state(found)}")


@printer.command()
@DIRECTORY
@AS_JSON
@exit_codes
def check(directory: Path, *, as_json: bool) -> None:
    """Tell whether a label sent now would come out now, right; exit code 3 if the printer can't, 2 if it is another.

    \b
    Example:
      station printer check && echo ready
    """
    found = _found(load_station(directory))
    if as_json:
        print_json(found)
    else:
        click.echo(f"{found.uri}: {_state(found)}")
    if found.ready and not found.fits:
        click.echo(f"Labels are made for another resolution than {found.dpi} dpi.\nCorrect labels.dpi.", err=True)
    sys.exit(3 if not found.ready else 0 if found.fits else 2)


@printer.command()
@DIRECTORY
@AS_JSON
@exit_codes
def queue(directory: Path, *, as_json: bool) -> None:
    """List labels that wait: for the printer, for their scan, or for somebody to say whether they were printed."""
    from station.records import open_records

    config = load_station(directory)
    with open_records(config.database_url, config.station.id) as records:
        rows = records.open_labels()
    if as_json:
        print_json([{**asdict(row), "job_name": row.job_name} for row in rows])
        return
    for row in rows:
        click.echo(f"{row.unit:25} {row.template:14} copy {row.copy:<3} {row.state.value:9} {iso(row.changed_at)}")
    click.echo(f"{len(rows)} label(s) wait.", err=True)


def _found(config: StationConfig) -> Found:
    from station.documents.printers import open_printer

    printer, deadline = open_printer(config.located(config.printer.uri)), Deadline(ASK_SECONDS)
    status = printer.status(deadline)
    answers = status.ready or status.waiting is not None
    serial = _told(printer.serial_number, deadline) if answers else None
    labels = _told(printer.odometer, deadline) if answers else None
    dpi = (_told(printer.dpi, deadline) if answers else None) or 0
    return Found(
        config.printer.uri, printer.language.value, status.ready, status.problem, status.hint, status.waiting,
        serial or "", labels, dpi, dpi in (0, config.labels.dpi),
    )  # fmt: skip


def _told(ask: Callable[[Deadline], Answer], deadline: Deadline) -> Answer | None:
    """Return what the printer answers; one that does not tell this may tell the rest."""
    try:
        return ask(deadline)
    except ServiceError:
        return None


def _state(found: Found) -> str:
    return "ready" if found.ready else f"{found.problem}. {found.hint}"
