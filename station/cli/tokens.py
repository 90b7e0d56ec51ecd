"""`station token`: which other programs may read the records over HTTP, what of them, and how long."""

from pathlib import Path

import click

from station.cli.common import AS_JSON, DIRECTORY, acting, exit_codes, print_json
from station.clock import utc_now
from station.config import load_station
from station.person import Person, Role
from station.records import open_records
from station.trace.tokens import MOST_DAYS, Scope, new_token


@click.group()
def token() -> None:
    """Tokens of programs that read over HTTP: search, units, recall, exports.

    \b
    Examples:
      station token create erp --scope search --scope units --as admin-1
      station token list
      station token revoke erp --reason "the ERP was replaced" --as admin-1
    """


@token.command("create")
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, required=True, type=click.Choice([one.value for one in Scope]))
@click.option("--days", default=365, show_default=True, type=click.IntRange(1, MOST_DAYS), help="How long it is good.")
@DIRECTORY
@acting(Role.ADMIN)
def token_create(directory: Path, person: Person, name: str, scopes: tuple[str, ...], days: int) -> None:
    """Make a token for a program and print it, once; only its hash is kept.

    \b
    Example:
      station token create erp --scope search --as admin-1 > erp.token
    """
    config = load_station(directory)
    with open_records(config.database_url, config.station.id) as records:
        made = new_token(records, name, [Scope(scope) for scope in scopes], days, person.id)
    click.echo(made)
    click.echo(f"Good for {', '.join(sorted(set(scopes)))} for {days} days; it is told only now.", err=True)


@token.command("list")
@DIRECTORY
@AS_JSON
@exit_codes
def token_list(directory: Path, *, as_json: bool) -> None:
    """List all tokens that there ever were."""
    config = load_station(directory)
    with open_records(config.database_url, config.station.id) as records:
        rows = records.tokens()
    if as_json:
        print_json([{name: told for name, told in vars(row).items() if name != "sha256"} for row in rows])
        return
    for row in rows:
        ended = f"revoked by {row.revoked_by}: {row.reason}" if row.revoked_at else f"until {row.until:%F}"
        state = "good" if row.valid(utc_now()) else "ended"
        click.echo(f"{row.id:24} {state:6} {','.join(row.scopes):32} made by {row.created_by}, {ended}")
    if not rows:
        click.echo("No tokens yet.")


@token.command("revoke")
@click.argument("name")
@click.option("--reason", required=True, help="Why, in 3 to 200 characters; stands in the records for good.")
@DIRECTORY
@acting(Role.ADMIN)
def token_revoke(directory: Path, person: Person, name: str, reason: str) -> None:
    """End a token now."""
    config = load_station(directory)
    with open_records(config.database_url, config.station.id) as records:
        row = records.revoke_token(name, reason, person.id)
    click.echo(f"{row.id}: revoked by {row.revoked_by}: {row.reason}")
