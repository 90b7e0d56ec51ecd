"""The HSM seen through its own eyes: pkcs11-spy counts the calls, files of the token are taken away."""

import os
import shutil
import subprocess
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from cryptography import x509

from pki.environment import Test
from pki.errors import KeystoreError, ProfileError, RequestRefused
from pki.issue import open_factory
from pki.keystore import Keystore, RsaTransport
from pki.plan import read_plan
from pki.proof import Proof

SPY = "/usr/lib/x86_64-linux-gnu/pkcs11-spy.so"
UNIT = "AC22-000001-7"
NONCE = bytes(range(32))


def proven(issuer, device, unit=UNIT):
    key, package = issuer.generate(unit, "station", RsaTransport(device.transport_spki), "")
    device.open(package)
    return issuer.confirm(key, receipt(device))


def receipt(device) -> Proof:
    return Proof("receipt", device.uid, NONCE, device.spki, device.sign("receipt", NONCE))


def status_under_spy(directory: Path) -> tuple[subprocess.CompletedProcess, str]:
    plan = directory / "pki.toml"
    module = read_plan(plan).token.module
    spied = 'environment = { PKCS11SPY_OUTPUT = "spy.log", '
    text = plan.read_text().replace(module, SPY).replace("environment = { ", spied)
    plan.write_text(text.replace("SOFTHSM2_CONF", f'PKCS11SPY = "{module}", SOFTHSM2_CONF'))
    command = [sys.executable, "-m", "pki.cli", "status", "--dir", directory]
    answer = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    return answer, (directory / "spy.log").read_text()


def test_module_is_told_to_lock_and_is_logged_in_once(pki_directory):
    """python-pkcs11's own loader passes NULL, and threads then corrupt the token."""
    answer, calls = status_under_spy(pki_directory)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert calls.count("C_Login") == 1
    assert "flags: 2\n" in calls.split("C_GetInfo")[0]


def test_wrong_pin_is_tried_exactly_once(pki_directory):
    (pki_directory / "secrets" / "hsm-pin").write_text("00000000")
    answer, calls = status_under_spy(pki_directory)
    assert answer.returncode == 3
    assert "is wrong (C_Login CKR_PIN_INCORRECT); it was tried once" in answer.stderr
    assert calls.count("C_Login") == 1


def test_pin_appears_in_no_message(pki_directory):
    (pki_directory / "secrets" / "hsm-pin").write_text("87654321")
    with pytest.raises(KeystoreError) as refused:
        open_factory(pki_directory)
    assert "87654321" not in "".join(traceback.format_exception(refused.value))


def test_opening_works_again_after_a_wrong_pin(pki_directory):
    path = pki_directory / "secrets" / "hsm-pin"
    right = path.read_text()
    path.write_text("00000000")
    with pytest.raises(KeystoreError):
        open_factory(pki_directory)
    path.write_text(right)
    open_factory(pki_directory).close()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_secret_that_others_may_read_is_refused(pki_directory, mode):
    (pki_directory / "secrets" / "hsm-pin").chmod(mode)
    with pytest.raises(ProfileError, match="may be read by other users"):
        open_factory(pki_directory)


def test_systemd_credential_comes_before_the_file(pki_directory, tmp_path, monkeypatch):
    (tmp_path / "hsm-pin").write_text((pki_directory / "secrets" / "hsm-pin").read_text() + "\n")
    (pki_directory / "secrets" / "hsm-pin").unlink()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    open_factory(pki_directory).close()


def test_missing_token_is_named(pki_directory):
    shutil.rmtree(pki_directory / "tokens")
    (pki_directory / "tokens").mkdir()
    with pytest.raises(KeystoreError, match="token 'line3' is missing"):
        open_factory(pki_directory)


def test_missing_module_is_named(pki_directory):
    plan = pki_directory / "pki.toml"
    plan.write_text(plan.read_text().replace("libsofthsm2", "libabsent"))
    with pytest.raises(KeystoreError, match=r"libabsent\.so can't be started"):
        open_factory(pki_directory)


def test_key_of_another_ca_is_refused(pki_directory):
    """A CA certificate whose key is not the token's must never be signed for."""
    certificates = pki_directory / "certificates"
    shutil.copy(certificates / "ship-issuing.pem", certificates / "test-issuing.pem")
    with pytest.raises(KeystoreError, match=r"'test-issuing' .*does not belong to its certificate"):
        open_factory(pki_directory)


def test_hsm_that_goes_away_stops_everything_and_leaves_no_key(pki_directory, device):
    """Design section 7.3: no fallback in software; what was claimed is signed under the same serial number later."""
    with closing(open_factory(pki_directory)) as factory:
        issuer = factory.issuer(Test)
        key, before = proven(issuer, device), sorted(pki_directory.rglob("*.pem"))
        (pki_directory / "tokens").rename(pki_directory / "away")
        with pytest.raises(KeystoreError):
            issuer.issue(key)
        assert factory.check()
    claimed = [row.serial for row in factory.rows()]
    (pki_directory / "away").rename(pki_directory / "tokens")
    assert sorted(pki_directory.rglob("*.pem")) == before
    with closing(open_factory(pki_directory)) as factory:
        assert [factory.issuer(Test).issue(key).serial] == claimed


def test_hsm_that_comes_back_needs_no_restart(factory, issuer, device, pki_directory):
    """What was claimed while it was away is signed under the same serial number, by the same process."""
    key = proven(issuer, device)
    (pki_directory / "tokens").rename(pki_directory / "away")
    with pytest.raises(KeystoreError):
        issuer.issue(key)
    claimed = [row.serial for row in factory.rows()]
    (pki_directory / "away").rename(pki_directory / "tokens")
    end = time.monotonic() + 60
    while factory.keystore.health() and time.monotonic() < end:
        time.sleep(0.05)
    assert [issuer.issue(key).serial] == claimed


def test_device_keys_leave_nothing_in_the_token(factory, issuer, device):
    before, stored = sorted((factory.layout.directory / "tokens").rglob("*.object")), objects(factory.keystore)
    proven(issuer, device)
    assert sorted((factory.layout.directory / "tokens").rglob("*.object")) == before
    assert objects(factory.keystore) == stored


def objects(keystore: Keystore) -> list[list[int]]:
    """What each session sees, its own objects included."""
    token = keystore._token
    return [token.call("count", lambda worker: token.cryptoki.find(worker.session, {})) for _ in range(4)]


def test_closed_keystore_refuses(factory):
    factory.keystore.close()
    with pytest.raises(KeystoreError, match="is closed"):
        factory.sign(b"")


def test_token_is_open_once_in_a_process(factory, pki_directory):
    with pytest.raises(KeystoreError, match="open already"):
        open_factory(pki_directory)
    assert factory.check() == []


def test_forked_child_is_refused(factory):
    """SoftHSM would let a forked child work, logged in: spawn only."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            factory.sign(b"")
            os.write(writer, b"signed")
        except KeystoreError as error:
            os.write(writer, error.message.encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 100) == b"the HSM was opened before a fork"


def test_sixteen_threads_at_once(factory, issuer, another_device, pki_directory):
    """Every key is whole, every serial number unique, and the token opens again."""
    devices = [another_device() for _ in range(16)]

    def work(index: int) -> list[str]:
        keys = [proven(issuer, devices[index], f"AC22-{index:03}{turn:03}") for turn in range(3)]
        factory.sign(NONCE)
        return [issuer.issue(key).serial for key in keys]

    with ThreadPoolExecutor(16) as pool:
        serials = [serial for made in pool.map(work, range(16)) for serial in made]
    assert len(set(serials)) == 48
    factory.close()
    again = open_factory(pki_directory)
    assert again.check() == []
    assert all(x509.load_der_x509_certificate(row.certificate) for row in again.rows())
    again.close()


def test_sixteen_threads_for_one_unit_make_one_key_and_one_certificate(factory, issuer, device):
    """Design section 7.2: whoever comes second gets the first one's answer or a refusal."""
    transport = RsaTransport(device.transport_spki)

    def generate(_):
        try:
            return issuer.generate(UNIT, "station", transport, "")
        except RequestRefused:
            return None

    with ThreadPoolExecutor(16) as pool:
        made = [answer for answer in pool.map(generate, range(16)) if answer]
        assert len(made) == 1
        device.open(made[0][1])
        key = issuer.confirm(made[0][0], receipt(device))
        assert len(set(pool.map(lambda _: issuer.issue(key).der, range(16)))) == 1
    assert len(factory.rows()) == 1


def test_random_numbers_differ(factory):
    assert len({factory.random(32) for _ in range(10)}) == 10
    assert len(factory.random(17)) == 17
