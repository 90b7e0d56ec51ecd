"""What the PKI revoked is told to those who were told of the certificate (F-D11)."""

import time

from pki.environment import Ship
from station.bench import Services
from station.passwords import told
from station.records import RevokedCertificate

LOOK_SECONDS = 5.0


class RevocationWatch:
    """Looks into the PKI's ledger from time to time, and queues a message for each revocation that concerns others."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._number = 0
        self._next = 0.0

    def look(self) -> None:
        """Queue what was revoked since the last look; what was queued before is not queued again.

        Raises:
            ServiceError: Ledger or records are away.
        """
        if time.monotonic() < self._next:
            return
        with told():
            revoked = self._services.factory.issuer(Ship).revoked_after(self._number)
        records = self._services.records
        for found in revoked:
            if records.announced(found.unit, found.serial):
                records.tell_revoked(RevokedCertificate(found.unit, found.serial, found.reason.value, Ship.name))
            self._number = found.number
        self._next = time.monotonic() + LOOK_SECONDS
