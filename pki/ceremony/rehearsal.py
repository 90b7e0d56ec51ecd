"""Say what a ceremony would do, without a token, a PIN or a written byte."""

from pathlib import Path

from pki.ceremony.adoption import amends
from pki.ceremony.parts import Part, Parts, ServerPart, all_parts, due, read_renewals
from pki.plan import Layout, Plan, read_plan
from pki.roles import caller


def rehearse(file: Path, directory: Path) -> list[str]:
    """Return what `hold_ceremony` would do, one sentence each; nothing if there is nothing to do.

    Raises:
        ProfileError: The file is wrong, or the directory belongs to another ceremony.
    """
    plan = read_plan(file)
    layout = Layout(directory)
    parts = all_parts(plan, read_renewals(layout))
    missing = [part for part in parts.keys if not layout.certificate(part.name).exists()]
    servers = [server for server in parts.servers if not layout.certificate(server.name).exists()]
    lines = [f"would adopt {file}"] if amends(file, plan, layout) else []
    lines += _tokens(plan, missing, parts)
    lines += [f"would make key {part.name} ({part.authority.algorithm}) in token {part.token}" for part in missing]
    lines += [_certificate(part) for part in missing]
    lines += [_server(server) for server in servers]
    if parts.sealing and not layout.sealing_key.exists():
        lines += [f"would make key {parts.sealing.name} (rsa{parts.sealing.bits}) in token {parts.sealing.token}"]
    lines += [f"would renew {family}: {reason}" for family, reason in due(layout, parts).items()]
    if lines:
        lines += ["would sign a transcript with the audit key"]
        lines += _role(plan)
    return lines


def _tokens(plan: Plan, missing: list[Part], parts: Parts) -> list[str]:
    wanted = {part.token for part in missing} | {parts.key(part.issuer).token for part in missing}
    if not missing:
        return []
    names = [name for name in plan.tokens if name in {*wanted, *plan.daily}]
    return [
        f"would open token {name}: '{plan.tokens[name].label}' of {plan.tokens[name].module}, "
        f"with the secret {plan.tokens[name].pin}"
        for name in names
    ]


def _certificate(part: Part) -> str:
    by = "itself" if part.issuer == part.name else part.issuer
    years = f"{part.authority.years} year{'s' if part.authority.years > 1 else ''}"
    return f"would issue certificate {part.name} '{part.authority.common_name}', {years}, signed by {by}"


def _server(part: ServerPart) -> str:
    names = ", ".join(part.server.names)
    return f"would make key and certificate {part.name} for {names}, {part.server.days} days, signed by {part.issuer}"


def _role(plan: Plan) -> list[str]:
    name = caller()
    if plan.roles is None or name in plan.roles.officers:
        return []
    return [f"but '{name}' is no officer: one of {', '.join(plan.roles.officers)} has to hold it"]
