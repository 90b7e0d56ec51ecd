"""Keys in a token: how they are made, found, described and made to sign."""

import hashlib
import secrets
from contextlib import suppress
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from pkcs11 import Attribute, Mechanism, ObjectClass

from pki.algorithm import Algorithm, algorithm_of, verify
from pki.errors import KeystoreError
from pki.keystore.cryptoki import Cryptoki, PackedMechanism, PackedTemplate, Template, Value
from pki.keystore.quirks import Quirks
from pki.keystore.results import FULL, UNREADABLE, CryptokiError

ID_BYTES = 16
NONCE_BYTES = 32
UNCOMPRESSED = 4
"""First byte of a point that gives both coordinates (SEC 1 section 2.3.3)."""
_EC_PARAMETERS = {
    Algorithm.P256: bytes.fromhex("06082a8648ce3d030107"),
    Algorithm.P384: bytes.fromhex("06052b81040022"),
    Algorithm.P521: bytes.fromhex("06052b81040023"),
}
_SPKI_HEADS = {
    Algorithm.P256: bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200"),
    Algorithm.P384: bytes.fromhex("3076301006072a8648ce3d020106052b81040022036200"),
    Algorithm.P521: bytes.fromhex("30819b301006072a8648ce3d020106052b8104002303818600"),
    Algorithm.ED448: bytes.fromhex("3043300506032b6571033a00"),
}
"""DER of a SubjectPublicKeyInfo up to its point (RFC 5480, RFC 8410)."""
POINT_BYTES = {Algorithm.P256: 65, Algorithm.P384: 97, Algorithm.P521: 133, Algorithm.ED448: 57}
EC_GENERATION = PackedMechanism(Mechanism.EC_KEY_PAIR_GEN)
EDWARDS_GENERATION = PackedMechanism(Mechanism.EC_EDWARDS_KEY_PAIR_GEN)
ECDSA = PackedMechanism(Mechanism.ECDSA)
EDDSA = PackedMechanism(Mechanism.EDDSA)
_HASHES = {algorithm: getattr(hashlib, algorithm.digest.name) for algorithm in Algorithm if algorithm.digest}
_POLICY = (
    Attribute.SENSITIVE,
    Attribute.EXTRACTABLE,
    Attribute.ALWAYS_SENSITIVE,
    Attribute.NEVER_EXTRACTABLE,
    Attribute.LOCAL,
)
_OTHER_KEY = "Use p256 for this key, or a token that can make it."


@dataclass(frozen=True)
class KeyPolicy:
    """What a token reports of a private key; None where it does not tell, or is known to tell it falsely."""

    sensitive: bool | None
    extractable: bool | None
    always_sensitive: bool | None
    never_extractable: bool | None
    local: bool | None
    """Whether it was made in this token."""


class Keys:
    """The keys of one token. Its methods speak to the token as it is: they raise `CryptokiError`."""

    def __init__(self, cryptoki: Cryptoki, quirks: Quirks, owner: str) -> None:
        self._cryptoki = cryptoki
        self._quirks = quirks
        self.owner = owner
        """The token as messages name it."""

    def create(self, session: int, label: str, algorithm: Algorithm) -> bytes:
        """Make a key pair that can never leave the token, let it sign, and return its SPKI.

        Raises:
            KeystoreError: The token can't make such a key, or not one that signs and stays.
        """
        for half in self.find(session, ObjectClass.PUBLIC_KEY, label):
            self._cryptoki.destroy(session, half)  # left by a ceremony that died between the two halves
        if self.find(session, ObjectClass.PRIVATE_KEY, label):
            raise KeystoreError(f"{self.owner} holds a private key '{label}' already", hint="Use another token.")
        halves = self._generate(session, label, algorithm)
        try:
            return self._accepted(session, halves, algorithm)
        except (CryptokiError, KeystoreError) as error:
            with suppress(CryptokiError):  # a token that could not sign may hold on to the key; its session is given up
                for half in halves:
                    self._cryptoki.destroy(session, half)
            raise KeystoreError(f"the {algorithm} keys of {self.owner} are unfit: {error}", hint=_OTHER_KEY) from error

    def _generate(self, session: int, label: str, algorithm: Algorithm) -> tuple[int, int]:
        common: dict[Attribute, Value] = {
            Attribute.TOKEN: True,
            Attribute.LABEL: label,
            Attribute.ID: secrets.token_bytes(ID_BYTES),
        }
        private: dict[Attribute, Value] = {
            Attribute.PRIVATE: True,
            Attribute.SENSITIVE: True,
            Attribute.EXTRACTABLE: False,
            Attribute.SIGN: True,
        }
        for parameters in self.parameters(algorithm):
            public: dict[Attribute, Value] = {Attribute.EC_PARAMS: parameters, Attribute.VERIFY: True}
            try:
                templates = self.packed(common | public), self.packed(common | private)
                return self._cryptoki.generate_pair(session, generation(algorithm), *templates)
            except CryptokiError as error:
                refusal = error
        hint = "Free space on the token." if refusal.code in FULL else _OTHER_KEY
        raise KeystoreError(f"{self.owner} makes no {algorithm} key: {refusal}", hint=hint) from refusal

    def _accepted(self, session: int, halves: tuple[int, int], algorithm: Algorithm) -> bytes:
        public, private = halves
        policy = self.policy(session, private)
        if not (policy.always_sensitive and policy.never_extractable):
            raise KeystoreError("they could leave it")
        made = self.spki(session, public, algorithm)
        if not self.prove(session, private, made):
            raise KeystoreError("they sign falsely")
        return made

    @property
    def oaep_hashes(self) -> tuple[str, ...]:
        """Return the hashes of RSAES-OAEP to try, the better first."""
        return self._quirks.oaep_hashes

    def parameters(self, algorithm: Algorithm) -> tuple[bytes, ...]:
        """Return the forms of EC_PARAMS to try."""
        return self._quirks.ed448_parameters if algorithm is Algorithm.ED448 else (_EC_PARAMETERS[algorithm],)

    def packed(self, template: Template) -> PackedTemplate:
        """Encode a template without the attributes that this token refuses."""
        return PackedTemplate({name: value for name, value in template.items() if name not in self._quirks.omitted})

    def find(self, session: int, object_class: ObjectClass, label: str) -> list[int]:
        """Return the objects of a class and label."""
        # Searched by class alone: one corrupt object file makes every search by label fail.
        found = self._cryptoki.find(session, {Attribute.CLASS: object_class})
        return [candidate for candidate in found if self._label(session, candidate) == label.encode()]

    def _label(self, session: int, candidate: int) -> bytes:
        try:
            return self._cryptoki.value(session, candidate, Attribute.LABEL)
        except CryptokiError as error:
            if error.code not in UNREADABLE:
                raise
            return b""  # the corrupt one itself

    def private(self, session: int, label: str) -> int:
        """Return the one private key of a label, which can't leave the token.

        Raises:
            KeystoreError: There is none, there are several, or it could leave the token.
        """
        found = self.only(session, ObjectClass.PRIVATE_KEY, label)
        if found is None:
            raise KeystoreError(
                f"key '{label}' is not in the {self.owner}", hint="Restore the token or hold the ceremony."
            )
        policy = self.policy(session, found)
        if policy.extractable is not False or not policy.sensitive:
            raise KeystoreError(f"key '{label}' could leave {self.owner}", hint="Hold a new ceremony.")
        return found

    def only(self, session: int, object_class: ObjectClass, label: str) -> int | None:
        """Return the one object of a class and label, or None.

        Raises:
            KeystoreError: There are several.
        """
        found = self.find(session, object_class, label)
        if len(found) > 1:
            raise KeystoreError(f"several keys in {self.owner} are labelled '{label}'", hint="Use a clean token.")
        return found[0] if found else None

    def public_key(self, session: int, label: str) -> bytes | None:
        """Return the SPKI of a stored pair, or None if the token does not hold both halves.

        Raises:
            KeystoreError: There are several, or the key is of no algorithm that we use.
        """
        public = self.only(session, ObjectClass.PUBLIC_KEY, label)
        private = self.only(session, ObjectClass.PRIVATE_KEY, label)
        if public is None or private is None:
            return None
        return self.spki(session, public, self._algorithm(session, public, label))

    def _algorithm(self, session: int, public: int, label: str) -> Algorithm:
        parameters = self._cryptoki.value(session, public, Attribute.EC_PARAMS)
        for algorithm in Algorithm:
            if parameters in self.parameters(algorithm):
                return algorithm
        raise KeystoreError(f"key '{label}' is none of {', '.join(Algorithm)}", hint="Use a clean token.")

    def spki(self, session: int, public: int, algorithm: Algorithm) -> bytes:
        """Return the SubjectPublicKeyInfo (DER) of a public half.

        Raises:
            KeystoreError: The token gives no point of this algorithm's curve.
        """
        # Tokens differ: the point comes bare, in an OCTET STRING, or in one whose length is a byte short.
        point = self._cryptoki.value(session, public, Attribute.EC_POINT)[-POINT_BYTES[algorithm] :]
        if len(point) != POINT_BYTES[algorithm] or (algorithm is not Algorithm.ED448 and point[0] != UNCOMPRESSED):
            raise KeystoreError(f"the token gives no public key of {algorithm}")
        return _SPKI_HEADS[algorithm] + point

    def sign(self, session: int, private: int, algorithm: Algorithm, data: bytes) -> bytes:
        """Return the signature over `data`: DER ECDSA with the curve's hash, or raw Ed448."""
        if algorithm is Algorithm.ED448:
            return self._cryptoki.sign(session, EDDSA, private, data)
        # Hashed here because half of all tokens lack CKM_ECDSA_SHA256.
        raw = self._cryptoki.sign(session, ECDSA, private, _HASHES[algorithm](data).digest())
        half = len(raw) // 2
        return encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))

    def prove(self, session: int, private: int, spki: bytes) -> bool:
        """Sign a fresh nonce and verify it with a public key (SPKI, DER)."""
        nonce = self._cryptoki.random(session, NONCE_BYTES)
        return verify(spki, nonce, self.sign(session, private, algorithm_of(spki), nonce))

    def policy(self, session: int, private: int) -> KeyPolicy:
        """Return what the token reports of a private key."""
        return KeyPolicy(*(self.told(session, private, name) for name in _POLICY))

    def told(self, session: int, target: int, name: Attribute) -> bool | None:
        """Return a flag of an object as the token reports it; None if it does not."""
        if name in self._quirks.untold:
            return None
        try:
            return self._cryptoki.value(session, target, name) == b"\x01"
        except CryptokiError as error:
            if error.away:
                raise
            return None


def generation(algorithm: Algorithm) -> PackedMechanism:
    """Return the mechanism that makes a key pair."""
    return EDWARDS_GENERATION if algorithm is Algorithm.ED448 else EC_GENERATION
