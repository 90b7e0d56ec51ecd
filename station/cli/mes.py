"""`station mes`: how it stands with the manufacturing execution system."""

import json
from pathlib import Path

import click

from station.cli.common import AS_JSON, DIRECTORY, exit_codes, print_json
from station.config import load_station
from station.records import open_records

MOST = click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000), help="How many.")


@click.group()
def mes() -> None:
    """The MES: what waits for it, what it refused, and what differed after it was away.

    \b
    Examples:
      station mes status                  is it there, and what waits
      station mes messages                the last messages and what became of them
      station mes report                  what differed when it came back
    """


@mes.command("status")
@DIRECTORY
@AS_JSON
@exit_codes
def mes_status(directory: Path, *, as_json: bool) -> None:
    """Show whether the MES is there, since when not, and how much waits for it."""
    config = load_station(directory)
    with open_records(config.database_url, config.station.id) as records:
        link, depth = records.mes_link(), records.mes_depth()
        waiting = records.mes_waiting(1)
        deferred = len(records.mes_deferred(link.away_since)) if link and link.away_since else 0
    told = {
        "uri": config.mes.uri,
        "heard_at": link.heard_at if link else None,
        "away_since": link.away_since if link else None,
        "waiting": depth,
        "deferred_runs": deferred,
        "error": waiting[0].error if waiting else "",
    }
    if as_json:
        print_json(told)
        return
    for name, value in told.items():
        click.echo(f"{name.replace('_', ' '):14} {'-' if value in (None, '') else value}")


@mes.command("messages")
@DIRECTORY
@MOST
@AS_JSON
@exit_codes
def mes_messages(directory: Path, limit: int, *, as_json: bool) -> None:
    """List the latest messages to the MES, newest first, with what it said of each."""
    config = load_station(directory)
    with open_records(config.database_url, config.station.id) as records:
        rows = records.mes_messages(limit)
    if as_json:
        print_json([{**vars(row), "body": json.loads(row.body)} for row in rows])
        return
    for row in rows:
        said = row.answer or row.error or "waits"
        click.echo(f"{row.at:%Y-%m-%d %H:%M:%S}  {row.name.rpartition('.')[2]:22} {row.subject:25} {said}")


@mes.command("report")
@DIRECTORY
@MOST
@AS_JSON
@exit_codes
def mes_report(directory: Path, limit: int, *, as_json: bool) -> None:
    """Show what differed each time the MES came back, newest first."""
    config = load_station(directory)
    with open_records(config.database_url, config.station.id) as records:
        found = [json.loads(event.body) for event in records.events(config.station.id, "mes-reconciled", limit)]
    if as_json:
        print_json(found)
        return
    for report in found:
        told = f"{report['runs']} runs deferred, {report['quarantined']} in quarantine;"
        told += f" {report['messages']} messages compared, {report['sent_again']} sent again"
        click.echo(f"{report['since']} to {report['until']}: {told}")
        for one in report["refused"]:
            click.echo(f"  {one['unit']:25} in quarantine: {one['sentence']}")
