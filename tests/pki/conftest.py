"""Worlds for the PKI tests: real SoftHSM tokens, each in a directory of its own; a device made of openssl alone."""

import hashlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fixtures.token import make_token
from pki.ceremony import hold_ceremony
from pki.environment import Test
from pki.issue import Factory, open_factory
from pki.issuer import Issuer

CEREMONY = """
organization = "Example Chargers"

[tokens.online]
module = "/usr/lib/softhsm/libsofthsm2.so"
label = "line3"
environment = { SOFTHSM2_CONF = "softhsm2.conf" }

[test]
owner = "Example Test Network"
root = { common_name = "Example Test Root", years = 20 }
issuing = { common_name = "Example Test Issuing CA", years = 10 }
server = { names = ["csms.test.example", "csms2.test.example"] }

[ship]
owner = "Example Network"
root = { common_name = "Example Ship Root", years = 20 }
issuing = { common_name = "Example Ship Issuing CA", years = 10 }
server = { names = ["csms.ship.example"] }

[plant]
owner = "Example Chargers"
root = { common_name = "Example Plant Root", years = 20 }
issuing = { common_name = "Example Plant Issuing CA", years = 10 }
server = { names = ["pki.factory.example"] }

[bench]
root = { common_name = "Example Bench Root", years = 5 }

[records]
common_name = "Example Records"
years = 10

[audit]
common_name = "Example Audit"
years = 10

[firmware]
common_name = "Example Firmware"
years = 10
"""


ONLINE = """
[tokens.online]
module = "/usr/lib/softhsm/libsofthsm2.so"
label = "line3"
environment = { SOFTHSM2_CONF = "softhsm2.conf" }
"""
VAULT = """
[tokens.vault]
module = "/usr/lib/softhsm/libsofthsm2.so"
label = "vault"
environment = { SOFTHSM2_CONF = "vault/softhsm2.conf" }
pin = "vault-pin"

[keys]
roots = "vault"
authorities = "online"
devices = "online"
"""
INTERMEDIATE = 'intermediate = { common_name = "Example Ship Intermediate CA", years = 15 }\n'
SHIP_ISSUING = 'issuing = { common_name = "Example Ship Issuing CA"'


def openssl(*arguments: str | Path, data: bytes = b"") -> bytes:
    """Run openssl and return what it wrote."""
    command = ["openssl", *map(str, arguments)]
    return subprocess.run(command, input=data, check=True, capture_output=True, timeout=30).stdout


@dataclass(frozen=True)
class Device:
    """A charger as openssl plays it: it opens packages, makes keys and requests, and signs statements."""

    folder: Path
    uid: bytes = bytes.fromhex("00112233445566778899aabb")

    @property
    def transport_spki(self) -> bytes:
        """The public half of its RSA transport key."""
        transport = self.folder / "transport.pem"
        if not transport.exists():
            openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", transport)
        return openssl("pkey", "-in", transport, "-pubout", "-outform", "DER")

    def open(self, package: bytes) -> bytes:
        """Decrypt a package, keep the key, return its SPKI."""
        transport = self.folder / "transport.pem"
        clear = openssl("cms", "-decrypt", "-inform", "DER", "-inkey", transport, "-binary", data=package)
        (self.folder / "key.der").write_bytes(clear)
        return self.spki

    def make_key(self) -> bytes:
        """Make a key on the device, return its SPKI."""
        path = self.folder / "key.der"
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-outform", "DER", "-out", path)
        return self.spki

    @property
    def spki(self) -> bytes:
        """The public half of its key."""
        return openssl("pkey", "-inform", "DER", "-in", self.folder / "key.der", "-pubout", "-outform", "DER")

    def request(self, common_name: str, organization: str = "Anyone") -> bytes:
        """A PKCS#10 request of its key."""
        subject = f"/CN={common_name}/O={organization}"
        key = self.folder / "key.der"
        return openssl("req", "-new", "-keyform", "DER", "-key", key, "-subj", subject, "-outform", "DER", "-sha256")

    def sign(self, kind: str, nonce: bytes) -> bytes:
        """The signature of a receipt or an answered challenge (group 64)."""
        text = b"evfactory/" + kind.encode() + b"/1\0" + self.uid + nonce + hashlib.sha256(self.spki).digest()
        return openssl("dgst", "-sha256", "-keyform", "DER", "-sign", self.folder / "key.der", data=text)


@pytest.fixture(scope="session")
def ceremony_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("reviewed") / "ceremony.toml"
    path.write_text(CEREMONY)
    return path


@pytest.fixture(scope="session")
def pki_original(tmp_path_factory: pytest.TempPathFactory, ceremony_file: Path) -> Path:
    """A PKI directory after its ceremony; copied, never opened."""
    directory = tmp_path_factory.mktemp("pki")
    make_token(directory, "line3")
    hold_ceremony(ceremony_file, directory)
    return directory


@pytest.fixture
def pki_directory(tmp_path: Path, pki_original: Path) -> Path:
    """A fresh copy of that directory, with its own token files and an empty ledger."""
    directory = tmp_path / "pki"
    shutil.copytree(pki_original, directory)
    configuration = directory / "softhsm2.conf"
    configuration.write_text(configuration.read_text().replace(str(pki_original), str(directory)))
    return directory


@pytest.fixture(scope="session")
def vault_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ceremony with its roots in a token of their own, and an intermediate CA in ship."""
    path = tmp_path_factory.mktemp("reviewed") / "vault.toml"
    text = CEREMONY.replace(ONLINE, ONLINE + VAULT)
    path.write_text(text.replace(SHIP_ISSUING, INTERMEDIATE + SHIP_ISSUING))
    return path


def make_vault_tokens(directory: Path) -> None:
    """Make the online token and the vault, with the vault's PIN where the plan looks for it."""
    make_token(directory, "line3")
    make_token(directory / "vault", "vault")
    (directory / "secrets" / "vault-pin").symlink_to("../vault/secrets/hsm-pin")


@pytest.fixture(scope="session")
def vault_tokens() -> Callable[[Path], None]:
    return make_vault_tokens


@pytest.fixture(scope="session")
def vault_original(tmp_path_factory: pytest.TempPathFactory, vault_file: Path) -> Path:
    directory = tmp_path_factory.mktemp("vault")
    make_vault_tokens(directory)
    hold_ceremony(vault_file, directory)
    return directory


@pytest.fixture
def vault_directory(tmp_path: Path, vault_original: Path) -> Path:
    """A fresh copy of a PKI of two tokens."""
    directory = tmp_path / "pki"
    shutil.copytree(vault_original, directory, symlinks=True)
    for configuration in (directory / "softhsm2.conf", directory / "vault" / "softhsm2.conf"):
        configuration.write_text(configuration.read_text().replace(str(vault_original), str(directory)))
    return directory


@pytest.fixture
def safe(vault_directory: Path, tmp_path: Path) -> Path:
    """Where the vault lies after the ceremony: out of reach of everything in the directory."""
    return (vault_directory / "vault").rename(tmp_path / "safe")


@pytest.fixture
def factory(pki_directory: Path) -> Iterator[Factory]:
    opened = open_factory(pki_directory)
    yield opened
    opened.close()


@pytest.fixture
def issuer(factory: Factory) -> Issuer[Test]:
    return factory.issuer(Test)


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path)


@pytest.fixture
def another_device(tmp_path: Path) -> Callable[[], Device]:
    def make() -> Device:
        folder = tmp_path / f"device{len(list(tmp_path.glob('device*')))}"
        folder.mkdir()
        return Device(folder)

    return make
