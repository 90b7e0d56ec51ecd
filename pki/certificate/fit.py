"""What a claim must be before anything is made for it: a fitting name, key, period and signer.

Ref: RFC 5280 sections 4.1.2.2 (serial number), 4.1.2.5 (validity).
"""

import re
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import ec

from pki.algorithm import PublicKey, load_public_key
from pki.certificate.model import NEVER, Claim, Profile, Signer
from pki.errors import ProfileError, RequestRefused

BACKDATED = timedelta(hours=1)
"""For devices whose clock runs behind."""
SERIAL_BITS = range(64, 160)
MAX_TEXT = 64
HOST_NAME = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])")
URL = re.compile(r"https?://[!-;=?-~]{1,200}")


def check_fit(profile: Profile, common_name: str) -> None:
    """Refuse a name that the profile does not allow.

    Raises:
        RequestRefused: The name does not match the profile's expression, or holds what can't be printed.
    """
    if not re.fullmatch(profile.common_name, common_name) or not common_name.isprintable():
        raise RequestRefused(f"{common_name!r} is no name for profile {profile}", hint="Check the serial number.")


def fitting_key(profile: Profile, claim: Claim, signer: Signer) -> PublicKey:
    """Return the key of a claim that the profile and this signer can carry.

    Raises:
        RequestRefused: The name, key or organisation does not fit.
        ProfileError: The serial number, the period, or what the signer publishes does not fit.
    """
    check_fit(profile, claim.common_name)
    key = load_public_key(claim.spki)
    if not _is_on(key, profile.algorithm.curve):
        raise RequestRefused(f"the key of '{claim.common_name}' is not {profile.key}, as profile {profile} asks")
    if not 0 < len(claim.organization) <= MAX_TEXT or not claim.organization.isprintable():
        raise RequestRefused(f"the organisation of '{claim.common_name}' is not 1 to {MAX_TEXT} printable characters")
    problem = _wrong_names(profile, claim) or _wrong_period(profile, claim, signer) or _wrong_signer(profile, signer)
    if claim.serial < 0 or claim.serial.bit_length() not in SERIAL_BITS:
        problem = f"the serial number has {claim.serial.bit_length()} bits, not {SERIAL_BITS[0]} to {SERIAL_BITS[-1]}"
    if problem:
        raise ProfileError(f"no certificate for '{claim.common_name}' by profile {profile}: {problem}")
    return key


def alternative_hosts(profile: Profile, claim: Claim) -> tuple[str, ...]:
    """Return the DNS names that the subjectAltName holds."""
    if profile.alt_name == "host_names":
        return claim.host_names
    if profile.alt_name == "common_name":
        return (claim.common_name,)
    if profile.alt_name == "unit_domain":
        return (f"{claim.common_name.lower()}.{profile.unit_domain}",)
    return ()


def check_life(profile: Profile, not_after: datetime, now: datetime) -> None:
    """Refuse to issue what would have ended before it is used (requirement F-D10).

    Raises:
        ProfileError: Less than the profile's shelf life is left.
    """
    left = (not_after - now).days
    if left < profile.minimum_days:
        raise ProfileError(
            f"a certificate by profile {profile} must live {profile.minimum_days} days when it is issued,"
            f" and this one would end on {not_after:%Y-%m-%d}, in {left} days",
            hint="Hold a ceremony for a new issuing CA, or claim a new certificate.",
        )


def _is_on(key: PublicKey, curve: ec.EllipticCurve | None) -> bool:
    """Tell whether a key is on a curve, or is Ed448 where there is none."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return curve is not None and key.curve.name == curve.name
    return curve is None


def _wrong_names(profile: Profile, claim: Claim) -> str:
    names = alternative_hosts(profile, claim)
    if profile.alt_name == "host_names" and not names:
        return "it needs host names"
    bad = next((name for name in names if not HOST_NAME.fullmatch(name)), "")
    return f"'{bad}' is no host name" if bad else ""


def _wrong_period(profile: Profile, claim: Claim, signer: Signer) -> str:
    if any(moment.tzinfo is None or moment.microsecond for moment in (claim.not_before, claim.not_after)):
        return "its times are not whole seconds with a time zone"
    if claim.not_after <= claim.not_before:
        return "it would end before it starts"
    if profile.days and claim.not_after - claim.not_before > timedelta(days=profile.days) + BACKDATED:
        return f"it would live longer than {profile.days} days"
    if signer.not_after and claim.not_after > signer.not_after and not profile.outlives_issuer:
        return f"it would outlive its issuer, which ends on {signer.not_after:%Y-%m-%d}"
    if profile.never_expires and claim.not_after not in {NEVER, signer.not_after}:
        return "it would end, and the profile says that it never does"
    return ""


def _wrong_signer(profile: Profile, signer: Signer) -> str:
    if profile.ca and signer.path_length is not None and profile.path_length >= signer.path_length:
        return "its issuer's certificate allows no such CA below it"
    for key, urls in (("crl", signer.crl_urls), ("ocsp", signer.ocsp_urls)):
        if getattr(profile, key) == "must" and not urls:
            return f"it must say where its {key.upper()} is, and the plan names no [urls] {key}"
        if not all(URL.fullmatch(url) for url in urls):
            return f"[urls] {key} is no http address"
    return ""
