"""Environments: one object says where a unit lives, and nothing else does (F-D5, F-F5, F-K5, P05, P09)."""

import re
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pki.environment import Environment as World
from pki.environment import Ship, Test
from station.catalog.configuration import render
from station.catalog.environments import EnvironmentDefinition, EnvironmentFile, load_environment
from station.catalog.recipes import Recipe, load_recipe
from station.catalog.roots import MOST, Use, read_roots
from station.catalog.source import Folder
from station.errors import ConfigError
from station.model import Environment
from station.steps import STEPS
from station.steps.trust import check_issuers
from tests.catalog.conftest import edit

ROOT = Path(__file__).parents[2]
UNIT = {"serial": "AC22-000001", "ocpp_identity": "AC22-000001", "customer": "", "slot": "ship"}
SUPPORT_END = date(2036, 12, 31)
"""Of product ac22."""
KEY = ec.generate_private_key(ec.SECP256R1())


def certificate(name: str = "Root", end: date = date(2050, 1, 1), *, ca: bool = True, issuer: str = "") -> bytes:
    """Return a certificate (PEM) that signs itself, unless it names an issuer."""
    subject, by = (x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)]) for text in (name, issuer or name))
    last = datetime(end.year, end.month, end.day, 12, tzinfo=UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(by).public_key(KEY.public_key())
    builder = builder.serial_number(7).not_valid_before(last - timedelta(days=9000)).not_valid_after(last)
    builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.PEM)


def loaded(catalog: Path, name: str = "field", kind: Environment = Environment.SHIP) -> EnvironmentDefinition:
    return load_environment(Folder(catalog), name, kind)


def recipe(catalog: Path) -> Recipe:
    return load_recipe(Folder(catalog), "ac22-eu", STEPS)


def refusal(catalog: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        recipe(catalog)
    return caught.value.message


def test_environment_is_one_object_with_the_bytes_of_its_roots(catalog: Path) -> None:
    """F-K5: name, endpoint, CA, CPMS and anchors; what is read for it is what a bundle embeds and signs."""
    source = Folder(catalog)
    field = load_environment(source, "field", Environment.SHIP)
    assert (field.host, field.cpms) == ("csms.ship.example", "file:cpms")
    assert field.trusted(Use.CSMS).pem == (catalog / "environments/field-roots.pem").read_bytes()
    assert set(source.seen) == {
        f"environments/{n}" for n in ("field.toml", "field-roots.pem", "manufacturer-roots.pem")
    }


@pytest.mark.parametrize("file", ["field.toml", "field-roots.pem", "manufacturer-roots.pem"])
def test_another_byte_is_another_environment(catalog: Path, file: str) -> None:
    """F-A1, F-K5: the digest covers the roots too."""
    before = recipe(catalog).digest, loaded(catalog).digest
    with (catalog / "environments" / file).open("ab") as content:
        content.write(certificate("Sneaked in") if file.endswith(".pem") else b"\n# edited\n")
    after = recipe(catalog).digest, loaded(catalog).digest
    assert all(one != other for one, other in zip(before, after, strict=True))


def test_fingerprint_may_be_as_openssl_writes_it(catalog: Path) -> None:
    """Copied from the terminal, it is the same CA."""
    known = loaded(catalog).ca
    pairs = ":".join(known[index : index + 2] for index in range(0, 64, 2)).upper()
    edit(catalog / "environments/field.toml", known, pairs)
    assert loaded(catalog).ca == known


WRONG = [
    ('"wss://csms.ship.example/ocpp"', '"ws://csms.ship.example/ocpp"', "endpoint"),
    ('"wss://csms.ship.example/ocpp"', '"wss://user:pw@csms.ship.example/ocpp"', "endpoint"),
    ('"wss://csms.ship.example/ocpp"', '"wss://csms.ship.example/ocpp?tenant=1"', "endpoint"),
    ('"wss://csms.ship.example/ocpp"', '"wss://csms.ship.example:99999/ocpp"', "endpoint"),
    ('"wss://csms.ship.example/ocpp"', '"wss://csms.ship.example/ocpp/"', "endpoint"),
    ('"wss://csms.ship.example/ocpp"', '"wss://localhost/ocpp"', "sample value 'localhost'"),
    ('["ntp.ship.example"]', "[]", "ntp"),
    ('["ntp.ship.example"]', '["ntp ship"]', "ntp"),
    ('["192.0.2.53"]', '["dns.ship.example"]', "dns"),
    ('cpms = "file:cpms"', 'cpms = "staging+https://me:pw@cpms.example"', "cpms"),
    ('cpms = "file:cpms"', "", "key 'cpms' is missing"),
    ('ca = "', 'ca = "A', "ca: it is the SHA-256"),
    ('kind = "ship"', 'kind = "test"', "'test' can't be used where 'ship' is needed"),
    ('name = "field"', 'name = "feild"', "differs from the file's name"),
    ('"field-roots.pem"', '"../firmware/key.pem"', "is not the name of a .pem file"),
    ('"field-roots.pem"', '"nowhere.pem"', "nowhere.pem"),
    ("update = ", "updates = ", "did you mean 'update'"),
    ('owner = "Example Chargers"', 'owner = ""', "owner"),
    ('owner = "operator"', 'owner = "someone"', "unknown word 'someone'; known: manufacturer, operator"),
    ("lead_days = 90", "lead_days = 0", "lead_days: 0 is not between 1 and 365"),
]


def test_nobody_ships_certificates_that_nobody_has_to_renew(catalog: Path) -> None:
    """P19, F-M6: whose duty the renewal is stands in the environment, so in every bundle that people approve."""
    whole = (catalog / "environments/field.toml").read_text()
    lines = [line for line in whole.splitlines() if not line.startswith("renewal = ")]
    (catalog / "environments/field.toml").write_text("\n".join(lines))
    with pytest.raises(ConfigError, match="nobody has the duty to renew the certificates") as caught:
        load_recipe(Folder(catalog), "ac22-eu", STEPS)
    assert "renewal = {" in caught.value.hint


@pytest.mark.parametrize(("old", "new", "told"), WRONG, ids=[f"{told}: {new[:40]}" for _, new, told in WRONG])
def test_environment_that_is_almost_right_is_refused(catalog: Path, old: str, new: str, told: str) -> None:
    edit(catalog / "environments/field.toml", old, new)
    with pytest.raises(ConfigError) as caught:
        loaded(catalog)
    assert told in caught.value.message
    assert "environments/" in caught.value.message


PRIVATE = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
NO_ROOTS = {
    "private key": (certificate() + PRIVATE, "holds a private key"),
    "empty": (b"", "not a PEM file"),
    "no PEM": (b"\x30\x82\x01\x0a" * 50, "not a PEM file"),
    "torn": (certificate()[:-100], "not a PEM file"),
    "no CA": (certificate(ca=False), "CN=Root is no root: it is not a CA"),
    "below another": (certificate("Leaf", issuer="Root"), "CN=Leaf is no root: it is not signed by itself"),
    "twice the same": (certificate() * 2, f"1 to {MOST} different roots"),
    "too many": (b"".join(certificate(f"Root {n}") for n in range(MOST + 1)), f"1 to {MOST} different roots"),
}


@pytest.mark.parametrize("case", NO_ROOTS)
def test_file_of_anything_but_roots_is_refused(case: str) -> None:
    """F-D5: what stands in the file is what the device trusts, no more and no less."""
    raw, told = NO_ROOTS[case]
    with pytest.raises(ConfigError, match=re.escape(told)) as caught:
        read_roots(raw, "environments/field-roots.pem")
    assert caught.value.message.startswith("environments/field-roots.pem: ")


@pytest.mark.parametrize("file", ["field-roots.pem", "manufacturer-roots.pem"])
@pytest.mark.parametrize(("days", "refused"), [(-1, True), (0, False), (1, False)])
def test_anchor_that_ends_inside_the_support_period_is_refused(
    catalog: Path,
    file: str,
    days: int,
    refused: bool,
) -> None:
    """P09, F-D5: not only the first root counts, and the last day of support is still supported."""
    with (catalog / "environments" / file).open("ab") as content:
        content.write(certificate("Short-lived", SUPPORT_END + timedelta(days=days)))
    if refused:
        told = f"CN=Short-lived ends on {SUPPORT_END - timedelta(days=1)}, before the support of ac22 does"
        assert told in refusal(catalog)
    else:
        assert recipe(catalog).ship.roots


def test_bench_may_have_roots_that_end_early(catalog: Path) -> None:
    """The roots of the test environment leave the unit before it ships."""
    (catalog / "environments/bench-test-roots.pem").write_bytes(certificate("Bench", date(2030, 1, 1)))
    assert recipe(catalog).test.trusted(Use.CSMS).each[0].subject == "CN=Bench"


@pytest.mark.parametrize(
    "line", ['update_anchor = "/lfs/roots_manufacturer.pem"', 'v2g_anchors = "/lfs/roots_v2g.pem"']
)
def test_device_that_needs_roots_gets_no_environment_without_them(catalog: Path, line: str) -> None:
    """F-C9, F-D5: nothing is left to what the device happened to hold."""
    product = catalog / "products/ac22/product.toml"
    if line not in product.read_text():
        edit(product, "[files]\n", f"[files]\n{line}\n")
    for name in ("bench-test", "field"):
        path = catalog / f"environments/{name}.toml"
        path.write_text(re.sub(r"(?m)^update = .*\n", "", path.read_text()))
    assert "needs these roots and the environment has none" in refusal(catalog)


# Which factory may build for an environment


def own(recipe: Recipe) -> dict[type[World], str]:
    """Return the CAs of the factory that the sample environments are for."""
    return {Test: recipe.test.ca, Ship: recipe.ship.ca}


def test_factory_that_an_environment_belongs_to_issues_for_it(catalog: Path) -> None:
    found = recipe(catalog)
    check_issuers(own(found).__getitem__, found)


@pytest.mark.parametrize("world", [Test, Ship])
def test_no_other_factory_issues_for_an_environment(catalog: Path, world: type[World]) -> None:
    """F-K7, F-D8: a development factory, or anybody else's, does not get past its own CA."""
    found = recipe(catalog)
    roots = own(found) | {world: "0" * 64}
    with pytest.raises(ConfigError, match="the one here is of another factory"):
        check_issuers(roots.__getitem__, found)


def test_production_is_not_issued_by_the_test_ca_nor_the_reverse(catalog: Path) -> None:
    """F-D8, P15: worlds that were mixed up in an environment's file are refused before anything is issued."""
    found = recipe(catalog)
    roots = {Test: found.ship.ca, Ship: found.test.ca}
    with pytest.raises(ConfigError, match="the one here is that of its ship CA"):
        check_issuers(roots.__getitem__, found)


def test_bench_whose_server_no_unit_would_know_does_not_start(catalog: Path) -> None:
    """One sentence at the start, not a row of units that don't connect."""
    (catalog / "environments/bench-test-roots.pem").write_bytes(certificate("Somebody else's"))
    found = recipe(catalog)
    with pytest.raises(ConfigError, match="no unit would connect"):
        check_issuers(own(found).__getitem__, found)


SHARED = {
    "host": lambda text, bench: text.replace("csms.ship.example/ocpp", "csms.test.example/live"),
    "ca": lambda text, bench: re.sub(r"(?m)^ca = .*$", f'ca = "{bench.ca}"', text),
    "anchor": lambda text, bench: text.replace("field-roots.pem", bench.anchors),
}


@pytest.mark.parametrize("what", SHARED)
def test_test_and_ship_share_nothing(catalog: Path, what: str) -> None:
    """F-K6, F-D8, P15: whoever trusts the bench in the field would follow whoever stands at a bench."""
    field = catalog / "environments/field.toml"
    field.write_text(SHARED[what](field.read_text(), loaded(catalog, "bench-test", Environment.TEST)))
    assert re.search(f"recipes/ac22-eu.toml: test_environment and ship_environment (have|share) the (same )?{what}",
                     refusal(catalog))  # fmt: skip


# Nothing of an environment stands anywhere else


def other_environment(catalog: Path) -> None:
    """Write a second ship environment that shares no word with the first."""
    text = (catalog / "environments/field.toml").read_text()
    for old, new in {
        'name = "field"': 'name = "lake"',
        "csms.ship.example/ocpp": "charge.lake.example/v2/ocpp",
        "ntp.ship.example": "time.lake.example",
        "192.0.2.53": "198.51.100.53",
        "file:cpms": "staging+https://cpms.lake.example",
        "field-roots.pem": "lake-roots.pem",
        "Example Chargers": "Lake Operator",
    }.items():
        assert old in text
        text = text.replace(old, new)
    text = re.sub(r'(?m)^ca = ".*"$', f'ca = "{"ab" * 32}"', text)
    (catalog / "environments/lake.toml").write_text(text)
    (catalog / "environments/lake-roots.pem").write_bytes(certificate("Lake Root"))


def test_switching_the_environment_changes_every_endpoint(catalog: Path) -> None:
    """F-F5, P05: one word in the recipe moves endpoint, DNS, NTP, anchors, CA, owner and CPMS together."""
    before = recipe(catalog)
    other_environment(catalog)
    edit(catalog / "recipes/ac22-eu.toml", 'ship_environment = "field"', 'ship_environment = "lake"')
    after = recipe(catalog)
    for name in ("endpoint", "host", "ntp", "dns", "owner", "ca", "cpms", "anchors"):
        assert getattr(before.ship, name) != getattr(after.ship, name), name
    assert before.ship.trusted(Use.CSMS).sha256 != after.ship.trusted(Use.CSMS).sha256
    device = {key: value.decode() for key, value in render(after, after.ship, UNIT).device.items()}
    assert device["charger/ocpp/url"] == "wss://charge.lake.example/v2/ocpp"
    assert not [key for key, value in device.items() for word in words(before.ship) if word in value]


def words(environment: EnvironmentDefinition) -> Iterator[str]:
    """Yield the names and addresses of an environment."""
    yield from (environment.host, *environment.ntp, *environment.dns)


CODE = ("station", "pki", "templates", "deploy", "fixtures/catalog", "fixtures/charger", "fixtures/demo")
URL = re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://([A-Za-z0-9{][^\s\"'`)\\]*)")
ALLOWED = re.compile(
    r"""
    (127(\.0\.0\.1)?|localhost|host|HOST)(?![\w.-])            # the computer itself, and placeholders for people
    | \{(host|url\.netloc|cpms)\}                             # put together from settings
    | www\.w3\.org/2000/svg$ | id\.gs1\.org(/0[01]/\{(gtin|carton).*)?$  # namespaces of standards
    | (ref\.gs1\.org/standards|in-toto\.io|admin-shell\.io)/
    | github\.com/(in-toto/attestation|secure-systems-lab/dsse|leeoniya/uPlot)(/|$) | www\.sqlite\.org/  # sources cited
    | json-schema\.org/draft/[0-9-]+/schema$
    | (pki|csms)\.example\.com/(crl|ocsp|ocpp)$ | id\.example\.  # samples that certificates and texts are checked by
    | chargers\.example$
    """,
    re.VERBOSE,
)
"""What may stand behind `://`."""


def texts(*folders: str) -> Iterator[tuple[str, str]]:
    """Yield path and content of every text file but the environments and what is meant to be read."""
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*")):
        name = str(path.relative_to(ROOT))
        skipped = "environments/" in name or "__pycache__" in name or path.suffix in {".md", ".png", ".woff2", ".pem"}
        if path.is_file() and not skipped:
            yield name, path.read_text(errors="replace")


def test_no_url_stands_outside_of_the_environments() -> None:
    """F-F5, P05: in code, recipes, profiles, products and templates, but for a short list of what is no endpoint."""
    found = [(name, url) for name, text in texts(*CODE) for url in URL.findall(text)]
    assert found
    assert not [(name, url) for name, url in found if not ALLOWED.match(url)]


def test_nothing_of_an_environment_is_repeated_in_recipes_products_or_code() -> None:
    """F-F5: also without a scheme, no name or address of a sample environment stands anywhere else."""
    catalog = ROOT / "fixtures" / "catalog"
    every = [loaded(catalog), loaded(catalog, "bench-test", Environment.TEST)]
    names = {word for environment in every for word in words(environment)}
    shared = texts("station", "pki", "templates", "fixtures/catalog/recipes", "fixtures/catalog/products",
                   "fixtures/catalog/profiles", "fixtures/catalog/labels")  # fmt: skip
    assert not [(path, name) for path, text in shared for name in names if name in text]


def test_station_settings_hold_no_endpoint() -> None:
    """F-K5: the station's own file knows no CPMS and no CSMS; whatever an environment says stands there alone."""
    template = (ROOT / "templates" / "station" / "station.toml").read_text()
    said = {line.partition(" = ")[0] for line in template.splitlines()}
    assert not said & {entry.name for entry in fields(EnvironmentFile)} - {"name"}
