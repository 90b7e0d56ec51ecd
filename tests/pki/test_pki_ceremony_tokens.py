"""Whole ceremonies in other tokens than SoftHSM: NSS softokn for everything, and a TPM for the CAs (F-D3)."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.token import write_secret
from fixtures.token_beds import Bed, nss, softhsm, tpm
from fixtures.token_tpm import Tpm
from pki.ceremony import hold_ceremony
from pki.environment import Ship, Test
from pki.issue import Factory, open_factory
from pki.keystore import RsaTransport
from pki.proof import Proof

UNIT, NONCE = "AC22-000001-7", bytes(range(32))
SPLIT = """
[keys]
roots = "online"
authorities = "chip"
devices = "online"
"""


def stanza(name: str, bed: Bed, pin: str) -> str:
    environment = ", ".join(f"{key} = {json.dumps(value)}" for key, value in bed.plan.environment.items())
    lines = [f"[tokens.{name}]", f"module = {json.dumps(bed.plan.module)}", f'label = "{bed.plan.label}"']
    lines += [f"environment = {{ {environment} }}", f'pin = "{pin}"', f"sessions = {bed.plan.sessions}"]
    return "\n".join(lines) + "\n"


def made(reviewed: Path, directory: Path, tokens: str) -> Factory:
    file, text = directory.parent / "ceremony.toml", reviewed.read_text()
    file.write_text(text[: text.index("[tokens.online]")] + tokens + text[text.index("\n[test]") :])
    assert hold_ceremony(file, directory)[-1] == "signed transcript 0001"
    assert hold_ceremony(file, directory) == []
    return open_factory(directory)


@pytest.fixture
def in_nss(tmp_path: Path, ceremony_file: Path) -> Iterator[Factory]:
    bed = nss(tmp_path / "pki")
    factory = made(ceremony_file, bed.directory, stanza("online", bed, "hsm-pin"))
    yield factory
    factory.close()


@pytest.fixture
def chip(tmp_path: Path) -> Iterator[Tpm]:
    chip = Tpm(tmp_path / "chip")
    yield chip
    chip.stop()


@pytest.fixture
def in_tpm(tmp_path: Path, ceremony_file: Path, chip: Tpm) -> Iterator[Factory]:
    """CA keys in a TPM, roots and device keys in SoftHSM."""
    signer, devices = tpm(chip, chip.directory), softhsm(tmp_path / "pki", "line3")
    write_secret(devices.directory, "chip-pin", signer.pin)
    tokens = stanza("chip", signer, "chip-pin") + stanza("online", devices, "hsm-pin") + SPLIT
    factory = made(ceremony_file, devices.directory, tokens)
    yield factory
    factory.close()


@pytest.mark.parametrize("name", ["in_nss", "in_tpm"])
def test_unit_gets_key_and_certificate(name, request, device):
    """A key born in one token, delivered, proven, certified by a CA in the same or another, for both worlds."""
    factory = request.getfixturevalue(name)
    for environment in (Test, Ship):
        issuer = factory.issuer(environment)
        key, package = issuer.generate(UNIT, "station", RsaTransport(device.transport_spki), "")
        device.open(package)
        proof = Proof("receipt", device.uid, NONCE, device.spki, device.sign("receipt", NONCE))
        certificate = issuer.issue(issuer.confirm(key, proof))
        assert certificate.subject == f"CN={UNIT},O={factory.plan.hierarchies[environment.name].owner}"
    assert factory.check() == []
