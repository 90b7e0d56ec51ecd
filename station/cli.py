"""The command `station`: set up, check, run and read a station directory.

Each command imports what it needs itself, so that the small ones start quickly.
Exit codes: 0 done, 1 the unit or record failed the check, 2 usage or configuration, 3 a service is away.
"""

import json
import logging
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import wraps
from pathlib import Path
from typing import ParamSpec

import click

from station.config import StationConfig, load_station
from station.describe import plain, run_line, unit_lines
from station.errors import ConfigError, Defect, ServiceError, StationError, UnitError
from station.records import RunFilter, UnitHistory, open_records
from station.setup import InitOptions, init_station

P = ParamSpec("P")
DIRECTORY = click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    envvar="STATION_DIR",
    show_envvar=True,
    help="Station directory; the current one by default.",
)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")


def exit_codes(command: Callable[P, None]) -> Callable[P, None]:
    """Turn the station's errors into a message and the exit code that scripts rely on."""

    @wraps(command)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except StationError as error:
            click.echo(f"Error: {error.message}\n{error.hint}", err=True)
            sys.exit(_code(error))

    return guarded


def _code(error: StationError) -> int:
    match error:
        case UnitError():
            return 1
        case ConfigError():
            return 2
        case ServiceError():
            return 3
    return 1


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--verbose", is_flag=True, help="Log more.")
def main(*, verbose: bool) -> None:
    """Factory provisioning station for EV chargers.

    \b
    Examples:
      station init line3 --slots 4        create a station directory
      station check --dir line3           test every promise of its configuration
      station run --dir line3             serve the line
      station unit AC22-000017            everything known about one unit
    """
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for noisy in ("httpx", "httpcore", "websockets", "asyncio", "alembic", "smpclient", "smp", "ocpp", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


@main.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--id", "identity", default="ST1", show_default=True, help="Name of the station, unique in the factory.")
@click.option("--slots", default=4, show_default=True, type=click.IntRange(1, 64), help="Number of slots to prepare.")
@click.option("--ports", default="udev:", show_default=True, help="Where plugged chargers are seen.")
@click.option("--printer", default="file:labels", show_default=True, help="Label printer.")
@click.option("--cpms", default="file:cpms", show_default=True, help="Charging management system.")
@click.option("--order", default="WO-1", show_default=True, help="Work order that the line starts with.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of the page and the OCPP server.")
@click.option("--web-port", default=8080, show_default=True, help="TCP port of the operator page.")
@click.option("--test-port", default=8443, show_default=True, help="TCP port of the OCPP server, test endpoint.")
@click.option(
    "--ship-port", default=8444, show_default=True, help="TCP port of the OCPP server, stand-in for the ship endpoint."
)
@exit_codes
def init(directory: Path, **options: object) -> None:
    """Create a station directory with a commented station.toml and its database.

    Running it again changes nothing that is there.
    """
    written = init_station(directory, InitOptions(**options))  # type: ignore[arg-type]
    for path in written:
        click.echo(f"created {path}")
    click.echo(
        f"Next: fill {directory}/catalog, hold the ceremony ('pki ceremony'), create an order ('station order create')."
    )


@main.command()
@DIRECTORY
@AS_JSON
@exit_codes
def check(directory: Path, *, as_json: bool) -> None:
    """Test every promise of the configuration and name what is wrong.

    Exit code 0 when all is well, 2 for the configuration, 3 when a service is away.
    """
    from station.check import check_station, worst

    findings = check_station(directory)
    if as_json:
        _print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            click.echo(f"{'ok  ' if finding.ok else 'BAD '} {finding.what}: {finding.detail}")
            if not finding.ok and finding.hint:
                click.echo(f"     {finding.hint}")
    sys.exit(worst(findings))


@main.command()
@DIRECTORY
@exit_codes
def run(directory: Path) -> None:
    """Serve the line until Ctrl-C or SIGTERM; runs in work are closed ABORTED and continue at the next start."""
    from station.daemon import run_station

    run_station(load_station(directory))


@main.command()
@DIRECTORY
@AS_JSON
@exit_codes
def slots(directory: Path, *, as_json: bool) -> None:
    """List what is plugged in now, and print the stanza that binds an unknown port to a slot."""
    from station.detect import open_ports, slot_of, suggest_stanza

    config = load_station(directory)
    ports = open_ports(config.located(config.station.ports))
    try:
        rows = [(slot_of(config.slot, port.path), port) for port in ports.list()]
    finally:
        ports.close()
    if as_json:
        _print_json([{"slot": slot.name if slot else None, **asdict(port)} for slot, port in rows])
        return
    for slot, port in rows:
        click.echo(
            f"{('slot ' + slot.name) if slot else 'no slot':10} {port.path}  {port.node}  {port.product}".rstrip()
        )
        if slot is None:
            click.echo(suggest_stanza(port))
    if not rows:
        click.echo("Nothing is plugged in.")


@main.command()
@click.argument("serial")
@DIRECTORY
@AS_JSON
@click.option("--verify", is_flag=True, help="Check the signature of the unit's passport; exit code 1 if it fails.")
@exit_codes
def unit(serial: str, directory: Path, *, as_json: bool, verify: bool) -> None:
    """Show everything that is known about one unit: runs, steps, certificates, labels, passport, registration.

    \b
    Examples:
      station unit AC22-000017
      station unit AC22-000017 --verify
      station unit AC22-000017 --json | jq .runs
    """
    config = load_station(directory)
    with open_records(config.database_url, config.station.id) as records:
        history = records.unit_history(serial)
    if history is None:
        raise UnitError(
            Defect.WRONG_UNIT, f"There is no unit {serial} in these records.", hint="Check the serial number."
        )
    if verify:
        _verify(history, config)
    if as_json:
        _print_json(history)
    else:
        click.echo("\n".join(unit_lines(history)))


def _verify(history: UnitHistory, config: StationConfig) -> None:
    """Check the latest passport's signature against the factory's records certificate."""
    from station.documents.passport import verify_passport

    if not history.passports:
        raise UnitError(Defect.WRONG_UNIT, f"Unit {history.unit.serial} has no passport.", hint="Release it first.")
    passport = history.passports[-1]
    certificate = (config.pki_directory / "certificates" / "records.pem").read_bytes()
    verify_passport(passport.document, passport.signature, certificate)
    click.echo("The passport's signature is good.", err=True)


@main.command()
@DIRECTORY
@AS_JSON
@click.option("--unit", "serial", default="", help="Only runs of this unit.")
@click.option("--limit", default=30, show_default=True, type=click.IntRange(1, 10_000), help="At most so many.")
@exit_codes
def runs(directory: Path, serial: str, limit: int, *, as_json: bool) -> None:
    """List runs, newest first."""
    config = load_station(directory)
    with open_records(config.database_url, config.station.id) as records:
        found = records.runs(RunFilter(unit=serial), limit)
    if as_json:
        _print_json(found)
        return
    for row in found:
        click.echo(run_line(row))
    if not found:
        click.echo("No runs yet.")


@main.group()
def order() -> None:
    """Work orders: what to build, and which serial numbers belong to it."""


@order.command("create")
@click.argument("name")
@DIRECTORY
@click.option("--recipe", required=True, help="Recipe of the catalogue that builds the units.")
@click.option("--quantity", required=True, type=click.IntRange(1, 1_000_000), help="Units to build.")
@click.option("--prefix", required=True, help="What serial numbers begin with, such as AC22-.")
@click.option("--first", default=1, show_default=True, type=click.IntRange(0), help="First number of the serial block.")
@click.option("--customer", default="", help="For whom.")
@click.option(
    "--rework", default=0, show_default=True, type=click.IntRange(0), help="Certificates beyond the quantity."
)
@exit_codes
def order_create(name: str, directory: Path, **options: object) -> None:
    """Create a work order with its block of serial numbers.

    \b
    Example:
      station order create WO-1001 --recipe ac22-eu --quantity 100 --prefix AC22- --first 1
    """
    from station.orders import OrderOptions, create_order

    created = create_order(load_station(directory), name, OrderOptions(**options))  # type: ignore[arg-type]
    block = created.serials
    click.echo(f"Order {created.id}: {created.quantity} units, {block.text(block.first)} to {block.text(block.last)}")


@order.command("list")
@DIRECTORY
@AS_JSON
@exit_codes
def order_list(directory: Path, *, as_json: bool) -> None:
    """List work orders with their progress."""
    config = load_station(directory)
    with open_records(config.database_url, config.station.id) as records:
        found = [(row, records.counts(row.id)) for row in records.orders()]
    if as_json:
        _print_json([{"order": row, "counts": counts} for row, counts in found])
        return
    for row, counts in found:
        progress = f"{counts.released} of {counts.quantity} released"
        click.echo(f"{row.id:12} {row.recipe} r{row.recipe_revision}  {progress}  {row.state}")


def _print_json(value: object) -> None:
    click.echo(json.dumps(value, default=plain, indent=2))
