"""Certificate profiles: what a certificate contains is data, reviewed, and never taken from a request.

A profile file holds what is common, and switches: named variations that a plan or recipe sets (`load_profile("station",
{"client_auth": True})`). The profile that comes out, a `Claim` and a `Signer` determine the bytes that are signed.
"""

import functools
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from importlib.resources import files

from cryptography import x509

from pki.algorithm import spki_bytes
from pki.certificate.draft import draft, subject_name
from pki.certificate.fit import check_fit
from pki.certificate.lint import check_bytes, lint
from pki.certificate.model import NEVER, Claim, Profile, Signer
from pki.certificate.rules import check_profile, nearest
from pki.certificate.switches import Setting, read_variations
from pki.certificate.throwaway import throwaway
from pki.errors import ProfileError
from pki.table import load_toml

__all__ = [
    "Claim",
    "Profile",
    "Signer",
    "check_fit",
    "check_profile",
    "draft",
    "load_profile",
    "profile_named",
    "profile_names",
    "read_profile",
    "subject_name",
]


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
    return _load(name, tuple(sorted((key, _setting(name, key, value)) for key, value in (switches or {}).items())))


@functools.lru_cache(maxsize=256)
def profile_named(text: str) -> Profile:
    """Return a profile as `str` names it: `station`, or `secc-2 with country=DE, key_agreement`.

    Raises:
        ProfileError: There is no such profile or switch.
    """
    name, _, words = text.partition(" with ")
    settings = [word.partition("=") for word in words.split(", ")] if words else []
    return load_profile(name, {switch: value if equals else True for switch, equals, value in settings})


def _setting(name: str, switch: str, value: object) -> Setting:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)  # also of an enumeration of words
    raise ProfileError(f"{name}.toml: switch {switch} is neither true or false nor a text: {value!r}")


@functools.lru_cache(maxsize=256)
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
    variations = read_variations(load_toml(raw, where), where)
    variations.check()
    profile = variations.profile(switches or {})
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


def _sample(profile: Profile) -> tuple[Claim, Signer]:
    spki = spki_bytes(throwaway(profile.algorithm).public_key())
    start = datetime(2026, 1, 1, tzinfo=UTC)
    end = NEVER if profile.never_expires else start + timedelta(days=profile.days or 365)
    claim = Claim(profile.sample, "Example Organization", spki, 2**158 + 1, start, end, ("csms.example.com",))
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Example CA")])
    signer = Signer(issuer, spki, None, ("http://pki.example.com/crl",), ("http://pki.example.com/ocsp",))
    return claim, signer
