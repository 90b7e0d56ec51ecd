"""People: who they are, how they show it, and what their roles allow (F-K1, F-K2).

A badge says who somebody is, a PIN that it is them. Nobody starts with a PIN: each person chooses one with a one-time
code, so that no other person ever knew it and none is shared.
"""

from station.people.attendance import Attendance
from station.people.entry import BadgeReader
from station.people.roles import ACT_REFUSED, NotAllowed, check_roles, require
from station.people.sessions import Opened, Sessions
from station.people.sign_in import CONSOLE, SignInRefused, choose_pin, sign_in, sign_in_as
from station.people.staff import (
    Welcome,
    add_person,
    checked_reason,
    disable_person,
    first_admin,
    reset_person,
    train_person,
    training_missing,
)

__all__ = [
    "ACT_REFUSED",
    "CONSOLE",
    "Attendance",
    "BadgeReader",
    "NotAllowed",
    "Opened",
    "Sessions",
    "SignInRefused",
    "Welcome",
    "add_person",
    "check_roles",
    "checked_reason",
    "choose_pin",
    "disable_person",
    "first_admin",
    "require",
    "reset_person",
    "sign_in",
    "sign_in_as",
    "train_person",
    "training_missing",
]
