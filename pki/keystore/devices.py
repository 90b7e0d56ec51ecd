"""Keys for devices: which recipients a token can serve, found by trying.

Throwaways are wrapped and opened in software. A recipient that a token can't serve is refused by the name of the
mechanism that is lacking, and with what can be done instead.
"""

from contextlib import suppress
from itertools import product

from pkcs11 import Attribute, ObjectClass

from pki.algorithm import Algorithm
from pki.errors import KeystoreError
from pki.keystore.cryptoki import Cryptoki, PackedMechanism, Value
from pki.keystore.keys import Keys
from pki.keystore.quirks import Quirks
from pki.keystore.results import CryptokiError
from pki.keystore.sessions import Worker
from pki.keystore.throwaway import ec_throwaway, kek_throwaway, rsa_throwaway
from pki.keystore.wrapped import BatchKek, EcTransport, Recipient, RsaTransport, WrappedKey
from pki.keystore.wrapping import NO_KEK, SECRET, Kek, Way, Wrapping

RSA, EC, KEK = "rsa-oaep", "ecdh-p256", "kek"
KINDS: dict[type[Recipient], str] = {RsaTransport: RSA, EcTransport: EC, BatchKek: KEK}
NEEDS = {
    RSA: "RSA transport keys (CKM_RSA_PKCS_OAEP)",
    KEK: "batch keys (AES key wrap with padding, RFC 5649)",
    EC: "EC transport keys (CKM_ECDH1_DERIVE with CKD_SHA256_KDF inside the HSM, RFC 5753)",
}
INSTEAD = {RSA: "an RSA transport key", EC: "an EC transport key", KEK: "a batch key"}


class DeviceKeys:
    """The device keys of one token. Its methods speak to the token as it is: they raise `CryptokiError`."""

    def __init__(self, cryptoki: Cryptoki, quirks: Quirks, keys: Keys) -> None:
        self._cryptoki, self._quirks, self._keys = cryptoki, quirks, keys
        self._ways: dict[tuple[str, Algorithm], Way] = {}
        self._refusals: dict[tuple[str, Algorithm], KeystoreError] = {}
        self._wrapping = Wrapping(cryptoki, keys)
        self.guards_trusted = False
        """Whether the token keeps a key marked WRAP_WITH_TRUSTED from being wrapped by any other."""

    @property
    def transports(self) -> frozenset[str]:
        """Return the kinds of recipients that P-256 keys can be wrapped for."""
        return frozenset(kind for kind, algorithm in self._ways if algorithm is Algorithm.P256)

    @property
    def refusals(self) -> dict[str, str]:
        """Return why other kinds can't be served, by kind."""
        return {kind: why.message for (kind, algorithm), why in self._refusals.items() if algorithm is Algorithm.P256}

    def probe(self, session: int) -> None:
        """Find out what the token can do with P-256 keys.

        Raises:
            KeystoreError: It can't wrap keys for anybody.
        """
        for kind in NEEDS:
            with suppress(KeystoreError):
                self._way(session, kind, Algorithm.P256)
        if not self._ways:
            why = self._refusals.get((RSA, Algorithm.P256))
            message = why.message if why else f"{self._keys.owner} does not answer"
            raise KeystoreError(message, hint="Use another HSM for device keys.")
        self.guards_trusted = self._guards_trusted(session)

    def test(self, session: int) -> None:
        """Wrap throwaways in every way that was found, and open them in software.

        Raises:
            KeystoreError: What comes out can't be opened any more.
        """
        for (kind, algorithm), way in list(self._ways.items()):
            self._try(session, kind, algorithm, way)

    def wrap(self, worker: Worker, recipient: Recipient, algorithm: Algorithm) -> WrappedKey:
        """Make a key and return it wrapped for one recipient, after every trace of it in the token is destroyed.

        Raises:
            KeystoreError: The token can't make or wrap such a key for this recipient.
            RequestRefused: The recipient's key is unfit.
        """
        way = self._way(worker.session, KINDS[type(recipient)], algorithm)
        kek = self._kek(worker, recipient.label) if isinstance(recipient, BatchKek) else NO_KEK
        return self._wrapping.wrap(worker.session, recipient, algorithm, way, kek)

    def _kek(self, worker: Worker, label: str) -> Kek:
        kek = worker.keks.get(label)
        if kek is None:
            found = self._keys.only(worker.session, ObjectClass.SECRET_KEY, label)
            if found is None:
                raise KeystoreError(f"{self._keys.owner} has no batch key '{label}'", hint="Make it first.")
            trusted = self._keys.told(worker.session, found, Attribute.TRUSTED)
            kek = worker.keks[label] = found, bool(trusted and self.guards_trusted)
        return kek

    def _way(self, session: int, kind: str, algorithm: Algorithm) -> Way:
        way = self._ways.get((kind, algorithm))
        return way or self._find_way(session, kind, algorithm)

    def _find_way(self, session: int, kind: str, algorithm: Algorithm) -> Way:
        known = self._refusals.get((kind, algorithm))
        if known:
            raise known
        wraps = [PackedMechanism(mechanism) for mechanism in self._quirks.key_wraps]
        hashes = self._quirks.oaep_hashes if kind == RSA else ("",)
        for options in product(wraps, hashes, self._keys.parameters(algorithm)):
            try:
                self._try(session, kind, algorithm, Way(*options))
            except (CryptokiError, KeystoreError) as error:
                refusal = error
            else:
                return self._ways.setdefault((kind, algorithm), Way(*options))
        raise self._refused(kind, algorithm, refusal) from refusal

    def _refused(self, kind: str, algorithm: Algorithm, why: Exception) -> KeystoreError:
        others = [INSTEAD[other] for other, found in self._ways if other != kind and found is algorithm]
        hint = f"Use {' or '.join([*others, 'a key that the device makes itself'])}."
        refused = KeystoreError(f"{self._keys.owner} can't wrap {algorithm} keys for {NEEDS[kind]}: {why}", hint=hint)
        if not (isinstance(why, CryptokiError) and why.away):
            self._refusals[kind, algorithm] = refused
        return refused

    def _try(self, session: int, kind: str, algorithm: Algorithm, way: Way) -> None:
        if kind == KEK:
            return self._try_kek(session, algorithm, way)
        recipient, throwaway = rsa_throwaway() if kind == RSA else ec_throwaway()
        return throwaway.check(self._wrapping.wrap(session, recipient, algorithm, way))

    def _try_kek(self, session: int, algorithm: Algorithm, way: Way) -> None:
        known, throwaway = kek_throwaway()
        given: dict[Attribute, Value] = {Attribute.TOKEN: False, Attribute.WRAP: True, Attribute.VALUE: known}
        with self._wrapping.scratch(session) as made:
            made.append(self._cryptoki.create(session, self._keys.packed(SECRET | given)))
            throwaway.check(self._wrapping.wrap(session, BatchKek(""), algorithm, way, (made[0], False)))

    def _guards_trusted(self, session: int) -> bool:
        """Tell whether a key marked for trusted wrapping can't be wrapped by another."""
        way = next(iter(self._ways.values()))
        with suppress(CryptokiError), self._wrapping.scratch(session) as made:
            made.append(self._wrapping.content_key(session))
            made.extend(self._wrapping.device_pair(session, Algorithm.P256, way, trusted=True))
            try:
                self._cryptoki.wrap(session, way.key_wrap, made[0], made[2])
            except CryptokiError as error:
                return not error.away
        return False
