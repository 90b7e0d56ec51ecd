"""`station component`: what units are made of, and changes of it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click

from station.catalog.parts import refusal_of
from station.cli.common import AS_JSON, DIRECTORY, acting, exit_codes, print_json
from station.clock import iso
from station.config import StationConfig, load_station
from station.errors import Defect, UnitError
from station.identifiers import Kind
from station.person import Person, Role
from station.records import ComponentRow, Part, Records, open_records

REASON = click.option("--reason", required=True, help="Why; stands in the records for good.")
ATTACHERS = (Role.OPERATOR, Role.LINE_LEAD, Role.REWORK)
CHANGERS = (Role.REWORK, Role.LINE_LEAD, Role.QA)


@click.group()
def component() -> None:
    """Parts of units: contactors, power modules, meters, seals, SIMs, by serial number or lot."""


@component.command("show")
@click.argument("number")
@DIRECTORY
@AS_JSON
@click.option("--gone", is_flag=True, help="Also parts that were taken out.")
@exit_codes
def component_show(number: str, directory: Path, *, as_json: bool, gone: bool) -> None:
    """Show the parts of a unit, or, by the serial number or lot of a part, where it is and was.

    \b
    Examples:
      station component show DC60-000017
      station component show RCD-L260731 --json
    """
    with _opened(directory) as (_, records):
        known = records.unit(number) is not None
        found = records.components(number, gone=gone) if known else records.units_with(number)
        meters = records.meters(number) if known else ()
        reopened = records.reopened(number) if known else ()
    if as_json:
        print_json({"components": found, "meters": meters, "reopened": reopened})
        return
    for row in found:
        click.echo(_line(row))
    for meter in meters:
        proof = "key proven" if meter.public_key else "no key"
        click.echo(f"{meter.unit:16} outlet {meter.evse} meter {meter.type} {meter.serial} {meter.mid} {proof}")
    for change in reopened:
        what = f"opened {change.name} again" if change.name else "was changed"
        click.echo(f"{iso(change.at)} {change.kind} {change.position} {what}, by {change.who}: {change.reason}")
    if not found:
        click.echo("Nothing is known of that.")


@component.command("attach")
@click.argument("serial")
@click.argument("kind")
@click.argument("position")
@click.argument("code")
@DIRECTORY
@acting(*ATTACHERS)
def component_attach(directory: Path, person: Person, code: str, **place: str) -> None:
    """Record that a part is in a unit, as the product declares it.

    \b
    Example:
      station component attach DC60-000017 "power module" M1 PM60-00012345
    """
    with _opened(directory) as (config, records):
        row = records.attach(_part(config, records, place, code), person.id)
    click.echo(_line(row))


@component.command("detach")
@click.argument("serial")
@click.argument("kind")
@click.argument("position")
@DIRECTORY
@REASON
@acting(*CHANGERS)
def component_detach(directory: Path, person: Person, reason: str, **place: str) -> None:
    """Record that a part was taken out of a unit: what depends on it is open again.

    \b
    Example:
      station component detach DC60-000017 "power module" M1 --reason "fan does not start"
    """
    with _opened(directory) as (_, records):
        row = records.detach(**place, reason=reason, who=person.id)
    _tell(row)


@component.command("swap")
@click.argument("serial")
@click.argument("kind")
@click.argument("position")
@click.argument("code")
@DIRECTORY
@REASON
@acting(*CHANGERS)
def component_swap(directory: Path, person: Person, code: str, reason: str, **place: str) -> None:
    """Record that a part was replaced: what depends on it is open again.

    \b
    Example:
      station component swap DC60-000017 "power module" M1 PM60-00012399 --reason "fan does not start"
    """
    with _opened(directory) as (config, records):
        row = records.swap(_part(config, records, place, code), reason, person.id)
    _tell(row)


@component.command("free")
@click.argument("serial")
@click.argument("kind", type=click.Choice([kind.value for kind in Kind]), metavar="KIND")
@click.argument("number")
@DIRECTORY
@REASON
@acting(*CHANGERS)
def component_free(directory: Path, person: Person, serial: str, kind: str, number: str, reason: str) -> None:
    """Record that a number was taken off a unit, such as a SIM's or a network address: another unit may have it.

    What `swap` and `detach` take off with a part needs no word here. KIND is as 'station unit' tells it.

    \b
    Example:
      station component free AC22-000017 iccid 89882110000000000010 --reason "SIM is of a stolen batch"
    """
    with _opened(directory) as (_, records):
        has = (row for row in records.identifiers(serial) if row.kind == kind and number in (row.written, row.value))
        compared = next((row.value for row in has), number)
        row = records.end_claim(serial, Kind(kind), compared, person.id, reason)
    click.echo(f"{row.unit:16} {row.kind.value} {row.written}: taken off by {row.ended_by}: {row.reason}")


@contextmanager
def _opened(directory: Path) -> Iterator[tuple[StationConfig, Records]]:
    config = load_station(directory)
    with open_records(config.database_url, config.station.id) as records:
        yield config, records


def _part(config: StationConfig, records: Records, place: Mapping[str, str], code: str) -> Part:
    """Judge a part's code by what the product of the unit's order declares.

    Raises:
        UnitError: There is no such unit or part, or the code is none of it.
    """
    from station.releases import ordered
    from station.steps.capture import part_of

    serial, kind, position = place["serial"], place["kind"], place["position"]
    unit = records.unit(serial)
    order = records.order(unit.work_order) if unit else None
    if unit is None or order is None:
        raise UnitError(Defect.GENEALOGY, f"There is no unit {serial} in these records.", hint="Check the number.")
    product = ordered(config, records, order).product
    rule = next((part for part in product.component if (part.kind, part.position) == (kind, position)), None)
    if rule is None:
        known = ", ".join(part.title for part in product.component) or "none"
        message = f"Product {product.name} has no {kind} {position}."
        raise UnitError(Defect.GENEALOGY, message, hint=f"Name one of its parts: {known}.")
    rules = product.identifiers.rules()
    if refusal := refusal_of(rule, code, rules):
        raise UnitError(Defect.GENEALOGY, refusal, hint="Scan the code on the part.")
    return part_of(rule, serial, code, rules)


def _tell(row: ComponentRow) -> None:
    opened = f"; open again: {', '.join(row.opens)}" if row.opens else ""
    click.echo(f"{_line(row)}{opened}")


def _line(row: ComponentRow) -> str:
    end = f", taken out by {row.detached_by}: {row.reason}" if row.detached_at else ""
    return f"{row.unit:16} {row.title}: {row.number}, put in by {row.attached_by}{end}"
