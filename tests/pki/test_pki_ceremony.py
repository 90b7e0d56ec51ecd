"""The ceremony makes everything once, continues after a death, and never replaces a key that is gone."""

import os
import signal
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate

from fixtures.token import make_token
from fixtures.warm import run
from pki.ceremony import hold_ceremony
from pki.environment import Ship, Test
from pki.errors import KeystoreError, ProfileError
from pki.issue import open_factory
from pki.plan import read_plan

DYING = """
import os, pathlib, signal, sys
from pki.ceremony import hold_ceremony
turns, rename = int(sys.argv[3]), pathlib.Path.rename
def count(self, target):
    global turns
    turns -= 1
    if turns < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(self, target)
pathlib.Path.rename = count
hold_ceremony(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
"""


def files(directory: Path) -> dict[str, bytes]:
    found = [path for path in directory.rglob("*") if path.is_file() and path.suffix in {".pem", ".toml", ".object"}]
    found = [path for path in found if path.name != "token.object"]  # SoftHSM counts logins in it
    return {str(path.relative_to(directory)): path.read_bytes() for path in found}


def verify(*arguments: str | Path) -> int:
    command = ["openssl", "verify", "-x509_strict", *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, timeout=30).returncode


def test_second_ceremony_changes_nothing(pki_directory, ceremony_file):
    before = files(pki_directory)
    assert hold_ceremony(ceremony_file, pki_directory) == []
    assert files(pki_directory) == before


def test_what_was_reviewed_is_what_is_kept(pki_directory, ceremony_file):
    assert (pki_directory / "pki.toml").read_bytes() == ceremony_file.read_bytes()


def test_other_file_for_the_same_directory_is_refused(pki_directory, ceremony_file, tmp_path):
    other = tmp_path / "other.toml"
    other.write_text(ceremony_file.read_text().replace("years = 20", "years = 30"))
    with pytest.raises(ProfileError, match="another ceremony file"):
        hold_ceremony(other, pki_directory)


@pytest.mark.parametrize("turns", [1, 4, 8, 16, 24])
def test_ceremony_that_was_killed_is_completed(ceremony_file, tmp_path, turns):
    """Killed before its n-th file is in place, or its last; what was made before stays as it is."""
    directory = tmp_path / "pki"
    make_token(directory, "line3")
    command = [sys.executable, "-c", DYING, str(ceremony_file), str(directory), str(turns)]
    died = run(command, timeout=60, modules=["pki.ceremony"])
    assert died.returncode == -signal.SIGKILL
    before = {name: data for name, data in files(directory).items() if not Path(name).name.startswith(".")}
    assert hold_ceremony(ceremony_file, directory)
    after = files(directory)
    assert {name: after[name] for name in before if name.endswith(".pem")} == {
        name: data for name, data in before.items() if name.endswith(".pem")
    }
    factory = open_factory(directory)
    assert factory.check() == []
    factory.close()


def delete_private_key(directory: Path, label: str) -> None:
    environment = os.environ | {"SOFTHSM2_CONF": str(directory / "softhsm2.conf")}
    pin = (directory / "secrets" / "hsm-pin").read_text()
    command = ["pkcs11-tool", "--module", read_plan(directory / "pki.toml").token.module, "--login", "--pin", pin]
    command += ["--delete-object", "--type", "privkey", "--label", label]
    subprocess.run(command, check=True, capture_output=True, env=environment, timeout=30)


def test_lost_ca_key_is_never_replaced_silently(pki_directory, ceremony_file):
    delete_private_key(pki_directory, "test-issuing")
    before = files(pki_directory / "certificates")
    with pytest.raises(KeystoreError, match="'test-issuing' is not in the token"):
        hold_ceremony(ceremony_file, pki_directory)
    assert files(pki_directory / "certificates") == before


def test_half_a_key_pair_is_made_again(pki_directory, ceremony_file):
    """A token may die between the two halves; no certificate stands on them yet."""
    delete_private_key(pki_directory, "records")
    (pki_directory / "certificates" / "records.pem").unlink()
    assert hold_ceremony(ceremony_file, pki_directory)[:2] == [
        "made key records in token online",
        "issued certificate records",
    ]
    factory = open_factory(pki_directory)
    assert factory.check() == []
    factory.close()


@pytest.mark.parametrize("name", ["test-root", "test-issuing", "ship-root", "ship-issuing", "bench-root"])
def test_cas_pass_openssl(pki_directory, name):
    certificates = pki_directory / "certificates"
    root = certificates / f"{name.replace('issuing', 'root')}.pem"
    assert verify("-CAfile", root, certificates / f"{name}.pem") == 0


def test_personas_of_the_acceptance_server(factory, tmp_path):
    """Design 8.6: the stand-in for the ship endpoint is trusted by the bench root only."""
    roots = {name: tmp_path / name for name in ("test", "ship", "bench")}
    roots["test"].write_bytes(factory.issuer(Test).anchors().pem)
    roots["ship"].write_bytes(factory.issuer(Ship).anchors().pem)
    roots["bench"].write_bytes(factory.bench_anchors())
    for environment, host, root in ((Test, "csms.test.example", "test"), (Ship, "csms.ship.example", "bench")):
        chain = factory.server_files(environment).chain
        asked = ("-purpose", "sslserver", "-verify_hostname", host, "-untrusted", chain)
        trusted = [name for name, path in roots.items() if verify(*asked, "-CAfile", path, chain) == 0]
        assert trusted == [root]
        assert factory.server_names(environment)[0] == host


def test_server_key_is_encrypted_and_loads(factory):
    """Design section 7.3: no private key in clear in a file."""
    for environment in (Test, Ship):
        chain, key, passphrase = factory.server_files(environment)
        assert key.read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(chain, key, passphrase)
        with pytest.raises(ValueError, match="password"):
            load_pem_private_key(key.read_bytes(), b"wrong")


def test_records_are_signed_by_their_own_key(factory):
    """F-G3: the signature is checked by whoever has the record certificate, with nothing of ours."""
    certificate = load_pem_x509_certificate(factory.record_certificate.encode())
    signature = factory.sign(b"record")
    certificate.public_key().verify(signature, b"record", ec.ECDSA(hashes.SHA256()))
    with pytest.raises(InvalidSignature):
        certificate.public_key().verify(signature, b"recorD", ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('label = "line3"', 'labl = "line3"', "tokens.online.labl is unknown; did you mean 'label'"),
        ("[bench]", "[banch]", "banch is unknown"),
        ("years = 20", 'years = "20"', "root.years has the wrong type"),
        ("years = 20", "years = 0", "root.years is not 1 to 50"),
        ("years = 20", "years = 9", "issuing.years is longer than test.root.years"),
        ('"csms.ship.example"', '"localhost"', "'localhost' is no host name"),
        ('"csms.ship.example"', '"csms.test.example"', "overlap"),
        ("Example Ship Root", "Example Test Root", "same common_name"),
        ('owner = "Example Network"', 'owner = "Example\\u0007"', "ship.owner is not 1 to 64 printable"),
        ('owner = "Example Network"', "", "ship.owner is missing"),
        ("[tokens.online]", "[tokens", "ceremony"),
    ],
)
def test_wrong_file_is_refused_before_anything_is_made(ceremony_file, tmp_path, old, new, message):
    """Bad input: the message names the key path, and the directory stays empty."""
    file, directory = tmp_path / "ceremony.toml", tmp_path / "pki"
    file.write_text(ceremony_file.read_text().replace(old, new))
    with pytest.raises(ProfileError, match=message):
        hold_ceremony(file, directory)
    assert not directory.exists()
