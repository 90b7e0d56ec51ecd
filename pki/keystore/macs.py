"""Keys for keyed hashes: what was hashed can be recognised through the token, and guessed nowhere else."""

from pkcs11 import Attribute, Mechanism, ObjectClass

from pki.errors import KeystoreError
from pki.keystore.cryptoki import Cryptoki, PackedMechanism, Value
from pki.keystore.keys import Keys
from pki.keystore.results import CryptokiError
from pki.keystore.sessions import Worker

BYTES = 32
_GENERATION = PackedMechanism(Mechanism.GENERIC_SECRET_KEY_GEN)
_HMAC = PackedMechanism(Mechanism.SHA256_HMAC)


class HashKeys:
    """The hash keys of one token; it raises `CryptokiError`."""

    def __init__(self, cryptoki: Cryptoki, keys: Keys) -> None:
        self._cryptoki, self._keys = cryptoki, keys

    def exists(self, session: int, label: str) -> bool:
        """Tell whether the token holds a hash key of this label."""
        return self._keys.only(session, ObjectClass.SECRET_KEY, label) is not None

    def make(self, session: int, label: str) -> bool:
        """Make a key that can never leave the token; False if the token makes none, or none that hashes and stays."""
        template: dict[Attribute, Value] = {
            Attribute.TOKEN: True,
            Attribute.LABEL: label,
            Attribute.PRIVATE: True,
            Attribute.SENSITIVE: True,
            Attribute.EXTRACTABLE: False,
            Attribute.SIGN: True,
            Attribute.VALUE_LEN: BYTES,
        }
        try:
            key = self._cryptoki.generate(session, _GENERATION, self._keys.packed(template))
        except CryptokiError as error:
            return _lacking(error)
        fit = self._fit(session, key)
        if not fit:
            self._cryptoki.destroy(session, key)
        return fit

    def hash(self, worker: Worker, label: str, data: bytes) -> bytes:
        """Return the HMAC-SHA-256 of `data`.

        Raises:
            KeystoreError: The key is not in the token.
        """
        key = worker.keys.get(label)
        if key is None:
            key = self._keys.only(worker.session, ObjectClass.SECRET_KEY, label)
            if key is None:
                raise KeystoreError(f"{self._keys.owner} has no hash key '{label}'", hint="Restore the token.")
            worker.keys[label] = key
        return self._cryptoki.sign(worker.session, _HMAC, key, data)

    def _fit(self, session: int, key: int) -> bool:
        try:
            first, second = (self._cryptoki.sign(session, _HMAC, key, b"") for _ in range(2))
        except CryptokiError as error:
            return _lacking(error)
        stays = self._keys.told(session, key, Attribute.EXTRACTABLE) is False
        return first == second and len(first) == BYTES and stays


def _lacking(error: CryptokiError) -> bool:
    if error.away:
        raise error
    return False
