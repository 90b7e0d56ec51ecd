"""People as the records hold them: frozen values, of which none carries a secret that may be shown."""

from dataclasses import dataclass, field
from datetime import datetime

from station.person import Person, Role


@dataclass(frozen=True)
class NewPerson:
    """Somebody who begins here."""

    id: str
    name: str
    roles: frozenset[Role]
    badge: str


@dataclass(frozen=True)
class PersonRow:
    """Somebody who works here, or did."""

    id: str
    name: str
    roles: frozenset[Role]
    badge: str
    created_at: datetime
    created_by: str
    disabled_at: datetime | None
    has_pin: bool
    """Whether a PIN was chosen; without one nobody signs in."""

    @property
    def person(self) -> Person:
        """Return the person as rows and screens name them."""
        return Person(self.id, self.name, self.roles)


@dataclass(frozen=True)
class OneTimeCode:
    """What lets a person choose a PIN, once, and until when."""

    hash: str = field(repr=False)
    until: datetime


@dataclass(frozen=True)
class Credential:
    """What a person's PIN and one-time code are judged by; never leaves `station.people`."""

    pin_hash: str = field(repr=False)
    code_hash: str = field(repr=False)
    code_until: datetime | None


@dataclass(frozen=True)
class Failures:
    """Attempts to sign in that did not pass, newest first."""

    of_person: tuple[datetime, ...]
    """Since the person's last success or reset; empty where nobody has this badge."""
    of_address: tuple[datetime, ...]


@dataclass(frozen=True)
class SessionRow:
    """A page or scanner on which somebody is signed in."""

    token_sha256: str = field(repr=False)
    person: Person
    station: str
    address: str
    at_slots: bool
    opened_at: datetime
    seen_at: datetime


@dataclass(frozen=True)
class TrainingRow:
    """A training or a daily check that a person has, the latest of its name."""

    person: str
    name: str
    valid_until: datetime
    at: datetime
    who: str
