"""Unit passwords: their classes, their uniqueness, and that nobody but the recipient reads them (F-D6, F-D7)."""

import json
import logging
import os
import pickle
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, repeat
from pathlib import Path
from random import Random

import pytest
from cryptography import x509

from pki.cms import load_recipient
from pki.environment import Ship, Test
from pki.errors import KeystoreError, PkiError, ProfileError, RequestRefused
from pki.issue import open_factory
from pki.ledger import Ledger, create_ledger, open_ledger
from pki.passwords import POLICIES, Kind, Password, Passwords, open_passwords
from pki.passwords.hashing import SecretHash
from pki.passwords.kinds import draw, weak
from pki.secret import write_secret

UNIT, OTHER = "AC22-000001-7", "AC22-000002-5"
FORMS = {
    Kind.OCPP: "[0-9A-Za-z]{20}",
    Kind.WIFI: "[1-9A-HJ-NP-Za-km-z]{4}(-[1-9A-HJ-NP-Za-km-z]{4}){3}",
    Kind.WEB: "[1-9A-HJ-NP-Za-km-z]{4}(-[1-9A-HJ-NP-Za-km-z]{4}){3}",
    Kind.PIN: "[0-9]{8}",
    Kind.BLE_PIN: "[0-9]{6}",
    Kind.CLAIM: "[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}",
    Kind.RECOVERY: "[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){6}",
}
DOMAIN_BITS = {"ocpp": 119, "wifi": 80, "web": 80, "pin": 26, "ble-pin": 19.9, "claim": 40, "recovery": 128}
"""What the classes owe to law and practice; six digits have 19.93 bits."""


def openssl(*words: str | Path, data: bytes = b"") -> bytes:
    command = ["openssl", *map(str, words)]
    return subprocess.run(command, input=data, check=True, capture_output=True, timeout=30).stdout


@pytest.fixture(scope="module")
def owner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recipient's folder: certificate and key."""
    folder = tmp_path_factory.mktemp("owner")
    paths = ("-keyout", folder / "key.pem", "-out", folder / "certificate.pem")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    openssl("req", "-x509", "-nodes", *curve, "-subj", "/O=Example Network/CN=CPMS", *paths)
    return folder


@pytest.fixture
def recipient(owner: Path) -> x509.Certificate:
    return load_recipient((owner / "certificate.pem").read_bytes())


def opened(owner: Path, message: bytes) -> dict:
    paths = ("-recip", owner / "certificate.pem", "-inkey", owner / "key.pem")
    return json.loads(openssl("cms", "-decrypt", "-inform", "DER", "-binary", *paths, data=message))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    create_ledger(tmp_path / "ledger.sqlite")
    found = open_ledger(tmp_path / "ledger.sqlite", "tester")
    yield found
    found.close()


@pytest.fixture
def passwords(tmp_path: Path, ledger: Ledger) -> Passwords:
    return with_random(tmp_path, ledger, os.urandom)


def with_random(directory: Path, ledger: Ledger, random: Callable[[int], bytes]) -> Passwords:
    key = directory / "secrets" / "password-hash"
    if not key.exists():
        write_secret(key.name, directory, os.urandom(32).hex())
    return Passwords(ledger, random, SecretHash(directory))


def scripted(*texts: str) -> Callable[[int], bytes]:
    """A random generator that makes these decimal PINs, and honest ones afterwards."""
    script = chain(texts, repeat(""))

    def random(size: int) -> bytes:
        wanted = next(script)
        return bytes(map(int, wanted)) if wanted else os.urandom(size)

    return random


@pytest.mark.parametrize("kind", Kind)
def test_every_class_has_its_form_and_entropy(passwords, recipient, kind):
    """Domain 4.4: alphabet and length are data, and enough."""
    password, sealed = passwords.make_known(UNIT, Ship, kind, recipient)
    assert re.fullmatch(FORMS[kind], password.reveal())
    assert POLICIES[kind].bits >= DOMAIN_BITS[kind]
    assert (sealed.unit, sealed.environment, sealed.kind, sealed.version) == (UNIT, "ship", kind, 1)


def test_an_ocpp_password_fits_both_protocols(passwords, recipient):
    """1.6: 16 to 20 bytes as at most 40 digits; 2.x: 16 to 40 characters; the encoding is recorded."""
    password, sealed = passwords.make_known(UNIT, Ship, Kind.OCPP, recipient)
    assert 16 <= len(password.reveal()) <= 20
    assert bytes.fromhex(password.hexadecimal()).decode() == password.reveal()
    assert sealed.encoding == "ascii;ocpp1.6=hex"


def test_only_the_recipient_reads_it(passwords, recipient, owner):
    """openssl of the recipient; the content says what it is for, so sealed ones can't be exchanged unseen."""
    password, sealed = passwords.make_known(UNIT, Ship, Kind.WIFI, recipient)
    facts = {"unit": UNIT, "environment": "ship", "kind": "wifi", "version": 1, "encoding": "ascii"}
    assert opened(owner, sealed.message) == {**facts, "password": password.reveal()}
    assert passwords.make(UNIT, Test, Kind.WIFI, recipient).message != sealed.message


def test_every_character_is_equally_likely():
    """Rejection sampling: each byte value once gives each character equally often."""
    for kind in (Kind.OCPP, Kind.WIFI, Kind.PIN, Kind.CLAIM):
        alphabet = POLICIES[kind].alphabet
        usable = 256 // len(alphabet)
        drawn = "".join(drawn_from(kind, byte) for byte in range(256))
        assert {drawn.count(character) for character in alphabet} == {usable}


def drawn_from(kind: Kind, byte: int) -> str:
    """The first character, if it comes from this byte and not from those behind it."""
    behind = Random(byte).randbytes(200)
    drawn, others = (draw(kind, UNIT, lambda _, sent=sent: sent) for sent in (bytes([byte]) + behind, behind))
    return "" if drawn == others else drawn.reveal()[0]


def test_the_second_one_needs_a_reason(passwords, recipient):
    first, _ = passwords.make_known(UNIT, Ship, Kind.WIFI, recipient)
    with pytest.raises(RequestRefused, match="version 1, already"):
        passwords.make(UNIT, Ship, Kind.WIFI, recipient)
    second, sealed = passwords.make_known(UNIT, Ship, Kind.WIFI, recipient, "label lost")
    assert sealed.version == 2
    assert passwords.current(UNIT, Ship, Kind.WIFI) == sealed
    assert passwords.recognises(UNIT, Ship, Kind.WIFI, second)
    assert not passwords.recognises(UNIT, Ship, Kind.WIFI, first)


def test_a_clash_is_drawn_again(tmp_path, ledger, recipient):
    """F-D6: a generator that repeats itself once; two units never share."""
    repeated = bytes(range(40))
    script = chain([repeated, repeated], iter(lambda: os.urandom(40), b""))
    made = with_random(tmp_path, ledger, lambda size: next(script))
    first, _ = made.make_known(UNIT, Ship, Kind.WIFI, recipient)
    second, _ = made.make_known(OTHER, Test, Kind.WIFI, recipient)
    assert first.reveal() != second.reveal()
    assert [sealed.unit for sealed in made.sealed_for(recipient)] == [UNIT, OTHER]


def test_a_stuck_generator_is_an_alarm(tmp_path, ledger, recipient):
    stuck = with_random(tmp_path, ledger, lambda size: bytes(range(size)))
    stuck.make(UNIT, Ship, Kind.WIFI, recipient)
    with pytest.raises(PkiError, match="no unused wifi password"):
        stuck.make(OTHER, Ship, Kind.WIFI, recipient)
    with pytest.raises(KeystoreError, match="not random"):
        with_random(tmp_path, ledger, bytes).make(OTHER, Ship, Kind.PIN, recipient)
    with pytest.raises(KeystoreError, match="not random"):
        with_random(tmp_path, ledger, lambda size: b"\xff" * size).make(OTHER, Ship, Kind.PIN, recipient)


def test_pins_are_unique_with_their_unit(tmp_path, ledger, recipient):
    """F-D6: two units may share a short PIN by chance; one unit never gets the same again, in no environment."""
    pin = "83920174"
    made = with_random(tmp_path, ledger, scripted(pin, pin, pin, "60713925"))
    assert made.make_known(UNIT, Ship, Kind.PIN, recipient)[0].reveal() == pin
    assert made.make_known(OTHER, Ship, Kind.PIN, recipient)[0].reveal() == pin
    assert made.make_known(UNIT, Test, Kind.PIN, recipient)[0].reveal() == "60713925"


WEAK = "00000000 11111111 12345678 87654321 01234567 89012345 12121212 12341234 11112222 24680246 11223344 19700101"


@pytest.mark.parametrize("pin", [*WEAK.split(), "000000", "123456", "654321", "112233", "123123", "121121", "000001"])
def test_weak_pins_are_never_given(tmp_path, ledger, recipient, pin):
    kind, good = (Kind.PIN, "83920174") if len(pin) == 8 else (Kind.BLE_PIN, "839201")
    made = with_random(tmp_path, ledger, scripted(pin, good))
    assert weak(pin, UNIT)
    assert made.make_known(UNIT, Ship, kind, recipient)[0].reveal() == good


def test_a_pin_from_the_serial_number_is_weak():
    """UK SI 2023/1007: nothing that stands on the label."""
    assert weak("839201", "AC22-839201-7")
    assert not weak("839201", UNIT)


def test_a_password_shows_itself_to_nobody(caplog):
    password = Password("Tr0ub4dor")
    logging.getLogger("test").warning("%s %r %s", password, [password], f"{password}")
    with pytest.raises(TypeError, match="not for storing"):
        pickle.dumps(password)
    with pytest.raises(TypeError, match="no hash"):
        hash(password)
    assert "Tr0ub4dor" not in caplog.text
    assert password == Password("Tr0ub4dor") != Password("other")
    assert not hasattr(password, "__dict__")


def test_the_audit_says_who_made_what(passwords, ledger, recipient):
    passwords.make(UNIT, Ship, Kind.PIN, recipient)
    entry = json.loads(ledger.audit_entries()[-1].entry)
    assert (entry["act"], entry["actor"], entry["subject"]) == ("password-made", "tester", UNIT)
    assert entry["body"].items() >= {"kind": "pin", "environment": "ship", "version": 1, "policy": 1}.items()


def test_the_hash_secret_is_never_replaced(tmp_path, ledger, passwords, recipient):
    """With another key nothing would be known of the passwords before."""
    passwords.make(UNIT, Ship, Kind.PIN, recipient)
    key = tmp_path / "secrets" / "password-hash"
    kept = key.read_text()
    key.unlink()
    with pytest.raises(ProfileError, match="password-hash' is missing"):
        SecretHash(tmp_path)
    write_secret(key.name, tmp_path, kept[::-1])
    with pytest.raises(PkiError, match="hashed with another key") as refusal:
        with_random(tmp_path, ledger, os.urandom)
    assert "secret password-hash" in refusal.value.hint


def opened_in(directory: Path, check: Callable[[Passwords], object]) -> list[str]:
    """Open a PKI, check its passwords; return where their hash's key is, as the audit says it."""
    factory = open_factory(directory)
    try:
        check(open_passwords(factory.keystore, factory.ledger, directory))
        entries = [json.loads(found.entry) for found in factory.ledger.audit_entries()]
    finally:
        factory.close()
    return [entry["subject"] for entry in entries if entry["act"] == "password-hash-adopted"]


def test_the_hash_key_is_in_the_token(pki_directory, recipient):
    """Whoever steals the ledger can't try out PINs; the token makes one key, once, and finds it again."""
    made: list[Password] = []
    place = opened_in(pki_directory, lambda found: made.append(found.make_known(UNIT, Ship, Kind.PIN, recipient)[0]))
    assert place == ["token line3"]
    known = []
    again = opened_in(pki_directory, lambda found: known.append(found.recognises(UNIT, Ship, Kind.PIN, made[0])))
    assert (again, known) == (place, [True])
    assert not (pki_directory / "secrets" / "password-hash").exists()


def test_who_opens_first_together_makes_one_key(factory, pki_directory, recipient):
    def opened_by(_: int) -> Passwords:
        return open_passwords(factory.keystore, factory.ledger, pki_directory)

    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(opened_by, range(4))
    password, _ = first.make_known(UNIT, Ship, Kind.PIN, recipient)
    assert all(other.recognises(UNIT, Ship, Kind.PIN, password) for other in others)


def test_a_token_without_its_hash_key_is_refused(pki_directory, recipient):
    """A token that was set up anew."""
    tokens = pki_directory / "tokens"
    shutil.copytree(tokens, pki_directory / "before")
    opened_in(pki_directory, lambda found: found.make(UNIT, Ship, Kind.PIN, recipient))
    shutil.rmtree(tokens)
    (pki_directory / "before").rename(tokens)
    with pytest.raises(KeystoreError, match="no hash key 'password-hash'"):
        opened_in(pki_directory, lambda found: None)


def test_a_token_that_hashes_nothing_gets_a_secret(pki_directory, recipient):
    """SoftHSM 2.6.1 takes away all but the first of the list; the audit says where the key is."""
    with (pki_directory / "softhsm2.conf").open("a") as configuration:
        configuration.write("slots.mechanisms = -CKM_MD5_HMAC,CKM_SHA256_HMAC\n")
    made: list[Password] = []
    place = opened_in(pki_directory, lambda found: made.append(found.make_known(UNIT, Ship, Kind.PIN, recipient)[0]))
    assert place == ["secret password-hash"]
    assert (pki_directory / "secrets" / "password-hash").stat().st_mode & 0o077 == 0
    known = []
    opened_in(pki_directory, lambda found: known.append(found.recognises(UNIT, Ship, Kind.PIN, made[0])))
    assert known == [True]


@pytest.mark.parametrize("unit", ["", "a" * 65, "a\nb", "Ä"])
def test_odd_units_are_refused(passwords, recipient, unit):
    with pytest.raises(RequestRefused, match="unit's name"):
        passwords.make(unit, Ship, Kind.PIN, recipient)


def test_an_unfit_recipient_leaves_no_row(passwords, tmp_path):
    paths = ("-keyout", tmp_path / "key.pem", "-out", tmp_path / "certificate.pem")
    openssl("req", "-x509", "-nodes", "-newkey", "rsa:1024", "-subj", "/CN=weak", *paths)
    weak_one = x509.load_pem_x509_certificate((tmp_path / "certificate.pem").read_bytes())
    with pytest.raises(RequestRefused, match="neither RSA"):
        passwords.make(UNIT, Ship, Kind.PIN, weak_one)
    assert passwords.current(UNIT, Ship, Kind.PIN) is None


def test_threads_give_each_unit_one_password(passwords, recipient):
    def make(number: int) -> bool:
        try:
            passwords.make(f"AC22-{number % 20}", Ship, Kind.OCPP, recipient)
        except RequestRefused:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(make, range(60))) == 20
    assert {sealed.version for sealed in passwords.sealed_for(recipient)} == {1}
    assert passwords.check() == []


def test_a_shared_password_is_found(tmp_path, passwords, ledger, recipient):
    """F-D6: the nightly audit reads every row and does not rely on the constraint."""
    passwords.make(UNIT, Ship, Kind.WIFI, recipient)
    with sqlite3.connect(tmp_path / "ledger.sqlite") as raw:
        raw.execute("ALTER TABLE passwords RENAME TO honest")
        raw.execute("CREATE TABLE passwords AS SELECT * FROM honest")
        raw.execute("INSERT INTO passwords SELECT * FROM honest WHERE unit != ''")
        raw.execute("UPDATE passwords SET unit = 'AC22-X' WHERE rowid = (SELECT max(rowid) FROM passwords)")
    raw.close()
    assert passwords.check() == [f"one password for {UNIT}, AC22-X"]
