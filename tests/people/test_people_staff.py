"""People come, change and go by those who may, for a reason; rows of years ago still name them (F-K1, F-K2)."""

from datetime import timedelta
from itertools import combinations

import pytest

from station.clock import utc_now
from station.errors import ConfigError
from station.people import (
    NotAllowed,
    add_person,
    check_roles,
    disable_person,
    first_admin,
    reset_person,
    sign_in,
    train_person,
    training_missing,
)
from station.people.sign_in import SignInRefused
from station.person import Person, Role
from station.records import NewPerson, Records, open_records, upgrade
from tests.people.staff import Staff, someone

APART = {
    *(frozenset({Role.ADMIN, role}) for role in Role if role is not Role.ADMIN),
    frozenset({Role.ENGINEER, Role.APPROVER}),
    *(frozenset({Role.QA, role}) for role in (Role.OPERATOR, Role.LINE_LEAD, Role.REWORK)),
    *(frozenset({Role.PKI_OFFICER, role}) for role in (Role.OPERATOR, Role.LINE_LEAD, Role.REWORK)),
}
"""Roles that check each other."""


def new(person: str = "new-1", **changes: object) -> NewPerson:
    given = {"id": person, "name": "New", "roles": frozenset({Role.OPERATOR}), "badge": ""} | changes
    return NewPerson(**given)  # type: ignore[arg-type]


def kinds(records: Records, person: str) -> list[tuple[str, str]]:
    """Return what the records tell of a person: what, and by whom."""
    return [(row.kind, row.who) for row in records.events(subject=person)]


@pytest.mark.parametrize(
    "two", [frozenset(pair) for pair in combinations(Role, 2)], ids=lambda two: "+".join(sorted(two))
)
def test_roles_that_check_each_other_are_never_one_persons(two: frozenset[Role]) -> None:
    """Nobody approves what they wrote, judges what they made, or keeps the audit of what they do."""
    if two in APART:
        with pytest.raises(ConfigError, match="can't be one person's"):
            check_roles(two)
    else:
        assert check_roles(two) == two


def test_nobody_is_without_a_role(records: Records) -> None:
    with pytest.raises(ConfigError, match="needs a role"):
        add_person(records, someone(records, "admin-1"), new(roles=frozenset()))


def test_there_is_one_first_admin_and_no_password(tmp_path) -> None:
    """A new station knows one person, who has no PIN until they chose it; a second first one is refused."""
    url = f"sqlite:///{tmp_path / 'station.db'}"
    upgrade(url)
    with open_records(url, "ST1") as records:
        welcome = first_admin(records)
        assert (welcome.person.roles, welcome.person.has_pin) == ({Role.ADMIN}, False)
        for pin in ("", "0000", "1234", "admin", welcome.code):
            with pytest.raises(SignInRefused):
                sign_in(records, welcome.person.badge, pin, f"10.0.0.{len(pin)}")
        with pytest.raises(ConfigError, match="already"):
            first_admin(records, "admin-2")


@pytest.mark.parametrize("who", ["lead-1", "qa-1", "operator-1", "engineer-1"])
def test_only_an_admin_adds_and_lets_go(records: Records, who: str) -> None:
    by = someone(records, who)
    with pytest.raises(NotAllowed, match="role admin"):
        add_person(records, by, new())
    with pytest.raises(NotAllowed, match="role admin"):
        disable_person(records, by, "rework-1", "left the company")


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"id": "N"}, "no id"), ({"id": "a" * 33}, "no id"), ({"id": "New-1"}, "no id"), ({"id": "n\n1"}, "no id"),
        ({"id": "station"}, "no id"), ({"id": "service:x"}, "no id"), ({"id": "-a"}, "no id"),
        ({"name": " "}, "printable"), ({"name": "x" * 81}, "printable"), ({"name": "a\u0007b"}, "printable"),
        ({"badge": "BG-a"}, "no badge"), ({"badge": "SN-AAAA"}, "no badge"), ({"badge": "BG-" + "A" * 25}, "no badge"),
        ({"id": "qa-1"}, "already"),
    ],
)  # fmt: skip
def test_what_rows_and_scans_could_not_hold_is_refused(records: Records, changes: dict[str, str], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        add_person(records, someone(records, "admin-1"), new(**changes))


def test_no_badge_is_two_persons_and_no_id_comes_back(records: Records, staff: Staff) -> None:
    """Also not that of somebody who left: rows name them still."""
    admin = someone(records, "admin-1")
    with pytest.raises(ConfigError, match="somebody's"):
        add_person(records, admin, new(badge=staff.shown("qa-1").badge))
    disable_person(records, admin, "operator-1", "left the company")
    with pytest.raises(ConfigError, match="already"):
        add_person(records, admin, new("operator-1"))
    with pytest.raises(ConfigError, match="no longer"):
        disable_person(records, admin, "operator-1", "left again")


def test_nobody_lets_themselves_go_and_the_last_admin_stays(records: Records) -> None:
    """An admin who has not chosen a PIN is not one who could take over."""
    admin = someone(records, "admin-1")
    with pytest.raises(NotAllowed, match="themselves"):
        disable_person(records, admin, "admin-1", "had enough")
    second = add_person(records, admin, new("admin-2", roles=frozenset({Role.ADMIN}))).person.person
    with pytest.raises(ConfigError, match="only admin"):
        disable_person(records, second, "admin-1", "had enough")


@pytest.mark.parametrize(
    ("first", "second", "subject"),
    [
        ("admin-1", "admin-1", "operator-1"),
        ("lead-1", "qa-1", "operator-1"),
        ("admin-1", "operator-1", "rework-1"),
        ("admin-1", "engineer-1", "operator-1"),
        ("admin-1", "lead-1", "lead-1"),
        ("lead-1", "lead-1", "admin-1"),
        ("qa-1", "qa-2", "admin-1"),
    ],
)
def test_a_reset_takes_two_others_of_the_right_kind(records: Records, first: str, second: str, subject: str) -> None:
    """Whoever could reset alone could sign in as anybody."""
    two = someone(records, first), someone(records, second)
    with pytest.raises(NotAllowed):
        reset_person(records, *two, subject, "forgot the PIN")
    row = records.person(subject)
    assert row is not None
    assert row.has_pin


@pytest.mark.parametrize(
    ("first", "second", "subject"),
    [("admin-1", "lead-1", "operator-1"), ("qa-1", "admin-1", "lead-1"), ("lead-1", "qa-1", "admin-1")],
)
def test_a_reset_by_two_gives_a_new_badge_and_takes_the_old(
    records: Records, staff: Staff, first: str, second: str, subject: str
) -> None:
    old = staff.shown(subject)
    welcome = reset_person(records, someone(records, first), someone(records, second), subject, "lost the badge")
    assert welcome.person.badge != old.badge
    assert not welcome.person.has_pin
    with pytest.raises(SignInRefused):
        sign_in(records, old.badge, old.pin)
    assert ("person-reset", first) in kinds(records, subject)


@pytest.mark.parametrize("reason", ["", "  ", "no", "x" * 201, "a\u0007bell", "line\nbreak"])
def test_a_reason_is_one(records: Records, reason: str) -> None:
    two = someone(records, "admin-1"), someone(records, "lead-1")
    with pytest.raises(ConfigError, match="reason"):
        reset_person(records, *two, "operator-1", reason)
    with pytest.raises(ConfigError, match="reason"):
        disable_person(records, two[0], "operator-1", reason)


def test_every_change_of_a_person_names_who_made_it(records: Records) -> None:
    """In the transaction of the change itself (F-K2)."""
    admin, lead = someone(records, "admin-1"), someone(records, "lead-1")
    add_person(records, admin, new())
    train_person(records, lead, "new-1", "esd", utc_now() + timedelta(hours=8))
    disable_person(records, admin, "new-1", "left the company")
    told = [("person-added", "admin-1"), ("person-trained", "lead-1"), ("person-disabled", "admin-1")]
    assert sorted(kinds(records, "new-1")) == sorted(told)


def test_the_latest_training_of_a_name_counts(records: Records) -> None:
    """Valid until its time, and taken back by one that ends earlier (F-K2)."""
    lead, now = someone(records, "lead-1"), utc_now()

    def missing(at=now) -> tuple[str, ...]:
        return training_missing(records, "operator-1", ("esd", "hipot"), at)

    assert missing() == ("esd", "hipot")
    train_person(records, lead, "operator-1", "esd", now + timedelta(hours=8))
    assert missing() == ("hipot",)
    assert missing(now + timedelta(hours=8)) == ("esd", "hipot")
    train_person(records, lead, "operator-1", "esd", now)
    assert missing() == ("esd", "hipot")


def test_nobody_trains_themselves_or_without_the_role(records: Records) -> None:
    later = utc_now() + timedelta(days=1)
    for by, whom in (("lead-1", "lead-1"), ("operator-1", "rework-1"), ("admin-1", "operator-1")):
        with pytest.raises(NotAllowed):
            train_person(records, someone(records, by), whom, "esd", later)
    with pytest.raises(ConfigError, match="name of a training"):
        train_person(records, someone(records, "lead-1"), "operator-1", "ESD check!", later)
    with pytest.raises(ConfigError, match="no person"):
        train_person(records, someone(records, "lead-1"), "nobody-1", "esd", later)


def test_people_are_values_without_secrets(records: Records) -> None:
    assert isinstance(someone(records, "qa-1"), Person)
    assert "argon2" not in repr(records.people())
