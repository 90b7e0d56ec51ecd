"""`station cpms`: which charging management systems there are adapters for, and whether one answers."""

from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

import click

from station.cli.common import AS_JSON, DIRECTORY, exit_codes, print_json
from station.config import load_station


@click.group()
def cpms() -> None:
    """Charging management systems: what can be registered with, and whether it is there.

    \b
    Examples:
      station cpms list                                          every adapter, and what it was tried against
      station cpms check staging+https://host:8090       does it answer, and does it take our token
      station cpms check 'ampeco+https://host?location=12' --profile 2
    """


@cpms.command("list")
@AS_JSON
@exit_codes
def cpms_list(*, as_json: bool) -> None:
    """List all adapters with their limits, how they treat passwords, and what they were tried against."""
    from station.cpms import ADAPTERS

    rows = {
        name: {
            "title": each.title,
            "example": each.example,
            "at_once": each.limits.at_once,
            "per_second": each.limits.per_second,
            "passwords": each.passwords.value,
            "evidence": each.evidence,
        }
        for name, each in ADAPTERS.items()
    }
    if as_json:
        print_json(rows)
        return
    for name, row in rows.items():
        pace = f", {row['per_second']:g} a second" if row["per_second"] else ""
        click.echo(f"{name:10} {row['title']}; {row['evidence']}")
        click.echo(f"{'':10} {row['at_once']} at once{pace}; passwords: {row['passwords']}")
        click.echo(f"{'':10} {row['example']}")


@cpms.command("check")
@click.argument("uri")
@DIRECTORY
@click.option("--profile", default=3, show_default=True, type=click.IntRange(2, 3), help="OCPP security profile.")
@AS_JSON
@exit_codes
def cpms_check(uri: str, directory: Path, profile: int, *, as_json: bool) -> None:
    """Ask a CPMS whether it is there and takes this station's token; nothing is changed there.

    \b
    Exit codes: 0 it answers, 2 the address or the token's file is wrong, 3 it is away or refuses the token.
    """
    from station.cpms import adapter_of, check_passwords
    from station.daemon import opened_cpms
    from station.factory import opened_factory

    config = load_station(directory)
    check_passwords(uri, profile)
    with opened_factory(config) if config.cpms.identity else nullcontext() as factory:
        opened = opened_cpms(config, uri, factory)
        try:
            health = opened.health()
        finally:
            opened.close()
    told = {"name": opened.name, "evidence": adapter_of(uri).evidence, **asdict(health)}
    if as_json:
        print_json(told)
        return
    click.echo(f"{opened.name}: {health.system} answers in {health.seconds:.3f} s")
    for note in (*health.notes, f"this adapter is {told['evidence']}"):
        click.echo(f"  {note}")
