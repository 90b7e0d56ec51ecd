"""That a unit passed its tests, as an in-toto test result: signed, about the passport by its SHA-256.

# Ref: https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md
"""

import json
from collections.abc import Mapping
from typing import Any

from station.records.export_units import TracedUnit
from station.trace.export.envelope import Signer, sealed, statement_of

PREDICATE = "https://in-toto.io/attestation/test-result/v0.1"
PASSED = "PASS"


def attestation_of(unit: TracedUnit, signer: Signer) -> bytes:
    """Return the signed test result of a released unit, as one line."""
    passport = json.loads(unit.passport)
    statement = statement_of(f"{unit.serial}.json", unit.passport_sha256, PREDICATE, result_of(passport))
    return sealed(statement, signer)


def result_of(passport: Mapping[str, Any]) -> dict[str, Any]:
    """Return what passed and what did not, by a unit's passport: steps, measurements, and results of test equipment."""
    steps = {f"step {each['name']}": each["outcome"] in (PASSED, "SKIPPED") for each in passport["acceptance"]}
    taken = {f"measurement {each['name']}": bool(each["passed"]) for each in passport["measurements"]}
    results = {f"result {each['test']}": each["verdict"] == PASSED for each in passport.get("results", ())}
    tests = steps | taken | results
    failed = [name for name, passed in tests.items() if not passed]
    production, firmware = passport["production"], passport["firmware"]
    return {
        "result": "FAILED" if failed else "PASSED",
        "configuration": [
            {"name": f"recipe {production['recipe']}", "digest": {"sha256": production["recipe_digest"]}},
            {"name": f"firmware {firmware['version']}", "digest": {"sha256": firmware["sha256"]}},
        ],
        "url": f"urn:charger-station:run:{production['run']}",
        "passedTests": [name for name, passed in tests.items() if passed],
        "warnedTests": [],
        "failedTests": failed,
    }
