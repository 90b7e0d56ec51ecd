"""Whose CAs these are: what their certificates say of themselves, which no setting can change (F-K5, F-K7)."""

from collections.abc import Mapping
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from pki.environment import Environment
from pki.errors import ProfileError
from pki.plan import Layout, Plan

DEVELOPMENT = "Development"
"""OU of all that a development factory's ceremony makes, as the profiles' switch `development` sets it."""


def is_development(certificates: Mapping[str, x509.Certificate], plan: Plan) -> bool:
    """Tell whether all CAs and signers are of a development factory; where only some are, it is no factory at all.

    Raises:
        ProfileError: They don't agree with each other, or with the ceremony file.
    """
    for name, certificate in certificates.items():
        if _says_so(certificate) is not plan.development:
            told = f"the ceremony file's purpose is {plan.purpose}, and certificate {name} says otherwise"
            raise ProfileError(told, hint="Restore the ceremony's files: development and production never mix.")
    return plan.development


def root_sha256(directory: Path, environment: type[Environment]) -> str:
    """Return the fingerprint of an environment's root as its certificate says it; no HSM is needed.

    Raises:
        ProfileError: The certificate can't be read.
    """
    return fingerprint(Layout(directory).load(f"{environment.name}-root"))


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of a certificate, hexadecimal."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def _says_so(certificate: x509.Certificate) -> bool:
    units = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    return any(unit.value == DEVELOPMENT for unit in units)
