"""What each kind of identifier must look like, and the one form in which it is compared and kept.

Ways of writing are always tolerated (separators, small letters); `strict` adds the rules for numbers that we make,
print or buy: those of what foreign devices say are wider, because they can't be changed there.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from station.identifiers import readers
from station.identifiers.equality import shown
from station.identifiers.readers import Forms, How, Rules

LONGEST = 128
"""Characters of a text that is looked at at all: more than any identifier has."""
ANY = Rules()
"""Nothing is declared."""


class Kind(StrEnum):
    """Everything that names a thing, apart from serial number and certificate."""

    MAC = "mac"
    EUI64 = "eui64"
    ICCID = "iccid"
    IMSI = "imsi"
    IMEI = "imei"
    EID = "eid"
    METER = "meter"
    SEAL = "seal"
    COMPONENT = "component"
    OCPP_IDENTITY = "ocpp-identity"
    EVSE_ID = "evse-id"
    SECC_ID = "secc-id"
    CONTRACT = "contract"
    GTIN = "gtin"
    GS1_SERIAL = "gs1-serial"


@dataclass(frozen=True)
class Identifier:
    """An identifier that keeps its rules."""

    kind: Kind
    value: str
    """What makes two of them the same: of an ICCID its payload, of an EVSE-ID the form without separators."""
    written: str
    """As it is printed, kept and sent: an ICCID with its check digit, an EVSE-ID with its separators."""


def parse(kind: Kind, text: str, *, strict: bool = True, rules: Rules = ANY) -> Identifier:
    """Read an identifier.

    Args:
        kind: What it names.
        text: As it was scanned, read or listed.
        strict: Whether it is one that we make, print or buy; False for what a foreign device says of itself.
        rules: What is declared of such numbers.

    Raises:
        ValueError: It is none; the message is one sentence with the expected format.
    """
    read, expected = READERS[kind]
    try:
        value, written = read(_readable(text), How(strict, rules))
    except ValueError as error:
        raise ValueError(f"'{shown(text)}' is no {kind.value}: {error}; expected {expected}.") from None
    return Identifier(kind, value, written)


def _readable(text: str) -> str:
    if not re.fullmatch(r"[ -~]+", text) or len(text) > LONGEST:
        raise ValueError("it is empty, too long, or has characters that none has")
    return text.strip()


Reader = Callable[[str, How], Forms]
READERS: Mapping[Kind, tuple[Reader, str]] = {
    Kind.MAC: (readers.mac, "12 hexadecimal digits"),
    Kind.EUI64: (readers.eui64, "16 hexadecimal digits"),
    Kind.ICCID: (readers.iccid, "19 or 20 digits from 89 on, the last a check digit"),
    Kind.IMSI: (readers.imsi, "14 or 15 digits"),
    Kind.IMEI: (readers.imei, "15 digits, the last a check digit"),
    Kind.EID: (readers.eid, "32 digits from 89 on, the last two check digits"),
    Kind.METER: (readers.meter, "14 characters such as 1EMH0012345678"),
    Kind.SEAL: (readers.seal, "1 to 30 letters, digits and signs"),
    Kind.COMPONENT: (readers.component, "1 to 64 characters"),
    Kind.OCPP_IDENTITY: (readers.ocpp_identity, "5 to 25 capital letters, digits and hyphens"),
    Kind.EVSE_ID: (readers.evse_id, "an ID such as DE*823*E1234*5678"),
    Kind.SECC_ID: (readers.secc_id, "39 to 64 characters such as DE-ICE-S-…"),
    Kind.CONTRACT: (readers.contract, "14 characters such as DE-8AA-001234567, and a check digit if any"),
    Kind.GTIN: (readers.gtin, "8, 12, 13 or 14 digits, the last a check digit"),
    Kind.GS1_SERIAL: (readers.gs1_serial, "1 to 20 characters that GS1 allows in AI (21)"),
}
"""How each kind is read, and what is expected of it."""
