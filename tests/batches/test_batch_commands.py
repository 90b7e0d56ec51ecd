"""`station batch` with a token and people: who made it stands in the records, and secrets leave sealed only."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from fixtures.batches import ORDER, add_order, release_units
from pki.environment import Ship
from pki.issue import Factory, open_factory
from pki.passwords import Kind
from station.config import load_station
from station.records import open_records
from tests.people.staff import Staff
from tests.station.founded import founded, run_as

OWNER = "Example Operator"


class RealMaker:
    """A factory with a token, that issues for keys which were born on the units."""

    def __init__(self, factory: Factory) -> None:
        self._factory, self._issuer = factory, factory.issuer(Ship)
        self._issuer.grant(ORDER, 10, 0)

    def certificate(self, serial: str) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, serial)])
        request = x509.CertificateSigningRequestBuilder(name).sign(ec.generate_private_key(ec.SECP256R1()), SHA256())
        key = self._issuer.adopt(serial, "station", request.public_bytes(Encoding.DER), serial, ORDER)
        return x509.load_der_x509_certificate(self._issuer.issue(key, OWNER).der)

    def sign(self, document: bytes) -> bytes:
        return self._factory.sign(document)

    def settle(self) -> None:
        """Do nothing: the ledger has them."""


class Station:
    """A station directory with released units, and what the tests know of it."""

    def __init__(self, staff: Staff) -> None:
        self.staff, self.directory = staff, staff.station
        self.passwords: list[str] = []
        self._fill()

    def _fill(self) -> None:
        config = load_station(self.directory)
        factory = open_factory(config.pki_directory, "test")
        try:
            with open_records(config.database_url, config.station.id) as records:
                add_order(records, 10)
                maker = RealMaker(factory)
                release_units(maker, records, ["AC22-000001", "AC22-000002"])
                release_units(maker, records, ["AC22-000003"], change=lambda unit: replace(unit, security_profile=2))
            factory.passwords.ensure("AC22-000003", Ship, Kind.OCPP)
            self.passwords.append(factory.passwords.open("AC22-000003", Ship, Kind.OCPP).reveal())
        finally:
            factory.close()

    def run(self, *words: str | Path, who: str = "lead-1") -> tuple[int, str]:
        return run_as(self.staff, who, "batch", *words)

    @property
    def anchor(self) -> Path:
        return self.directory / "pki" / "certificates" / "records.pem"


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """Yield a station with a token, people, and an order of which three units are released."""
    with founded(tmp_path_factory.mktemp("station")) as staff:
        yield Station(staff)


@pytest.fixture(scope="module")
def owner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The CPMS: certificate and key."""
    folder = tmp_path_factory.mktemp("owner")
    command = ["openssl", "req", "-x509", "-nodes", "-newkey", "rsa:2048", "-subj", "/O=Example Network/CN=CPMS"]
    command += ["-keyout", "key.pem", "-out", "certificate.pem"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
    return folder


def test_made_listed_and_verified_with_a_published_certificate(station: Station, tmp_path: Path) -> None:
    archive = tmp_path / "hand-over.zip"
    code, said = station.run("create", "--order", ORDER, "--out", archive)
    assert (code, "with 3 units" in said, "1 units have a password that is not in it" in said) == (0, True, True)
    code, said = station.run("verify", archive, "--anchor", station.anchor, "--dir", tmp_path)
    assert (code, "Proved:" in said, "Not proved:" in said, "3 units" in said) == (0, True, True, True)
    (row,) = json.loads(station.run("list", "--unit", "AC22-000002", "--json")[1])
    assert (row["work_order"], row["who"], row["units"]) == (ORDER, "lead-1", 3)


def test_passwords_leave_sealed_for_the_cpms_and_for_nobody_else(station: Station, owner: Path, tmp_path: Path) -> None:
    """F-G5, P01: openssl opens it with the CPMS's key; no clear word stands anywhere in the archive."""
    archive = tmp_path / "sealed.zip"
    code, said = station.run("create", "--order", ORDER, "--out", archive, "--cpms-key", owner / "certificate.pem")
    assert (code, "password that is not in it" in said) == (0, False)
    with ZipFile(archive) as opened:
        names = [name for name in opened.namelist() if name.startswith("secrets/")]
        contents = {name: opened.read(name) for name in opened.namelist()}
    assert names == ["secrets/AC22-000003.cms"]
    command = ["openssl", "cms", "-decrypt", "-inform", "DER", "-recip", "certificate.pem", "-inkey", "key.pem"]
    clear = subprocess.run(command, cwd=owner, input=contents[names[0]], check=True, capture_output=True, timeout=60)
    (password,) = station.passwords
    assert json.loads(clear.stdout)["password"] == password
    words = (password.encode(), password.encode().hex().encode())
    assert not [name for name, content in contents.items() if any(word in content for word in words)]
    assert station.run("verify", archive)[0] == 0


def test_people_without_the_role_make_none(station: Station, tmp_path: Path) -> None:
    code, said = station.run("create", "--order", ORDER, "--out", tmp_path / "b.zip", who="operator-1")
    assert (code, (tmp_path / "b.zip").exists(), "line-lead" in said or "line lead" in said) == (2, False, True)


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("create", "--order", "WO-9"), 2, "no work order WO-9"),
        (("create", "--order", ORDER, "--cpms-key", "{anchor}"), 1, "does not allow its key to encrypt"),
        (("create", "--order", ORDER, "--out", "{none}/b.zip"), 2, "can't be written"),
        (("verify", "{none}.zip"), 2, "can't be read"),
        (("verify", "{anchor}"), 1, "no batch"),
    ],
)
def test_mistakes_are_told_with_their_exit_codes(
    station: Station, tmp_path: Path, words: tuple[str, ...], code: int, why: str
) -> None:
    given = [word.format(anchor=station.anchor, none=tmp_path / "none") for word in words]
    found, said = station.run(*given)
    assert (found, why in said) == (code, True), said


def test_a_changed_archive_is_refused_with_what_to_do(station: Station, tmp_path: Path) -> None:
    archive = tmp_path / "b.zip"
    station.run("create", "--order", ORDER, "--out", archive)
    raw = bytearray(archive.read_bytes())
    raw[len(raw) // 2] ^= 1
    archive.write_bytes(raw)
    code, said = station.run("verify", archive)
    assert (code, "Do not import this batch" in said) == (1, True)
