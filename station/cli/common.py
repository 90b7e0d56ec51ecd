"""What all commands of `station` share: options, exit codes, who answers for a command, and JSON for scripts."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import ParamSpec

import click

from station.config import load_station
from station.errors import ConfigError, LinkError, ServiceError, StationError, UnitError
from station.people import ACT_REFUSED, NotAllowed, SignInRefused, Welcome, require, sign_in_as
from station.person import Person, Role
from station.records import open_records
from station.records.canonical import sentence
from station.strict import read_bounded

P = ParamSpec("P")
MOST_PIN_BYTES = 64
DIRECTORY = click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    envvar="STATION_DIR",
    show_envvar=True,
    help="Station directory; the current one by default.",
)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")


def exit_codes(command: Callable[P, None]) -> Callable[P, None]:
    """Turn the station's errors into a message and the exit code that scripts rely on."""

    @wraps(command)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except StationError as error:
            click.echo(f"Error: {error.message}\n{error.hint}", err=True)
            sys.exit(_code(error))

    return guarded


def _code(error: StationError) -> int:
    match error:
        case UnitError():
            return 1
        case ConfigError() | SignInRefused() | NotAllowed():
            return 2
        case ServiceError() | LinkError():
            return 3
    return 1


def acting(*roles: Role) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Have a person answer for a command: who they say they are, shown by their PIN, with one of the roles.

    The command needs `DIRECTORY`, and gets `person`. Exit code 2 if nobody is signed in by it, or not one of the roles.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @click.option(
            "--as",
            "acting_as",
            metavar="PERSON",
            envvar="STATION_AS",
            show_envvar=True,
            help="Who you are, by your id.",
        )
        @click.option(
            "--pin-file",
            type=click.Path(dir_okay=False, path_type=Path),
            envvar="STATION_PIN_FILE",
            show_envvar=True,
            help="File with your PIN; asked for by default.",
        )
        @exit_codes
        @wraps(command)
        def acted(*, directory: Path, acting_as: str | None, pin_file: Path | None, **options: object) -> None:
            person = signed_in(directory, acting_as, pin_file)
            with refusals_noted(directory, person):
                require(person, *roles)
                command(directory=directory, person=person, **options)

        return acted

    return decorate


@contextmanager
def refusals_noted(directory: Path, person: Person) -> Iterator[None]:
    """Record it where a person tries what their roles do not allow."""
    try:
        yield
    except NotAllowed as error:
        _note_refusal(directory, person, error.message)
        raise


def _note_refusal(directory: Path, person: Person, why: str) -> None:
    config = load_station(directory)
    with open_records(config.database_url, config.station.id) as records:
        command = click.get_current_context().command_path
        records.event(ACT_REFUSED, command, {"reason": sentence(why)}, person.id)


def signed_in(directory: Path, person: str | None, pin_file: Path | None, whose: str = "Your PIN") -> Person:
    """Return who a person says to be, shown by the PIN that is asked for, or read from a file.

    Raises:
        ConfigError: They say nothing, or the file can't be read.
        SignInRefused: They do not belong together, or too many attempts failed.
    """
    if not person:
        raise ConfigError("nobody answers for this", hint="Say who you are: --as PERSON.")
    config = load_station(directory)
    pin = secret_of(pin_file, whose)
    with open_records(config.database_url, config.station.id) as records:
        return sign_in_as(records, person, pin)


def secret_of(file: Path | None, asked: str) -> str:
    """Return the line that a file holds, or what is typed unseen where there is none.

    Raises:
        ConfigError: The file can't be read, or others can read it too.
    """
    if file is None:
        return str(click.prompt(asked, hide_input=True, err=True))
    if file.is_file() and file.stat().st_mode & 0o077:
        raise ConfigError(f"{file}: other users can read it", hint=f"Run 'chmod 600 {file}'.")
    raw = read_bounded(file, str(file), MOST_PIN_BYTES)
    return raw.decode("ascii", "replace").strip()


def tell_welcome(welcome: Welcome, directory: Path) -> None:
    """Print what a person needs to choose a PIN; it is kept nowhere."""
    row = welcome.person
    click.echo(f"{row.id}: badge {row.badge}, one-time code {welcome.code}, good for 72 hours and told only now.")
    click.echo(
        f"Next, by {row.name}: station user pin --badge {row.badge} --dir {directory}; or the page's lock screen."
    )


def print_json(value: object) -> None:
    """Print a value as JSON for scripts."""
    from station.trace.unit import plain

    click.echo(json.dumps(value, default=plain, indent=2))


@contextmanager
def shown(title: str) -> Iterator[Callable[[int, int], None]]:
    """Yield what shows progress to a person; scripts see nothing of it."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return

    def show(done: int, total: int) -> None:
        click.echo(f"\r{title}: {done} of {total}", nl=False, err=True)

    yield show
    click.echo(err=True)
