"""MaEVe: how a station may log in, and its client certificate; the system learns the rest when the station boots.

Written from its OpenAPI description and source; untested against a live system. Its security profiles count from 0:
OCPP's 3 is written as 2. Registering again replaces what is there without a word, so the adapter always looks first. A
station can't be taken out, only its certificate.

URI: `maeve+https://host[:port][?ca=FILE]`. The interface asks for no token; ours is shown to the gateway before it.
"""

from base64 import b64encode, urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pki.passwords import Password
from station.cpms.contract import Body, Limits, Rejected
from station.cpms.vendors.caller import Caller, Opening, dig, fitting
from station.cpms.vendors.registrar import ANOTHER, CERTIFICATE, PASSWORD, SET, Registrar, Wanted
from station.model import UnitRecord

LIMITS = Limits(8)
STATIONS, CERTIFICATES = "/api/v0/cs", "/api/v0/certificate"
IDENTITY_WIDTH = 28
FIRST_PROFILE = 1
"""OCPP's profile that is 0 there."""


@dataclass(frozen=True)
class Maeve:
    """A MaEVe manager."""

    caller: Caller

    @property
    def system(self) -> str:
        """Return what the system is called."""
        return "MaEVe"

    def shape(self, record: UnitRecord, revision: int) -> Body:
        """Return profile and certificate; a station with another certificate than its own may not log in there."""
        del revision
        fitting(self.system, "the OCPP identity", record.ocpp_identity, IDENTITY_WIDTH)
        return {"security_profile": record.security_profile, CERTIFICATE: record.certificate_sha256.lower()}

    def find(self, wanted: Wanted) -> Body | None:
        """Return how a station may log in, and whether the certificate is known."""
        auth = self.caller.get(f"{STATIONS}/{wanted.serial}/auth")
        if auth is None:
            return None
        profile = dig(auth, "securityProfile")
        return {
            "security_profile": profile + FIRST_PROFILE if type(profile) is int else None,
            PASSWORD: self._password(dig(auth, "base64SHA256Password"), wanted),
        } | self._certificate(wanted.certificate_sha256)

    def complete(self, wanted: Wanted, found: Body | None) -> None:
        """Add the client certificate, then the station: one that may log in before is one too many."""
        if not (found and found[CERTIFICATE]):
            self.caller.send("POST", CERTIFICATES, {"certificate": self._leaf(wanted)})
        if found is None or (wanted.password is not None and not found[PASSWORD]):
            body: Body = {"securityProfile": wanted.shape["security_profile"] - FIRST_PROFILE}
            if wanted.password is not None:
                body["base64SHA256Password"] = _digest(wanted.password())
            self.caller.send("POST", f"{STATIONS}/{wanted.serial}", body)

    def remove(self, serial: str) -> None:
        """Refuse: there is no such request."""
        message = f"MaEVe has no request by which {serial} could be taken out."
        raise Rejected(message, hint="Ask the CPMS team to delete the station, then drop the message.")

    def notes(self) -> tuple[str, ...]:
        """Say what is special about it."""
        return ("it puts a new station into Pending until its team has configured it",)

    def close(self) -> None:
        """Close the connection."""
        self.caller.http.close()

    def _certificate(self, digest: str) -> Body:
        """Tell whether a certificate is known; it can only be asked for by its digest."""
        if not digest:
            return {}
        return {CERTIFICATE: digest if self.caller.get(f"{CERTIFICATES}/{_hash(digest)}") else None}

    def _password(self, kept: object, wanted: Wanted) -> str | None:
        """Tell whether the hash that is kept is that of our password."""
        if not kept:
            return None
        return SET if wanted.password is None or kept == _digest(wanted.password()) else ANOTHER

    def _leaf(self, wanted: Wanted) -> str:
        """Return the unit's own certificate, proven to be the one of its record."""
        chain = wanted.credentials.chain
        leaf = x509.load_pem_x509_certificates(chain.encode())[0] if chain else None
        if leaf is None or sha256(leaf.public_bytes(Encoding.DER)).hexdigest() != wanted.certificate_sha256:
            message = f"MaEVe needs the certificate of {wanted.serial}, and it is not at hand."
            raise Rejected(message, hint="Ask the PKI officer where the unit's certificate is.")
        return leaf.public_bytes(Encoding.PEM).decode()


def open_maeve(opening: Opening) -> Registrar:
    """Open a MaEVe.

    Raises:
        ConfigError: An option is wrong.
        ServiceError: The station's certificate can't be had.
    """
    opening.options()
    http = opening.http()
    return Registrar(http.name, Maeve(Caller(http)), opening.limits)


def _hash(certificate_sha256: str) -> str:
    """Return a digest as certificates are looked up: base64 for URLs, without padding."""
    return urlsafe_b64encode(bytes.fromhex(certificate_sha256)).rstrip(b"=").decode()


def _digest(password: Password) -> str:
    return b64encode(sha256(password.reveal().encode()).digest()).decode()
