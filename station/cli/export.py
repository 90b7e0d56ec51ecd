"""`station export`: tables and documents for QA and auditors, each with a signed manifest; and their check offline."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from station.cli.common import AS_JSON, DIRECTORY, acting, exit_codes, print_json, shown
from station.cli.proofs import ANCHOR, FILE, anchors_of, tell_proof
from station.config import load_station
from station.errors import ConfigError
from station.model import Outcome
from station.person import Person, Role
from station.records import ExportFilter, ExportSet
from station.trace.moments import moment
from station.trace.moments import month as month_of

if TYPE_CHECKING:
    from station.trace.export import Kept

TABLES = {"csv": "CSV", "jsonl": "JSON lines", "parquet": "Parquet", "xlsx": "an Excel workbook"}
DOCUMENTS = {
    "epcis": (
        "EPCIS 2.0 events (JSON-LD)",
        "What happened to units: serial given, parts attached and taken out, tested, scrapped.",
    ),
    "hbom": (
        "hardware bills of materials (CycloneDX 1.6)",
        "One line a released unit, from its newest passport; with --unit it is a plain JSON document.",
    ),
    "attestation": (
        "test results as in-toto attestations, signed with the record key",
        "One line a released unit: which steps, measurements and results of test equipment passed.",
    ),
}


@click.group()
def export() -> None:
    """Exports: tables and documents for QA and auditors, each with a signed manifest.

    \b
    Examples:
      station export csv --order WO-1001
      station export parquet --table measurements --month last --out measurements.parquet
      station export hbom --unit AC22-000017
      station export verify units.csv --anchor records.pem
    """


def _filters(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say which units are wanted, and where the file goes."""
    outcomes = click.Choice([outcome.value for outcome in Outcome if outcome is not Outcome.SKIPPED])
    for option in reversed((
        click.option("--order", help="Only units of this work order."),
        click.option("--product", help="Only units of this product."),
        click.option("--unit", help="Only this unit, by its serial number."),
        click.option("--outcome", type=outcomes, help="Only where the run ended so."),
        click.option("--since", metavar="DAY", help="From this day or time on, UTC: 2026-11-01."),
        click.option("--until", metavar="DAY", help="Before this day or time, UTC."),
        click.option("--month", metavar="YYYY-MM", help="Of one month, UTC; `last` for the one before this."),
        click.option("--out", type=FILE, help="File to write; named by what is in it by default."),
    )):  # fmt: skip
        command = option(command)
    return command


def _table_command(name: str, title: str) -> click.Command:
    """Return the command that exports a table in a format."""

    @click.option("--table", type=click.Choice([one.value for one in ExportSet]), default="units", show_default=True)
    @_filters
    @DIRECTORY
    @AS_JSON
    @acting(Role.QA, Role.LINE_LEAD)
    def made(directory: Path, person: Person, table: str, out: Path | None, *, as_json: bool, **options: Any) -> None:
        from station.trace.export import Wanted, make_export

        wanted = Wanted(name, person.id, ExportSet(table), wanted_of(options))
        _make(make_export, directory, wanted, out, as_json=as_json)

    made.__doc__ = f"""Export a table as {title}.

    Times are UTC. A time is that of a unit's newest run: its end, or its begin while it is at work. The columns and
    what they mean: 'station export columns'. A file of lines (csv, jsonl) that was cut off goes on when the same
    command is given again. Beside the file lies its signed manifest.

    \b
    Examples:
      station export {name} --order WO-1001
      station export {name} --table measurements --month last
    """
    return click.command(name)(made)


def _document_command(name: str, title: str, told: str) -> click.Command:
    """Return the command that exports documents of a kind."""

    @_filters
    @DIRECTORY
    @AS_JSON
    @acting(Role.QA, Role.LINE_LEAD)
    def made(directory: Path, person: Person, out: Path | None, *, as_json: bool, **options: Any) -> None:
        from station.trace.export import Wanted, make_documents

        wanted = Wanted(name, person.id, rows=wanted_of(options))
        _make(make_documents, directory, wanted, out, as_json=as_json)

    made.__doc__ = f"""Export {title}.

    {told} Beside the file lies its signed manifest.

    \b
    Examples:
      station export {name} --unit AC22-000017
      station export {name} --month last
    """
    return click.command(name)(made)


def _make(make: Callable[..., Any], directory: Path, wanted: Any, out: Path | None, *, as_json: bool) -> None:
    from station.trace.export.naming import file_name
    from station.trace.export.signing import opened_to_sign

    config, target = load_station(directory), out or Path(file_name(wanted))
    with opened_to_sign(config) as (records, signer), shown("Done") as progress:
        done = make(records, signer, wanted, target, progress)
    if as_json:
        print_json(vars(done))
        return
    click.echo(f"{done.path}: {done.rows} rows, SHA-256 {done.sha256}")
    if done.resumed_at:
        click.echo(f"It went on where it had been cut off, after row {done.resumed_at}.")
    if done.units_left_out:
        click.echo(f"{done.units_left_out} units were never released, so they have none.")


for _name, _title in TABLES.items():
    export.add_command(_table_command(_name, _title))
for _name, (_title, _told) in DOCUMENTS.items():
    export.add_command(_document_command(_name, _title, _told))


@export.command()
@click.argument("table", type=click.Choice([one.value for one in ExportSet]), default="units")
@AS_JSON
@exit_codes
def columns(table: str, *, as_json: bool) -> None:
    """Tell what the columns of a table mean.

    \b
    Example:
      station export columns measurements
    """
    from station.trace.export.columns import table_of

    found = table_of(ExportSet(table))
    if as_json:
        print_json(found)
        return
    click.echo(f"{found.title}, version {found.version}. {found.about}")
    for column in found.column:
        click.echo(f"  {column.name:22} {column.type.value:8} {column.about}")


@export.command()
@click.argument("file", type=FILE)
@DIRECTORY
@AS_JSON
@ANCHOR
@click.option("--manifest", type=FILE, help="The manifest, where it is not FILE.manifest.json.")
@click.option(
    "--checkpoint",
    type=click.Path(exists=True, path_type=Path),
    help="A checkpoint of the audit log that was kept elsewhere, or a folder of them.",
)
@click.option("--audit-anchor", type=FILE, help="The factory's audit certificate, PEM.")
@exit_codes
def verify(file: Path, directory: Path, *, as_json: bool, **given: Path | None) -> None:
    """Judge an export offline, and say what that proved and what not.

    Needs no station: FILE, its manifest and the factory's record certificate are enough. Exit codes: 0 it is what it
    says, 1 it is not, 2 a file can't be read.

    \b
    Example:
      station export verify units.csv --anchor records.pem
      station export verify units.csv --anchor records.pem --checkpoint /mnt/witness --audit-anchor audit.pem
    """
    from station.trace.export import prove_export

    proof = prove_export(file, anchors_of(given["anchor"], directory), given["manifest"], _kept(directory, given))
    if as_json:
        print_json({"manifest": proof.manifest, "proved": proof.proved, "not_proved": proof.not_proved})
        return
    tell_proof(proof.proved, proof.not_proved)


def _kept(directory: Path, given: Mapping[str, Path | None]) -> "Kept | None":
    """Return the checkpoint that was kept elsewhere, with the audit key, if one was named."""
    from station.audit.key import audit_certificate, read_anchor
    from station.trace.export import Kept

    if given["checkpoint"] is None:
        return None
    certificate = given["audit_anchor"] or audit_certificate(load_station(directory))
    return Kept(given["checkpoint"], read_anchor(certificate))


def wanted_of(options: dict[str, Any]) -> ExportFilter:
    """Return which rows options ask for.

    Raises:
        ConfigError: A time is none, a word says nothing, or the month and a time are both given.
    """
    since, until = (moment(options[name], f"--{name}") for name in ("since", "until"))
    if options["month"]:
        if since or until:
            raise ConfigError("--month and --since or --until exclude each other", hint="Give one of them.")
        since, until = month_of(options["month"])
    if since and until and since >= until:
        raise ConfigError("--since is not before --until", hint="Swap them.")
    outcome = Outcome(options["outcome"]) if options["outcome"] else None
    order, product, unit = (_said(options, name) for name in ("order", "product", "unit"))
    return ExportFilter(order, product, unit, outcome, since, until)


def _said(options: dict[str, Any], name: str) -> str:
    """Return a word; one that says nothing is refused, as everything would be exported."""
    said: str | None = options[name]
    if said is not None and not said.strip():
        raise ConfigError(f"--{name}: nothing was given", hint="Say which, or leave it out.")
    return (said or "").strip()
