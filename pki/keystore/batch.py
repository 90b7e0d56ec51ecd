"""Batch keys: AES-256 keys that a small batch of devices shares with the token.

Such a key leaves the token once, when it is made, wrapped for whoever puts it into the devices. From then on it can't.
"""

from pkcs11 import Attribute, ObjectClass

from pki.errors import KeystoreError
from pki.keystore.cryptoki import Cryptoki, Value
from pki.keystore.keys import Keys
from pki.keystore.results import CryptokiError
from pki.keystore.throwaway import rsa_throwaway
from pki.keystore.wrapped import RsaTransport, WrappedKek, WrappedKey
from pki.keystore.wrapping import AES_GENERATION, OAEP, WRAPPING, Wrapping


class BatchKeys:
    """Makes the batch keys of one token; it raises `CryptokiError`."""

    def __init__(self, cryptoki: Cryptoki, keys: Keys) -> None:
        self._cryptoki, self._keys, self._wrapping = cryptoki, keys, Wrapping(cryptoki, keys)

    def make(self, session: int, label: str, recipient: RsaTransport | None, *, trusted: bool) -> WrappedKek | None:
        """Make a batch key, and return it wrapped for its recipient.

        Raises:
            KeystoreError: The label is taken, or the token has no RSAES-OAEP that can be opened in software.
        """
        if self._keys.find(session, ObjectClass.SECRET_KEY, label):
            raise KeystoreError(f"{self._keys.owner} holds a batch key '{label}' already", hint="Choose another label.")
        oaep_hash = self._oaep_hash(session) if recipient else ""
        key = self._cryptoki.generate(session, AES_GENERATION, self._keys.packed(_template(label, trusted=trusted)))
        try:
            return self._handed_out(session, key, WrappedKek(label, b"", oaep_hash), recipient)
        except BaseException:
            self._cryptoki.destroy(session, key)
            raise

    def _handed_out(self, session: int, key: int, kek: WrappedKek, recipient: RsaTransport | None) -> WrappedKek | None:
        handed = None
        if recipient:
            with self._wrapping.scratch(session) as made:
                made.append(transport := self._wrapping.rsa_key(session, recipient))
                wrapped = self._cryptoki.wrap(session, OAEP[kek.oaep_hash], transport, key)
                handed = WrappedKek(kek.label, wrapped, kek.oaep_hash)
        self._cryptoki.set(session, key, self._keys.packed({Attribute.EXTRACTABLE: False}))
        if self._keys.told(session, key, Attribute.EXTRACTABLE) is not False:
            raise KeystoreError(f"{self._keys.owner} leaves batch keys extractable", hint="Use another HSM.")
        return handed

    def _oaep_hash(self, session: int) -> str:
        recipient, throwaway = rsa_throwaway()
        template = self._keys.packed(WRAPPING | {Attribute.TOKEN: False, Attribute.PRIVATE: False} | _LEAVES)
        for name in self._keys.oaep_hashes:
            with self._wrapping.scratch(session) as made:
                made.append(key := self._cryptoki.generate(session, AES_GENERATION, template))
                made.append(transport := self._wrapping.rsa_key(session, recipient))
                try:
                    under = self._cryptoki.wrap(session, OAEP[name], transport, key)
                    throwaway.content_key(WrappedKey(b"", b"", recipient, under, name))
                except (CryptokiError, ValueError) as error:
                    refusal = error
                else:
                    return name
        raise KeystoreError(f"{self._keys.owner} hands out no batch key: {refusal}") from refusal


_LEAVES: dict[Attribute, Value] = {Attribute.EXTRACTABLE: True}


def _template(label: str, *, trusted: bool) -> dict[Attribute, Value]:
    common: dict[Attribute, Value] = {Attribute.TOKEN: True, Attribute.LABEL: label, Attribute.PRIVATE: not trusted}
    # The security officer sees public objects only.
    guard: dict[Attribute, Value] = {Attribute.TRUSTED: True} if trusted else {}
    return common | guard | WRAPPING | _LEAVES
