"""A CA whose key is in the HSM: draft, look, sign, look again.

What leaves here was checked against its profile twice and carries a signature that was verified.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pki.csr import p256_key
from pki.errors import KeystoreError, ProfileError
from pki.keystore import Keystore
from pki.lint import lint
from pki.profile import Claim, Profile, Signer, draft, subject_name

BACKDATED = timedelta(hours=1)
"""For devices whose clock runs behind."""
SERIAL_BYTES = 20


@dataclass(frozen=True)
class Authority:
    """One signing key with the name it signs under."""

    label: str
    """Label of the key in the token, and name of its certificate file."""
    signer: Signer
    keystore: Keystore

    def issue(self, profile: Profile, claim: Claim) -> x509.Certificate:
        """Return the signed certificate of a claim.

        Raises:
            ProfileError: The draft is not what the profile says.
            KeystoreError: The HSM does not sign, or signs with another key.
        """
        unsigned = draft(profile, claim, self.signer)
        lint(unsigned, profile, claim, self.signer)
        signature = self.keystore.sign(self.label, unsigned.tbs_certificate_bytes)
        return self._assemble(unsigned.tbs_certificate_bytes, signature)

    def _assemble(self, tbs: bytes, signature: bytes) -> x509.Certificate:
        encoded = asn1.Certificate(
            {
                "tbs_certificate": asn1.TbsCertificate.load(tbs),
                "signature_algorithm": {"algorithm": "sha256_ecdsa"},
                "signature_value": signature,
            }
        ).dump()
        certificate = x509.load_der_x509_certificate(encoded)
        try:
            p256_key(self.signer.spki).verify(signature, tbs, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature as error:
            raise KeystoreError(f"the HSM signed with another key than '{self.label}'") from error
        if certificate.tbs_certificate_bytes != tbs:
            raise ProfileError("the signed certificate differs from the checked draft")
        return certificate


def spki_of(certificate: x509.Certificate) -> bytes:
    """Return the SubjectPublicKeyInfo (DER) of a certificate."""
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def authority_of(label: str, certificate: x509.Certificate, keystore: Keystore) -> Authority:
    """Return the CA of a certificate, its key to be bound in the keystore under `label`."""
    return Authority(label, Signer(certificate.subject, spki_of(certificate)), keystore)


def self_signer(profile: Profile, claim: Claim) -> Signer:
    """Return the signer of a certificate that signs itself."""
    return Signer(subject_name(profile, claim), claim.spki)


def random_serial(entropy: bytes) -> int:
    """Return a certificate serial number of 158 random bits, always 40 hexadecimal digits and positive.

    Ref: RFC 5280 section 4.1.2.2 (at most 20 octets), CA/Browser Forum BR 7.1 (at least 64 random bits).
    """
    return int.from_bytes(bytes([entropy[0] & 0x3F | 0x40]) + entropy[1:SERIAL_BYTES], "big")


def validity(days: int, latest: datetime | None = None) -> tuple[datetime, datetime]:
    """Return a validity of `days` from now, slightly backdated and never outliving the issuer.

    Raises:
        ProfileError: The issuer's own certificate has ended.
    """
    now = datetime.now(UTC).replace(microsecond=0)
    end = now + timedelta(days=days)
    if latest is not None and latest <= now:
        raise ProfileError("the issuing CA's certificate has ended", hint="Hold a ceremony for a new CA.")
    return now - BACKDATED, min(end, latest) if latest else end
