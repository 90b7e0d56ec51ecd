"""The passport as a document: A4 pages drawn from the signed JSON and from nothing else, kept as PDF/A-3b.

The pages are a rendering: what counts is the JSON, which travels inside with its signature. The same JSON, language
and brand give the same bytes; `sign_passport` appends the signature.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from station.documents.archive import About, Attachment, archived
from station.documents.brand import Brand
from station.documents.letterhead import Letterhead
from station.documents.pades import Sign, signed
from station.documents.passport import read_passport
from station.documents.passport_code import passport_code
from station.documents.passport_page import story
from station.documents.setting import Setter, set_pages
from station.documents.typeface import demand_printable
from station.documents.wording import wording

__all__ = [
    "PASSPORT_JSON",
    "PASSPORT_PROOF",
    "PASSPORT_SIGNATURE",
    "Edition",
    "passport_code",
    "render_passport",
    "sign_passport",
]

PASSPORT_JSON = "passport.json"
PASSPORT_SIGNATURE = "passport.json.sig"
PASSPORT_PROOF = "passport.json.log"


@dataclass(frozen=True)
class Edition:
    """In which language and look a passport is printed."""

    language: str = ""
    """Empty for the brand's."""
    brand: Brand = field(default_factory=Brand)


PLAIN = Edition()


def render_passport(
    passport_json: bytes, signature: bytes, signer: str, edition: Edition = PLAIN, proof: bytes = b""
) -> bytes:
    """Return the passport as PDF/A-3b, not signed yet; `signer` names the certificate that signed the JSON.

    `proof` is that of the factory's log (c2sp.org/tlog-proof) and travels inside, if there is one.

    Raises:
        StationError: The JSON is no passport, or has a name in a writing that the typeface can't print.
        ConfigError: There is no such language.
    """
    passport = read_passport(passport_json)
    words = wording(edition.language or edition.brand.language)
    title = f"{words('title')} {passport['unit']['serial']}"
    demand_printable(texts_of(passport), title)
    paper = Letterhead(passport_json, edition.brand, words, words("title")).paper()
    setter = Setter(edition.brand.accent)
    drawn = set_pages(paper, story(passport, hashlib.sha256(passport_json).hexdigest(), signer, setter, words))
    about = About(
        title,
        passport["unit"]["vendor"],
        f"{passport['schema']} version {passport['version']}",
        words.language,
        datetime.fromisoformat(passport["production"]["released_at"]),
    )
    return archived(drawn, about, _attachments(passport_json, signature, proof))


def sign_passport(pdf: bytes, certificate_pem: str, sign: Sign) -> bytes:
    """Return a rendered passport with the signature of the record key appended (PAdES B-B).

    Raises:
        StationError: The PDF can't be signed.
    """
    return signed(pdf, certificate_pem, sign, "Device passport")


def _attachments(passport_json: bytes, signature: bytes, proof: bytes) -> tuple[Attachment, ...]:
    words = "Proof that passport.json stands in the factory's log"
    logged = (Attachment(PASSPORT_PROOF, proof, "text/plain", words, "Supplement"),) if proof else ()
    return (
        Attachment(PASSPORT_JSON, passport_json, "application/json", "The signed record that this document shows"),
        Attachment(
            PASSPORT_SIGNATURE, signature, "application/octet-stream", "Signature of passport.json", "Supplement"
        ),
        *logged,
    )


def texts_of(value: Any) -> list[str]:
    """Return every text of a record."""
    if isinstance(value, dict):
        return [text for one in value.items() for text in texts_of(list(one))]
    if isinstance(value, list):
        return [text for one in value for text in texts_of(one)]
    return [value] if isinstance(value, str) else []
