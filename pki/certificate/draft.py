"""The first encoder: the certificate of a profile, claim and signer, with a throwaway signature.

Its TBS is what the HSM will sign, if it stands every check. What is the same for every certificate of a profile and
signer is built once.
"""

import functools
from datetime import UTC, datetime
from typing import NamedTuple, cast

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from pki.algorithm import algorithm_of, load_public_key
from pki.certificate.fit import alternative_hosts, fitting_key
from pki.certificate.model import Claim, Profile, Signer
from pki.certificate.rules import KEY_USAGES
from pki.certificate.throwaway import PrivateKey, throwaway

ATTRIBUTES = {
    "C": NameOID.COUNTRY_NAME,
    "DC": NameOID.DOMAIN_COMPONENT,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "CN": NameOID.COMMON_NAME,
    "serialNumber": NameOID.SERIAL_NUMBER,
}
PURPOSES = {
    "server_auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "client_auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code_signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "ocsp_signing": ExtendedKeyUsageOID.OCSP_SIGNING,
}
HARDWARE_MODULE_NAME = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.4")
MAX_CACHED = 256
Digest = hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None
Extension = x509.Extension[x509.ExtensionType]
Part = tuple[x509.ExtensionType, bool]
"""What an extension says, and whether it is critical."""


@asn1.sequence
class _HardwareModuleName:
    """RFC 4108 section 5."""

    hw_type: x509.ObjectIdentifier
    hw_serial: bytes


def draft(profile: Profile, claim: Claim, signer: Signer) -> x509.Certificate:
    """Return the certificate with a throwaway signature of the signer's algorithm.

    Raises:
        RequestRefused: The claim's name, key or organisation does not fit the profile.
        ProfileError: The claim's period, or what the signer publishes, does not fit it.
    """
    key = fitting_key(profile, claim, signer)
    common = _common(profile, signer)
    extensions = [*common.extensions]
    if profile.subject_key_identifier:
        extensions.append(_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False))
    names = _alternative_names(profile, claim)
    if names:
        extensions.append(_extension(x509.SubjectAlternativeName(names), critical=False))
    # At once: the builder's own steps would copy and look through all extensions for each of them.
    builder = x509.CertificateBuilder(
        issuer_name=signer.subject,
        subject_name=subject_name(profile, claim),
        public_key=key,
        serial_number=claim.serial,
        not_valid_before=_naive(claim.not_before),
        not_valid_after=_naive(claim.not_after),
        extensions=extensions,
    )
    return builder.sign(common.key, common.digest)


def subject_name(profile: Profile, claim: Claim) -> x509.Name:
    """Return the subject of the claim in the profile's order."""
    values = {
        "C": profile.country,
        "DC": profile.domain_component,
        "O": claim.organization,
        "OU": profile.organizational_unit,
        "CN": claim.common_name,
        "serialNumber": claim.common_name,
    }
    return x509.Name([_attribute(part, values[part]) for part in profile.subject])


@functools.lru_cache(maxsize=MAX_CACHED)
def _attribute(part: str, value: str) -> x509.NameAttribute[str]:
    return x509.NameAttribute(ATTRIBUTES[part], value)


def _naive(moment: datetime) -> datetime:
    """Return a time in UTC that does not say so, as the builder keeps it."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def _extension(value: x509.ExtensionType, *, critical: bool) -> Extension:
    return x509.Extension(value.oid, critical, value)


class _Common(NamedTuple):
    """What all certificates of a profile under a signer share."""

    extensions: tuple[Extension, ...]
    key: PrivateKey
    digest: Digest


@functools.lru_cache(maxsize=MAX_CACHED)
def _common(profile: Profile, signer: Signer) -> _Common:
    extensions = tuple(_extension(value, critical=critical) for value, critical in _extensions(profile, signer))
    algorithm = algorithm_of(signer.spki)
    return _Common(extensions, throwaway(algorithm), cast("Digest", algorithm.digest))


def _extensions(profile: Profile, signer: Signer) -> list[Part]:
    extensions: list[Part] = []
    if profile.basic_constraints:
        extensions.append((x509.BasicConstraints(profile.ca, profile.path_length if profile.ca else None), True))
    bits = {name: name in profile.key_usage for name in KEY_USAGES}
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(load_public_key(signer.spki))
    extensions += [(x509.KeyUsage(**bits), True), (authority, False)]
    if profile.extended_key_usage:
        extensions.append((x509.ExtendedKeyUsage([PURPOSES[name] for name in profile.extended_key_usage]), False))
    return extensions + _published(profile, signer)


def _published(profile: Profile, signer: Signer) -> list[Part]:
    extensions: list[Part] = []
    if profile.crl != "never" and signer.crl_urls:
        places = [x509.UniformResourceIdentifier(url) for url in signer.crl_urls]
        extensions.append((x509.CRLDistributionPoints([x509.DistributionPoint(places, None, None, None)]), False))
    if profile.ocsp != "never" and signer.ocsp_urls:
        places = [x509.UniformResourceIdentifier(url) for url in signer.ocsp_urls]
        responders = [x509.AccessDescription(AuthorityInformationAccessOID.OCSP, place) for place in places]
        extensions.append((x509.AuthorityInformationAccess(responders), False))
    if profile.ocsp_no_check:
        extensions.append((x509.OCSPNoCheck(), False))
    return extensions


def _alternative_names(profile: Profile, claim: Claim) -> list[x509.GeneralName]:
    if profile.alt_name == "hardware_module":
        module = _HardwareModuleName(
            hw_type=x509.ObjectIdentifier(profile.hardware_type), hw_serial=claim.common_name.encode()
        )
        return [x509.OtherName(HARDWARE_MODULE_NAME, asn1.encode_der(module))]
    return [x509.DNSName(name) for name in alternative_hosts(profile, claim)]
