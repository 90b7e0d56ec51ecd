"""`station label`: which labels a unit has, what became of them, their pictures, and how one is made void or anew."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from station.cli.common import AS_JSON, DIRECTORY, acting, exit_codes, print_json
from station.config import load_station
from station.errors import ConfigError
from station.people.roles import FLOOR, REPRINTERS
from station.person import Person, Role
from station.records import open_records

if TYPE_CHECKING:
    from station.labelled import LabelRoom

NAME = click.option("--label", "name", default="unit", show_default=True, help="Which of the unit's labels.")

REASON = click.option("--reason", required=True, help="Why, in 3 to 200 characters; stands in the records for good.")


@click.group()
def label() -> None:
    """The labels of a unit: the rating plate, one for each outlet, the one inside, and the carton's.

    \b
    Examples:
      station label list AC22-000017                     which it has, and what became of each
      station label preview AC22-000017 --output plate.png
      station label show AC22-000017 --label carton      what is sent to the printer
      station label void AC22-000017 --label connector-A --reason "fell off in the packing" --as lead-1
      station label print AC22-000017 --label connector-A --reason "fell off in the packing" --as lead-1
      station label scan AC22-000017 LB:AC22-000017:A:2 --label connector-A --as operator-1
    """


@contextmanager
def _opened(directory: Path) -> Iterator["LabelRoom"]:
    from station.labelled import LabelRoom

    config = load_station(directory)
    with open_records(config.database_url, config.station.id) as records:
        yield LabelRoom(config, records)


@label.command("list")
@click.argument("serial")
@DIRECTORY
@AS_JSON
@exit_codes
def label_list(serial: str, directory: Path, *, as_json: bool) -> None:
    """List the labels of a released unit, with the state of the latest copy of each."""
    with _opened(directory) as room:
        found = room.labels(serial)
    if as_json:
        print_json(found)
        return
    for one in found:
        copy = f"copy {one.copy}" if one.copy else ""
        click.echo(f"{one.name:14} {one.state:10} {copy:8} {one.code:40} {one.place}  {one.reason}".rstrip())


@label.command()
@click.argument("serial")
@DIRECTORY
@NAME
@click.option("--dpi", type=click.Choice(["203", "300"]), help="Resolution of the printer; the station's by default.")
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="PNG; SERIAL-LABEL.png here by default."
)
@exit_codes
def preview(serial: str, directory: Path, name: str, dpi: str | None, output: Path | None) -> None:
    """Draw a label of a released unit as it comes out of the printer; a secret is dots.

    Nothing is printed or recorded. The label is proven as before a print: drawn, and every code decoded. Exit code 1
    if there is no such unit, 2 if it has no such label or the label could not be printed.

    \b
    Examples:
      station label preview AC22-000017
      station label preview AC22-000017 --label carton --dpi 300 --output carton.png
    """
    with _opened(directory) as room:
        picture = room.preview(serial, name, int(dpi or 0))
    target = output or Path(f"{serial}-{name}.png")
    try:
        target.write_bytes(picture)
    except OSError as error:
        raise ConfigError(f"{target} can't be written: {error.strerror}", hint="Choose another place.") from error
    click.echo(str(target))


@label.command()
@click.argument("serial")
@DIRECTORY
@NAME
@click.option("--dpi", type=click.Choice(["203", "300"]), help="Resolution of the printer; the station's by default.")
@exit_codes
def show(serial: str, directory: Path, name: str, dpi: str | None) -> None:
    """Print the ZPL of a released unit's label, as it would be sent; a secret is dots.

    \b
    Example:
      station label show AC22-000017 --label connector-A > label.zpl
    """
    with _opened(directory) as room:
        click.echo(room.shown(serial, name, int(dpi or 0)), nl=False)


@label.command()
@click.argument("serial")
@DIRECTORY
@NAME
@REASON
@acting(Role.LINE_LEAD, Role.QA)
def void(directory: Path, person: Person, serial: str, name: str, reason: str) -> None:
    """Declare a label missing, spoilt or destroyed: the unit is not packable until it bears the next copy.

    Of a released unit; what a slot has in work is declared void there. Exit code 1 if it has no such label or was not
    released.

    The next copy is printed at a slot, on the page Labels, or by 'station label print'. The label inside can't be
    printed again once it was scanned back, as its secret is gone from us: send the unit to rework for a new one.

    \b
    Example:
      station label void AC22-000017 --reason "scratched in the packing" --as lead-1
    """
    from station.documents.printers import open_printer
    from station.reprinting import Desk
    from station.web.labels import Act

    with _opened(directory) as room:
        click.echo(Desk(room, open_printer("discard:"), "").void(person, Act(serial, name, reason)))


@label.command("print")
@click.argument("serial")
@DIRECTORY
@NAME
@REASON
@acting(*REPRINTERS)
def label_print(directory: Path, person: Person, serial: str, name: str, reason: str) -> None:
    """Print the next copy of a released unit's label; the one before is void from here on.

    For a station that does not run: one that runs has its printer, and prints on its page Labels. The copy counts once
    it was scanned back. Exit code 1 for the label inside, whose secret is gone from us, 2 while the station
    runs, 3 if the printer is away or did not print.

    \b
    Example:
      station label print AC22-000017 --label carton --reason "torn in the packing" --as lead-1
    """
    from station.daemon import only_one
    from station.documents.printers import open_printer
    from station.reprinting import Desk
    from station.web.labels import Act

    with _opened(directory) as room, only_one(room.config.directory):
        uri = room.config.located(room.config.printer.uri)
        click.echo(Desk(room, open_printer(uri), uri).reprint(person, Act(serial, name, reason)))


@label.command()
@click.argument("serial")
@click.argument("code")
@DIRECTORY
@NAME
@acting(*FLOOR)
def scan(directory: Path, person: Person, serial: str, code: str, name: str) -> None:
    """Take the scan-back of a released unit's label that was printed again.

    \b
    Example:
      station label scan AC22-000017 LB:AC22-000017:CARTON:2 --label carton --as operator-1
    """
    from station.documents.printers import open_printer
    from station.reprinting import Desk
    from station.web.labels import Act

    with _opened(directory) as room:
        click.echo(Desk(room, open_printer("discard:"), "").scan(person, Act(serial, name, code=code)))
