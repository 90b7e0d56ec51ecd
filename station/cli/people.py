"""`station user`: who works here, what they may do, and how they come to a PIN."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import click

from station.cli.common import AS_JSON, DIRECTORY, acting, exit_codes, print_json, secret_of, signed_in, tell_welcome
from station.clock import iso, utc_now
from station.config import load_station
from station.errors import ConfigError
from station.people import (
    add_person,
    choose_pin,
    disable_person,
    reset_person,
    train_person,
)
from station.person import Person, Role
from station.records import NewPerson, open_records
from station.trace.figures_time import Calendar

REASON = click.option("--reason", required=True, help="Why; stands in the records for good.")


@dataclass(frozen=True)
class Shown:
    """A person as scripts get them."""

    id: str
    name: str
    roles: tuple[str, ...]
    state: str
    trainings: dict[str, str]


@click.group()
def user() -> None:
    """People: who may do what here, each with a badge and a PIN of their own.

    A person who is added gets a badge and a one-time code, and chooses a PIN with them. Roles: operator, line-lead,
    rework, qa, engineer, approver, pki-officer, admin.

    \b
    Example:
      station user add operator-7 --name "Operator 7" --role operator --as admin-1
      station user pin --badge BG-7Q2M4X9K1A                 by operator-7, who types code and PIN
    """


@user.command("add")
@click.argument("name_of")
@DIRECTORY
@click.option("--name", required=True, help="As screens show the person.")
@click.option(
    "--role",
    "roles",
    required=True,
    multiple=True,
    type=click.Choice([role.value for role in Role]),
    help="What they may do.",
)
@click.option("--badge", default="", help="Code of a badge that they have; a new one by default.")
@acting(Role.ADMIN)
def user_add(directory: Path, person: Person, name_of: str, name: str, roles: tuple[str, ...], badge: str) -> None:
    """Add a person, and print their badge and one-time code, once."""
    new = NewPerson(name_of, name, frozenset(Role(word) for word in roles), badge)
    config = load_station(directory)
    with open_records(config.database_url, config.station.id) as records:
        tell_welcome(add_person(records, person, new), directory)


@user.command("pin")
@DIRECTORY
@click.option("--badge", required=True, help="Your badge.")
@click.option("--code-file", type=click.Path(dir_okay=False, path_type=Path), help="File with the one-time code.")
@click.option("--new-pin-file", type=click.Path(dir_okay=False, path_type=Path), help="File with the PIN to choose.")
@exit_codes
def user_pin(directory: Path, badge: str, code_file: Path | None, new_pin_file: Path | None) -> None:
    """Choose your PIN with the one-time code that you were given; the lock screen does the same."""
    config = load_station(directory)
    code = secret_of(code_file, "One-time code")
    pin = secret_of(new_pin_file, "New PIN")
    if new_pin_file is None and secret_of(None, "New PIN again") != pin:
        raise ConfigError("the two PINs differ", hint="Type the same PIN twice.")
    with open_records(config.database_url, config.station.id) as records:
        try:
            person = choose_pin(records, badge, code, pin)
        except ValueError as error:
            raise ConfigError(str(error), hint="Choose another PIN.") from error
    click.echo(f"{person.name} has a PIN now.")


@user.command("list")
@DIRECTORY
@AS_JSON
@exit_codes
def user_list(directory: Path, *, as_json: bool) -> None:
    """List people with their roles and trainings, also those who left."""
    config = load_station(directory)
    with open_records(config.database_url, config.station.id) as records:
        shown = [
            Shown(
                row.id,
                row.name,
                tuple(sorted(row.roles)),
                "left" if row.disabled_at else "works here" if row.has_pin else "has no PIN yet",
                {training.name: iso(training.valid_until) for training in records.trainings(row.id)},
            )
            for row in records.people()
        ]
    if as_json:
        print_json(shown)
        return
    for one in shown:
        trained = "".join(f"  {name} until {until[:10]}" for name, until in sorted(one.trainings.items()))
        click.echo(f"{one.id:16} {', '.join(one.roles):24} {one.state:16} {one.name}{trained}")


@user.command("disable")
@click.argument("subject")
@DIRECTORY
@REASON
@acting(Role.ADMIN)
def user_disable(directory: Path, person: Person, subject: str, reason: str) -> None:
    """Let a person go: no sign-in from now on, and open sessions end. It can't be taken back."""
    config = load_station(directory)
    with open_records(config.database_url, config.station.id) as records:
        disable_person(records, person, subject, reason)
    click.echo(f"{subject} works here no longer.")


@user.command("reset")
@click.argument("subject")
@DIRECTORY
@REASON
@click.option("--with", "second", metavar="PERSON", required=True, help="The second person, by their id.")
@click.option("--with-pin-file", type=click.Path(dir_okay=False, path_type=Path), help="File with the second's PIN.")
@acting(Role.ADMIN, Role.LINE_LEAD, Role.QA)
def user_reset(
    directory: Path, person: Person, subject: str, reason: str, second: str, with_pin_file: Path | None
) -> None:
    """Take PIN, badge and sessions from a person who forgot or lost them, and print new ones, once; by two people.

    An admin, and a line lead or quality. Each of the two enters their own PIN.
    """
    other = signed_in(directory, second, with_pin_file, f"PIN of {second}")
    config = load_station(directory)
    with open_records(config.database_url, config.station.id) as records:
        tell_welcome(reset_person(records, person, other, subject, reason), directory)


@user.command("train")
@click.argument("subject")
@click.argument("training")
@DIRECTORY
@click.option("--days", type=click.IntRange(0, 3660), default=365, show_default=True, help="How long; 0 takes it back.")
@click.option("--shift", is_flag=True, help="Until this shift ends by [figures] shifts, such as an ESD check.")
@acting(Role.LINE_LEAD, Role.QA)
def user_train(directory: Path, person: Person, subject: str, training: str, *, days: int, shift: bool) -> None:
    """Record that a person is trained, or passed a daily check: what recipes may ask for."""
    now, config = utc_now(), load_station(directory)
    calendar = Calendar(config.figures.zone, config.figures.shifts)
    until = calendar.period("shift", now).until if shift else now + timedelta(days=days)
    with open_records(config.database_url, config.station.id) as records:
        row = train_person(records, person, subject, training, until)
    click.echo(f"{subject}: {training} until {iso(row.valid_until)}")
