"""Keep the reviewed file as the PKI's own, and let a later review change only what no key or certificate stands on."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from pki.errors import ProfileError
from pki.files import write_file
from pki.plan import HierarchyPlan, Layout, Plan, PlantPlan, ServerPlan, TokenPlan, UrlsPlan, read_plan

AMENDABLE = (
    "roles, urls, server, how a token is reached (module, environment, pin, sessions), and add sealing where it is not"
)
_NO_SERVER = ServerPlan(names=())


def adopt_file(file: Path, plan: Plan, layout: Layout, reason: str, actor: str) -> list[str]:
    """Keep the file byte for byte; return what was done.

    A file that differs from the adopted one in nothing but `AMENDABLE` takes its place, for a reason; the old one is
    kept in `plans/`.

    Raises:
        ProfileError: The directory belongs to another ceremony, or the reason is missing.
    """
    reviewed = file.read_bytes()
    digest = sha256(reviewed).hexdigest()
    if not amends(file, plan, layout):
        return []
    if not layout.plan.exists():
        write_file(layout.plan, reviewed)
        return [f"adopted {file.name}, sha256 {digest}"]
    if not reason:
        hint = "Say why with --reason."
        raise ProfileError(f"{file} differs from the ceremony file that {layout.directory} has adopted", hint=hint)
    number = len(list(layout.plans.glob("*.toml"))) + 1
    write_file(layout.plans / f"{number:04d}.toml", layout.plan.read_bytes())
    write_file(layout.plan, reviewed)
    return [f"adopted {file.name}, sha256 {digest}, by {actor}: {reason}"]


def amends(file: Path, plan: Plan, layout: Layout) -> bool:
    """Tell whether a file is another than the adopted one, and may take its place.

    Raises:
        ProfileError: It may not: the directory belongs to another ceremony.
    """
    if not layout.plan.exists():
        return True
    if layout.plan.read_bytes() == file.read_bytes():
        return False
    adopted = read_plan(layout.plan)
    if _lasting(adopted) != _lasting(plan if adopted.sealing else replace(plan, sealing=None)):
        hint = f"Use an empty directory; a later review may change only {AMENDABLE}."
        raise ProfileError(f"{layout.directory} belongs to another ceremony file", hint=hint)
    return True


def _lasting(plan: Plan) -> Plan:
    """Return a plan without what may be amended."""
    tokens = {name: TokenPlan(module="", label=token.label) for name, token in plan.tokens.items()}
    return replace(
        plan,
        tokens=tokens,
        test=_without_names(plan.test),
        ship=_without_names(plan.ship),
        plant=_without_server(plan.plant),
        urls=UrlsPlan(),
        roles=None,
    )


def _without_names(hierarchy: HierarchyPlan) -> HierarchyPlan:
    return replace(hierarchy, server=_NO_SERVER)


def _without_server(hierarchy: PlantPlan) -> PlantPlan:
    return replace(hierarchy, server=None)
