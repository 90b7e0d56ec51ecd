"""Make, hand over and recognise the passwords of units.

The order is fixed: draw, hash, seal, enter. What was entered is the sealed form; the clear one lives in the memory of
whoever writes it into the unit. It can be had again where it was sealed for the factory's own key, in the token, and
nowhere else: to go on with a unit after a crash, and to hand it over to the unit's CPMS.
"""

import json
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import rfc8785
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from pki.cms import SealingKey, seal
from pki.environment import Environment, Ship
from pki.errors import PkiError, ProfileError, RequestRefused
from pki.keystore import Keystore
from pki.ledger import Ledger
from pki.ledger.database import Fact
from pki.ledger.passwords import NewPassword, PasswordOwner, PasswordRecord
from pki.passwords.hashing import KeyedHash, mark_of, open_hash
from pki.passwords.kinds import POLICIES, POLICY_VERSION, TRIES, Kind, Random, draw
from pki.passwords.safe import Safe
from pki.passwords.value import Password, Verifier

MAX_NAME = 64
ON_PAPER = "paper"
"""Recipient of what only a label shows."""
_DOMAIN = b"evfactory/password/1\0"


Recipient = x509.Certificate | SealingKey
"""Whom a password is sealed for: by certificate, or the factory itself."""


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
    """SHA-256 of the certificate of whom it is for, or of the factory's own sealing key (SPKI)."""
    at: str

    @classmethod
    def of(cls, record: PasswordRecord) -> Self:
        """Return what the ledger holds of it."""
        owner, kind = record.owner, Kind(record.owner.kind)
        facts = (record.version, record.encoding, record.sealed, record.recipient, record.at)
        return cls(owner.unit, owner.environment, kind, *facts)


class Passwords:
    """The passwords of all units; safe from many threads and processes."""

    def __init__(self, ledger: Ledger, random: Random, keyed_hash: KeyedHash, safe: Safe | None = None) -> None:
        """Work on a ledger with the HSM's random generator, and with the factory's own sealing key if it has one.

        Raises:
            PkiError: The ledger's passwords were hashed with another key.
        """
        self._ledger = ledger
        self._random = random
        self._keyed_hash = keyed_hash
        self._safe = safe
        mark = ledger.hash_mark(lambda: mark_of(keyed_hash))
        if mark.digest != mark_of(keyed_hash).digest:
            hint = f"Restore the {mark.place} that belongs to this ledger."
            raise PkiError("the passwords in the ledger were hashed with another key", hint=hint)

    def make(
        self, unit: str, environment: type[Environment], kind: Kind, recipient: Recipient, reason: str = ""
    ) -> Sealed:
        """Make a password that nobody but the recipient will ever read.

        Raises:
            RequestRefused: The unit has one and no reason is given, its name does not fit, or the recipient is unfit.
            KeystoreError: The HSM is away.
            PkiError: No unused password was found.
        """
        return self.make_known(unit, environment, kind, recipient, reason)[1]

    def make_known(
        self, unit: str, environment: type[Environment], kind: Kind, recipient: Recipient, reason: str = ""
    ) -> tuple[Password, Sealed]:
        """Do as `make`, and return the clear password too, for whoever writes it into the unit now; never again.

        Raises:
            RequestRefused: The unit has one and no reason is given, its name does not fit, or the recipient is unfit.
            KeystoreError: The HSM is away.
            PkiError: No unused password was found.
        """
        return self._made(PasswordOwner(unit, environment.name, kind), recipient, reason)

    def lend(self, unit: str, environment: type[Environment], kind: Kind, reason: str = "") -> Sealed:
        """Make a password of which the ledger keeps the keyed hash alone: what is returned is all that opens it.

        Raises:
            ProfileError: The ceremony made no sealing key.
            RequestRefused: The unit has one and no reason is given, or its name does not fit.
            KeystoreError: The HSM is away.
            PkiError: No unused password was found.
        """
        return self._made(PasswordOwner(unit, environment.name, kind), self._own.key, reason, kept=False)[1]

    def open_lent(self, unit: str, environment: type[Environment], kind: Kind, message: bytes) -> Password:
        """Return a password that was lent, opened in the token, if it is the unit's newest.

        Raises:
            RequestRefused: The unit has none, or the message is damaged, of another version, or of another unit.
            KeystoreError: The HSM is away, or can't open it.
        """
        record = self._kept(PasswordOwner(unit, environment.name, kind))
        return self._opened(replace(record, sealed=message))[0]

    def note(self, act: str, unit: str, environment: type[Environment], kind: Kind) -> None:
        """Enter into the audit log what became of a unit's newest password.

        Raises:
            RequestRefused: It has none.
            PkiError: The ledger can't be written.
        """
        self._told(act, self._kept(PasswordOwner(unit, environment.name, kind)))

    def _made(
        self, owner: PasswordOwner, recipient: Recipient, reason: str, *, kept: bool = True
    ) -> tuple[Password, Sealed]:
        if not (0 < len(owner.unit) <= MAX_NAME and owner.unit.isascii() and owner.unit.isprintable()):
            raise RequestRefused(f"a unit's name is 1 to {MAX_NAME} printable characters")
        for _ in range(TRIES):
            password = draw(Kind(owner.kind), owner.unit, self._random)
            new = self._new(owner, password, recipient)
            entered = new if kept else replace(new, sealed=b"", recipient=ON_PAPER)
            record = self._ledger.add_password(entered, reason, policy=POLICY_VERSION)
            if record:
                return password, replace(Sealed.of(record), message=new.sealed)
        raise PkiError(
            f"no unused {owner.kind} password was found in {TRIES} tries", hint="Check the HSM's random generator."
        )

    def ensure(self, unit: str, environment: type[Environment], kind: Kind) -> Sealed:
        """Return a unit's password as the factory keeps it for itself, made now if there is none.

        Asked again, after a crash too, it is the same one: there are never two that count.

        Raises:
            ProfileError: The ceremony made no sealing key.
            RequestRefused: What the unit has was sealed for somebody else alone.
            KeystoreError: The HSM is away.
        """
        key, known = self._own.key, self.current(unit, environment, kind)
        if known is None:
            known = self._first(unit, environment, kind, key)
        if not self.keeps(known):
            hint = f"Give the unit a new one: pki password --unit {unit} --kind {kind} --reason …, without --for."
            raise RequestRefused(f"the {kind} password of {unit} is sealed for somebody else alone", hint=hint)
        return known

    def _first(self, unit: str, environment: type[Environment], kind: Kind, key: SealingKey) -> Sealed:
        """Make a unit's first password, or return the one that somebody else made in the same moment."""
        try:
            return self.make(unit, environment, kind, key)
        except RequestRefused:
            known = self.current(unit, environment, kind)
            if known is None:
                raise
            return known

    def replace(self, unit: str, environment: type[Environment], kind: Kind, reason: str) -> Sealed:
        """Make a unit's next password, which the factory keeps; from now on the one before counts no more.

        Raises:
            ProfileError: The ceremony made no sealing key.
            RequestRefused: The unit has one and no reason is given, or its name does not fit.
            KeystoreError: The HSM is away.
        """
        return self.make(unit, environment, kind, self._own.key, reason)

    def keeps(self, sealed: Sealed) -> bool:
        """Tell whether the factory can open this one itself."""
        return kept_by(self._safe, sealed.recipient)

    def open(self, unit: str, environment: type[Environment], kind: Kind) -> Password:
        """Return a unit's newest password, opened in the token, for whoever writes or hands it over at once.

        Raises:
            RequestRefused: It has none, or what the ledger holds is for another key, damaged, or another unit's.
            KeystoreError: The HSM is away, or can't open it.
        """
        return self._opened(self._kept(PasswordOwner(unit, environment.name, kind)))[0]

    def verifier(self, unit: str, environment: type[Environment], kind: Kind) -> Verifier:
        """Return what recognises a unit's newest password without holding it.

        Raises:
            RequestRefused: It has none, or what the ledger holds is for another key, damaged, or another unit's.
            KeystoreError: The HSM is away, or can't open it.
        """
        return Verifier(self.open(unit, environment, kind))

    def reseal(
        self, unit: str, recipient: Recipient, environment: type[Environment] = Ship, kind: Kind = Kind.OCPP
    ) -> bytes:
        """Return a unit's newest password as CMS (DER) that only another recipient can open, as its CPMS.

        Raises:
            RequestRefused: It has none, what the ledger holds can't be opened, or the recipient is unfit.
            KeystoreError: The HSM is away, or can't open it.
        """
        record = self._kept(PasswordOwner(unit, environment.name, kind))
        message = seal(self._opened(record)[1], recipient)
        self._told("password-resealed", record, recipient=_fingerprint(recipient))
        return message

    def hand_over(self, unit: str, to: str, environment: type[Environment] = Ship, kind: Kind = Kind.OCPP) -> Password:
        """Return a unit's newest password for whoever gives it to `to` at once; the audit log tells it.

        Raises:
            RequestRefused: It has none, or what the ledger holds can't be opened.
            KeystoreError: The HSM is away, or can't open it.
        """
        record = self._kept(PasswordOwner(unit, environment.name, kind))
        password, _ = self._opened(record)
        self._told("password-handed-over", record, to=to)
        return password

    def current(self, unit: str, environment: type[Environment], kind: Kind) -> Sealed | None:
        """Return a unit's newest password of a kind, sealed as it was."""
        record = self._ledger.password(PasswordOwner(unit, environment.name, kind))
        return Sealed.of(record) if record else None

    def sealed_for(self, recipient: Recipient) -> list[Sealed]:
        """Return everything that was ever sealed for a recipient, oldest first."""
        return [Sealed.of(record) for record in self._ledger.passwords(_fingerprint(recipient))]

    def recognises(self, unit: str, environment: type[Environment], kind: Kind, password: Password) -> bool:
        """Tell whether this is the unit's newest password of a kind."""
        record = self._ledger.password(PasswordOwner(unit, environment.name, kind))
        return record is not None and record.digest == self._digest(record.owner, password)

    def check(self) -> list[str]:
        """Return which units share a password, one sentence each."""
        return self._ledger.password_faults()

    @property
    def _own(self) -> Safe:
        if self._safe is None:
            hint = "Add [sealing] to the ceremony file, have it reviewed, and hold the ceremony again with a reason."
            raise ProfileError("this PKI has no sealing key, so it keeps no passwords of units", hint=hint)
        return self._safe

    def _kept(self, owner: PasswordOwner) -> PasswordRecord:
        record = self._ledger.password(owner)
        if record is None:
            raise RequestRefused(f"{owner.unit} has no {owner.environment} {owner.kind} password")
        return record

    def _told(self, act: str, record: PasswordRecord, **to: Fact) -> None:
        owner = record.owner
        known: dict[str, Fact] = {"environment": owner.environment, "kind": owner.kind, "version": record.version}
        self._ledger.record(act, owner.unit, **known, **to)

    def _opened(self, record: PasswordRecord) -> tuple[Password, bytes]:
        """Return a password and the content it was sealed in; one that was exchanged in the ledger is refused."""
        content = self._own.open(record.sealed)
        password = _password_in(content, {**vars(record.owner), "version": record.version, "encoding": record.encoding})
        # Anybody may seal for a public key, but only the token makes the hash.
        if password is None or record.digest != self._digest(record.owner, password):
            hint = "Restore the ledger from its backup, or give the unit a new password with a reason."
            raise RequestRefused(f"what is sealed as the password of {record.owner.unit} is another one", hint=hint)
        return password, content

    def _new(self, owner: PasswordOwner, password: Password, recipient: Recipient) -> NewPassword:
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


def _password_in(content: bytes, facts: dict[str, Any]) -> Password | None:
    """Return the password of a sealed content, if it says these facts and no others."""
    try:
        found = json.loads(content)
        password = Password(str(found.pop("password")))
    except (ValueError, KeyError, AttributeError, TypeError):
        return None
    return password if found == facts else None


def kept_by(safe: Safe | None, recipient: str) -> bool:
    """Tell whether a factory opens with its own key what was sealed for a recipient, by the recipient's fingerprint."""
    return safe is not None and recipient == _fingerprint(safe.key)


def _fingerprint(recipient: Recipient) -> str:
    if isinstance(recipient, SealingKey):
        return sha256(recipient.spki).hexdigest()
    return recipient.fingerprint(hashes.SHA256()).hex()


def open_passwords(keystore: Keystore, ledger: Ledger, directory: Path, safe: Safe | None = None) -> Passwords:
    """Open the passwords of a PKI directory's ledger, with the token that draws and hashes them.

    Raises:
        KeystoreError: The HSM is away, or has lost the hash's key.
        ProfileError: The hash's secret is missing, or others may read it.
        PkiError: The ledger's passwords were hashed with another key.
    """
    return Passwords(ledger, keystore.random, open_hash(keystore, ledger, directory), safe)
