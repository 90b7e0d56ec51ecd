"""Tokens that go away while somebody works with them: nothing is answered falsely, and no restart is needed after."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fixtures.token_beds import MODELS, Bed, softhsm
from fixtures.token_remote import RemoteToken
from pki.algorithm import verify
from pki.errors import KeystoreError
from pki.keystore import Keystore, Purpose, RsaTransport
from pki.keystore.module import module

SPY = "/usr/lib/x86_64-linux-gnu/pkcs11-spy.so"
PATIENCE_SECONDS = 60.0


@pytest.fixture(scope="module")
def transport() -> RsaTransport:
    public = rsa.generate_private_key(65537, 2048).public_key()
    return RsaTransport(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


@pytest.fixture
def bed(tmp_path: Path) -> Bed:
    return softhsm(tmp_path / "token")


@pytest.fixture
def keystore(bed: Bed) -> Iterator[Keystore]:
    keystore = bed.open()
    keystore.bind("ca", keystore.create("ca"))
    yield keystore
    keystore.close()


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(KeystoreError) as refused:
        call()
    return refused.value.message


def signs(keystore: Keystore, label: str = "ca") -> bool:
    spki = keystore.public_key(label)
    return spki is not None and verify(spki, b"text", keystore.sign(label, b"text"))


def wait_until_well(keystore: Keystore) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while keystore.health():
        assert time.monotonic() < end, keystore.health()
        time.sleep(0.05)


def logins(log: Path) -> int:
    return log.read_text().count(": C_Login\n")


@pytest.fixture(scope="module")
def spy_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The spy keeps to the file that it was told first."""
    log = tmp_path_factory.mktemp("spy") / "spy.log"
    log.touch()
    return log


def spied(bed: Bed, log: Path) -> Bed:
    """The same token seen through pkcs11-spy."""
    environment = bed.plan.environment | {"PKCS11SPY": bed.plan.module, "PKCS11SPY_OUTPUT": str(log)}
    return replace(bed, plan=replace(bed.plan, module=SPY, environment=environment))


def test_token_that_is_taken_away_refuses_everything_and_comes_back(bed, keystore, transport):
    """F-D1: one clear sentence at once, no fallback in software, no restart."""
    tokens, away = bed.directory / "tokens", bed.directory / "away"
    tokens.rename(away)
    refusal(lambda: [keystore.sign("ca", b"text") for _ in range(bed.plan.sessions)])
    message = refusal(lambda: keystore.wrap_new_key(transport))
    assert message.startswith("token 'factory' is away: ")
    assert refusal(lambda: keystore.sign("ca", b"text")) == keystore.health() == message
    away.rename(tokens)
    wait_until_well(keystore)
    assert signs(keystore)
    assert keystore.wrap_new_key(transport).key


@pytest.mark.parametrize("model", MODELS)
def test_lost_sessions_are_opened_again(tmp_path, model):
    with closing(MODELS[model](tmp_path / "token").open()) as keystore:
        keystore.bind("ca", keystore.create("ca"))
        token = keystore._token
        token.call("lose it", lambda worker: token.cryptoki.close_session(worker.session))
        message = refusal(lambda: [keystore.sign("ca", b"text") for _ in range(4)])
        assert "CKR_SESSION_HANDLE_INVALID" in message
        assert signs(keystore)


@pytest.mark.parametrize("model", MODELS)
def test_module_that_ends_is_started_again(tmp_path, model, transport):
    """What a daemon's death looks like to its client."""
    with closing(MODELS[model](tmp_path / "token").open()) as keystore:
        keystore.bind("ca", keystore.create("ca"))
        keystore._token.cryptoki.finalize()
        refusal(lambda: keystore.sign("ca", b"text"))
        assert signs(keystore)
        assert keystore.wrap_new_key(transport).key


@pytest.fixture
def pair(bed: Bed) -> Iterator[tuple[Keystore, Keystore]]:
    """Two tokens of one module."""
    environment = os.environ | {"SOFTHSM2_CONF": str(bed.directory / "softhsm2.conf")}
    pins = ("--so-pin", "12345678", "--pin", bed.pin)
    command = ("softhsm2-util", "--init-token", "--free", "--label", "second", *pins)
    subprocess.run(command, check=True, capture_output=True, timeout=30, env=environment)
    first, second = bed.open(), replace(bed, plan=replace(bed.plan, label="second")).open()
    for keystore in (first, second):
        keystore.bind("ca", keystore.create("ca"))
    yield first, second
    first.close()
    second.close()


def test_module_is_not_started_again_under_somebody_who_is_inside(pair):
    """The second token goes on while the first is away: its sessions would not survive a new start."""
    first, second = pair
    folder = folder_of(first)
    folder.rename(folder.parent.with_name("away"))
    refusal(lambda: [first.sign("ca", b"text") for _ in range(5)])
    assert first.health()
    assert signs(second)
    folder.parent.with_name("away").rename(folder)
    assert signs(second)
    second.close()  # SoftHSM finds a token that was away only when it is started anew
    wait_until_well(first)
    assert signs(first)


def folder_of(keystore: Keystore) -> Path:
    serial = keystore._token.info.serial
    tokens = Path(os.environ["SOFTHSM2_CONF"]).parent / "tokens"
    return next(folder for folder in tokens.iterdir() if folder.name.replace("-", "").endswith(serial))


def test_module_is_started_again_when_all_are_away(pair):
    first, second = pair
    first._token.cryptoki.finalize()
    refusal(lambda: first.sign("ca", b"text"))
    refusal(lambda: second.sign("ca", b"text"))
    wait_until_well(first)
    wait_until_well(second)
    assert signs(first)
    assert signs(second)


REPLACED = """
import sys
from pathlib import Path
from pkcs11 import ObjectClass
from fixtures.token_beds import Bed
from pki.plan import TokenPlan

keystore = Bed(TokenPlan(sys.argv[1], "factory", {"SOFTHSM2_CONF": "softhsm2.conf"}), Path(sys.argv[2])).open()

def destroy(worker):
    for kind in (ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY):
        for half in keystore._keys.find(worker.session, kind, "ca"):
            keystore._token.cryptoki.destroy(worker.session, half)

keystore._token.call("destroy", destroy)
keystore.create("ca")
keystore.close()
"""


def test_other_key_under_the_same_label_is_never_used(bed, keystore):
    """The handle is found again by its label, and then has to sign: a stale number may name another key."""
    command = [sys.executable, "-c", REPLACED, bed.plan.module, str(bed.directory)]
    subprocess.run(command, check=True, timeout=30, cwd=Path(__file__).parents[2])
    messages = [refusal(lambda: keystore.sign("ca", b"text")) for _ in range(3)]
    assert "key 'ca' in token 'factory' does not belong to its certificate" in messages[-1]
    assert "does not belong to its certificate" in keystore.health()


def test_refused_pin_is_never_tried_again(bed, spy_log):
    """Many tokens lock after three wrong PINs: neither a new start in this process nor a recovery tries it again."""
    wrong, before = spied(bed, spy_log), logins(spy_log)
    (bed.directory / "secrets" / "hsm-pin").write_text("00000000")
    assert "is wrong (C_Login CKR_PIN_INCORRECT); it was tried once" in refusal(wrong.open)
    assert "was refused before; it is not tried again" in refusal(wrong.open)
    assert logins(spy_log) == before + 1


def test_pin_that_was_changed_meanwhile_is_tried_once(bed, spy_log):
    before = logins(spy_log)
    with closing(spied(bed, spy_log).open()) as keystore:
        keystore.bind("ca", keystore.create("ca"))
        change_pin(bed)
        keystore._token.cryptoki.finalize()
        messages = [refusal(lambda: keystore.sign("ca", b"text")) for _ in range(3)]
        assert "is wrong" in messages[-1]
        keystore._token._next_try = 0.0
        assert keystore.health() == messages[-1]
    assert logins(spy_log) == before + 2


def change_pin(bed: Bed) -> None:
    environment = os.environ | {"SOFTHSM2_CONF": str(bed.directory / "softhsm2.conf")}
    command = ("pkcs11-tool", "--module", bed.plan.module, "--change-pin", "--pin", bed.pin, "--new-pin", "99999999")
    subprocess.run(command, check=True, capture_output=True, timeout=30, env=environment)


def test_corrupt_object_file_harms_only_itself(bed, keystore):
    """SoftHSM answers every search by label with an error when one label can't be decrypted."""
    before = set((bed.directory / "tokens").rglob("*.object"))
    keystore.create("other")
    keystore.close()
    private = max(set((bed.directory / "tokens").rglob("*.object")) - before, key=lambda path: path.stat().st_size)
    whole = private.read_bytes()
    private.write_bytes(whole[:104] + bytes(byte ^ 0xFF for byte in whole[104:112]) + whole[112:])
    with closing(bed.open()) as again:
        again.bind("ca", again.public_key("ca") or b"")
        assert signs(again)
        assert again.public_key("other") is None


@pytest.mark.parametrize("length", [0, 100, 700])
def test_half_an_object_file_harms_only_itself(bed, keystore, length):
    """What a crash leaves."""
    before = set((bed.directory / "tokens").rglob("*.object"))
    keystore.create("other")
    keystore.close()
    for victim in set((bed.directory / "tokens").rglob("*.object")) - before:
        victim.write_bytes(victim.read_bytes()[:length])
    with closing(bed.open()) as again:
        again.bind("ca", again.public_key("ca") or b"")
        assert signs(again)


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemoteToken]:
    """One for all, because p11-kit's client reads the address of its server once in a process."""
    remote = RemoteToken(softhsm(tmp_path_factory.mktemp("remote")))
    yield remote
    remote.kill()


def test_daemon_that_is_killed_is_found_again(remote):
    """F-D1: what a network HSM's restart looks like; the sessions died with the daemon."""
    with closing(remote.bed.open(purposes=[Purpose.SIGN])) as keystore:
        keystore.bind("ca", keystore.create("ca"))
        remote.kill()
        refusal(lambda: keystore.sign("ca", b"text"))
        assert keystore.health().startswith("token 'factory' is away: ")
        remote.start()
        wait_until_well(keystore)
        assert signs(keystore)


def test_remote_token_can_not_wrap(remote):
    """p11-kit does not carry RFC 5649 over."""
    message = refusal(remote.bed.open)
    assert "can't wrap p256 keys for RSA transport keys" in message
    assert "CKM_AES_KEY_WRAP_PAD CKR_MECHANISM_INVALID" in message


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(("mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(folder)), check=False).returncode:
        pytest.skip("a file system of its own needs the right to mount")
    yield folder
    subprocess.run(("umount", "--lazy", str(folder)), check=True)


def test_full_token_still_signs_and_wraps(small_disk, transport):
    """Device keys are session objects, so a full token stops ceremonies only."""
    with closing(softhsm(small_disk / "token").open()) as keystore:
        keystore.bind("ca", keystore.create("ca"))
        with pytest.raises(KeystoreError, match="makes no p256 key: CKM_EC_KEY_PAIR_GEN CKR_") as refused:
            fill(keystore)
        assert refused.value.hint == "Free space on the token."
        assert signs(keystore)
        assert keystore.wrap_new_key(transport).key


def fill(keystore: Keystore) -> None:
    for number in range(64):
        keystore.create(f"key-{number}")


def test_module_keeps_nobody_after_a_failed_opening(bed):
    with pytest.raises(KeystoreError, match="token 'absent' is missing"):
        replace(bed, plan=replace(bed.plan, label="absent")).open()
    bed.open().close()
    assert not module(bed.plan.module)._users
