"""What roles are for, and which ones nobody has together, because one of them checks the other.

An admin does nothing else: whoever adds people and hands out their one-time codes could otherwise build, release and
sign off alone, under as many names as it takes. And an admin, who keeps the station and with it the audit, issues no
certificates. Quality stays apart from those who make, so that a hold is lifted by somebody who is not paid per unit.
"""

from collections.abc import Iterable

from station.errors import ConfigError, StationError
from station.person import Person, Role

MAKERS = frozenset({Role.OPERATOR, Role.LINE_LEAD, Role.REWORK})
"""Those who work at the slots."""
FLOOR = MAKERS | {Role.QA}
"""Those who scan and act at the slots, each as their roles let them."""
REPRINTERS = frozenset({Role.LINE_LEAD, Role.REWORK})
"""Those who may have a label printed again (F-J4)."""
STOPPERS = frozenset({Role.LINE_LEAD, Role.QA, Role.ENGINEER, Role.APPROVER})
"""Those who may stop what is wrong: the safe direction is open to more people than the way back."""
WITNESSES = frozenset({Role.LINE_LEAD, Role.QA})
"""Those who stand beside an admin where it takes two people."""
APART: tuple[tuple[frozenset[Role], frozenset[Role], str], ...] = (
    (frozenset({Role.ADMIN}), frozenset(set(Role) - {Role.ADMIN}), "an admin has no other role"),
    (frozenset({Role.ENGINEER}), frozenset({Role.APPROVER}), "nobody approves what they wrote"),
    (frozenset({Role.QA}), MAKERS, "nobody judges what they made"),
    (frozenset({Role.PKI_OFFICER}), MAKERS, "nobody makes the units whose certificates they answer for"),
)  # fmt: skip


ACT_REFUSED = "act-refused"
"""Kind of the event that somebody tried what their roles do not allow."""


class NotAllowed(StationError):
    """The person has none of the roles for what they want to do."""

    default_hint = "Ask somebody who has the role."


def check_roles(roles: Iterable[Role]) -> frozenset[Role]:
    """Return roles that one person may have together.

    Raises:
        ConfigError: There is none, or one of them checks another.
    """
    found = frozenset(roles)
    if not found:
        raise ConfigError("a person needs a role", hint=f"Choose from: {', '.join(Role)}.")
    for some, others, why in APART:
        if found & some and found & others:
            clash = ", ".join(sorted(found & (some | others)))
            raise ConfigError(f"these roles can't be one person's: {clash}; {why}", hint="Give them to two people.")
    return found


def require(person: Person, *roles: Role) -> None:
    """Check that a person has one of the roles; any role is good where none is named.

    Raises:
        NotAllowed: They have none of them.
    """
    if roles and not person.has(*roles):
        raise NotAllowed(lacks(person, roles))


def lacks(person: Person, roles: Iterable[Role]) -> str:
    """Say that a person has none of the roles for what they want to do."""
    words = " or ".join(sorted(role.value for role in roles))
    return f"{person.name} may not do this: it takes the role {words}."
