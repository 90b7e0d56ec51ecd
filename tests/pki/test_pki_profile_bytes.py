"""A certificate that is not exactly its profile, to the byte, never reaches the HSM."""

import dataclasses
import itertools
import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.software_ca import CRL, OCSP, SoftwareKeys, issued, make_claim, self_signed
from pki.algorithm import Algorithm, load_public_key
from pki.authority import random_serial, spki_of, term
from pki.certificate.encoder import expected_tbs
from pki.certificate.fit import HOST_NAME
from pki.certificate.lint import check_bytes, findings, lint
from pki.certificate.model import NEVER, Claim, Profile, Signer
from pki.certificate.profile import draft, load_profile, read_profile
from pki.errors import KeystoreError, ProfileError, RequestRefused

START = datetime(2026, 11, 21, 1, 2, 3, tzinfo=UTC)
KEYS = SoftwareKeys()
SPKI = {algorithm: KEYS.create(algorithm.value, algorithm) for algorithm in Algorithm}
OTHER_SPKI = KEYS.create("other")
VARIANTS = [
    *[(name, {}) for name in ("root", "root-2", "intermediate", "issuing", "bench-root", "records", "audit")],
    *[(name, {}) for name in ("firmware", "ocsp", "server", "station-identity", "station")],
    ("station", {"client_auth": True, "key_agreement": True, "unit_domain": "chargers.example.com"}),
    ("station", {"crl": "never", "ocsp": "never"}),
    ("station-identity", {"server": True}),
    ("root", {"key": "p384", "never_expires": True}),
    ("issuing", {"key": "p521"}),
    ("issuing", {"key": "ed448"}),
    ("idevid", {"hardware_type": "1.3.6.1.4.1.32473.22"}),
    ("idevid", {"hardware_type": "1.3.6.1.4.1.32473", "key": "p384", "crl": "known"}),
    ("secc-2", {"country": "DE"}),
    ("secc-2", {"country": "DE", "key_agreement": True, "crl": "never"}),
    ("secc-20", {"country": "DE"}),
    ("secc-20", {"country": "DE", "key": "ed448", "domain_component": "CSO"}),
    ("v2g-sub-1", {"country": "DE", "key": "p521"}),
    ("v2g-sub-2", {"country": "DE", "domain_component": "CPO", "ocsp": "must"}),
]
IDS = ["+".join([name, *map(str, switches.values())]) for name, switches in VARIANTS]


def make(name: str, end: datetime | None = None, **switches: bool | str) -> tuple[Profile, Claim]:
    profile = load_profile(name, switches)
    last = NEVER if profile.never_expires else end or START + timedelta(days=30)
    serial = random_serial(secrets.token_bytes(20))
    hosts = ("csms.test.example", "b.test.example")
    return profile, Claim(profile.sample, "Öwner & Söns", SPKI[profile.algorithm], serial, START, last, hosts)


@pytest.fixture
def signer() -> Signer:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Example CA")])
    return Signer(name, SPKI[Algorithm.P256], None, CRL, OCSP)


@pytest.mark.parametrize(("name", "switches"), VARIANTS, ids=IDS)
def test_two_encoders_agree_and_pkilint_finds_what_is_allowed_only(signer, name, switches):
    """F-D3: an allowance that nothing needs any more is a finding too."""
    profile, claim = make(name, **switches)
    made = draft(profile, claim, signer)
    check_bytes(made, profile, claim, signer)
    lint(made, profile)
    assert set(findings(made)) == {entry.finding for entry in profile.allowed}


@pytest.mark.parametrize("year", [2027, 2049, 2050, 2076, 9999])
@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_two_encoders_agree_on_every_date_and_signature(signer, year, algorithm):
    """Also where UTCTime ends and GeneralizedTime begins."""
    profile, claim = make("root", datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC))
    other = dataclasses.replace(signer, spki=SPKI[algorithm])
    made = draft(profile, claim, other)
    assert made.tbs_certificate_bytes == expected_tbs(profile, claim, other)


@pytest.mark.parametrize(
    ("year", "encoded"),
    [
        (2049, b"\x17\x0d491231235959Z"),
        (2050, b"\x18\x0f20501231235959Z"),
        (9999, b"\x18\x0f99991231235959Z"),
    ],
)
def test_dates_are_written_as_the_rfc_says(signer, year, encoded):
    """RFC 5280 section 4.1.2.5; UTCTime until 2049."""
    profile, claim = make("root", datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC))
    made = draft(profile, claim, signer).public_bytes(Encoding.DER)
    assert b"\x17\x0d261121010203Z" + encoded in made


def test_idevid_has_the_bytes_that_802_1ar_wants(signer):
    profile, claim = make("idevid", hardware_type="1.3.6.1.4.1.32473.22")
    made = draft(profile, claim, signer).public_bytes(Encoding.DER)
    module = bytes.fromhex("06092b0601040181fd5916040d") + b"AC22-000001-7"
    assert b"\x18\x0f99991231235959Z" in made
    assert module in made
    assert b"\x06\x03\x55\x04\x05\x13\x0dAC22-000001-7" in made
    assert bytes.fromhex("0603551d0e") not in made
    assert bytes.fromhex("0603551d13") not in made


CRITICAL = {"basicConstraints", "keyUsage"}
ALWAYS = {"keyUsage", "authorityKeyIdentifier"}
COMMON = ALWAYS | {"basicConstraints", "subjectKeyIdentifier"}
PLACES = {"cRLDistributionPoints", "authorityInfoAccess"}


@pytest.mark.parametrize(
    ("name", "switches", "extensions"),
    [
        ("station", {"crl": "never", "ocsp": "never"}, COMMON),
        ("station", {}, COMMON | PLACES),
        ("station", {"client_auth": True}, COMMON | PLACES | {"extendedKeyUsage"}),
        ("station", {"unit_domain": "x.example"}, COMMON | PLACES | {"subjectAltName"}),
        ("server", {}, COMMON | PLACES | {"extendedKeyUsage", "subjectAltName"}),
        ("secc-2", {"country": "DE"}, COMMON | PLACES),
        ("secc-20", {"country": "DE", "crl": "never"}, COMMON | {"authorityInfoAccess"}),
        ("idevid", {"hardware_type": "1.3.6.1.4.1.32473.22"}, ALWAYS | {"subjectAltName"}),
        ("ocsp", {}, COMMON | {"extendedKeyUsage", "OCSPNoCheck"}),
        ("firmware", {}, COMMON | PLACES | {"extendedKeyUsage"}),
        ("station-identity", {}, COMMON | PLACES | {"extendedKeyUsage"}),
        ("root", {}, COMMON),
        ("v2g-sub-1", {"country": "DE"}, COMMON | PLACES),
    ],
)
def test_extensions_are_these_and_critical_are_two(signer, name, switches, extensions):
    """Facts 4: no extendedKeyUsage and no subjectAltName by default; key usage is critical (EVerest #2096)."""
    profile, claim = make(name, **switches)
    found = draft(profile, claim, signer).extensions
    assert {one.oid._name for one in found} == extensions
    assert {one.oid._name for one in found if one.critical} == extensions & CRITICAL


@pytest.mark.parametrize(
    ("name", "ca", "length"), [("root", True, 1), ("root-2", True, 2), ("issuing", True, 0), ("v2g-sub-1", True, 1),
                               ("v2g-sub-2", True, 0), ("station", False, None), ("secc-2", False, None)],
)  # fmt: skip
def test_path_lengths(signer, name, ca, length):
    profile, claim = make(name, **({"country": "DE"} if name[:3] in {"v2g", "sec"} else {}))
    found = draft(profile, claim, signer).extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (found.ca, found.path_length) == (ca, length)


def test_subject_of_an_secc_is_what_vehicles_ask_for(signer):
    """ISO 15118-2 V2G2-875 and -925: DC=CPO, as IA5String; C as PrintableString."""
    profile, claim = make("secc-2", country="DE")
    made = draft(profile, claim, signer)
    assert made.subject.rfc4514_string() == f"DC=CPO,C=DE,O=Öwner & Söns,CN={profile.sample}"
    assert bytes.fromhex("060a0992268993f22c64011916 03".replace(" ", "")) + b"CPO" in made.tbs_certificate_bytes
    assert bytes.fromhex("06035504061302") + b"DE" in made.tbs_certificate_bytes


@pytest.mark.parametrize(
    "switches",
    [{"client_auth": True}, {"key_agreement": True}, {"unit_domain": "x.example"}, {"crl": "never"}, {"ocsp": "never"}],
)
def test_draft_by_another_variation_is_refused(signer, switches):
    """Each switch is part of what decides the bytes."""
    profile, claim = make("station")
    made = draft(load_profile("station", switches), claim, signer)
    with pytest.raises(ProfileError, match="differs from profile station"):
        check_bytes(made, profile, claim, signer)


@pytest.mark.parametrize(
    "change",
    [
        {"serial": 2**158 + 7},
        {"spki": OTHER_SPKI},
        {"organization": "Else"},
        {"common_name": "AC22-000002-5"},
        {"not_before": START - timedelta(seconds=1)},
        {"not_after": START + timedelta(days=9)},
    ],
)
def test_draft_of_another_claim_is_refused(signer, change):
    profile, claim = make("station")
    made = draft(profile, claim, signer)
    with pytest.raises(ProfileError, match="differs from profile station"):
        check_bytes(made, profile, dataclasses.replace(claim, **change), signer)


@pytest.mark.parametrize("change", [{"spki": OTHER_SPKI}, {"crl_urls": ()}, {"ocsp_urls": ("http://x.example/o",)}])
def test_draft_of_another_signer_is_refused(signer, change):
    profile, claim = make("station")
    made = draft(profile, claim, signer)
    with pytest.raises(ProfileError, match="differs from profile station"):
        check_bytes(made, profile, claim, dataclasses.replace(signer, **change))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    variant=st.sampled_from(VARIANTS),
    organization=st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=64),
    entropy=st.binary(min_size=20, max_size=20),
    seconds=st.integers(1, 60 * 86_400),
    urls=st.lists(st.sampled_from([*CRL, *OCSP, "https://x.example/?a=%20b", "http://x.example:80"]), max_size=3),
)
def test_two_encoders_agree_on_any_claim(variant, organization, entropy, seconds, urls):
    """Property: whatever name, serial number, date and address, both write the same bytes."""
    name, switches = variant
    profile, claim = make(name, START + timedelta(seconds=min(seconds, 86_400 * 30)), **switches)
    claim = dataclasses.replace(claim, organization=organization, serial=random_serial(entropy))
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, organization)])
    signer = Signer(issuer, OTHER_SPKI, None, tuple(urls), (*OCSP, *urls))
    check_bytes(draft(profile, claim, signer), profile, claim, signer)


@settings(max_examples=300, derandomize=True)
@given(st.binary(min_size=20, max_size=20), st.binary(min_size=20, max_size=20))
def test_serial_numbers_have_one_length_and_keep_their_randomness(one, two):
    """RFC 5280 section 4.1.2.2; F-D3: 158 random bits are kept, so two differ when their entropy does."""
    assert random_serial(one).bit_length() == 159
    same = one[0] & 0x3F == two[0] & 0x3F and one[1:] == two[1:]
    assert (random_serial(one) == random_serial(two)) == same


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"serial": 7}, "the serial number has 3 bits"),
        ({"serial": 2**159}, "the serial number has 160 bits"),
        ({"serial": -(2**100)}, "the serial number has"),
        ({"not_before": START.replace(tzinfo=None), "not_after": START.replace(tzinfo=None)}, "not whole seconds"),
        ({"not_after": START + timedelta(days=9, microseconds=1)}, "not whole seconds with a time zone"),
        ({"not_after": START}, "it would end before it starts"),
        ({"not_after": START + timedelta(days=3651)}, "it would live longer than 3650 days"),
    ],
)
def test_claim_that_no_certificate_may_have_is_refused(signer, change, message):
    profile, claim = make("station")
    with pytest.raises(ProfileError, match=message):
        draft(profile, dataclasses.replace(claim, **change), signer)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"common_name": "csms.test.example"}, "no name for profile station"),
        ({"spki": SPKI[Algorithm.P384]}, "is not p256, as profile station asks"),
        ({"organization": ""}, "1 to 64 printable"),
        ({"organization": "x" * 65}, "1 to 64 printable"),
        ({"organization": "Evil\nLtd"}, "1 to 64 printable"),
    ],
)
def test_claim_that_does_not_fit_is_refused(signer, change, message):
    profile, claim = make("station")
    with pytest.raises(RequestRefused, match=message):
        draft(profile, dataclasses.replace(claim, **change), signer)


def test_host_names_are_host_names(signer):
    profile, claim = make("server")
    with pytest.raises(ProfileError, match="it needs host names"):
        draft(profile, dataclasses.replace(claim, host_names=()), signer)
    with pytest.raises(ProfileError, match=r"'-x\.example' is no host name"):
        draft(profile, dataclasses.replace(claim, host_names=("ok.example", "-x.example")), signer)
    assert not any(map(HOST_NAME.fullmatch, ("localhost", "a..b", "192.0.2.1", "x.example\n", "a" * 64 + ".example")))


def test_serial_number_that_is_no_label_gets_no_host_name(signer):
    profile, claim = make("station", unit_domain="x.example")
    with pytest.raises(ProfileError, match=r"'ac22-\.x\.example' is no host name"):
        draft(profile, dataclasses.replace(claim, common_name="AC22-"), signer)


def test_pkilint_has_the_last_word():
    """Both encoders agree on a leaf without key identifier, and only a profile that says why may have it."""
    raw = b'name="x"\nrevision=1\nsubject=["O","CN"]\ncommon_name="a"\nsample="a"\nkey_usage=["digital_signature"]\n'
    raw += b"subject_key_identifier=false\n"
    with pytest.raises(ProfileError, match=r"profile x has faults: pkix\.certificate_skid_end_entity_missing"):
        read_profile(raw, "x.toml")
    allowed = b'[[allowed]]\nfinding = "pkix.certificate_skid_end_entity_missing"\nwhy = "a test"\n'
    assert read_profile(raw + allowed, "x.toml").allowed


def test_secc_must_say_where_its_responder_is(signer):
    profile, claim = make("secc-2", country="DE")
    with pytest.raises(ProfileError, match=r"must say where its OCSP is, and the plan names no \[urls\] ocsp"):
        draft(profile, claim, dataclasses.replace(signer, ocsp_urls=()))
    with pytest.raises(ProfileError, match=r"\[urls\] ocsp is no http address"):
        draft(profile, claim, dataclasses.replace(signer, ocsp_urls=("ftp://x.example",)))


def test_leaf_never_outlives_its_issuer(signer):
    """Issue 3: clamped, except by the profile's explicit exception; looked at again before the HSM signs."""
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(days=200)
    profile, claim = make("station")
    assert term(profile, soon)[1] == soon
    with pytest.raises(ProfileError, match="it would outlive its issuer"):
        draft(profile, claim, dataclasses.replace(signer, not_after=START + timedelta(days=29)))
    idevid, forever = make("idevid", hardware_type="1.3.6.1.4.1.32473.22")
    assert term(idevid, soon)[1] == NEVER
    assert draft(idevid, forever, dataclasses.replace(signer, not_after=soon)).not_valid_after_utc == NEVER


def test_idevid_that_would_end_is_refused(signer):
    profile, claim = make("idevid", hardware_type="1.3.6.1.4.1.32473.22")
    with pytest.raises(ProfileError, match="the profile says that it never does"):
        draft(profile, dataclasses.replace(claim, not_after=START + timedelta(days=9)), signer)


def test_shelf_life_is_asked_for_at_the_issue():
    """F-D10: a certificate that ends in the warehouse is not made."""
    root = self_signed(load_profile("root"), KEYS)
    profile = load_profile("station")
    late = dataclasses.replace(make_claim(profile, KEYS.create("leaf")), not_after=datetime.now(UTC) + timedelta(9))
    with pytest.raises(ProfileError, match=r"must live 180 days when it is issued, and this one would end on .*, in 8"):
        root.authority.issue(profile, late)
    with pytest.raises(ProfileError, match="must live 180 days"):
        term(profile, datetime.now(UTC) + timedelta(days=179))


def test_issuer_that_has_ended_issues_nothing():
    """Bad input: an expired issuer."""
    root = self_signed(load_profile("root"), KEYS)
    ended = dataclasses.replace(root.authority.signer, not_after=datetime.now(UTC) - timedelta(seconds=1))
    profile = load_profile("station")
    claim = make_claim(profile, KEYS.create("leaf"))
    with pytest.raises(ProfileError, match="has ended"):
        term(profile, ended.not_after)
    with pytest.raises(ProfileError, match="has ended"):
        dataclasses.replace(root.authority, signer=ended).issue(profile, claim)


def test_signature_of_another_key_is_never_given_away():
    root = self_signed(load_profile("root"), KEYS)
    KEYS.create("stranger")
    wrong = dataclasses.replace(root.authority, label="stranger")
    with pytest.raises(KeystoreError, match="signed with another key than 'stranger'"):
        issued(load_profile("issuing"), dataclasses.replace(root, authority=wrong), KEYS)


def compressed(spki: bytes) -> bytes:
    """The same key in another encoding: its point compressed."""
    point = load_public_key(spki).public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    algorithm = bytes.fromhex("301306072a8648ce3d020106082a8648ce3d030107")
    return b"\x30\x39" + algorithm + b"\x03\x22\x00" + point


def test_last_look_is_taken_before_the_hsm_signs():
    """A key in another encoding: the first encoder rewrites it, the second refuses it, nothing is signed."""
    signed: list[bytes] = []

    class Watched(SoftwareKeys):
        def sign(self, label: str, data: bytes) -> bytes:
            signed.append(data)
            return super().sign(label, data)

    root = self_signed(load_profile("root"), KEYS)
    authority = dataclasses.replace(root.authority, keystore=Watched(KEYS.keys))
    profile = load_profile("station")
    claim = make_claim(profile, compressed(KEYS.create("leaf")), root.authority.signer)
    for bulk in (True, False):
        with pytest.raises(ProfileError, match="the key of 'AC22-000001-7' is not encoded as p256 is"):
            authority.issue(profile, claim, bulk=bulk)
    assert not signed
    assert authority.issue(profile, make_claim(profile, KEYS.create("leaf"), root.authority.signer))
    assert len(signed) == 1


def test_pkilint_sees_every_certificate_but_those_in_bulk():
    """A profile that never went through `load_profile`: what its sample would have shown is found at the issue."""
    root = self_signed(load_profile("root"), KEYS)
    unproven = dataclasses.replace(load_profile("station"), subject_key_identifier=False)
    claim = make_claim(unproven, KEYS.create("leaf"), root.authority.signer)
    with pytest.raises(ProfileError, match=r"has faults: pkix\.certificate_skid_end_entity_missing"):
        root.authority.issue(unproven, claim)
    assert root.authority.issue(unproven, claim, bulk=True)


def test_four_threads_get_four_right_answers():
    """Issue 3, numbers: threads share what is built once."""
    root = self_signed(load_profile("root"), KEYS)
    profile = load_profile("station", {"crl": "must"})
    claims = [make_claim(profile, KEYS.create("leaf"), root.authority.signer) for _ in range(200)]
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda claim: root.authority.issue(profile, claim, bulk=claim.serial % 4 > 0), claims))
    for certificate, claim in zip(made, claims, strict=True):
        assert (certificate.serial_number, spki_of(certificate)) == (claim.serial, claim.spki)


def test_in_bulk_the_same_bytes_are_signed():
    root = self_signed(load_profile("root"), KEYS)
    profile = load_profile("station")
    claim = make_claim(profile, KEYS.create("leaf"), root.authority.signer)
    one, two = (root.authority.issue(profile, claim, bulk=bulk) for bulk in (True, False))
    assert one.tbs_certificate_bytes == two.tbs_certificate_bytes


@pytest.mark.parametrize("pair", list(itertools.pairwise(Algorithm)))
def test_signature_follows_the_issuers_key(pair):
    """P-256, P-384, P-521 and Ed448 sign each other's certificates."""
    for issuing, certified in (pair, pair[::-1]):
        root = self_signed(load_profile("root", {"key": issuing.value}), KEYS)
        made = issued(load_profile("issuing", {"key": certified.value}), root, KEYS).certificate
        made.verify_directly_issued_by(root.certificate)
        digest = made.signature_hash_algorithm
        assert (digest.name if digest else None) == (issuing.digest.name if issuing.digest else None)
