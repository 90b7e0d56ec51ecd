"""Make a device key and wrap it: session objects only, and every one destroyed before the wrapped key is handed on."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pkcs11 import KDF, MGF, Attribute, KeyType, Mechanism, ObjectClass

from pki.algorithm import Algorithm, algorithm_of, load_public_key, spki_bytes
from pki.errors import RequestRefused
from pki.keystore.cryptoki import Cryptoki, PackedMechanism, PackedTemplate, Value, ecdh, oaep
from pki.keystore.keys import POINT_BYTES, Keys, generation
from pki.keystore.results import SESSION_CLOSED, CryptokiError
from pki.keystore.throwaway import SHARED_INFO
from pki.keystore.wrapped import EcTransport, Recipient, RsaTransport, WrappedKey

AES_BYTES = 32
AES_GENERATION = PackedMechanism(Mechanism.AES_KEY_GEN)
AES_KEY_WRAP = PackedMechanism(Mechanism.AES_KEY_WRAP)
OAEP = {"sha256": oaep(Mechanism.SHA256, MGF.SHA256), "sha1": oaep(Mechanism.SHA_1, MGF.SHA1)}
SECRET: dict[Attribute, Value] = {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.KEY_TYPE: KeyType.AES}
WRAPPING: dict[Attribute, Value] = {
    Attribute.SENSITIVE: True,
    Attribute.WRAP: True,
    Attribute.VALUE_LEN: AES_BYTES,
}
TRANSPORT: dict[Attribute, Value] = {
    Attribute.CLASS: ObjectClass.PUBLIC_KEY,
    Attribute.KEY_TYPE: KeyType.RSA,
    Attribute.TOKEN: False,
    Attribute.WRAP: True,
}
"""What every RSA transport key is besides its numbers."""
Kek = tuple[int, bool]
"""A batch's key in the token, and whether the token lets trusted keys alone wrap what is marked for them."""
NO_KEK: Kek = (0, False)


@dataclass(frozen=True)
class Way:
    """How a token serves one kind of recipient, as found by trying."""

    key_wrap: PackedMechanism
    """RFC 5649."""
    oaep_hash: str
    parameters: bytes
    """EC_PARAMS of the device key."""


class Wrapping:
    """The wrapping of one token; it raises `CryptokiError`."""

    def __init__(self, cryptoki: Cryptoki, keys: Keys) -> None:
        self._cryptoki, self._keys = cryptoki, keys
        session_key: dict[Attribute, Value] = WRAPPING | {Attribute.TOKEN: False}
        self._content_key = keys.packed(session_key | {Attribute.EXTRACTABLE: True})
        self._agreed_key = keys.packed(SECRET | session_key | {Attribute.EXTRACTABLE: False})
        self._transport_key = keys.packed(TRANSPORT)
        self._pairs = lru_cache(self._pack_pair)
        p256 = keys.parameters(Algorithm.P256)[0]
        self._one_time = self._pack_pair(p256, Attribute.DERIVE, Attribute.DERIVE, extractable=False, trusted=False)

    def wrap(self, session: int, recipient: Recipient, algorithm: Algorithm, way: Way, kek: Kek = NO_KEK) -> WrappedKey:
        """Make a key pair and return its private half under the recipient's key."""
        with self.scratch(session) as made:
            made.extend(self.device_pair(session, algorithm, way, trusted=kek[1]))
            public, private = made
            spki = self._keys.spki(session, public, algorithm)
            if isinstance(recipient, RsaTransport):
                return self._for_rsa(session, recipient, way, (spki, private), made)
            if isinstance(recipient, EcTransport):
                return self._for_ec(session, recipient, way, (spki, private), made)
            if kek[1]:  # what is marked for trusted keys goes under nothing else, not even a content key
                return WrappedKey(spki, self._cryptoki.wrap(session, way.key_wrap, kek[0], private), recipient)
            made.append(content_key := self.content_key(session))
            key = self._cryptoki.wrap(session, way.key_wrap, content_key, private)
            return WrappedKey(spki, key, recipient, self._cryptoki.wrap(session, AES_KEY_WRAP, kek[0], content_key))

    def _for_rsa(
        self, session: int, recipient: RsaTransport, way: Way, pair: tuple[bytes, int], made: list[int]
    ) -> WrappedKey:
        made.append(content_key := self.content_key(session))
        made.append(transport := self.rsa_key(session, recipient))
        key = self._cryptoki.wrap(session, way.key_wrap, content_key, pair[1])
        under = self._cryptoki.wrap(session, OAEP[way.oaep_hash], transport, content_key)
        return WrappedKey(pair[0], key, recipient, under, oaep_hash=way.oaep_hash)

    def _for_ec(
        self, session: int, recipient: EcTransport, way: Way, pair: tuple[bytes, int], made: list[int]
    ) -> WrappedKey:
        agreement = ecdh(KDF.SHA256, SHARED_INFO, _p256_point(recipient))
        made.append(content_key := self.content_key(session))
        one_time = self._cryptoki.generate_pair(session, generation(Algorithm.P256), *self._one_time)
        made.extend(one_time)
        made.append(agreed := self._cryptoki.derive(session, agreement, one_time[1], self._agreed_key))
        key = self._cryptoki.wrap(session, way.key_wrap, content_key, pair[1])
        under = self._cryptoki.wrap(session, AES_KEY_WRAP, agreed, content_key)
        ephemeral = self._keys.spki(session, one_time[0], Algorithm.P256)
        return WrappedKey(pair[0], key, recipient, under, ephemeral=ephemeral)

    def content_key(self, session: int) -> int:
        """Make a key that wraps one device key and is wrapped itself."""
        return self._cryptoki.generate(session, AES_GENERATION, self._content_key)

    def rsa_key(self, session: int, recipient: RsaTransport) -> int:
        """Bring an RSA transport key into the session.

        Raises:
            RequestRefused: It is no RSA key.
        """
        try:
            key = load_der_public_key(recipient.spki)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise RequestRefused("the transport key can't be read") from error
        if not isinstance(key, rsa.RSAPublicKey):
            raise RequestRefused("the transport key is not RSA")
        numbers = key.public_numbers()
        parts: dict[Attribute, Value] = {
            Attribute.MODULUS: numbers.n.to_bytes(key.key_size // 8, "big"),
            Attribute.PUBLIC_EXPONENT: numbers.e.to_bytes((numbers.e.bit_length() + 7) // 8, "big"),
        }
        return self._cryptoki.create(session, PackedTemplate(parts, self._transport_key))

    def device_pair(self, session: int, algorithm: Algorithm, way: Way, *, trusted: bool) -> tuple[int, int]:
        """Make a device's key pair as session objects; return its public and its private half."""
        usage = Attribute.VERIFY, Attribute.SIGN
        templates = self._pairs(way.parameters, *usage, extractable=True, trusted=trusted)
        return self._cryptoki.generate_pair(session, generation(algorithm), *templates)

    def _pack_pair(
        self, parameters: bytes, public_use: Attribute, private_use: Attribute, *, extractable: bool, trusted: bool
    ) -> tuple[PackedTemplate, PackedTemplate]:
        public: dict[Attribute, Value] = {Attribute.TOKEN: False, Attribute.EC_PARAMS: parameters, public_use: True}
        private: dict[Attribute, Value] = {
            Attribute.TOKEN: False,
            Attribute.PRIVATE: True,
            Attribute.SENSITIVE: True,
            Attribute.EXTRACTABLE: extractable,
            private_use: True,
        }
        guard: dict[Attribute, Value] = {Attribute.WRAP_WITH_TRUSTED: True} if trusted else {}
        return self._keys.packed(public), self._keys.packed(private | guard)

    @contextmanager
    def scratch(self, session: int) -> Iterator[list[int]]:
        """Destroy every object that is put on the list, or end the session that holds it."""
        made: list[int] = []
        try:
            yield made
        except BaseException:
            self._destroy(session, made)
            raise
        if not self._destroy(session, made):
            raise CryptokiError(SESSION_CLOSED, "DestroyObject")

    def _destroy(self, session: int, made: list[int]) -> bool:
        try:
            for handle in made:
                self._cryptoki.destroy(session, handle)
        except CryptokiError:
            # What can't be destroyed dies with its session.
            with suppress(CryptokiError):
                self._cryptoki.close_session(session)
            return False
        return True


def _p256_point(recipient: EcTransport) -> bytes:
    if algorithm_of(recipient.spki) is not Algorithm.P256:
        raise RequestRefused("the transport key is not P-256")
    # Encoded anew: it may have come compressed.
    return spki_bytes(load_public_key(recipient.spki))[-POINT_BYTES[Algorithm.P256] :]
