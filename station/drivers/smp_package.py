"""Key packages travel in pieces; the device answers the last one with a signed receipt."""

from station.clock import Deadline
from station.drivers.smp_link import SLOW, Link
from station.drivers.smp_messages import PackageWrite, ProofResponse
from station.errors import Defect, UnitError
from station.model import Proof

NONCE_BYTES = 32
LARGEST_PACKAGE = 8 * 1024
MOST_SETBACKS = 4
_LENGTH_BYTES = 2


def send_package(link: Link, slot: str, package: bytes, nonce: bytes, deadline: Deadline) -> Proof:
    """Send a whole key package and return the receipt.

    Raises:
        Refused: The device does not accept the package.
        UnitError: The device takes no more data, or its receipt is incomplete.
        ValueError: The nonce or the package is of a wrong size.
    """
    if len(nonce) != NONCE_BYTES or not 0 < len(package) <= LARGEST_PACKAGE:
        raise ValueError(f"a nonce of {NONCE_BYTES} and a package of at most {LARGEST_PACKAGE} bytes are expected")
    offset, setbacks = 0, 0
    while setbacks <= MOST_SETBACKS:
        answer = link.ask(_piece(link.largest_message, slot, package, nonce, offset), deadline, patience=SLOW)
        if answer.off is None:
            return to_proof(answer)
        setbacks += not offset < answer.off < len(package)
        offset = answer.off if answer.off < len(package) else 0
    raise UnitError(Defect.KEY, f"The charger does not take the key package beyond byte {offset}.")


def _piece(largest: int, slot: str, package: bytes, nonce: bytes, offset: int) -> PackageWrite:
    size = None if offset else len(package)
    empty = PackageWrite(off=offset, data=b"", slot=slot or None, len=size, nonce=nonce)
    data = package[offset : offset + largest - len(empty.BYTES) - _LENGTH_BYTES]
    last = nonce if offset + len(data) == len(package) else None
    return PackageWrite(off=offset, data=data, slot=slot or None, len=size, nonce=last)


def to_proof(answer: ProofResponse) -> Proof:
    """Return the signed statement of an answer.

    Raises:
        UnitError: Key or signature is missing.
    """
    if not answer.spki or not answer.sig:
        raise UnitError(Defect.KEY, "The charger's proof of its key is incomplete.")
    return Proof(answer.spki, answer.sig)
