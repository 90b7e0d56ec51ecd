"""Keys born in real tokens, delivered in every way a token can, opened by stock openssl and by the simulated charger.

SoftHSM and NSS softokn stand for two habits: the first can't agree on a key inside, the second can.
"""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from fixtures.charger.cms import BadPackage, open_package
from fixtures.charger.transport import BatchKey, Transport, load_transport, new_transport
from fixtures.token_beds import MODELS, softhsm
from pki.cms import key_package, recipient_of
from pki.errors import KeystoreError
from pki.keystore import Keystore, RsaTransport, WrappedKek, create_trusted_kek

LABEL = "batch-2026-07"
KINDS = {"softhsm": ("rsa-oaep", "kek"), "nss": ("rsa-oaep", "ecdh-p256", "kek")}


@pytest.fixture(scope="module", params=MODELS)
def token(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Keystore]]:
    """A logged-in token and its model."""
    keystore = MODELS[request.param](tmp_path_factory.mktemp(request.param)).open()
    yield request.param, keystore
    keystore.close()


@pytest.fixture(scope="module")
def provisioner() -> rsa.RSAPrivateKey:
    """Whoever puts a batch's key into devices."""
    return rsa.generate_private_key(65537, 2048)


def transport_of(provisioner: rsa.RSAPrivateKey) -> RsaTransport:
    return RsaTransport(provisioner.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def handed_out(handed: WrappedKek | None, provisioner: rsa.RSAPrivateKey) -> BatchKey:
    """A batch's key as it comes out of the token on its one way into devices."""
    assert handed
    digest = {"sha1": hashes.SHA1, "sha256": hashes.SHA256}[handed.oaep_hash]()
    key = provisioner.decrypt(handed.key, padding.OAEP(padding.MGF1(digest), digest, None))
    return BatchKey(handed.label.encode(), key)


@pytest.fixture(scope="module")
def batch(token, provisioner) -> BatchKey:
    return handed_out(token[1].create_kek(LABEL, transport_of(provisioner)), provisioner)


@pytest.fixture
def transport(batch: BatchKey) -> Callable[[str], Transport]:
    return lambda kind: batch if kind == "kek" else load_transport(new_transport(kind))


def package_for(keystore: Keystore, transport: Transport) -> tuple[bytes, bytes]:
    """A new key's SPKI, and its package for what a charger announces."""
    said = transport.announce()
    wrapped = keystore.wrap_new_key(recipient_of(str(said["alg"]), bytes(said.get("spki") or said["kid"])))
    return wrapped.spki, key_package(wrapped)


def openssl(*words: str | Path, data: bytes) -> bytes:
    """What openssl writes; its exit code proves nothing, so it is not looked at."""
    return subprocess.run(
        ["openssl", *map(str, words)], input=data, check=False, capture_output=True, timeout=30
    ).stdout


def opened_by_openssl(transport: Transport, package: bytes, folder: Path, command: str = "-decrypt") -> bytes:
    """The SPKI of the key that openssl finds in a package."""
    how: tuple[str | Path, ...]
    if isinstance(transport, BatchKey):
        named = ("-secretkeyid", transport.name.hex()) if command == "-decrypt" else ()
        how = (*named, "-secretkey", transport.key.hex())
    else:
        pem = transport.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / "transport.pem").write_bytes(pem)
        how = ("-inkey", folder / "transport.pem")
    clear = openssl("cms", command, *how, "-inform", "DER", "-binary", data=package)
    return openssl("pkey", "-inform", "DER", "-pubout", "-outform", "DER", data=clear)


def test_every_transport_that_a_token_serves_is_delivered(token, transport, tmp_path):
    """Issue: what comes out is the key of the certificate, for openssl and for the device alike."""
    name, keystore = token
    assert keystore.transports == set(KINDS[name])
    for kind in KINDS[name]:
        device = transport(kind)
        spki, package = package_for(keystore, device)
        assert opened_by_openssl(device, package, tmp_path) == spki, kind
        private = load_der_private_key(open_package(package, device), None)
        assert private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == spki, kind


def test_a_stranger_opens_nothing(token, transport, tmp_path):
    name, keystore = token
    for kind in KINDS[name]:
        spki, package = package_for(keystore, transport(kind))
        stranger = BatchKey(LABEL.encode(), os.urandom(32)) if kind == "kek" else load_transport(new_transport(kind))
        assert opened_by_openssl(stranger, package, tmp_path) != spki, kind
        with pytest.raises(BadPackage):
            open_package(package, stranger)


def test_what_a_token_can_not_is_refused_with_another_way(token, transport):
    """SoftHSM runs no KDF inside: said plainly, by the mechanism's name, with what can be done instead."""
    name, keystore = token
    if "ecdh-p256" in KINDS[name]:
        assert keystore.capabilities.refusals == {}
        return
    with pytest.raises(KeystoreError, match="CKM_ECDH1_DERIVE") as refusal:
        package_for(keystore, transport("ecdh-p256"))
    for way in ("an RSA transport key", "a batch key", "device makes itself"):
        assert way in refusal.value.hint


def test_an_unknown_batch_is_refused(token):
    with pytest.raises(KeystoreError, match="no batch key 'batch-x'"):
        token[1].wrap_new_key(recipient_of("kek", b"batch-x"))


def test_a_trusted_batch_key_delivers_too(tmp_path, provisioner):
    """WRAP_WITH_TRUSTED: the device key goes directly under the officer's key, so the package is EncryptedData."""
    bed = softhsm(tmp_path)
    made = create_trusted_kek(bed.plan, bed.directory, bed.officer_pin, LABEL, transport_of(provisioner))
    device, keystore = handed_out(made, provisioner), bed.open()
    spki, package = package_for(keystore, device)
    keystore.close()
    assert keystore.capabilities.guards_trusted
    assert opened_by_openssl(device, package, tmp_path, "-EncryptedData_decrypt") == spki
    assert open_package(package, device)
