"""Passwords that the factory keeps for itself: sealed to a key of its token, opened there alone (F-D7, F-G5)."""

import json
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_public_key

from pki.ceremony import hold_ceremony
from pki.ceremony.hold import Occasion
from pki.ceremony.rehearsal import rehearse
from pki.cli import main
from pki.cms import load_recipient, seal
from pki.environment import Ship, Test
from pki.errors import KeystoreError, ProfileError, RequestRefused
from pki.issue import Factory, open_factory
from pki.passwords import Kind, Password, Verifier
from pki.plan import Layout
from pki.status import report

UNIT, OTHER = "AC22-000001-7", "AC22-000002-5"
REASON = Occasion(reason="units with passwords")


def openssl(*words: str | Path, data: bytes = b"") -> bytes:
    command = ["openssl", *map(str, words)]
    return subprocess.run(command, input=data, check=True, capture_output=True, timeout=30).stdout


@pytest.fixture(scope="session")
def sealing_original(tmp_path_factory, pki_original: Path, ceremony_file: Path) -> Path:
    """A factory that got its sealing key by a later ceremony: nothing else was made anew."""
    directory = tmp_path_factory.mktemp("sealing") / "pki"
    copied(pki_original, directory)
    amended = directory.parent / "amended.toml"
    amended.write_text(ceremony_file.read_text() + "\n[sealing]\nbits = 2048\n")
    with pytest.raises(ProfileError, match="differs"):
        hold_ceremony(amended, directory)
    assert "would make key sealing (rsa2048) in token online" in rehearse(amended, directory)
    done = hold_ceremony(amended, directory, REASON)
    assert [line for line in done if "made" in line] == ["made key sealing in token online"]
    assert hold_ceremony(amended, directory) == []
    return directory


def copied(source: Path, target: Path) -> Path:
    shutil.copytree(source, target)
    configuration = target / "softhsm2.conf"
    configuration.write_text(configuration.read_text().replace(str(source), str(target)))
    return target


@pytest.fixture
def sealing(sealing_original: Path, tmp_path: Path) -> Path:
    return copied(sealing_original, tmp_path / "pki")


@pytest.fixture
def factory(sealing: Path) -> Iterator[Factory]:
    opened = open_factory(sealing)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def owner(tmp_path_factory) -> Path:
    """The CPMS: certificate and key."""
    folder = tmp_path_factory.mktemp("owner")
    paths = ("-keyout", folder / "key.pem", "-out", folder / "certificate.pem")
    openssl("req", "-x509", "-nodes", "-newkey", "rsa:2048", "-subj", "/O=Example Network/CN=CPMS", *paths)
    return folder


@pytest.fixture
def cpms(owner: Path) -> x509.Certificate:
    return load_recipient((owner / "certificate.pem").read_bytes())


def row(directory: Path, change: str) -> None:
    with sqlite3.connect(Layout(directory).ledger) as raw:
        raw.execute("DROP TRIGGER IF EXISTS passwords_no_update")
        raw.execute(change)
    raw.close()


def test_the_same_password_goes_on_after_a_crash(factory, sealing):
    """A station that died and comes back finds one password, and the ledger has no second one."""
    made = factory.passwords.ensure(UNIT, Ship, Kind.OCPP)
    first = factory.passwords.open(UNIT, Ship, Kind.OCPP)
    factory.close()
    again = open_factory(sealing)
    assert again.passwords.ensure(UNIT, Ship, Kind.OCPP) == made
    assert again.passwords.open(UNIT, Ship, Kind.OCPP) == first
    again.close()


def test_test_and_ship_differ(factory):
    for world in (Test, Ship):
        factory.passwords.ensure(UNIT, world, Kind.OCPP)
    assert factory.passwords.open(UNIT, Test, Kind.OCPP) != factory.passwords.open(UNIT, Ship, Kind.OCPP)


def test_a_new_one_replaces_the_old(factory):
    """Never two that count: what opens is the newest version."""
    factory.passwords.ensure(UNIT, Ship, Kind.OCPP)
    old = factory.passwords.open(UNIT, Ship, Kind.OCPP)
    new = factory.passwords.make(UNIT, Ship, Kind.OCPP, factory.safe.key, "leaked")
    assert new.version == 2
    assert factory.passwords.open(UNIT, Ship, Kind.OCPP) != old
    assert not factory.passwords.verifier(UNIT, Ship, Kind.OCPP).matches(old.reveal())


def test_it_is_resealed_for_the_cpms(factory, cpms, owner):
    """F-G5: openssl of the CPMS opens it; the ledger tells for whom it was sealed anew, and when."""
    factory.passwords.ensure(UNIT, Ship, Kind.OCPP)
    message = factory.passwords.reseal(UNIT, cpms)
    paths = ("-recip", owner / "certificate.pem", "-inkey", owner / "key.pem")
    content = json.loads(openssl("cms", "-decrypt", "-inform", "DER", "-binary", *paths, data=message))
    assert (content["unit"], content["environment"], content["encoding"]) == (UNIT, "ship", "ascii;ocpp1.6=hex")
    assert factory.passwords.open(UNIT, Ship, Kind.OCPP) == Password(content["password"])
    entry = json.loads(factory.ledger.audit_entries()[-1].entry)
    assert (entry["act"], entry["subject"], len(entry["body"]["recipient"])) == ("password-resealed", UNIT, 64)


def test_an_officer_gives_a_kept_one_to_a_cpms_or_replaces_it(sealing, owner, tmp_path):
    """The command seals anew what the line made; a leaked one is followed by one that the factory keeps."""
    factory = open_factory(sealing)
    factory.passwords.ensure(UNIT, Ship, Kind.OCPP)
    factory.close()
    out = tmp_path / "sealed.cms"
    common = ("password", "--environment", "ship", "--unit", UNIT, "--kind", "ocpp", "--dir", str(sealing))
    told = CliRunner().invoke(main, [*common, "--for", str(owner / "certificate.pem"), "--out", str(out)])
    assert "version 1" in told.output
    paths = ("-recip", owner / "certificate.pem", "-inkey", owner / "key.pem")
    first = json.loads(openssl("cms", "-decrypt", "-inform", "DER", "-binary", *paths, data=out.read_bytes()))
    assert "version 1, already" in CliRunner().invoke(main, [*common]).output
    told = CliRunner().invoke(main, [*common, "--reason", "leaked, case 17"])
    assert "version 2" in told.output
    assert "kept by the factory" in told.output
    factory = open_factory(sealing)
    assert not factory.passwords.verifier(UNIT, Ship, Kind.OCPP).matches(first["password"])
    factory.close()


def test_what_was_exchanged_in_the_ledger_is_refused(factory, sealing):
    """Anybody may seal for a public key: another unit's sealed password is not taken for this unit's."""
    for unit in (UNIT, OTHER):
        factory.passwords.ensure(unit, Ship, Kind.OCPP)
    row(sealing, f"UPDATE passwords SET sealed = (SELECT sealed FROM passwords WHERE unit = '{OTHER}')")
    with pytest.raises(RequestRefused, match="another one"):
        factory.passwords.open(UNIT, Ship, Kind.OCPP)
    assert factory.passwords.open(OTHER, Ship, Kind.OCPP)


def test_what_somebody_else_sealed_is_refused(factory, sealing):
    """Whoever can write into the ledger has the public half too; he has not the token's hash."""
    made = factory.passwords.ensure(UNIT, Ship, Kind.OCPP)
    facts = {"unit": UNIT, "environment": "ship", "kind": "ocpp", "version": 1, "encoding": made.encoding}
    forged = seal(json.dumps(facts | {"password": "chosenByTheIntruder1"}).encode(), factory.safe.key)
    row(sealing, f"UPDATE passwords SET sealed = x'{forged.hex()}' WHERE unit = '{UNIT}'")
    with pytest.raises(RequestRefused, match="another one") as refused:
        factory.passwords.open(UNIT, Ship, Kind.OCPP)
    assert "chosenByTheIntruder1" not in str(refused.value)


def test_its_facts_belong_to_it(factory, sealing):
    """A CPMS believes what is sealed with the password: whose, for which environment, in which encoding."""
    made = factory.passwords.ensure(UNIT, Ship, Kind.OCPP)
    facts = {"unit": UNIT, "environment": "test", "kind": "ocpp", "version": 1, "encoding": made.encoding}
    right = factory.passwords.open(UNIT, Ship, Kind.OCPP).reveal()
    forged = seal(json.dumps(facts | {"password": right}).encode(), factory.safe.key)
    row(sealing, f"UPDATE passwords SET sealed = x'{forged.hex()}' WHERE unit = '{UNIT}'")
    with pytest.raises(RequestRefused, match="another one"):
        factory.passwords.open(UNIT, Ship, Kind.OCPP)


@pytest.mark.parametrize(
    "change", ["substr(sealed, 1, 200)", "x'3000'", "CAST(substr(sealed, 1, length(sealed) - 1) || x'00' AS BLOB)"]
)
def test_a_damaged_one_is_an_error_and_the_token_lives(factory, sealing, change):
    factory.passwords.ensure(UNIT, Ship, Kind.OCPP)
    row(sealing, f"UPDATE passwords SET sealed = {change} WHERE unit = '{UNIT}'")
    with pytest.raises((RequestRefused, KeystoreError), match=r"damaged|can't open"):
        factory.passwords.open(UNIT, Ship, Kind.OCPP)
    factory.passwords.ensure(OTHER, Ship, Kind.OCPP)
    assert factory.passwords.open(OTHER, Ship, Kind.OCPP)


def test_one_sealed_for_somebody_else_alone_is_told(factory, cpms):
    factory.passwords.make(UNIT, Ship, Kind.OCPP, cpms)
    with pytest.raises(RequestRefused, match="somebody else alone"):
        factory.passwords.ensure(UNIT, Ship, Kind.OCPP)
    with pytest.raises(RequestRefused, match="another key or damaged"):
        factory.passwords.open(UNIT, Ship, Kind.OCPP)


def test_without_a_sealing_key_nothing_is_kept(pki_directory):
    factory = open_factory(pki_directory)
    with pytest.raises(ProfileError, match="no sealing key") as refused:
        factory.passwords.ensure(UNIT, Ship, Kind.OCPP)
    assert "[sealing]" in refused.value.hint
    factory.close()


def test_the_key_opens_and_does_nothing_else(factory, sealing):
    """Policy as the token reports it; the transcript tells the key and the status checks it."""
    keys = {key["name"]: key["policy"] for key in report(factory)["keys"]}
    assert (keys["sealing"]["never_extractable"], keys["sealing"]["sensitive"]) == (True, True)
    told = json.loads((Layout(sealing).transcripts / "0002" / "transcript.json").read_bytes())
    assert told["keys"]["sealing"]["algorithm"] == "rsa2048"
    assert load_der_public_key(Layout(sealing).load_sealing_key()).key_size == 2048
    assert factory.check() == []


def test_another_public_half_is_found_at_once(sealing, owner):
    """Whoever puts his own key there would read every password from then on: the token does not open for it."""
    other = openssl("x509", "-in", owner / "certificate.pem", "-noout", "-pubkey")
    Layout(sealing).sealing_key.write_bytes(other)
    with pytest.raises(KeystoreError, match="don't open what is sealed"):
        open_factory(sealing)


def test_a_sealing_key_is_never_taken_back(sealing, ceremony_file):
    """A file without it is another factory's."""
    with pytest.raises(ProfileError, match="another ceremony file"):
        hold_ceremony(ceremony_file, sealing, REASON)


def test_a_verifier_recognises_and_tells_nothing():
    password = Password("4uR0ubl3x9Qz7Kp2Lm8W")
    verifier = Verifier(password)
    assert verifier.matches("4uR0ubl3x9Qz7Kp2Lm8W")
    assert not verifier.matches("4uR0ubl3x9Qz7Kp2Lm8w")
    text = f"a{password.reveal()}b {password.hexadecimal()} {password.hexadecimal().upper()}"
    assert verifier.hide(text, "*") == "a*b * *"
    assert "4uR0" not in repr(verifier)


def test_secret_on_paper_is_opened_until_it_was_seen_and_never_again(factory: Factory, sealing: Path) -> None:
    """F-J3: what opens it is deleted; the ledger has what recognises it, and no backup of it has more."""
    paper = factory.paper
    assert (paper.ensure(UNIT, Kind.PIN), paper.ensure(UNIT, Kind.PIN)) == (1, 1)
    secret = paper.open(UNIT, Kind.PIN)
    assert secret == paper.open(UNIT, Kind.PIN)
    (kept,) = (sealing / "paper").iterdir()
    sealed = kept.read_bytes()
    assert (kept.stat().st_mode & 0o777, secret.reveal().encode() in sealed) == (0o600, False)
    paper.forget(UNIT, Kind.PIN)
    paper.forget(UNIT, Kind.PIN)
    with pytest.raises(RequestRefused, match="gone from us"):
        paper.open(UNIT, Kind.PIN)
    ledger = b"".join(path.read_bytes() for path in sealing.glob("ledger.sqlite*"))
    assert (sealed in ledger, ledger.count(b'"act":"password-forgotten"')) == (False, 1)
    assert factory.passwords.recognises(UNIT, Ship, Kind.PIN, secret)


def test_next_secret_is_another_one(factory: Factory) -> None:
    """F-J4: after the scan-back, or where the sealed file was lost, a unit gets a new secret and never an old one."""
    paper = factory.paper
    paper.ensure(UNIT, Kind.CLAIM)
    first = paper.open(UNIT, Kind.CLAIM)
    paper.forget(UNIT, Kind.CLAIM)
    assert (paper.ensure(UNIT, Kind.CLAIM), paper.open(UNIT, Kind.CLAIM) == first) == (2, False)
    (paper.folder / f"{UNIT}.claim.cms").unlink()
    assert not paper.held(UNIT, Kind.CLAIM)
    assert paper.ensure(UNIT, Kind.CLAIM) == 3


def test_secret_of_a_unit_that_ended_waits_for_no_paper(factory: Factory) -> None:
    """F-L4: scrapped before its label was scanned back, it leaves nothing that opens; another unit's secret stays."""
    for unit in (UNIT, OTHER):
        factory.paper.ensure(unit, Kind.PIN)
    factory.forget_paper(UNIT)
    factory.forget_paper(UNIT)
    assert [factory.paper.held(unit, Kind.PIN) for unit in (UNIT, OTHER)] == [False, True]


def test_file_of_another_unit_opens_nothing(factory: Factory) -> None:
    paper = factory.paper
    for unit in (UNIT, OTHER):
        paper.ensure(unit, Kind.PIN)
    (paper.folder / f"{UNIT}.pin.cms").write_bytes((paper.folder / f"{OTHER}.pin.cms").read_bytes())
    with pytest.raises(RequestRefused, match="gone from us"):
        paper.open(UNIT, Kind.PIN)
    assert (paper.ensure(UNIT, Kind.PIN), paper.ensure(OTHER, Kind.PIN)) == (2, 1)
    with pytest.raises(RequestRefused, match="letters, digits and hyphens"):
        paper.ensure("../../etc/x", Kind.PIN)


def test_factory_without_a_sealing_key_prints_no_secret(pki_directory: Path) -> None:
    opened = open_factory(pki_directory)
    with pytest.raises(ProfileError, match="no sealing key"):
        opened.paper.ensure(UNIT, Kind.PIN)
    opened.close()
