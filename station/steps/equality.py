"""The last look at a unit's number before it leaves: label, device, certificate, OCPP and passport agree (F-B6).

Each step compared what it saw; here all of it is compared once more, side by side, from what was recorded. That the
CPMS has the same number is proven after the release, by its read-back, before the unit is packable.
"""

import json
from collections.abc import Iterable

from station.bench import Bench
from station.cpms.payload import common_name
from station.documents.label import parse_label_code
from station.errors import Defect, UnitError
from station.identifiers import equality_gate
from station.model import Measurement, UnitRecord
from station.steps.label import TEMPLATE

MEASURED = {"boot": "boot_serial_number", "device": "device_serial", "certificate": "certificate_name"}
"""Serial numbers that steps of the run measured, by where they were seen."""
CLAIMED = "ocpp_identity"
"""The identity with which the unit connected: the end of the address, and the user of the login if it has one."""


def require_equality(bench: Bench, record: UnitRecord, document: bytes) -> None:
    """Refuse a unit whose number is not the same everywhere.

    Args:
        bench: The unit at the end of its run.
        record: What its documents are made of.
        document: The passport that is about to be signed.

    Raises:
        UnitError: Two places differ; the message names the first of them.
    """
    label = bench.services.records.living_label(record.serial, TEMPLATE)
    seen = {
        "label": (parse_label_code(label.code) or "") if label else "",
        "device": bench.identity.serial if bench.recipe.product.abilities.serial else None,
        "certificate": common_name(record.certificate_subject),
        "passport": str(json.loads(document)["unit"]["serial"]),
    }
    passed = bench.services.records.passed_steps(bench.run)
    taken = [measurement for step in passed for measurement in step.measurements]
    problems = equality_gate(record.serial, **seen)
    for place, name in MEASURED.items():
        problems += _differences(taken, name, record.serial, place)
    problems += equality_gate(bench.unit.serial, identity=record.ocpp_identity)
    problems += _differences(taken, CLAIMED, record.ocpp_identity, "address")
    if problems:
        hint = "Put the unit aside and call quality assurance."
        raise UnitError(Defect.WRONG_UNIT, problems[0], hint=hint)


def _differences(taken: Iterable[Measurement], name: str, expected: str, place: str) -> tuple[str, ...]:
    """Compare every measurement of a name: in the test and in the ship environment."""
    found = (str(measurement.value) for measurement in taken if measurement.name == name)
    return tuple(problem for value in found for problem in equality_gate(expected, **{place: value}))
