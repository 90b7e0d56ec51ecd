"""The narrow interface through which a station gets keys and certificates for its units.

Everything that goes in or out is a plain value, so that an issuer can move into another process. The order is fixed:
key row, package, receipt, claim, look, signature, certificate row, installed, proven. Each call can be repeated after a
crash at any point and gives the same answer; one version of a unit's key never gets a second certificate serial.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from io import BytesIO
from typing import Generic, Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from pki.algorithm import spki_bytes
from pki.authority import BACKDATED, SERIAL_BYTES, Authority, Checked, random_serial, term
from pki.certificate.csr import requested_key
from pki.certificate.profile import Claim, Profile, check_fit, load_profile, profile_named
from pki.cms import key_package
from pki.environment import Anchors, Certificate, E, Key, Origin, Test, same_world
from pki.errors import ProfileError, RequestRefused
from pki.keystore import BatchKek, Keystore, Recipient
from pki.ledger import ClaimRecord, KeyRecord, Ledger, NewKey, Owner, Quota, Reason, Revocation, Version
from pki.ledger.revocations import RevokedUnit
from pki.ledger.tables import EventKind
from pki.proof import Proof

PROBE_LIFE = timedelta(hours=1)


@dataclass(frozen=True)
class Hierarchy(Generic[E]):
    """One environment's CAs as the issuer needs them."""

    environment: type[E]
    owner: str
    """Organisation in the subject, unless a certificate is asked for with another."""
    root: x509.Certificate
    issuing: x509.Certificate
    authority: Authority
    """The issuing CA's key."""
    chain: tuple[x509.Certificate, ...]
    """Every CA below the root: intermediates, and issuing CAs of all generations."""

    def above(self, issuer: x509.Name) -> str:
        """Return the CAs (PEM) that a certificate presents after itself: the one that signed it, and so on."""
        return _above(self.chain, issuer)

    @functools.cached_property
    def above_new(self) -> str:
        """Return the CAs (PEM) that a certificate of the newest generation presents after itself."""
        return self.above(self.issuing.subject)


@dataclass(frozen=True)
class _Draft:
    """What a claim says, and the bytes to be signed for it."""

    claim: ClaimRecord
    checked: Checked


class Issuer(Generic[E]):
    """Keys and certificates of one environment; safe from many threads."""

    def __init__(self, hierarchy: Hierarchy[E], ledger: Ledger, keystore: Keystore) -> None:
        self._hierarchy = hierarchy
        self._environment = hierarchy.environment
        self._ledger = ledger
        self._keystore = keystore

    def current(self, unit: str, profile: str = "station") -> Key[E] | None:
        """Return the unit's newest key, unless it is lost."""
        record = self._ledger.current(self._owner(unit, profile))
        return self._key(record) if record else None

    def had_key(self, unit: str, profile: str = "station") -> bool:
        """Tell whether the unit ever had a key, living or lost."""
        return self._ledger.get(self._owner(unit, profile), 1) is not None

    def generate(self, unit: str, profile: str, recipient: Recipient, work_order: str) -> tuple[Key[E], bytes]:
        """Make one key as `generate_all` does."""
        return self.generate_all({unit: recipient}, profile, work_order)[0]

    def generate_all(
        self, recipients: Mapping[str, Recipient], profile: str, work_order: str
    ) -> list[tuple[Key[E], bytes]]:
        """Make a key for each unit in the HSM; return it with the CMS package that only its recipient can open.

        The HSM's own copies are destroyed before this returns. A package that got lost is not made again: `lose` the
        key. The rows of all keys are written before any package leaves; durable they are before anything is signed.

        Raises:
            RequestRefused: A unit has a living key, or its name does not fit.
            KeystoreError: The HSM is away, or can't deliver to such a recipient.
        """
        algorithm = self._fitting(profile, *recipients).algorithm
        wrapped = [self._keystore.wrap_new_key(recipient, algorithm) for recipient in recipients.values()]
        records = self._ledger.add_keys(
            [
                NewKey(self._owner(unit, profile), Origin.HSM, found.spki, _evidence(found.recipient), work_order)
                for unit, found in zip(recipients, wrapped, strict=True)
            ]
        )
        return [(self._key(record), key_package(found)) for record, found in zip(records, wrapped, strict=True)]

    def adopt(self, unit: str, profile: str, request: bytes, common_name: str, work_order: str) -> Key[E]:
        """Enter a key that was born on the device, proven by its certificate request; repeating changes nothing.

        Raises:
            RequestRefused: The request proves nothing, is for another name, or the key is or was someone's.
        """
        algorithm = self._fitting(profile, unit).algorithm
        spki = requested_key(request, common_name, algorithms=(algorithm,))
        new = NewKey(self._owner(unit, profile), Origin.DEVICE, spki, request, work_order, proven=True)
        return self._key(self._ledger.add_keys([new])[0])

    def renew(self, certificate: Certificate[E], request: bytes, reason: str = "renewal") -> Key[E]:
        """Enter the next key of a unit that has a living certificate, which is revoked as superseded with it.

        Repeating with the same request changes nothing. A renewal counts for no work order: it replaces what counted;
        and if it never reaches its device, the key after it replaces it in this, too.

        Raises:
            RequestRefused: The certificate does not live, or the request proves nothing or is for another name.
        """
        algorithm = profile_named(certificate.profile).algorithm
        spki, holder = requested_key(request, certificate.unit, algorithms=(algorithm,)), self._holder(certificate)
        living = self._ledger.current(holder.owner)
        if spki == holder.spki:
            raise RequestRefused(f"{certificate.unit} holds this key already", hint="Let the charger make a new key.")
        if living is None or (living.spki != spki and living.id != holder.id):
            raise RequestRefused(f"certificate {certificate.serial} of {certificate.unit} does not live any more")
        new = NewKey(holder.owner, Origin.DEVICE, spki, request, reason=reason, proven=True)
        return self._key(self._ledger.add_keys([new])[0])

    def confirm(self, key: Key[E], proof: Proof) -> Key[E]:
        """Take one proof as `confirm_all` does."""
        return self.confirm_all([(key, proof)])[0]

    def confirm_all(self, proofs: Sequence[tuple[Key[E], Proof]]) -> list[Key[E]]:
        """Verify each device's signed statement that it holds its key, and record it as evidence.

        Raises:
            RequestRefused: A statement is about another key, or its signature is false, or a key is lost.
        """
        proven = [(self._version(key), proof.evidence) for key, proof in proofs]
        for key, proof in proofs:
            proof.check(key.unit, key.version, key.spki)
        return [self._key(record) for record in self._ledger.prove(proven)]

    def lose(self, key: Key[E], reason: str, code: Reason = Reason.CESSATION_OF_OPERATION) -> None:
        """End a key that its device can't prove or has no use for; what was claimed for it is revoked with it."""
        (record,) = self._ledger.known([self._version(key)])
        self._ledger.retire(record.id, code, reason)

    def probe(self: "Issuer[Test]", unit: str) -> str:
        """Return a chain (PEM) for a key that nobody has: a charger that takes it does not look at its own key.

        It is of the test CA, ends within the hour, is revoked before it is signed, and counts for nothing (design 8.2).

        Raises:
            RequestRefused: This is not the test world, or the name does not fit.
            KeystoreError: The HSM is away.
        """
        same_world(Test, self._environment, "a probe")
        authority, now = self._hierarchy.authority, datetime.now(UTC).replace(microsecond=0)
        spki = spki_bytes(ec.generate_private_key(ec.SECP256R1()).public_key())
        serial = random_serial(self._keystore.random(SERIAL_BYTES))
        claim = Claim(unit, self._hierarchy.owner, spki, serial, now - BACKDATED, now + PROBE_LIFE)
        revocation = Revocation(
            authority.label, f"{serial:X}", Reason.CESSATION_OF_OPERATION, f"probe of {unit}", claim.not_after
        )
        self._ledger.revoke_once(revocation)
        probe = authority.issue(load_profile("probe"), claim)
        return probe.public_bytes(Encoding.PEM).decode() + self._hierarchy.above(probe.issuer)

    def issue(self, key: Key[E], owner: str = "") -> Certificate[E]:
        """Return the certificate of a proven key as `issue_all` does, after pkilint saw it too."""
        return self._issued([key], owner, bulk=False)[0]

    def issue_all(self, keys: Sequence[Key[E]], owner: str = "") -> list[Certificate[E]]:
        """Return the certificates of proven keys; the first call decides each, later ones return the same.

        All claims are durable before the first signature. Every certificate's bytes are checked against its profile;
        pkilint saw a sample of the profile only.

        Raises:
            RequestRefused: A key is not proven, is lost, or its certificate is for another owner.
            ProfileError: A certificate would not be what its profile says.
            KeystoreError: The HSM is away.
        """
        return self._issued(keys, owner, bulk=True)

    def certificate(self, unit: str, profile: str = "station") -> Certificate[E] | None:
        """Return the unit's living certificate."""
        record = self._ledger.current(self._owner(unit, profile))
        return self._certificate(record) if record and record.certificate else None

    def record(self, certificate: Certificate[E], event: Literal["installed", "proven"]) -> None:
        """Record that a certificate was read back from its device, or was seen in use."""
        kind = EventKind.INSTALLED if event == "installed" else EventKind.PROVEN
        self._ledger.happen(self._holder(certificate).id, kind, certificate.sha256)

    def revoke(self, certificate: Certificate[E], reason: Reason, detail: str) -> None:
        """End a certificate and its key; the unit may get a next version."""
        self._ledger.retire(self._holder(certificate).id, reason, detail)

    def revoked_after(self, number: int) -> list[RevokedUnit]:
        """Return what was revoked of units after the revocation of this number, in order; 0 asks for everything."""
        return self._ledger.revoked_units(self._environment.name, number)

    def grant(self, work_order: str, units: int, rework: int, profile: str = "station") -> None:
        """Set how many certificates a work order may have, and how many more for rework (F-D12)."""
        self._ledger.grant(Quota(work_order, self._environment.name, profile, units, rework))

    def anchors(self) -> Anchors[E]:
        """Return the roots that a device must trust to meet this environment's CSMS."""
        root = self._hierarchy.root
        fingerprint = root.fingerprint(hashes.SHA256()).hex()
        return Anchors(self._environment, root.public_bytes(Encoding.PEM), (fingerprint,))

    def _owner(self, unit: str, profile: str) -> Owner:
        return Owner(unit, self._environment.name, str(profile_named(profile)))

    def _fitting(self, profile: str, *units: str) -> Profile:
        wanted = profile_named(profile)
        if not wanted.unit:
            raise RequestRefused(f"profile {profile} is not for units")
        for unit in units:
            check_fit(wanted, unit)
        return wanted

    def _version(self, key: Key[E]) -> Version:
        same_world(self._environment, key.environment, f"the key of {key.unit}")
        return Version(self._owner(key.unit, key.profile), key.version, key.spki)

    def _holder(self, certificate: Certificate[E]) -> KeyRecord:
        same_world(self._environment, certificate.environment, f"the certificate of {certificate.unit}")
        owner = self._owner(certificate.unit, certificate.profile)
        record = self._ledger.get(owner, certificate.version)
        if record is None or record.certificate != certificate.der:
            raise RequestRefused(f"the ledger does not know certificate {certificate.serial}")
        return record

    def _issued(self, keys: Sequence[Key[E]], owner: str, *, bulk: bool) -> list[Certificate[E]]:
        records = {record.id: record for record in self._ledger.known([self._version(key) for key in keys])}
        for record in records.values():
            record.check_proven()
        wanted = [record for record in records.values() if record.certificate is None]
        records |= {record.id: record for record in self._made(wanted, owner, bulk=bulk)}
        for record in records.values():
            if owner and record.organization != owner:
                raise RequestRefused(f"the certificate of {record.unit} is for another owner than '{owner}'")
        return [self._certificate(record) for record in records.values()]

    def _made(self, records: Sequence[KeyRecord], owner: str, *, bulk: bool) -> list[KeyRecord]:
        """Claim, sign and store what is missing, and return the complete records."""
        proposals = self._proposals(records, owner)
        drafts = [self._draft(*each, bulk=bulk) for each in zip(records, proposals, strict=True)]
        claims = [(record, draft.claim) for record, draft in zip(records, drafts, strict=True)]
        claimed = list(zip(self._ledger.claim(claims), drafts, strict=True))
        final = [(record, self._agreed(record, draft, bulk=bulk)) for record, draft in claimed]
        complete = self._hierarchy.authority.complete
        return self._ledger.store([(record, complete(draft.checked)) for record, draft in final])

    def _agreed(self, record: KeyRecord, draft: _Draft, *, bulk: bool) -> _Draft:
        """Return the draft of what was claimed: another thread may have claimed first, and then its claim counts."""
        if record.claim is None or record.claim == draft.claim:
            return draft
        return self._draft(record, record.claim, bulk=bulk)

    def _proposals(self, records: Sequence[KeyRecord], owner: str) -> list[ClaimRecord]:
        """Return what was claimed for keys, or what may be."""
        new = sum(record.claim is None for record in records)
        entropy = BytesIO(self._keystore.random(new * SERIAL_BYTES) if new else b"")
        return [record.claim or self._proposal(record, owner, entropy.read(SERIAL_BYTES)) for record in records]

    def _proposal(self, record: KeyRecord, owner: str, entropy: bytes) -> ClaimRecord:
        start, end = term(profile_named(record.profile), self._hierarchy.issuing.not_valid_after_utc)
        label = self._hierarchy.authority.label
        return ClaimRecord(f"{random_serial(entropy):X}", label, owner or self._hierarchy.owner, start, end, "")

    def _draft(self, record: KeyRecord, claimed: ClaimRecord, *, bulk: bool) -> _Draft:
        """Return a claim with the bytes that it determines; a new one learns their digest here."""
        profile, serial = profile_named(record.profile), int(claimed.serial, 16)
        claim = Claim(record.unit, claimed.organization, record.spki, serial, claimed.not_before, claimed.not_after)
        checked = self._hierarchy.authority.prepare(profile, claim, bulk=bulk)
        digest = sha256(checked.tbs).hexdigest()
        if claimed.tbs_sha256 not in {"", digest}:
            hint = "Mark the key lost; the unit gets a new one."
            raise ProfileError(f"profile {profile.name} or its CA changed after {record.unit} was claimed", hint=hint)
        return _Draft(claimed._replace(tbs_sha256=digest), checked)

    def _key(self, record: KeyRecord) -> Key[E]:
        return Key(
            environment=self._environment,
            unit=record.unit,
            profile=record.profile,
            version=record.version,
            spki=record.spki,
            origin=record.origin,
            state=record.state,
        )

    def _certificate(self, record: KeyRecord) -> Certificate[E]:
        if record.certificate is None:
            raise RequestRefused(f"{record.unit} has no certificate of version {record.version}")
        return Certificate(
            environment=self._environment,
            unit=record.unit,
            profile=record.profile,
            version=record.version,
            der=record.certificate,
            above=self._above(record, record.certificate),
            serial=record.serial,
        )

    def _above(self, record: KeyRecord, der: bytes) -> str:
        if record.claim and record.claim.authority == self._hierarchy.authority.label:
            return self._hierarchy.above_new
        return self._hierarchy.above(x509.load_der_x509_certificate(der).issuer)


@functools.lru_cache(maxsize=64)
def _above(chain: tuple[x509.Certificate, ...], issuer: x509.Name) -> str:
    signer = next((ca for ca in chain if ca.subject == issuer), None)
    return signer.public_bytes(Encoding.PEM).decode() + _above(chain, signer.issuer) if signer else ""


def _evidence(recipient: Recipient) -> bytes:
    return recipient.label.encode() if isinstance(recipient, BatchKek) else recipient.spki
