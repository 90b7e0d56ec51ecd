"""Sealing keys over several models of token: what was sealed for one is opened inside, by whatever hash it can."""

from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from fixtures.token_beds import MODELS
from pki.cms import SealingKey, seal, sealed_content
from pki.errors import KeystoreError
from pki.keystore import Keystore, seal_content

LABEL = "sealing"
HASHES = {"softhsm": "sha1", "nss": "sha256"}


@pytest.fixture(scope="module", params=MODELS)
def bed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Keystore, bytes]]:
    """A token with a sealing key."""
    keystore = MODELS[request.param](tmp_path_factory.mktemp(request.param)).open()
    yield request.param, keystore, keystore.create_sealing(LABEL, 2048)
    keystore.close()


def test_what_is_sealed_is_opened_inside(bed):
    name, keystore, spki = bed
    key = SealingKey(LABEL, spki, keystore.bind_sealing(LABEL, spki))
    assert key.oaep_hash == HASHES[name]
    message = seal(b"a secret", key)
    assert keystore.open_sealed(LABEL, sealed_content(message, key)) == b"a secret"


def test_the_key_stays_and_is_found_again(bed):
    _, keystore, spki = bed
    assert keystore.sealing_key(LABEL) == spki
    assert keystore.policy(LABEL).extractable is False
    with pytest.raises(KeystoreError, match="holds a private key 'sealing' already"):
        keystore.create_sealing(LABEL, 2048)


def test_what_is_for_another_key_is_refused_and_the_token_goes_on(bed):
    name, keystore, spki = bed
    stranger = rsa.generate_private_key(65537, 2048).public_key()
    with pytest.raises(KeystoreError, match="can't open what was sealed"):
        keystore.open_sealed(LABEL, seal_content(b"x", stranger, HASHES[name]))
    own = load_der_public_key(spki)
    assert isinstance(own, rsa.RSAPublicKey)
    assert keystore.open_sealed(LABEL, seal_content(b"x", own, HASHES[name])) == b"x"
