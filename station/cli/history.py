"""`station unit` and `station runs`: what happened."""

from pathlib import Path

import click

from station.cli.common import AS_JSON, DIRECTORY, exit_codes, print_json
from station.config import StationConfig, load_station
from station.describe import run_line, unit_lines
from station.errors import Defect, UnitError
from station.records import RunFilter, UnitHistory, open_records
from station.trace.unit import unit_file


@click.command()
@click.argument("serial")
@DIRECTORY
@AS_JSON
@click.option("--verify", is_flag=True, help="Check the signature of the unit's passport; exit code 1 if it fails.")
@exit_codes
def unit(serial: str, directory: Path, *, as_json: bool, verify: bool) -> None:
    """Show everything that is known about one unit.

    Holds and dispositions; runs with operator, steps and certificates; components, meters, identifiers, results,
    labels, passports, registrations.

    \b
    Examples:
      station unit AC22-000017
      station unit AC22-000017 --verify
      station unit AC22-000017 --json | jq .runs
    """
    config = load_station(directory)
    with open_records(config.database_url, config.station.id) as records:
        history = unit_file(records, serial)
    if history is None:
        raise UnitError(
            Defect.WRONG_UNIT, f"There is no unit {serial} in these records.", hint="Check the serial number."
        )
    if verify:
        _verify(history, config)
    if as_json:
        print_json(history)
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


@click.command()
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
        print_json(found)
        return
    for row in found:
        click.echo(run_line(row))
    if not found:
        click.echo("No runs yet.")
