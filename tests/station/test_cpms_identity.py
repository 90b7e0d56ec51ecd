"""The station's identity of the factory's own PKI at a CPMS that asks for it (F-K9): real commands, real TLS."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from station.config import load_station
from tests.station.cli_world import alone, edit, register_with, run

pytestmark = pytest.mark.timeout(120)
SELF_SIGNED = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 1"
    " -subj /CN=cpms -addext subjectAltName=IP:127.0.0.1"
)


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Path]:
    """Yield a station that wants its identity, beside a CPMS that lets in stations of its factory only."""
    station = alone(tmp_path)
    folder = tmp_path / "secured"
    folder.mkdir()
    subprocess.run(SELF_SIGNED.split(), cwd=folder, check=True, capture_output=True)
    command = [sys.executable, "-m", "fixtures.cpms", "--dir", ".", "--certificate", "cert.pem", "--key", "key.pem"]
    command += ["--token-file", str(station / "secrets" / "cpms-token"), "--client-crl", str(published(station))]
    command += ["--client-ca", str(station / "pki" / "certificates" / "plant-root.pem")]
    process = subprocess.Popen(command, cwd=folder)
    try:
        url = address(folder, process)
        (station / "cpms.pem").write_bytes((folder / "cert.pem").read_bytes())
        register_with(station, f"staging+{url}?ca=cpms.pem")
        edit(station / "station.toml", "[cpms]", "[cpms]\nidentity = true")
        yield station
    finally:
        process.kill()
        process.wait(10)


def published(station: Path) -> Path:
    """Publish the revocation list of the plant's issuing CA, and return it as PEM."""
    assert run("pki", "crl", "--dir", station / "pki").code == 0
    (found,) = (station / "pki").glob("**/plant-issuing.crl")
    file = station / "plant-issuing.pem"
    file.write_bytes(x509.load_der_x509_crl(found.read_bytes()).public_bytes(Encoding.PEM))
    return file


def address(folder: Path, process: "subprocess.Popen[bytes]") -> str:
    end = time.monotonic() + 60
    while not (folder / "url").exists():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)
    return (folder / "url").read_text()


def cpms_answer(line: Path) -> tuple[bool, str]:
    """Return what `station check` says of the CPMS."""
    found = run("station", "check", "--dir", line, "--json").json
    (finding,) = [entry for entry in found if entry["what"] == "environment.cpms"]
    return finding["ok"], finding["detail"]


def test_station_is_known_by_its_identity_until_that_is_revoked(line: Path) -> None:
    """The identity is made by the station itself; what an officer revoked does not come back by itself."""
    assert cpms_answer(line)[0], cpms_answer(line)
    name = load_station(line).station.id
    words = ("--environment", "plant", "--unit", name, "--profile", "station-identity", "--reason", "keyCompromise")
    assert run("pki", "revoke", *words, "--detail", "disk stolen", "--dir", line / "pki").code == 0
    good, told = cpms_answer(line)
    assert (good, f"the identity of station {name} was revoked" in told) == (False, True), told
