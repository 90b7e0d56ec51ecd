"""Development factories: a word in the CAs' own names, not a setting (F-K7)."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.token import make_token
from pki.ceremony import hold_ceremony
from pki.errors import ProfileError
from pki.issue import Factory, open_factory
from pki.plan import read_plan
from tests.pki.conftest import CEREMONY, openssl

DEVELOPING = f'purpose = "development"\n{CEREMONY}'


@pytest.fixture(scope="module")
def developing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the PKI of a development factory."""
    directory = tmp_path_factory.mktemp("developing")
    make_token(directory, "line3")
    file = directory / "ceremony.toml"
    file.write_text(DEVELOPING)
    hold_ceremony(file, directory)
    return directory


@pytest.fixture
def opened(developing: Path, tmp_path: Path) -> Iterator[Factory]:
    """Yield a copy of it, opened."""
    directory = copy(developing, tmp_path / "opened")
    configuration = directory / "softhsm2.conf"
    configuration.write_text(configuration.read_text().replace(str(developing), str(directory)))
    factory = open_factory(directory)
    yield factory
    factory.close()


def trusts(root: Path, certificate: Path, *more: str | Path) -> bool:
    command = ["openssl", "verify", "-x509_strict", "-CAfile", str(root), *map(str, more), str(certificate)]
    return subprocess.run(command, check=False, capture_output=True, timeout=30).returncode == 0


def copy(directory: Path, target: Path) -> Path:
    shutil.copytree(directory, target, dirs_exist_ok=True)
    return target


def test_every_ca_and_signer_of_a_development_factory_says_so(developing):
    """F-K7: whoever reads a certificate, chain or passport of it sees it, with openssl alone."""
    made = sorted((developing / "certificates").glob("*.pem"))
    said = {path.stem: openssl("x509", "-in", path, "-noout", "-subject").decode() for path in made}
    assert {name for name, subject in said.items() if "OU = Development" not in subject} == {
        "test-server", "ship-server", "plant-server"
    }  # fmt: skip
    assert (
        "OU = Development" in openssl("x509", "-in", developing / "certificates/ship-issuing.pem", "-issuer").decode()
    )


def test_development_factory_knows_from_its_cas_what_it_is(opened):
    assert opened.development


def test_production_says_nothing_of_the_kind(factory):
    assert not factory.development
    assert b"OU" not in openssl("x509", "-in", factory.layout.certificate("ship-root"), "-noout", "-subject")


def test_the_ceremony_file_cannot_make_production_of_it(developing, tmp_path):
    """F-K7: a later review can't change the purpose, and neither can an editor."""
    directory = copy(developing, tmp_path / "developing")
    production = tmp_path / "production.toml"
    production.write_text(CEREMONY)
    with pytest.raises(ProfileError, match="belongs to another ceremony"):
        hold_ceremony(production, directory)
    (directory / "pki.toml").write_text(CEREMONY)
    with pytest.raises(ProfileError, match="purpose is production, and certificate test-root says otherwise"):
        open_factory(directory)


@pytest.mark.parametrize("name", ["ship-root", "ship-issuing", "plant-root", "records"])
def test_certificates_of_both_kinds_are_no_factory(developing, pki_directory, tmp_path, name):
    """F-K7, F-D8: one certificate of production in a development factory is refused before any token is opened."""
    directory = copy(developing, tmp_path / "developing")
    shutil.copy(pki_directory / "certificates" / f"{name}.pem", directory / "certificates")
    with pytest.raises(ProfileError, match=f"certificate {name} says otherwise"):
        open_factory(directory)


def test_misspelt_purpose_is_refused(tmp_path):
    file = tmp_path / "ceremony.toml"
    file.write_text(DEVELOPING.replace("development", "developmnt"))
    with pytest.raises(ProfileError, match="purpose: 'developmnt' is unknown; it is production or development"):
        read_plan(file)


@pytest.mark.parametrize("name", ["test-issuing", "ship-issuing", "plant-issuing"])
def test_production_trusts_no_ca_of_development(developing, pki_original, name):
    """F-K7: the same names in both ceremony files but for the purpose, and yet neither root knows the other's CAs."""
    root = f"{name.split('-')[0]}-root.pem"
    assert trusts(developing / "certificates" / root, developing / "certificates" / f"{name}.pem")
    assert not trusts(pki_original / "certificates" / root, developing / "certificates" / f"{name}.pem")


def test_identity_of_a_development_station_is_no_credential_of_production(opened, pki_original, tmp_path):
    """F-K7: what it shows to a CPMS or enrolment service of production is under a root that those don't know."""
    shown = opened.station_identity("ST9").chain
    own, theirs = opened.layout.certificate("plant-root"), pki_original / "certificates" / "plant-root.pem"
    assert trusts(own, shown, "-untrusted", shown)
    assert not trusts(theirs, shown, "-untrusted", shown)
