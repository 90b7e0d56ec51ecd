"""Keys in the HSM: the only place that speaks PKCS#11.

One login for the life of the process holds every other session open; the others never see the PIN. Private keys are
made in the token and stay there. A device's key is a session object: it leaves only wrapped, and is destroyed at once.
Nothing here falls back to software.
"""

import hashlib
import os
import queue
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from pkcs11 import MGF, Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass, exceptions
from pkcs11.util.ec import encode_named_curve_parameters

from pki.algorithm import Algorithm
from pki.csr import p256_key
from pki.errors import KeystoreError
from pki.keystore.module import module, module_environment
from pki.keystore.wrapped import Recipient, RsaTransport, WrappedKey
from pki.plan import TokenPlan

NEEDED = (
    Mechanism.EC_KEY_PAIR_GEN,
    Mechanism.ECDSA,
    Mechanism.AES_KEY_GEN,
    Mechanism.AES_KEY_WRAP_PAD,
    Mechanism.RSA_PKCS_OAEP,
)
OAEP = {
    "sha256": (Mechanism.SHA256, MGF.SHA256, None),
    "sha1": (Mechanism.SHA_1, MGF.SHA1, None),
}
"""OAEP parameters by hash, the better first; which one the token really uses is found by trying."""
P256_POINT_BYTES = 65
BUSY_SECONDS = 30.0


@dataclass
class _Worker:
    """One session without PIN, and the handles found through it."""

    session: Any
    keys: dict[str, Any] = field(default_factory=dict)


class Keystore:
    """One logged-in token; safe from many threads, refused in a forked child."""

    def __init__(self, plan: TokenPlan, directory: Path, pin: str) -> None:
        self._plan = plan
        self._pid = os.getpid()
        self._module = module(plan.module)
        self._workers: queue.LifoQueue[_Worker] = queue.LifoQueue()
        self._closed = False
        library = self._module.acquire(plan.label, module_environment(plan.environment, directory))
        with ExitStack() as opened:
            opened.callback(self._module.release, plan.label)
            token = _token(library, plan.label)
            self._anchor = _log_in(token, pin)
            with self._calls("open sessions"):
                for _ in range(plan.sessions):
                    self._workers.put(_Worker(token.open(rw=True)))
            self._oaep = self._find_oaep()
            opened.pop_all()

    @property
    def name(self) -> str:
        """Return the token's label."""
        return self._plan.label

    def close(self) -> None:
        """Close every session; the session objects are gone with them."""
        if not self._closed and os.getpid() == self._pid:
            self._closed = True
            self._module.release(self._plan.label)

    def random(self, size: int) -> bytes:
        """Return `size` bytes of the token's random generator.

        Raises:
            KeystoreError: The token does not answer.
        """
        with self._worker("random numbers") as worker:
            return bytes(worker.session.generate_random(size * 8))

    def public_key(self, label: str) -> bytes | None:
        """Return the SPKI of a stored key pair, or None if the token does not hold both halves.

        Raises:
            KeystoreError: The token does not answer, or the label is not unique.
        """
        with self._worker(f"find key '{label}'") as worker:
            public = _find(worker.session, ObjectClass.PUBLIC_KEY, label)
            private = _find(worker.session, ObjectClass.PRIVATE_KEY, label)
            _refuse_many(label, public, private)
            return _spki(public[0]) if public and private else None

    def create(self, label: str, algorithm: Algorithm = Algorithm.P256) -> bytes:
        """Make a key pair that can never leave the token, and return its SPKI; call from one thread only.

        Raises:
            KeystoreError: The token does not answer or refuses.
        """
        if algorithm is not Algorithm.P256:
            raise KeystoreError(f"token '{self.name}' makes no {algorithm} keys")
        with self._worker(f"make key '{label}'") as worker:
            for half in _find(worker.session, ObjectClass.PUBLIC_KEY, label):
                half.destroy()  # left by a ceremony that died between the two halves
            public, private = _generate(worker.session, label, store=True, extractable=False)
            if not (private[Attribute.ALWAYS_SENSITIVE] and private[Attribute.NEVER_EXTRACTABLE]):
                raise KeystoreError(f"token '{self.name}' made key '{label}' extractable")
            return _spki(public)

    def bind(self, label: str, spki: bytes) -> None:
        """Find a private key once for every session, and prove by a signature that it belongs to `spki`.

        Raises:
            KeystoreError: The key is missing, ambiguous, extractable, or not the certificate's.
        """
        with ExitStack() as stack:
            for _ in range(self._plan.sessions):
                worker = stack.enter_context(self._worker(f"find key '{label}'"))
                worker.keys[label] = _private_key(worker.session, label)
        self.prove(label, spki)

    def prove(self, label: str, spki: bytes) -> None:
        """Sign a fresh nonce and verify it with `spki`: the only honest health check of a token.

        Raises:
            KeystoreError: The token does not sign, or the signature is of another key.
        """
        nonce = self.random(32)
        signature = self.sign(label, nonce)
        try:
            p256_key(spki).verify(signature, nonce, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature as error:
            raise KeystoreError(f"key '{label}' in token '{self.name}' does not belong to its certificate") from error

    def sign(self, label: str, data: bytes) -> bytes:
        """Return the DER ECDSA-SHA256 signature over `data` by a bound key.

        Raises:
            KeystoreError: The token does not answer.
        """
        # Hashed here because half of all tokens lack CKM_ECDSA_SHA256.
        digest = hashlib.sha256(data).digest()
        with self._worker(f"sign with '{label}'") as worker:
            raw = worker.keys[label].sign(digest, mechanism=Mechanism.ECDSA)
        half = len(raw) // 2
        return encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))

    def wrap_new_key(self, recipient: Recipient, algorithm: Algorithm = Algorithm.P256) -> WrappedKey:
        """Make a key for a device; return it wrapped for `recipient` alone, after the token's copy is destroyed.

        Raises:
            KeystoreError: The token does not answer, or can't make or wrap such a key for this recipient.
        """
        if not isinstance(recipient, RsaTransport) or algorithm is not Algorithm.P256:
            raise KeystoreError(f"token '{self.name}' wraps P-256 keys for RSA transports only")
        return self._wrap(recipient, self._oaep)

    def self_test(self) -> None:
        """Wrap a throwaway key and open it in software: a mechanism's name does not tell its format.

        Raises:
            KeystoreError: What comes out is not RFC 5649 under RSAES-OAEP.
        """
        self._try_wrap(rsa.generate_private_key(65537, 2048), self._oaep)

    def _find_oaep(self) -> str:
        throwaway = rsa.generate_private_key(65537, 2048)
        for name in OAEP:
            try:
                self._try_wrap(throwaway, name)
            except KeystoreError as error:
                refusal = error
            else:
                return name
        raise refusal

    def _try_wrap(self, throwaway: rsa.RSAPrivateKey, oaep: str) -> None:
        wrapped = self._wrap(RsaTransport(throwaway.public_key().public_bytes(*_SPKI)), oaep)
        digest = {"sha1": hashes.SHA1, "sha256": hashes.SHA256}[oaep]()
        scheme = padding.OAEP(padding.MGF1(digest), digest, None)
        try:
            content_key = throwaway.decrypt(wrapped.content_key, scheme)
            clear = keywrap.aes_key_unwrap_with_padding(content_key, wrapped.key)
            private = serialization.load_der_private_key(clear[: _der_length(clear)], None)
            spki = private.public_key().public_bytes(*_SPKI)
        except (ValueError, keywrap.InvalidUnwrap) as error:
            raise KeystoreError(f"token '{self.name}' wraps keys in a format that devices can't open") from error
        if spki != wrapped.spki:
            raise KeystoreError(f"token '{self.name}' wrapped another key than it made")

    def _wrap(self, transport: RsaTransport, oaep: str) -> WrappedKey:
        with self._worker("make and wrap a device key") as worker, ExitStack() as objects:
            public, private = _generate(worker.session, "", store=False, extractable=True)
            objects.callback(public.destroy)
            objects.callback(private.destroy)
            content_key = _content_key(worker.session)
            objects.callback(content_key.destroy)
            recipient = _recipient(worker.session, transport.spki)
            objects.callback(recipient.destroy)
            return WrappedKey(
                spki=_spki(public),
                key=content_key.wrap_key(private, mechanism=Mechanism.AES_KEY_WRAP_PAD),
                recipient=transport,
                content_key=recipient.wrap_key(
                    content_key, mechanism=Mechanism.RSA_PKCS_OAEP, mechanism_param=OAEP[oaep]
                ),
                oaep_hash=oaep,
            )

    @contextmanager
    def _worker(self, what: str) -> Iterator[_Worker]:
        if os.getpid() != self._pid:
            raise KeystoreError("the HSM was opened before a fork", hint="Start processes with spawn.")
        if self._closed:
            raise KeystoreError(f"token '{self.name}' is closed")
        try:
            worker = self._workers.get(timeout=BUSY_SECONDS)
        except queue.Empty as error:
            raise KeystoreError(f"token '{self.name}' is busy for {BUSY_SECONDS:g} s: {what}") from error
        try:
            with self._calls(what):
                yield worker
        finally:
            self._workers.put(worker)

    @contextmanager
    def _calls(self, what: str) -> Iterator[None]:
        try:
            yield
        except exceptions.PKCS11Error as error:
            raise KeystoreError(f"token '{self.name}': {what}: {type(error).__name__} {error}".rstrip()) from error


_SPKI = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def open_keystore(plan: TokenPlan, directory: Path, pin: str) -> Keystore:
    """Log in to the planned token, with exactly one try of the PIN, and test that it can do all that is needed.

    Raises:
        KeystoreError: The module, the token, the PIN or a mechanism is not as planned.
    """
    return Keystore(plan, directory, pin)


def _token(library: Any, label: str) -> Any:
    try:
        token = library.get_token(token_label=label)
        missing = [mechanism.name for mechanism in NEEDED if mechanism not in token.slot.get_mechanisms()]
    except exceptions.MultipleTokensReturned as error:
        raise KeystoreError(f"several tokens are labelled '{label}'") from error
    except exceptions.PKCS11Error as error:
        raise KeystoreError(f"token '{label}' is missing: {type(error).__name__}") from error
    if missing:
        raise KeystoreError(f"token '{label}' lacks {', '.join(missing)}", hint="Use another HSM.")
    return token


def _log_in(token: Any, pin: str) -> Any:
    try:
        return token.open(user_pin=pin)
    except (exceptions.PinIncorrect, exceptions.PinLocked, exceptions.PinLenRange, exceptions.PinInvalid) as error:
        # Never tried again by itself: many tokens lock after three wrong PINs.
        raise KeystoreError(
            f"the PIN of token '{token.label}' is wrong ({type(error).__name__}); it was tried once",
            hint="Correct the secret hsm-pin before you start again.",
        ) from error
    except exceptions.PKCS11Error as error:
        raise KeystoreError(f"token '{token.label}' refuses the login: {type(error).__name__}") from error


def _find(session: Any, object_class: ObjectClass, label: str) -> list[Any]:
    # Searched by class alone: one corrupt object file makes every search by label fail.
    found = []
    for candidate in list(session.get_objects({Attribute.CLASS: object_class})):
        try:
            if candidate.label == label:
                found.append(candidate)
        except exceptions.PKCS11Error:
            continue  # the corrupt one itself
    return found


def _private_key(session: Any, label: str) -> Any:
    found = _find(session, ObjectClass.PRIVATE_KEY, label)
    _refuse_many(label, found)
    if not found:
        raise KeystoreError(f"key '{label}' is not in the token", hint="Restore the token or hold the ceremony.")
    if found[0][Attribute.EXTRACTABLE] or not found[0][Attribute.SENSITIVE]:
        raise KeystoreError(f"key '{label}' could leave the token", hint="Hold a new ceremony.")
    return found[0]


def _refuse_many(label: str, *searches: list[Any]) -> None:
    if any(len(found) > 1 for found in searches):
        raise KeystoreError(f"several keys in the token are labelled '{label}'")


def _generate(session: Any, label: str, *, store: bool, extractable: bool) -> tuple[Any, Any]:
    curve = {Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
    public, private = session.create_domain_parameters(KeyType.EC, curve, local=True).generate_keypair(
        store=store,
        label=label,
        capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY,
        private_template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: extractable, Attribute.PRIVATE: True},
    )
    return public, private


def _content_key(session: Any) -> Any:
    template = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: True}
    return session.generate_key(KeyType.AES, 256, store=False, capabilities=MechanismFlag.WRAP, template=template)


def _recipient(session: Any, spki: bytes) -> Any:
    transport = serialization.load_der_public_key(spki)
    if not isinstance(transport, rsa.RSAPublicKey):
        raise KeystoreError("the transport key is not RSA")
    numbers = transport.public_numbers()
    return session.create_object(
        {
            Attribute.CLASS: ObjectClass.PUBLIC_KEY,
            Attribute.KEY_TYPE: KeyType.RSA,
            Attribute.TOKEN: False,
            Attribute.WRAP: True,
            Attribute.MODULUS: numbers.n.to_bytes(transport.key_size // 8, "big"),
            Attribute.PUBLIC_EXPONENT: numbers.e.to_bytes((numbers.e.bit_length() + 7) // 8, "big"),
        }
    )


def _spki(public: Any) -> bytes:
    # Tokens differ: the point comes bare or inside an OCTET STRING.
    point = public[Attribute.EC_POINT][-P256_POINT_BYTES:]
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point).public_bytes(*_SPKI)


def _der_length(data: bytes) -> int:
    """Return where the SEQUENCE at the start of `data` ends; short form and one or two length bytes."""
    if len(data) < 4 or data[0] != 0x30:
        raise ValueError("no DER SEQUENCE")
    if data[1] < 0x80:
        return 2 + data[1]
    size = data[1] & 0x7F
    return 2 + size + int.from_bytes(data[2 : 2 + size], "big")
