"""CRL, OCSP and EST over the network, asked by curl, openssl and certtool (F-D8; RFC 7030, RFC 6960, RFC 5019)."""

import base64
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key

from pki.environment import Plant, Test
from pki.est import CODE_BYTES, allow_enrolment
from pki.issue import Factory
from pki.ledger import Owner, Quota, Reason
from pki.service import Options, Service

UNIT = "AC22-000001-7"
OTHER = "AC22-000002-5"
ORDER = "WO-1"
NAME = "pki.factory.example"
EST = f"https://{NAME}"


@dataclass(frozen=True)
class World:
    """A running service with the tools of those who ask it."""

    factory: Factory
    service: Service
    folder: Path

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.service.ports[0]}"

    def curl(self, *arguments: str | Path, data: bytes = b"") -> tuple[int, bytes]:
        """Status (0: none came) and body that curl got over plain HTTP or, by the name, over TLS."""
        port = self.service.ports[1]
        command = [
            "curl",
            "-sS",
            "--max-time",
            "20",
            "--cacert",
            self.folder / "plant.pem",
            "-w",
            "%{stderr}%{http_code}",
        ]
        named = ["--resolve", f"{NAME}:{port}:127.0.0.1", "--connect-to", f"{NAME}:443:{NAME}:{port}"]
        done = subprocess.run(
            list(map(str, [*command, *named, *arguments])), check=False, input=data, capture_output=True, timeout=30
        )
        return int(done.stderr[-3:]), done.stdout

    def enrol(self, unit: str, device, *arguments: str, label: str = "test-station", operation: str = "simpleenroll"):
        """What EST answers to the device's request."""
        return self.curl(
            *("-H", "Content-Type: application/pkcs10", "--data-binary", "@-", *arguments),
            f"{EST}/.well-known/est/{label}/{operation}",
            data=base64.encodebytes(device.request(unit)),
        )

    def code(self, unit: str) -> str:
        factory = self.factory
        owner = Owner(unit, "test", "station")
        return allow_enrolment(factory.ledger, factory.random(CODE_BYTES), owner, ORDER, timedelta(hours=1))


def run(*command: str | Path, data: bytes = b"") -> bytes:
    return subprocess.run(list(map(str, command)), check=True, input=data, capture_output=True, timeout=30).stdout


def certificate_of(answer: bytes) -> x509.Certificate:
    """The one certificate in an EST answer, as openssl reads it."""
    der = run("openssl", "base64", "-d", data=answer)
    return x509.load_pem_x509_certificate(run("openssl", "pkcs7", "-inform", "DER", "-print_certs", data=der))


def until(condition: Callable[[], object]) -> None:
    """Wait for something that must happen."""
    ends = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.05)


@pytest.fixture
def world(factory: Factory, tmp_path: Path) -> Iterator[World]:
    factory.ledger.grant(Quota(ORDER, "test", "station", 50, 0))
    (tmp_path / "plant.pem").write_bytes(factory.certificates["plant-root"].public_bytes(Encoding.PEM))
    (tmp_path / "roots.pem").write_bytes(factory.client_roots(Test))
    (tmp_path / "issuing.pem").write_bytes(factory.certificates["test-issuing"].public_bytes(Encoding.PEM))
    options = Options(("127.0.0.1", 0), ("127.0.0.1", 0), refresh_seconds=0.2, registrars=frozenset({"station-1"}))
    service = Service(factory, options)
    thread = threading.Thread(target=service.run)
    thread.start()
    yield World(factory, service, tmp_path)
    service.stop()
    thread.join(20)
    assert not thread.is_alive()


@pytest.fixture
def device(device):
    device.make_key()
    return device


def pem_key(device) -> Path:
    path = device.folder / "key.pem"
    path.write_bytes(run("openssl", "pkey", "-inform", "DER", "-in", device.folder / "key.der"))
    return path


def test_unit_enrols_and_renews_with_curl_and_openssl(world, device):
    """RFC 7030 sections 4.1, 4.2.1 and 4.2.2, from the anchors to the second certificate."""
    status, answer = world.enrol(UNIT, device, "-u", f"{UNIT}:{world.code(UNIT)}")
    old = certificate_of(answer)
    assert status == 200
    assert old.public_key() == load_der_public_key(device.spki)
    presented = world.folder / "old.pem"
    presented.write_bytes(old.public_bytes(Encoding.PEM))
    key = pem_key(device).rename(world.folder / "old.key")
    device.make_key()
    status, answer = world.curl(
        *("--cert", presented, "--key", key, "-H", "Content-Type: application/pkcs10", "--data-binary", "@-"),
        f"{EST}/.well-known/est/test-station/simplereenroll",
        data=base64.encodebytes(owned_request(device)),
    )
    assert status == 200, answer
    assert certificate_of(answer).public_key() == load_der_public_key(device.spki)
    check = run(
        "openssl",
        "verify",
        "-CAfile",
        world.folder / "roots.pem",
        data=certificate_of(answer).public_bytes(Encoding.PEM),
    )
    assert b"stdin: OK" in check


def owned_request(device, owner: str = "Example Test Network") -> bytes:
    subject = f"/O={owner}/CN={UNIT}"
    return run(
        "openssl",
        "req",
        "-new",
        "-keyform",
        "DER",
        "-key",
        device.folder / "key.der",
        "-subj",
        subject,
        "-outform",
        "DER",
    )


def gnutls_post(world: World, operation: str, request: bytes, *arguments: str | Path) -> tuple[int, bytes]:
    """Status and body that a client with another TLS gets; arguments before `--` are header lines."""
    cut = arguments.index("--")
    body = base64.encodebytes(request)
    lines = [f"POST /.well-known/est/test-station/{operation} HTTP/1.1", f"Host: {NAME}", *arguments[:cut]]
    head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "Content-Type: application/pkcs10", "", ""])
    options = [
        "--logfile",
        world.folder / "gnutls.log",
        "--x509cafile",
        world.folder / "plant.pem",
        *arguments[cut + 1 :],
    ]
    command = ["gnutls-cli", "-p", world.service.ports[1], "--verify-hostname", NAME, *options, "127.0.0.1"]
    with subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
        client.stdin.write(head.encode() + body)
        client.stdin.flush()  # and left open: at its end the client would leave without waiting for the answer
        head, _, body = client.stdout.read().partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def test_gnutls_and_certtool_enrol_and_renew(world):
    """Keys, requests, TLS and the reading of answers by a second family of tools."""
    template, keys = world.folder / "template", [world.folder / "first.key", world.folder / "second.key"]
    template.write_text(f'organization = "Example Test Network"\ncn = "{UNIT}"\n')
    requests = []
    for key in keys:
        run("certtool", "--generate-privkey", "--key-type", "ecc", "--curve", "secp256r1", "--outfile", key)
        made = ("--generate-request", "--load-privkey", key, "--template", template, "--outder", "--no-text")
        requests.append(run("certtool", *made))
    credentials = base64.b64encode(f"{UNIT}:{world.code(UNIT)}".encode()).decode()
    status, answer = gnutls_post(world, "simpleenroll", requests[0], f"Authorization: Basic {credentials}", "--")
    assert status == 200, answer
    old = world.folder / "old.pem"
    old.write_bytes(run("certtool", "--p7-info", "--inder", data=base64.b64decode(answer)))
    status, answer = gnutls_post(
        world, "simplereenroll", requests[1], "--", "--x509certfile", old, "--x509keyfile", keys[0]
    )
    assert status == 200, answer
    new = certificate_of(answer)
    assert new.subject == x509.load_pem_x509_certificate(old.read_bytes()).subject
    chain = new.public_bytes(Encoding.PEM) + (world.folder / "issuing.pem").read_bytes()
    verified = run("certtool", "--verify", "--load-ca-certificate", world.folder / "roots.pem", data=chain)
    assert b"Chain verification output: Verified" in verified


def test_cacerts_and_csrattrs_are_for_everybody(world):
    status, anchors = world.curl(f"{EST}/.well-known/est/test-station/cacerts")
    text = run("certtool", "--p7-info", "--inder", data=base64.b64decode(anchors)).decode()
    assert status == 200
    assert text.count("BEGIN CERTIFICATE") == 2
    status, attributes = world.curl(f"{EST}/.well-known/est/csrattrs")
    assert status == 200
    assert b":prime256v1" in run("openssl", "asn1parse", "-inform", "DER", data=base64.b64decode(attributes))


@pytest.mark.parametrize("label", ["plant-station", "test-root", "nothing", "test"])
def test_label_that_is_not_served_is_not_found(world, device, label):
    assert world.curl(f"{EST}/.well-known/est/{label}/cacerts")[0] == 404
    assert world.enrol(UNIT, device, "-u", f"{UNIT}:{world.code(UNIT)}", label=label)[0] == 404


@pytest.mark.parametrize("operation", ["simpleenroll", "simplereenroll"])
def test_nobody_gets_a_certificate(world, device, operation):
    status, _ = world.enrol(UNIT, device, operation=operation)
    assert status == 401
    assert world.enrol(UNIT, device, "-u", f"{UNIT}:wrong", operation=operation)[0] == 401
    assert world.factory.issuer(Test).current(UNIT) is None


def test_refusal_is_one_sentence(world, device):
    status, body = world.enrol(OTHER, device, "-u", f"{UNIT}:{world.code(UNIT)}")
    assert status == 400
    assert body.startswith(b"the certificate request is not for")


def test_registrar_enrols_by_its_own_certificate(world, device, another_device):
    """A station of the factory (Plant) asks for a unit, under a label with the work order."""
    plant, station = world.factory.issuer(Plant), another_device()
    station.make_key()
    world.factory.ledger.grant(Quota("plant", "plant", "station-identity", 2, 0))
    own = world.folder / "station.pem"
    for name, expected in (("station-1", 200), ("station-2", 401)):
        station.make_key()
        key = plant.adopt(name, "station-identity", station.request(name), name, "plant")
        own.write_text(plant.issue(key).pem)
        shown = ("--cert", own, "--key", pem_key(station))
        assert world.enrol(UNIT, device, *shown, label=f"test-station@{ORDER}")[0] == expected


def test_foreign_certificate_ends_at_the_handshake(world, device):
    own, key = world.folder / "own.pem", world.folder / "own.key"
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
        "-out", own, "-subj", f"/O=Example Test Network/CN={UNIT}")  # fmt: skip
    assert world.enrol(UNIT, device, "--cert", str(own), "--key", str(key), operation="simplereenroll")[0] == 0
    assert world.curl(f"{EST}/.well-known/est/cacerts")[0] == 200


def test_old_tls_is_refused(world):
    assert world.curl("--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0", f"{EST}/.well-known/est/cacerts")[0] == 0
    assert world.curl("--tls-max", "1.2", f"{EST}/.well-known/est/cacerts")[0] == 200


def test_openssl_asks_over_http(world, device):
    """Good, revoked and unknown, by POST; the answer is verified with the CA's own key."""
    issuer = world.factory.issuer(Test)
    certificate = issuer.issue(issuer.adopt(UNIT, "station", device.request(UNIT), UNIT, ORDER))
    leaf = world.folder / "leaf.pem"
    leaf.write_text(certificate.pem)
    base = ["openssl", "ocsp", "-issuer", world.folder / "issuing.pem", "-CAfile", world.folder / "roots.pem"]
    ask = [*base, "-url", f"{world.http}/ocsp"]
    assert b"leaf.pem: good" in run(*ask, "-cert", leaf)
    issuer.revoke(certificate, Reason.KEY_COMPROMISE, "board stolen")
    answer = run(*ask, "-cert", leaf)
    assert b"leaf.pem: revoked" in answer
    assert b"Reason: keyCompromise" in answer
    assert b"77: unknown" in run(*ask, "-serial", "77")


def test_certificates_of_the_ceremony_are_good(world):
    server = world.factory.server_files(Test).chain
    base = ["openssl", "ocsp", "-issuer", world.folder / "issuing.pem", "-CAfile", world.folder / "roots.pem"]
    assert b": good" in run(*base, "-url", f"{world.http}/ocsp", "-cert", server)


def test_answer_by_get_may_be_cached(world):
    """RFC 5019 sections 5 and 6."""
    request = world.folder / "request.der"
    issuing = world.folder / "issuing.pem"
    run("openssl", "ocsp", "-issuer", issuing, "-serial", "77", "-no_nonce", "-reqout", request)
    path = quote(base64.b64encode(request.read_bytes()), safe="")
    status, answer = world.curl("-i", f"{world.http}/ocsp/{path}")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert status == 200
    assert [
        name for name in (b"cache-control: max-age=", b"etag:", b"expires:", b"last-modified:") if name not in head
    ] == []
    response = world.folder / "response.der"
    response.write_bytes(body)
    text = run(
        "openssl",
        "ocsp",
        "-respin",
        response,
        "-issuer",
        issuing,
        "-CAfile",
        world.folder / "roots.pem",
        "-serial",
        "77",
        "-no_nonce",
    )
    assert b"77: unknown" in text


def test_list_is_published_and_follows_a_revocation(world, device):
    issuer = world.factory.issuer(Test)
    certificate = issuer.issue(issuer.adopt(UNIT, "station", device.request(UNIT), UNIT, ORDER))
    url = f"{world.http}/crl/test-issuing.crl"
    until(lambda: world.curl(url)[0] == 200)
    assert b"No Revoked Certificates" in run("openssl", "crl", "-inform", "DER", "-text", data=world.curl(url)[1])
    issuer.revoke(certificate, Reason.SUPERSEDED, "rework")
    until(
        lambda: certificate.serial.encode() in run("openssl", "crl", "-inform", "DER", "-text", data=world.curl(url)[1])
    )


def test_certificate_of_a_ca_is_given_out(world):
    status, der = world.curl(f"{world.http}/ca/test-issuing.cer")
    assert status == 200
    assert x509.load_der_x509_certificate(der) == world.factory.certificates["test-issuing"]


@pytest.mark.parametrize(
    "path",
    [
        "/crl/nothing.crl",
        "/crl/..%2f..%2fpki.toml",
        "/ca/nothing.cer",
        "/ca/%2e.cer",
        "/",
        "/crl/.test-issuing.lock",
        "/crl/%00.crl",
    ],
)
def test_other_paths_are_not_found(world, path):
    assert world.curl("--path-as-is", f"{world.http}{path}")[0] == 404


def test_enrolment_is_not_offered_in_clear(world):
    assert world.curl(f"{world.http}/.well-known/est/test-station/cacerts")[0] == 404


def test_hsm_away_stops_enrolment_and_keeps_the_list(world, device):
    url, code = f"{world.http}/crl/test-issuing.crl", world.code(UNIT)
    until((world.factory.layout.crls / "plant-issuing.crl").exists)  # the last of them
    world.factory.keystore.close()
    status, body = world.enrol(UNIT, device, "-u", f"{UNIT}:{code}")
    assert status == 503
    assert body == b"The PKI can't answer now.\n"
    assert world.curl(url)[0] == 200


def test_many_ask_at_once(world):
    request, response = world.folder / "request.der", world.folder / "response.der"
    run("openssl", "ocsp", "-issuer", world.folder / "issuing.pem", "-serial", "77", "-reqout", request)
    arguments = ("-H", "Content-Type: application/ocsp-request", "--data-binary", f"@{request}", f"{world.http}/ocsp")
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: world.curl(*arguments), range(40)))
    assert {status for status, _ in answers} == {200}
    response.write_bytes(answers[-1][1])
    assert b"77: unknown" in run("openssl", "ocsp", "-respin", response, "-issuer", world.folder / "issuing.pem",
        "-CAfile", world.folder / "roots.pem", "-serial", "77", "-no_nonce")  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it_cleanly(pki_directory, number):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "pki.cli", "serve", "--dir", pki_directory]
    addresses = ["--http", "127.0.0.1:0", "--https", "127.0.0.1:0"]
    with subprocess.Popen([*command, *addresses], stderr=subprocess.PIPE, env=environment) as process:
        until((pki_directory / "crl" / "plant-issuing.crl").exists)
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert [line for line in err.decode().splitlines() if not line.startswith("INFO ")] == []
