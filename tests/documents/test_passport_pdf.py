"""The passport on paper: archive format, signature, code, languages, and nothing lost (F-I5, F-J3)."""

import hashlib
import sys
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from asn1crypto import pem
from asn1crypto import x509 as asn1_x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from fixtures.passports import MEASUREMENTS, STEPS, SampleRecords, tool, verapdf
from fixtures.printer_picture import read_codes
from station.documents.label import parse_label_code
from station.documents.passport import passport_document
from station.documents.passport_pdf import Edition, passport_code, render_passport, sign_passport
from station.documents.wording import CATALOGUES, languages, wording
from station.errors import ConfigError, StationError
from station.model import UnitRecord

SIGNATURE = bytes(range(71))
Sample = Callable[..., UnitRecord]


@pytest.fixture
def passport(record: UnitRecord) -> bytes:
    return passport_document(record, STEPS, MEASUREMENTS)


@pytest.fixture(scope="module")
def factory() -> SampleRecords:
    return SampleRecords()


def longest(sample: Sample) -> bytes:
    ratings = {f"Rating number {number}": "400 V 3~ N PE " * (1 + number % 4 * 9) for number in range(30)}
    unit = sample(
        8,
        ratings=ratings,
        vendor="Vereinigte Ladesäulenwerke Łódź–Šumperk Aktiengesellschaft",
        customer="Österreichische Energiedienstleistungsgesellschaft " * 8,
        certificate_subject="CN=" + "x" * 3000,
        not_shown_by_hardware=("Long. " * 90,) * 9,
    )
    taken = [replace(one, name=f"{one.name} {number}") for number in range(180) for one in MEASUREMENTS]
    return passport_document(unit, STEPS * 20, taken)


def shortest(sample: Sample) -> bytes:
    return passport_document(sample(1, ratings={}, not_shown_by_hardware=(), vendor="E", customer="-"), ())


def documents(sample: Sample, passport: bytes) -> Iterator[tuple[str, str, bytes]]:
    for name, document in (("plain", passport), ("longest", longest(sample)), ("shortest", shortest(sample))):
        yield from ((name, language, document) for language in languages())


def words_of(pdf: Path) -> str:
    return " ".join(tool("pdftotext", "-raw", pdf, "-").split())


def test_signed_samples_are_archive_documents_to_verapdf_and_valid_to_pdfsig(
    sample: Sample, passport: bytes, factory: SampleRecords, tmp_path: Path
) -> None:
    paths = []
    for name, language, document in documents(sample, passport):
        paths.append(tmp_path / f"{name}-{language}.pdf")
        paths[-1].write_bytes(factory.passport(document, language))
    assert verapdf(*paths).split() == [word for path in paths for word in (str(path), "true")]
    told = [tool("pdfsig", "-nocert", path) for path in paths]
    assert [("Signature is Valid" in one, "Total document signed" in one) for one in told] == [(True, True)] * len(told)


def test_pyhanko_finds_the_signature_valid_and_certifying(passport: bytes, factory: SampleRecords) -> None:
    anchor = asn1_x509.Certificate.load(pem.unarmor(factory.certificate.encode())[2])
    reader = PdfFileReader(BytesIO(factory.passport(passport)))
    status = validate_pdf_signature(reader.embedded_signatures[0], ValidationContext(trust_roots=[anchor]))
    assert (status.bottom_line, status.docmdp_ok, status.coverage.name) == (True, True, "ENTIRE_FILE")
    assert reader.root.get("/Version", "/1.7") == "/1.7"


def test_attached_json_and_signature_come_out_with_pdfdetach(
    passport: bytes, factory: SampleRecords, tmp_path: Path
) -> None:
    (tmp_path / "p.pdf").write_bytes(factory.passport(passport))
    tool("pdfdetach", "-saveall", "-o", tmp_path, tmp_path / "p.pdf")
    assert (tmp_path / "passport.json").read_bytes() == passport
    (tmp_path / "records.pem").write_text(factory.certificate)
    (tmp_path / "key.pem").write_text(tool("openssl", "x509", "-in", tmp_path / "records.pem", "-pubkey", "-noout"))
    files = ("-signature", tmp_path / "passport.json.sig", tmp_path / "passport.json")
    assert "Verified OK" in tool("openssl", "dgst", "-sha256", "-verify", tmp_path / "key.pem", *files)


@pytest.mark.parametrize("language", languages())
def test_page_reads_back_in_every_language(passport: bytes, record: UnitRecord, tmp_path: Path, language: str) -> None:
    (tmp_path / "p.pdf").write_bytes(render_passport(passport, SIGNATURE, "CN=Station line-1", Edition(language)))
    text = words_of(tmp_path / "p.pdf")
    shown = (record.serial, record.vendor, record.firmware_sha256, "400 V 3~ N PE", "°C", "CN=Station line-1")
    assert [value for value in (*shown, wording(language)("title")) if value not in text] == []
    tool("pdftoppm", "-r", "150", "-png", "-l", "1", "-singlefile", tmp_path / "p.pdf", tmp_path / "page")
    assert read_codes((tmp_path / "page.png").read_bytes()) == [passport_code(record.serial, passport)]
    fonts = tool("pdffonts", tmp_path / "p.pdf").splitlines()[2:]
    assert {line.split()[-5] for line in fonts} == {"yes"}


def test_languages_have_the_same_entries() -> None:
    catalogues = [tomllib.loads((CATALOGUES / f"{language}.toml").read_text()) for language in languages()]
    assert {"en", "de"} <= set(languages())
    assert all(set(one["text"]) == set(catalogues[0]["text"]) for one in catalogues)
    assert all(len(one["months"]) == 12 for one in catalogues)
    with pytest.raises(ConfigError, match="no language 'xx'"):
        wording("xx")


def test_code_of_a_passport_is_no_unit_label(passport: bytes, record: UnitRecord) -> None:
    assert parse_label_code(passport_code(record.serial, passport)) is None


def test_same_passport_gives_the_same_document_in_every_process_and_thread(passport: bytes, tmp_path: Path) -> None:
    (tmp_path / "p.json").write_bytes(passport)
    program = (
        "import sys, pathlib, hashlib; from station.documents.passport_pdf import render_passport;"
        "data = pathlib.Path(sys.argv[1]).read_bytes();"
        "print(hashlib.sha256(render_passport(data, bytes(range(71)), 'me')).hexdigest())"
    )
    elsewhere = tool(sys.executable, "-c", program, tmp_path / "p.json").strip()
    with ThreadPoolExecutor(4) as pool:
        pages = list(pool.map(lambda _: render_passport(passport, SIGNATURE, "me"), range(8)))
    assert {hashlib.sha256(page).hexdigest() for page in pages} == {elsewhere}


def test_signature_is_appended_to_the_reproducible_document(passport: bytes, factory: SampleRecords) -> None:
    pdf = render_passport(passport, SIGNATURE, "me")
    assert sign_passport(pdf, factory.certificate, factory.sign).startswith(pdf)


def test_endless_data_flow_over_numbered_pages_inside_the_margins(sample: Sample, tmp_path: Path) -> None:
    (tmp_path / "p.pdf").write_bytes(render_passport(longest(sample), SIGNATURE, "me"))
    assert "The first 150 of 180" in words_of(tmp_path / "p.pdf")
    assert "2303 more characters in the attached passport.json" in words_of(tmp_path / "p.pdf")
    boxes = [line.split('"')[1::2] for line in tool("pdftotext", "-bbox", tmp_path / "p.pdf", "-").splitlines()]
    words = [[float(edge) for edge in box] for box in boxes if len(box) == 4]
    assert len(words) > 1000
    assert all(50 < left < right < 546 and 15 < top < bottom < 830 for left, top, right, bottom in words)


@pytest.mark.parametrize(
    "text", ["<b>bold</b>", "a & b", "<img src='x'/>", "&#60;", "Müller & Söhne", "100 Ω", "^XZ~HS", "Łódź", "Αθήνα"]
)
def test_markup_and_letters_in_values_are_printed_as_they_stand(sample: Sample, tmp_path: Path, text: str) -> None:
    document = passport_document(sample(work_order=text, customer=text), STEPS)
    (tmp_path / "p.pdf").write_bytes(render_passport(document, SIGNATURE, text))
    assert words_of(tmp_path / "p.pdf").count(text) == 3


def test_accent_in_two_characters_is_printed_as_one_letter(sample: Sample, tmp_path: Path) -> None:
    document = passport_document(sample(customer="Mu\N{COMBINING DIAERESIS}ller"), STEPS)
    (tmp_path / "p.pdf").write_bytes(render_passport(document, SIGNATURE, "me"))
    assert "Müller" in words_of(tmp_path / "p.pdf")


@pytest.mark.parametrize(
    ("name", "letter"),
    [
        ("充電株式会社", "CJK UNIFIED IDEOGRAPH-5145"),
        ("شركة الشحن", "ARABIC LETTER SHEEN"),
        ("a\N{RIGHT-TO-LEFT OVERRIDE}b", "RIGHT-TO-LEFT OVERRIDE"),
        ("bell\a", "U.0007"),
    ],
)
def test_name_that_cannot_be_printed_is_refused_in_a_sentence(sample: Sample, name: str, letter: str) -> None:
    with pytest.raises(StationError, match=f"can't be printed: the typeface has no {letter}") as refused:
        render_passport(passport_document(sample(customer=name), STEPS), SIGNATURE, "me")
    assert refused.value.hint.startswith("Write the name in Latin")
