"""`station accept`: acceptance over OCPP alone, of a unit whose identity and certificate are known."""

import sys
from pathlib import Path

import click

from station.cli.common import AS_JSON, DIRECTORY, acting, print_json
from station.config import load_station
from station.person import Person, Role

CODES = {"PASS": 0, "FAIL": 1}


@click.command()
@click.argument("serial")
@DIRECTORY
@click.option("--slot", required=True, help="Where the unit is plugged in.")
@AS_JSON
@acting(Role.QA, Role.LINE_LEAD, Role.REWORK)
def accept(directory: Path, person: Person, serial: str, slot: str, *, as_json: bool) -> None:
    """Let a unit prove itself over OCPP once more: after rework, on return, or to check the station by a golden unit.

    The unit must be at its test endpoint, with the test certificate that it was given. It goes through the same
    sequence as on the line, certificate renewal included. That has an outcome of its own, which 'station unit' and the
    order's story show; no passport, label or registration changes. The station must not run on this directory: it
    holds the slots and the endpoints that units connect to. Exit code 0 for PASS, 1 for FAIL, 2 if it can't be proven
    as it is, 3 when the station or a service is at fault, or nothing answers in the slot.

    \b
    Examples:
      station accept AC22-000017 --slot 1 --as rework-1
      station accept AC22-000017 --slot 1 --as qa-1 --json | jq .checks
    """
    from station.proving import prove_alone

    proof = prove_alone(load_station(directory), serial, slot, person)
    if as_json:
        print_json(proof)
    else:
        for check in proof.checks:
            click.echo(f"  {check['outcome']:8} {check['seconds']:7.1f} s  {check['name']}")
        click.echo(f"{proof.unit}: {proof.outcome.value} in {proof.seconds:.1f} s (event {proof.event})")
        if proof.reason:
            click.echo(f"{proof.reason}\n{proof.hint}")
    sys.exit(CODES.get(proof.outcome.value, 3))
