"""The signature in the PDF: the same bytes as pyHanko's own, by one key, over everything (F-I5)."""

import asyncio
from io import BytesIO

import pytest
from asn1crypto import pem
from asn1crypto import x509 as asn1_x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.signers import Signer

from fixtures.passports import SampleRecords, sample_document
from station.documents.pades import signed
from station.documents.pades_cms import detached_signature
from station.errors import StationError

DIGEST = bytes(range(32))


class Witness(Signer):
    """PyHanko's own way to a signature, which here says what it was to sign."""

    def __init__(self, certificate: bytes) -> None:
        super().__init__(signing_cert=asn1_x509.Certificate.load(certificate))

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:
        return data


@pytest.mark.parametrize("name", ["R", "Example Chargers Records", "Ładowarki Śląsk " * 3])
def test_structure_is_the_one_that_pyhanko_makes(name: str) -> None:
    der = pem.unarmor(SampleRecords(name).certificate.encode())[2]
    theirs = asyncio.run(Witness(der).async_sign(DIGEST, "sha256", use_pades=True)).dump()
    assert detached_signature(der, DIGEST, lambda attributes: attributes) == theirs


def test_signature_is_invisible_and_names_certificate_and_reason() -> None:
    factory = SampleRecords()
    reader = PdfFileReader(BytesIO(factory.passport(sample_document(1))))
    (signature,) = reader.embedded_signatures
    assert [float(edge) for edge in signature.sig_field["/Rect"]] == [0, 0, 0, 0]
    assert signature.signer_cert.dump() == pem.unarmor(factory.certificate.encode())[2]
    assert signature.sig_object["/Reason"] == "Device passport"


@pytest.mark.parametrize("wrong", [b"", b"%PDF-1.7\n", b"no PDF at all"])
def test_what_is_no_pdf_is_not_signed(wrong: bytes) -> None:
    factory = SampleRecords()
    with pytest.raises(StationError, match="the PDF can't be signed"):
        signed(wrong, factory.certificate, factory.sign, "x")
