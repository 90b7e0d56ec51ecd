"""Stations know each other: a short-lived certificate of the Plant world, renewed by itself, revocable (F-K9)."""

import ssl
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

import pki.identity
from pki.environment import Plant, Ship, Test
from pki.errors import RequestRefused
from pki.issuer import Issuer
from pki.ledger import Reason

NAME = "line3.factory.example"


def certificate(files):
    return x509.load_pem_x509_certificates(files.chain.read_bytes())[0]


def due(monkeypatch):
    """Let the certificate's last third begin: its clock is moved, nobody sleeps."""

    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(days=21)

    monkeypatch.setattr(pki.identity, "datetime", Later)


def test_identity_stays_until_its_last_third(factory):
    first = factory.station_identity(NAME)
    assert factory.station_identity(NAME) == first
    life = certificate(first).not_valid_after_utc - datetime.now(UTC)
    assert timedelta(days=29) < life <= timedelta(days=30)
    assert len(factory.rows()) == 1


def test_identity_renews_itself(factory, monkeypatch):
    """F-D9: a new key, and the old certificate is superseded with it."""
    first = factory.station_identity(NAME)
    due(monkeypatch)
    second = factory.station_identity(NAME)
    assert second.key != first.key
    assert certificate(second).subject == certificate(first).subject
    assert [(row.version, row.revocation, row.reason) for row in factory.rows()] == [
        (1, "superseded", ""),
        (2, "", "renewed by itself"),
    ]


def test_key_is_encrypted_and_loads(factory):
    chain, key, passphrase = factory.station_identity(NAME)
    assert key.read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert key.stat().st_mode & 0o077 == 0
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(chain, key, passphrase)


@pytest.mark.parametrize(("world", "known"), [(Plant, True), (Test, False), (Ship, False)])
def test_server_knows_the_station_by_the_plant_only(factory, tmp_path, world, known):
    """OpenSSL's view of a TLS client: a root of another world knows no station."""
    files, roots = factory.station_identity(NAME), tmp_path / "roots.pem"
    roots.write_bytes(factory.client_roots(world))
    command = ["openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", roots, files.chain]
    assert (subprocess.run(command, check=False, capture_output=True, timeout=30).returncode == 0) is known


def test_revoked_identity_does_not_come_back_by_itself(factory):
    first = factory.station_identity(NAME)
    factory.revoke(Plant, NAME, "station-identity", Reason.KEY_COMPROMISE, "stolen")
    with pytest.raises(RequestRefused, match="was revoked"):
        factory.station_identity(NAME)
    second = factory.allow_identity(NAME, "the disk was found")
    assert certificate(second).serial_number != certificate(first).serial_number
    assert factory.station_identity(NAME) == second


def test_lost_key_is_told(factory):
    factory.station_identity(NAME).key.unlink()
    with pytest.raises(RequestRefused, match="is not in"):
        factory.station_identity(NAME)


@pytest.mark.parametrize("when", ["adopt", "issue"])
def test_interrupted_identity_is_continued(factory, monkeypatch, when):
    """A station that died between key, claim and certificate has one living certificate afterwards."""

    def die(*_given, **_named):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Issuer, when, die)
        with pytest.raises(KeyboardInterrupt):
            factory.station_identity(NAME)
    files = factory.station_identity(NAME)
    assert certificate(files).serial_number
    assert len(factory.rows()) == 1


def test_many_threads_make_one_identity(factory):
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(factory.station_identity, [NAME] * 8))
    assert len(found) == 1
    assert len(factory.rows()) == 1


@pytest.mark.parametrize("name", ["", "../evil", "a/b", "x" * 65, "line 3", "-line3"])
def test_unfit_name_is_refused_and_leaves_nothing(factory, name):
    with pytest.raises(RequestRefused, match="is no name of a station"):
        factory.station_identity(name)
    assert not (factory.layout.directory / "identities").exists()
