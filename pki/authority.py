"""A CA whose key is in the HSM: draft, look, sign, look again.

What leaves here was checked against its profile twice and carries a signature that was verified.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pki.algorithm import verify
from pki.certificate.encoder import signature_algorithm
from pki.certificate.fit import BACKDATED, check_life
from pki.certificate.lint import check_bytes, lint
from pki.certificate.model import NEVER, Claim, Profile, Signer
from pki.certificate.profile import draft, subject_name
from pki.der import bit_string, sequence
from pki.errors import KeystoreError, ProfileError

__all__ = [
    "BACKDATED",
    "SERIAL_BYTES",
    "Authority",
    "Keys",
    "authority_of",
    "random_serial",
    "self_signer",
    "spki_of",
    "term",
]
SERIAL_BYTES = 20


class Keys(Protocol):
    """Who signs: the keystore."""

    def sign(self, label: str, data: bytes) -> bytes:
        """Return the signature over `data` by a bound key: DER ECDSA with the curve's hash, or raw Ed448."""

    def random(self, size: int) -> bytes:
        """Return `size` bytes of the generator beside the keys."""


@dataclass(frozen=True)
class Checked:
    """A TBSCertificate that may be signed: only `Authority.prepare` makes one."""

    tbs: bytes
    """DER."""


@dataclass(frozen=True)
class Authority:
    """One signing key with the name it signs under."""

    label: str
    """Label of the key in the token, and name of its certificate file."""
    signer: Signer
    keystore: Keys

    def issue(self, profile: Profile, claim: Claim, *, bulk: bool = False) -> x509.Certificate:
        """Return the signed certificate of a claim: what `prepare` checks, as `complete` signs it."""
        return x509.load_der_x509_certificate(self.complete(self.prepare(profile, claim, bulk=bulk)))

    def prepare(self, profile: Profile, claim: Claim, *, bulk: bool = False) -> Checked:
        """Return the TBSCertificate of a claim, checked; in bulk, pkilint saw a sample of the profile only.

        Raises:
            RequestRefused: The claim's name or key does not fit the profile.
            ProfileError: The draft is not what the profile says, or this CA's own certificate has ended.
        """
        now = datetime.now(UTC)
        _refuse_ended(self.signer.not_after, now)
        check_life(profile, claim.not_after, now)
        unsigned = draft(profile, claim, self.signer)
        tbs = check_bytes(unsigned, profile, claim, self.signer)
        if not bulk:
            lint(unsigned, profile)
        return Checked(tbs)

    def complete(self, checked: Checked) -> bytes:
        """Return the certificate (DER) of a prepared TBSCertificate, its signature verified.

        Raises:
            KeystoreError: The HSM does not sign, or signs with another key.
            ProfileError: What came out says something else than was checked.
        """
        signature = bit_string(self.sign(checked.tbs))
        encoded = sequence(checked.tbs, signature_algorithm(self.signer.spki), signature)
        if x509.load_der_x509_certificate(encoded).tbs_certificate_bytes != checked.tbs:
            raise ProfileError("the signed certificate differs from the checked draft")
        return encoded

    def sign(self, data: bytes) -> bytes:
        """Return the signature over `data`, verified with this CA's public key.

        Raises:
            KeystoreError: The HSM does not sign, or signs with another key.
        """
        signature = self.keystore.sign(self.label, data)
        if not verify(self.signer.spki, data, signature):
            raise KeystoreError(f"the HSM signed with another key than '{self.label}'")
        return signature


def spki_of(certificate: x509.Certificate) -> bytes:
    """Return the SubjectPublicKeyInfo (DER) of a certificate."""
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def authority_of(
    label: str,
    certificate: x509.Certificate,
    keystore: Keys,
    crl_urls: tuple[str, ...] = (),
    ocsp_urls: tuple[str, ...] = (),
) -> Authority:
    """Return the CA of a certificate, its key to be bound in the keystore under `label`, and where it publishes."""
    end, limit = certificate.not_valid_after_utc, _path_length(certificate)
    signer = Signer(certificate.subject, spki_of(certificate), end, crl_urls, ocsp_urls, limit)
    return Authority(label, signer, keystore)


def _path_length(certificate: x509.Certificate) -> int | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
    except x509.ExtensionNotFound:
        return None


def self_signer(profile: Profile, claim: Claim) -> Signer:
    """Return the signer of a certificate that signs itself."""
    return Signer(subject_name(profile, claim), claim.spki)


def random_serial(entropy: bytes) -> int:
    """Return a certificate serial number of 158 random bits, always 40 hexadecimal digits and positive.

    Ref: RFC 5280 section 4.1.2.2 (at most 20 octets), CA/Browser Forum BR 7.1 (at least 64 random bits).
    """
    return int.from_bytes(bytes([entropy[0] & 0x3F | 0x40]) + entropy[1:SERIAL_BYTES], "big")


def term(profile: Profile, latest: datetime | None = None, days: int = 0) -> tuple[datetime, datetime]:
    """Return the validity of a new certificate: the profile's days, or `days` where it leaves them open.

    It starts slightly backdated and ends with the issuer (`latest`) at last, unless the profile is the exception.

    Raises:
        ProfileError: The issuer's own certificate has ended, or leaves less than the profile's shelf life.
    """
    now = datetime.now(UTC).replace(microsecond=0)
    _refuse_ended(latest, now)
    end = NEVER if profile.never_expires else now + timedelta(days=days or profile.days)
    if latest is not None and not profile.outlives_issuer:
        end = min(end, latest)
    check_life(profile, end, now)
    return now - BACKDATED, end


def _refuse_ended(latest: datetime | None, now: datetime) -> None:
    if latest is not None and latest <= now:
        raise ProfileError("the issuing CA's certificate has ended", hint="Hold a ceremony for a new CA.")
