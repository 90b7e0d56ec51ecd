"""A certificate that is not exactly its profile never reaches the HSM."""

import dataclasses
import secrets
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pki.authority import random_serial, validity
from pki.errors import ProfileError, RequestRefused
from pki.lint import expected_tbs, lint
from pki.profile import Claim, Signer, check_profile, draft, load_profile

PROFILES = ("station", "root", "bench-root", "issuing", "server", "records")
START = datetime(2026, 11, 21, 1, 2, 3, tzinfo=UTC)


def make_spki() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def make_claim(profile: str, end: datetime = START + timedelta(days=30)) -> Claim:
    name = {"station": "AC22-000001-7", "server": "csms.test.example"}.get(profile, "Example CA")
    serial = random_serial(secrets.token_bytes(20))
    return Claim(name, "Öwner & Söns", make_spki(), serial, START, end, ("csms.test.example", "b.test.example"))


@pytest.fixture
def signer() -> Signer:
    return Signer(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Example CA")]), make_spki())


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("year", [2027, 2049, 2050, 2076])
def test_two_encoders_agree_on_every_profile(signer, name, year):
    """F-D3: also where UTCTime ends and GeneralizedTime begins."""
    profile, claim = load_profile(name), make_claim(name, datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC))
    made = draft(profile, claim, signer)
    assert made.tbs_certificate_bytes == expected_tbs(profile, claim, signer)
    lint(made, profile, claim, signer)


@pytest.mark.parametrize(
    "change",
    [
        {"days": 1, "key_usage": ("digital_signature", "key_agreement")},
        {"extended_key_usage": ("client_auth",)},
        {"host_names": True},
        {"subject": ("CN", "O")},
        {"ca": True, "key_usage": ("key_cert_sign",)},
    ],
)
def test_draft_by_another_profile_is_refused(signer, change):
    profile, claim = load_profile("station"), make_claim("station")
    made = draft(dataclasses.replace(profile, **change), claim, signer)
    with pytest.raises(ProfileError, match="differs from profile station"):
        lint(made, profile, claim, signer)


@pytest.mark.parametrize("change", [{"serial": 7}, {"spki": b""}, {"organization": "Else"}, {"not_after": START}])
def test_draft_of_another_claim_is_refused(signer, change):
    profile, claim = load_profile("station"), make_claim("station")
    made = draft(profile, claim, signer)
    other = dataclasses.replace(claim, **(change if change != {"spki": b""} else {"spki": make_spki()}))
    with pytest.raises(ProfileError, match="differs from profile station"):
        lint(made, profile, other, signer)


def test_pkilint_has_the_last_word(signer):
    """Both encoders would agree on a host name that is none."""
    profile = load_profile("server")
    claim = dataclasses.replace(make_claim("server"), host_names=("localhost",))
    with pytest.raises(ProfileError, match=r"pkix\.invalid_domain_name_syntax"):
        lint(draft(profile, claim, signer), profile, claim, signer)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"key_usage": ("digital_signatures",)}, "unknown: digital_signatures"),
        ({"subject": ("CN", "SERIAL")}, "unknown: SERIAL"),
        ({"ca": True}, "key_cert_sign belongs to a CA"),
        ({"key_usage": ("key_cert_sign",)}, "key_cert_sign belongs to a CA"),
        ({"key_usage": ()}, "are needed"),
    ],
)
def test_profile_that_contradicts_itself_is_refused(change, message):
    with pytest.raises(ProfileError, match=message):
        check_profile(dataclasses.replace(load_profile("station"), **change))


def test_unknown_profile_names_the_known_ones():
    with pytest.raises(ProfileError, match=r"no certificate profile '\.\./x'; known: .*station"):
        load_profile("../x")


def test_name_must_fit_before_anything_is_made(signer):
    claim = dataclasses.replace(make_claim("station"), common_name="csms.test.example")
    with pytest.raises(RequestRefused, match="no name for profile station"):
        draft(load_profile("station"), claim, signer)


def test_leaf_never_outlives_its_issuer():
    soon = datetime.now(UTC) + timedelta(days=2)
    assert validity(3650, soon)[1] == soon
    with pytest.raises(ProfileError, match="has ended"):
        validity(1, datetime.now(UTC) - timedelta(seconds=1))


def test_serial_numbers_have_one_length_and_are_positive():
    """RFC 5280 section 4.1.2.2."""
    for entropy in (bytes(20), b"\xff" * 20, secrets.token_bytes(20)):
        assert len(f"{random_serial(entropy):X}") == 40
        assert random_serial(entropy).bit_length() == 159


def test_pki_never_imports_the_station():
    """Design section 3: everything of pki loaded, nothing of station or fixtures came along."""
    root = Path(__file__).parents[2]
    modules = [path.stem for path in (root / "pki").glob("*.py")]
    script = f"import sys, importlib\nfor name in {modules}: importlib.import_module('pki.' + name)\n"
    script += "print([name for name in sys.modules if name.split('.')[0] in ('station', 'fixtures')])"
    command = [sys.executable, "-c", script]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, cwd=root, timeout=60)
    assert answer.stdout == "[]\n"


def test_signature_algorithm_of_a_draft_is_what_the_hsm_makes(signer):
    made = draft(load_profile("station"), make_claim("station"), signer)
    assert made.signature_algorithm_oid == x509.SignatureAlgorithmOID.ECDSA_WITH_SHA256
    assert isinstance(made.signature_hash_algorithm, hashes.SHA256)
