"""The second encoder: the TBS of a certificate, written independently of the library that makes the draft.

What is the same for every certificate of a profile and signer is encoded once by asn1crypto; serial number, validity,
subject, key, its identifier and the alternative names are spliced in, a few microseconds for each certificate.
"""

import functools
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from asn1crypto import algos, core, keys
from asn1crypto import x509 as asn1

from pki.algorithm import Algorithm, algorithm_of
from pki.certificate.fit import alternative_hosts
from pki.certificate.model import Claim, Profile, Signer
from pki.der import bit_string, sequence, tlv
from pki.errors import ProfileError

SIGNATURES = {
    Algorithm.P256: "sha256_ecdsa",
    Algorithm.P384: "sha384_ecdsa",
    Algorithm.P521: "sha512_ecdsa",
    Algorithm.ED448: "ed448",
}
CURVES = {Algorithm.P256: ("secp256r1", 65), Algorithm.P384: ("secp384r1", 97), Algorithm.P521: ("secp521r1", 133)}
"""Name of the curve and length of an uncompressed point on it."""
ED448_BYTES = 57
CRITICAL = {"basic_constraints", "key_usage"}
UTF8, PRINTABLE, IA5 = 0x0C, 0x13, 0x16
ATTRIBUTES = {
    "C": ("country_name", PRINTABLE),
    "DC": ("domain_component", IA5),
    "O": ("organization_name", UTF8),
    "OU": ("organizational_unit_name", UTF8),
    "CN": ("common_name", UTF8),
    "serialNumber": ("serial_number", PRINTABLE),
}
USAGES = {"content_commitment": "non_repudiation"}
"""Bits that RFC 5280 renamed."""
VERSION_3 = tlv(0xA0, tlv(0x02, b"\x02"))
KEY_IDENTIFIER = asn1.ExtensionId("key_identifier").dump()
ALTERNATIVE_NAME = asn1.ExtensionId("subject_alt_name").dump()
HARDWARE_MODULE_NAME = core.ObjectIdentifier("1.3.6.1.5.5.7.8.4").dump()
MAX_CACHED = 256


def expected_tbs(profile: Profile, claim: Claim, signer: Signer) -> bytes:
    """Return the TBS that profile, claim and signer determine.

    Raises:
        ProfileError: The claim's key is not of the profile's algorithm in its one canonical form.
    """
    return _template(profile, signer).tbs(claim)


@functools.lru_cache(maxsize=MAX_CACHED)
def signature_algorithm(spki: bytes) -> bytes:
    """Return the AlgorithmIdentifier (DER) of signatures by the holder of a key."""
    encoded: bytes = algos.SignedDigestAlgorithm({"algorithm": SIGNATURES[algorithm_of(spki)]}).dump()
    return encoded


@dataclass(frozen=True)
class _Template:
    """The constant parts of one profile under one signer, as DER."""

    profile: Profile
    issuer: bytes
    """Signature algorithm and issuer."""
    subject: tuple[tuple[str, bytes, int], ...]
    """Attributes of the subject: word, OID, string type."""
    key: bytes
    """A SubjectPublicKeyInfo up to the key's own bytes."""
    key_bytes: int
    extensions: bytes
    """Those that no claim changes."""
    hardware_type: bytes

    def tbs(self, claim: Claim) -> bytes:
        """Return the TBS of a claim."""
        serial = claim.serial.to_bytes(claim.serial.bit_length() // 8 + 1, "big")
        extensions = self.extensions + self._key_identifier(claim) + self._alternative_names(claim)
        return sequence(
            VERSION_3,
            tlv(0x02, serial),
            self.issuer,
            sequence(_time(claim.not_before), _time(claim.not_after)),
            self._name(claim),
            claim.spki,
            tlv(0xA3, sequence(extensions)),
        )

    def _name(self, claim: Claim) -> bytes:
        values = {
            "C": self.profile.country,
            "DC": self.profile.domain_component,
            "O": claim.organization,
            "OU": self.profile.organizational_unit,
            "CN": claim.common_name,
            "serialNumber": claim.common_name,
        }
        parts = [tlv(0x31, sequence(oid, tlv(tag, values[word].encode()))) for word, oid, tag in self.subject]
        return sequence(*parts)

    def _key_identifier(self, claim: Claim) -> bytes:
        identifier = self._identify(claim)
        if not self.profile.subject_key_identifier:
            return b""
        return sequence(KEY_IDENTIFIER, tlv(0x04, tlv(0x04, identifier)))

    def _identify(self, claim: Claim) -> bytes:
        """Return the key identifier of RFC 5280 section 4.2.1.2, method 1."""
        key = claim.spki[len(self.key) :]
        if not claim.spki.startswith(self.key) or len(key) != self.key_bytes:
            raise ProfileError(f"the key of '{claim.common_name}' is not encoded as {self.profile.key} is")
        return hashlib.sha1(key, usedforsecurity=False).digest()

    def _alternative_names(self, claim: Claim) -> bytes:
        names = b"".join(tlv(0x82, name.encode()) for name in alternative_hosts(self.profile, claim))
        if self.hardware_type:
            module = sequence(self.hardware_type, tlv(0x04, claim.common_name.encode()))
            names = tlv(0xA0, HARDWARE_MODULE_NAME + tlv(0xA0, module))
        return sequence(ALTERNATIVE_NAME, tlv(0x04, sequence(names))) if names else b""


@functools.lru_cache(maxsize=MAX_CACHED)
def _template(profile: Profile, signer: Signer) -> _Template:
    key = _empty_key(profile.algorithm)
    key_bytes = ED448_BYTES if profile.algorithm is Algorithm.ED448 else CURVES[profile.algorithm][1]
    return _Template(
        profile=profile,
        issuer=signature_algorithm(signer.spki) + asn1.Name.load(signer.subject.public_bytes()).dump(),
        subject=tuple(
            (word, asn1.NameType(ATTRIBUTES[word][0]).dump(), ATTRIBUTES[word][1]) for word in profile.subject
        ),
        key=key[:-key_bytes],
        key_bytes=key_bytes,
        extensions=b"".join(_extension(*part) for part in _extensions(profile, signer)),
        hardware_type=core.ObjectIdentifier(profile.hardware_type).dump() if profile.hardware_type else b"",
    )


def _empty_key(algorithm: Algorithm) -> bytes:
    """Return a SubjectPublicKeyInfo whose key is zeros: all but its end is the same for every key."""
    if algorithm is Algorithm.ED448:
        identifier = keys.PublicKeyAlgorithm({"algorithm": "ed448"}).dump()
        return sequence(identifier, bit_string(bytes(ED448_BYTES)))
    curve, size = CURVES[algorithm]
    identifier = keys.PublicKeyAlgorithm(
        {"algorithm": "ec", "parameters": keys.ECDomainParameters("named", curve)}
    ).dump()
    return sequence(identifier, bit_string(bytes(size)))


def _extensions(profile: Profile, signer: Signer) -> list[tuple[str, core.Asn1Value]]:
    usage = asn1.KeyUsage({USAGES.get(name, name) for name in profile.key_usage})
    authority = asn1.AuthorityKeyIdentifier({"key_identifier": _issuer_identifier(signer)})
    found: list[tuple[str, core.Asn1Value]] = []
    if profile.basic_constraints:
        constraints = {"ca": True, "path_len_constraint": profile.path_length} if profile.ca else {"ca": False}
        found.append(("basic_constraints", asn1.BasicConstraints(constraints)))
    found += [("key_usage", usage), ("authority_key_identifier", authority)]
    if profile.extended_key_usage:
        found.append(("extended_key_usage", asn1.ExtKeyUsageSyntax(list(profile.extended_key_usage))))
    return found + _published(profile, signer)


def _published(profile: Profile, signer: Signer) -> list[tuple[str, core.Asn1Value]]:
    found: list[tuple[str, core.Asn1Value]] = []
    if profile.crl != "never" and signer.crl_urls:
        point = {"distribution_point": asn1.DistributionPointName("full_name", _places(signer.crl_urls))}
        found.append(("crl_distribution_points", asn1.CRLDistributionPoints([point])))
    if profile.ocsp != "never" and signer.ocsp_urls:
        places = _places(signer.ocsp_urls)
        responders = [{"access_method": "ocsp", "access_location": place} for place in places]
        found.append(("authority_information_access", asn1.AuthorityInfoAccessSyntax(responders)))
    if profile.ocsp_no_check:
        found.append(("ocsp_no_check", core.Null()))
    return found


def _places(urls: tuple[str, ...]) -> asn1.GeneralNames:
    # Loaded from bytes, because asn1crypto would rewrite the text of a URL.
    return asn1.GeneralNames.load(sequence(*[tlv(0x86, url.encode("ascii")) for url in urls]))


def _extension(name: str, value: core.Asn1Value) -> bytes:
    # Put together here: asn1crypto would write FALSE where it is the default.
    critical = b"\x01\x01\xff" if name in CRITICAL else b""
    return sequence(asn1.ExtensionId(name).dump(), critical, tlv(0x04, value.dump()))


def _issuer_identifier(signer: Signer) -> bytes:
    public = keys.PublicKeyInfo.load(signer.spki)["public_key"].contents[1:]
    return hashlib.sha1(public, usedforsecurity=False).digest()


@functools.lru_cache(maxsize=MAX_CACHED)
def _time(moment: datetime) -> bytes:
    """Return UTCTime until 2049, GeneralizedTime from 2050 on (RFC 5280 section 4.1.2.5)."""
    text = moment.astimezone(UTC).strftime("%Y%m%d%H%M%SZ")
    return tlv(0x17, text[2:].encode()) if moment.astimezone(UTC).year < 2050 else tlv(0x18, text.encode())
