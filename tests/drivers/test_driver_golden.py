"""Golden vectors of vendor group 64, made with cbor2 and openssl alone: what the specification means, byte by byte.

Requests carry sequence number 0 here. The same vectors are given to the driver (is this what it sends, and how it reads
it?) and to the simulated charger (does it understand this?), which share no code.
"""

import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cbor2
import pytest

from pki.proof import statement
from station.clock import Deadline
from station.drivers.mcuboot import McubootCharger, open_charger
from station.errors import Defect, UnitError
from station.model import Proof, TransportKey

NONCE = bytes(range(32))
UID = bytes.fromhex("00112233445566778899aabb")
SERIAL = "AC22-000001"
Ask = Callable[[McubootCharger, Deadline], Any]

REQUESTS: dict[str, tuple[Ask, str]] = {
    "identity": (
        lambda c, d: c.identify(d),
        "0800000100400000" "a0",
    ),
    "key": (
        lambda c, d: c.create_key("test", SERIAL, replace=True, deadline=d),
        "0a00002100400001" "a362636e6b414332322d30303030303164736c6f74647465737465666f726365f5",
    ),
    "key of the baseline": (
        lambda c, d: c.create_key("", SERIAL, replace=False, deadline=d),
        "0a00001700400001" "a262636e6b414332322d30303030303165666f726365f4",
    ),
    "key again": (
        lambda c, d: c.read_request("ship", d),
        "0800000b00400001" "a164736c6f746473686970",
    ),
    "certificate": (
        lambda c, d: c.install_certificate("ship", bytes.fromhex("3003020101"), d),
        "0a00001600400002" "a2646365727445300302010164736c6f746473686970",
    ),
    "certificate again": (
        lambda c, d: c.read_certificate("ship", d),
        "0800000b00400002" "a164736c6f746473686970",
    ),
    "lock": (
        lambda c, d: c.lock(d),
        "0a00000100400003" "a0",
    ),
    "key package": (
        lambda c, d: c.deliver_key("test", bytes.fromhex("deadbeef"), NONCE, d),
        "0a00004700400004" "a5636c656e04636f666600646461746144deadbeef64736c6f746474657374656e6f6e63655820"
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
    ),
    "challenge": (
        lambda c, d: c.challenge("test", NONCE, d),
        "0a00003300400005" "a264736c6f746474657374656e6f6e63655820"
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
    ),
    "serial number": (
        lambda c, d: c.assign_serial(SERIAL, d),
        "0a00001400400006" "a16673657269616c6b414332322d303030303031",
    ),
}  # fmt: skip

BASELINE = "a5637569644c00112233445566778899aabb656d6f64656c6441433232636b6579f56463657274f4666c6f636b6564f4"
FULL = (
    "ab637569644c00112233445566778899aabb656d6f64656c6441433232636b6579f56463657274f5666c6f636b6564f4626877657265762d62"
    "62667765312e342e306673657269616c6b414332322d30303030303165736c6f7473a26474657374423059647368697040697472616e73706f"
    "7274a263616c67687273612d6f6165706473706b69423082646361707385686b65792d7265616469636572742d726561646b6b65792d706163"
    "6b616765696368616c6c656e67656673657269616c"
)
ANSWERS = {
    (0, 64, 0): BASELINE,
    (2, 64, 1): "a16363737243308201",
    (0, 64, 1): "a16363737243308201",
    (2, 64, 2): "a0",
    (0, 64, 2): "a16463657274453003020101",
    (2, 64, 3): "a0",
    (2, 64, 4): "a26473706b6942305963736967423045",
    (2, 64, 5): "a26473706b6942305963736967423045",
    (2, 64, 6): "a0",
}
"""Answers to each command, by operation, group and command."""


def soon() -> Deadline:
    return Deadline(20)


@pytest.fixture
def charger(peer: Any) -> McubootCharger:
    """The driver before a device that answers with the golden answers."""
    for command, body in ANSWERS.items():
        peer.replies[command] = cbor2.loads(bytes.fromhex(body))
    return open_charger(lambda: peer.node)


@pytest.mark.parametrize("name", REQUESTS)
def test_the_driver_sends_the_golden_request(charger: McubootCharger, peer: Any, name: str) -> None:
    ask, golden = REQUESTS[name]
    ask(charger, soon())
    assert bytes.fromhex(golden) in peer.asked(64, bytes.fromhex(golden)[7])


def test_the_driver_reads_the_golden_baseline(charger: McubootCharger) -> None:
    found = charger.identify(soon())
    assert (found.uid, found.model, found.has_key, found.has_certificate, found.locked) == (
        UID,
        "AC22",
        True,
        False,
        False,
    )
    assert (found.keys, found.transport, found.abilities) == (None, None, frozenset())


def test_the_driver_reads_the_golden_identity(charger: McubootCharger, peer: Any) -> None:
    peer.replies[0, 64, 0] = cbor2.loads(bytes.fromhex(FULL))
    found = charger.identify(soon())
    assert (found.hardware, found.firmware, found.serial) == ("rev-b", "1.4.0", SERIAL)
    assert found.keys == {"test": b"\x30\x59", "ship": b""}
    assert found.transport == TransportKey("rsa-oaep", b"\x30\x82")
    assert found.abilities == {"request-read", "certificate-read", "key-package", "challenge", "serial"}


def test_the_driver_reads_the_golden_proof(charger: McubootCharger) -> None:
    assert charger.challenge("test", NONCE, soon()) == Proof(b"\x30\x59", b"\x30\x45")


@pytest.mark.parametrize(
    ("body", "defect"),
    [
        ("a163657272a26567726f7570184062726303", Defect.CERTIFICATE),
        ("a163657272a26567726f7570184062726306", Defect.KEY),
        ("a163657272a26567726f757018406272630b", Defect.LOCK),
        ("a16272630b", Defect.LOCK),
        ("a162726308", Defect.PROTOCOL),
    ],
)
def test_the_driver_reads_the_golden_errors(charger: McubootCharger, peer: Any, body: str, defect: Defect) -> None:
    """Codes 3, 6 and 11 of the group, and the general 11 (access denied) and 8 (not supported)."""
    peer.replies[2, 64, 2] = cbor2.loads(bytes.fromhex(body))
    with pytest.raises(UnitError) as caught:
        charger.install_certificate("ship", b"\x30", soon())
    assert caught.value.defect is defect


def test_a_package_in_pieces_has_its_length_first_and_its_nonce_last(charger: McubootCharger, peer: Any) -> None:
    package, taken = bytes(range(256)) * 6, []

    def take(body: dict[str, Any]) -> dict[str, Any]:
        taken.append(body)
        done = body["off"] + len(body["data"])
        return {"off": done} if done < len(package) else {"spki": b"\x30\x59", "sig": b"\x30\x45"}

    peer.replies[2, 64, 4] = take
    charger.deliver_key("ship", package, NONCE, soon())
    assert [sorted(body) for body in taken] == [["data", "len", "off", "slot"], ["data", "nonce", "off", "slot"]]
    assert b"".join(body["data"] for body in taken) == package
    assert all(len(message) <= 1020 for message in peer.requests)


def test_the_simulated_charger_understands_the_golden_requests(simulate: Callable, sim_ask: Callable) -> None:
    """It answers each with what the specification says, or refuses for the reason the specification gives."""
    node = simulate().node
    answers = {name: sim_ask(node, bytes.fromhex(golden)) for name, (_, golden) in REQUESTS.items() if name != "lock"}
    assert {"uid", "model", "key", "cert", "locked", "slots", "transport", "caps"} <= answers["identity"].keys()
    assert answers["key"].keys() == {"csr"}
    assert answers["certificate"] == {"err": {"group": 64, "rc": 3}}
    assert answers["challenge"].keys() == {"spki", "sig"}
    assert answers["serial number"] == {}


@pytest.mark.parametrize("kind", ["receipt", "challenge"])
def test_the_signed_statement_is_the_golden_one(kind: str) -> None:
    spki = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200") + bytes(range(65))
    golden = b"evfactory/" + kind.encode() + b"/1\x00" + UID + NONCE + hashlib.sha256(spki).digest()
    assert statement(kind, UID, NONCE, spki) == golden


def test_openssl_verifies_what_the_simulated_charger_signed(simulate: Callable, tmp_path: Path) -> None:
    unit = simulate()
    charger = open_charger(lambda: unit.node)
    charger.create_key("test", SERIAL, replace=True, deadline=soon())
    proof = charger.challenge("test", NONCE, soon())
    said = b"evfactory/challenge/1\x00" + unit.uid + NONCE + hashlib.sha256(proof.spki).digest()
    for name, content in (("said", said), ("sig", proof.signature), ("spki", proof.spki)):
        (tmp_path / name).write_bytes(content)
    command = ("openssl", "dgst", "-sha256", "-verify", "spki", "-keyform", "DER", "-signature", "sig", "said")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=10, check=False)
    assert "Verified OK" in done.stdout
