"""Sign a release bundle, or an override of it, and lay the signature beside it: only one that counts is kept."""

from datetime import timedelta
from pathlib import Path

from station.catalog.approvals import override_document
from station.catalog.bundle import DOCUMENT, FOLDER, OVERRIDE, Bundle
from station.catalog.signatures import Approvers, Role, parse_signature
from station.clock import utc_now
from station.errors import ConfigError

OVERRIDES = (Role.OVERRIDE_LINE, Role.OVERRIDE_QUALITY)


def document_for(bundle: Bundle, role: Role) -> bytes:
    """Return what somebody in this role signs: the bundle, or the override that lies beside it.

    Raises:
        ConfigError: There is no override to sign.
    """
    if role not in OVERRIDES:
        return bundle.document
    path = _folder(bundle) / OVERRIDE
    try:
        return path.read_bytes()
    except OSError as error:
        hint = "Begin one with --reason and --hours."
        raise ConfigError(f"{bundle.title} has no {OVERRIDE}", hint=hint) from error


def begin_override(bundle: Bundle, reason: str, hours: float) -> Path:
    """Write the override that two people are to sign; one that was there before is gone with its signatures.

    Raises:
        ConfigError: The reason is missing, or the time is too long.
    """
    now = utc_now()
    document = override_document(bundle, reason, now, now + timedelta(hours=hours))
    folder = _folder(bundle)
    for role in OVERRIDES:
        for old in folder.glob(f"{role.word}-*.sig"):
            old.unlink()
    (folder / OVERRIDE).write_bytes(document)
    return folder / OVERRIDE


def keep_signature(bundle: Bundle, raw: bytes, role: Role, approvers: Approvers) -> str:
    """Lay somebody's signature beside a bundle and return whose it is.

    Raises:
        ConfigError: It is not in this role, not by a pinned key, not allowed by the file of approvers, or of something
            else.
    """
    signature = parse_signature("the signature", raw)
    person = approvers.person(signature.key)
    if not person:
        message = f"the key {signature.fingerprint} is not in the file of approvers"
        raise ConfigError(message, hint="Have the person's public key written there first.")
    if signature.namespace != role.value:
        message = f"the signature was made for '{signature.namespace[:40]}', not for '{role.value}'"
        raise ConfigError(message, hint=f"Sign again with -n {role.value}.")
    why = approvers.verify(signature, person, document_for(bundle, role))
    if why:
        raise ConfigError(f"the signature of {person} {why}", hint="Sign this bundle as it lies here.")
    if role is Role.AUTHOR and person != bundle.content.author:
        raise ConfigError(f"{person} is not the author of {bundle.title}", hint="Have the author sign.")
    if role is not Role.AUTHOR and person == bundle.content.author:
        raise ConfigError(f"{person} is the author, and can't approve their own work", hint="Ask somebody else.")
    (_folder(bundle) / f"{role.word}-{person}.sig").write_bytes(raw)
    return person


def path_for(bundle: Bundle, role: Role) -> Path:
    """Return the file that somebody in this role signs."""
    return _folder(bundle) / (OVERRIDE if role in OVERRIDES else DOCUMENT)


def _folder(bundle: Bundle) -> Path:
    return bundle.catalog / FOLDER / bundle.name
