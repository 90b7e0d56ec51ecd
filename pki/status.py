"""What a security officer asks of a factory's PKI: keys as the tokens report them, ends, counts, problems."""

import json
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from cryptography import x509

from pki.authority import BACKDATED, spki_of
from pki.ceremony.inventory import policy
from pki.ceremony.parts import AUDIT, Part, SealingPart
from pki.ceremony.transcript import Transcript, check_transcripts, read_transcripts
from pki.errors import PkiError
from pki.evidence import check_audit
from pki.issue import Factory
from pki.keystore import Keystore
from pki.ledger.revocations import CrlRecord

_STRONG = {"sensitive": True, "always_sensitive": True, "extractable": False, "never_extractable": True}
EVERYBODY = "no [roles] in the ceremony file: whoever reads the PIN may do everything"


def report(factory: Factory) -> dict[str, Any]:
    """Return the whole report as plain values; `problems` is empty if all is well."""
    problems = factory.check()
    audit = factory.certificates[AUDIT]
    problems += check_transcripts(factory.layout, spki_of(audit))
    keys = [_key(factory, part) for part in factory.parts.keys if part.name in factory.certificates]
    sealing = factory.parts.sealing
    keys += [_key(factory, sealing)] if sealing and factory.safe else []
    problems += [complaint for key in keys for complaint in _weak(key)]
    sound = not factory.ledger_problems()
    problems += check_audit(factory.ledger, _told(factory)) + factory.ledger.password_faults() if sound else []
    return {
        "organization": factory.plan.organization,
        "purpose": str(factory.plan.purpose),
        "tokens": _tokens(factory),
        "keys": keys,
        "certificates": [_certificate(name, found) for name, found in sorted(factory.certificates.items())],
        "servers": [_certificate(name, found) for name, found in sorted(factory.servers().items())],
        "crls": _lists(factory) if sound else [],
        "quotas": [_quota(quota) for quota in factory.ledger.quotas()] if sound else [],
        "units": _units(factory) if sound else {},
        "acts": _acts(factory) if sound else {},
        "roles": asdict(factory.plan.roles) if factory.plan.roles else EVERYBODY,
        "transcripts": _transcripts(factory),
        "problems": problems,
    }


def _tokens(factory: Factory) -> list[dict[str, Any]]:
    found = []
    for name, token in factory.plan.tokens.items():
        keystore = factory.keystores.get(name)
        use = [what for what, where in vars(factory.plan.keys).items() if where == name]
        entry: dict[str, Any] = {"name": name, "label": token.label, "holds": use, "open": keystore is not None}
        found.append(entry | (_abilities(keystore) if keystore else {}))
    return found


def _abilities(keystore: Keystore) -> dict[str, Any]:
    found = keystore.capabilities
    refusals = {kind: why for kind, why in found.refusals.items() if kind not in found.transports}
    model = {"manufacturer": found.manufacturer, "model": found.model}
    return model | {"transports": sorted(found.transports), "refusals": refusals}


def _key(factory: Factory, part: Part | SealingPart) -> dict[str, Any]:
    """Return what the token says of a key now, or what it said in the last ceremony if it is away."""
    keystore = factory.keystores.get(part.token)
    if keystore:
        return {"name": part.name, "token": part.token, "reported": "now", "policy": policy(keystore, part.name)}
    told = _told(factory)
    source = told[-1] if told else None
    known = source.body["keys"].get(part.name, {}).get("policy", {}) if source else {}
    when = f"transcript {source.path.name}" if source else "never"
    return {"name": part.name, "token": part.token, "reported": when, "policy": known}


def _weak(key: dict[str, Any]) -> list[str]:
    wrong = [name for name, right in _STRONG.items() if key["policy"].get(name) is (not right)]
    sentence = f"key {key['name']}: token {key['token']} reports "
    return [sentence + ", ".join(f"{name} {key['policy'][name]}".lower() for name in wrong)] if wrong else []


def _certificate(name: str, found: x509.Certificate) -> dict[str, Any]:
    return {
        "name": name,
        "subject": found.subject.rfc4514_string(),
        "serial": f"{found.serial_number:X}",
        "from": f"{found.not_valid_before_utc:%Y-%m-%d}",
        "until": f"{found.not_valid_after_utc:%Y-%m-%d}",
        "days_left": (found.not_valid_after_utc - datetime.now(UTC)).days,
    }


def _lists(factory: Factory) -> list[dict[str, Any]]:
    names = [part.name for part in factory.parts.keys if part.lists or part.profile == "issuing"]
    newest = {name: factory.ledger.newest_crl(name) for name in names if name in factory.certificates}
    return [{"authority": name} | (_list(one) if one else {"number": None}) for name, one in newest.items()]


def _list(newest: CrlRecord) -> dict[str, Any]:
    age = (datetime.now(UTC) - newest.this_update - BACKDATED).total_seconds() / 3600
    until = f"{newest.next_update:%Y-%m-%d}"
    return {"number": newest.number, "entries": newest.entries, "age_hours": round(age, 1), "until": until}


def _quota(quota: Any) -> dict[str, Any]:
    return {**vars(quota), "left": quota.left}


def _units(factory: Factory) -> dict[str, int]:
    rows = factory.rows()
    states = Counter(f"{row.environment} keys {row.state}" for row in rows)
    states["certificates"] = sum(row.certificate is not None for row in rows)
    states["revoked"] = sum(row.revoked for row in rows)
    return dict(sorted(states.items()))


def _acts(factory: Factory) -> dict[str, int]:
    """Return how often each audited act was done."""
    return dict(sorted(Counter(json.loads(entry.entry)["act"] for entry in factory.ledger.audit_entries()).items()))


def _told(factory: Factory) -> list[Transcript]:
    try:
        return read_transcripts(factory.layout)
    except PkiError:
        return []


def _transcripts(factory: Factory) -> list[dict[str, str]]:
    return [{"number": one.path.name, "at": one.body["at"], "by": one.body["by"]} for one in _told(factory)]


def as_text(found: dict[str, Any]) -> str:
    """Return the report as lines for a terminal."""
    lines = [_token_line(token) for token in found["tokens"]]
    lines += [f"key          {key['name']:<20} {_policy_words(key)}" for key in found["keys"]]
    for entry in (*found["certificates"], *found["servers"]):
        end = f"until {entry['until']}, {entry['days_left']} days"
        lines.append(f"certificate  {entry['name']:<20} {end}  {entry['subject']}")
    lines += [_list_line(entry) for entry in found["crls"]]
    lines += [_quota_line(entry) for entry in found["quotas"]]
    lines += [f"units        {name}: {count}" for name, count in found["units"].items()]
    lines += [f"acts         {name}: {count}" for name, count in found["acts"].items()]
    lines += _role_lines(found["roles"])
    lines += [f"transcript   {one['number']} of {one['at']} by {one['by']}" for one in found["transcripts"]]
    lines += [f"PROBLEM      {problem}" for problem in found["problems"]] or ["all checks passed"]
    return "\n".join(lines)


def _token_line(token: dict[str, Any]) -> str:
    where = f"token        {token['name']:<20} '{token['label']}' holds {', '.join(token['holds'])}"
    if not token["open"]:
        return f"{where}; not needed today"
    makes = f", wraps device keys for {', '.join(token['transports'])}" if token["transports"] else ""
    return f"{where}; open, {token['manufacturer']} {token['model']}{makes}"


def _policy_words(key: dict[str, Any]) -> str:
    words = [name.replace("_", " ") for name, value in key["policy"].items() if value is True]
    return f"in {key['token']}: {', '.join(words) or 'nothing'} (reported {key['reported']})"


def _list_line(entry: dict[str, Any]) -> str:
    if entry["number"] is None:
        return f"crl          {entry['authority']:<20} none yet"
    words = f"number {entry['number']}, {entry['entries']} entries, {entry['age_hours']} h old, until {entry['until']}"
    return f"crl          {entry['authority']:<20} {words}"


def _quota_line(entry: dict[str, Any]) -> str:
    where = f"{entry['work_order']} {entry['environment']} {entry['profile']}"
    return f"quota        {where}: {entry['left']} left of {entry['units']} and {entry['rework']} for rework"


def _role_lines(roles: Any) -> list[str]:
    if isinstance(roles, str):
        return [f"roles        {roles}"]
    return [f"roles        {role}: {', '.join(users) or 'nobody'}" for role, users in roles.items()]
