"""Whatever stands in a frame: a request gets one answer, in order, nothing else gets any, and nothing breaks."""

import json
import string
from typing import Any

import pytest
from acceptance_station import V16, V201
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.sync.client import ClientConnection

from station.acceptance import ACCEPTANCE, run_sequence
from station.clock import Deadline
from station.model import OcppVersion, Outcome

V21 = "ocpp2.1"
VERSIONS = pytest.mark.parametrize("version", [V16, V201, V21])
ACTIONS = ("Heartbeat", "BootNotification", "StatusNotification", "MeterValues", "TransactionEvent", "StartTransaction")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=50),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=20), inner, max_size=5),
    max_leaves=15,
)
IDS = st.sampled_from(["a", "b", "c"]) | st.text(string.ascii_letters, max_size=40) | JSON
NAMES = st.sampled_from((*ACTIONS, "NotifyPeriodicEventStream", "Reset", "../x")) | JSON
PAYLOADS = st.dictionaries(st.sampled_from(["status", "currentTime", "csr", "x"]), JSON, max_size=3) | JSON
KINDS = st.sampled_from([2, 2, 2, 3, 4, 5, 6, 0, 2.0, True, "2", 10**30]) | JSON
SHAPED = st.tuples(KINDS, IDS, NAMES, PAYLOADS) | st.tuples(KINDS, IDS, PAYLOADS) | st.lists(JSON, max_size=6)
DEEP = st.sampled_from(["[" * 40_000, '[2,"d","Heartbeat",' + '{"x":' * 900 + "1" + "}" * 900 + "]"])
LONG = st.sampled_from([json.dumps([2, "long", "DataTransfer", {"data": "x" * 60_000}]), "9" * 60_000, " " * 60_000])
FRAMES = st.one_of((SHAPED | JSON).map(json.dumps), st.text(max_size=200), st.binary(max_size=200), DEEP, LONG)


def wants_answer(frame: str | bytes) -> str:
    """Return the id of a frame that is a request by the letter, else nothing; on a way of its own."""
    try:
        text = frame if isinstance(frame, str) else frame.decode()
        message = json.loads(text, parse_constant=lambda name: 1 / 0)
    except (ValueError, RecursionError, ZeroDivisionError):
        return ""
    match message:
        case [kind, str(unique_id), *_] if type(kind) is int and kind == 2 and 1 <= len(unique_id) <= 36:
            return unique_id
    return ""


def talk(link: ClientConnection, frames: list[str | bytes]) -> list[str]:
    """Send frames, and return the ids of what was answered until a last request was."""
    for frame in frames:
        link.send(frame)
    link.send('[2,"the last one","Heartbeat",{}]')
    answered: list[str] = []
    while "the last one" not in answered:
        kind, unique_id, *_ = json.loads(link.recv(timeout=30))
        assert kind in {3, 4}
        answered.append(unique_id)
    return answered[:-1]


@VERSIONS
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(frames=st.lists(FRAMES, max_size=12))
def test_each_request_gets_one_answer_and_nothing_else_does(bench: Any, version: str, frames: list[Any]) -> None:
    """Malformed, out of order, repeated, too deep, nearly too long: findings, and the connection lives on."""
    credential = bench_credential(bench)
    with (
        bench.server.expect(bench.expected(credential, version)) as visit,
        bench.station(credential, version=version).open() as link,
    ):
        assert talk(link, frames) == [unique_id for unique_id in map(wants_answer, frames) if unique_id]
    assert not visit.failed
    assert len(visit.transcript().data.splitlines()) >= len(frames)


def bench_credential(bench: Any) -> Any:
    """Make one credential for all examples of a test."""
    if not hasattr(bench, "shared"):
        bench.shared = bench.credential()
    return bench.shared


@VERSIONS
def test_a_repeated_request_is_answered_again_and_found(bench: Any, version: str) -> None:
    credential = bench.credential()
    with (
        bench.server.expect(bench.expected(credential, version)) as visit,
        bench.station(credential, version=version).open() as link,
    ):
        assert talk(link, ['[2,"same","Heartbeat",{}]'] * 3) == ["same"] * 3
    assert visit.findings == ("message id of Heartbeat was used before",) * 2


@pytest.mark.parametrize(("version", "code"), [(V16, "FormationViolation"), (V201, "RpcFrameworkError")])
def test_a_broken_request_is_told_so(bench: Any, version: str, code: str) -> None:
    """Some stations wait for ever for the answer to a request that they broke themselves."""
    credential = bench.credential()
    with (
        bench.server.expect(bench.expected(credential, version)),
        bench.station(credential, version=version).open() as link,
    ):
        link.send('[2,"x","Heartbeat"]')
        assert json.loads(link.recv(timeout=30))[:3] == [4, "x", code]


@VERSIONS
def test_a_payload_that_breaks_its_schema_is_found_and_answered(bench: Any, version: str) -> None:
    """The place and the rule are told, never the value; what cannot be judged at all is a finding too."""
    credential = bench.credential()
    broken = json.dumps([2, "a", "SecurityEventNotification", {"type": 1, "timestamp": "2026-01-01T00:00:00Z"}])
    deep = f'[2,"b","DataTransfer",{{"vendorId":{"[" * 600}{"]" * 600}}}]'
    frames = [broken, deep, '[2,"c","DataTransfer",{}]']
    with (
        bench.server.expect(bench.expected(credential, version)) as visit,
        bench.station(credential, version=version).open() as link,
    ):
        assert talk(link, frames) == ["a", "b", "c"]
    assert visit.findings == (
        "SecurityEventNotification: $.type breaks type",
        "DataTransfer: $ is nested too deep, or has a text that is no Unicode",
        "DataTransfer: $ breaks required",
    )


def test_a_send_is_noted_and_not_answered(bench: Any) -> None:
    """OCPP 2.1: NotifyPeriodicEventStream is a SEND, and CALLRESULTERROR objects to an answer."""
    credential = bench.credential()
    stream = {"id": 1, "pending": 0, "basetime": "2026-01-01T00:00:00Z", "data": [{"t": 0, "v": "230"}]}
    frames = [json.dumps([6, "s", "NotifyPeriodicEventStream", stream]), '[5,"gone","FormatViolation","",{}]']
    with (
        bench.server.expect(bench.expected(credential, V21)) as visit,
        bench.station(credential, version=V21).open() as link,
    ):
        assert talk(link, frames) == []
    assert [message.action for message in visit.messages()] == ["NotifyPeriodicEventStream", "Heartbeat"]
    assert visit.findings == ("the unit cannot use an answer: FormatViolation",)


@pytest.mark.parametrize("version", [V16, V201])
def test_older_versions_know_neither_send_nor_objection(bench: Any, version: str) -> None:
    credential = bench.credential()
    frames = ['[6,"s","NotifyPeriodicEventStream",{}]', '[5,"gone","FormatViolation","",{}]']
    with (
        bench.server.expect(bench.expected(credential, version)) as visit,
        bench.station(credential, version=version).open() as link,
    ):
        assert talk(link, frames) == []
    assert visit.findings == (f"frame refused: no message type of {version}",) * 2


def test_replies_out_of_order_reach_the_right_command(bench: Any) -> None:
    """A station that answers a command twice, and before that one that nobody gave."""
    credential = bench.credential()
    station = bench.station(credential)

    def twice(payload: dict[str, Any]) -> dict[str, Any]:
        station.link.send('[3,"never asked",{"status":"Rejected"}]')
        station.link.send('[4,"nor this","InternalError","",{}]')
        return {"status": "Accepted"}

    station.overrides["ClearCache"] = twice
    with bench.server.expect(bench.expected(credential)) as visit, station:
        visit.until(lambda: visit.messages("BootNotification") or None, Deadline(30))
        assert visit.call("ClearCache", {}, Deadline(30)).status == "Accepted"
    assert visit.findings.count("answer to nothing that was asked") == 2


@VERSIONS
def test_a_station_that_also_sends_garbage_is_judged(bench: Any, version: str) -> None:
    """In each version a unit with a bad habit passes the sequence, and the habit is told."""
    credential, noise = bench.credential(), ('[2,"x","Heartbeat",[]]', "nonsense", '[3,"?",{}]')
    with (
        bench.server.expect(bench.expected(credential, version)) as visit,
        bench.station(credential, version=version, noise=noise),
    ):
        sequence = ACCEPTANCE[OcppVersion(version)]
        results = run_sequence(visit, sequence, settings={}, deadline=Deadline(30), renewal=bench.renewal())
    assert [r.name for r in results if r.outcome is Outcome.FAIL] == ["conformance"]
    assert len(visit.findings) == len(noise)
