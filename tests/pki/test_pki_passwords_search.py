"""A search of everything a factory's PKI leaves behind: no delivered key and no password is in it, in any spelling."""

import base64
import logging
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from pki.cms import load_recipient, recipient_of
from pki.environment import Ship
from pki.errors import RequestRefused
from pki.passwords import Kind, Password, open_passwords
from pki.proof import Proof

UNIT = "AC22-000001-7"
LONG_ENOUGH = [kind for kind in Kind if kind is not Kind.BLE_PIN]
"""Six digits stand somewhere by chance."""


def spellings(secret: bytes) -> Iterator[bytes]:
    """How bytes get into files: as they are, as hexadecimal, as base64 at any offset, as wide characters."""
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    for offset, first in enumerate((0, 2, 3)):
        encoded = base64.b64encode(bytes(offset) + secret).rstrip(b"=")
        yield encoded[first : -1 if (offset + len(secret)) % 3 else None]  # the ends depend on the neighbours
    yield secret.decode("latin-1").encode("utf-16-le")


def found_in(folder: Path, secrets: list[bytes]) -> list[str]:
    """Where any spelling of a secret stands: files below a folder, and this process's environment."""
    places = {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    places["environment"] = Path("/proc/self/environ").read_bytes() + repr(dict(os.environ)).encode()
    wanted = [spelling for secret in secrets for spelling in spellings(secret)]
    return sorted(name for name, content in places.items() if any(spelling in content for spelling in wanted))


@contextmanager
def everything_logged(path: Path) -> Iterator[None]:
    """Let every library log all it can, the parameters of SQL among it."""
    handler = logging.FileHandler(path)
    root, engine = logging.getLogger(), logging.getLogger("sqlalchemy.engine")
    levels = root.level, engine.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    engine.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.setLevel(levels[0])
        engine.setLevel(levels[1])
        root.removeHandler(handler)
        handler.close()


@pytest.fixture
def certificate(tmp_path: Path) -> bytes:
    """A recipient outside the PKI directory."""
    paths = ("-keyout", tmp_path / "owner.key", "-out", tmp_path / "owner.pem")
    words = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-subj", "/CN=CPMS")
    subprocess.run(["openssl", "req", "-x509", "-nodes", *words, *paths], check=True, capture_output=True, timeout=30)
    return (tmp_path / "owner.pem").read_bytes()


def delivered_key(issuer, device) -> bytes:
    """The private number of a key that went through its whole life."""
    recipient = recipient_of("rsa-oaep", device.transport_spki)
    key, package = issuer.generate(UNIT, "station", recipient, "")
    nonce, spki = bytes(32), device.open(package)
    proof = Proof("receipt", device.uid, nonce, spki, device.sign("receipt", nonce))
    issuer.issue(issuer.confirm(key, proof))
    command = ["openssl", "pkey", "-inform", "DER", "-in", device.folder / "key.der"]
    private = load_pem_private_key(subprocess.run(command, check=True, capture_output=True, timeout=30).stdout, None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    return private.private_numbers().private_value.to_bytes(32)


def made_passwords(factory, directory: Path, certificate: bytes) -> list[Password]:
    """One of every class, and a refusal on the way."""
    passwords = open_passwords(factory.keystore, factory.ledger, directory)
    recipient = load_recipient(certificate)
    made = [passwords.make_known(UNIT, Ship, kind, recipient)[0] for kind in LONG_ENOUGH]
    try:
        passwords.make(UNIT, Ship, Kind.PIN, recipient)
    except RequestRefused:
        logging.getLogger(__name__).exception("refused: %r", made)
    return made


def test_no_key_and_no_password_is_left_anywhere(factory, issuer, device, pki_directory, certificate):
    """F-D2, F-D7: token, ledger with its journal, certificates, secrets, logs, environment."""
    with everything_logged(pki_directory / "all.log"):
        key = delivered_key(issuer, device)
        made = [password.reveal().encode() for password in made_passwords(factory, pki_directory, certificate)]
    secrets = [key, *made, *(text.replace(b"-", b"") for text in made)]
    assert "INSERT INTO passwords" in (pki_directory / "all.log").read_text()
    assert found_in(pki_directory, secrets) == []
    factory.close()
    assert found_in(pki_directory, secrets) == []
    (pki_directory / "planted").write_bytes(b"x" + base64.b64encode(b"12" + secrets[0] + b"34"))
    assert found_in(pki_directory, secrets) == [str(pki_directory / "planted")]
