"""Keys for drafts: trusted by nobody, never stored, gone with the process.

A draft needs a signature of the right form only, because the HSM signs its TBS anew. Making one for each draft would
cost half of it, so one signature of the throwaway key stands in every draft of its algorithm.
"""

import functools
from typing import NoReturn

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448

from pki.algorithm import Algorithm

PrivateKey = ec.EllipticCurvePrivateKey | ed448.Ed448PrivateKey


class _Placeholder(ec.EllipticCurvePrivateKey):
    """A key on a curve that gives the same signature whatever it is asked to sign, and nothing else."""

    def __init__(self, curve: ec.EllipticCurve, digest: hashes.HashAlgorithm) -> None:
        key = ec.generate_private_key(curve)
        self._public, self._curve = key.public_key(), curve
        self._signature = key.sign(b"placeholder", ec.ECDSA(digest))

    def sign(self, _data: object, _algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        return self._signature

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._public

    @property
    def curve(self) -> ec.EllipticCurve:
        return self._curve

    @property
    def key_size(self) -> int:
        return self._curve.key_size

    def exchange(self, *_: object) -> NoReturn:
        raise NotImplementedError

    def private_numbers(self) -> NoReturn:
        raise NotImplementedError

    def private_bytes(self, *_: object) -> NoReturn:
        raise NotImplementedError

    def __copy__(self) -> "_Placeholder":
        return self

    def __deepcopy__(self, _: object) -> "_Placeholder":
        return self


@functools.cache
def throwaway(algorithm: Algorithm) -> PrivateKey:
    """Return this process' key for drafts of an algorithm."""
    curve, digest = algorithm.curve, algorithm.digest
    return _Placeholder(curve, digest) if curve and digest else ed448.Ed448PrivateKey.generate()
