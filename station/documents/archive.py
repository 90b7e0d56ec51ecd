"""A drawn page becomes an archive document: PDF/A-3b with files embedded, judged before it is given away.

reportlab draws no PDF/A, so what it writes is completed here: colour profile, metadata, associated files. The result is
read again by the validator of pikepdf, which approves only what it knows to conform. The same input gives the same
bytes.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO

import pikepdf
from pikepdf import AttachedFileSpec, Dictionary, Name, Pdf, String
from pikepdf.pdfa import PdfaError, prepare
from pikepdf.pdfa import save as save_pdfa

from station.errors import StationError

WRITTEN = re.compile(rb"(<xmp:MetadataDate>)[^<]*(</xmp:MetadataDate>)")
PRODUCER = "charger-station"


@dataclass(frozen=True)
class Attachment:
    """A file that travels inside the document."""

    name: str
    content: bytes
    media_type: str
    description: str
    relationship: str = "Data"
    """AFRelationship of ISO 32000-2 clause 14.13: `Data` of what the page shows, `Supplement` of what goes with it."""


@dataclass(frozen=True)
class About:
    """What the document says of itself."""

    title: str
    author: str
    subject: str
    language: str
    at: datetime
    """When its content was made; the only time that stands in it."""


def archived(drawn: bytes, about: About, attachments: Sequence[Attachment] = ()) -> bytes:
    """Return a drawn PDF as PDF/A-3b with its attachments.

    Raises:
        StationError: The document could not be proven to be PDF/A-3b.
    """
    with Pdf.open(BytesIO(drawn)) as pdf:
        _strip(pdf)
        _describe(pdf, about)
        for attachment in attachments:
            _attach(pdf, attachment, about.at)
        prepare(pdf, "3b")
        _date_metadata(pdf, about.at)
        try:
            return _judged(pdf)
        except PdfaError:
            pass  # it takes a warning of any thread for one about the document; one of ours comes again
        try:
            return _judged(pdf)
        except PdfaError as error:
            raise StationError(f"{about.title}: the PDF is not fit for the archive: {error}") from error


def _judged(pdf: Pdf) -> bytes:
    written = BytesIO()
    save_pdfa(pdf, written, "3b", repair=False, deterministic_id=True, min_version="1.7")
    return written.getvalue()


def _strip(pdf: Pdf) -> None:
    """Remove what reportlab writes and PDF/A forbids."""
    for page in pdf.pages:
        if Name.Trans in page.obj:
            del page.obj[Name.Trans]
    if Name.Info in pdf.trailer:
        del pdf.trailer[Name.Info]


def _describe(pdf: Pdf, about: About) -> None:
    """Write title, author and dates where readers and archives look for them."""
    at = about.at.isoformat(timespec="seconds")
    with pdf.open_metadata(set_pikepdf_as_editor=False, update_docinfo=True) as meta:
        meta["dc:title"] = about.title
        meta["dc:creator"] = [about.author]
        meta["dc:description"] = about.subject
        meta["dc:language"] = {about.language}
        meta["pdf:Producer"] = PRODUCER
        meta["xmp:CreatorTool"] = PRODUCER
        meta["xmp:CreateDate"] = meta["xmp:ModifyDate"] = meta["xmp:MetadataDate"] = at
    pdf.Root.Lang = String(about.language)
    pdf.Root.ViewerPreferences = Dictionary(DisplayDocTitle=True)


def _date_metadata(pdf: Pdf, at: datetime) -> None:
    """Replace the time at which pikepdf wrote the metadata, the only thing in the file that the input does not give."""
    packet = bytes(pdf.Root.Metadata.read_bytes())
    pdf.Root.Metadata.write(WRITTEN.sub(rf"\g<1>{at.isoformat(timespec='seconds')}\g<2>".encode(), packet))


def _attach(pdf: Pdf, attachment: Attachment, at: datetime) -> None:
    """Embed a file and name it as associated with the whole document."""
    spec = AttachedFileSpec(
        pdf,
        attachment.content,
        filename=attachment.name,
        description=attachment.description,
        mime_type=attachment.media_type,
        creation_date=f"D:{at:%Y%m%d%H%M%S}Z",
        mod_date=f"D:{at:%Y%m%d%H%M%S}Z",
    )
    spec.relationship = Name(f"/{attachment.relationship}")
    pdf.attachments[attachment.name] = spec
    associated = pdf.Root.get("/AF") or pikepdf.Array()
    associated.append(spec.obj)
    pdf.Root.AF = associated
