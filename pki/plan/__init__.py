"""What one ceremony makes, read from its reviewed file, and where its results lie.

`pki.toml` in a PKI directory is that file, byte for byte: what was reviewed is what the factory runs on.
"""

from dataclasses import replace
from pathlib import Path

from pki.errors import ProfileError
from pki.plan.layout import FILE, Layout
from pki.plan.model import (
    AuthorityPlan,
    BenchPlan,
    HierarchyPlan,
    KeysPlan,
    Plan,
    PlantPlan,
    Purpose,
    RolesPlan,
    SealingPlan,
    ServerPlan,
    TokenPlan,
    UrlsPlan,
)
from pki.plan.rules import problems, token_problems
from pki.table import read_toml

__all__ = [
    "FILE",
    "AuthorityPlan",
    "BenchPlan",
    "HierarchyPlan",
    "KeysPlan",
    "Layout",
    "Plan",
    "PlantPlan",
    "Purpose",
    "RolesPlan",
    "SealingPlan",
    "ServerPlan",
    "TokenPlan",
    "UrlsPlan",
    "read_plan",
]


def read_plan(path: Path) -> Plan:
    """Read a ceremony file.

    Raises:
        ProfileError: The file is not as it must be; the message names the key path.
    """
    plan = read_toml(path, Plan)
    problem = next(token_problems(plan), None)
    if problem is None:
        plan = replace(plan, keys=_resolved(plan))
        problem = next(problems(plan), None)
    if problem:
        raise ProfileError(f"{path}: {problem}")
    return plan


def _resolved(plan: Plan) -> KeysPlan:
    only = next(iter(plan.tokens))
    roots = plan.keys.roots or only
    return KeysPlan(roots, plan.keys.authorities or only, plan.keys.devices or only, plan.keys.firmware or roots)
