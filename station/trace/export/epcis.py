"""A unit's life as EPCIS 2.0 events: it got its serial, parts came and went, it was tested, it left, it ended.

# Ref: GS1 EPCIS 2.0 (ISO/IEC 19987:2024) section 7, CBV 2.0 sections 7 and 8.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from station.clock import iso
from station.model import Outcome
from station.records.export_units import TracedPart, TracedRun, TracedUnit
from station.trace.export.epcis_life import life_of
from station.trace.export.epcis_names import Act, Event, event, named, thing, uri_of

CONTEXT = ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld", {"cs": "urn:charger-station:epcis:"}]
BORN, SCRAPPED = Act("ADD", "commissioning", "active"), Act("DELETE", "decommissioning", "inactive")
JUDGED = {Outcome.PASS: "conformant", Outcome.FAIL: "non_conformant"}
CODES = {
    "A": "AMP", "mA": "4K", "V": "VLT", "kV": "KVT", "mV": "2Z", "Ohm": "OHM", "MOhm": "B75", "mOhm": "E45", "W": "WTT",
    "kW": "KWT", "s": "SEC", "ms": "C26", "Hz": "HTZ", "Cel": "CEL", "%": "P1", "kW.h": "KWH", "W.h": "WHR",
}  # fmt: skip
"""UN/ECE Recommendation 20 codes of UCUM units; values in other units have the unit in their name."""


def events_of(unit: TracedUnit) -> Iterator[Event]:
    """Yield the events of a unit in the order in which they happened."""
    passport = json.loads(unit.passport) if unit.passport else {}
    name = uri_of(unit.serial, passport)
    told = [_born(unit, name, passport)]
    last = next((run for run in reversed(unit.runs) if run.outcome is Outcome.PASS), None)
    told += [_tested(unit, name, run, passport if run is last else {}) for run in unit.runs if run.outcome in JUDGED]
    for part in unit.parts:
        told.append(_assembled(name, part, "ADD", part.attached_at))
        if part.detached_at is not None:
            told.append(_assembled(name, part, "DELETE", part.detached_at))
    told += life_of(unit, name)
    if unit.scrapped_at is not None:
        told.append(thing(name, SCRAPPED, unit.scrapped_at))
    yield from sorted(told, key=lambda event: str(event["eventTime"]))


def head_of(at: datetime) -> Event:
    """Return the document around events, without them."""
    return {"@context": CONTEXT, "type": "EPCISDocument", "schemaVersion": "2.0", "creationDate": iso(at)}


def _born(unit: TracedUnit, name: str, passport: Mapping[str, Any]) -> Event:
    told = thing(name, BORN, unit.reserved_at)
    told["bizTransactionList"] = [{"type": "prodorder", "bizTransaction": named("order", unit.work_order)}]
    return told | {"ilmd": _master_data(unit, passport)}


def _master_data(unit: TracedUnit, passport: Mapping[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {"cs:serial": unit.serial, "cs:product": unit.product}
    if passport:
        meters = [meter["serial"] for meter in passport.get("meters", ())]
        told |= {
            "cs:hardware": passport["unit"]["hardware"],
            "cs:firmware": passport["firmware"]["version"],
            "cs:firmwareSha256": passport["firmware"]["sha256"],
            "cs:certificateSha256": passport["certificate"]["sha256"],
            "cs:passportSha256": unit.passport_sha256,
            **({"cs:meterSerials": meters} if meters else {}),
        }
    return told


def _tested(unit: TracedUnit, name: str, run: TracedRun, passport: Mapping[str, Any]) -> Event:
    told = thing(name, Act("OBSERVE", "inspecting", JUDGED[run.outcome]), run.closed_at, str(run.ref))
    told["readPoint"] = {"id": named("slot", run.ref.station, run.slot)}
    told["bizTransactionList"] = [
        {"type": "testres", "bizTransaction": named("run", run.ref.station, str(run.ref.sequence))},
        {"type": "prodorder", "bizTransaction": named("order", unit.work_order)},
    ]
    taken = [_report(each["test"], each) for each in passport.get("results", ())]
    taken += [_report(each["name"], each) for each in passport.get("measurements", ())]
    return told | ({"sensorElementList": [{"sensorReport": taken}]} if taken else {})


def _report(name: str, taken: Mapping[str, Any]) -> dict[str, Any]:
    """Return a measurement; what no GS1 word stands for is named by us."""
    value, unit = taken.get("value"), taken.get("unit", "")
    report = {"type": named("measurement", name, *([unit] if unit and unit not in CODES else []))}
    if isinstance(value, bool):
        return report | {"booleanValue": value}
    if isinstance(value, int | float):
        return report | {"value": value} | ({"uom": CODES[unit]} if unit in CODES else {})
    return report | {"stringValue": json.dumps(value) if isinstance(value, dict | list) else str(value or "")}


def _assembled(name: str, part: TracedPart, action: str, at: datetime) -> Event:
    step = "assembling" if action == "ADD" else "disassembling"
    told = event("AssociationEvent", at, name, action, part.kind, part.position, part.serial, part.lot)
    told |= {"action": action, "bizStep": step, "parentID": name}
    if part.serial:
        return told | {"childEPCs": [named("part", part.kind, part.serial)]}
    return told | {"childQuantityList": [{"epcClass": named("lot", part.kind, part.lot), "quantity": 1}]}
