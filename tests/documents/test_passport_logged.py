"""A passport carries the proof that it stands in the factory's log, and it is checked offline (F-I5, F-I8)."""

import json
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fixtures.passports import MEASUREMENTS, STEPS, SampleRecords
from pki.log import Checkpoint, Inclusion, leaf_hash, node_hash, sign_checkpoint
from station.cli import main
from station.documents.passport import passport_document
from station.documents.passport_pdf import render_passport, sign_passport
from station.documents.passport_proof import InLog, prove_json, prove_pdf, read_anchors
from station.errors import StationError
from station.model import UnitRecord


class SampleLog:
    """A log of two entries, of which the second is a document's, and its key."""

    def __init__(self) -> None:
        self.records = SampleRecords("Example Chargers Audit")
        self.spki = self.records.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def proof(self, document: bytes) -> bytes:
        entry = json.dumps({"document": sha256(document).hexdigest()}).encode()
        before = leaf_hash(b"{}")
        checkpoint = Checkpoint("charger-station/line-1", 2, node_hash(before, leaf_hash(entry)))
        note = sign_checkpoint(checkpoint, self.spki, self.records.sign)
        return bytes(Inclusion(entry, 1, (before,), note))


@pytest.fixture(scope="module")
def log() -> SampleLog:
    return SampleLog()


@pytest.fixture(scope="module")
def factory() -> SampleRecords:
    return SampleRecords()


@pytest.fixture
def document(record: UnitRecord) -> bytes:
    return passport_document(record, STEPS, MEASUREMENTS)


@pytest.fixture
def pdf(document: bytes, factory: SampleRecords, log: SampleLog) -> bytes:
    drawn = render_passport(document, factory.sign(document), "me", proof=log.proof(document))
    return sign_passport(drawn, factory.certificate, factory.sign)


def test_proof_that_travels_in_the_pdf_is_checked(pdf: bytes, factory: SampleRecords, log: SampleLog) -> None:
    anchors = read_anchors(factory.certificate.encode())
    told = prove_pdf(pdf, anchors, log.spki)
    assert (
        "It is entry 1 of the factory's log charger-station/line-1, by its signed checkpoint of 2 entries."
        in told.proved
    )
    assert not any("log" in line for line in told.not_proved)
    unchecked = prove_pdf(pdf, anchors)
    assert "give the log's key" in unchecked.not_proved[0]
    with pytest.raises(StationError, match="not signed by this key"):
        prove_pdf(pdf, anchors, SampleLog().spki)


def test_proof_of_another_document_proves_nothing(document: bytes, factory: SampleRecords, log: SampleLog) -> None:
    anchors, signature = read_anchors(factory.certificate.encode()), factory.sign(document)
    with pytest.raises(StationError, match="that of another document"):
        prove_json(document, signature, anchors, InLog(log.proof(document + b" "), log.spki))
    with pytest.raises(StationError, match="no proof of a log"):
        prove_json(document, signature, anchors, InLog(b"nonsense", log.spki))
    assert "no proof of that" in prove_json(document, signature, anchors).not_proved[0]


def test_command_judges_the_log_with_its_certificate(
    pdf: bytes, document: bytes, factory: SampleRecords, log: SampleLog, tmp_path: Path
) -> None:
    files = {
        "p.pdf": pdf,
        "p.json": document,
        "p.json.sig": factory.sign(document),
        "p.json.log": log.proof(document),
        "records.pem": factory.certificate.encode(),
        "audit.pem": log.records.certificate.encode(),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    keys = ("--anchor", str(tmp_path / "records.pem"), "--log-key", str(tmp_path / "audit.pem"))
    for name in ("p.pdf", "p.json"):
        done = CliRunner().invoke(main, ["passport", "verify", str(tmp_path / name), "--dir", str(tmp_path), *keys])
        assert (done.exit_code, "entry 1 of the factory's log" in done.output) == (0, True)
    (tmp_path / "p.json.log").write_bytes(log.proof(b"{}"))
    done = CliRunner().invoke(main, ["passport", "verify", str(tmp_path / "p.json"), *keys])
    assert (done.exit_code, "does not hold" in done.output) == (1, True)
