"""IPP over TLS against CUPS' own printer: only the printer that was named gets a label (F-J5, F-K9)."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from fixtures.printer_ipp import ipp_printer
from station.clock import Deadline
from station.documents.printer import NotReady, PrintFate, print_label
from station.documents.printers import open_printer

LABEL = b"%PDF-1.7\nnot a page, and nobody looks\n%%EOF\n"


@dataclass
class Shop:
    """A printer that speaks TLS, and the folder of what it has and made."""

    uri: str
    folder: Path

    def believed_by(self, certificate: str) -> str:
        """Return its address for a station that was given a certificate."""
        return f"{self.uri}?ca={self.folder / certificate}"

    @property
    def labels(self) -> int:
        return len(list(self.folder.glob("[0-9]*.pdf")))


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    """Yield a printer whose certificate a factory's CA issued."""
    with TemporaryDirectory() as name:
        keys = Path(name)
        root, other, printer = (generate_private_key(SECP256R1()) for _ in range(3))
        certify(keys / "root.crt", "factory", root, root)
        certify(keys / "other.crt", "factory", other, other)
        certify(keys / "localhost.crt", "localhost", printer, root)
        key = printer.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (keys / "localhost.key").write_bytes(key)
        with ipp_printer(keys, keys=keys) as uri:
            yield Shop(uri, keys)


def certify(file: Path, name: str, key: EllipticCurvePrivateKey, issuer: EllipticCurvePrivateKey) -> None:
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(named("factory"), named(name), key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(key is issuer, None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(issuer, SHA256())
    )
    file.write_bytes(certificate.public_bytes(Encoding.PEM))


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


@pytest.mark.parametrize("given", ["root.crt", "localhost.crt"])
def test_printer_is_believed_by_its_ca_or_its_own_certificate(shop: Shop, given: str) -> None:
    before = shop.labels
    result = print_label(open_printer(shop.believed_by(given)), LABEL, Deadline(30))
    assert (result.fate, shop.labels) == (PrintFate.PRINTED, before + 1)


@pytest.mark.parametrize("given", ["other.crt", ""])
def test_printer_of_another_certificate_gets_nothing(shop: Shop, given: str) -> None:
    """Not even where another CA of the same name is believed, or the system's are."""
    before, uri = shop.labels, shop.believed_by(given) if given else shop.uri
    with pytest.raises(NotReady, match="its certificate is not trusted") as refused:
        print_label(open_printer(uri), LABEL, Deadline(10))
    assert ("?ca=" in refused.value.hint, shop.labels) == (True, before)


def test_certificate_counts_for_the_name_in_the_address_alone(shop: Shop) -> None:
    uri = shop.believed_by("root.crt").replace("localhost:", "127.0.0.1:")
    status = open_printer(uri).status(Deadline(10))
    assert (status.ready, "not trusted" in status.problem, str(shop.folder) in status.problem) == (False, True, False)
