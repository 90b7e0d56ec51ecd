"""Keys from real tokens into running chargers: announced, wrapped, sent over the serial line, opened, receipted."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fixtures.charger.options import Options
from fixtures.charger.process import SimulatedCharger, read_state
from fixtures.firmware import FACTORY_IMAGE, PUBLIC_KEY, Recipe, build_release
from fixtures.token_beds import nss, softhsm
from pki.cms import key_package, recipient_of
from pki.keystore import Keystore, RsaTransport
from pki.proof import Proof
from station.clock import Deadline
from station.drivers.mcuboot import open_charger

LABEL = "batch-2026-07"
BEDS = {"rsa-oaep": softhsm, "ecdh-p256": nss, "kek": softhsm}


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release")
    build_release(folder, Recipe(size=12 * 1024))
    return folder


@pytest.fixture
def keystore(tmp_path: Path, transport: str) -> Iterator[Keystore]:
    opened = BEDS[transport](tmp_path / "token").open()
    yield opened
    opened.close()


def batch_key(keystore: Keystore, path: Path) -> Path:
    """The file of fuses that a batch's provisioner writes."""
    key = rsa.generate_private_key(65537, 2048)
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    handed = keystore.create_kek(LABEL, RsaTransport(public))
    assert handed
    digest = {"sha1": hashes.SHA1, "sha256": hashes.SHA256}[handed.oaep_hash]()
    clear = key.decrypt(handed.key, padding.OAEP(padding.MGF1(digest), digest, None))
    path.write_text(f"{LABEL} {clear.hex()}")
    return path


@pytest.fixture
def unit(tmp_path: Path, release: Path, transport: str, keystore: Keystore) -> Iterator[SimulatedCharger]:
    kek = batch_key(keystore, tmp_path / "fuses") if transport == "kek" else None
    options = Options(
        dir=tmp_path / "unit",
        ports=tmp_path / "ports",
        port="usb-0:1",
        firmware=release / FACTORY_IMAGE,
        release_key=release / PUBLIC_KEY,
        transport=transport,
        kek=kek,
        baud=0,
        boot_seconds=0.02,
    )
    with SimulatedCharger(options) as charger:
        yield charger


@pytest.mark.parametrize("transport", BEDS)
def test_a_key_arrives_and_is_receipted(unit: SimulatedCharger, keystore: Keystore, transport: str):
    """Issue: the receipt is checked before anything is called delivered."""
    charger, deadline, nonce = open_charger(lambda: unit.node), Deadline(60), secrets.token_bytes(32)
    said = charger.identify(deadline)
    assert said.transport
    assert said.transport.algorithm == transport
    wrapped = keystore.wrap_new_key(recipient_of(said.transport.algorithm, said.transport.key))
    receipt = charger.deliver_key("ship", key_package(wrapped), nonce, deadline)
    charger.close()
    Proof("receipt", unit.uid, nonce, receipt.spki, receipt.signature).check("AC22-000001-7", 1, wrapped.spki)
    assert read_state(unit.dir).keys == {"ship": wrapped.spki}
