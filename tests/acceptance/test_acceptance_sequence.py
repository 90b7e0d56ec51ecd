"""The acceptance sequence against a good unit and against units that are bad in one way each (F-H1)."""

import hashlib
import json
from typing import Any

import pytest
from acceptance_station import V16, V201

from station.acceptance import ACCEPTANCE, adjusted, run_sequence
from station.clock import Deadline
from station.errors import Defect, UnitError
from station.model import OcppVersion, Outcome

VERSIONS = pytest.mark.parametrize("version", [V16, V201])
SETTING = {V16: "MeterValueSampleInterval", V201: "SampledDataCtrlr.TxUpdatedInterval"}


def examine(bench: Any, version: str = V201, limits: dict[str, float] | None = None, **options: Any) -> Any:
    """Run the whole sequence over one station."""
    credential = bench.credential()
    sequence = adjusted(ACCEPTANCE[OcppVersion(version)], {"connect": 5, "boot": 2, **(limits or {})})
    with (
        bench.server.expect(bench.expected(credential, version)) as visit,
        bench.station(credential, version=version, **options),
    ):
        try:
            run_sequence(
                visit, sequence, settings={SETTING[version]: "17"}, deadline=Deadline(30), renewal=bench.renewal()
            )
        except UnitError as error:
            return error, visit
    return None, visit


@VERSIONS
@pytest.mark.parametrize("style", ["reconnect", "same socket", "boot first", "no answer"])
def test_a_good_unit_passes_however_it_restarts(bench: Any, version: str, style: str) -> None:
    error, visit = examine(bench, version, reset_style=style)
    assert error is None
    outcomes = {result.name: result.outcome for result in visit.results}
    assert list(outcomes) == [check.name for check in ACCEPTANCE[OcppVersion(version)]]
    assert set(outcomes.values()) == {Outcome.PASS}, visit.findings


@VERSIONS
def test_a_good_unit_leaves_measurements_and_settings(bench: Any, version: str) -> None:
    error, visit = examine(bench, version)
    values = {m.name: m.value for result in visit.results for m in result.measurements}
    assert error is None
    assert values["tls_version"] in {"TLSv1.2", "TLSv1.3"}
    assert values[SETTING[version]] == "17"
    assert abs(values["clock_offset"]) < 5


def wrong_setting(payload: dict[str, Any]) -> dict[str, Any]:
    if "key" in payload:
        return {"status": "Accepted"}
    item = {k: v for k, v in payload["setVariableData"][0].items() if k != "attributeValue"}
    return {"setVariableResult": [{**item, "attributeStatus": "Accepted"}]}


BAD = {
    "other model": ({"model": "AC11"}, Defect.CONFIGURATION, "says 'AC11' as model, ordered is 'AC22'"),
    "other serial": ({"serial": "AC22-000009"}, Defect.CONFIGURATION, "as serial number"),
    "old firmware": ({"firmware": "1.3.0"}, Defect.CONFIGURATION, "says '1.3.0' as firmware"),
    "never boots": ({"silent_at_boot": True}, Defect.OCPP, "No BootNotification within 2 s"),
    "silent connector": ({"silent_connectors": (2,)}, Defect.OCPP, "No StatusNotification of connector 2 within 2 s"),
    "faulted connector": ({"faulted_connectors": (1,)}, Defect.OCPP, "connector 1 reports Faulted"),
    "third connector": ({"connectors": 3}, Defect.CONFIGURATION, "reports connector 3, which was not ordered"),
    "clock an hour off": ({"clock_offset": 3600.0}, Defect.CLOCK, "clock is off by +3600 s"),
    "ignores trigger": (
        {"overrides": {"TriggerMessage": {"status": "Accepted"}}},
        Defect.OCPP,
        "No BootNotification after TriggerMessage",
    ),
    "ignores availability": (
        {"overrides": {"ChangeAvailability": {"status": "Accepted"}}},
        Defect.OCPP,
        "accepted ChangeAvailability(Inoperative) but nothing changed",
    ),
    "ignores reset": (
        {"overrides": {"Reset": {"status": "Accepted"}}},
        Defect.OCPP,
        "accepted Reset but nothing changed",
    ),
    "refuses reset": ({"overrides": {"Reset": {"status": "Rejected"}}}, Defect.OCPP, "answered Reset with 'Rejected'"),
    "errors at reset": ({"overrides": {"Reset": "InternalError"}}, Defect.OCPP, "Reset with the error InternalError"),
    "ignores settings": (
        {"overrides": {"ChangeConfiguration": wrong_setting, "SetVariables": wrong_setting}},
        Defect.OCPP,
        "but nothing changed: it reads '60'",
    ),
}
QUICK = {"accept": 2, "into service": 2, "status": 2, "availability": 2, "reset": 2}


@VERSIONS
@pytest.mark.parametrize("case", BAD)
def test_a_bad_unit_fails_with_the_reason(bench: Any, version: str, case: str) -> None:
    options, defect, reason = BAD[case]
    error, visit = examine(bench, version, QUICK, **options)
    assert error.defect is defect
    assert reason in error.message
    assert visit.results[-1].outcome is Outcome.FAIL


@VERSIONS
def test_a_readable_password_fails_and_is_not_told(bench: Any, version: str) -> None:
    """F-D2: what was read stays out of message and transcript."""
    name = {V16: "AuthorizationKey", V201: "SecurityCtrlr.BasicAuthPassword"}[version]
    error, visit = examine(bench, version, settings={name: "hunter2hunter2hunter2"})
    assert error.defect is Defect.CONFIGURATION
    assert f"{name} can be read" in error.message
    assert b"hunter2" not in visit.transcript().data


def test_an_optional_check_is_recorded_and_does_not_end_the_sequence(bench: Any) -> None:
    credential, overrides = bench.credential(), {"ChangeAvailability": {"status": "Rejected"}}
    sequence = adjusted(ACCEPTANCE[OcppVersion.V16], {}, frozenset({"availability"}))
    with (
        bench.server.expect(bench.expected(credential, V16)) as visit,
        bench.station(credential, version=V16, overrides=overrides),
    ):
        results = run_sequence(visit, sequence, settings={}, deadline=Deadline(30))
    outcomes = {result.name: result.outcome for result in results}
    assert outcomes["availability"] is Outcome.FAIL
    assert outcomes["settings after reset"] is Outcome.PASS


def test_a_broken_schema_is_a_finding_and_not_the_end(bench: Any) -> None:
    """A serial of more than 25 characters breaks the schema; the unit is judged all the same."""
    long = "AC22-0000000000000000000000000001"
    credential = bench.credential(long)
    expected = bench.expected(credential, serial=long)
    with bench.server.expect(expected) as visit, bench.station(credential, serial=long):
        results = run_sequence(visit, ACCEPTANCE[OcppVersion.V201], settings={}, deadline=Deadline(30))
    assert results[-1].name == "conformance"
    assert results[-1].outcome is Outcome.FAIL
    assert "serialNumber breaks maxLength" in results[-1].detail
    assert [r.name for r in results if r.outcome is Outcome.SKIPPED] == ["renewal", "renewed certificate"]
    assert [r.outcome for r in results[:-1]].count(Outcome.PASS) == len(results) - 3


def test_a_unit_that_cannot_be_triggered_boots_by_itself(bench: Any) -> None:
    """B02: the interval given with Pending brings the next BootNotification."""
    credential = bench.credential()
    refuse = {"TriggerMessage": "NotImplemented"}
    sequence = [check for check in ACCEPTANCE[OcppVersion.V201] if check.name in {"connect", "boot", "accept"}]
    with (
        bench.server.expect(bench.expected(credential)) as visit,
        bench.station(credential, overrides=refuse) as station,
    ):
        run_sequence(visit, sequence[:2], settings={}, deadline=Deadline(30))
        station.boot()
        visit.until(lambda: len(visit.messages("BootNotification")) > 1 or None, Deadline(30))
        threading_boot = station.boot
        station.overrides["TriggerMessage"] = lambda payload: (threading_boot(), "NotImplemented")[1]
        results = run_sequence(visit, sequence[2:], settings={}, deadline=Deadline(30))
    assert "was answered with NotImplemented" in results[0].detail


def test_progress_rises_to_one(bench: Any) -> None:
    credential, told = bench.credential(), []
    with bench.server.expect(bench.expected(credential)) as visit, bench.station(credential):
        run_sequence(visit, ACCEPTANCE[OcppVersion.V201], settings={}, deadline=Deadline(30), progress=told.append)
    assert told == sorted(told)
    assert (told[0], told[-1]) == (0.0, 1.0)


def test_the_transcript_is_json_lines_with_its_hash(bench: Any) -> None:
    _, visit = examine(bench)
    transcript = visit.transcript()
    lines = [json.loads(line) for line in transcript.data.splitlines()]
    assert transcript.sha256 == hashlib.sha256(transcript.data).hexdigest() == visit.transcript_sha256()
    assert lines[0]["event"] == "connected"
    assert lines[0]["certificate_sha256"] == visit.connections[0].certificate.sha256
    assert {line.get("direction") for line in lines} == {"in", "out", None}
