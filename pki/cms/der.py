"""The DER that CMS needs beyond `pki.der`: what never changes is encoded once with asn1crypto, the rest by hand.

A message built out of asn1crypto's objects takes 7 ms; a thousand of them would be most of a load test.
"""

import functools

from asn1crypto import core

from pki.der import sequence, tlv

NULL: bytes = core.Null().dump()
_OCTET_STRING, _SET, _CONTEXT, _CONSTRUCTED_CONTEXT = 0x04, 0x31, 0x80, 0xA0


def set_of(part: bytes) -> bytes:
    """Return a SET OF one encoded part; more would have to be sorted."""
    return tlv(_SET, part)


def tagged(number: int, *parts: bytes) -> bytes:
    """Return encoded parts under a constructed context tag."""
    return tlv(_CONSTRUCTED_CONTEXT | number, b"".join(parts))


def octets(value: bytes) -> bytes:
    """Return an OCTET STRING."""
    return tlv(_OCTET_STRING, value)


def tagged_octets(number: int, value: bytes) -> bytes:
    """Return an OCTET STRING under an implicit context tag."""
    return tlv(_CONTEXT | number, value)


@functools.lru_cache(maxsize=64)
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
