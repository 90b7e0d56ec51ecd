"""The last look before the HSM signs: two encoders must agree on every byte, and pkilint must find nothing.

Linted is a draft signed by a throwaway key; what the HSM signs afterwards is the draft's TBS, byte for byte.
"""

import functools
import threading
from typing import Any

from asn1crypto import core, keys
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pkilint import loader
from pkilint.pkix import certificate, extension, name
from pkilint.validation import ValidationFindingSeverity

from pki.cms import key_identifier
from pki.errors import ProfileError
from pki.profile import Claim, Profile, Signer

_LINTING = threading.Lock()  # pkilint does not promise to be safe for threads
GRAVE = ValidationFindingSeverity.WARNING


def lint(draft: x509.Certificate, profile: Profile, claim: Claim, signer: Signer) -> None:
    """Refuse a draft that is not exactly what its profile says, or that pkilint finds fault with.

    Raises:
        ProfileError: The message names the first difference or every finding.
    """
    if draft.tbs_certificate_bytes != expected_tbs(profile, claim, signer):
        raise ProfileError(f"the certificate for '{claim.common_name}' differs from profile {profile.name}")
    findings = _findings(draft)
    if findings:
        raise ProfileError(f"the certificate for '{claim.common_name}' has faults: {', '.join(findings)}")


def expected_tbs(profile: Profile, claim: Claim, signer: Signer) -> bytes:
    """Return the TBS as a second encoder writes it, independent of the one that made the draft."""
    algorithm = {"algorithm": "sha256_ecdsa"}
    values = {"O": ("organization_name", claim.organization), "CN": ("common_name", claim.common_name)}
    subject = [
        asn1.RelativeDistinguishedName([{"type": values[part][0], "value": _text(values[part][1])}])
        for part in profile.subject
    ]
    tbs = asn1.TbsCertificate(
        {
            "version": "v3",
            "serial_number": claim.serial,
            "signature": algorithm,
            "issuer": asn1.Name.load(signer.subject.public_bytes()),
            "validity": {"not_before": _time(claim.not_before), "not_after": _time(claim.not_after)},
            "subject": asn1.Name(name="", value=asn1.RDNSequence(subject)),
            "subject_public_key_info": keys.PublicKeyInfo.load(claim.spki),
            "extensions": _extensions(profile, claim, signer),
        }
    )
    encoded: bytes = tbs.dump()
    return encoded


def _text(value: str) -> asn1.DirectoryString:
    return asn1.DirectoryString("utf8_string", core.UTF8String(value))


def _time(moment: Any) -> asn1.Time:
    # RFC 5280 section 4.1.2.5: UTCTime until 2049, GeneralizedTime from 2050 on.
    if moment.year < 2050:
        return asn1.Time("utc_time", core.UTCTime(moment))
    return asn1.Time("general_time", core.GeneralizedTime(moment))


def _extensions(profile: Profile, claim: Claim, signer: Signer) -> list[dict[str, Any]]:
    constraints = {"ca": True, "path_len_constraint": profile.path_length} if profile.ca else {"ca": False}
    usages = {"content_commitment": "non_repudiation"}  # RFC 5280 renamed the bit
    usage = asn1.KeyUsage({usages.get(name, name) for name in profile.key_usage})
    found: list[tuple[str, bool, Any]] = [
        ("basic_constraints", True, asn1.BasicConstraints(constraints)),
        ("key_usage", True, usage),
        ("key_identifier", False, core.OctetString(key_identifier(claim.spki))),
        ("authority_key_identifier", False, {"key_identifier": key_identifier(signer.spki)}),
    ]
    if profile.extended_key_usage:
        found.append(("extended_key_usage", False, list(profile.extended_key_usage)))
    if profile.host_names:
        names = [asn1.GeneralName("dns_name", asn1.DNSName(host)) for host in claim.host_names]
        found.append(("subject_alt_name", False, asn1.GeneralNames(names)))
    return [{"extn_id": oid, "critical": critical, "extn_value": value} for oid, critical, value in found]


def _findings(draft: x509.Certificate) -> list[str]:
    with _LINTING:
        document = loader.load_der_certificate(draft.public_bytes(Encoding.DER), "draft")
        results = _linter().validate(document.root)
    return [
        f"{description.finding.code} ({description.message})" if description.message else description.finding.code
        for result in results
        for description in result.finding_descriptions
        if description.finding.severity <= GRAVE
    ]


@functools.cache
def _linter() -> Any:
    mappings = certificate.create_decoding_validators(name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS)
    return certificate.create_pkix_certificate_validator_container(
        mappings,
        [
            certificate.create_issuer_validator_container([]),
            certificate.create_validity_validator_container(),
            certificate.create_subject_validator_container([]),
            certificate.create_extensions_validator_container([]),
            certificate.create_spki_validator_container([]),
        ],
    )
