"""Who may do what, by operating system user: the plan's `[roles]`, checked before an act, never after.

It keeps honest people apart and makes the audit log name them. It is no lock: whoever reads the PIN and writes to the
directory can do everything without these commands, so the PIN has to be readable by the users of the role only.
"""

import os
import pwd

from pki.errors import RequestRefused
from pki.plan import Plan

OFFICER = "officers"
APPROVER = "approvers"
ISSUER = "issuers"


def caller() -> str:
    """Return the operating system user of this process; its number where it has no name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def require(plan: Plan, *roles: str) -> str:
    """Return the caller's name if the plan gives him one of the roles, or has no roles at all.

    Raises:
        RequestRefused: He has none of them.
    """
    name = caller()
    if plan.roles is None:
        return name
    allowed = sorted({user for role in roles for user in getattr(plan.roles, role)})
    if name in allowed:
        return name
    hint = f"Ask {' or '.join(allowed)}." if allowed else f"Nobody is named in roles.{roles[0]}."
    raise RequestRefused(f"'{name}' is none of this PKI's {' or '.join(roles)}", hint=hint)
