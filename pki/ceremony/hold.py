"""Hold the key ceremony: one reviewed file in, keys in the tokens and certificates in a directory out.

Every act looks first at what is there, so a second run changes nothing and a run that died is completed. The reviewed
file is kept byte for byte as `pki.toml`, durable before the first key is made. Nothing is overwritten: a renewal makes
the next generation beside the old one, and each run that made something leaves a signed transcript.
"""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
)

from pki.algorithm import Algorithm
from pki.authority import SERIAL_BYTES, Authority, Keys, authority_of, random_serial, self_signer, spki_of, term
from pki.ceremony import parts as table
from pki.ceremony.adoption import adopt_file
from pki.ceremony.inventory import Circumstances, body, is_news, untold
from pki.ceremony.parts import SERVER_PASSPHRASE, Part, Parts, SealingPart, ServerPart
from pki.ceremony.transcript import write_transcript
from pki.certificate.profile import Claim, Profile, load_profile
from pki.errors import RequestRefused
from pki.files import write_file
from pki.ledger import Ledger, create_ledger, open_ledger
from pki.plan import Layout, Plan, read_plan
from pki.revocation import StatusAuthority
from pki.roles import OFFICER, require
from pki.secret import kept_secret
from pki.tokens import Tokens

DAYS_A_YEAR = 365
Say = Callable[[str], None]


@dataclass(frozen=True)
class Occasion:
    """Why and before whom a ceremony is held, and who hears of its progress."""

    reason: str = ""
    """Why a file that differs from the adopted one is held; needed only then."""
    witnesses: tuple[str, ...] = ()
    say: Say = lambda _sentence: None
    """Called with each sentence as soon as it is true."""


def hold_ceremony(file: Path, directory: Path, occasion: Occasion = Occasion()) -> list[str]:
    """Make what the reviewed file says and is not there yet; return what was done, one sentence each.

    Raises:
        ProfileError: The file is wrong, or the directory belongs to another ceremony.
        RequestRefused: The caller is no officer.
        KeystoreError: A token that is needed is away, or lost a key whose certificate exists.
    """
    plan = read_plan(file)
    layout = Layout(directory)
    if layout.plan.exists():
        require(read_plan(layout.plan), OFFICER)  # a new file gives nobody a role by his own word
    actor = require(plan, OFFICER)
    with _alone(layout):
        done = adopt_file(file, plan, layout, occasion.reason, actor)
        return _hold(layout, plan, actor, occasion, done)


def renew(directory: Path, family: str, reason: str, occasion: Occasion = Occasion()) -> list[str]:
    """Make the next generation of an intermediate or issuing CA or a server; the old one stays and goes on counting.

    Raises:
        RequestRefused: The caller is no officer, the part can't be renewed, or the reason is missing.
        KeystoreError: A token that is needed is away.
    """
    layout = Layout(directory)
    plan = read_plan(layout.plan)
    actor = require(plan, OFFICER)
    with _alone(layout):
        renewal = table.order_renewal(layout, plan, family, reason, actor)
        return _hold(layout, plan, actor, occasion, [f"ordered {renewal.name}: {renewal.reason}"])


def publish_root_lists(directory: Path, occasion: Occasion = Occasion(), *, force: bool = False) -> list[str]:
    """Publish the CRLs of roots and intermediate CAs where needed (or forced); the token of the roots has to be there.

    Raises:
        RequestRefused: The caller is no officer.
        KeystoreError: A token is away.
    """
    layout = Layout(directory)
    plan = read_plan(layout.plan)
    actor = require(plan, OFFICER)
    done: list[str] = []
    with _alone(layout), _opened(layout, plan, Circumstances(actor, (), done), occasion.say) as ceremony:
        ceremony.publish(force=force)
    return done


def _hold(layout: Layout, plan: Plan, actor: str, occasion: Occasion, done: list[str]) -> list[str]:
    for sentence in done:
        occasion.say(sentence)
    create_ledger(layout.ledger)
    with _opened(layout, plan, Circumstances(actor, occasion.witnesses, done), occasion.say) as ceremony:
        ceremony.hold()
    return done


@contextmanager
def _opened(layout: Layout, plan: Plan, circumstances: Circumstances, say: Say) -> Iterator["_Ceremony"]:
    ledger = open_ledger(layout.ledger, circumstances.actor)
    tokens = Tokens(plan, layout.directory)
    try:
        yield _Ceremony(plan, layout, tokens, ledger, circumstances, say)
    finally:
        tokens.close()
        ledger.close()


@contextmanager
def _alone(layout: Layout) -> Iterator[None]:
    """Keep a second ceremony out of the same directory; the lock ends with the process."""
    layout.directory.mkdir(parents=True, exist_ok=True)
    with (layout.directory / ".ceremony.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            hint = "Wait for its end, then start again."
            raise RequestRefused(f"another ceremony is held in {layout.directory}", hint=hint) from error
        yield


@dataclass(frozen=True)
class _Ceremony:
    """One run of the ceremony."""

    plan: Plan
    layout: Layout
    tokens: Tokens
    ledger: Ledger
    circumstances: Circumstances
    say: Say

    def hold(self) -> None:
        parts = self._parts()
        told = untold(self.layout, parts)
        missing = [part for part in parts.keys if not self.layout.certificate(part.name).exists()]
        self._look(parts, {part.name for part in missing})
        # Token by token, so that tokens which take turns are changed as seldom as can be.
        spkis = {part.name: self._key(part) for part in sorted(missing, key=lambda part: part.token)}
        below = [part for part in missing if parts.key(part.issuer).lists]
        for part in below:
            self._certify(part, parts, spkis[part.name])
        self._list(parts)
        rest = [part for part in missing if part not in below]
        for part in sorted(rest, key=lambda part: part.token in self.plan.daily):
            self._certify(part, parts, spkis[part.name])
        for server in parts.servers:
            if not self.layout.certificate(server.name).exists():
                self._serve(server, parts)
        if parts.sealing:
            self._seal(parts.sealing)
        self._testify(parts, told)

    def publish(self, *, force: bool) -> None:
        """Publish the lists of the CAs that sleep, after opening their tokens."""
        parts = table.all_parts(self.plan, table.read_renewals(self.layout))
        for part in parts.keys:
            if part.lists:
                self.tokens.open(part.token)
        self._list(parts, force=force)

    def _list(self, parts: Parts, *, force: bool = False) -> None:
        for part in parts.keys:
            if not part.lists or not self._is_due(part):
                continue
            if self._source(part, parts).publish(self.layout.crls, force=force):
                self._tell(f"published the CRL of {part.name}", "crl-published", part.name)

    def _is_due(self, part: Part) -> bool:
        """Tell whether a list can be made without asking for a token, or has never been made at all."""
        return part.token in self.tokens.visited or self.ledger.newest_crl(part.name) is None

    def _source(self, part: Part, parts: Parts) -> StatusAuthority:
        issued = [self.layout.load(name) for name in parts.names() if parts.issuer(name) == part.name != name]
        serials = frozenset(f"{certificate.serial_number:X}" for certificate in issued)
        authority = self._authority(part)
        certificate = self.layout.load(part.name)
        return StatusAuthority(certificate, authority, self.ledger, serials, table.ROOT_CRL_PERIOD)

    def _parts(self) -> Parts:
        parts = table.all_parts(self.plan, table.read_renewals(self.layout))
        for family, reason in table.due(self.layout, parts).items():
            table.order_renewal(self.layout, self.plan, family, reason, self.circumstances.actor)
            self._tell(f"ordered the renewal of {family}: {reason}", "renewal-ordered", family, reason=reason)
        return table.all_parts(self.plan, table.read_renewals(self.layout))

    def _look(self, parts: Parts, missing: set[str]) -> None:
        """Prove every key of the daily tokens whose certificate exists: a lost one is never replaced silently."""
        for part in parts.keys:
            if part.name not in missing and part.token in self.plan.daily:
                self._authority(part)

    def _authority(self, part: Part) -> Authority:
        certificate = self.layout.load(part.name)
        keystore = self.tokens.open(part.token)
        keystore.bind(part.name, spki_of(certificate))
        urls = self.plan.urls.of(part.name, online=part.online)
        return authority_of(part.name, certificate, keystore, *urls)

    def _key(self, part: Part) -> bytes:
        keystore = self.tokens.open(part.token)
        spki = keystore.public_key(part.name)
        if spki is None:
            spki = keystore.create(part.name, Algorithm(part.authority.algorithm))
            digest = sha256(spki).hexdigest()
            self._tell(f"made key {part.name} in token {part.token}", "key-made", part.name, spki_sha256=digest)
        return spki

    def _seal(self, part: SealingPart) -> None:
        """Make the sealing key and write down its public half; one whose public half exists is proven."""
        keystore = self.tokens.open(part.token)
        if self.layout.sealing_key.exists():
            keystore.bind_sealing(part.name, self.layout.load_sealing_key())
            return
        spki = keystore.sealing_key(part.name) or keystore.create_sealing(part.name, part.bits)
        keystore.bind_sealing(part.name, spki)
        write_file(self.layout.sealing_key, _pem(spki))
        digest = sha256(spki).hexdigest()
        self._tell(f"made key {part.name} in token {part.token}", "key-made", part.name, spki_sha256=digest)

    def _certify(self, part: Part, parts: Parts, spki: bytes) -> None:
        profile = self._profile(part)
        if part.issuer == part.name:
            keystore = self.tokens.open(part.token)
            keystore.bind(part.name, spki)
            claim = self._claim(part, spki, keystore)
            signer = Authority(part.name, self_signer(profile, claim), keystore)
        else:
            signer = self._authority(parts.key(part.issuer))
            claim = self._claim(part, spki, signer.keystore, self.layout.load(part.issuer).not_valid_after_utc)
        self._issue(part.name, signer, profile, claim)

    def _profile(self, part: Part) -> Profile:
        return load_profile(part.profile, {"key": part.authority.algorithm, "development": self.plan.development})

    def _claim(self, part: Part, spki: bytes, keystore: Keys, latest: datetime | None = None) -> Claim:
        start, end = term(self._profile(part), latest, part.authority.years * DAYS_A_YEAR)
        return Claim(part.authority.common_name, self.plan.organization, spki, _serial(keystore), start, end)

    def _issue(self, name: str, signer: Authority, profile: Profile, claim: Claim, chain: bytes = b"") -> None:
        certificate = signer.issue(profile, claim)
        write_file(self.layout.certificate(name), certificate.public_bytes(Encoding.PEM) + chain)
        digest = sha256(certificate.public_bytes(Encoding.DER)).hexdigest()
        self._tell(f"issued certificate {name}", "certificate-issued", name, sha256=digest)

    def _serve(self, part: ServerPart, parts: Parts) -> None:
        issuer = self.layout.load(part.issuer)
        signer = self._authority(parts.key(part.issuer))
        names = part.server.names
        profile = load_profile("server")
        start, end = term(profile, issuer.not_valid_after_utc, part.server.days)
        claim = Claim(names[0], part.owner, self._server_key(part), _serial(signer.keystore), start, end, names)
        self._issue(part.name, signer, profile, claim, self._chain(part.issuer, parts))

    def _chain(self, name: str, parts: Parts) -> bytes:
        """Return the CAs (PEM) that a server sends after its own certificate: all above it but the root."""
        part = parts.key(name)
        if part.issuer == name:
            return b""
        return self.layout.certificate(name).read_bytes() + self._chain(part.issuer, parts)

    def _server_key(self, part: ServerPart) -> bytes:
        """Return the SPKI of a server's key: born in software because a TLS server needs it, and encrypted at rest."""
        path = self.layout.server_key(part.name)
        random = self.tokens.open(self.plan.keys.authorities).random
        passphrase = kept_secret(SERVER_PASSPHRASE, self.layout.directory, lambda: random(24).hex()).encode()
        if path.exists():
            key = load_pem_private_key(path.read_bytes(), passphrase)
        else:
            key = ec.generate_private_key(ec.SECP256R1())
            pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase))
            write_file(path, pem, 0o600)
            self._tell(f"made key {part.name} in a file", "key-made", part.name)
        return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def _testify(self, parts: Parts, told: list[Part]) -> None:
        for part in told:
            self.tokens.open(part.token)  # its policy has to be read while it is here
        found = body(self.plan, self.layout, parts, self.tokens, self.circumstances)
        if not is_news(self.layout, found):
            return
        found["audit"] = self.ledger.audit_entries()[-1].sha256  # the ledger can't be cut off unseen before this
        audit = parts.key(table.AUDIT)
        path = write_transcript(self.layout, found, lambda data: self._authority(audit).keystore.sign(audit.name, data))
        self._tell(f"signed transcript {path.name}", "ceremony", self.plan.organization, transcript=path.name)

    def _tell(self, sentence: str, act: str, subject: str, **detail: str) -> None:
        self.ledger.record(act, subject, **detail)
        self.circumstances.done.append(sentence)
        self.say(sentence)


def _pem(spki: bytes) -> bytes:
    return load_der_public_key(spki).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _serial(keystore: Keys) -> int:
    return random_serial(keystore.random(SERIAL_BYTES))
