"""What each model of token does in its own way, as data. Nothing in a table is believed: what is tried by it is proven.

A model that is not in the table gets the standard behaviour, and must pass the same tests at start.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from pkcs11 import Attribute, Mechanism

from pki.keystore.cryptoki import TokenInfo

EDWARDS448_NAME = b"\x13\x0aedwards448"
"""EC_PARAMS of Ed448 as the name that PKCS#11 v3.0 section 2.3.10 gives it."""
EDWARDS448_OID = bytes.fromhex("06032b6571")
"""EC_PARAMS of Ed448 as RFC 8410 names it."""
RESERVED = ("NSS_LIB_PARAMS",)
"""Environment variables that go into CK_C_INITIALIZE_ARGS.pReserved too: NSS before 3.98 does not read its own."""


@dataclass(frozen=True)
class Quirks:
    """How to speak to one model of token; the defaults are the standard's."""

    key_wraps: tuple[Mechanism, ...] = (Mechanism.AES_KEY_WRAP_KWP, Mechanism.AES_KEY_WRAP_PAD)
    """What may be RFC 5649, the likelier first: 0x210B by PKCS#11 v3.0, and 0x210A, which has meant three formats."""
    oaep_hashes: tuple[str, ...] = ("sha256", "sha1")
    """Hashes of RSAES-OAEP, the better first."""
    ed448_parameters: tuple[bytes, ...] = (EDWARDS448_NAME, EDWARDS448_OID)
    """Forms of EC_PARAMS."""
    omitted: frozenset[Attribute] = frozenset()
    """Attributes that it refuses in templates."""
    untold: frozenset[Attribute] = frozenset()
    """Attributes that it does not report, or reports falsely."""


TABLE: tuple[tuple[str, str, Quirks], ...] = (
    # 2.6.1: 0x210A is RFC 5649 over a PKCS#8 padded with zeros to 8 bytes; OAEP only with SHA-1; no KDF after ECDH.
    (
        "SoftHSM project",
        "SoftHSM v2",
        Quirks(key_wraps=(Mechanism.AES_KEY_WRAP_PAD,)),
    ),
    # 3.87: 0x210A is RFC 3394 over PKCS#7 padding. It says of its own keys that they came from elsewhere.
    (
        "Mozilla Foundation",
        "NSS *",
        Quirks(
            key_wraps=(Mechanism.AES_KEY_WRAP_KWP,),
            untold=frozenset({Attribute.LOCAL, Attribute.WRAP_WITH_TRUSTED}),
        ),
    ),
)
"""Patterns of manufacturer and model, as the token says them, with the quirks. tpm2-pkcs11 1.9 needs no row of its own:
its EC_POINT of P-521 lacks a length byte, which is why a point is taken from the end of what a token gives."""


def quirks_of(info: TokenInfo) -> Quirks:
    """Return the quirks of a token by what it says of itself."""
    rows = (row for row in TABLE if fnmatchcase(info.manufacturer, row[0]) and fnmatchcase(info.model, row[1]))
    return next((quirks for _, _, quirks in rows), Quirks())
