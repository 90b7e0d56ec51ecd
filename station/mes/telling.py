"""What the MES is told of each change of the records, as pure functions from rows to CFX messages.

Nothing secret can be told: bodies are made of rows that hold no secret, and a unit's characteristics are picked from
its signed passport by name.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import cast

from station.clock import iso
from station.errors import Service
from station.mes import bodies as cfx
from station.mes.contract import Body, Members, Name, identified
from station.model import Measurement, Outcome
from station.records import (
    Change,
    ComponentRow,
    DispositionKind,
    DispositionRow,
    HoldKind,
    HoldRow,
    HoldScope,
    MesDraft,
    PassportRow,
    ResultRow,
    RunRow,
    Source,
    StepRow,
)
from station.records.canonical import canonical

MOST_MEASUREMENTS = 20
"""Measurements of one message; what is more follows in further ones."""
SERVICES = frozenset(Service)
CHARACTERISTICS = (
    *("serial", "ocpp_identity", "hardware_uid", "model", "hardware", "firmware", "firmware_sha256"),
    *("certificate_serial", "certificate_sha256", "certificate_not_after", "configuration_sha256", "recipe_digest"),
)
"""What of a passport's unit is told by name."""


@dataclass(frozen=True)
class Letter:
    """A message before it is keyed."""

    name: Name
    subject: str
    at: datetime
    body: Body
    part: int = 0
    """Tells apart messages of one name for one change."""


def drafts(change: Change) -> tuple[MesDraft, ...]:
    """Return the messages that tell a change, in their order; the same change gives the same messages."""
    return tuple(draft(change.key, letter) for letter in TELLERS[change.source](change))


def draft(key: str, letter: Letter, request: str = "") -> MesDraft:
    """Return a message under the key of what it tells."""
    part = f"/{letter.part}" if letter.part else ""
    name = f"{key}/{letter.name.short}{part}"
    return MesDraft(name, letter.name.value, letter.subject, letter.at, canonical(dict(letter.body)), request)


def _opened(change: Change) -> Iterator[Letter]:
    run = cast(RunRow, change.row)
    say = partial(Letter, subject=run.unit, at=run.started_at)
    if change.previous is not None and change.previous.outcome is Outcome.ERROR:
        yield say(Name.FAULT_CLEARED, body=cfx.cleared(cfx.fault_of(change.previous), run.operator))
    yield say(Name.ARRIVED, body=cfx.units(run))
    recipe = {"RecipeName": run.recipe, "Revision": str(run.recipe_revision)}
    order = {"WorkOrderIdentifier": {"WorkOrderId": run.work_order, "Batch": None}}
    yield say(Name.WORK_STARTED, body={"TransactionID": cfx.transaction(run), **cfx.units(run), **recipe, **order})
    yield say(Name.PERSONALIZED, body=cfx.personalized(run, {"serial": run.unit, "hardware_uid": run.hardware_uid}))


def _closed(change: Change) -> Iterator[Letter]:
    run = cast(RunRow, change.row)
    outcome, at = run.outcome or Outcome.ABORTED, run.closed_at or run.started_at
    say = partial(Letter, subject=run.unit, at=at)
    test = cfx.judged(run.recipe, identified("run", run.ref), outcome) | {"Error": run.reason, "Comments": run.hint}
    test |= {"TestStartTime": iso(run.started_at), "TestEndTime": iso(at)}
    yield say(Name.TESTED, body=cfx.tested(run, outcome, test))
    if outcome is Outcome.ERROR:
        severity = "Alarm" if run.fault in SERVICES else "Error"
        fault = {"FaultCode": run.fault or "station", "Description": run.reason, "Severity": severity}
        yield say(Name.FAULT, body=cfx.fault(cfx.fault_of(run), at, fault | {"TransactionID": cfx.transaction(run)}))
    if outcome is Outcome.PASS and change.rework is not None:
        yield from _repaired(run, change.rework, at)
    yield say(
        Name.WORK_COMPLETED, body={"TransactionID": cfx.transaction(run), "Result": cfx.WORK[outcome], **cfx.units(run)}
    )
    yield say(Name.DEPARTED, body=cfx.units(run))


def _repaired(run: RunRow, rework: DispositionRow, at: datetime) -> Iterator[Letter]:
    repair = {
        "UniqueIdentifier": identified("repair", rework.ref),
        "RepairName": rework.code,
        "RepairStartTime": iso(rework.at),
        "RepairEndTime": iso(at),
        "Comments": rework.reason,
        "Result": "RepairSuccessful",
    }
    unit = {"UnitIdentifier": run.unit, "UnitPositionNumber": 1, "OverallResult": "RepairSuccessful"}
    body = {"TransactionId": cfx.transaction(run), "RepairOperator": cfx.operator(run.operator)}
    yield Letter(Name.REPAIRED, run.unit, at, body | {"RepairedUnits": [unit | {"Repairs": [repair]}]})
    yield Letter(Name.FAULT_CLEARED, run.unit, at, cfx.cleared(cfx.fault_of(rework), run.operator), part=1)


def _step(change: Change) -> Iterator[Letter]:
    step, run = cast(StepRow, change.row), cast(RunRow, change.run)
    stage = {"StageSequence": step.position + 1, "StageName": step.name, "StageType": "Work"}
    body = {"TransactionID": cfx.transaction(run), "Stage": stage}
    if step.outcome is None or step.finished_at is None:
        yield Letter(Name.STAGE_STARTED, run.unit, step.started_at, body)
        return
    say = partial(Letter, subject=run.unit, at=step.finished_at)
    for part, taken in enumerate(_portions(step.measurements)):
        test = cfx.judged(step.name, identified("step", step.ref), step.outcome, taken)
        times = {"TestStartTime": iso(step.started_at), "TestEndTime": iso(step.finished_at)}
        test |= times | {"Error": step.reason, "Comments": f"attempt {step.attempt}"}
        yield say(Name.TESTED, body=cfx.tested(run, step.outcome, test), part=part)
    yield say(Name.STAGE_COMPLETED, body=body | {"Result": cfx.WORK[step.outcome]})


def _portions(measurements: tuple[Measurement, ...]) -> Iterator[tuple[Measurement, ...]]:
    """Split measurements into messages of a bounded size; a step without any is one message too."""
    for start in range(0, max(1, len(measurements)), MOST_MEASUREMENTS):
        yield measurements[start : start + MOST_MEASUREMENTS]


def _passport(change: Change) -> Iterator[Letter]:
    passport, run = cast(PassportRow, change.row), cast(RunRow, change.run)
    body = cfx.personalized(run, dict(characteristics_of(passport)))
    yield Letter(Name.PERSONALIZED, passport.unit, passport.at, body)


def characteristics_of(passport: PassportRow) -> Iterator[tuple[str, str]]:
    """Yield what was given to a unit, by name: numbers, identifiers and fingerprints, never a secret."""
    unit = json.loads(passport.document).get("unit", {})
    for name in CHARACTERISTICS:
        if unit.get(name):
            yield name, str(unit[name])
    for found in unit.get("identifiers") or ():
        if isinstance(found, dict) and found.get("kind") and found.get("value"):
            yield str(found["kind"]), str(found["value"])
    for meter in unit.get("meters") or ():
        if isinstance(meter, dict):
            at = f"meter {meter.get('evse', '')}".strip()
            yield from ((f"{at} {name}", str(meter[name])) for name in ("serial", "public_key") if meter.get(name))
    yield "passport_revision", str(passport.revision)
    yield "passport_sha256", passport.sha256


def _placed(change: Change) -> Iterator[Letter]:
    hold = cast(HoldRow, change.row)
    severity = "Alarm" if hold.kind is HoldKind.QUARANTINE or hold.scope is HoldScope.STATION else "Warning"
    fault = {"FaultCode": f"{hold.kind}:{hold.scope}:{hold.subject}", "Severity": severity, "Cause": "QualityCheck"}
    body = cfx.fault(cfx.fault_of(hold), hold.at, fault | {"Description": f"{hold.reason} ({hold.who})"})
    yield Letter(Name.FAULT, _unit_of(hold), hold.at, body)
    if hold.scope is HoldScope.ORDER:
        yield Letter(Name.ORDER_STATUS, "", hold.at, cfx.order_status(hold.subject, "InProcess", "OnHold"))


def _lifted(change: Change) -> Iterator[Letter]:
    hold = cast(HoldRow, change.row)
    at = hold.lifted_at or hold.at
    yield Letter(Name.FAULT_CLEARED, _unit_of(hold), at, cfx.cleared(cfx.fault_of(hold), hold.lifted_by))
    if hold.scope is HoldScope.ORDER:
        yield Letter(Name.ORDER_STATUS, "", at, cfx.order_status(hold.subject, "OnHold", "InProcess"))


def _disposed(change: Change) -> Iterator[Letter]:
    row = cast(DispositionRow, change.row)
    comments = f"{row.code}: {row.reason} ({row.who})"
    if row.kind is DispositionKind.SCRAP:
        body = {
            "Reason": "DefectiveRepairNotPossible",
            "Comments": comments,
            "UnitCount": 1,
            "Units": [cfx.position(row.unit)],
        }
        yield Letter(Name.DISQUALIFIED, row.unit, row.at, body)
        return
    fault = {"FaultCode": f"rework:unit:{row.unit}", "Severity": "Warning", "Cause": "QualityCheck"}
    told = cfx.fault(cfx.fault_of(row), row.at, fault | {"Description": comments})
    yield Letter(Name.FAULT, row.unit, row.at, told)


def _attached(change: Change) -> Iterator[Letter]:
    part = cast(ComponentRow, change.row)
    place: Members = {"ReferenceDesignator": part.position, "InstallationTime": iso(part.attached_at)}
    place |= {"InstalledUnitIdentifier": part.serial or None}
    material = cfx.material(part, "InstalledComponents", place) | {
        "QuantityInstalled": 1.0,
        "QuantityNonInstalled": 0.0,
    }
    body = {"TransactionId": identified("component", part.ref), "InstalledMaterials": [material]}
    yield Letter(Name.INSTALLED, part.unit, part.attached_at, body)


def _detached(change: Change) -> Iterator[Letter]:
    part = cast(ComponentRow, change.row)
    at = part.detached_at or part.attached_at
    place = {"ReferenceDesignator": part.position, "InstallationTime": iso(part.attached_at)}
    material = cfx.material(part, "UninstalledComponents", place) | {"QuantityUninstalled": 1.0, "Reason": "Other"}
    body = {"TransactionId": identified("component", part.ref, "out"), "UninstalledMaterials": [material]}
    yield Letter(Name.UNINSTALLED, part.unit, at, body)


def _result(change: Change) -> Iterator[Letter]:
    row = cast(ResultRow, change.row)
    value: Members = {"Value": row.value, "ValueUnits": row.unit, "MinimumAcceptableValue": row.low}
    measured: Members = {
        "$type": "CFX.Structures.NumericMeasurement, CFX",
        "MeasurementName": row.test,
        "TimeRecorded": iso(row.taken_at),
        "Result": cfx.VERDICTS[row.verdict],
        "MeasuredValue": value | {"MaximumAcceptableValue": row.high},
    }
    taken = [measured] if row.value is not None else []
    test: Members = {
        "UniqueIdentifier": identified("result", row.ref),
        "TestName": row.test,
        "TestProcedure": row.program,
    }
    test |= {"TestStartTime": None, "TestEndTime": iso(row.taken_at), "Result": cfx.VERDICTS[row.verdict]}
    test |= {"Error": row.problem, "Comments": f"instrument {row.instrument}", "Measurements": taken}
    unit: Members = {"UnitIdentifier": row.subject, "UnitPositionNumber": 1, "OverallResult": cfx.VERDICTS[row.verdict]}
    body: Members = {"TransactionId": identified("result", row.source, row.subject), "TestMethod": "Automated"}
    body |= {"Tester": cfx.operator(row.operator), "RecipeName": row.program, "TestedUnits": [unit | {"Tests": [test]}]}
    yield Letter(Name.TESTED, row.subject, row.imported_at, body)


TELLERS: Mapping[Source, Callable[[Change], Iterator[Letter]]] = {
    Source.RUN_OPENED: _opened,
    Source.RUN_CLOSED: _closed,
    Source.STEP: _step,
    Source.PASSPORT: _passport,
    Source.HOLD_PLACED: _placed,
    Source.HOLD_LIFTED: _lifted,
    Source.DISPOSITION: _disposed,
    Source.COMPONENT_ATTACHED: _attached,
    Source.COMPONENT_DETACHED: _detached,
    Source.RESULT: _result,
}
"""How each change is told."""


def _unit_of(hold: HoldRow) -> str:
    return hold.subject if hold.scope is HoldScope.UNIT else ""
