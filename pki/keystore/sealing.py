"""Sealing keys: RSA pairs that open in the token what was sealed for them, and can do nothing else.

The content key is unwrapped inside the token and decrypts there; it never leaves. What a token really does is tried
before its key is believed: a nonce is sealed in software and has to come back.
"""

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from pkcs11 import Attribute, Mechanism, ObjectClass

from pki.errors import KeystoreError
from pki.keystore.cryptoki import Cryptoki, PackedMechanism, Value, aes_gcm
from pki.keystore.keys import ID_BYTES, Keys
from pki.keystore.results import CryptokiError
from pki.keystore.sessions import Worker
from pki.keystore.throwaway import OAEP_DIGESTS
from pki.keystore.wrapping import OAEP, SECRET, Wrapping

NONCE_BYTES, TAG_BYTES = 12, 16
"""Of AES-GCM, as RFC 5084 advises."""
_RSA_GENERATION = PackedMechanism(Mechanism.RSA_PKCS_KEY_PAIR_GEN)
_EXPONENT = b"\x01\x00\x01"
_DAMAGED = "It was sealed for another key, or is damaged."
_INSTEAD = "Use a token that opens RSAES-OAEP and AES-GCM, or leave [sealing] out."


@dataclass(frozen=True)
class SealedContent:
    """What was sealed for an RSA key, taken out of its envelope."""

    content_key: bytes
    """The AES-256 key under RSAES-OAEP."""
    oaep_hash: str
    """Hash of RSAES-OAEP and its mask: `sha256` or `sha1`."""
    nonce: bytes
    data: bytes
    """Under AES-GCM, the tag behind it."""


def seal_content(secret: bytes, key: rsa.RSAPublicKey, oaep_hash: str) -> SealedContent:
    """Encrypt a secret under a fresh AES-256 key, and that under RSAES-OAEP."""
    content_key, nonce = AESGCM.generate_key(256), os.urandom(NONCE_BYTES)
    digest = OAEP_DIGESTS[oaep_hash]()
    under = key.encrypt(content_key, padding.OAEP(padding.MGF1(digest), digest, None))
    return SealedContent(under, oaep_hash, nonce, AESGCM(content_key).encrypt(nonce, secret, None))


class SealingKeys:
    """The sealing keys of one token. Its methods speak to the token as it is: they raise `CryptokiError`."""

    def __init__(self, cryptoki: Cryptoki, keys: Keys) -> None:
        self._cryptoki, self._keys, self._wrapping = cryptoki, keys, Wrapping(cryptoki, keys)
        opened: dict[Attribute, Value] = {
            Attribute.TOKEN: False,
            Attribute.SENSITIVE: True,
            Attribute.EXTRACTABLE: False,
            Attribute.DECRYPT: True,
        }
        self._content_key = keys.packed(SECRET | opened)

    def make(self, session: int, label: str, bits: int) -> bytes:
        """Make a pair that opens, can do nothing else and never leaves, and return its SPKI.

        Raises:
            KeystoreError: The token holds one already, makes none, or none that opens and stays.
        """
        for half in self._keys.find(session, ObjectClass.PUBLIC_KEY, label):
            self._cryptoki.destroy(session, half)  # left by a ceremony that died between the two halves
        if self._keys.find(session, ObjectClass.PRIVATE_KEY, label):
            raise KeystoreError(f"{self._keys.owner} holds a private key '{label}' already", hint="Use another token.")
        try:
            halves = self._generate(session, label, bits)
        except CryptokiError as error:
            message = f"{self._keys.owner} makes no RSA key of {bits} bits: {error}"
            raise KeystoreError(message, hint=_INSTEAD) from error
        try:
            return self._accepted(session, halves)
        except (CryptokiError, KeystoreError) as error:
            with suppress(CryptokiError):
                for half in halves:
                    self._cryptoki.destroy(session, half)
            message = f"the sealing keys of {self._keys.owner} are unfit: {error}"
            raise KeystoreError(message, hint=_INSTEAD) from error

    def spki(self, session: int, label: str) -> bytes | None:
        """Return the SPKI of a pair, or None if the token does not hold both halves."""
        public = self._keys.only(session, ObjectClass.PUBLIC_KEY, label)
        private = self._keys.only(session, ObjectClass.PRIVATE_KEY, label)
        return None if public is None or private is None else self._spki(session, public)

    def prove(self, worker: Worker, label: str, spki: bytes) -> str:
        """Open what was sealed for `spki`, and return the hash of RSAES-OAEP that the token opens.

        Raises:
            KeystoreError: The key is missing, could leave the token, or opens nothing that was sealed for `spki`.
        """
        return self._proven(worker.session, self._private(worker, label), spki)

    def open(self, worker: Worker, label: str, sealed: SealedContent) -> bytes:
        """Return what was sealed.

        Raises:
            KeystoreError: The key is missing or could leave the token, or it was sealed for another or is damaged.
        """
        return self._open(worker.session, self._private(worker, label), sealed)

    def _private(self, worker: Worker, label: str) -> int:
        if label not in worker.keys:
            worker.keys[label] = self._keys.private(worker.session, label)
        return worker.keys[label]

    def _open(self, session: int, private: int, sealed: SealedContent) -> bytes:
        try:
            return self._decrypted(session, private, sealed)
        except CryptokiError as error:
            # Tokens answer as if they were gone when the padding is wrong, so it is asked for something harmless.
            self._cryptoki.random(session, 1)
            raise KeystoreError(f"{self._keys.owner} can't open what was sealed: {error}", hint=_DAMAGED) from error

    def _decrypted(self, session: int, private: int, sealed: SealedContent) -> bytes:
        with self._wrapping.scratch(session) as made:
            way = OAEP[sealed.oaep_hash]
            made.append(key := self._cryptoki.unwrap(session, way, private, sealed.content_key, self._content_key))
            return self._cryptoki.decrypt(session, aes_gcm(sealed.nonce, TAG_BYTES), key, sealed.data)

    def _generate(self, session: int, label: str, bits: int) -> tuple[int, int]:
        common: dict[Attribute, Value] = {
            Attribute.TOKEN: True,
            Attribute.LABEL: label,
            Attribute.ID: secrets.token_bytes(ID_BYTES),
        }
        public: dict[Attribute, Value] = {Attribute.MODULUS_BITS: bits, Attribute.PUBLIC_EXPONENT: _EXPONENT}
        private: dict[Attribute, Value] = {
            Attribute.PRIVATE: True,
            Attribute.SENSITIVE: True,
            Attribute.EXTRACTABLE: False,
            Attribute.UNWRAP: True,
            Attribute.DECRYPT: False,
            Attribute.SIGN: False,
        }
        templates = self._keys.packed(common | public | {Attribute.WRAP: True}), self._keys.packed(common | private)
        return self._cryptoki.generate_pair(session, _RSA_GENERATION, *templates)

    def _accepted(self, session: int, halves: tuple[int, int]) -> bytes:
        public, private = halves
        policy = self._keys.policy(session, private)
        if not (policy.always_sensitive and policy.never_extractable):
            raise KeystoreError("they could leave it")
        spki = self._spki(session, public)
        self._proven(session, private, spki)
        return spki

    def _spki(self, session: int, public: int) -> bytes:
        numbers = (
            int.from_bytes(self._cryptoki.value(session, public, name), "big")
            for name in (Attribute.PUBLIC_EXPONENT, Attribute.MODULUS)
        )
        key = rsa.RSAPublicNumbers(*numbers).public_key()
        return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def _proven(self, session: int, private: int, spki: bytes) -> str:
        key = load_der_public_key(spki)
        if not isinstance(key, rsa.RSAPublicKey):
            raise KeystoreError("the sealing key is not RSA")
        nonce, refusal = os.urandom(32), ""
        for name in self._keys.oaep_hashes:
            try:
                if self._open(session, private, seal_content(nonce, key, name)) == nonce:
                    return name
            except KeystoreError as error:
                refusal = f": {error.message}"
        raise KeystoreError(f"they don't open what is sealed for them{refusal}", hint=_INSTEAD)
