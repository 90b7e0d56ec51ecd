"""What a ceremony file must not say: each rule answers with one sentence that names the key path."""

import re
from collections.abc import Iterator
from difflib import get_close_matches

from pki.algorithm import Algorithm
from pki.plan.model import AuthorityPlan, HierarchyPlan, Plan, PlantPlan, Purpose, RolesPlan, ServerPlan

MAX_NAME = 64
"""X.520's limit for names."""
SEALING_BITS = (2048, 3072, 4096)
HOST_NAME = re.compile(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]")
TOKEN_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
SECRET_NAME = re.compile(r"[a-z][a-z0-9-]{0,63}")
USER_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")
URL = re.compile(r"http://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*")


def token_problems(plan: Plan) -> Iterator[str]:
    """Yield what is wrong with the tokens and with which holds what."""
    if not plan.tokens:
        yield "tokens is empty"
    for name, token in plan.tokens.items():
        if not TOKEN_NAME.fullmatch(name):
            yield f"tokens.{name}: the name is not lower-case letters, digits and '-'"
        if not 0 < token.sessions <= 64:
            yield f"tokens.{name}.sessions is not 1 to 64"
        if not SECRET_NAME.fullmatch(token.pin):
            yield f"tokens.{name}.pin is no name of a secret; the PIN itself never stands here"
    places = [(token.module, token.label, *sorted(token.environment.items())) for token in plan.tokens.values()]
    if len(set(places)) < len(places):
        yield "two of tokens are the same token"
    yield from _key_problems(plan)


def _key_problems(plan: Plan) -> Iterator[str]:
    for what, token in vars(plan.keys).items():
        if not token and len(plan.tokens) > 1 and what != "firmware":
            yield f"keys.{what} is missing: there are several tokens"
        if token and token not in plan.tokens:
            near = get_close_matches(token, plan.tokens, 1)
            yield f"keys.{what}: there is no token '{token}'" + (f"; did you mean '{near[0]}'?" if near else "")


def authorities(plan: Plan) -> dict[str, AuthorityPlan]:
    """Return every CA and signer by its key path in the file."""
    found = {"bench.root": plan.bench.root}
    for name, hierarchy in plan.hierarchies.items():
        layers = (("root", hierarchy.root), ("intermediate", hierarchy.intermediate), ("issuing", hierarchy.issuing))
        found |= {f"{name}.{layer}": authority for layer, authority in layers if authority}
    return found | {"records": plan.records, "audit": plan.audit, "firmware": plan.firmware}


def problems(plan: Plan) -> Iterator[str]:
    """Yield what would let a ceremony fail half-way, or make a PKI that contradicts itself."""
    owners = {f"{name}.owner": hierarchy.owner for name, hierarchy in plan.hierarchies.items()}
    yield from _text_problems(owners | {"organization": plan.organization}, MAX_NAME)
    yield from _authority_problems(authorities(plan))
    for name, hierarchy in plan.hierarchies.items():
        yield from _hierarchy_problems(name, hierarchy)
    yield from _overlaps(plan)
    for where, url in vars(plan.urls).items():
        if url and not URL.fullmatch(url):
            yield f"urls.{where} is no plain http URL without a '/' at its end"
    if plan.sealing and plan.sealing.bits not in SEALING_BITS:
        yield f"sealing.bits is none of {', '.join(map(str, SEALING_BITS))}"
    if plan.purpose not in set(Purpose):
        yield f"purpose: '{plan.purpose}' is unknown; it is {' or '.join(Purpose)}"
    if plan.roles:
        yield from _role_problems(plan.roles)


def _authority_problems(found: dict[str, AuthorityPlan]) -> Iterator[str]:
    names: dict[str, str] = {}
    for where, authority in found.items():
        if authority.common_name in names:
            yield f"{where}: {names[authority.common_name]} has the same common_name"
        names[authority.common_name] = where
        # There is room for the generation of a renewed CA.
        yield from _text_problems({f"{where}.common_name": authority.common_name}, MAX_NAME - len(" G9999"))
        if not 0 < authority.years <= 50:
            yield f"{where}.years is not 1 to 50"
        yield from _algorithm_problems(where, authority.algorithm)


def _algorithm_problems(where: str, name: str) -> Iterator[str]:
    if name not in set(Algorithm):
        near = get_close_matches(name, list(Algorithm), 1) or [", ".join(Algorithm)]
        yield f"{where}.algorithm: '{name}' is unknown; did you mean {near[0]}?"
    if where in {"records", "audit"} and name != Algorithm.P256:
        yield f"{where}.algorithm is not p256, which everybody who checks its signatures expects"


def _hierarchy_problems(where: str, hierarchy: HierarchyPlan | PlantPlan) -> Iterator[str]:
    above, limit = "root", hierarchy.root.years
    if hierarchy.intermediate:
        if hierarchy.intermediate.years > limit:
            yield f"{where}.intermediate.years is longer than {where}.root.years"
        above, limit = "intermediate", hierarchy.intermediate.years
    if hierarchy.issuing.years > limit:
        yield f"{where}.issuing.years is longer than {where}.{above}.years"
    if hierarchy.server:
        yield from _server_problems(f"{where}.server", hierarchy.server)


def _server_problems(where: str, server: ServerPlan) -> Iterator[str]:
    if not server.names:
        yield f"{where}.names is empty"
    if not 0 < server.days <= 3650:
        yield f"{where}.days is not 1 to 3650"
    for name in server.names:
        if len(name) > 64 or not HOST_NAME.fullmatch(name):
            yield f"{where}.names: '{name}' is no host name"


def _overlaps(plan: Plan) -> Iterator[str]:
    # One name, one world: a client that trusts both roots must never take one persona for the other.
    taken: dict[str, str] = {}
    for where, hierarchy in plan.hierarchies.items():
        for name in set(hierarchy.server.names if hierarchy.server else ()):
            if name in taken:
                yield f"{taken[name]}.server.names and {where}.server.names overlap: '{name}'"
            taken[name] = where


def _role_problems(roles: RolesPlan) -> Iterator[str]:
    for where, users in vars(roles).items():
        yield from (f"roles.{where}: '{user}' is no user name" for user in users if not USER_NAME.fullmatch(user))
    if not roles.officers:
        yield "roles.officers is empty: nobody could hold a ceremony"
    for where in ("approvers", "officers"):
        both = sorted(set(getattr(roles, where)) & set(roles.issuers))
        if both:
            yield f"roles.{where} and roles.issuers share '{both[0]}': nobody may both approve and issue"


def _text_problems(texts: dict[str, str], most: int) -> Iterator[str]:
    for where, text in texts.items():
        if not (0 < len(text) <= most and text.isprintable() and text == text.strip()):
            yield f"{where} is not 1 to {most} printable characters"
