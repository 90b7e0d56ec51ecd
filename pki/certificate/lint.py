"""The last look before the HSM signs: two encoders agree on every byte, and pkilint finds nothing that is not meant.

`check_bytes` costs microseconds and stands before every signature. `lint` costs milliseconds: it looks at a sample
when a profile is loaded, and at every certificate unless many are made at once.
"""

import functools
import threading
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pkilint import loader
from pkilint.pkix import certificate, extension, name
from pkilint.validation import ValidationFindingSeverity

from pki.certificate.encoder import expected_tbs
from pki.certificate.model import Claim, Profile, Signer
from pki.errors import ProfileError

_LINTING = threading.Lock()  # pkilint does not promise to be safe for threads
GRAVE = ValidationFindingSeverity.WARNING


def check_bytes(draft: x509.Certificate, profile: Profile, claim: Claim, signer: Signer) -> bytes:
    """Return the TBS of a draft, unless it differs in one byte from what profile, claim and signer determine.

    Raises:
        ProfileError: It differs.
    """
    tbs = draft.tbs_certificate_bytes
    if tbs != expected_tbs(profile, claim, signer):
        raise ProfileError(f"the certificate for '{claim.common_name}' differs from profile {profile}")
    return tbs


def lint(draft: x509.Certificate, profile: Profile) -> None:
    """Refuse a certificate that pkilint finds a fault in which its profile does not allow with a reason.

    Raises:
        ProfileError: The message names every finding.
    """
    allowed = {entry.finding for entry in profile.allowed}
    grave = {code: text for code, text in findings(draft).items() if code not in allowed}
    if grave:
        told = ", ".join(f"{code} ({text})" if text else code for code, text in grave.items())
        raise ProfileError(f"a certificate by profile {profile} has faults: {told}")


def findings(made: x509.Certificate) -> dict[str, str]:
    """Return the warnings and errors of pkilint by their codes."""
    with _LINTING:
        document = loader.load_der_certificate(made.public_bytes(Encoding.DER), "draft")
        results = _linter().validate(document.root)
    return {
        description.finding.code: description.message or ""
        for result in results
        for description in result.finding_descriptions
        if description.finding.severity <= GRAVE
    }


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
