"""DER by concatenation: what never changes is encoded once with asn1crypto, what changes is put around it by `emit`.

A message built out of asn1crypto's objects takes 7 ms; a thousand of them would be most of a load test.
"""

from asn1crypto import core
from asn1crypto.parser import emit

NULL: bytes = core.Null().dump()
_UNIVERSAL, _CONTEXT = 0, 2
_BIT_STRING, _OCTET_STRING, _SEQUENCE, _SET = 3, 4, 16, 17


def sequence(*parts: bytes) -> bytes:
    """Return a SEQUENCE of encoded parts."""
    encoded: bytes = emit(_UNIVERSAL, 1, _SEQUENCE, b"".join(parts))
    return encoded


def set_of(part: bytes) -> bytes:
    """Return a SET OF one encoded part; more would have to be sorted."""
    encoded: bytes = emit(_UNIVERSAL, 1, _SET, part)
    return encoded


def tagged(number: int, *parts: bytes) -> bytes:
    """Return encoded parts under a constructed context tag."""
    encoded: bytes = emit(_CONTEXT, 1, number, b"".join(parts))
    return encoded


def octets(value: bytes) -> bytes:
    """Return an OCTET STRING."""
    encoded: bytes = emit(_UNIVERSAL, 0, _OCTET_STRING, value)
    return encoded


def tagged_octets(number: int, value: bytes) -> bytes:
    """Return an OCTET STRING under an implicit context tag."""
    encoded: bytes = emit(_CONTEXT, 0, number, value)
    return encoded


def bits(value: bytes) -> bytes:
    """Return a BIT STRING of whole bytes."""
    encoded: bytes = emit(_UNIVERSAL, 0, _BIT_STRING, b"\0" + value)
    return encoded


def integer(value: int) -> bytes:
    """Return an INTEGER."""
    encoded: bytes = core.Integer(value).dump()
    return encoded


def oid(dotted: str) -> bytes:
    """Return an OBJECT IDENTIFIER."""
    encoded: bytes = core.ObjectIdentifier(dotted).dump()
    return encoded


def algorithm(dotted: str, *parameters: bytes) -> bytes:
    """Return an AlgorithmIdentifier; parameters are absent unless given."""
    return sequence(oid(dotted), *parameters)
