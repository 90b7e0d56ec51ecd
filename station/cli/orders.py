"""`station order`: work orders, as a line lead makes and steers them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from station.cli.common import AS_JSON, DIRECTORY, acting, exit_codes, print_json
from station.clock import utc_now
from station.config import StationConfig, load_station
from station.errors import ConfigError
from station.identifiers import MOD_37_36
from station.person import Person, Role
from station.records import Edit, OrderState, Records, WorkOrder, open_records
from station.records.values import STATION, TRAVELLER

REASON = click.option("--reason", required=True, help="Why; stands in the records for good.")
VERSION = click.option(
    "--version", "seen", type=click.IntRange(1), help="Version that you saw: refused if somebody edited it since."
)


@click.group()
def order() -> None:
    """Work orders: what to build, and which serial numbers belong to it."""


@contextmanager
def _opened(directory: Path) -> Iterator[tuple[StationConfig, Records]]:
    config = load_station(directory)
    with open_records(config.database_url, config.station.id) as records:
        yield config, records


def _develops(config: StationConfig) -> bool:
    """Tell whether the factory's CAs are of development; the HSM is asked only where it matters."""
    from station.factory import opened_factory

    with opened_factory(config) as factory:
        return factory.development


def _known(records: Records, name: str) -> WorkOrder:
    found = records.order(name)
    if found is None:
        raise ConfigError(f"there is no work order {name}", hint="See 'station order list'.")
    return found


@order.command("create")
@click.argument("name")
@DIRECTORY
@click.option("--bundle", default="", help="Release bundle that the units are built from, such as ac22-eu-r3.")
@click.option("--draft", default="", help="Recipe to build as it is in the catalogue: development factories only.")
@click.option("--quantity", required=True, type=click.IntRange(1, 1_000_000), help="Units to build.")
@click.option("--prefix", required=True, help="What serial numbers begin with, such as AC22-.")
@click.option("--first", default=1, show_default=True, type=click.IntRange(0), help="First number of the serial block.")
@click.option("--check", default="", type=click.Choice(["", MOD_37_36]), help="Check character of the serial numbers.")
@click.option(
    "--serials-from", default=TRAVELLER, show_default=True, type=click.Choice([TRAVELLER, STATION]),
    help="Scanned from printed travellers, or allocated by the station.",
)  # fmt: skip
@click.option("--customer", default="", help="For whom.")
@click.option("--due", default="", help="When it is due, such as 2027-03-31.")
@click.option(
    "--rework", default=0, show_default=True, type=click.IntRange(0), help="Certificates beyond the quantity."
)
@acting(Role.LINE_LEAD)
def order_create(directory: Path, person: Person, name: str, **options: object) -> None:
    """Create a work order with its block of serial numbers.

    \b
    Example:
      station order create WO-1001 --bundle ac22-eu-r1 --quantity 100 --prefix AC22- --first 1
    """
    from station.orders import Office, OrderOptions

    with _opened(directory) as (config, records):
        office = Office(config, records, lambda: _develops(config))
        created = office.create(name, OrderOptions(**options), person.id)  # type: ignore[arg-type]
    block = created.serials
    click.echo(f"Order {created.id}: {created.quantity} units, {block.text(block.first)} to {block.text(block.last)}")


@order.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@DIRECTORY
@click.option("--preview", "only_look", is_flag=True, help="Only tell what the file would do.")
@acting(Role.LINE_LEAD)
def order_import(directory: Path, person: Person, file: Path, *, only_look: bool) -> None:
    """Import work orders, and lists of numbers for them, from a CSV or JSON file: all rows or none.

    Columns: order, bundle, quantity, prefix, first, check, serials_from, customer, due, rework; mac, iccid, meter,
    imei, eid, imsi, seal. A row with a quantity makes an order; the others bring it one number of each kind.

    \b
    Example:
      station order import orders.csv --preview
      station order import orders.csv
    """
    from station.orders import Office, examined

    with _opened(directory) as (config, records):
        office = Office(config, records, lambda: _develops(config))
        with examined(office, file) as examination:
            for row in examination.preview.problems:
                click.echo(f"line {row.line}: {row.sentence}", err=True)
            preview = examination.preview if only_look else examination.commit(person.id)
    click.echo(preview.sentence)
    for made in preview.orders:
        click.echo(f"  {made.id}: {made.quantity} units of {made.product}, {made.serials.text(made.serials.first)} on")
    if only_look and preview.refused:
        raise click.exceptions.Exit(2)


@order.command("list")
@DIRECTORY
@AS_JSON
@exit_codes
def order_list(directory: Path, *, as_json: bool) -> None:
    """List work orders with their progress."""
    with _opened(directory) as (_, records):
        found = [(row, records.counts(row.id)) for row in records.orders()]
    if as_json:
        print_json([{"order": row, "counts": counts} for row, counts in found])
        return
    for row, counts in found:
        done = f"{counts.released} of {counts.quantity} released"
        click.echo(f"{row.id:12} {row.bundle or f'draft of {row.recipe}'}  {done}  {row.state}")


@order.command("show")
@click.argument("name")
@DIRECTORY
@AS_JSON
@exit_codes
def order_show(directory: Path, name: str, *, as_json: bool) -> None:
    """Show a work order: how far it is, its yield and pace, and the numbers that run low."""
    from station.orders import progress

    with _opened(directory) as (_, records):
        found = _known(records, name)
        now = progress(records, name, utc_now())
    if as_json:
        print_json({"order": found, "progress": now})
        return
    tally, block = now.tally, found.serials
    click.echo(f"{found.id}  {found.state}, version {found.version}, {found.bundle or f'draft of {found.recipe}'}")
    click.echo(f"  product    {found.product} for {found.customer or 'nobody named'}, due {found.due or 'not said'}")
    click.echo(f"  serials    {block.text(block.first)} to {block.text(block.last)}, from {found.serials_from}")
    click.echo(
        f"  units      {tally.released} of {found.allowed} released, {tally.reserved} begun, {tally.rework} in rework,"
        f" {tally.scrapped} scrapped, {found.replacements} replaced"
    )
    share = "none judged yet" if now.first_pass is None else f"{now.first_pass:.1%}"
    ends = now.ends.astimezone().isoformat(timespec="minutes") if now.ends else "not known yet"
    click.echo(f"  yield      {share} at the first run, {tally.failed_runs} failed runs")
    click.echo(f"  pace       {now.per_hour:.1f} an hour today, end {ends}")
    for supply in tally.low:
        click.echo(f"  LOW        {supply.sentence}")


@order.command("story")
@click.argument("name")
@DIRECTORY
@AS_JSON
@exit_codes
def order_story(directory: Path, name: str, *, as_json: bool) -> None:
    """Tell what happened in a work order: who did what to which unit, when and why."""
    from station.telling import told

    with _opened(directory) as (_, records):
        _known(records, name)
        story = tuple(reversed(told(records, name)))
    if as_json:
        print_json(story)
        return
    for line in story:
        why = f" ({line.why})" if line.why else ""
        click.echo(f"{line.at:%Y-%m-%d %H:%M:%S}  {line.who:14} {line.subject:16} {line.what}{why}")


@order.command("pause")
@click.argument("name")
@DIRECTORY
@REASON
@VERSION
@acting(Role.LINE_LEAD)
def order_pause(directory: Path, person: Person, name: str, reason: str, seen: int | None) -> None:
    """Take no further units for an order until it is resumed; those at work are finished."""
    _set_state(directory, name, OrderState.PAUSED, Edit(person.id, reason, seen))


@order.command("resume")
@click.argument("name")
@DIRECTORY
@REASON
@VERSION
@acting(Role.LINE_LEAD)
def order_resume(directory: Path, person: Person, name: str, reason: str, seen: int | None) -> None:
    """Take units for an order again."""
    _set_state(directory, name, OrderState.OPEN, Edit(person.id, reason, seen))


@order.command("close")
@click.argument("name")
@DIRECTORY
@REASON
@VERSION
@acting(Role.LINE_LEAD)
def order_close(directory: Path, person: Person, name: str, reason: str, seen: int | None) -> None:
    """End an order for good; what it has not built is never built under its number."""
    _set_state(directory, name, OrderState.CLOSED, Edit(person.id, reason, seen))


def _set_state(directory: Path, name: str, state: OrderState, edit: Edit) -> None:
    with _opened(directory) as (_, records):
        done = records.set_order_state(name, state, edit)
    click.echo(f"Order {done.id} is {done.state}, version {done.version}.")


@order.command("replace")
@click.argument("name")
@DIRECTORY
@click.option("--count", default=1, show_default=True, type=click.IntRange(1), help="How many scrapped units.")
@REASON
@VERSION
@acting(Role.LINE_LEAD)
def order_replace(directory: Path, person: Person, name: str, count: int, reason: str, seen: int | None) -> None:
    """Let an order build one more unit for each that was scrapped."""
    from station.orders import Office

    with _opened(directory) as (config, records):
        office = Office(config, records, lambda: _develops(config))
        done = office.replace(name, count, Edit(person.id, reason, seen))
    click.echo(f"Order {done.id} builds {done.allowed} units: {done.replacements} for scrapped ones.")
