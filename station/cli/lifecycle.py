"""`station lifecycle`: what happened to units after their release, reported by somebody who answers for it."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from station.cli.common import AS_JSON, DIRECTORY, acting, exit_codes, print_json
from station.config import StationConfig, load_station
from station.errors import ConfigError, Defect, UnitError
from station.person import Person, Role
from station.records import EventsRefused, LifecycleKind, LifecycleRow, open_records
from station.records.values import SERIAL
from station.strict import read_bounded

if TYPE_CHECKING:
    from station.trace.lifecycle_reports import Report, Reported

MOST_SHOWN = 20
"""Units and refused lines that are printed; `--json` has all."""
Command = Callable[..., None]


@click.group()
def lifecycle() -> None:
    """Life after the release: shipped, in service, moved, of other hands, back, over.

    Each report is recorded for all its units or for none, ends what has to end (keys, certificates, CPMS record), and
    gives each unit a new signed passport that says it. Exit codes: 0 recorded, 1 some units are not in a state for it.

    \b
    Examples:
      station lifecycle ship AC22-000017 AC22-000018 --party "Example Energy" --reference DN-1001 --as lead-1
      station lifecycle commission --file sites.csv --as lead-1
      station lifecycle return AC22-000017 --reference RMA-17 --reason "does not charge" --as rework-1
      station lifecycle show AC22-000017
    """


OPTIONS = (
    click.option("--reason", default="", help="Why."),
    click.option("--reference", default="", help="Number of the delivery note, or of the return (RMA)."),
    click.option("--party", default="", help="The consignee, the new owner or the new operator."),
    click.option("--place", default="", help="The site."),
    click.option("--at", default="", metavar="TIME", help="When it happened, such as 2026-11-01; now by default."),
    click.option(
        "--file",
        "table",
        type=click.Path(dir_okay=False, path_type=Path),
        help="CSV with a unit a line: serial, at, place, party, reference, reason; an empty cell takes the option.",
    ),
)


def _options(command: Command) -> Command:
    for option in OPTIONS:
        command = option(command)
    return click.argument("serials", nargs=-1, metavar="[SERIAL]...")(command)


def _reporting(name: str, kind: LifecycleKind, help_: str, *roles: Role) -> None:
    """Add the command that reports one kind of event."""

    @lifecycle.command(name, help=help_)
    @_options
    @DIRECTORY
    @AS_JSON
    @acting(*roles)
    def report(
        directory: Path, person: Person, serials: tuple[str, ...], table: Path | None, *, as_json: bool, **facts: str
    ) -> None:
        from station.trace.lifecycle_reports import LinesRefused, Report

        try:
            reported = _read(Report(kind, person.id, facts), serials, table)
        except LinesRefused as error:
            _tell_refused(error.refusals, error.hint, as_json=as_json)
            sys.exit(2)
        try:
            rows = _recorded(load_station(directory), reported)
        except LinesRefused as error:
            _tell_refused(error.refusals, error.hint, as_json=as_json)
            sys.exit(1)
        _tell(rows, as_json=as_json)


LEADERS = (Role.LINE_LEAD, Role.QA)
_reporting("ship", LifecycleKind.SHIPPED, "Report that packable units left for a consignee (--party).", *LEADERS)
_reporting(
    "commission", LifecycleKind.COMMISSIONED, "Report that units were put into service at a site (--place).", *LEADERS
)
_reporting("move", LifecycleKind.MOVED, "Report that units stand at another site now (--place).", *LEADERS)
_reporting(
    "owner",
    LifecycleKind.OWNER_CHANGED,
    "Report that units have another owner (--party): certificates are revoked, CPMS records taken back.",
    *LEADERS,
)
_reporting(
    "operator",
    LifecycleKind.OPERATOR_CHANGED,
    "Report that another operator runs units (--party): keys stay, the old operator's CPMS records are taken back.",
    *LEADERS,
)
_reporting(
    "return",
    LifecycleKind.RETURNED,
    "Take units back (--reference RMA, --reason): keys end, CPMS records are taken back; rework or scrap decides.",
    *LEADERS,
    Role.REWORK,
)
_reporting(
    "decommission",
    LifecycleKind.DECOMMISSIONED,
    "End the life of units (--reason): keys end, CPMS records are taken back, serials are never used again.",
    *LEADERS,
)


@lifecycle.command()
@click.argument("serial")
@DIRECTORY
@AS_JSON
@exit_codes
def show(serial: str, directory: Path, *, as_json: bool) -> None:
    """List what happened to a unit since its release, the oldest first.

    \b
    Example:
      station lifecycle show AC22-000017 --json
    """
    config = load_station(directory)
    with open_records(config.database_url, config.station.id) as records:
        unit = records.unit(serial) if SERIAL.fullmatch(serial) else None
        rows = records.lifecycle(serial) if unit else ()
    if unit is None:
        raise UnitError(
            Defect.WRONG_UNIT, f"There is no unit {serial[:40]!a} in these records.", hint="Check the number."
        )
    if as_json:
        print_json({"serial": serial, "state": unit.state, "lifecycle": rows})
        return
    click.echo(f"{serial}: {unit.state.value}")
    for row in rows:
        click.echo(f"{row.occurred_at:%Y-%m-%d %H:%M}  {row.sentence}")


def _read(report: "Report", serials: tuple[str, ...], table: Path | None) -> "Reported":
    from station.trace.lifecycle_reports import MOST_BYTES, of_serials, of_table

    if (table is None) == (not serials):
        raise ConfigError("a report names its units one way", hint="Give serial numbers, or a table: --file CSV.")
    if table is None:
        return of_serials(report, serials)
    return of_table(report, read_bounded(table, str(table), MOST_BYTES))


def _recorded(config: StationConfig, reported: "Reported") -> tuple[LifecycleRow, ...]:
    from station.factory import opened_factory
    from station.lifecycle import tell

    with open_records(config.database_url, config.station.id) as records, opened_factory(config) as factory:
        try:
            return tell(records, factory, reported.events)
        except EventsRefused as error:
            raise reported.refused(error.refusals) from error


def _tell(rows: tuple[LifecycleRow, ...], *, as_json: bool) -> None:
    if as_json:
        print_json({"recorded": rows})
        return
    for row in rows[:MOST_SHOWN]:
        click.echo(f"{row.unit}: {row.sentence}")
    if len(rows) > MOST_SHOWN:
        click.echo(f"and {len(rows) - MOST_SHOWN} more")


def _tell_refused(refusals: dict[int, str], hint: str, *, as_json: bool) -> None:
    """Tell each line that is wrong."""
    if as_json:
        found: list[dict[str, Any]] = [{"line": line, "problem": said} for line, said in refusals.items()]
        print_json({"recorded": [], "refused": found})
        return
    for line, said in list(refusals.items())[:MOST_SHOWN]:
        click.echo(f"line {line}: {said}", err=True)
    if len(refusals) > MOST_SHOWN:
        click.echo(f"and {len(refusals) - MOST_SHOWN} more", err=True)
    click.echo(f"Nothing was recorded. {hint}", err=True)
