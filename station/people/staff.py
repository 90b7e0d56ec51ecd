"""Who works here: added, trained, reset and let go, always by somebody who is named.

Rows refer to people by their id for as long as the records are kept, so nobody is ever removed and no id comes back.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from station.clock import utc_now
from station.errors import ConfigError
from station.people.roles import WITNESSES, NotAllowed, check_roles, require
from station.people.secrets import BADGE, hashed, new_badge, new_code, plain_code
from station.person import Person, Role
from station.records import NewPerson, OneTimeCode, PersonRow, Records, TrainingRow
from station.records.people import training_missing as training_missing_in

ID = re.compile(r"[a-z0-9][a-z0-9.-]{1,31}")
RESERVED = frozenset({"station", "service", "nobody"})
"""Names that rows use for what no person does."""
TRAINING = re.compile(r"[a-z0-9][a-z0-9.-]{0,31}")
LONGEST_NAME, SHORTEST_REASON, LONGEST_REASON = 80, 3, 200
CODE_LASTS = timedelta(hours=72)
SETUP = "station"
"""Who adds the first admin: the setup of the station, before there is anybody."""


@dataclass(frozen=True)
class Welcome:
    """A person with what they need to choose a PIN; told once, to hand over, and kept nowhere."""

    person: PersonRow
    code: str = field(repr=False)


def first_admin(records: Records, person: str = "admin-1", name: str = "Administrator") -> Welcome:
    """Add the first person of a station, who adds all others.

    Raises:
        ConfigError: There are people already.
    """
    new = _checked(NewPerson(person, name, frozenset({Role.ADMIN}), ""))
    code, kept = _one_time_code()
    return Welcome(records.add_person(new, kept, SETUP, first=True), code)


def add_person(records: Records, admin: Person, new: NewPerson) -> Welcome:
    """Add a person; without a badge of their own they get a new one.

    Raises:
        ConfigError: Id, name, badge or roles are not as they must be, or are somebody's already.
        NotAllowed: It is no admin who adds them.
    """
    require(admin, Role.ADMIN)
    checked = _checked(new)
    code, kept = _one_time_code()
    return Welcome(records.add_person(checked, kept, admin.id), code)


def reset_person(records: Records, first: Person, second: Person, person: str, reason: str) -> Welcome:
    """Take PIN, badge and sessions from a person on the word of two others, and welcome them again.

    An admin and a line lead or quality: whoever could reset alone could sign in as anybody. Where an admin is to be
    reset and no other one is left, a line lead and quality do it.

    Raises:
        NotAllowed: It is not for these two.
        ConfigError: There is no such person, or no reason.
    """
    row = records.person(person)
    if row is None:
        raise ConfigError(f"'{person}' is no person here", hint="'station user list' shows who works here.")
    _require_two(row, first, second)
    code, kept = _one_time_code()
    done = records.reset_person(person, new_badge(), kept, (first.id, second.id), checked_reason(reason))
    return Welcome(done, code)


def disable_person(records: Records, admin: Person, person: str, reason: str) -> None:
    """Let a person go: no sign-in from now on, and open sessions end.

    Raises:
        NotAllowed: It is no admin who does it, or they would do it to themselves.
        ConfigError: There is no such person at work, no reason, or no other admin.
    """
    require(admin, Role.ADMIN)
    if admin.id == person:
        raise NotAllowed("Nobody lets themselves go.", hint="Ask another admin.")
    records.disable_person(person, admin.id, checked_reason(reason))


def train_person(records: Records, by: Person, person: str, name: str, valid_until: datetime) -> TrainingRow:
    """Record that a person is trained, or passed a daily check such as ESD, until a time.

    Raises:
        NotAllowed: Who enters it is neither line lead nor quality, or it is about themselves.
        ConfigError: There is no such person at work, or the name is none.
    """
    require(by, *WITNESSES)
    if by.id == person:
        raise NotAllowed("Nobody enters their own training.", hint="Ask another line lead or quality.")
    if not TRAINING.fullmatch(name):
        raise ConfigError(f"'{name[:40]}' is no name of a training", hint="Use lower-case letters, digits, . and -.")
    return records.train(person, name, valid_until, by.id)


def training_missing(records: Records, person: str, names: Iterable[str], now: datetime) -> tuple[str, ...]:
    """Return the trainings of these names that a person never had, or whose validity is over (F-K2)."""
    with records.database.read() as session:
        return training_missing_in(session, person, names, now)


def checked_reason(reason: str) -> str:
    """Return a reason as it is recorded.

    Raises:
        ConfigError: It has not 3 to 200 printable characters.
    """
    text = reason.strip()
    if not SHORTEST_REASON <= len(text) <= LONGEST_REASON or not text.isprintable():
        message = f"a reason has {SHORTEST_REASON} to {LONGEST_REASON} printable characters"
        raise ConfigError(message, hint="Say why in a few words.")
    return text


def _require_two(row: PersonRow, first: Person, second: Person) -> None:
    two = (first, second)
    if len({first.id, second.id, row.id}) != 3:
        raise NotAllowed("A reset takes two people beside the one who is reset.", hint="Ask a second person.")
    admin = any(one.has(Role.ADMIN) for one in two) and any(one.has(*WITNESSES) for one in two)
    both = Role.ADMIN in row.roles and {role for one in two for role in one.roles} >= WITNESSES
    if not admin and not both:
        raise NotAllowed("A reset takes an admin, and a line lead or quality.", hint="Ask one who has the role.")


def _checked(new: NewPerson) -> NewPerson:
    if not ID.fullmatch(new.id) or new.id in RESERVED:
        message = f"'{new.id[:40]}' is no id: 2 to 32 lower-case letters, digits, dots and hyphens"
        raise ConfigError(message, hint="Choose an id such as 'operator-7'.")
    if not new.name.strip() or len(new.name) > LONGEST_NAME or not new.name.isprintable():
        raise ConfigError(f"a name has 1 to {LONGEST_NAME} printable characters", hint="Correct the name.")
    badge = new.badge or new_badge()
    if not BADGE.fullmatch(badge):
        message = f"'{badge[:40]}' is no badge: BG- and 4 to 24 capital letters or digits"
        raise ConfigError(message, hint="Leave the badge out to get a new one.")
    return replace(new, name=new.name.strip(), badge=badge, roles=check_roles(new.roles))


def _one_time_code() -> tuple[str, OneTimeCode]:
    code = new_code()
    return code, OneTimeCode(hashed(plain_code(code)), utc_now() + CODE_LASTS)
