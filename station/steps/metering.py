"""Signed readings of meters: read strictly, and believed only under the key that the meter showed (F-I4).

The format is OCMF (S.A.F.E. e.V.); `pyocmf` parses it by the specification and verifies the signature over the very
bytes that were signed. What a reading must say beyond that, to prove the meter of an outlet, is said here.
"""

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from station.errors import Defect, UnitError

if TYPE_CHECKING:
    from pyocmf import Reading

LONGEST_READING = 4096
"""Characters of a signed reading; one value takes about 430."""
LONGEST_KEY = 1024
KWH = {"kWh": 1.0, "Wh": 0.001}
"""Units in which OCMF gives energy."""
HINT = "Take the unit to rework: its meter has to be looked at."


def public_key(text: str) -> str:
    """Return a meter's public key as lower-case hexadecimal of its SubjectPublicKeyInfo, in one form only.

    Raises:
        UnitError: It is no key of an elliptic curve.
    """
    try:
        key = load_der_public_key(bytes.fromhex(text[:LONGEST_KEY]))
    except ValueError as error:
        raise _doubt("shows a public key that can't be read") from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise _doubt("shows a public key of a kind that no signed reading uses")
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo).hex()


def proven_reading(text: str, key: str, serial: str) -> float:
    """Return the energy in kWh that a signed reading says, once it proved the meter's key and number.

    Args:
        text: The reading as the meter gave it.
        key: The meter's public key as `public_key` returns it.
        serial: The number that the meter shows.

    Raises:
        UnitError: The reading is none, is signed by another key, is of another meter, or tells of an error.
    """
    from pyocmf import OCMF
    from pyocmf.exceptions import PyOCMFError

    try:
        record = OCMF.from_string(text[: LONGEST_READING + 1], strict=True)
        proven = record.verify_signature(key)
    except (PyOCMFError, ValueError, RecursionError) as error:
        raise _doubt("gives no signed reading that can be read") from error
    if not proven:
        raise _doubt("signs with another key than it shows")
    if serial != (record.payload.MS or record.payload.GS):
        raise _doubt("signs readings of another meter than it says it is")
    if not record.payload.RD:
        raise _doubt("gives no reading of energy")
    return _energy(record.payload.RD[-1])


def _energy(reading: "Reading") -> float:
    """Return the value of a reading without errors."""
    if reading.ST != "G" or reading.EF:
        raise _doubt("says that its values are not good")
    if reading.RV is None or reading.RU not in KWH:
        raise _doubt("gives no reading of energy")
    return float(reading.RV) * KWH[reading.RU]


def _doubt(what: str) -> UnitError:
    return UnitError(Defect.GENEALOGY, f"The meter {what}.", hint=HINT)
