"""What exists after a ceremony: keys as their tokens report them, and certificates."""

import platform
import socket
from base64 import b64encode
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import version
from typing import Any

from cryptography.hazmat.backends.openssl import backend
from cryptography.hazmat.primitives.serialization import Encoding

from pki.authority import spki_of
from pki.ceremony.parts import Part, Parts, SealingPart, read_renewals
from pki.ceremony.transcript import Transcript, read_transcripts
from pki.keystore import Keystore
from pki.plan import Layout, Plan
from pki.tokens import Tokens

FORMAT = "evfactory/ceremony/1"
LIBRARIES = ("charger-station", "cryptography", "asn1crypto", "pkilint", "python-pkcs11", "sqlalchemy")


@dataclass(frozen=True)
class Circumstances:
    """By whom and before whom a ceremony is held, and what it has done so far."""

    actor: str
    witnesses: tuple[str, ...]
    done: list[str]


def untold(layout: Layout, parts: Parts) -> list[Part]:
    """Return the keys that no transcript tells of yet: their tokens are needed once more."""
    last = _last(layout)
    return [part for part in parts.keys if last is None or part.name not in last.state["keys"]]


def inventory(layout: Layout, parts: Parts, tokens: Tokens) -> dict[str, Any]:
    """Return every key and certificate by name; a key whose token stays away is told as the last transcript told it."""
    last = _last(layout)
    keys = {part.name: _key(part, layout, tokens, last) for part in sorted(parts.keys, key=lambda part: part.token)}
    keys |= _sealing(parts.sealing, layout, tokens) if parts.sealing else {}
    certificates = {name: describe(layout, name) for name in parts.names()}
    return {"keys": keys, "certificates": certificates, "plan": _digest(layout)}


def body(plan: Plan, layout: Layout, parts: Parts, tokens: Tokens, circumstances: Circumstances) -> dict[str, Any]:
    """Return a transcript's content."""
    return {
        **inventory(layout, parts, tokens),
        "format": FORMAT,
        "at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "by": circumstances.actor,
        "host": socket.gethostname(),
        "witnesses": list(circumstances.witnesses),
        "done": circumstances.done,
        "renewals": [asdict(renewal) for renewal in read_renewals(layout)],
        "software": software(),
        "tokens": {name: {"label": token.label, "module": token.module} for name, token in plan.tokens.items()},
    }


def is_news(layout: Layout, found: dict[str, Any]) -> bool:
    """Tell whether something exists that the last transcript does not tell."""
    last = _last(layout)
    return last is None or any(last.body.get(name) != found[name] for name in ("keys", "certificates", "plan"))


def software() -> dict[str, str]:
    """Return the versions of what made the keys and certificates."""
    found = {name: version(name) for name in LIBRARIES}
    return found | {"python": platform.python_version(), "openssl": backend.openssl_version_text()}


def describe(layout: Layout, name: str) -> dict[str, str]:
    """Return one certificate with what a reader asks first."""
    certificate = layout.load(name)
    return {
        "sha256": sha256(certificate.public_bytes(Encoding.DER)).hexdigest(),
        "serial": f"{certificate.serial_number:X}",
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "not_before": f"{certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}",
        "not_after": f"{certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
        "pem": certificate.public_bytes(Encoding.PEM).decode(),
    }


def _key(part: Part, layout: Layout, tokens: Tokens, last: Transcript | None) -> dict[str, Any]:
    if last and part.name in last.state["keys"] and not tokens.is_open(part.token):
        told: dict[str, Any] = last.state["keys"][part.name]
        return told
    certificate = layout.load(part.name)
    keystore = tokens.open(part.token)
    return {
        "token": part.token,
        "algorithm": part.authority.algorithm,
        "spki": b64encode(spki_of(certificate)).decode(),
        "policy": policy(keystore, part.name),
    }


def _sealing(part: SealingPart, layout: Layout, tokens: Tokens) -> dict[str, Any]:
    described = {
        "token": part.token,
        "algorithm": f"rsa{part.bits}",
        "spki": b64encode(layout.load_sealing_key()).decode(),
        "policy": policy(tokens.open(part.token), part.name),
    }
    return {part.name: described}


def policy(keystore: Keystore, name: str) -> dict[str, Any]:
    """Return what the token says about a key."""
    return asdict(keystore.policy(name))


def _last(layout: Layout) -> Transcript | None:
    return next(reversed(read_transcripts(layout)), None)


def _digest(layout: Layout) -> str:
    return sha256(layout.plan.read_bytes()).hexdigest()
