"""The factory's own sealing key: what was sealed for it is opened in its token, and nowhere else."""

from dataclasses import dataclass

from pki.cms import SealingKey, sealed_content
from pki.keystore import Keystore
from pki.plan import Layout


@dataclass(frozen=True)
class Safe:
    """A sealing key with the token that it is in."""

    keystore: Keystore
    key: SealingKey

    def open(self, message: bytes) -> bytes:
        """Return what was sealed.

        Raises:
            RequestRefused: It is for another key or damaged.
            KeystoreError: The HSM is away, or can't open it.
        """
        return self.keystore.open_sealed(self.key.label, sealed_content(message, self.key))

    def prove(self) -> None:
        """Open something that was just sealed.

        Raises:
            KeystoreError: The HSM is away, or opens it no more.
        """
        self.keystore.bind_sealing(self.key.label, self.key.spki)


def open_safe(keystore: Keystore, label: str, layout: Layout) -> Safe | None:
    """Return the safe of a PKI directory after it has opened something; an older factory has none.

    Raises:
        KeystoreError: The HSM is away, has lost the key, or has another one than the directory's.
        ProfileError: The public half can't be read.
    """
    if not layout.sealing_key.exists():
        return None
    spki = layout.load_sealing_key()
    return Safe(keystore, SealingKey(label, spki, keystore.bind_sealing(label, spki)))
