"""`station result`: what other test benches reported, and how their files are read."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from station.cli.common import AS_JSON, DIRECTORY, acting, exit_codes, print_json
from station.config import StationConfig, load_station
from station.errors import Defect, UnitError
from station.person import Person, Role
from station.records import Answer, Records, Result, ResultRow, Taken, open_records

if TYPE_CHECKING:
    from station.results.intake import Upload

FORMAT = click.option("--format", "layout", required=True, help="How the file is read: station result formats.")
FILE = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@click.group()
def result() -> None:
    """Results of other test benches: hipot, earth continuity, insulation, RCD, board tests.

    Testers put their files into the drop folder of the station, inbox/results/FORMAT (written as .tmp, then renamed),
    or send them over HTTP. Each file comes back in done/ or refused/ with a verdict for every row. What a recipe
    requires as [[required_result]] must be there, in its limits, before a unit is released.
    """


@result.command("import")
@FILE
@DIRECTORY
@FORMAT
@AS_JSON
@acting(Role.LINE_LEAD, Role.QA, Role.ENGINEER)
def result_import(directory: Path, person: Person, file: Path, layout: str, *, as_json: bool) -> None:
    """Import a file by hand; exit code 1 if a row of it is refused.

    \b
    Example:
      station result import AC22-000001.csv --format safety-tester-de --as qa-1
    """
    from station.results.intake import Intake

    config = load_station(directory)
    upload = _upload(file)
    with open_records(config.database_url, config.station.id) as records:
        intake = Intake(config, records)
        told = intake.take(upload, layout, person.id)
        intake.keep(upload, told)
    if as_json:
        print_json(told.document())
    else:
        click.echo("\n".join((*map(_answer_line, told.rows), told.sentence)))
    if not told.accepted:
        raise UnitError(Defect.TEST_RESULT, f"{file.name}: {told.sentence}", hint=told.hint or "See the rows above.")


@result.command("preview")
@FILE
@DIRECTORY
@FORMAT
@AS_JSON
@exit_codes
def result_preview(file: Path, directory: Path, layout: str, *, as_json: bool) -> None:
    """Show what a format makes of a file; nothing is recorded. For whoever writes the format of a new tester."""
    from station.results.formats import load_format
    from station.results.reading import read_results

    reading = read_results(_upload(file).content, load_format(load_station(directory), layout))
    if as_json:
        print_json(reading)
        return
    for one in reading.results:
        click.echo(f"{one.line:5}  {_result_line(one.result)}")
    for refused in reading.refused:
        click.echo(_answer_line(refused))


@result.command("list")
@DIRECTORY
@AS_JSON
@click.option("--subject", default="", help="Only of this serial, hardware UID or part.")
@click.option("--test", default="", help="Only of this test.")
@click.option("--limit", default=30, show_default=True, type=click.IntRange(1, 10_000), help="At most so many.")
@exit_codes
def result_list(directory: Path, subject: str, test: str, limit: int, *, as_json: bool) -> None:
    """List results, the newest import first."""
    config = load_station(directory)
    with open_records(config.database_url, config.station.id) as records:
        found = records.find_results(subject, test, limit)
    _show(found, as_json=as_json)


@result.command("show")
@click.argument("serial")
@DIRECTORY
@AS_JSON
@exit_codes
def result_show(serial: str, directory: Path, *, as_json: bool) -> None:
    """Show all results of a unit, and what its order still requires; exit code 1 if something is missing."""
    config = load_station(directory)
    with open_records(config.database_url, config.station.id) as records:
        _show(records.results(serial), as_json=as_json)
        lacks = _lacks(config, records, serial)
    if lacks:
        raise UnitError(Defect.TEST_RESULT, "\n".join(lacks), hint="Have it measured.")


@result.command("formats")
@DIRECTORY
@AS_JSON
@exit_codes
def result_formats(directory: Path, *, as_json: bool) -> None:
    """List the formats that files can be read by: those of the software, and the station's own in formats/."""
    from station.results.formats import load_formats

    found = load_formats(load_station(directory))
    if as_json:
        print_json(found)
        return
    for one in found:
        click.echo(f"{one.label:24} {one.kind:5} by {one.subject:13} {one.title}")


def _lacks(config: StationConfig, records: Records, serial: str) -> tuple[str, ...]:
    """Return what the order of a unit requires that the unit does not have."""
    from station.releases import ordered

    unit = records.unit(serial)
    order = records.order(unit.work_order) if unit else None
    if order is None:
        return ()
    return records.missing_results(serial, ordered(config, records, order).file.required_result)


def _upload(file: Path) -> "Upload":
    from station.results.intake import Upload
    from station.results.trees import MOST_BYTES
    from station.strict import read_bounded

    return Upload(file.name, read_bounded(file, str(file), MOST_BYTES))


def _show(found: tuple[ResultRow, ...], *, as_json: bool) -> None:
    if as_json:
        print_json([{**asdict(row), "verdict": row.verdict} for row in found])
        return
    for row in found:
        click.echo(f"{row.taken_at:%Y-%m-%d %H:%M}  {_result_line(row)}")
    if not found:
        click.echo("No results yet.")


def _result_line(row: Result) -> str:
    value = row.text if row.value is None else f"{row.value:g}"
    limits = "..".join("" if limit is None else f"{limit:g}" for limit in (row.low, row.high))
    why = f"  {row.problem}" if row.problem else ""
    return f"{row.subject:25} {row.test:24} {value:>10} {row.unit:6} {limits:>12}  {row.verdict}{why}"


def _answer_line(row: Answer) -> str:
    mark = "!" if row.taken is Taken.REFUSED else " "
    return f"{mark}{row.line:4}  {row.taken:8} {row.subject:25} {row.test:24} {row.sentence}"
