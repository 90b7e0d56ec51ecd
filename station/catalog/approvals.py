"""Four eyes: a bundle builds on the word of its author and of others, each of whom signed exactly this content.

Nobody approves their own work, nobody counts twice, and no setting allows fewer than one approver beside the author.
In an emergency two people of two roles, neither of them the author, may stand in for the approvers for three days.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

import rfc8785

from station.catalog.bundle import OVERRIDE, Bundle, moment
from station.catalog.restrictions import Restriction, RestrictionKind
from station.catalog.signatures import Approvers, Role, Signature, parse_signature
from station.clock import iso
from station.errors import ConfigError
from station.model import Approval, Override
from station.strict import parse

OVERRIDE_SCHEMA = "charger-station/bundle-override"
LONGEST_OVERRIDE = timedelta(hours=72)
LONGEST_REASON = 400
FEWEST_APPROVERS = 1
"""Beside the author; no configuration lowers it."""


class BundleState(StrEnum):
    """Whether a bundle may build, and if not, why."""

    USABLE = "usable"
    OVERRIDDEN = "overridden"
    UNAPPROVED = "unapproved"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    REFUSED = "refused"
    """It can't be judged: it can't be read, was edited, or comes from the future."""


@dataclass(frozen=True)
class Judgement:
    """What the signatures of a bundle prove."""

    state: BundleState
    sentence: str
    """Why it may not build, or on whose word it may."""
    approval: Approval
    problems: tuple[str, ...] = ()
    """Signatures that do not count, each with its reason."""

    @property
    def usable(self) -> bool:
        """Tell whether the bundle may build."""
        return self.state in (BundleState.USABLE, BundleState.OVERRIDDEN)


@dataclass(frozen=True)
class Rules:
    """What a station demands of a bundle."""

    approvers: Approvers
    count: int
    """How many people must have approved, beside the author."""
    restrictions: tuple[Restriction, ...]
    now: datetime

    def __post_init__(self) -> None:
        """Refuse fewer than two people."""
        if self.count < FEWEST_APPROVERS:
            raise ValueError(f"at least {FEWEST_APPROVERS} approver beside the author is needed, not {self.count}")


@dataclass(frozen=True)
class OverrideContent:
    """What `override.json` says."""

    schema: str
    bundle: str
    """Digest of the bundle that it is for."""
    reason: str
    since: str
    until: str

    def __post_init__(self) -> None:
        """Check what the types cannot say."""
        if self.schema != OVERRIDE_SCHEMA:
            raise ValueError(f"schema {self.schema} is not known here")
        if not self.reason.strip() or len(self.reason) > LONGEST_REASON or not self.reason.isprintable():
            raise ValueError(f"reason: one line of 1 to {LONGEST_REASON} characters is needed")
        if not timedelta(0) < moment(self.until) - moment(self.since) <= LONGEST_OVERRIDE:
            hours = LONGEST_OVERRIDE // timedelta(hours=1)
            raise ValueError(f"until: an override ends within {hours} hours")


@dataclass(frozen=True)
class _Signed:
    """The people who signed one document, by role, and the signatures that do not count."""

    people: dict[Role, list[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def judge(bundle: Bundle, beside: Mapping[str, bytes], rules: Rules) -> Judgement:
    """Judge a bundle by what lies beside it, without asking anyone.

    Raises:
        ConfigError: OpenSSH can't be used.
    """
    signed = _signed(bundle.document, dict(_signatures(beside)), (Role.AUTHOR, Role.APPROVER), rules)
    author = bundle.content.author
    _count_author(bundle, signed)
    approvers = tuple(_approvers(author, signed))
    approval = Approval(bundle.title, bundle.digest, author, approvers, bundle.content.expires)
    state, sentence = _state(bundle, signed, approvers, rules)
    problems = [*signed.problems]
    if state in (BundleState.UNAPPROVED, BundleState.EXPIRED) and OVERRIDE in beside and _by_author(author, signed):
        override, why = _override(bundle, beside, rules)
        if override is not None:
            word = f"{sentence} Overridden by {override.line} (line) and {override.quality} (quality)"
            word += f" until {override.until}: {override.reason}"
            approval = Approval(bundle.title, bundle.digest, author, approvers, override.until, override)
            return Judgement(BundleState.OVERRIDDEN, word, approval, tuple(problems))
        problems += why
    return Judgement(state, sentence, approval, tuple(problems))


def override_document(bundle: Bundle, reason: str, since: datetime, until: datetime) -> bytes:
    """Return the document that the two people sign.

    Raises:
        ConfigError: The reason is missing, or the time is longer than three days.
    """
    content = {
        "schema": OVERRIDE_SCHEMA,
        "bundle": bundle.digest,
        "reason": reason,
        "since": iso(since),
        "until": iso(until),
    }
    parse(OverrideContent, content, OVERRIDE)
    return rfc8785.dumps(content)


def refuse_expired(approval: Approval, now: datetime) -> None:
    """Refuse a word that was good when the station started and ended since.

    Raises:
        ConfigError: The bundle, or its override, expired.
    """
    if approval.expires and moment(approval.expires) <= now:
        what = "The emergency override of bundle" if approval.override else "Bundle"
        message = f"{what} {approval.bundle} expired at {approval.expires}."
        raise ConfigError(message, hint="Ask the line lead for an order with an approved bundle.")


def _state(bundle: Bundle, signed: _Signed, approvers: tuple[str, ...], rules: Rules) -> tuple[BundleState, str]:
    withdrawn = next((one for one in rules.restrictions if _withdraws(one, bundle)), None)
    if withdrawn is not None:
        return BundleState.WITHDRAWN, f"Bundle {bundle.title} was withdrawn by {withdrawn.who}: {withdrawn.reason}"
    if not _by_author(bundle.content.author, signed):
        said = f" {signed.problems[0]}." if signed.problems else ""
        sentence = f"Bundle {bundle.title} is not signed by its author {bundle.content.author}.{said}"
        return BundleState.UNAPPROVED, sentence
    if len(approvers) < rules.count:
        said = f" {signed.problems[0]}." if signed.problems else ""
        has = f"{len(approvers)} of {rules.count} approvals by others than its author"
        return BundleState.UNAPPROVED, f"Bundle {bundle.title} has {has}.{said}"
    if bundle.expires <= rules.now:
        return BundleState.EXPIRED, f"Bundle {bundle.title} expired at {bundle.content.expires}."
    if moment(bundle.content.created) > rules.now + timedelta(days=1):
        return BundleState.REFUSED, f"Bundle {bundle.title} was made in the future, or the station's clock is wrong."
    return BundleState.USABLE, f"By {bundle.content.author}, approved by {', '.join(approvers)}."


def _withdraws(one: Restriction, bundle: Bundle) -> bool:
    return one.kind is RestrictionKind.BUNDLE and one.subject == bundle.digest


def _by_author(author: str, signed: _Signed) -> bool:
    return author in signed.people.get(Role.AUTHOR, [])


def _count_author(bundle: Bundle, signed: _Signed) -> None:
    """Tell of people who signed as author and are not."""
    for person in signed.people.get(Role.AUTHOR, []):
        if person != bundle.content.author:
            signed.problems.append(f"{person} signed as author; the author is {bundle.content.author}")


def _approvers(author: str, signed: _Signed) -> Iterator[str]:
    """Yield each person who approved, once, and tell of an author who did."""
    for person in _approvers_of(signed):
        if person == author:
            signed.problems.append(f"{person} is the author, and can't approve their own work")
        else:
            yield person


def _approvers_of(signed: _Signed) -> list[str]:
    return list(dict.fromkeys(signed.people.get(Role.APPROVER, [])))


def _signatures(beside: Mapping[str, bytes]) -> Iterator[tuple[str, Signature | str]]:
    """Read all signature files; what is none is told in its place."""
    for name, raw in beside.items():
        if name != OVERRIDE:
            try:
                yield name, parse_signature(name, raw)
            except ConfigError as error:
                yield name, error.message


def _signed(
    message: bytes, signatures: Mapping[str, Signature | str], roles: tuple[Role, ...], rules: Rules
) -> _Signed:
    """Find out who signed a message in one of these roles; signatures in other roles are for others to judge."""
    found = _Signed()
    known = {role.value for role in Role}
    for name, one in signatures.items():
        if isinstance(one, str):
            found.problems.append(one)
        elif one.namespace not in known:
            found.problems.append(f"{name} was made for '{one.namespace[:40]}', which is no role here")
        elif one.namespace in roles:
            person = rules.approvers.person(one.key)
            why = rules.approvers.verify(one, person, message) if person else "is of a key that nobody here has"
            if why:
                whose = f" of {person}" if person else f" ({one.fingerprint})"
                found.problems.append(f"{name}{whose} {why}")
            else:
                found.people.setdefault(Role(one.namespace), []).append(person)
    return found


def _override(bundle: Bundle, beside: Mapping[str, bytes], rules: Rules) -> tuple[Override | None, list[str]]:
    """Return the emergency approval beside a bundle, or why it does not count."""
    document = beside[OVERRIDE]
    try:
        content = parse(OverrideContent, json.loads(document), OVERRIDE)
    except (ValueError, RecursionError) as error:
        return None, [f"{OVERRIDE} is no JSON: {error}"]
    except ConfigError as error:
        return None, [error.message]
    signed = _signed(document, dict(_signatures(beside)), (Role.OVERRIDE_LINE, Role.OVERRIDE_QUALITY), rules)
    why = _override_refusal(bundle, content, rules.now)
    pair = _two_people(bundle.content.author, signed)
    if why or pair is None:
        lacks = why or f"{OVERRIDE} needs the signatures of two people, one for the line and one for quality"
        return None, [lacks, *signed.problems]
    return Override(content.reason, content.until, *pair), []


def _override_refusal(bundle: Bundle, content: OverrideContent, now: datetime) -> str:
    if content.bundle != bundle.digest:
        return f"{OVERRIDE} is for another bundle"
    if not moment(content.since) <= now < moment(content.until):
        return f"{OVERRIDE} is valid from {content.since} to {content.until} only"
    return ""


def _two_people(author: str, signed: _Signed) -> tuple[str, str] | None:
    """Return two different people, one for the line and one for quality, neither of them the author."""
    for line in signed.people.get(Role.OVERRIDE_LINE, []):
        for quality in signed.people.get(Role.OVERRIDE_QUALITY, []):
            if len({author, line, quality}) == 3:
                return line, quality
    return None
