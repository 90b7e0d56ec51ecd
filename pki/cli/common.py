"""What every command of `pki` has in common: the directory, errors as one sentence, and exit codes."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from pki.environment import Environment, Plant, Ship, Test
from pki.errors import KeystoreError, PkiError, ProfileError
from pki.issue import Factory, open_factory
from pki.ledger import Ledger, open_ledger
from pki.plan import Layout, Plan, read_plan
from pki.roles import caller

ENVIRONMENTS: dict[str, type[Environment]] = {"test": Test, "ship": Ship, "plant": Plant}
EXIT_CODES = {ProfileError: 2, KeystoreError: 3}
"""0 done, 1 a check failed or a request was refused, 2 usage or configuration, 3 an HSM is away."""
DIRECTORY = click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("pki"),
    show_default=True,
    help="PKI directory.",
)
ENVIRONMENT = click.option(
    "--environment", type=click.Choice(sorted(ENVIRONMENTS)), required=True, help="Which hierarchy it belongs to."
)
PROFILE = click.option("--profile", default="station", show_default=True, help="Certificate profile.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, for a script.")
FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


class Group(click.Group):
    """Lists commands in the order of an officer's work; turns our errors into a sentence, a next step and a code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order in which they were added."""
        del ctx
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except PkiError as error:
            click.echo(f"Error: {error.message}\n{error.hint}", err=True)
            sys.exit(exit_code(error))
        except OSError as error:
            click.echo(f"Error: {error.filename}: {error.strerror}\nCheck the path and who may use it.", err=True)
            sys.exit(2)


def exit_code(error: PkiError) -> int:
    """Return the exit code that says whose turn it is."""
    return next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), 1)


@contextmanager
def opened(directory: Path) -> Iterator[Factory]:
    """Open the factory for one command, in the caller's name."""
    factory = open_factory(directory)
    try:
        yield factory
    finally:
        factory.close()


@contextmanager
def opened_ledger(directory: Path) -> Iterator[tuple[Plan, Ledger]]:
    """Open plan and ledger only: for what needs no HSM."""
    layout = Layout(directory)
    plan = read_plan(layout.plan)
    ledger = open_ledger(layout.ledger, caller())
    try:
        yield plan, ledger
    finally:
        ledger.close()


def show(value: object, text: str, *, as_json: bool) -> None:
    """Print a result for a script or for a person."""
    click.echo(json.dumps(value, indent=2) if as_json else text)
