"""Make, hand over and recognise the passwords of units.

The order is fixed: draw, hash, seal, enter. What was entered is the sealed form; the clear one lives in the memory of
whoever writes it into the unit, and can't be had again.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import rfc8785
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from pki.cms import seal
from pki.environment import Environment
from pki.errors import PkiError, RequestRefused
from pki.keystore import Keystore
from pki.ledger import Ledger
from pki.ledger.passwords import NewPassword, PasswordOwner, PasswordRecord
from pki.passwords.hashing import KeyedHash, mark_of, open_hash
from pki.passwords.kinds import POLICIES, POLICY_VERSION, TRIES, Kind, Random, draw
from pki.passwords.value import Password

MAX_NAME = 64
_DOMAIN = b"evfactory/password/1\0"


@dataclass(frozen=True)
class Sealed:
    """A password as it may leave the factory: only its recipient can open it."""

    unit: str
    environment: str
    kind: Kind
    version: int
    encoding: str
    message: bytes
    """CMS (DER) around JSON with `password` and everything above; `openssl cms -decrypt` opens it."""
    recipient: str
    """SHA-256 of the certificate of whom it is for."""
    at: str

    @classmethod
    def of(cls, record: PasswordRecord) -> Self:
        """Return what the ledger holds of it."""
        owner, kind = record.owner, Kind(record.owner.kind)
        facts = (record.version, record.encoding, record.sealed, record.recipient, record.at)
        return cls(owner.unit, owner.environment, kind, *facts)


class Passwords:
    """The passwords of all units; safe from many threads and processes."""

    def __init__(self, ledger: Ledger, random: Random, keyed_hash: KeyedHash) -> None:
        """Work on a ledger with the HSM's random generator.

        Raises:
            PkiError: The ledger's passwords were hashed with another key.
        """
        self._ledger = ledger
        self._random = random
        self._keyed_hash = keyed_hash
        mark = ledger.hash_mark(lambda: mark_of(keyed_hash))
        if mark.digest != mark_of(keyed_hash).digest:
            hint = f"Restore the {mark.place} that belongs to this ledger."
            raise PkiError("the passwords in the ledger were hashed with another key", hint=hint)

    def make(
        self, unit: str, environment: type[Environment], kind: Kind, recipient: x509.Certificate, reason: str = ""
    ) -> Sealed:
        """Make a password that nobody but the recipient will ever read.

        Raises:
            RequestRefused: The unit has one and no reason is given, its name does not fit, or the recipient is unfit.
            KeystoreError: The HSM is away.
            PkiError: No unused password was found.
        """
        return self.make_known(unit, environment, kind, recipient, reason)[1]

    def make_known(
        self, unit: str, environment: type[Environment], kind: Kind, recipient: x509.Certificate, reason: str = ""
    ) -> tuple[Password, Sealed]:
        """Do as `make`, and return the clear password too, for whoever writes it into the unit now; never again.

        Raises:
            RequestRefused: The unit has one and no reason is given, its name does not fit, or the recipient is unfit.
            KeystoreError: The HSM is away.
            PkiError: No unused password was found.
        """
        if not (0 < len(unit) <= MAX_NAME and unit.isascii() and unit.isprintable()):
            raise RequestRefused(f"a unit's name is 1 to {MAX_NAME} printable characters")
        owner = PasswordOwner(unit, environment.name, kind)
        for _ in range(TRIES):
            password = draw(kind, unit, self._random)
            new = self._new(owner, password, recipient)
            record = self._ledger.add_password(new, reason, policy=POLICY_VERSION)
            if record:
                return password, Sealed.of(record)
        raise PkiError(
            f"no unused {kind} password was found in {TRIES} tries", hint="Check the HSM's random generator."
        )

    def current(self, unit: str, environment: type[Environment], kind: Kind) -> Sealed | None:
        """Return a unit's newest password of a kind, sealed as it was."""
        record = self._ledger.password(PasswordOwner(unit, environment.name, kind))
        return Sealed.of(record) if record else None

    def sealed_for(self, recipient: x509.Certificate) -> list[Sealed]:
        """Return everything that was ever sealed for a recipient, oldest first."""
        return [Sealed.of(record) for record in self._ledger.passwords(_fingerprint(recipient))]

    def recognises(self, unit: str, environment: type[Environment], kind: Kind, password: Password) -> bool:
        """Tell whether this is the unit's newest password of a kind."""
        record = self._ledger.password(PasswordOwner(unit, environment.name, kind))
        return record is not None and record.digest == self._digest(record.owner, password)

    def check(self) -> list[str]:
        """Return which units share a password, one sentence each."""
        return self._ledger.password_faults()

    def _new(self, owner: PasswordOwner, password: Password, recipient: x509.Certificate) -> NewPassword:
        before = self._ledger.password(owner)
        version = before.version + 1 if before else 1
        encoding = POLICIES[Kind(owner.kind)].encoding
        content = rfc8785.dumps(
            {**vars(owner), "version": version, "encoding": encoding, "password": password.reveal()}
        )
        return NewPassword(
            owner=owner,
            version=version,
            encoding=encoding,
            digest=self._digest(owner, password),
            sealed=seal(content, recipient),
            recipient=_fingerprint(recipient),
        )

    def _digest(self, owner: PasswordOwner, password: Password) -> str:
        # A short PIN is unique with its unit; everything longer over all units, environments and kinds.
        whose = owner.unit.encode() if POLICIES[Kind(owner.kind)].per_unit else b""
        return self._keyed_hash(_DOMAIN + whose + b"\0" + password.reveal().encode()).hex()


def _fingerprint(recipient: x509.Certificate) -> str:
    return recipient.fingerprint(hashes.SHA256()).hex()


def open_passwords(keystore: Keystore, ledger: Ledger, directory: Path) -> Passwords:
    """Open the passwords of a PKI directory's ledger, with the token that draws and hashes them.

    Raises:
        KeystoreError: The HSM is away, or has lost the hash's key.
        ProfileError: The hash's secret is missing, or others may read it.
        PkiError: The ledger's passwords were hashed with another key.
    """
    return Passwords(ledger, keystore.random, open_hash(keystore, ledger, directory))
