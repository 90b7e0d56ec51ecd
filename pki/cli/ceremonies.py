"""Commands that make a PKI and tell its state."""

import sys
from pathlib import Path

import click

from pki.ceremony import Occasion, hold_ceremony
from pki.ceremony import renew as renew_part
from pki.ceremony.rehearsal import rehearse
from pki.cli.common import DIRECTORY, FILE, JSON, opened, show
from pki.status import as_text, report

NOTHING = "Nothing to do: the ceremony is complete."


@click.command()
@click.argument("file", type=FILE)
@DIRECTORY
@click.option("--dry-run", is_flag=True, help="Say what would happen; open no token, write nothing.")
@click.option("--witness", "witnesses", multiple=True, help="Name of somebody who watches, for the transcript.")
@click.option("--reason", default="", help="Why FILE differs from the adopted one in what may be amended.")
def ceremony(file: Path, directory: Path, witnesses: tuple[str, ...], reason: str, *, dry_run: bool) -> None:
    """Make the keys and CAs that the reviewed FILE names.

    Every run looks first at what is there: again, it changes nothing; after a death, it goes on. Each run that made
    something leaves a signed transcript in DIR/transcripts. The offline token is needed only for what it signs.

    \b
    Examples:
      pki ceremony factory.toml --dir /var/lib/pki --dry-run
      pki ceremony factory.toml --dir /var/lib/pki --witness "Q. A. Lead"
      pki ceremony amended.toml --dir /var/lib/pki --reason "an officer has left"
    """
    if dry_run:
        click.echo("\n".join(rehearse(file, directory) or [NOTHING]))
        return
    if not hold_ceremony(file, directory, Occasion(reason, witnesses, click.echo)):
        click.echo(NOTHING)


@click.command()
@click.argument("name")
@click.option("--reason", required=True, help="Why, for transcript and audit log.")
@DIRECTORY
@click.option("--witness", "witnesses", multiple=True, help="Name of somebody who watches, for the transcript.")
def renew(name: str, reason: str, directory: Path, witnesses: tuple[str, ...]) -> None:
    """Make the next generation of a CA or server.

    Servers, issuing and intermediate CAs can be renewed. The new key and certificate stand beside the old ones (NAME-2,
    NAME-3, ...), which stay valid until their end. A
    CA below an offline root needs the token of that root. Whoever runs has to be started again to use the new ones.

    \b
    Examples:
      pki renew ship-server --reason "ends next month" --dir /var/lib/pki
      pki renew ship-issuing --reason "ends in a year" --dir /var/lib/pki
    """
    renew_part(directory, name, reason, Occasion(witnesses=witnesses, say=click.echo))


@click.command()
@DIRECTORY
@JSON
def status(directory: Path, *, as_json: bool) -> None:
    """Show keys, CAs, lists, quotas and problems.

    Keys are told as their tokens report them. Exit 1 if something is wrong. The offline token is not asked for: its
    keys are told as the last transcript told them.

    \b
    Examples:
      pki status --dir /var/lib/pki
      pki status --dir /var/lib/pki --json
    """
    with opened(directory) as factory:
        found = report(factory)
    show(found, as_text(found), as_json=as_json)
    sys.exit(1 if found["problems"] else 0)
