"""The keystore that the PKI works with: one token, opened for signing, for device keys, or for both.

Private keys are made in the token and stay there. A device's key is a session object: it leaves only wrapped, and is
destroyed at once. Nothing here falls back to software.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path

from pki.algorithm import Algorithm, algorithm_of
from pki.errors import KeystoreError
from pki.keystore.batch import BatchKeys
from pki.keystore.cryptoki import SECURITY_OFFICER
from pki.keystore.devices import DeviceKeys
from pki.keystore.keys import KeyPolicy, Keys
from pki.keystore.macs import HashKeys
from pki.keystore.quirks import quirks_of
from pki.keystore.sealing import SealedContent, SealingKeys
from pki.keystore.sessions import BUSY_SECONDS, KeyGone, Token, Worker
from pki.keystore.wrapped import Recipient, RsaTransport, WrappedKek, WrappedKey
from pki.plan import TokenPlan


class Purpose(StrEnum):
    """What a token is opened for."""

    SIGN = "sign"
    """It holds keys of CAs and other signers."""
    DEVICES = "devices"
    """It makes and wraps device keys."""


ALL_PURPOSES = frozenset(Purpose)


@dataclass(frozen=True)
class Capabilities:
    """What a token is, and what it was seen to do."""

    manufacturer: str
    model: str
    transports: frozenset[str]
    """Kinds of recipients that P-256 device keys are wrapped for: `rsa-oaep`, `ecdh-p256`, `kek`."""
    refusals: dict[str, str]
    """Why the other kinds can't be served."""
    guards_trusted: bool
    """Whether a device key can be kept from every wrapping key but the security officer's."""


@dataclass(frozen=True)
class _Bound:
    spki: bytes
    algorithm: Algorithm


class Keystore:
    """One logged-in token; safe from many threads, refused in a forked child."""

    def __init__(self, token: Token, purposes: Collection[Purpose]) -> None:
        self._token = token
        quirks = quirks_of(token.info)
        self._keys = Keys(token.cryptoki, quirks, f"token '{token.name}'")
        self._devices = DeviceKeys(token.cryptoki, quirks, self._keys)
        self._hashes = HashKeys(token.cryptoki, self._keys)
        self._sealings = SealingKeys(token.cryptoki, self._keys)
        self._bound: dict[str, _Bound] = {}
        self._sealing: dict[str, bytes] = {}
        self._for_devices = Purpose.DEVICES in purposes
        if self._for_devices:
            token.call("try how device keys are wrapped", lambda worker: self._devices.probe(worker.session))
        token.on_open(self._check)

    @property
    def name(self) -> str:
        """Return the token's label."""
        return self._token.name

    @property
    def transports(self) -> frozenset[str]:
        """Return the kinds of recipients that device keys are wrapped for: `rsa-oaep`, `ecdh-p256`, `kek`."""
        return self._devices.transports

    @property
    def capabilities(self) -> Capabilities:
        """Return what the token is and can do, as it was found when it was opened."""
        info, devices = self._token.info, self._devices
        return Capabilities(info.manufacturer, info.model, devices.transports, devices.refusals, devices.guards_trusted)

    def close(self) -> None:
        """Close every session; the session objects are gone with them."""
        self._token.close()

    def random(self, size: int) -> bytes:
        """Return `size` bytes of the token's random generator.

        Raises:
            KeystoreError: The token does not answer.
        """
        cryptoki = self._token.cryptoki
        return self._token.call("random numbers", lambda worker: cryptoki.random(worker.session, size))

    def create_hash_key(self, label: str) -> bool:
        """Make a key for keyed hashes that can never leave the token, unless it is there; False if the token can't.

        Raises:
            KeystoreError: The token does not answer.
        """

        def make(worker: Worker) -> bool:
            return self._hashes.exists(worker.session, label) or self._hashes.make(worker.session, label)

        return self._token.call(f"make hash key '{label}'", make)

    def keyed_hash(self, label: str, data: bytes) -> bytes:
        """Return the HMAC-SHA-256 of `data` under a hash key of the token.

        Raises:
            KeystoreError: The token does not answer, or does not hold the key.
        """
        return self._token.call(f"hash with '{label}'", lambda worker: self._hashes.hash(worker, label, data))

    def public_key(self, label: str) -> bytes | None:
        """Return the SPKI of a stored key pair, or None if the token does not hold both halves.

        Raises:
            KeystoreError: The token does not answer, or the label is not unique.
        """
        return self._token.call(f"find key '{label}'", lambda worker: self._keys.public_key(worker.session, label))

    def policy(self, label: str) -> KeyPolicy:
        """Return what the token reports of a stored private key.

        Raises:
            KeystoreError: The token does not answer, or the key is missing, ambiguous or extractable.
        """

        def read(worker: Worker) -> KeyPolicy:
            return self._keys.policy(worker.session, self._keys.private(worker.session, label))

        return self._token.call(f"read the policy of '{label}'", read)

    def create(self, label: str, algorithm: Algorithm = Algorithm.P256) -> bytes:
        """Make a key pair that can never leave the token, and return its SPKI; call from one thread only.

        Raises:
            KeystoreError: The token does not answer, or can't make such a key that signs and stays.
        """
        return self._token.call(
            f"make key '{label}'", lambda worker: self._keys.create(worker.session, label, algorithm)
        )

    def create_sealing(self, label: str, bits: int) -> bytes:
        """Make an RSA pair that opens what is sealed for it, does nothing else, and never leaves; return its SPKI.

        Raises:
            KeystoreError: The token does not answer, or can't make such a key that opens and stays.
        """
        return self._token.call(
            f"make sealing key '{label}'", lambda worker: self._sealings.make(worker.session, label, bits)
        )

    def sealing_key(self, label: str) -> bytes | None:
        """Return the SPKI of a sealing key, or None if the token does not hold both halves.

        Raises:
            KeystoreError: The token does not answer, or the label is not unique.
        """
        return self._token.call(f"find key '{label}'", lambda worker: self._sealings.spki(worker.session, label))

    def bind_sealing(self, label: str, spki: bytes) -> str:
        """Prove that the token opens what is sealed for `spki`; return the hash of RSAES-OAEP that it opens.

        Raises:
            KeystoreError: The token does not answer, or the key is missing, extractable, or not that of `spki`.
        """
        name = self._token.call(f"prove key '{label}'", lambda worker: self._sealings.prove(worker, label, spki))
        self._sealing[label] = spki
        return name

    def open_sealed(self, label: str, sealed: SealedContent) -> bytes:
        """Return what was sealed for a sealing key of this token.

        Raises:
            KeystoreError: The token does not answer, or the content is for another key or damaged.
        """
        return self._token.call(f"open with '{label}'", lambda worker: self._sealings.open(worker, label, sealed))

    def create_kek(self, label: str, recipient: RsaTransport | None = None) -> WrappedKek | None:
        """Make a batch's AES-256 key; return it wrapped for whoever puts it into the devices, if anybody.

        It leaves the token this one time only. `create_trusted_kek` makes a better one where the token can.

        Raises:
            KeystoreError: The token does not answer or refuses, or the label is taken.
        """
        return self._token.call(
            f"make batch key '{label}'",
            lambda worker: BatchKeys(self._token.cryptoki, self._keys).make(
                worker.session, label, recipient, trusted=False
            ),
        )

    def bind(self, label: str, spki: bytes) -> None:
        """Find a private key, and prove by a signature that it belongs to `spki`; so does every session that uses it.

        Raises:
            KeystoreError: The key is missing, ambiguous, extractable, or not the certificate's.
        """
        bound = _Bound(spki, algorithm_of(spki))
        self._token.call(f"find key '{label}'", partial(self._find, label=label, bound=bound))
        self._bound[label] = bound

    def prove(self, label: str, spki: bytes) -> None:
        """Sign a fresh nonce and verify it with `spki`: the only honest health check of a token.

        Raises:
            KeystoreError: The token does not sign, or the signature is of another key.
        """

        def prove(worker: Worker) -> bool:
            return self._keys.prove(worker.session, self._handle(worker, label, self._known(label)), spki)

        if not self._token.call(f"prove key '{label}'", prove):
            raise self._foreign(label)

    def sign(self, label: str, data: bytes) -> bytes:
        """Return the signature over `data` by a bound key: DER ECDSA with its curve's hash, or raw Ed448.

        Raises:
            KeystoreError: The token does not answer.
        """
        bound = self._known(label)

        def sign(worker: Worker) -> bytes:
            handle = worker.keys.get(label) or self._handle(worker, label, bound)
            return self._keys.sign(worker.session, handle, bound.algorithm, data)

        return self._token.call(f"sign with '{label}'", sign)

    def wrap_new_key(self, recipient: Recipient, algorithm: Algorithm = Algorithm.P256) -> WrappedKey:
        """Make a key for a device; return it wrapped for `recipient` alone, after the token's copy is destroyed.

        Raises:
            KeystoreError: The token does not answer, or can't make or wrap such a key for this recipient.
            RequestRefused: The recipient's key is unfit.
        """
        if not self._for_devices:
            raise KeystoreError(f"token '{self.name}' was not opened for device keys", hint="Use the devices' token.")
        return self._token.call(
            "make and wrap a device key", lambda worker: self._devices.wrap(worker, recipient, algorithm)
        )

    def self_test(self) -> None:
        """Wrap throwaways for every kind of recipient and open them in software.

        Raises:
            KeystoreError: What comes out is not what it was when the token was opened.
        """
        self._token.call("wrap throwaways", lambda worker: self._devices.test(worker.session))

    def health(self) -> str:
        """Return what is wrong with the token now, or nothing: every bound key signs, or a throwaway is wrapped.

        A token that is away is brought up again here, if a try is due.
        """
        try:
            for label, bound in list(self._bound.items()):
                self.prove(label, bound.spki)
            for label, spki in list(self._sealing.items()):
                self.bind_sealing(label, spki)
            if not self._bound:
                self.self_test() if self._for_devices else self.random(1)
        except KeystoreError as error:
            return error.message
        return ""

    def _known(self, label: str) -> _Bound:
        try:
            return self._bound[label]
        except KeyError:
            raise KeystoreError(f"key '{label}' was not bound to its certificate", hint="Bind it first.") from None

    def _check(self, worker: Worker) -> None:
        """Prove every bound key in a session that was opened after an outage."""
        for label, bound in list(self._bound.items()):
            self._handle(worker, label, bound)
        for label, spki in list(self._sealing.items()):
            self._sealings.prove(worker, label, spki)
        if not self._bound:
            self._token.cryptoki.random(worker.session, 1)

    def _handle(self, worker: Worker, label: str, bound: _Bound) -> int:
        handle = worker.keys.get(label)
        if handle is None:
            try:
                handle = self._find(worker, label, bound)
            except KeystoreError as error:
                raise KeyGone(error.message, hint=error.hint) from error
        return handle

    def _find(self, worker: Worker, label: str, bound: _Bound) -> int:
        handle = self._keys.private(worker.session, label)
        if not self._keys.prove(worker.session, handle, bound.spki):
            raise self._foreign(label)
        worker.keys[label] = handle
        return handle

    def _foreign(self, label: str) -> KeystoreError:
        return KeystoreError(f"key '{label}' in token '{self.name}' does not belong to its certificate")


def open_keystore(
    plan: TokenPlan,
    directory: Path,
    pin: str,
    *,
    purposes: Collection[Purpose] = ALL_PURPOSES,
    busy_seconds: float = BUSY_SECONDS,
) -> Keystore:
    """Log in to the planned token, with exactly one try of the PIN, and test that it can do what it is opened for.

    Raises:
        KeystoreError: The module, the token, the PIN or a mechanism is not as planned.
    """
    token = Token(plan, directory, pin, busy_seconds=busy_seconds)
    try:
        return Keystore(token, purposes)
    except BaseException:
        token.close()
        raise


def create_trusted_kek(
    plan: TokenPlan, directory: Path, officer_pin: str, label: str, recipient: RsaTransport | None = None
) -> WrappedKek | None:
    """Make a batch's key as the token's security officer, so that device keys marked for it go under no other key.

    The token must not be open in this process.

    Raises:
        KeystoreError: The token, the PIN or an attribute is refused.
    """
    token = Token(replace(plan, sessions=1), directory, officer_pin, user=SECURITY_OFFICER)
    try:
        keys = Keys(token.cryptoki, quirks_of(token.info), f"token '{token.name}'")
        return token.call(
            f"make trusted batch key '{label}'",
            lambda worker: BatchKeys(token.cryptoki, keys).make(worker.session, label, recipient, trusted=True),
        )
    finally:
        token.close()
