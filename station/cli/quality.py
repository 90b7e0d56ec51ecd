"""`station hold|lift|holds|scrap|rework|golden|first-article|clear|handover`: what quality and the line lead decide."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from station.cli.common import AS_JSON, DIRECTORY, acting, exit_codes, print_json
from station.clock import iso, utc_now
from station.config import load_station
from station.person import Person, Role
from station.scans import OTHER_REASON, REASONS

if TYPE_CHECKING:
    from station.records import Records

REASON = click.option("--reason", required=True, help="Why, in 3 to 200 characters; stands in the records for good.")
REMARK = click.option("--remark", default="", help="What was seen.")
CODE = click.option(
    "--code", default=OTHER_REASON, show_default=True, type=click.Choice(list(REASONS)), help="By which it is counted."
)
SCOPES = ("unit", "order", "firmware", "lot", "slot", "station")


@contextmanager
def opened(directory: Path) -> Iterator["Records"]:
    """Open the records of a station directory."""
    from station.records import open_records

    config = load_station(directory)
    with open_records(config.database_url, config.station.id) as records:
        yield records


@click.command("hold")
@click.argument("scope", type=click.Choice(SCOPES))
@click.argument("subject")
@DIRECTORY
@REASON
@acting(Role.QA, Role.LINE_LEAD)
def hold(directory: Path, person: Person, scope: str, subject: str, reason: str) -> None:
    """Forbid work on a unit, an order, a firmware release, a lot, a slot or the station until the hold is lifted.

    \b
    Example:
      station hold unit AC22-000017 --reason "water in the housing" --as qa-1
      station hold lot CB-2231 --reason "supplier recalls it" --as qa-1
    """
    from station.records import Hold, HoldScope

    with opened(directory) as records:
        row = records.hold(Hold(HoldScope(scope), subject, reason, person.id))
    click.echo(f"{row.sentence} Lift it with: station lift {row.ref}")


@click.command("lift")
@click.argument("reference", metavar="HOLD")
@DIRECTORY
@REASON
@acting(Role.QA)
def lift(directory: Path, person: Person, reference: str, reason: str) -> None:
    """End a hold, by its id such as line1/3; only quality does."""
    from station.records import RowRef

    name, _, number = reference.rpartition("/")
    with opened(directory) as records:
        row = records.lift(RowRef(name, int(number) if number.isdecimal() else 0), person.id, reason)
    click.echo(f"The hold on {row.scope.value} {row.subject} is lifted.")


@click.command("holds")
@DIRECTORY
@AS_JSON
@click.option("--lifted", is_flag=True, help="Also those that were lifted.")
@exit_codes
def holds(directory: Path, *, lifted: bool, as_json: bool) -> None:
    """List what is on hold."""
    with opened(directory) as records:
        rows = records.holds(lifted=lifted)
    if as_json:
        print_json(rows)
        return
    for row in rows:
        ended = f" Lifted by {row.lifted_by}: {row.lift_reason}" if row.lifted_at else ""
        click.echo(f"{row.ref!s:12} {iso(row.at)}  {row.sentence}{ended}")


@click.command("scrap")
@click.argument("serial")
@DIRECTORY
@CODE
@REASON
@acting(Role.QA, Role.LINE_LEAD)
def scrap(directory: Path, person: Person, serial: str, code: str, reason: str) -> None:
    """Scrap a unit for good: its keys and certificates end, labels are void, the CPMS forgets it, the serial is burnt.

    Keys and CPMS record end as soon as the station runs; until then they wait in its outbox.
    """
    from station.records import Disposition, DispositionKind

    with opened(directory) as records:
        records.dispose(Disposition(DispositionKind.SCRAP, serial, code, reason, person.id))
    click.echo(f"Unit {serial} is scrapped. Put it with the scrap.")


@click.command("rework")
@click.argument("serial")
@DIRECTORY
@CODE
@REASON
@click.option("--from", "point", default="", help="Step from which on it is built anew; the first one by default.")
@acting(Role.QA, Role.LINE_LEAD, Role.REWORK)
def rework(directory: Path, person: Person, serial: str, code: str, reason: str, point: str) -> None:
    """Send a unit to rework: what it could connect with ends, and it is built again from a step on."""
    from station.records import Disposition, DispositionKind

    with opened(directory) as records:
        records.dispose(Disposition(DispositionKind.REWORK, serial, code, reason, person.id, point))
    click.echo(f"Unit {serial} is in rework. Plug it in once it is repaired.")


@click.command("first-article")
@click.argument("order")
@DIRECTORY
@REMARK
@acting(Role.QA, Role.LINE_LEAD)
def first_article(directory: Path, person: Person, order: str, remark: str) -> None:
    """Sign that the first unit of an order is as it must be; a second person does, not who built it."""
    with opened(directory) as records:
        row = records.sign_first_article(order, person, remark)
    click.echo(f"Unit {row.body['unit']} is signed for; order {order} goes on.")


@click.command("clear")
@click.argument("product")
@DIRECTORY
@REMARK
@acting(Role.OPERATOR, Role.LINE_LEAD, Role.QA)
def clear(directory: Path, person: Person, product: str, remark: str) -> None:
    """Sign that the line was cleared for another product; two people do, one of them line lead or quality."""
    with opened(directory) as records:
        records.sign_clearance(product, person, remark)
    click.echo(f"{person.id} signed that the line is clear for {product}.")


@click.command("handover")
@DIRECTORY
@REMARK
@click.option("--take-over", is_flag=True, help="Sign the last report of the shift before, instead of a new one.")
@acting(Role.OPERATOR, Role.LINE_LEAD, Role.QA)
def handover(directory: Path, person: Person, remark: str, *, take_over: bool) -> None:
    """Sign what one shift hands over to the next: open units, holds, queues, labels, golden units; the next one too."""
    from station.documents.printers import open_printer
    from station.errors import Interlocked
    from station.quality.handover import handover_report
    from station.records import SignOffKind

    config = load_station(directory)
    with opened(directory) as records:
        last = next(iter(records.sign_offs(SignOffKind.HANDOVER, limit=1)), None)
        if take_over and last is None:
            raise Interlocked("No shift handed over yet.", hint="Sign a report first: 'station handover'.")
        if take_over and last is not None:
            report = last.body
        else:
            report = handover_report(records, open_printer(config.located(config.printer.uri)), utc_now())
        records.sign_handover(report, person, remark)
    print_json(report)


@click.group()
def golden() -> None:
    """Golden units: good ones and bad ones on purpose, by which the station shows that it tells one from the other.

    Plug one into a slot and it is checked. What the station finds must be what is expected, or the station is on hold.

    \b
    Example:
      station golden add 9c01a4d2 --product ac22 --reason "golden unit 1" --as engineer-1
      station golden add 9c01a4d3 --product ac22 --expect wrong-hardware --reason "rev-x board" --as engineer-1
    """


@golden.command("add")
@click.argument("hardware_uid")
@DIRECTORY
@click.option("--product", required=True, help="Whose station it checks.")
@click.option("--expect", default="PASS", show_default=True, help="PASS, or the defect that must be found.")
@REASON
@acting(Role.ENGINEER, Role.QA)
def golden_add(directory: Path, person: Person, hardware_uid: str, product: str, expect: str, reason: str) -> None:
    """Reserve a unit for ever to check stations: it is never shipped."""
    from station.records import GoldenUnit

    with opened(directory) as records:
        records.reserve_golden(GoldenUnit(hardware_uid.lower(), product, expect, reason, person.id))
    click.echo(f"{hardware_uid.lower()} is a golden unit: the station must find {expect}.")


@golden.command("retire")
@click.argument("hardware_uid")
@DIRECTORY
@REASON
@acting(Role.ENGINEER, Role.QA)
def golden_retire(directory: Path, person: Person, hardware_uid: str, reason: str) -> None:
    """Check the station with a golden unit no longer."""
    with opened(directory) as records:
        records.retire_golden(hardware_uid.lower(), person.id, reason)
    click.echo(f"{hardware_uid.lower()} is retired.")


@golden.command("list")
@DIRECTORY
@AS_JSON
@exit_codes
def golden_list(directory: Path, *, as_json: bool) -> None:
    """List golden units, with what the station found last."""
    with opened(directory) as records:
        rows = records.golden_status()
    if as_json:
        print_json(rows)
        return
    for row in rows:
        last = f"{row.last.found} at {iso(row.last.at)} by {row.last.who}" if row.last else "never checked"
        click.echo(f"{row.unit.hardware_uid}  {row.unit.product}  expects {row.unit.expectation}  {last}")
