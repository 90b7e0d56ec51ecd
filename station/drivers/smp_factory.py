"""The verbs of vendor group 64: keys, certificates, proofs, serial number, lock.

Hardware without key slots is asked with an empty slot name, and is never sent one.
"""

from station.clock import Deadline
from station.drivers.smp_errors import NOT_FOUND, Refused
from station.drivers.smp_link import KEY_GENERATION, SLOW, Link
from station.drivers.smp_messages import (
    CertificateRead,
    CertificateWrite,
    ChallengeWrite,
    IdentityRead,
    KeyRead,
    KeyWrite,
    LockWrite,
    SerialWrite,
)
from station.drivers.smp_package import send_package, to_proof
from station.drivers.smp_session import SmpSession
from station.model import Proof


class FactoryVerbs:
    """What a charger does with group 64; hardware that has less of it refuses."""

    def __init__(self, session: SmpSession) -> None:
        """Speak over a session."""
        self._session = session

    def create_key(self, slot: str, common_name: str, *, replace: bool, deadline: Deadline) -> bytes:
        """Let the device make a key pair and return its PKCS#10 request (DER)."""
        ask = KeyWrite(cn=common_name, force=replace, slot=slot or None)

        def create(link: Link) -> bytes:
            return link.ask(ask, deadline, patience=KEY_GENERATION, once=True).csr

        return self._session.perform("making a key", create, deadline)

    def install_certificate(self, slot: str, certificate: bytes, deadline: Deadline) -> None:
        """Store the leaf certificate (DER) beside its key; the device refuses one of another key."""
        ask = CertificateWrite(cert=certificate, slot=slot or None)
        self._session.perform("installing the certificate", lambda link: link.ask(ask, deadline), deadline)

    def lock(self, deadline: Deadline) -> None:
        """Close the device for good."""

        def lock(link: Link) -> None:
            try:
                link.ask(LockWrite(), deadline, patience=SLOW)
            except Refused:
                # The answer to a first attempt may have been lost: a locked device refuses to be locked again.
                if not link.ask(IdentityRead(), deadline).locked:
                    raise

        self._session.perform("locking", lock, deadline)

    def deliver_key(self, slot: str, package: bytes, nonce: bytes, deadline: Deadline) -> Proof:
        """Hand over a CMS EnvelopedData and return the device's signed receipt over `nonce` (32 bytes)."""
        return self._session.perform(
            "delivering a key", lambda link: send_package(link, slot, package, nonce, deadline), deadline
        )

    def challenge(self, slot: str, nonce: bytes, deadline: Deadline) -> Proof:
        """Return the device's signature over `nonce` (32 bytes) with the key in `slot`."""
        ask = ChallengeWrite(nonce=nonce, slot=slot or None)
        return to_proof(self._session.perform("challenging", lambda link: link.ask(ask, deadline), deadline))

    def read_request(self, slot: str, deadline: Deadline) -> bytes | None:
        """Return the request (DER), or None where the slot has no key."""

        def read(link: Link) -> bytes | None:
            try:
                return link.ask(KeyRead(slot=slot or None), deadline).csr
            except Refused as refused:
                if _is_absent(refused):
                    return None
                raise

        return self._session.perform("reading the certificate request", read, deadline)

    def read_certificate(self, slot: str, deadline: Deadline) -> bytes | None:
        """Return the installed leaf (DER), or None where there is none."""

        def read(link: Link) -> bytes | None:
            try:
                return link.ask(CertificateRead(slot=slot or None), deadline).cert
            except Refused as refused:
                if _is_absent(refused):
                    return None
                raise

        return self._session.perform("reading the certificate", read, deadline)

    def assign_serial(self, serial: str, deadline: Deadline) -> None:
        """Write the serial number; the device refuses when another one is set."""
        ask = SerialWrite(serial=serial)
        self._session.perform("writing the serial number", lambda link: link.ask(ask, deadline), deadline)


def _is_absent(refused: Refused) -> bool:
    return refused.is_one_of(None, NOT_FOUND)
