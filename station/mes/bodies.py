"""Members and words of CFX messages, made of the records' rows."""

from collections.abc import Mapping
from datetime import datetime

from station.clock import iso
from station.mes.contract import Body, Members, identified
from station.model import Measurement, Outcome
from station.records import ComponentRow, DispositionRow, HoldRow, RunRow, Verdict

LONGEST_VALUE = 200
"""Characters of a measured text, or of its name, that are told: a message has to fit into a row."""
RESULTS = {
    Outcome.PASS: "Passed",
    Outcome.FAIL: "Failed",
    Outcome.ERROR: "Error",
    Outcome.ABORTED: "Aborted",
    Outcome.SKIPPED: "Skipped",
}
"""CFX TestResult: who is to blame stays told apart."""
WORK = {
    Outcome.PASS: "Completed",
    Outcome.FAIL: "Failed",
    Outcome.ERROR: "Aborted",
    Outcome.ABORTED: "Aborted",
    Outcome.SKIPPED: "Skipped",
}
"""CFX WorkResult: a fault of the station does not fail the unit."""
VERDICTS = {Verdict.PASS: "Passed", Verdict.FAIL: "Failed", Verdict.UNJUDGED: "Error"}


def order_status(order: str, before: str, now: str) -> Members:
    """Return the body that tells a work order's status, in CFX's words."""
    return {"WorkOrderIdentifier": {"WorkOrderId": order, "Batch": None}, "PreviousStatus": before, "NewStatus": now}


def transaction(run: RunRow) -> str:
    """Return the CFX transaction of a run: everything about one stay of a unit in a slot has it."""
    return identified("run", run.ref)


def fault_of(row: RunRow | HoldRow | DispositionRow) -> str:
    """Return the id of the fault that a row stands for; what clears it has the same."""
    return identified("fault", type(row).__name__, row.ref)


def position(unit: str, slot: str = "") -> Members:
    """Return a unit as CFX names one: alone in its carrier, at position 1, in a slot."""
    return {"UnitIdentifier": unit, "PositionNumber": 1, "PositionName": slot or None}


def units(run: RunRow) -> Members:
    """Return the members that name the unit of a run."""
    return {"PrimaryIdentifier": run.unit, "UnitCount": 1, "Units": [position(run.unit, run.slot)]}


def operator(who: str) -> Members:
    """Return a person, or a service that acts by itself, as CFX names them."""
    return {"OperatorIdentifier": who, "ActorType": "RemoteSystem" if who.startswith("service:") else "Human"}


def fault(occurrence: str, at: datetime, more: Body) -> Members:
    """Return the body that tells a fault; `more` has its code, severity and words."""
    return {"Fault": {"Cause": "ProcessError", "FaultOccurrenceId": occurrence, "OccurredAt": iso(at), **more}}


def personalized(run: RunRow, given: Mapping[str, str]) -> Members:
    """Return the body that tells what was given to the unit of a run, by name."""
    characteristics = [{"Name": name, "Value": value} for name, value in given.items()]
    unit = {"UnitIdentifier": run.unit, "UnitPositionNumber": 1, "Characteristics": characteristics}
    return {"TransactionId": transaction(run), "PersonalizedUnits": [unit]}


def cleared(occurrence: str, who: str) -> Members:
    """Return the body that tells the end of a fault, and who ended it."""
    return {"FaultOccurrenceId": occurrence, "Operator": operator(who) if who else None}


def material(part: ComponentRow, places: str, place: Body) -> Members:
    """Return a part of a unit with its place; `places` is the member that holds it."""
    package = {"UniqueIdentifier": part.number, "InternalPartNumber": part.kind, "Quantity": 1.0}
    return {"UnitIdentifier": part.unit, "UnitPositionNumber": 1, "Material": package, places: [place]}


def tested(run: RunRow, outcome: Outcome, test: Body) -> Members:
    """Return the body that tells one test of the unit of a run."""
    unit = {"UnitIdentifier": run.unit, "UnitPositionNumber": 1, "OverallResult": RESULTS[outcome], "Tests": [test]}
    recipe = {"RecipeName": run.recipe, "RecipeRevision": str(run.recipe_revision)}
    made = {"TransactionId": transaction(run), "TestMethod": "Automated", "Tester": operator(run.operator)}
    return made | recipe | {"TestedUnits": [unit]}


def judged(name: str, identifier: str, outcome: Outcome, taken: tuple[Measurement, ...] = ()) -> Members:
    """Return a test with what it measured."""
    measured = [_measurement(one) for one in taken]
    return {
        "UniqueIdentifier": identifier,
        "TestName": name,
        "Result": RESULTS[outcome],
        "Measurements": measured,
    }


def _measurement(taken: Measurement) -> Members:
    """Return a measurement as CFX has it for its type."""
    common = {"MeasurementName": taken.name[:LONGEST_VALUE], "Result": "Passed" if taken.passed else "Failed"}
    value: Members
    if isinstance(taken.value, bool):
        kind, value = "Boolean", {"Value": taken.value, "ExpectedValue": taken.expected}
    elif isinstance(taken.value, str):
        kind, value = "Text", {"Value": taken.value[:LONGEST_VALUE], "ExpectedValue": _cut(taken.expected)}
    else:
        limits = {"MinimumAcceptableValue": taken.low, "MaximumAcceptableValue": taken.high}
        numbers = {"Value": taken.value, "ValueUnits": taken.unit, "ExpectedValue": taken.expected}
        kind, value = "Numeric", {"MeasuredValue": numbers | limits}
    return {"$type": f"CFX.Structures.{kind}Measurement, CFX", **common, **value}


def _cut(value: object) -> object:
    return value[:LONGEST_VALUE] if isinstance(value, str) else value
