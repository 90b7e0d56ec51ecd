"""A stranger judges a passport offline with the trust anchor alone (F-I5); what is wrong is told in words."""

import random
import zlib
from io import BytesIO
from pathlib import Path

import pikepdf
import pytest
from asn1crypto import cms
from click.testing import CliRunner
from cryptography import x509

from fixtures.passports import MEASUREMENTS, STEPS, SampleRecords
from station.cli import main
from station.documents.pades import signed
from station.documents.passport import passport_document
from station.documents.passport_proof import MAX_FILE, prove_json, prove_pdf, read_anchors
from station.errors import ConfigError, StationError
from station.model import UnitRecord

Anchors = tuple[x509.Certificate, ...]


@pytest.fixture(scope="module")
def factory() -> SampleRecords:
    return SampleRecords()


@pytest.fixture(scope="module")
def anchors(factory: SampleRecords) -> Anchors:
    return read_anchors(factory.certificate.encode())


@pytest.fixture
def document(record: UnitRecord) -> bytes:
    return passport_document(record, STEPS, MEASUREMENTS)


@pytest.fixture
def pdf(factory: SampleRecords, document: bytes) -> bytes:
    return factory.passport(document)


def test_whole_passport_is_proved_in_words_and_says_what_is_not(pdf: bytes, anchors: Anchors) -> None:
    proof = prove_pdf(pdf, anchors)
    assert any("whole and unchanged" in line for line in proof.proved)
    assert any("AC22-000001-7" in line for line in proof.proved)
    assert any("newest" in line for line in proof.not_proved)
    assert any("revoked" in line for line in proof.not_proved)


def test_json_alone_is_proved_with_any_generation_of_the_anchor(
    document: bytes, factory: SampleRecords, anchors: Anchors
) -> None:
    older = read_anchors(SampleRecords().certificate.encode())
    assert prove_json(document, factory.sign(document), (*older, *anchors)).passport["version"] == 1
    with pytest.raises(StationError, match="signature does not match"):
        prove_json(document, factory.sign(document + b" "), anchors)


def test_every_flipped_byte_is_caught(pdf: bytes, anchors: Anchors) -> None:
    """Also those of the signature's own room: its certificate, its filling, the case of its digits."""
    gap = pdf.rindex(b"/Contents <") + 11
    choose = random.Random(7)
    places = [
        *choose.sample(range(len(pdf)), 150),
        *range(gap, gap + 2600, 5),
        *range(gap + 2600, gap + 8000, 500),
        len(pdf) - 1,
    ]
    undetected = []
    for place in places:
        damaged = bytearray(pdf)
        damaged[place] ^= 1 << choose.randrange(8)
        try:
            prove_pdf(bytes(damaged), anchors)
        except StationError:
            continue
        undetected.append(place - gap)
    assert undetected == []


@pytest.mark.parametrize("rest", [b"\n", b"%%EOF\n", b"1 0 obj\n<<>>\nendobj\n"])
def test_bytes_added_later_are_caught(pdf: bytes, anchors: Anchors, rest: bytes) -> None:
    with pytest.raises(StationError, match="changed after it was signed"):
        prove_pdf(pdf + rest, anchors)


def test_edit_after_the_signature_is_caught(pdf: bytes, anchors: Anchors) -> None:
    written = BytesIO()
    with pikepdf.open(BytesIO(pdf)) as opened:
        opened.pages[0].rotate(180, relative=False)
        opened.save(written)
    with pytest.raises(StationError, match="passport: it is"):
        prove_pdf(written.getvalue(), anchors)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.9, 0.999])
def test_truncated_file_is_caught(pdf: bytes, anchors: Anchors, share: float) -> None:
    with pytest.raises(StationError, match=r"truncated|no signature"):
        prove_pdf(pdf[: int(len(pdf) * share)], anchors)


def test_second_signature_over_it_is_caught(pdf: bytes, anchors: Anchors) -> None:
    other = SampleRecords()
    with pytest.raises(StationError, match="can't be signed"):
        signed(pdf, other.certificate, other.sign, "mine too")
    with pytest.raises(StationError, match="more than one signature"):
        prove_pdf(pdf + b"/ByteRange [0 1 2 3]", anchors)


def test_passport_of_another_factory_is_caught(document: bytes, anchors: Anchors) -> None:
    with pytest.raises(StationError, match="not the trust anchor: another factory's"):
        prove_pdf(SampleRecords().passport(document), anchors)


def test_signature_of_another_passport_is_caught(pdf: bytes, factory: SampleRecords, anchors: Anchors) -> None:
    """The factory's own signature, carried over to a document that it never saw."""
    start, end = pdf.rindex(b"/Contents <") + 11, pdf.index(b">", pdf.rindex(b"/Contents <"))
    forged = pdf[:500].replace(b"%PDF-1.7", b"%PDF-1.6") + pdf[500:start] + pdf[start:end] + pdf[end:]
    with pytest.raises(StationError, match="not what was signed"):
        prove_pdf(forged, anchors)
    assert cms.ContentInfo.load(bytes.fromhex(pdf[start:end].decode()))["content_type"].native == "signed_data"


def test_bomb_is_refused_before_anything_of_it_is_unpacked(pdf: bytes, anchors: Anchors) -> None:
    bomb = zlib.compress(bytes(50_000_000), 9)
    stream = b"%%PDF-1.7\n1 0 obj\n<</Filter/FlateDecode/Length %d>>stream\n%s\nendstream" % (len(bomb), bomb)
    with pytest.raises(StationError, match="no signature"):
        prove_pdf(stream, anchors)
    with pytest.raises(StationError, match=f"longer than {MAX_FILE}"):
        prove_pdf(b"%PDF-" + bytes(MAX_FILE), anchors)
    with pytest.raises(StationError, match="no PDF"):
        prove_pdf(b"<html>", anchors)


def test_what_the_factory_signed_is_no_passport_by_that_alone(factory: SampleRecords, anchors: Anchors) -> None:
    blank, written = pikepdf.new(), BytesIO()
    blank.add_blank_page()
    blank.save(written)
    with pytest.raises(StationError, match=r"no passport\.json"):
        prove_pdf(signed(written.getvalue(), factory.certificate, factory.sign, "x"), anchors)


def test_anchor_that_is_none_is_the_callers_mistake() -> None:
    with pytest.raises(ConfigError, match="trust anchor can't be read"):
        read_anchors(b"-----BEGIN NOTHING-----")


def test_command_needs_the_file_and_the_anchor_only(
    pdf: bytes, document: bytes, factory: SampleRecords, tmp_path: Path
) -> None:
    files = {"p.pdf": pdf, "p.json": document, "p.json.sig": factory.sign(document), "bad.pdf": pdf[:-1]}
    for name, content in {**files, "a.pem": factory.certificate.encode()}.items():
        (tmp_path / name).write_bytes(content)

    def verify(name: str, *more: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, ["passport", "verify", str(tmp_path / name), "--dir", str(tmp_path), *more])
        return done.exit_code, done.output

    trusting = ("--anchor", str(tmp_path / "a.pem"))
    for name in ("p.pdf", "p.json"):
        code, said = verify(name, *trusting)
        assert (code, "Proved:" in said, "Not proved:" in said) == (0, True, True)
    assert verify("bad.pdf", *trusting)[0] == 1
    assert verify("p.pdf") == (
        2,
        "Error: there is no trust anchor\nName the factory's record certificate with --anchor FILE.\n",
    )
    assert verify("missing.pdf", *trusting)[0] == 2
