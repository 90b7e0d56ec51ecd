"""Certificate profiles: what a certificate contains is data, reviewed, and never taken from a request.

A profile and a `Claim` (who, which key, which serial number, from when to when) determine the bytes that are signed.
"""

import functools
import re
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pki.csr import p256_key
from pki.errors import ProfileError, RequestRefused
from pki.table import parse_toml

ATTRIBUTES = {"O": NameOID.ORGANIZATION_NAME, "CN": NameOID.COMMON_NAME}
KEY_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)
PURPOSES = {"server_auth": ExtendedKeyUsageOID.SERVER_AUTH, "client_auth": ExtendedKeyUsageOID.CLIENT_AUTH}


@dataclass(frozen=True)
class Profile:
    """One kind of certificate. Every one has P-256, ecdsa-with-SHA256, SKI, AKI and critical key usage."""

    name: str
    revision: int
    subject: tuple[str, ...]
    """Attributes of the subject in their order."""
    common_name: str
    """Regular expression that the whole common name matches."""
    key_usage: tuple[str, ...]
    days: int = 0
    """Validity; 0 where the ceremony file says it."""
    unit: bool = False
    """Whether units may have it."""
    ca: bool = False
    path_length: int = 0
    """For a CA: how many CAs may stand below it."""
    extended_key_usage: tuple[str, ...] = ()
    host_names: bool = False
    """Whether the DNS names of the claim are put into subjectAltName."""


@dataclass(frozen=True)
class Claim:
    """What is decided before anything is signed; committed to the ledger first, so that it can be signed again."""

    common_name: str
    organization: str
    spki: bytes
    serial: int
    not_before: datetime
    not_after: datetime
    host_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Signer:
    """Whose name and key identifier the certificate carries as its issuer."""

    subject: x509.Name
    spki: bytes


@functools.cache
def load_profile(name: str) -> Profile:
    """Return a profile of this package by its name.

    Raises:
        ProfileError: There is none, or it contradicts itself.
    """
    folder = files("pki") / "profiles"
    known = sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))
    if name not in known:
        raise ProfileError(f"there is no certificate profile '{name}'; known: {', '.join(known)}")
    profile = parse_toml((folder / f"{name}.toml").read_bytes(), Profile, f"profile {name}")
    check_profile(profile)
    return profile


def check_profile(profile: Profile) -> None:
    """Refuse a profile that contradicts itself.

    Raises:
        ProfileError: The message names what is wrong.
    """
    words = (set(profile.subject) - set(ATTRIBUTES), set(profile.key_usage) - set(KEY_USAGES))
    unknown = sorted(set().union(*words, set(profile.extended_key_usage) - set(PURPOSES)))
    if unknown:
        raise ProfileError(f"profile {profile.name}: unknown: {', '.join(unknown)}")
    if profile.ca != ("key_cert_sign" in profile.key_usage):
        raise ProfileError(f"profile {profile.name}: key_cert_sign belongs to a CA and to every CA")
    if not profile.key_usage or "CN" not in profile.subject:
        raise ProfileError(f"profile {profile.name}: key_usage and subject CN are needed")


def check_fit(profile: Profile, common_name: str) -> None:
    """Refuse a name that the profile does not allow.

    Raises:
        RequestRefused: The name does not match the profile's expression.
    """
    if not re.fullmatch(profile.common_name, common_name):
        raise RequestRefused(f"{common_name!r} is no name for profile {profile.name}", hint="Check the serial number.")


def draft(profile: Profile, claim: Claim, signer: Signer) -> x509.Certificate:
    """Return the certificate signed by a throwaway key: its TBS is what the HSM will sign, if it stands every check.

    Raises:
        RequestRefused: The claim's name does not fit the profile.
    """
    check_fit(profile, claim.common_name)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject_name(profile, claim))
        .issuer_name(signer.subject)
        .public_key(p256_key(claim.spki))
        .serial_number(claim.serial)
        .not_valid_before(claim.not_before)
        .not_valid_after(claim.not_after)
    )
    for extension, critical in _extensions(profile, claim, signer):
        builder = builder.add_extension(extension, critical)
    return builder.sign(_throwaway(), hashes.SHA256())


def subject_name(profile: Profile, claim: Claim) -> x509.Name:
    """Return the subject of the claim in the profile's order."""
    values = {"O": claim.organization, "CN": claim.common_name}
    return x509.Name([x509.NameAttribute(ATTRIBUTES[part], values[part]) for part in profile.subject])


def _extensions(profile: Profile, claim: Claim, signer: Signer) -> list[tuple[x509.ExtensionType, bool]]:
    bits = {name: name in profile.key_usage for name in KEY_USAGES}
    path_length = profile.path_length if profile.ca else None
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(profile.ca, path_length), True),
        (x509.KeyUsage(**bits), True),
        (x509.SubjectKeyIdentifier.from_public_key(p256_key(claim.spki)), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(p256_key(signer.spki)), False),
    ]
    if profile.extended_key_usage:
        extensions.append((x509.ExtendedKeyUsage([PURPOSES[name] for name in profile.extended_key_usage]), False))
    if profile.host_names:
        extensions.append((x509.SubjectAlternativeName([x509.DNSName(name) for name in claim.host_names]), False))
    return extensions


@functools.cache
def _throwaway() -> ec.EllipticCurvePrivateKey:
    """Return this process' key for drafts; it is trusted by nobody and never stored."""
    return ec.generate_private_key(ec.SECP256R1())
