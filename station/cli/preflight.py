"""`station preflight`: whether the factory's network has what units will need, before the shift begins."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from station.cli.common import AS_JSON, DIRECTORY, exit_codes, print_json
from station.config import StationConfig, load_station
from station.errors import ConfigError

if TYPE_CHECKING:
    from station.catalog.recipes import Recipe
    from station.preflight import Finding, Probe, Surroundings
    from station.records import Records

BAD = 3
BENCH_ROOT = "bench-root.pem"
LEFT_OUT = "the bench's own endpoints, which are there while the station runs: look at them without --slot"


@click.command()
@DIRECTORY
@AS_JSON
@click.option(
    "--slot", default="", help="Also look at the modem of the charger in this slot; the station must not run."
)
@click.option("--seconds", default=5.0, show_default=True, type=click.FloatRange(0.1, 60), help="Time for each look.")
@exit_codes
def preflight(directory: Path, slot: str, seconds: float, *, as_json: bool) -> None:
    """Look at the factory's network: link, names, time, test and ship endpoint, CPMS, and a modem's signal.

    Each look is timed and recorded. The ship endpoint proves itself by TLS to the roots that chargers get; no
    certificate or password is shown to it, so the login is not tested. All of it is said of the factory's network: it
    is no validation of the site. With --slot the bench's own endpoints are left out, as only a running station has
    them. Exit code 0 when all is well, 3 when something is not.

    \b
    Examples:
      station preflight
      station preflight --json | jq '.findings[] | select(.ok | not)'
      station preflight --slot 1          with a charger that has a modem in slot 1
    """
    from station.preflight import LABEL, examine

    config = load_station(directory)
    with _opened(config) as (records, recipe), _probes(config, recipe, slot) as found:
        findings = examine(found, seconds)
        left_out = [LEFT_OUT] if slot else []
        body = {"findings": [asdict(finding) for finding in findings], "slot": slot, "left_out": left_out}
        records.event("preflight", config.station.id, body)
    if as_json:
        print_json({"scope": LABEL, "station": config.station.id, "findings": findings, "left_out": left_out})
    else:
        click.echo(f"{LABEL}:")
        for finding in findings:
            _tell(finding)
        for what in left_out:
            click.echo(f"left out: {what}")
    sys.exit(0 if all(finding.ok for finding in findings) else BAD)


def _tell(finding: "Finding") -> None:
    word = "ok  " if finding.ok else "BAD "
    click.echo(f"{word} {finding.what} ({finding.target}): {finding.detail}  [{finding.seconds:.3f} s]")
    if not finding.ok:
        click.echo(f"     {finding.hint}")


@contextmanager
def _opened(config: StationConfig) -> Iterator[tuple["Records", "Recipe"]]:
    from station.changeover import find_order
    from station.records import open_records
    from station.releases import ordered

    with open_records(config.database_url, config.station.id) as records:
        yield records, ordered(config, records, find_order(records, config))


@contextmanager
def _probes(config: StationConfig, recipe: "Recipe", slot: str) -> Iterator[list["Probe"]]:
    """Yield all looks; the slot of a modem is held until they are done."""
    from station.preflight import probes

    looks = list(probes(recipe.test, recipe.ship, _around(config, slot), lambda: _cpms(config, recipe.ship.cpms)))
    with ExitStack() as stack:
        if slot:
            looks.extend(stack.enter_context(_modem(config, recipe, slot)))
        yield looks


def _around(config: StationConfig, slot: str) -> "Surroundings":
    """Return where things are; whoever holds a slot has the station stopped, and its endpoints with it."""
    from station.preflight import Surroundings

    root = config.pki_directory / "certificates" / BENCH_ROOT
    acceptance = config.acceptance
    roots = root.read_bytes() if root.exists() else b""
    return Surroundings("" if slot else acceptance.host, acceptance.test_port, acceptance.ship_port, roots)


@contextmanager
def _modem(config: StationConfig, recipe: "Recipe", slot: str) -> Iterator[list["Probe"]]:
    """Yield what there is to look at with the charger in a slot.

    Raises:
        ConfigError: There is no such slot, or the product has no modem that shows anything.
    """
    from station.daemon import only_one
    from station.preflight import modem_probes
    from station.proving import slot_charger

    with only_one(config.directory), slot_charger(config, recipe.product.driver, slot) as charger:
        looks = list(modem_probes(recipe.product.modem, charger.read_settings, slot))
        if not looks:
            message = f"products/{recipe.product.name}/product.toml: modem: the product shows no modem"
            raise ConfigError(message, hint="Leave --slot away, or name its settings under [modem].")
        yield looks


def _cpms(config: StationConfig, uri: str) -> str:
    from station.daemon import opened_cpms
    from station.factory import opened_factory

    with ExitStack() as stack:
        factory = stack.enter_context(opened_factory(config)) if config.cpms.identity else None
        cpms = opened_cpms(config, uri, factory)
        stack.callback(cpms.close)
        found = cpms.health()
        return "; ".join((f"{found.system} answers", *found.notes))
