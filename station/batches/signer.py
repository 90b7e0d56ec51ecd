"""Who signed: the record certificates by which manifests and passports are believed.

The bytes that were signed are what is read; whether they are canonical is the signature's matter too.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from cryptography import x509

from station.certificates import has_signed
from station.documents.passport import SCHEMA, VERSION
from station.errors import StationError

HINT = "Do not import this batch; ask the manufacturer for it again."


def doubt(problem: str) -> StationError:
    """Return the error for an archive, or a part of it, that must not be believed."""
    return StationError(f"batch: {problem}", hint=HINT)


class Signers:
    """Record certificates, of which any may have signed while it was valid."""

    def __init__(self, certificates: Sequence[x509.Certificate]) -> None:
        self._certificates = tuple(certificates)

    def signer_of(self, message: bytes, signature: bytes) -> x509.Certificate:
        """Return the certificate whose key signed a message.

        Raises:
            StationError: None of them did.
        """
        signer = next((one for one in self._certificates if has_signed(one, message, signature)), None)
        if signer is None:
            raise doubt("it was not signed by the trust anchor: another factory's, changed, or a forgery")
        return signer

    def passport(self, serial: str, document: bytes, signature: bytes) -> dict[str, Any]:
        """Return the content of a unit's signed passport.

        Raises:
            StationError: It is no passport of this unit, or not as it was signed.
        """
        try:
            signer = self.signer_of(document, signature)
            passport = json.loads(document)
            named = (passport["schema"], passport["version"], passport["unit"]["serial"])
            demand_valid(signer, passport["production"]["released_at"])
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise doubt(f"what stands as the passport of {serial} is none") from error
        except StationError as error:
            raise doubt(f"the passport of {serial}: {error.message.removeprefix('batch: ')}") from error
        if named != (SCHEMA, VERSION, serial):
            raise doubt(f"what stands as the passport of {serial} is another unit's, or of another version")
        return dict(passport)


def demand_valid(signer: x509.Certificate, at: str) -> None:
    """Refuse what was made at a time (ISO 8601) at which its signer was not valid.

    Raises:
        StationError: It was not.
    """
    if not signer.not_valid_before_utc <= datetime.fromisoformat(at) <= signer.not_valid_after_utc:
        raise doubt(f"it was made at {at}, outside the validity of the signer's certificate")
