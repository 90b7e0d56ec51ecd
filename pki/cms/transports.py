"""What a charger announces as its transport key, judged: too weak or unknown is refused before a key is made for it."""

import re
from collections.abc import Callable
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from pki.errors import RequestRefused
from pki.keystore.wrapped import BatchKek, EcTransport, Recipient, RsaTransport

MAX_SPKI_BYTES = 1024
RSA_BITS = range(2048, 4097)
SMALLEST_EXPONENT = 65537
"""NIST SP 800-56B section 6.2 asks for 65537 at least."""
_LABEL = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
HINT = (
    "Use firmware with a transport key of RSA (2048 to 4096 bits) or P-256, or a batch's key that the HSM has,"
    " or a product whose key mode is 'device'."
)


def recipient_of(algorithm: str, key: bytes) -> Recipient:
    """Return whom a new key is wrapped for, from what the device announced (group 64, command 0).

    Args:
        algorithm: `rsa-oaep`, `ecdh-p256` or `kek`.
        key: The public key (SPKI, DER); for `kek` the key's identifier.

    Raises:
        RequestRefused: The kind is unknown, or the key is weak or malformed; the hint names every other way.
    """
    if algorithm not in _KINDS:
        raise RequestRefused(f"the transport '{_shown(algorithm)}' is none of {', '.join(_KINDS)}", hint=HINT)
    return _KINDS[algorithm](key)


def _rsa(spki: bytes) -> RsaTransport:
    key = _public_key(spki)
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size not in RSA_BITS or key.key_size % 8:
        raise RequestRefused("the transport key is not RSA of 2048 to 4096 bits", hint=HINT)
    if key.public_numbers().e < SMALLEST_EXPONENT:
        raise RequestRefused(f"the transport key's exponent is below {SMALLEST_EXPONENT}", hint=HINT)
    return RsaTransport(spki)


def _ec(spki: bytes) -> EcTransport:
    key = _public_key(spki)
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise RequestRefused("the transport key is not on P-256", hint=HINT)
    return EcTransport(spki)


def _kek(identifier: bytes) -> BatchKek:
    if not _LABEL.fullmatch(identifier):
        raise RequestRefused("the transport's key identifier is not 1 to 64 letters, digits, '.', '_', '-'", hint=HINT)
    return BatchKek(identifier.decode())


_KINDS: dict[str, Callable[[bytes], Recipient]] = {"rsa-oaep": _rsa, "ecdh-p256": _ec, "kek": _kek}


def _public_key(spki: bytes) -> Any:
    if len(spki) > MAX_SPKI_BYTES:
        raise RequestRefused(f"the transport key is longer than {MAX_SPKI_BYTES} bytes", hint=HINT)
    try:
        key = load_der_public_key(spki)
        encoded = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise RequestRefused("the transport key can't be read", hint=HINT) from error
    if encoded != spki:  # its identifier would be another one than the device's own
        raise RequestRefused("the transport key is not in its one DER form", hint=HINT)
    return key


def _shown(text: str) -> str:
    return text if len(text) <= 20 and text.isprintable() else "…"
