"""Enrolment over secure transport: what a unit or an operator's tool sends and gets, without the HTTP around it.

A first certificate needs a one-time code, or a registrar of the factory; a renewal needs the certificate that it takes
the place of, and a new key. What a certificate says comes from its profile, never from the request.

Ref: RFC 7030, RFC 8951 (its clarifications), RFC 9908 (csrattrs).
"""

import base64
import binascii
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Generic

from asn1crypto import core, csr
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from pki.algorithm import Algorithm, load_public_key, spki_bytes
from pki.certificate.profile import check_fit, load_profile
from pki.environment import Certificate, E, Key
from pki.errors import RequestRefused
from pki.issuer import Issuer
from pki.ledger import Ledger, Owner, Reason
from pki.ledger.enrolments import REFUSED, Enrolment

CODE_BYTES = 15
"""120 random bits: 24 characters of base 32."""
MAX_USER = 64
MAX_CODE = 64
MAX_LASTS = timedelta(days=90)
_EC_PUBLIC_KEY = "1.2.840.10045.2.1"
_WANTED = {
    Algorithm.P256: ("1.2.840.10045.3.1.7", "1.2.840.10045.4.3.2"),
    Algorithm.P384: ("1.3.132.0.34", "1.2.840.10045.4.3.3"),
    Algorithm.P521: ("1.3.132.0.35", "1.2.840.10045.4.3.4"),
    Algorithm.ED448: ("", "1.3.101.113"),
}
"""Curve and signature algorithm that a request should have (RFC 5480, RFC 5758, RFC 8410)."""


class Unauthenticated(RequestRefused):
    """Who asks did not show who it is, or is not the one who may ask."""

    default_hint = "Ask the PKI officer for an enrolment code."


@dataclass(frozen=True)
class Caller:
    """What the transport knows of who asks."""

    certificate: bytes = b""
    """The TLS client certificate (DER), its chain verified by the transport; empty if there is none."""
    user: str = ""
    code: str = field(default="", repr=False)


@dataclass(frozen=True)
class Registrars(Generic[E]):
    """Stations and services of the factory that may enrol units, known by living certificates of their own."""

    issuer: Issuer[E]
    names: frozenset[str]
    profile: str = "station-identity"

    def name_of(self, certificate: bytes) -> str:
        """Return which registrar a TLS client certificate is the living one of; empty if of none."""
        name = _shown(certificate).common_name if certificate else ""
        living = self.issuer.certificate(name, self.profile) if name in self.names else None
        good = living is not None and living.der == certificate and living.not_after > datetime.now(UTC)
        return name if good else ""


@dataclass(frozen=True)
class Endpoint(Generic[E]):
    """What one EST label offers: certificates of one profile in one environment."""

    environment: type[E]
    issuer: Issuer[E]
    profile: str
    ledger: Ledger
    authorities: tuple[x509.Certificate, ...]
    """CA certificates to give out, root first."""

    def cacerts(self) -> bytes:
        """Return the CA certificates (CMS certs-only, DER; RFC 7030 section 4.1)."""
        return pkcs7.serialize_certificates(list(self.authorities), Encoding.DER)

    def csrattrs(self) -> bytes:
        """Return what a request should look like: its curve and signature (CsrAttrs, DER; RFC 7030 section 4.5)."""
        curve, signature = _WANTED[load_profile(self.profile).algorithm]
        key = _sequence(_oid(_EC_PUBLIC_KEY), core.Set(contents=_oid(curve)).dump()) if curve else b""
        return _sequence(key, _oid(signature))

    def enrol(self, request: bytes, caller: Caller) -> bytes:
        """Return the first certificate of the unit that a code was made for (certs-only, DER; section 4.2.1).

        Asking again with the same code and key gives the same certificate, so a lost answer costs nothing.

        Raises:
            Unauthenticated: There is no code, or it is not (any more) good for this unit and key.
            RequestRefused: The request proves nothing or is for another name, or no certificate is left to give.
            KeystoreError: The HSM is away.
        """
        owner = Owner(caller.user, self.environment.name, self.profile)
        with _authenticating():
            enrolment, order = self.ledger.try_code(*owner, code_digest(owner, caller.code))
        if self.ledger.enrolled_key(enrolment) not in {None, _read(request).spki}:
            raise Unauthenticated(REFUSED)
        key = self.issuer.adopt(caller.user, self.profile, request, caller.user, order)
        with _authenticating():  # two may have come this far with one code
            self.ledger.use_code(enrolment, key.spki)
        return certs_only(self.issuer.issue(key))

    def register(self, request: bytes, order: str, registrar: str) -> bytes:
        """Return the first certificate of the unit that a registrar asks for, counted for a work order and audited.

        Raises:
            RequestRefused: The request proves nothing, or no certificate is left to give.
            KeystoreError: The HSM is away.
        """
        if not order:
            raise RequestRefused("a registrar names the work order", hint="Ask under <label>@<work order>.")
        unit = _read(request).common_name
        key = self.issuer.adopt(unit, self.profile, request, unit, order)
        self.ledger.record("enrolment-by-registrar", unit, registrar=registrar, order=order, version=key.version)
        return certs_only(self.issuer.issue(key))

    def renew(self, request: bytes, caller: Caller) -> bytes:
        """Return the certificate that takes the place of the one the caller showed (certs-only, DER; section 4.2.2).

        Asking again with the same request gives the same certificate, although the old one was revoked meanwhile.

        Raises:
            Unauthenticated: The caller's certificate is not a living one of this label.
            RequestRefused: Subject or alternative names differ, or the key is an old one.
            KeystoreError: The HSM is away.
        """
        if not caller.certificate:
            raise Unauthenticated("a renewal needs the certificate that is renewed, as TLS client certificate")
        wanted, shown = _read(request), _shown(caller.certificate)
        unit = shown.common_name
        key = self._superseded(unit, caller.certificate, wanted, request) or self._next(unit, caller, wanted, request)
        return certs_only(self.issuer.issue(key, shown.organization))

    def _next(self, unit: str, caller: Caller, wanted: "_Parts", request: bytes) -> Key[E]:
        living = self.issuer.certificate(unit, self.profile)
        if living is None or living.der != caller.certificate or living.not_after <= datetime.now(UTC):
            raise Unauthenticated(f"this is no living {self.environment.name} {self.profile} certificate")
        shown = _shown(caller.certificate)
        if (wanted.subject, wanted.names) != (shown.subject, shown.names):
            raise RequestRefused("subject or alternative names are not those of the certificate that is renewed")
        return self.issuer.renew(living, request)

    def _superseded(self, unit: str, certificate: bytes, wanted: "_Parts", request: bytes) -> Key[E] | None:
        """Return the key of a renewal whose answer got lost: entered by the request that now comes again."""
        owner = Owner(unit, self.environment.name, self.profile)
        current = self.ledger.current(owner)
        before = self.ledger.get(owner, current.version - 1) if current else None
        if current is None or before is None or current.spki != wanted.spki:
            return None
        if before.certificate != certificate or before.revocation != Reason.SUPERSEDED:
            return None
        return self.issuer.adopt(unit, self.profile, request, unit, current.work_order)


@contextmanager
def _authenticating() -> Iterator[None]:
    try:
        yield
    except RequestRefused as error:
        raise Unauthenticated(error.message, hint=error.hint) from error


def certs_only(certificate: Certificate[E]) -> bytes:
    """Return one certificate as CMS certs-only (DER; RFC 7030 section 4.2.3)."""
    return pkcs7.serialize_certificates([x509.load_der_x509_certificate(certificate.der)], Encoding.DER)


def allow_enrolment(ledger: Ledger, entropy: bytes, owner: Owner, work_order: str, lasts: timedelta) -> str:
    """Enter a one-time enrolment code and return it; only its hash is kept.

    Args:
        ledger: Where it is entered.
        entropy: `CODE_BYTES` from the HSM's random generator.
        owner: For whom and for what the code is good.
        work_order: Whose quota the certificate counts for.
        lasts: How long the code is good, at most `MAX_LASTS`.

    Raises:
        RequestRefused: The profile is not for units, the unit's name does not fit it, or a bound is passed.
    """
    profile = load_profile(owner.profile)
    if not profile.unit or not work_order or len(entropy) != CODE_BYTES:
        raise RequestRefused("an enrolment needs a profile for units, a work order and enough randomness")
    check_fit(profile, owner.unit)
    if not timedelta(0) < lasts <= MAX_LASTS:
        raise RequestRefused(f"an enrolment code lasts {MAX_LASTS.days} days at most")
    code = base64.b32encode(entropy).decode()
    expires = datetime.now(UTC) + lasts
    ledger.add_enrolment(
        Enrolment(owner.unit, owner.environment, owner.profile, work_order, code_digest(owner, code), expires)
    )
    return "-".join(code[start : start + 4] for start in range(0, len(code), 4))


def code_digest(owner: Owner, code: str) -> str:
    """Return what the ledger keeps of a code: a hash, which 120 random bits need no salt or stretching for."""
    plain = code.replace("-", "").replace(" ", "").upper()
    return sha256(f"{owner.unit}\0{owner.environment}\0{owner.profile}\0{plain}".encode()).hexdigest()


def basic_credentials(header: str) -> tuple[str, str]:
    """Return user and code of an Authorization header (RFC 7617); empty if it is something else."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic" or len(value) > 2 * (MAX_USER + MAX_CODE):
        return "", ""
    try:
        user, _, code = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return (user, code) if len(user) <= MAX_USER and len(code) <= MAX_CODE and user.isprintable() else ("", "")


def from_base64(body: bytes) -> bytes:
    """Return the DER of a request's body (RFC 8951 section 3.1: white space may stand anywhere).

    Raises:
        RequestRefused: It is no base64.
    """
    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error as error:
        raise RequestRefused(
            "the body is no base64 of a certificate request", hint="Send PKCS#10 in base64."
        ) from error


@dataclass(frozen=True)
class _Parts:
    """What is compared between a request and a certificate."""

    subject: tuple[tuple[str, str], ...]
    """Attribute types and values in their order; how a text is encoded does not matter."""
    names: bytes
    """subjectAltName (DER); empty if there is none."""
    spki: bytes = b""
    """Of a request, in its one canonical form."""

    @property
    def common_name(self) -> str:
        """The unit's name; IEEE 802.1AR has it in the serial number."""
        values = dict(self.subject)
        return values.get("common_name") or values.get("serial_number", "")

    @property
    def organization(self) -> str:
        return dict(self.subject).get("organization_name", "")


def _read(request: bytes) -> _Parts:
    try:
        info = csr.CertificationRequest.load(request, strict=True)["certification_request_info"]
        parts = _Parts(_subject(info["subject"]), _requested_names(info), info["subject_pk_info"].dump())
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:  # asn1crypto given garbage
        raise RequestRefused("the certificate request is not PKCS#10", hint="Send PKCS#10 in base64.") from error
    return replace(parts, spki=spki_bytes(load_public_key(parts.spki)))


def _requested_names(info: csr.CertificationRequestInfo) -> bytes:
    for attribute in info["attributes"]:
        if attribute["type"].native == "extension_request":
            for extension in attribute["values"][0]:
                if extension["extn_id"].native == "subject_alt_name":
                    return bytes(extension["extn_value"])
    return b""


def _shown(certificate: bytes) -> _Parts:
    try:
        body = asn1.Certificate.load(certificate)["tbs_certificate"]
        names = [
            bytes(part["extn_value"]) for part in body["extensions"] if part["extn_id"].native == "subject_alt_name"
        ]
        return _Parts(_subject(body["subject"]), b"".join(names))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Unauthenticated("the TLS client certificate can't be read") from error


def _subject(name: asn1.Name) -> tuple[tuple[str, str], ...]:
    return tuple((part["type"].native, part["value"].native) for group in name.chosen for part in group)


def _oid(dotted: str) -> bytes:
    return bytes(core.ObjectIdentifier(dotted).dump())


def _sequence(*parts: bytes) -> bytes:
    return bytes(core.Sequence(contents=b"".join(parts)).dump())
