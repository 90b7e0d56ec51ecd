"""`station batch`: signed archives of an order's released units for whoever imports them, and their check offline."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from station.cli.common import AS_JSON, DIRECTORY, acting, exit_codes, print_json, shown
from station.cli.proofs import ANCHOR, FILE, anchors_of, tell_proof
from station.config import StationConfig, load_station
from station.person import Person, Role
from station.records import BatchFilter, open_records
from station.strict import read_bounded

if TYPE_CHECKING:
    from station.batches import MadeBatch

MOST_CERTIFICATE = 16_384
OWN_PROFILES = "batch-profiles"
"""Folder of the station's own import formats, below its directory."""


@click.group()
def batch() -> None:
    """Batches: signed archives of released units that a CPMS team imports."""


@batch.command()
@click.option("--order", required=True, help="Work order whose released units are handed over.")
@DIRECTORY
@click.option("--out", type=FILE, help="Archive to write; ORDER.zip here by default.")
@click.option("--cpms-key", type=FILE, help="Certificate of the CPMS: passwords are sealed for its key.")
@click.option("--first", default="", help="Serial numbers from this one on.")
@click.option("--last", default="", help="Serial numbers up to this one.")
@click.option("--packable", is_flag=True, help="Only units whose record the CPMS gave back equal.")
@click.option("--language", default="", help="Of the commissioning pack, beside English; the product's by default.")
@click.option("--no-pdf", is_flag=True, help="Leave out the PDFs of passports: about 70 KB for each unit.")
@AS_JSON
@acting(Role.LINE_LEAD, Role.QA)
def create(
    directory: Path, person: Person, out: Path | None, cpms_key: Path | None, *, as_json: bool, **options: Any
) -> None:
    """Make one signed archive of an order's released units.

    It holds units.json and tables, certificates, signed passports, the commissioning pack, and import files of some
    CPMS. Units on hold and units whose certificate was revoked are left out, and named. Asked again for the same
    units, the same archive comes out.

    \b
    Examples:
      station batch create --order WO-1001
      station batch create --order WO-1001 --out hand-over.zip --cpms-key cpms.pem
    """
    made = _made(load_station(directory), person, out, cpms_key, options)
    if as_json:
        print_json(vars(made.row) | {"path": made.path, "left_out": made.left_out, "unsealed": made.unsealed})
        return
    row = made.row
    click.echo(f"{made.path}: batch {row.name} with {row.units} units, SHA-256 {row.sha256}")
    for name, reason in (*made.left_out, *made.files_left_out):
        click.echo(f"left out: {name}: {reason}")
    if made.unsealed:
        click.echo(f"{made.unsealed} units have a password that is not in it: seal it with --cpms-key CERTIFICATE.")


def _made(
    config: StationConfig, person: Person, out: Path | None, cpms_key: Path | None, options: Mapping[str, Any]
) -> "MadeBatch":
    from station.batches import Wanted, keys_of, load_profiles, make_batch
    from station.daemon import PASSPORTS
    from station.documents.brand import Brand, load_brand
    from station.factory import opened_factory

    sealing = read_bounded(cpms_key, str(cpms_key), MOST_CERTIFICATE) if cpms_key else b""
    units = BatchFilter(options["order"], options["first"], options["last"], packable=options["packable"])
    with open_records(config.database_url, config.station.id) as records, opened_factory(config) as factory:
        order = records.order(units.order)
        brand = load_brand(config.catalog / "products" / order.product) if order else Brand()
        passports = None if options["no_pdf"] else config.directory / PASSPORTS
        profiles = load_profiles(config.directory / OWN_PROFILES)
        wanted = Wanted(units, person.id, passports, options["language"] or brand.language, brand, profiles)
        target = out or Path(f"{units.order.replace('/', '_')}.zip")
        with shown("Units") as progress:
            return make_batch(records, keys_of(factory, sealing), wanted, target, progress)


@batch.command()
@click.argument("file", type=FILE)
@DIRECTORY
@AS_JSON
@ANCHOR
@exit_codes
def verify(file: Path, directory: Path, anchor: Path | None, *, as_json: bool) -> None:
    """Judge an archive offline, and say what that proved and what not.

    Needs no station: FILE and the factory's record certificate are enough. Exit codes: 0 it is what it says, 1 it is
    not, 2 a file can't be read.

    \b
    Example:
      station batch verify WO-1001.zip --anchor records.pem
    """
    from station.batches import prove_batch

    anchors = anchors_of(anchor, directory)
    with shown("Units") as progress:
        proof = prove_batch(file, anchors, progress)
    if as_json:
        told = {name: proof.manifest[name] for name in ("batch", "order", "made_at", "units")}
        print_json(told | {"proved": proof.proved, "not_proved": proof.not_proved})
        return
    tell_proof(proof.proved, proof.not_proved)


@batch.command("list")
@DIRECTORY
@click.option("--order", default="", help="Only archives of this order.")
@click.option("--unit", default="", help="Only archives with this unit.")
@AS_JSON
@exit_codes
def batch_list(directory: Path, order: str, unit: str, *, as_json: bool) -> None:
    """List the archives that were made.

    \b
    Examples:
      station batch list
      station batch list --unit AC22-000017 --json
    """
    config = load_station(directory)
    with open_records(config.database_url, config.station.id) as records:
        rows = records.batches(order, unit=unit)
    if as_json:
        print_json([dict(vars(row)) for row in rows])
        return
    for row in rows:
        sealed = f", sealed for {row.sealed_for[:16]}" if row.sealed_for else ""
        click.echo(f"{row.name}: {row.units} units of {row.work_order}, {row.at:%F %H:%M} by {row.who}{sealed}")
        click.echo(f"  SHA-256 {row.sha256}")
