"""`station outbox`: what others are still to be told, what a person must decide, and whether both sides agree."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from station.cli.common import AS_JSON, DIRECTORY, acting, exit_codes, print_json
from station.clock import iso
from station.config import load_station
from station.errors import ConfigError
from station.person import Person, Role
from station.records import Decision, DecisionKind, DecisionRow, OutboxRow, Records, open_records
from station.records.delivery_rows import message_ref
from station.trace.unit import plain

if TYPE_CHECKING:
    from station.outbox.reconcile import Difference, Tally

LIMIT = click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000), help="How many.")
REASON = click.option("--reason", required=True, help="Why, in 3 to 200 characters; stands in the records for good.")
EVERY = 100
"""Units between two lines of progress."""


@click.group()
def outbox() -> None:
    """Messages to the CPMS and others: what waits, what stands aside, and whether both sides agree.

    \b
    Examples:
      station outbox list                      what waits, dead letters first
      station outbox show line1/17             one message, with what was decided of it
      station outbox retry line1/17 --reason "the CPMS team corrected its record" --as lead-1
      station outbox drop line1/17 --reason "registered by hand at the CPMS" --as lead-1
      station outbox reconcile --order WO-1    ours against theirs, field by field
    """


@contextmanager
def opened(directory: Path) -> Iterator[Records]:
    """Open the records of a station directory."""
    config = load_station(directory)
    with open_records(config.database_url, config.station.id) as records:
        yield records


@outbox.command("list")
@DIRECTORY
@click.option("--dead", is_flag=True, help="Only what a person must decide.")
@click.option("--unit", default="", help="Only what is about one unit.")
@LIMIT
@AS_JSON
@exit_codes
def outbox_list(directory: Path, unit: str, limit: int, *, dead: bool, as_json: bool) -> None:
    """List what others are still to be told: first what a person must decide, then what the station tries by itself."""
    with opened(directory) as records:
        rows = list(records.dead_letters(limit, unit))
        rows += () if dead else records.waiting_messages_of(unit, limit)
        queue = records.queue()
    if as_json:
        print_json({"waiting": queue.waiting, "dead": queue.dead, "oldest": queue.oldest, "messages": _plain(rows)})
        return
    for row in rows[:limit]:
        state = "DEAD" if row.dead_at else f"next {iso(row.next_at)}" if row.attempts else "waits"
        click.echo(f"{row.ref!s:12} {row.title:40} {row.attempts:3} tries  {state}  {row.error}".rstrip())
    click.echo(f"{queue.waiting} message(s) wait, {queue.dead} of them for a decision.", err=True)


@outbox.command("show")
@click.argument("reference", metavar="MESSAGE")
@DIRECTORY
@AS_JSON
@exit_codes
def outbox_show(directory: Path, reference: str, *, as_json: bool) -> None:
    """Show one message, by its id such as line1/17, with everything that was decided of it."""
    with opened(directory) as records:
        row = records.message(message_ref(reference))
        if row is None:
            raise ConfigError(f"there is no message {reference}", hint="See 'station outbox list'.")
        decisions = records.decisions(row.ref)
    if as_json:
        print_json({**_plain([row])[0], "body": row.body.decode(errors="replace"), "decisions": decisions})
        return
    for name, value in _plain([row])[0].items():
        click.echo(f"{name.replace('_', ' '):12} {'-' if value in (None, '') else value}")
    for decision in decisions:
        click.echo(_told(decision))


@outbox.command("retry")
@click.argument("references", metavar="MESSAGE...", nargs=-1)
@click.option("--all-dead", is_flag=True, help="All messages that wait for a decision.")
@DIRECTORY
@REASON
@acting(Role.LINE_LEAD)
def outbox_retry(directory: Path, person: Person, references: tuple[str, ...], reason: str, *, all_dead: bool) -> None:
    """Send messages on, now: what kept them back is mended."""
    if bool(references) == all_dead:
        raise ConfigError("nothing, or too much, is named", hint="Name messages, or say --all-dead.")
    with opened(directory) as records:
        refs = [row.ref for row in records.dead_letters(10_000)] if all_dead else list(map(message_ref, references))
        for ref in refs:
            row = records.decide(Decision(DecisionKind.RETRY, ref, person.id, reason))
            click.echo(f"{row.title} is sent on.")


@outbox.command("drop")
@click.argument("reference", metavar="MESSAGE")
@DIRECTORY
@REASON
@acting(Role.LINE_LEAD)
def outbox_drop(directory: Path, person: Person, reference: str, reason: str) -> None:
    """Give a dead letter up, for good: others are never told. A unit that is not registered may never be packed."""
    with opened(directory) as records:
        row = records.decide(Decision(DecisionKind.DROP, message_ref(reference), person.id, reason))
    click.echo(f"{row.title} is given up.")


@outbox.command("reconcile")
@click.option("--order", "orders", multiple=True, metavar="ORDER", help="Only units of this order; may be repeated.")
@DIRECTORY
@AS_JSON
@exit_codes
def outbox_reconcile(directory: Path, orders: tuple[str, ...], *, as_json: bool) -> None:
    """Compare what was released here with what the CPMS has, field by field; exit code 1 if anything differs.

    It changes nothing. Told are units that the CPMS does not have, those it has otherwise, and serials of these orders
    that only the CPMS has.
    """
    from station.changeover import CpmsOfOrders
    from station.daemon import opened_cpms
    from station.factory import opened_factory
    from station.outbox.reconcile import Reconciliation

    config = load_station(directory)
    with ExitStack() as stack:
        records = stack.enter_context(open_records(config.database_url, config.station.id))
        factory = stack.enter_context(opened_factory(config)) if config.cpms.identity else None
        cpms = CpmsOfOrders(config, records, lambda uri: opened_cpms(config, uri, factory))
        stack.callback(cpms.close)
        wanted = [order for order in records.orders() if not orders or order.id in orders]
        if missing := set(orders) - {order.id for order in wanted}:
            raise ConfigError(f"there is no work order {min(missing)}", hint="See 'station order list'.")
        work = Reconciliation(records, cpms.of_order, _progress)
        count = (_print_json if as_json else _print)(work.differences(wanted), work.tally)
    sys.exit(1 if count else 0)


def _progress(tally: "Tally") -> None:
    if tally.compared % EVERY == 0 or tally.compared == tally.total:
        click.echo(f"{tally.compared} of {tally.total} units compared", err=True)


def _print(differences: Iterable["Difference"], tally: "Tally") -> int:
    """Print each difference as it is found, and return how many there are."""
    count = 0
    for count, found in enumerate(differences, 1):  # noqa: B007 - the count is what is left of it
        click.echo(f"{found.kind.value:12} {found.serial:25} {found.order:12} {'; '.join(found.details)}")
    click.echo(f"{tally.equal} of {tally.compared} released units are equal; {count} difference(s).")
    if tally.foreign:
        click.echo(f"{tally.foreign} unit(s) at the CPMS are of no order that was compared.")
    for name in tally.unlisted:
        click.echo(f"{name} can't list its units: what only it has is not known.")
    return count


def _print_json(differences: Iterable["Difference"], tally: "Tally") -> int:
    """Print the same as one JSON object, written as it is found, so that it takes no memory."""
    count, write = 0, sys.stdout.write
    write('{"differences": [')
    for found in differences:
        write(",\n" if count else "\n")
        write(json.dumps(asdict(found), default=plain))
        count += 1
    write(f'\n], "count": {count}, "summary": {json.dumps(asdict(tally), default=plain)}}}\n')
    return count


def _plain(rows: Iterable[OutboxRow]) -> list[dict[str, object]]:
    """Return messages without their bodies, as scripts and people read them."""
    hidden = ("body", "ref")
    return [
        {"id": str(row.ref), "title": row.title}
        | {name: _text(value) for name, value in vars(row).items() if name not in hidden}
        for row in rows
    ]


def _text(value: object) -> object:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _told(row: DecisionRow) -> str:
    word: Callable[[str], str] = {"retry": "sent on", "drop": "given up"}.__getitem__
    return f"{iso(row.at)}  {word(row.kind.value)} by {row.who} after {row.attempts} tries: {row.reason} ({row.error})"
