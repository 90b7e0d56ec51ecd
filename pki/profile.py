"""Certificate profiles: what a certificate contains is data, reviewed, and never taken from a request.

A profile file holds what is common, and switches: named variations that a plan or recipe sets (`load_profile("station",
{"client_auth": True})`). The profile that comes out, a `Claim` and a `Signer` determine the bytes that are signed.
"""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

from cryptography import x509

from pki.algorithm import spki_bytes
from pki.draft import draft, subject_name
from pki.errors import ProfileError
from pki.fit import check_fit
from pki.lint import check_bytes, lint
from pki.model import NEVER, Claim, Profile, Signer
from pki.rules import check_profile, nearest
from pki.table import load_toml, parse_table
from pki.throwaway import throwaway

__all__ = [
    "Claim",
    "Profile",
    "Signer",
    "check_fit",
    "check_profile",
    "draft",
    "load_profile",
    "profile_names",
    "read_profile",
    "subject_name",
]
Setting = bool | str


@dataclass(frozen=True)
class Switch:
    """A named variation of a profile: on or off, or a text for one key."""

    why: str
    """Who disagrees about what, for whoever sets it."""
    sets: str = ""
    """Key that the switch's text goes to; empty for a switch that is on or off."""
    words: tuple[str, ...] = ()
    """The texts that there are."""
    pattern: str = ""
    """Regular expression of the texts, where they can't be listed."""
    example: str = ""
    needed: bool = False
    """Whether the profile can't be used without it."""
    on: dict[str, Any] = field(default_factory=dict)
    """Keys that change when it is set."""


@functools.cache
def profile_names() -> tuple[str, ...]:
    """Return the names of all profiles of this package."""
    folder = files("pki") / "profiles"
    return tuple(sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".toml")))


def load_profile(name: str, switches: Mapping[str, Setting] | None = None) -> Profile:
    """Return a profile of this package with its switches set; whatever it can make passed pkilint once.

    Raises:
        ProfileError: There is none, it breaks a rule that it cites, a switch is unknown, missing or wrongly set, or
            pkilint finds fault with a sample.
    """
    if name not in profile_names():
        raise ProfileError(f"there is no certificate profile '{name}'{nearest(name, profile_names())}")
    # An enumeration of words is a text too.
    settings = {key: str(value) if isinstance(value, str) else value for key, value in (switches or {}).items()}
    return _load(name, tuple(sorted(settings.items())))


@functools.lru_cache(maxsize=256, typed=True)
def _load(name: str, settings: tuple[tuple[str, Setting], ...]) -> Profile:
    raw = (files("pki") / "profiles" / f"{name}.toml").read_bytes()
    profile = read_profile(raw, f"{name}.toml", dict(settings))
    if profile.name != name:
        raise ProfileError(f"{name}.toml: name is '{profile.name}'")
    return profile


def read_profile(raw: bytes, where: str, switches: Mapping[str, Setting] | None = None) -> Profile:
    """Read a profile file, set its switches, and hold it to its rules and to pkilint.

    Raises:
        ProfileError: The message names file, key, and the clause or the nearest valid word.
    """
    table = load_toml(raw, where)
    parsed = table.pop("switches", {})
    if not isinstance(parsed, dict):
        raise ProfileError(f"{where}: switches is no table")
    known = {name: _switch(entry, f"{where}: switches.{name}") for name, entry in parsed.items()}
    _try_each(table, known, where)
    profile = _set(table, known, dict(switches or {}), where)
    prove(profile)
    return profile


def prove(profile: Profile) -> None:
    """Make a sample of the profile with a throwaway CA; refuse what the two encoders or pkilint don't agree with.

    Raises:
        ProfileError: The message names every finding.
    """
    claim, signer = _sample(profile)
    made = draft(profile, claim, signer)
    check_bytes(made, profile, claim, signer)
    lint(made, profile)


def _switch(entry: object, where: str) -> Switch:
    if not isinstance(entry, dict):
        raise ProfileError(f"{where} is no table")
    # The changes are checked as keys of the profile, so that a typo in them is reported with its neighbours.
    changes = entry.get("on", {})
    switch = parse_table({key: value for key, value in entry.items() if key != "on"}, Switch, where)
    keys = tuple(known.name for known in fields(Profile) if known.name not in {"name", "revision", "switches"})
    for key in (*changes, *([switch.sets] if switch.sets else [])):
        if key not in keys:
            raise ProfileError(f"{where}: {key} is unknown{nearest(key, keys)}")
    if switch.sets and not (switch.words or switch.pattern):
        raise ProfileError(f"{where}: words or pattern is missing")
    return replace(switch, on=changes)


def _try_each(table: Mapping[str, Any], known: Mapping[str, Switch], where: str) -> None:
    """Check every variation when the file is read, not when somebody first asks for it."""
    needed: dict[str, Setting] = {name: switch.example for name, switch in known.items() if switch.needed}
    _set(table, known, needed, where)
    for name, switch in known.items():
        for setting in switch.words or (switch.example or True,):
            _set(table, known, needed | {name: setting}, where)


def _set(table: Mapping[str, Any], known: Mapping[str, Switch], asked: dict[str, Setting], where: str) -> Profile:
    changed: dict[str, Any] = {}
    chosen = {name: setting for name, setting in asked.items() if setting is not False}
    for name, setting in asked.items():
        changes = _changes(name, setting, known, where)
        if set(changes) & set(changed):
            raise ProfileError(f"{where}: switch {name} and another change {', '.join(set(changes) & set(changed))}")
        changed |= changes
    for name, switch in known.items():
        if switch.needed and name not in chosen:
            hint = f"Set it, as in {name} = {switch.example!r}."
            raise ProfileError(f"{where}: switch {name} is not set: {switch.why}", hint=hint)
    profile = replace(parse_table({**table, **changed}, Profile, where), switches=tuple(sorted(chosen.items())))
    check_profile(profile, where if not chosen else f"{where} with {', '.join(sorted(chosen))}")
    return profile


def _changes(name: str, setting: Setting, known: Mapping[str, Switch], where: str) -> dict[str, Any]:
    switch = known.get(name)
    if switch is None:
        raise ProfileError(f"{where}: there is no switch '{name}'{nearest(name, tuple(known))}")
    if not switch.sets:
        if not isinstance(setting, bool):
            raise ProfileError(f"{where}: switch {name} is true or false, not {setting!r}")
        return switch.on if setting else {}
    if not isinstance(setting, str) or (switch.words and setting not in switch.words):
        raise ProfileError(f"{where}: switch {name}: unknown: {setting}{nearest(str(setting), switch.words)}")
    if switch.pattern and not re.fullmatch(switch.pattern, setting):
        raise ProfileError(f"{where}: switch {name}: {setting!r} does not match {switch.pattern}")
    return {switch.sets: setting, **switch.on}


def _sample(profile: Profile) -> tuple[Claim, Signer]:
    spki = spki_bytes(throwaway(profile.algorithm).public_key())
    start = datetime(2026, 1, 1, tzinfo=UTC)
    end = NEVER if profile.never_expires else start + timedelta(days=profile.days or 365)
    claim = Claim(profile.sample, "Example Organization", spki, 2**158 + 1, start, end, ("csms.example.com",))
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Example CA")])
    signer = Signer(issuer, spki, None, ("http://pki.example.com/crl",), ("http://pki.example.com/ocsp",))
    return claim, signer
