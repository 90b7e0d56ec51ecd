"""The published schema says what passports are: real ones fit it, and it describes every member they have (F-I5)."""

import json
from collections.abc import Callable
from dataclasses import make_dataclass
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from jsonschema import Draft202012Validator

from fixtures.passports import MEASUREMENTS, STEPS, tool
from fixtures.printer_picture import read_codes
from fixtures.samples import metered_unit
from station.documents.brand import Brand
from station.documents.passport import (
    IDENTIFIERS,
    RELEASE,
    SECTIONS,
    CheckResult,
    StepResult,
    passport_document,
)
from station.documents.passport_code import gtin14
from station.documents.passport_pdf import Edition, render_passport
from station.documents.wording import CATALOGUES
from station.errors import StationError
from station.model import Approval, Override, RenewalDuty, RenewalMethod, RenewalOwner, UnitRecord

Sample = Callable[..., UnitRecord]
SCHEMA = json.loads((CATALOGUES / "device-passport-1.schema.json").read_text())
GTIN = "04006381333931"
ALL = {
    "gtin": GTIN,
    "support_until": "2036-12-31",
    "software": "0.1.0",
    "operator": "badge 7",
    "attempts": 1,
    "labels": ["unit/2"],
    "earlier_runs": [{"run": "line-1/7", "outcome": "FAIL", "ended_at": "2026-11-20T14:03:11Z", "fault": "ocpp"}],
    "results": [{"test": "hipot", "unit": "mA", "verdict": "PASS", "taken_at": "2026-11-20T14:03:11Z", "value": 2.1}],
    "identifiers": [{"kind": "iccid", "value": "89882110000000000010"}],
    "components": [{"type": "contactor", "serial": "C-1", "lot": "~^L7"}],
    "meters": [{"outlet": "A", "type": "M26", "serial": "M-1", "public_key": "3059"}],
    "seals": [{"id": "S-1", "place": "cover"}],
    "trust_anchors": [{"subject": "CN=Root", "sha256": "ab" * 32, "not_after": "2046-01-01T00:00:00Z"}],
    "sboms": [{"image": "app", "sha256": "ab" * 32, "uri": "urn:uuid:1"}],
    "security": [{"name": "secure_boot", "value": "on"}, {"name": "locked", "value": "true"}],
    "evidence": [{"clause": "EN 18031-1 SUM-2", "check": "flash", "result": "PASS"}],
    "lifecycle": [
        {
            "event": "returned",
            "recorded_by": "rework-1",
            "reference": "RMA-17",
            "reason": "does not charge",
            "occurred_at": "2026-03-01T00:00:00.000Z",
            "recorded_at": "2026-03-02T09:00:00.000Z",
            "place": "Berlin",
            "party": "Example Energy",
        }
    ],
    "papers": [
        {"kind": "Declaration", "number": "DoC-7", "sha256": "cd" * 32, "marking": "CE", "valid_until": "2034-11-20"}
    ],
}
NESTED: dict[str, object] = {
    "firmware_name": "ac22-1.4.2",
    "members": [{"role": "application", "version": "1.4.2+7", "sha256": "9f2c" * 16, "security_counter": 0}],
    "certificate_spki_sha256": "ab" * 32,
    "certificate_chain": [{"subject": "CN=CA 1", "sha256": "ab" * 32, "not_after": "2041-01-01T00:00:00Z"}],
    "renewal": RenewalDuty(RenewalOwner.OPERATOR, RenewalMethod.OCPP, 60),
}
FULL_STEP = StepResult(
    "accept", "PASS", 8.4, "2026-11-21T03:55:12.345Z", 2, (CheckResult("boot", "PASS", 0.51234),), "line-1/99"
)


def closed(schema: Any) -> Any:
    """Return the schema with no member allowed that it does not describe."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: closed(one) for name, one in schema.items()}
    return {**inner, "additionalProperties": False} if "properties" in schema else inner


def faults(document: bytes) -> list[str]:
    return [error.message for error in Draft202012Validator(closed(SCHEMA)).iter_errors(json.loads(document))]


def everything(sample: Sample) -> UnitRecord:
    override = Override("line stands", "2026-11-22T00:00:00Z", "line lead", "quality lead")
    approval = Approval(
        bundle="ac22 revision 3", author="author", approvers=("one", "two"), override=override, development=True
    )
    record = sample(approval=approval)
    fields = [(name, object, None) for name in ALL if name not in vars(record)]
    extended: type[UnitRecord] = make_dataclass("Everything", fields, bases=(UnitRecord,), frozen=True)
    return extended(**{**vars(record), **ALL, **NESTED})


def test_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_real_passports_fit_the_schema(sample: Sample) -> None:
    for record in (sample(), sample(1, ratings={}, not_shown_by_hardware=()), sample(8, customer="")):
        assert faults(passport_document(record, STEPS, MEASUREMENTS)) == []
    for record in (everything(sample), metered_unit()):
        assert faults(passport_document(record, (*STEPS, FULL_STEP), MEASUREMENTS, "ab" * 32)) == []


def test_sample_has_every_member_that_a_passport_may_have(sample: Sample) -> None:
    passport = json.loads(passport_document(everything(sample), (FULL_STEP,), MEASUREMENTS, "ab" * 32))
    described = SCHEMA["properties"]
    assert {*IDENTIFIERS, *RELEASE, *SECTIONS} == set(ALL)
    assert {*passport, "revision"} == set(described)
    for name in ("unit", "firmware", "certificate", "production"):
        assert set(passport[name]) == set(described[name]["properties"])
    assert set(passport["acceptance"][0]) == set(described["acceptance"]["items"]["properties"])


def test_readers_of_before_read_what_is_new_and_we_read_theirs(sample: Sample) -> None:
    """Members are added only: what minor 1 demanded is still there, and a passport without what is new still counts."""
    document = json.loads(passport_document(everything(sample), (FULL_STEP,), MEASUREMENTS, "ab" * 32))
    new = {"firmware": ("name", "members"), "certificate": ("spki_sha256", "chain"), "production": ("earlier_runs",)}
    assert all(name in document[section] for section, names in new.items() for name in names)
    older = {name: value for name, value in document.items() if name not in ("papers", "security", "evidence")} | {
        section: {name: value for name, value in document[section].items() if name not in names}
        for section, names in new.items()
    }
    older |= {"minor": 1, "acceptance": [{"name": "accept", "outcome": "PASS", "seconds": 8.4}]}
    assert faults(rfc8785.dumps(older)) == []
    assert render_passport(rfc8785.dumps(older), bytes(71), "me").startswith(b"%PDF-1.7")


@pytest.mark.parametrize(
    ("section", "change", "told"),
    [
        ("unit", {"serial": "ac22 1"}, "does not match"),
        ("configuration", {"endpoint": "wss://user:pass@csms.example/ocpp"}, "does not match"),
        ("firmware", {"sha256": "AB"}, "does not match"),
        ("certificate", {"key_origin": "usb stick"}, "is not one of"),
        ("unit", {"pin": "31415926"}, "Additional properties are not allowed"),
    ],
)
def test_schema_finds_what_is_no_passport(sample: Sample, section: str, change: dict[str, str], told: str) -> None:
    document = json.loads(passport_document(sample(), STEPS))
    document[section].update(change)
    assert any(told in fault for fault in faults(json.dumps(document).encode()))


def test_page_shows_what_only_some_records_have(sample: Sample, tmp_path: Path) -> None:
    document = passport_document(everything(sample), STEPS, MEASUREMENTS, "cd" * 32)
    brand = Brand(resolver="https://id.example.com")
    (tmp_path / "p.pdf").write_bytes(render_passport(document, bytes(71), "me", Edition("en", brand)))
    text = " ".join(tool("pdftotext", "-raw", tmp_path / "p.pdf", "-").split())
    for told in ("~^L7", "3059", "EN 18031-1 SUM-2", "urn:uuid:1", "let by line lead", "not for sale", "cd" * 32):
        assert told in text
    tool("pdftoppm", "-r", "150", "-png", "-singlefile", tmp_path / "p.pdf", tmp_path / "page")
    assert read_codes((tmp_path / "page.png").read_bytes()) == [f"https://id.example.com/01/{GTIN}/21/AC22-000001-7"]


def test_gtin_with_a_wrong_check_digit_is_refused() -> None:
    assert gtin14("4006381333931") == "04006381333931"
    for wrong in ("4006381333932", "400638133393", "", "40063813339x1"):
        with pytest.raises(StationError, match="is no GTIN"):
            gtin14(wrong)
