"""CA keys in a TPM 2.0 (tpm2-pkcs11 on swtpm), device keys elsewhere; the TPM dies, hangs and comes back."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from cryptography.x509 import load_der_x509_certificate, load_pem_x509_certificate

from fixtures.token_beds import Bed, softhsm, tpm
from fixtures.token_tpm import MODULE, Tpm
from pki.algorithm import Algorithm, verify
from pki.ceremony import hold_ceremony
from pki.environment import Test
from pki.errors import KeystoreError
from pki.issue import open_factory
from pki.keystore import KeyPolicy, Keystore, Purpose, RsaTransport
from pki.keystore.throwaway import rsa_throwaway
from pki.proof import Proof

PATIENCE_SECONDS = 60.0


@pytest.fixture(scope="module")
def chip(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tpm]:
    chip = Tpm(tmp_path_factory.mktemp("tpm"))
    yield chip
    chip.stop()


@pytest.fixture(scope="module")
def bed(chip: Tpm, tmp_path_factory: pytest.TempPathFactory) -> Bed:
    return tpm(chip, tmp_path_factory.mktemp("signer"))


@pytest.fixture
def signer(bed: Bed) -> Iterator[Keystore]:
    keystore = bed.open(purposes=[Purpose.SIGN])
    spki = keystore.public_key("ca") or keystore.create("ca")
    keystore.bind("ca", spki)
    yield keystore
    keystore.close()


def signs(keystore: Keystore) -> bool:
    return verify(keystore.public_key("ca"), b"text", keystore.sign("ca", b"text"))


@pytest.mark.parametrize("algorithm", [Algorithm.P256, Algorithm.P384])
def test_ca_key_lives_in_a_tpm(signer, algorithm):
    spki = signer.create(f"{algorithm}-ca", algorithm)
    signer.bind(f"{algorithm}-ca", spki)
    assert verify(spki, b"text", signer.sign(f"{algorithm}-ca", b"text"))
    assert signer.policy(f"{algorithm}-ca") == KeyPolicy(True, False, True, True, True)


@pytest.mark.parametrize(
    ("algorithm", "why"),
    [(Algorithm.P521, "unfit: CKM_ECDSA CKR_HOST_MEMORY"), (Algorithm.ED448, "CKM_EC_EDWARDS_KEY_PAIR_GEN")],
)
def test_what_the_tpm_can_not_is_said(signer, algorithm, why):
    """It makes a P-521 key that does not sign: only a signature tells."""
    with pytest.raises(KeystoreError, match=why) as refused:
        signer.create(f"{algorithm}-ca", algorithm)
    assert refused.value.hint == "Use p256 for this key, or a token that can make it."


def test_device_keys_come_from_another_token(signer, tmp_path):
    """F-D3: both modules in one process, each asked only for what it is there for."""
    with closing(softhsm(tmp_path / "token").open(purposes=[Purpose.DEVICES])) as maker:
        wrapped = maker.wrap_new_key(rsa_throwaway()[0])
    assert verify(signer.public_key("ca"), wrapped.spki, signer.sign("ca", wrapped.spki))


def test_tpm_can_not_make_device_keys(bed):
    with pytest.raises(
        KeystoreError, match=r"can't wrap p256 keys for RSA transport keys .* CKM_EC_KEY_PAIR_GEN"
    ) as no:
        bed.open()
    assert no.value.hint == "Use another HSM for device keys."


def test_tpm_whose_daemon_is_killed_comes_back(signer, chip):
    assert signs(signer)
    chip.kill("manager", "tpm")
    with pytest.raises(KeystoreError):
        signer.sign("ca", b"text")
    assert signer.health().startswith("token 'factory' is away: ")
    chip.start()
    end = time.monotonic() + PATIENCE_SECONDS
    while signer.health():
        assert time.monotonic() < end, signer.health()
        time.sleep(0.1)
    assert signs(signer)


@pytest.mark.timeout(30)  # two hundred time-outs would take 40 s
def test_slow_tpm_is_refused_at_once_after_one_time_out(chip, bed):
    one = replace(bed, plan=replace(bed.plan, sessions=1))
    with closing(one.open(purposes=[Purpose.SIGN], busy_seconds=0.2)) as keystore:
        spki = keystore.public_key("ca") or keystore.create("ca")
        keystore.bind("ca", spki)
        signatures: list[bytes] = []
        os.kill(chip.parts["tpm"].pid, signal.SIGSTOP)
        patient = threading.Thread(target=lambda: signatures.append(keystore.sign("ca", b"text")))
        patient.start()
        while keystore._token._link.idle.qsize():
            time.sleep(0.01)
        try:
            for _ in range(200):
                with pytest.raises(KeystoreError, match=r"does not answer for 0\.2 s: sign with 'ca'"):
                    keystore.sign("ca", b"text")
        finally:
            os.kill(chip.parts["tpm"].pid, signal.SIGCONT)
            patient.join(timeout=PATIENCE_SECONDS)
        assert verify(spki, b"text", signatures[0])
        assert signs(keystore)


def test_factory_whose_cas_are_in_a_tpm(chip, ceremony_file, tmp_path, device):
    """F-D3: the ceremony makes the CAs in the TPM; device keys are made and wrapped in SoftHSM."""
    directory = tmp_path / "pki"
    softhsm(directory, "line3")
    chip.make_token("cas", directory / "tpm")
    (directory / "secrets" / "tpm-pin").symlink_to("../tpm/secrets/hsm-pin")
    settings = ", ".join(f'{name} = "{value}"' for name, value in chip.environment.items())
    token = f'[tokens.tpm]\nmodule = "{MODULE}"\nlabel = "cas"\npin = "tpm-pin"\nenvironment = {{ {settings} }}\n'
    keys = '[keys]\nroots = "tpm"\nauthorities = "tpm"\ndevices = "online"\n'
    plan = tmp_path / "ceremony.toml"
    plan.write_text(ceremony_file.read_text() + token + keys)
    hold_ceremony(plan, directory)
    with closing(open_factory(directory)) as factory:
        assert factory.check() == []
        issuer = factory.issuer(Test)
        key, package = issuer.generate("AC22-000001-7", "station", RsaTransport(device.transport_spki), "")
        assert device.open(package) == key.spki
        nonce = bytes(32)
        receipt = Proof("receipt", device.uid, nonce, device.spki, device.sign("receipt", nonce))
        certificate = load_der_x509_certificate(issuer.issue(issuer.confirm(key, receipt)).der)
    chain = directory / "certificates"
    issuing = load_pem_x509_certificate((chain / "test-issuing.pem").read_bytes())
    certificate.verify_directly_issued_by(issuing)
