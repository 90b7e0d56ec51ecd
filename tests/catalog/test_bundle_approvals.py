"""Four eyes, with real keys and OpenSSH: every way to approve one's own work is refused, each with its sentence."""

import base64
import binascii
import json
import shutil
import subprocess
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixtures.approval import APPROVER, AUTHOR, PEOPLE, QUALITY, entry, make_keys, sign_bundle, write_approvers
from station.catalog.approvals import BundleState, Judgement, Rules, judge, override_document, refuse_expired
from station.catalog.bundle import (
    OVERRIDE,
    Bundle,
    BundleOptions,
    files_beside,
    load_bundle,
    make_bundle,
    parse_bundle,
    write_bundle,
)
from station.catalog.restrictions import Restriction, RestrictionKind
from station.catalog.signatures import Approvers, Role, load_approvers, parse_signature, sign
from station.clock import utc_now
from station.errors import ConfigError
from station.steps import STEPS


@dataclass
class Case:
    """A new bundle that nobody signed, and the people who may."""

    bundle: Bundle
    place: Path
    keys: Path
    count: int = 1
    restrictions: tuple[Restriction, ...] = ()

    @property
    def folder(self) -> Path:
        return self.bundle.catalog / "bundles" / self.bundle.name

    def sign(self, person: str, role: Role) -> Path:
        return sign_bundle(self.bundle, self.keys, person, role)

    def judge(self, after: timedelta = timedelta(0)) -> Judgement:
        approvers = load_approvers(self.place / "approvers")
        rules = Rules(approvers, self.count, self.restrictions, utc_now() + after)
        return judge(self.bundle, files_beside(self.bundle.catalog, self.bundle.name), rules)

    def pin(self, *entries: str) -> None:
        (self.place / "approvers").write_text("".join(entries))

    def everybody(self, **options: str) -> None:
        self.pin(*(entry(self.keys, person, options=options.get(person.replace("-", "_"), "")) for person in PEOPLE))


@pytest.fixture
def case(place: Path, keys: Path) -> Case:
    """Return the second revision of a bundle, which nobody signed."""
    bundle = make_bundle(place / "catalog", BundleOptions("ac22-eu", AUTHOR), STEPS)
    write_bundle(bundle)
    return Case(bundle, place, keys)


@pytest.fixture
def signed(case: Case) -> Case:
    """Return a bundle that its author signed."""
    case.sign(AUTHOR, Role.AUTHOR)
    return case


def test_author_and_another_make_it_usable(signed: Case) -> None:
    """F-A2: N distinct identities that are not the author's."""
    signed.sign(APPROVER, Role.APPROVER)
    found = signed.judge()
    assert (found.state, found.approval.author, found.approval.approvers) == (BundleState.USABLE, AUTHOR, (APPROVER,))
    assert (found.approval.digest, found.problems) == (signed.bundle.digest, ())


def test_nobody_signed(case: Case) -> None:
    found = case.judge()
    assert (found.state, found.usable) == (BundleState.UNAPPROVED, False)
    assert f"is not signed by its author {AUTHOR}" in found.sentence


def test_author_alone(signed: Case) -> None:
    """Unapproved: the sentence says how many are missing."""
    found = signed.judge()
    assert (found.state, "0 of 1 approvals" in found.sentence) == (BundleState.UNAPPROVED, True)


def test_approver_without_author(case: Case) -> None:
    case.sign(APPROVER, Role.APPROVER)
    assert (case.judge().state, "not signed by its author" in case.judge().sentence) == (BundleState.UNAPPROVED, True)


def test_author_approving(signed: Case) -> None:
    """P15, F-A2: also an author who may approve others' work can't approve their own."""
    signed.sign(AUTHOR, Role.APPROVER)
    found = signed.judge()
    assert found.state is BundleState.UNAPPROVED
    assert f"{AUTHOR} is the author, and can't approve their own work" in found.sentence


def test_author_approving_with_a_second_key(signed: Case, tmp_path: Path) -> None:
    """Another key of the same person is the same person."""
    make_keys(tmp_path / "second", [AUTHOR])
    signed.pin(*(entry(signed.keys, one) for one in PEOPLE), entry(tmp_path / "second", AUTHOR))
    sign_bundle(signed.bundle, tmp_path / "second", AUTHOR, Role.APPROVER)
    assert "can't approve their own work" in signed.judge().sentence


def test_same_person_twice(signed: Case, tmp_path: Path) -> None:
    """Two keys, two files, one person: one approval."""
    make_keys(tmp_path / "second", [APPROVER])
    signed.pin(*(entry(signed.keys, one) for one in PEOPLE), entry(tmp_path / "second", APPROVER))
    first = signed.sign(APPROVER, Role.APPROVER)
    first.rename(first.with_name("first.sig"))
    sign_bundle(signed.bundle, tmp_path / "second", APPROVER, Role.APPROVER)
    shutil.copy(first.with_name("first.sig"), first.with_name("copy.sig"))
    signed.count = 2
    found = signed.judge()
    assert (found.state, found.approval.approvers) == (BundleState.UNAPPROVED, (APPROVER,))
    assert "1 of 2 approvals" in found.sentence


def test_two_are_needed_where_two_are_asked_for(signed: Case) -> None:
    signed.count = 2
    signed.sign(APPROVER, Role.APPROVER)
    assert not signed.judge().usable
    signed.sign(QUALITY, Role.APPROVER)
    assert (signed.judge().state, signed.judge().approval.approvers) == (BundleState.USABLE, (APPROVER, QUALITY))


@pytest.mark.parametrize("count", [0, -1])
def test_nothing_lowers_the_fewest(case: Case, count: int) -> None:
    case.count = count
    with pytest.raises(ValueError, match="at least 1 approver"):
        case.judge()


def test_same_key_under_two_names(signed: Case) -> None:
    """One key can't be two people: the whole file of approvers is refused."""
    twin = entry(signed.keys, APPROVER).replace(APPROVER, "somebody-else", 1)
    signed.pin(*(entry(signed.keys, one) for one in PEOPLE), twin)
    with pytest.raises(ConfigError, match=f"key of 'somebody-else' is also the key of '{APPROVER}'"):
        signed.judge()


def test_key_that_is_not_pinned(signed: Case, tmp_path: Path) -> None:
    make_keys(tmp_path / "stranger", [APPROVER])
    sign_bundle(signed.bundle, tmp_path / "stranger", APPROVER, Role.APPROVER)
    found = signed.judge()
    assert (found.state, "of a key that nobody here has" in found.sentence) == (BundleState.UNAPPROVED, True)


def test_approver_who_was_taken_off_the_file(signed: Case) -> None:
    """Who left does not count any more; the others' approvals still do."""
    signed.sign(APPROVER, Role.APPROVER)
    signed.pin(entry(signed.keys, AUTHOR), entry(signed.keys, QUALITY))
    assert signed.judge().state is BundleState.UNAPPROVED
    signed.sign(QUALITY, Role.APPROVER)
    assert (signed.judge().state, len(signed.judge().problems)) == (BundleState.USABLE, 1)


def test_role_that_a_person_does_not_have(signed: Case) -> None:
    """`namespaces=` in the file of approvers says who may sign as what."""
    signed.pin(entry(signed.keys, AUTHOR), entry(signed.keys, APPROVER, [Role.AUTHOR]))
    signed.sign(APPROVER, Role.APPROVER)
    assert f"approver-{APPROVER}.sig of {APPROVER} was made in a role" in signed.judge().sentence


def test_wrong_namespace(signed: Case) -> None:
    """A signature made for something else, such as a file or a Git commit, approves nothing."""
    document = signed.folder / "bundle.json"
    words = ("ssh-keygen", "-q", "-Y", "sign", "-n", "file", "-f", str(signed.keys / APPROVER), str(document))
    subprocess.run(words, check=True, timeout=30, capture_output=True)
    found = signed.judge()
    assert (found.state, "made for 'file', which is no role here" in found.sentence) == (BundleState.UNAPPROVED, True)


def test_override_role_approves_nothing(signed: Case) -> None:
    """Who signs as override on the bundle itself is no approver of it."""
    signed.sign(QUALITY, Role.OVERRIDE_QUALITY)
    assert (signed.judge().state, signed.judge().approval.approvers) == (BundleState.UNAPPROVED, ())


def test_signature_of_another_bundle(signed: Case) -> None:
    """The approval of r1 lies beside r2."""
    old = signed.bundle.catalog / "bundles" / "ac22-eu-r1" / f"approver-{APPROVER}.sig"
    shutil.copy(old, signed.folder)
    found = signed.judge()
    assert (found.state, "does not fit" in found.sentence) == (BundleState.UNAPPROVED, True)


def test_another_author_than_the_document_says(case: Case) -> None:
    case.pin(*(entry(case.keys, one, [Role.AUTHOR, Role.APPROVER]) for one in PEOPLE))
    case.sign(QUALITY, Role.AUTHOR)
    case.sign(APPROVER, Role.APPROVER)
    assert case.judge().state is BundleState.UNAPPROVED
    assert f"{QUALITY} signed as author; the author is {AUTHOR}" in case.judge().problems


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (',valid-before="20200101"', "may sign no longer"),
        (',valid-after="20400101"', "may not sign yet"),
    ],
)
def test_key_outside_of_its_time(signed: Case, options: str, sentence: str) -> None:
    signed.sign(APPROVER, Role.APPROVER)
    signed.everybody(line_lead=options)
    found = signed.judge()
    assert (found.state, sentence in found.sentence) == (BundleState.UNAPPROVED, True)


@pytest.mark.parametrize("raw", [b"", b"junk", b"-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----"])
def test_signature_file_that_is_none(signed: Case, raw: bytes) -> None:
    """It is told, and harms no other signature."""
    (signed.folder / "a.sig").write_bytes(raw)
    assert "a.sig: it is no signature" in signed.judge().sentence
    signed.sign(APPROVER, Role.APPROVER)
    assert (signed.judge().state, len(signed.judge().problems)) == (BundleState.USABLE, 1)


def test_cut_signature(signed: Case) -> None:
    path = signed.sign(APPROVER, Role.APPROVER)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:3], *lines[-1:]]))
    assert not signed.judge().usable


def test_expired(signed: Case) -> None:
    signed.sign(APPROVER, Role.APPROVER)
    assert signed.judge(timedelta(days=364)).usable
    found = signed.judge(timedelta(days=366))
    assert (found.state, "expired at" in found.sentence) == (BundleState.EXPIRED, True)


def test_word_that_ends_while_the_station_runs(signed: Case) -> None:
    """What was good at the start is asked again before each run."""
    signed.sign(APPROVER, Role.APPROVER)
    approval = signed.judge().approval
    refuse_expired(approval, utc_now())
    with pytest.raises(ConfigError, match="Bundle ac22-eu r2 expired at"):
        refuse_expired(approval, utc_now() + timedelta(days=366))


def test_made_in_the_future(signed: Case) -> None:
    """A clock that was set back must not make an expired bundle good."""
    signed.sign(APPROVER, Role.APPROVER)
    found = signed.judge(timedelta(days=-3))
    assert (found.state, found.usable) == (BundleState.REFUSED, False)


def test_withdrawn(signed: Case) -> None:
    """F-A2: whoever approved it."""
    signed.sign(APPROVER, Role.APPROVER)
    signed.restrictions = (Restriction(RestrictionKind.BUNDLE, signed.bundle.digest, reason="burns", who="quality"),)
    found = signed.judge()
    assert (found.state, found.sentence) == (BundleState.WITHDRAWN, "Bundle ac22-eu r2 was withdrawn by quality: burns")


def test_auditor_needs_ssh_keygen_and_sha256sum_alone(signed: Case) -> None:
    """What this program believes can be checked without it."""
    path = signed.sign(APPROVER, Role.APPROVER)
    words = ["ssh-keygen", "-Y", "verify", "-f", str(signed.place / "approvers"), "-I", APPROVER]
    words += ["-n", "approver@charger-station", "-s", str(path)]
    document = (signed.folder / "bundle.json").read_bytes()
    assert subprocess.run(words, input=document, timeout=30, check=False, capture_output=True).returncode == 0
    assert subprocess.run(words, input=document + b" ", timeout=30, check=False, capture_output=True).returncode != 0
    summed = subprocess.run(
        ["sha256sum", str(signed.folder / "bundle.json")], timeout=30, check=True, capture_output=True
    )
    assert summed.stdout.decode().startswith(signed.bundle.digest)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_single_byte_that_changed_is_refused(bundle: Bundle, place: Path, data: st.DataObject) -> None:
    """F-A2: wherever the byte is, the bundle is unreadable or its author's signature does not fit."""
    position = data.draw(st.integers(0, len(bundle.document) - 1))
    raw = bytearray(bundle.document)
    raw[position] ^= data.draw(st.integers(1, 255))
    rules = Rules(load_approvers(place / "approvers"), 1, (), utc_now())
    try:
        spoiled = parse_bundle(bytes(raw), bundle.catalog, "bundle.json")
    except ConfigError:
        return
    found = judge(spoiled, files_beside(bundle.catalog, bundle.name), rules)
    assert (found.state, found.usable) == (BundleState.UNAPPROVED, False)


def decoded(signature: bytes) -> bytes:
    """Return what a signature file says, by OpenSSH's own frame; itself where it has none."""
    lines = signature.strip().split(b"\n")
    framed = lines[0].startswith(b"-----BEGIN SSH SIGNATURE-----") and lines[-1] == b"-----END SSH SIGNATURE-----"
    try:
        return base64.b64decode(b"".join(lines[1:-1])) if framed else signature
    except binascii.Error:
        return signature


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_single_byte_of_a_signature_counts(bundle: Bundle, place: Path, data: st.DataObject) -> None:
    """A spoiled signature approves nothing; only the layout of its lines and unused bits of its base64 may differ."""
    beside = files_beside(bundle.catalog, bundle.name)
    name = f"approver-{APPROVER}.sig"
    raw = bytearray(beside[name])
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    if decoded(bytes(raw)) == decoded(beside[name]):
        return
    found = judge(bundle, beside | {name: bytes(raw)}, Rules(load_approvers(place / "approvers"), 1, (), utc_now()))
    assert not found.usable


def test_ssh_keygen_is_missing(bundle: Bundle, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said what to install; nothing is believed unchecked."""
    monkeypatch.setenv("PATH", str(place))
    rules = Rules(load_approvers(place / "approvers"), 1, (), utc_now())
    with pytest.raises(ConfigError, match="ssh-keygen is not installed") as caught:
        judge(bundle, files_beside(bundle.catalog, bundle.name), rules)
    assert "openssh-client" in caught.value.hint


def test_sign_with_a_key_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("no key")
    with pytest.raises(ConfigError, match="did not sign"):
        sign(b"message", tmp_path / "key", Role.APPROVER)


def spoiled(keys: Path, old: str, new: str) -> str:
    line = entry(keys, APPROVER)
    assert old in line
    return line.replace(old, new, 1)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("namespaces=", "cert-authority,namespaces=", "any number of people"),
        ("line-lead ", "line-lead,quality ", "not one person's name"),
        ("line-lead ", "* ", "not one person's name"),
        ("line-lead ", "!quality ", "not one person's name"),
        ('namespaces="approver@charger-station,override-line@charger-station" ', "", "namespaces=.* is missing"),
        ("approver@charger-station", "*", "namespaces: known are"),
        ("approver@charger-station,override-line@charger-station", "", "namespaces: known are"),
        ("namespaces=", 'verify-required="1",namespaces=', "option 'verify-required'"),
        ("ssh-ed25519 ", "ssh-ed25519-cert-v01@openssh.com ", "no public key"),
        ("ssh-ed25519 ", "ssh-rsa ", "no public key"),
        ("ssh-ed25519 AAAA", "ssh-ed25519 ", "no public key"),
        ("ssh-ed25519 ", "", "no public key"),
    ],
)
def test_file_of_approvers_that_is_ambiguous(case: Case, old: str, new: str, sentence: str) -> None:
    """Each line is one person with one key: nothing by which people could not be told apart."""
    case.pin("# people\n", "\n", spoiled(case.keys, old, new))
    with pytest.raises(ConfigError, match=rf"approvers: line 3: .*{sentence}"):
        load_approvers(case.place / "approvers")


@pytest.mark.parametrize("raw", [None, b"\xff", b"#" * 200_000], ids=["missing", "not UTF-8", "large"])
def test_file_of_approvers_that_is_none(tmp_path: Path, raw: bytes | None) -> None:
    if raw is not None:
        (tmp_path / "approvers").write_bytes(raw)
    with pytest.raises(ConfigError, match="approvers"):
        load_approvers(tmp_path / "approvers")


def test_empty_file_of_approvers_approves_nothing(signed: Case) -> None:
    signed.sign(APPROVER, Role.APPROVER)
    signed.pin("")
    assert not signed.judge().usable


# --- overrides ---


def override(
    case: Case, people: dict[Role, str], *, hours: float = 10, since: float = 0, of: Bundle | None = None
) -> None:
    """Lay an override of a bundle beside it, signed by these people."""
    start = utc_now() + timedelta(hours=since)
    document = override_document(of or case.bundle, "line down", start, start + timedelta(hours=hours))
    (case.folder / OVERRIDE).write_bytes(document)
    for role, person in people.items():
        (case.folder / f"{role.word}-{person}.sig").write_bytes(sign(document, case.keys / person, role))


BOTH = {Role.OVERRIDE_LINE: APPROVER, Role.OVERRIDE_QUALITY: QUALITY}


def test_override_by_two_roles(signed: Case) -> None:
    """F-A2: the emergency shows who took it on themselves, why, and until when."""
    override(signed, BOTH)
    found = signed.judge()
    assert (found.state, found.usable) == (BundleState.OVERRIDDEN, True)
    assert found.approval.override is not None
    assert (found.approval.override.line, found.approval.override.quality) == (APPROVER, QUALITY)
    assert (found.approval.override.reason, found.approval.approvers) == ("line down", ())
    assert found.approval.expires == found.approval.override.until
    assert "0 of 1 approvals" in found.sentence


def test_override_ends(signed: Case) -> None:
    override(signed, BOTH, hours=10)
    assert signed.judge(timedelta(hours=9)).usable
    found = signed.judge(timedelta(hours=11))
    assert (found.state, "valid from" in found.problems[0]) == (BundleState.UNAPPROVED, True)


def test_override_that_did_not_begin(signed: Case) -> None:
    override(signed, BOTH, since=5)
    assert not signed.judge().usable


def test_override_of_an_expired_bundle(signed: Case) -> None:
    signed.sign(APPROVER, Role.APPROVER)
    override(signed, BOTH, since=24 * 366)
    assert signed.judge(timedelta(days=366, hours=1)).state is BundleState.OVERRIDDEN


@pytest.mark.parametrize(
    ("people", "sentence"),
    [
        ({Role.OVERRIDE_LINE: APPROVER}, "two people"),
        ({Role.OVERRIDE_QUALITY: QUALITY}, "two people"),
        ({}, "two people"),
        ({Role.APPROVER: APPROVER, Role.OVERRIDE_QUALITY: QUALITY}, "two people"),
        ({Role.OVERRIDE_LINE: QUALITY, Role.OVERRIDE_QUALITY: QUALITY}, "two people"),
        ({Role.OVERRIDE_LINE: AUTHOR, Role.OVERRIDE_QUALITY: QUALITY}, "two people"),
    ],
)
def test_override_by_fewer_than_two_people_of_two_roles(signed: Case, people: dict[Role, str], sentence: str) -> None:
    """Also one person with both roles, or the author, is not enough."""
    signed.pin(*(entry(signed.keys, one, list(Role)) for one in PEOPLE))
    override(signed, people)
    found = signed.judge()
    assert (found.usable, sentence in " ".join(found.problems)) == (False, True)


def test_override_of_another_bundle(signed: Case) -> None:
    override(signed, BOTH, of=load_bundle(signed.bundle.catalog, "ac22-eu-r1"))
    assert (signed.judge().usable, "for another bundle" in " ".join(signed.judge().problems)) == (False, True)


def test_override_edited_after_signing(signed: Case) -> None:
    override(signed, BOTH, hours=1)
    text = (signed.folder / OVERRIDE).read_text()
    (signed.folder / OVERRIDE).write_text(text.replace("line down", "line dowm"))
    assert (signed.judge().usable, "does not fit" in " ".join(signed.judge().problems)) == (False, True)


def test_override_of_an_edited_bundle(signed: Case) -> None:
    """The author's own signature is needed: an override replaces approvals, never authorship."""
    (signed.folder / f"author-{AUTHOR}.sig").unlink()
    override(signed, BOTH)
    assert signed.judge().state is BundleState.UNAPPROVED


def test_override_of_a_withdrawn_bundle(signed: Case) -> None:
    override(signed, BOTH)
    signed.restrictions = (Restriction(RestrictionKind.BUNDLE, signed.bundle.digest, reason="burns", who="quality"),)
    assert signed.judge().state is BundleState.WITHDRAWN


@pytest.mark.parametrize("raw", [b"{", b"[]", b"{}", b"[" * 100_000], ids=["cut off", "list", "empty", "deep"])
def test_override_that_is_none(signed: Case, raw: bytes) -> None:
    (signed.folder / OVERRIDE).write_bytes(raw[:60_000])
    assert (signed.judge().usable, OVERRIDE in " ".join(signed.judge().problems)) == (False, True)


@pytest.mark.parametrize(
    ("reason", "hours", "sentence"),
    [("", 1, "reason"), ("a\nb", 1, "reason"), ("x" * 401, 1, "reason"), ("ok", 73, "72 hours"), ("ok", 0, "72 hours")],
)
def test_override_that_nobody_may_sign(case: Case, reason: str, hours: int, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        override_document(case.bundle, reason, utc_now(), utc_now() + timedelta(hours=hours))
    assert override_document(case.bundle, "ok", utc_now(), utc_now() + timedelta(hours=72))


def test_longer_override_is_refused_also_when_signed(signed: Case) -> None:
    """The limit is checked where it counts, not only where an override is made."""
    content = json.loads(override_document(signed.bundle, "ok", utc_now(), utc_now() + timedelta(hours=1)))
    content["until"] = content["until"].replace(content["until"][:4], str(int(content["until"][:4]) + 1))
    document = json.dumps(content).encode()
    (signed.folder / OVERRIDE).write_bytes(document)
    for role, person in BOTH.items():
        (signed.folder / f"{role.word}.sig").write_bytes(sign(document, signed.keys / person, role))
    assert (signed.judge().usable, "72 hours" in " ".join(signed.judge().problems)) == (False, True)


def test_approvers_hold_their_own_words(keys: Path, tmp_path: Path) -> None:
    """Whose key it is, by its binary form."""
    write_approvers(keys, tmp_path / "approvers")
    approvers = load_approvers(tmp_path / "approvers")
    signature = parse_signature("a.sig", sign(b"message", keys / QUALITY, Role.APPROVER))
    assert approvers.person(signature.key) == QUALITY
    assert approvers.verify(signature, QUALITY, b"message") == ""
    assert approvers.verify(signature, APPROVER, b"message") != ""
    assert Approvers(approvers.raw, ()).person(signature.key) == ""
    assert (
        signature.fingerprint
        in subprocess.run(
            ["ssh-keygen", "-l", "-f", str(keys / f"{QUALITY}.pub")],
            check=True,
            timeout=30,
            capture_output=True,
            text=True,
        ).stdout
    )
    assert replace(signature, namespace=Role.AUTHOR.value) != signature
