"""One keystore over several models of token: what each can do is found by trying, and what it can't is said plainly."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, keywrap
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from fixtures.token_beds import MODELS, Bed, softhsm
from pki.algorithm import Algorithm, verify
from pki.errors import KeystoreError, RequestRefused
from pki.keystore import (
    BatchKek,
    EcTransport,
    KeyPolicy,
    Keystore,
    Purpose,
    RsaTransport,
    WrappedKey,
    create_trusted_kek,
    open_keystore,
)
from pki.keystore.throwaway import rsa_throwaway

SOAK_SECONDS = float(os.environ.get("KEYSTORE_SOAK_SECONDS", "2"))
NIST = [Algorithm.P256, Algorithm.P384, Algorithm.P521]
SHARED_INFO = bytes.fromhex("3015300b060960864801650304012da206040400000100")
_numbers = count()


def fresh(name: str) -> str:
    """A label that no other test uses."""
    return f"{name}-{next(_numbers)}"


def spki_of(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def opened(wrapped: WrappedKey, content_key: bytes) -> bytes:
    """The public half of the key that a device finds in its package."""
    clear = keywrap.aes_key_unwrap_with_padding(content_key, wrapped.key)
    key = load_der_private_key(clear[: 2 + clear[1] if clear[1] < 0x80 else 3 + clear[2]], None)
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def under_rsa(key: rsa.RSAPrivateKey, wrapped: bytes, oaep_hash: str) -> bytes:
    digest = {"sha1": hashes.SHA1, "sha256": hashes.SHA256}[oaep_hash]()
    return key.decrypt(wrapped, padding.OAEP(padding.MGF1(digest), digest, None))


@pytest.fixture(scope="module")
def beds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bed]:
    return {name: make(tmp_path_factory.mktemp(name)) for name, make in MODELS.items()}


@pytest.fixture(params=MODELS)
def keystore(beds: dict[str, Bed], request: pytest.FixtureRequest) -> Iterator[Keystore]:
    keystore = beds[request.param].open()
    yield keystore
    keystore.close()


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def is_nss(keystore: Keystore) -> bool:
    return keystore.capabilities.model.startswith("NSS")


@pytest.mark.parametrize("algorithm", NIST)
def test_stored_key_signs_and_stays(keystore, algorithm):
    """F-D2: what the token reports is what the officer sees; NSS says falsely that it did not make its own keys."""
    label = fresh("ca")
    spki = keystore.create(label, algorithm)
    keystore.bind(label, spki)
    assert verify(spki, b"text", keystore.sign(label, b"text"))
    assert keystore.public_key(label) == spki
    assert keystore.policy(label) == KeyPolicy(True, False, True, True, None if is_nss(keystore) else True)


def test_ed448_signs_or_is_refused_by_name(keystore):
    label = fresh("ca")
    if is_nss(keystore):
        with pytest.raises(KeystoreError, match="EC_EDWARDS_KEY_PAIR_GEN CKR_MECHANISM_INVALID") as refused:
            keystore.create(label, Algorithm.ED448)
        assert "p256" in refused.value.hint
    else:
        spki = keystore.create(label, Algorithm.ED448)
        keystore.bind(label, spki)
        assert verify(spki, b"text", keystore.sign(label, b"text"))
    assert keystore.health() == ""


def test_transports_are_what_was_seen_to_open(keystore):
    expected = {"rsa-oaep", "kek"} | ({"ecdh-p256"} if is_nss(keystore) else set())
    assert keystore.transports == expected
    assert set(keystore.capabilities.refusals) == {"rsa-oaep", "kek", "ecdh-p256"} - expected
    keystore.self_test()


@pytest.mark.parametrize("algorithm", NIST)
def test_rsa_transport_opens(keystore, rsa_key, algorithm):
    wrapped = keystore.wrap_new_key(RsaTransport(spki_of(rsa_key)), algorithm)
    content_key = under_rsa(rsa_key, wrapped.content_key, wrapped.oaep_hash)
    assert opened(wrapped, content_key) == wrapped.spki
    assert wrapped.oaep_hash == ("sha256" if is_nss(keystore) else "sha1")


@pytest.mark.parametrize("algorithm", NIST)
def test_ec_transport_opens_or_says_what_to_use(keystore, algorithm):
    """F-D7: the agreed key is derived inside the HSM (RFC 5753) or not at all."""
    device = ec.generate_private_key(ec.SECP256R1())
    recipient = EcTransport(spki_of(device))
    if is_nss(keystore):
        wrapped = keystore.wrap_new_key(recipient, algorithm)
        secret = device.exchange(ec.ECDH(), load_der_public_key(wrapped.ephemeral))
        agreed = X963KDF(hashes.SHA256(), 32, SHARED_INFO).derive(secret)
        assert opened(wrapped, keywrap.aes_key_unwrap(agreed, wrapped.content_key)) == wrapped.spki
    else:
        with pytest.raises(KeystoreError, match="CKM_ECDH1_DERIVE with CKD_SHA256_KDF inside the HSM") as refused:
            keystore.wrap_new_key(recipient, algorithm)
        assert refused.value.hint.endswith("a key that the device makes itself.")


@pytest.mark.parametrize("field", ["spki", "key", "content_key"])
def test_probe_notices_a_key_that_is_not_the_one_it_names(keystore, field):
    recipient, throwaway = rsa_throwaway()
    first, second = keystore.wrap_new_key(recipient), keystore.wrap_new_key(recipient)
    throwaway.check(first)
    with pytest.raises(KeystoreError, match=r"another key than it made|format that devices can't open"):
        throwaway.check(replace(first, **{field: getattr(second, field)}))


def test_refusal_offers_what_the_token_can(beds):
    keystore = beds["softhsm"].open()
    with pytest.raises(KeystoreError) as refused:
        keystore.wrap_new_key(EcTransport(spki_of(ec.generate_private_key(ec.SECP256R1()))))
    keystore.close()
    assert refused.value.hint == "Use an RSA transport key or a batch key or a key that the device makes itself."


@pytest.mark.parametrize("algorithm", NIST)
def test_batch_key_opens(keystore, rsa_key, algorithm):
    label = fresh("batch")
    handed = keystore.create_kek(label, RsaTransport(spki_of(rsa_key)))
    kek = under_rsa(rsa_key, handed.key, handed.oaep_hash)
    wrapped = keystore.wrap_new_key(BatchKek(label), algorithm)
    assert opened(wrapped, keywrap.aes_key_unwrap(kek, wrapped.content_key)) == wrapped.spki


def test_batch_key_leaves_once(keystore, rsa_key):
    label = fresh("batch")
    assert keystore.create_kek(label) is None
    with pytest.raises(KeystoreError, match=f"holds a batch key '{label}' already"):
        keystore.create_kek(label, RsaTransport(spki_of(rsa_key)))


def test_unknown_batch_key_is_refused(keystore):
    with pytest.raises(KeystoreError, match="has no batch key 'other'"):
        keystore.wrap_new_key(BatchKek("other"))
    assert keystore.health() == ""


def test_device_keys_go_under_the_officers_key_alone(tmp_path, rsa_key):
    """CKA_WRAP_WITH_TRUSTED: whoever has the PIN can't wrap a batch's device key for himself."""
    bed = softhsm(tmp_path / "trusted")
    transport = RsaTransport(spki_of(rsa_key))
    handed = create_trusted_kek(bed.plan, bed.directory, bed.officer_pin, "batch", transport)
    keystore = bed.open()
    assert keystore.capabilities.guards_trusted
    wrapped = keystore.wrap_new_key(BatchKek("batch"))
    assert opened(wrapped, under_rsa(rsa_key, handed.key, handed.oaep_hash)) == wrapped.spki
    assert not wrapped.content_key
    keystore.close()


@pytest.mark.parametrize(
    "spki", [b"", b"\x30\x00", spki_of(ec.generate_private_key(ec.SECP256R1()))], ids=["nothing", "no key", "EC"]
)
def test_unfit_transport_leaves_nothing_behind(keystore, rsa_key, spki):
    before = objects(keystore)
    with pytest.raises(RequestRefused):
        keystore.wrap_new_key(RsaTransport(spki))
    keystore.wrap_new_key(RsaTransport(spki_of(rsa_key)))
    assert objects(keystore) == before


def objects(keystore: Keystore) -> list[int]:
    """Every object that a session sees, its own ones included."""
    token = keystore._token
    return [len(token.call("count", lambda worker: token.cryptoki.find(worker.session, {}))) for _ in range(4)]


def test_two_keys_of_one_label_are_refused(keystore):
    """Another program may have put them there."""
    label = fresh("ca")
    spki = keystore.create(label)
    token, keys = keystore._token, keystore._keys
    token.call("make another", lambda worker: keys._generate(worker.session, label, Algorithm.P256))
    with pytest.raises(KeystoreError, match=f"several keys in token 'factory' are labelled '{label}'"):
        keystore.bind(label, spki)


def test_key_is_not_made_twice(keystore):
    label = fresh("ca")
    spki = keystore.create(label)
    with pytest.raises(KeystoreError, match=f"holds a private key '{label}' already"):
        keystore.create(label)
    keystore.bind(label, keystore.public_key(label) or spki)


def test_signing_needs_a_bound_key(keystore):
    with pytest.raises(KeystoreError, match="was not bound"):
        keystore.sign("unknown", b"")


def test_token_opened_for_signing_makes_no_device_keys(beds, rsa_key):
    keystore = beds["nss"].open(purposes=[Purpose.SIGN])
    assert keystore.transports == frozenset()
    with pytest.raises(KeystoreError, match="was not opened for device keys"):
        keystore.wrap_new_key(RsaTransport(spki_of(rsa_key)))
    keystore.close()


def test_two_models_in_one_process(beds, rsa_key):
    """F-D3: CA keys in one token, device keys in another."""
    signer, maker = beds["nss"].open(purposes=[Purpose.SIGN]), beds["softhsm"].open(purposes=[Purpose.DEVICES])
    label = fresh("ca")
    spki = signer.create(label)
    signer.bind(label, spki)
    wrapped = maker.wrap_new_key(RsaTransport(spki_of(rsa_key)))
    assert verify(spki, wrapped.spki, signer.sign(label, wrapped.spki))
    signer.close()
    assert maker.health() == ""
    maker.close()


def test_four_threads_never_get_a_wrong_answer(keystore, rsa_key):
    """The stock loader crashes here. KEYSTORE_SOAK_SECONDS=600 makes it ten minutes."""
    keys = {}
    for algorithm in NIST:
        label = fresh("ca")
        keys[label] = keystore.create(label, algorithm)
        keystore.bind(label, keys[label])
    transport, end = RsaTransport(spki_of(rsa_key)), time.monotonic() + SOAK_SECONDS

    def work(thread: int) -> int:
        turns = 0
        while time.monotonic() < end:
            wrapped = keystore.wrap_new_key(transport, NIST[turns % 3])
            content_key = under_rsa(rsa_key, wrapped.content_key, wrapped.oaep_hash)
            assert opened(wrapped, content_key) == wrapped.spki
            for label, spki in keys.items():
                assert verify(spki, wrapped.spki, keystore.sign(label, wrapped.spki))
            turns += 1
        return turns

    with ThreadPoolExecutor(4) as pool:
        assert min(pool.map(work, range(4))) > 0
    assert keystore.health() == ""


def test_module_that_is_none_is_named(tmp_path: Path, beds):
    plan = beds["softhsm"].plan
    with pytest.raises(KeystoreError, match=r"libc\.so\.6 can't be started: it is no PKCS#11 module"):
        open_keystore(type(plan)("libc.so.6", "factory"), tmp_path, "1234")
