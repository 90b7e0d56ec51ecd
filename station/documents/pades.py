"""PDFs are signed by a key that stays in its HSM: PAdES B-B, invisible, certifying that nothing may be changed after.

The signature is appended to the document, so the unsigned document is the signed one's beginning. There is no time
stamp of an authority: a line has no network. The time in the signature is the station's.
"""

import asyncio
from collections.abc import Callable
from io import BytesIO
from typing import Any

from asn1crypto import pem, x509
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.writer import BasePdfFileWriter
from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter
from pyhanko.sign.general import SigningError
from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner, Signer

from station.documents.pades_cms import detached_signature
from station.errors import StationError

FIELD = "Signature"
RESERVED = 8192
"""Bytes kept for the signature; naming them saves pyHanko a trial run."""

Sign = Callable[[bytes], bytes]
"""Signs bytes as `Factory.sign` does: ECDSA P-256 with SHA-256, DER."""


def signed(pdf: bytes, certificate_pem: str, sign: Sign, reason: str) -> bytes:
    """Return a PDF with a signature over all of it, made by `sign`, the key of the certificate.

    Raises:
        StationError: The PDF can't be signed.
    """
    metadata = PdfSignatureMetadata(
        field_name=FIELD,
        md_algorithm="sha256",
        subfilter=SigSeedSubFilter.PADES,
        certify=True,
        docmdp_permissions=MDPPerm.NO_CHANGES,
        reason=reason,
    )
    signer = _ArchiveSigner(metadata, _HsmSigner(certificate_pem, sign))
    try:
        writer = IncrementalPdfFileWriter(BytesIO(pdf))
        done = asyncio.run(signer.async_sign_pdf(writer, bytes_reserved=RESERVED))
    except (PdfError, SigningError) as error:
        raise StationError(f"the PDF can't be signed: {error}") from error
    return bytes(done.getvalue())


class _HsmSigner(Signer):
    """Hands the bytes to be signed to the key's owner.

    The structure around the signature is made here: pyHanko's own way to the same bytes takes far longer.
    """

    def __init__(self, certificate_pem: str, sign: Sign) -> None:
        self._certificate = pem.unarmor(certificate_pem.encode())[2]
        super().__init__(signing_cert=x509.Certificate.load(self._certificate))
        self._sign = sign

    async def async_sign(self, data_digest: bytes, *_settings: Any, **_more: Any) -> bytes:
        return detached_signature(self._certificate, data_digest, self._sign)


class _ArchiveSigner(PdfSigner):
    """Leaves the document at PDF 1.7: pyHanko would declare 2.0 for P-256, which PDF/A-3 forbids (6.1.2)."""

    def register_extensions(self, pdf_out: BasePdfFileWriter, **_options: Any) -> None:
        """Declare nothing: what a reader needs to verify is in PDF 1.7 and PAdES."""
