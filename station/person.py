"""People as the station knows them, and what each role is for (F-K1)."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a person may do; a person may have several, but none that check each other."""

    OPERATOR = "operator"
    LINE_LEAD = "line-lead"
    REWORK = "rework"
    QA = "qa"
    ENGINEER = "engineer"
    """Process engineer: writes products, recipes and bundles."""
    APPROVER = "approver"
    PKI_OFFICER = "pki-officer"
    ADMIN = "admin"


@dataclass(frozen=True)
class Person:
    """Somebody who is signed in, as rows name them: never shared, never removed."""

    id: str
    """Short name of 2 to 32 lower-case letters, digits, dots and hyphens; stands in every row that they cause."""
    name: str
    """As screens show it."""
    roles: frozenset[Role]

    def has(self, *roles: Role) -> bool:
        """Tell whether the person has one of these roles."""
        return not self.roles.isdisjoint(roles)
