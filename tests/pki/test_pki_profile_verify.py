"""Others accept what comes out: openssl, gnutls, cryptography's verifier, and a TLS server that insists."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509 import verification

from fixtures.software_ca import Issued, SoftwareKeys, issued, self_signed
from pki.certificate.profile import load_profile
from pki.errors import ProfileError

UNIT = "AC22-000001-7"
HOST = "csms.test.example"
OCPP_SUITES = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384"
"""Of the four that OCPP allows, those of an ECDSA certificate."""
HARDWARE = {"hardware_type": "1.3.6.1.4.1.32473.22"}
LEAVES = [
    ("station", {}, "p256"),
    ("station", {"client_auth": True, "key_agreement": True, "unit_domain": "chargers.example.com"}, "p384"),
    ("server", {}, "p256"),
    ("station-identity", {"server": True}, "p521"),
    ("firmware", {"key": "p384"}, "p384"),
    ("ocsp", {}, "p256"),
    ("idevid", HARDWARE, "p256"),
    ("idevid", HARDWARE | {"key": "p384", "crl": "known"}, "ed448"),
    ("secc-2", {"country": "DE"}, "p256"),
    ("secc-2", {"country": "DE", "key_agreement": True}, "p256"),
    ("secc-20", {"country": "DE"}, "p521"),
    ("secc-20", {"country": "DE", "key": "ed448", "domain_component": "CSO"}, "ed448"),
]
IDS = ["+".join([name, *map(str, switches.values()), "by", by]) for name, switches, by in LEAVES]


@dataclass(frozen=True)
class Files:
    """A chain as files for tools that know nothing of us."""

    folder: Path
    root: Path
    above: Path
    """The CAs between, issuing CA first."""
    leaf: Path
    chain: Path
    """Leaf first, with the root, as certtool wants it."""


def write(folder: Path, leaf: Issued, *above: Issued) -> Files:
    """`above` is from the issuing CA to the root."""
    files = Files(folder, *(folder / f"{name}.pem" for name in ("root", "above", "leaf", "chain")))
    files.root.write_bytes(above[-1].pem)
    files.above.write_bytes(b"".join(one.pem for one in above[:-1]))
    files.leaf.write_bytes(leaf.pem)
    files.chain.write_bytes(leaf.pem + files.above.read_bytes())
    return files


def hierarchy(keys: SoftwareKeys, name: str, key: str) -> list[Issued]:
    """The CAs that a profile's certificates come from, issuing CA first."""
    switches = {"country": "DE", "key": key}
    if name.startswith("secc"):
        root = self_signed(load_profile("root-2", {"key": key}), keys)
        one = issued(load_profile("v2g-sub-1", switches), root, keys, "one")
        return [issued(load_profile("v2g-sub-2", switches), one, keys, "two"), one, root]
    forever = {"never_expires": name == "idevid"}
    root = self_signed(load_profile("root-2", {"key": key} | forever), keys)
    middle = issued(load_profile("intermediate", {"key": key} | forever), root, keys, "middle")
    return [issued(load_profile("issuing", {"key": key} | forever), middle, keys, "issuing"), middle, root]


def run(*command: str | Path, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*map(str, command)], input=data, check=False, capture_output=True, timeout=30)


def openssl_verify(files: Files, *more: str) -> bytes:
    answer = run("openssl", "verify", "-x509_strict", "-check_ss_sig", *more, "-CAfile", files.root,
                 "-untrusted", files.above, files.leaf)  # fmt: skip
    return answer.stdout + answer.stderr


@pytest.mark.parametrize(("name", "switches", "key"), LEAVES, ids=IDS)
def test_two_other_code_bases_accept_every_chain(tmp_path, name, switches, key):
    """Issue 3, proof: each certificate verified by openssl, strictly, and by certtool."""
    keys = SoftwareKeys()
    above = hierarchy(keys, name, key)
    files = write(tmp_path, issued(load_profile(name, switches), above[0], keys), *above)
    assert openssl_verify(files).endswith(b"leaf.pem: OK\n")
    answer = run("certtool", "--verify", "--load-ca-certificate", files.root, "--infile", files.chain)
    assert b"Chain verification output: Verified. The certificate is trusted." in answer.stdout, answer


def test_signers_that_sign_themselves_stand_alone(tmp_path):
    """Records, audit and firmware are pinned by their own certificate."""
    for name in ("records", "audit", "firmware", "bench-root"):
        alone = self_signed(load_profile(name), SoftwareKeys())
        files = write(tmp_path, alone, alone, alone)
        assert openssl_verify(files, "-partial_chain").endswith(b"leaf.pem: OK\n")


@pytest.mark.parametrize(("name", "switches", "key"), LEAVES, ids=IDS)
def test_chains_fit_into_the_messages_of_ocpp(name, switches, key):
    """F-D3: OCPP's CertificateSigned carries at most 10,000 characters, leaf first, without the root."""
    keys = SoftwareKeys()
    above = hierarchy(keys, name, key)
    leaf = issued(load_profile(name, switches), above[0], keys)
    assert len(b"".join(one.pem for one in (leaf, *above[:-1]))) < 4_000
    assert len(leaf.der) < 1_000


@pytest.mark.parametrize(
    ("name", "purpose", "fits"),
    [
        ("station", "sslclient", True),
        ("station-identity", "sslclient", True),
        ("station-identity", "sslserver", False),
        ("server", "sslserver", True),
        ("server", "sslclient", False),
        ("firmware", "sslclient", False),
        ("ocsp", "ocsphelper", True),
    ],
)
def test_purposes_are_the_profiles(tmp_path, name, purpose, fits):
    keys = SoftwareKeys()
    above = hierarchy(keys, name, "p256")
    files = write(tmp_path, issued(load_profile(name), above[0], keys), *above)
    assert openssl_verify(files, "-purpose", purpose).endswith(b"leaf.pem: OK\n") == fits


def test_path_lengths_hold(tmp_path):
    """A sub-CA 2 signs no CA; if it did, openssl would refuse the chain."""
    keys = SoftwareKeys()
    above = hierarchy(keys, "secc-2", "p256")
    deeper = load_profile("v2g-sub-2", {"country": "DE"})
    with pytest.raises(ProfileError, match="its issuer's certificate allows no such CA below it"):
        issued(deeper, above[0], keys, "three", "Three")
    careless = replace(above[0].authority, signer=replace(above[0].authority.signer, path_length=None))
    three = issued(deeper, replace(above[0], authority=careless), keys, "three", "Three")
    files = write(tmp_path, issued(load_profile("secc-2", {"country": "DE"}), three, keys), three, *above)
    assert b"path length constraint exceeded" in openssl_verify(files)


def test_idevid_is_read_as_without_end_by_others(tmp_path):
    """IEEE 802.1AR: 99991231235959Z; it verifies as long as its CAs live, which may be as long."""
    keys = SoftwareKeys()
    above = hierarchy(keys, "idevid", "p256")
    files = write(tmp_path, issued(load_profile("idevid", HARDWARE), above[0], keys), *above)
    assert (
        run("openssl", "x509", "-in", files.leaf, "-noout", "-enddate").stdout == b"notAfter=Dec 31 23:59:59 9999 GMT\n"
    )
    assert b"Not After: Fri Dec 31 23:59:59 UTC 9999" in run("certtool", "-i", "--infile", files.leaf).stdout
    in_2100 = str(int(datetime(2100, 1, 1, tzinfo=UTC).timestamp()))
    assert openssl_verify(files, "-attime", in_2100).endswith(b"leaf.pem: OK\n")


def test_secc_is_read_by_others(tmp_path):
    """ISO 15118-2: DC=CPO, critical key usage, the responder's address."""
    keys = SoftwareKeys()
    above = hierarchy(keys, "secc-2", "p256")
    files = write(tmp_path, issued(load_profile("secc-2", {"country": "DE"}), above[0], keys), *above)
    text = run("openssl", "x509", "-in", files.leaf, "-noout", "-text").stdout.decode()
    assert "O = Example Chargers, C = DE, DC = CPO" in text
    assert "X509v3 Key Usage: critical\n                Digital Signature\n" in text
    assert "OCSP - URI:http://pki.factory.example/ocsp" in text
    assert "Extended Key Usage" not in text


def verified(leaf: Issued, *above: Issued) -> verification.VerifiedClient:
    store = verification.Store([above[-1].certificate])
    return verification.PolicyBuilder().store(store).build_client_verifier().verify(
        leaf.certificate, [one.certificate for one in above[:-1]]
    )  # fmt: skip


def test_strict_web_verifier_wants_the_switches():
    """Facts 0.6: cryptography's default verifier refuses a leaf without subjectAltName; hence the switch."""
    keys = SoftwareKeys()
    above = hierarchy(keys, "station", "p256")
    with pytest.raises(verification.VerificationError):
        verified(issued(load_profile("station"), above[0], keys), *above)
    switches = {"client_auth": True, "unit_domain": "chargers.example.com"}
    found = verified(issued(load_profile("station", switches), above[0], keys), *above)
    assert found.subjects == [x509.DNSName("ac22-000001-7.chargers.example.com")]


@contextmanager
def tls_server(files: Files, server: Issued, keys: SoftwareKeys, *options: str) -> Iterator[str]:
    """An openssl server that wants a client certificate; gives its port, and must be met once."""
    chain, key = files.folder / "server.pem", keys.write("server", files.folder / "server.key")
    chain.write_bytes(server.pem + files.above.read_bytes())
    command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-naccept", "1", "-Verify", "3",
               "-verify_return_error", "-x509_strict", "-CAfile", files.root,
               "-cert", chain, "-cert_chain", files.above, "-key", key, *options]  # fmt: skip
    process = subprocess.Popen(
        [*map(str, command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout is not None
    try:
        port = next(line for line in process.stdout if line.startswith(b"ACCEPT")).rsplit(b":", 1)[1]
        yield port.decode().strip()
    finally:
        process.kill()
        process.communicate(timeout=10)


def connect(files: Files, port: str, *options: str | Path) -> subprocess.CompletedProcess[bytes]:
    return run("openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", files.root, "-verify_return_error",
               "-x509_strict", "-servername", HOST, "-verify_hostname", HOST, *options, data=b"Q\n")  # fmt: skip


@pytest.mark.parametrize("switches", [{}, {"client_auth": True}, {"unit_domain": "x.example", "key_agreement": True}])
@pytest.mark.parametrize("suite", OCPP_SUITES.split(":"))
def test_station_meets_a_csms_over_the_suites_of_ocpp(tmp_path, switches, suite):
    """F-D4: mutual TLS 1.2; the server shows the station's certificate as verified."""
    keys = SoftwareKeys()
    above = hierarchy(keys, "station", "p256")
    server = issued(load_profile("server"), above[0], keys, "server", HOST)
    files = write(tmp_path, issued(load_profile("station", switches), above[0], keys), *above)
    key = keys.write("leaf", tmp_path / "leaf.key")
    with tls_server(files, server, keys, "-cipher", OCPP_SUITES, "-tls1_2") as port:
        met = connect(files, port, "-cipher", suite, "-cert", files.leaf, "-cert_chain", files.above, "-key", key)
    assert met.returncode == 0, met
    assert f"Cipher is {suite}".encode() in met.stdout
    assert b"Verify return code: 0 (ok)" in met.stdout


def test_csms_refuses_whoever_has_no_certificate_or_the_wrong_purpose(tmp_path):
    keys = SoftwareKeys()
    above = hierarchy(keys, "station", "p256")
    server = issued(load_profile("server"), above[0], keys, "server", HOST)
    files = write(tmp_path, issued(load_profile("firmware"), above[0], keys), *above)
    key = keys.write("leaf", tmp_path / "leaf.key")
    for shown in ((), ("-cert", files.leaf, "-cert_chain", files.above, "-key", key)):
        with tls_server(files, server, keys, "-cipher", OCPP_SUITES, "-tls1_2") as port:
            met = connect(files, port, *shown)
        assert met.returncode != 0
        assert b"alert" in met.stderr


@pytest.mark.parametrize("key", ["p521", "ed448"])
def test_vehicle_meets_an_secc_over_tls_1_3(tmp_path, key):
    """ISO 15118-20: the SECC is the server, TLS 1.3, P-521 or Ed448 all the way up."""
    keys = SoftwareKeys()
    above = hierarchy(keys, "secc-20", key)
    server = issued(load_profile("secc-20", {"country": "DE", "key": key}), above[0], keys, "server")
    files = write(tmp_path, server, *above)
    with tls_server(files, server, keys, "-tls1_3", "-verify", "0") as port:
        met = run("openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", files.root, "-tls1_3",
                  "-verify_return_error", "-x509_strict", data=b"Q\n")  # fmt: skip
    assert b"Verify return code: 0 (ok)" in met.stdout
    assert {"p521": b"ECDSA", "ed448": b"ed448"}[key] in met.stdout
