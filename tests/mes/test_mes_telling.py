"""What happens at a station reaches the MES: once each, in its order, in the words of IPC-CFX."""

import sys

import pytest

from fixtures.warm import run
from station.clock import utc_now
from station.errors import ServiceError
from station.mes.contract import Name
from station.mes.telling import Letter, draft
from station.model import Measurement, Outcome
from station.records import Disposition, DispositionKind, Hold, HoldScope, Part, RunRequest

RUN = [
    *("UnitsArrived", "WorkStarted", "UnitsPersonalized"),
    *("WorkStageStarted", "UnitsTested", "WorkStageCompleted") * 2,
    *("UnitsPersonalized", "UnitsTested", "WorkCompleted", "UnitsDeparted"),
]


def told(reference, station, *names):
    """Return the bodies that a station told under these names, or the names of all."""
    found = [(one["MessageName"].rpartition(".")[2], one["MessageBody"]) for one in reference.received(station)]
    found = [(name, body) for name, body in found if name != "StationStateChanged" or name in names]
    return [body for name, body in found if name in names] if names else [name for name, _ in found]


def begin(floor, reference, uid):
    reference.say("unit", uid, "Passed")
    return floor.begin(uid)


def test_a_run_is_told_in_its_order(floor, reference, station):
    """F-I7: arrival, work, each step with what it measured, what the unit was given, and the result."""
    unit = floor.build(begin(floor, reference, "a1"))
    floor.work()
    assert told(reference, station) == RUN
    (first, *_) = told(reference, station, "UnitsTested")
    assert first["TestedUnits"][0]["UnitIdentifier"] == unit
    assert first["Tester"] == {"OperatorIdentifier": "operator-1", "ActorType": "Human"}
    measured = first["TestedUnits"][0]["Tests"][0]["Measurements"][0]["MeasuredValue"]
    assert (measured["Value"], measured["ValueUnits"], measured["MaximumAcceptableValue"]) == (230.1, "V", 253.0)


def test_what_a_unit_was_given_is_told_by_name_and_nothing_else(floor, reference, station):
    """UnitsPersonalized: serial, identity and fingerprints; what nobody named as harmless stays here."""
    unit = floor.build(begin(floor, reference, "a2"))
    floor.work()
    assigned, body = told(reference, station, "UnitsPersonalized")
    given = {one["Name"]: one["Value"] for one in body["PersonalizedUnits"][0]["Characteristics"]}
    assert {one["Name"] for one in assigned["PersonalizedUnits"][0]["Characteristics"]} == {"serial", "hardware_uid"}
    assert given["serial"] == given["ocpp_identity"] == unit
    assert set(given) - {"passport_revision", "passport_sha256"} == {
        "serial",
        "ocpp_identity",
        "certificate_sha256",
        "firmware",
    }


@pytest.mark.parametrize(
    ("outcome", "fault", "words"),
    [
        (Outcome.FAIL, "ocpp", ("Failed", "Failed")),
        (Outcome.ERROR, "hsm", ("Error", "Aborted")),
        (Outcome.ABORTED, "", ("Aborted", "Aborted")),
    ],
)
def test_whose_fault_it_was_stays_told_apart(floor, reference, station, outcome, fault, words):
    """FAIL blames the unit, ERROR the station: CFX has the same distinction, and a station's fault fails no unit."""
    run = begin(floor, reference, f"b{len(fault)}")
    floor.step(run, "identify", outcome, fault=fault, reason="It does not answer.")
    floor.records.close_run(run, outcome, fault=fault, reason="It does not answer.")
    floor.work()
    last = told(reference, station, "UnitsTested")[-1]["TestedUnits"][0]
    assert (last["OverallResult"], last["Tests"][0]["Error"]) == (words[0], "It does not answer.")
    assert told(reference, station, "WorkCompleted")[0]["Result"] == words[1]
    assert len(told(reference, station, "FaultOccurred")) == (outcome is Outcome.ERROR)


def test_a_fault_ends_when_the_slot_takes_the_next_run(floor, reference, station):
    """FaultCleared names the fault that occurred."""
    run = begin(floor, reference, "c1")
    floor.records.close_run(run, Outcome.ERROR, fault="link", reason="Contact was lost.")
    begin(floor, reference, "c1")
    floor.work()
    (occurred,), (cleared,) = told(reference, station, "FaultOccurred"), told(reference, station, "FaultCleared")
    assert cleared["FaultOccurrenceId"] == occurred["Fault"]["FaultOccurrenceId"]
    assert occurred["Fault"]["TransactionID"] == told(reference, station, "WorkStarted")[0]["TransactionID"]


def test_holds_and_parts_are_told(floor, reference, station):
    """What quality and genealogy decide leaves nobody out: no shadow data."""
    run = begin(floor, reference, "d1")
    unit = floor.unit(run)
    floor.records.attach(Part(unit, "contactor", "K1", serial="K-77"), "operator-1", run)
    floor.records.close_run(run, Outcome.ABORTED)
    hold = floor.records.hold(Hold(HoldScope.UNIT, unit, "It fell down.", "qa-1"))
    floor.records.lift(hold.ref, "qa-1", "It was looked at.")
    floor.records.detach(unit, "contactor", "K1", "It is worn.", "rework-1")
    floor.work()
    names = told(reference, station)
    assert (names[3], names[-3:]) == ("MaterialsInstalled", ["FaultOccurred", "FaultCleared", "MaterialsUninstalled"])
    (fault,), (cleared,) = told(reference, station, "FaultOccurred"), told(reference, station, "FaultCleared")
    assert (fault["Fault"]["FaultCode"], fault["Fault"]["Description"]) == (f"hold:unit:{unit}", "It fell down. (qa-1)")
    assert cleared["FaultOccurrenceId"] == fault["Fault"]["FaultOccurrenceId"]
    (installed,) = told(reference, station, "MaterialsInstalled")
    assert installed["InstalledMaterials"][0]["Material"]["UniqueIdentifier"] == "K-77"


def test_rework_and_scrap_are_told(floor, reference, station):
    """A rework is a fault that its repair ends; what was scrapped leaves every route of the MES at once."""
    unit = floor.build(begin(floor, reference, "d2"))
    floor.records.dispose(Disposition(DispositionKind.REWORK, unit, "label", "The label is torn.", "rework-1"))
    floor.settle()
    floor.build(begin(floor, reference, "d2"))
    floor.records.dispose(Disposition(DispositionKind.SCRAP, unit, "cracked", "The housing is cracked.", "qa-1"))
    floor.work()
    (fault,), (cleared,) = told(reference, station, "FaultOccurred"), told(reference, station, "FaultCleared")
    assert cleared["FaultOccurrenceId"] == fault["Fault"]["FaultOccurrenceId"]
    (repaired,), (gone,) = told(reference, station, "UnitsRepaired"), told(reference, station, "UnitsDisqualified")
    assert repaired["RepairedUnits"][0]["Repairs"][0]["RepairName"] == "label"
    assert gone["Comments"] == "cracked: The housing is cracked. (qa-1)"


def test_many_measurements_are_told_in_several_messages(floor, reference, station):
    """A message has a bounded size, and no value is left out."""
    run = begin(floor, reference, "e1")
    taken = tuple(Measurement(f"m{number}", "x" * 900 if number else True) for number in range(60))
    floor.step(run, "identify", measurements=taken)
    floor.work()
    tests = [body["TestedUnits"][0]["Tests"][0] for body in told(reference, station, "UnitsTested")]
    assert [len(test["Measurements"]) for test in tests] == [20, 20, 20]
    assert [test["Measurements"][-1]["MeasurementName"] for test in tests] == ["m19", "m39", "m59"]


def test_what_no_message_can_hold_is_noted_and_stops_no_other(floor, reference, station):
    """A change too large for a row is an event for engineering; the next ones are told."""
    run = begin(floor, reference, "e2")
    floor.step(run, "identify", measurements=(Measurement("m" * 9, 1.0, "V" * 70_000),))
    floor.records.close_run(run, Outcome.ABORTED)
    floor.work()
    (event,) = floor.records.events(kind="mes-untold")
    assert event.subject.startswith("step/")
    assert told(reference, station)[-2:] == ["WorkCompleted", "UnitsDeparted"]


def persist(floor, reference):
    """Work until the MES takes everything, as the worker's thread does; a message comes first and meets the fault."""
    floor.clerk.tell()
    for _ in range(6):
        try:
            floor.clerk.deliver()
            floor.work()
        except ServiceError:
            if reference.process.poll() is not None:
                reference.start()
        else:
            return
    raise AssertionError("the MES never took everything")


FAULTS = {
    "error 4": 1, "busy 1": 1, "garbage 1": 1, "huge 1": 1, "lost-answer 1": 2, "cut-answer 1": 2, "crash 1": 2,
}  # fmt: skip
"""Faults, and how often the first message comes to be received under them."""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_stubborn_mes_has_each_message_once_and_in_order(floor, reference, station, fault):
    """At least once: what was kept and not answered is sent again under its own id, and nothing overtakes it."""
    floor.build(begin(floor, reference, f"f{list(FAULTS).index(fault)}"))
    reference.misbehave(fault)
    persist(floor, reference)
    assert (reference.directory / "fault").read_text() == f"{fault.split()[0]} 0"
    assert told(reference, station) == RUN
    assert [one["received"] for one in reference.received(station)][:2] == [FAULTS[fault], 1]
    assert floor.records.mes_depth() == 0


def test_an_mes_that_is_off_gets_everything_later(floor, reference, station):
    """Store and forward: three units are built while it is off, and told in the order in which they were."""
    runs = [begin(floor, reference, uid) for uid in ("91", "92", "93")]
    reference.kill()
    with pytest.raises(ServiceError, match="is away"):
        floor.work()
    units = [floor.build(run) for run in runs]
    assert floor.records.mes_depth() > 20
    reference.start()
    floor.work()
    completed = told(reference, station, "WorkCompleted")
    assert [body["PrimaryIdentifier"] for body in completed] == units


def test_a_message_that_it_refuses_holds_up_no_other(floor, reference, station):
    """What has a wrong form for the MES is kept with the reason, and the next ones follow."""
    body = {"TransactionID": "x", "Result": "Perfect"}
    floor.records.mes_tell([draft(f"test/{station}", Letter(Name.WORK_COMPLETED, "U-1", utc_now(), body))])
    begin(floor, reference, "81")
    (refused,) = floor.work()
    assert refused == "WorkCompleted U-1: status 422, MessageBody.Units, MessageBody.Result"
    assert told(reference, station) == RUN[:3]


KILLED = """
import os, sys
sys.path.insert(0, sys.argv[1])
from mes_world import TOKEN, Caller, Floor, open_rest
from station.config import MesSection
from station.records import open_records

class Dying:
    # Takes so many messages, and then the power is cut: before our records know of the last.
    def __init__(self, mes, left):
        self.mes, self.left = mes, left

    def deliver(self, envelope):
        done = self.mes.deliver(envelope)
        self.left -= 1
        if not self.left:
            os._exit(9)
        return done

_, _, url, station, address, left = sys.argv
with open_records(url, station) as records:
    mes = Dying(open_rest(address, station, Caller(lambda: TOKEN), 3.0), int(left))
    floor = Floor(records, mes, MesSection(), station)
    floor.clerk.tell()
    floor.clerk.deliver()
"""


def test_a_station_that_dies_in_between_tells_nothing_twice_and_leaves_nothing_out(floor, reference, station, request):
    """A cut of power after the MES kept a message and before the records knew: it is sent again, and known."""
    floor.build(begin(floor, reference, "71"))
    place, url = str(request.path.parent), floor.records.database.url
    for left in ("1", "3"):
        command = [sys.executable, "-c", KILLED, place, url, station, reference.url, left]
        assert run(command, timeout=60, modules=["station.mes.clerk"]).returncode == 9
    floor.work()
    assert told(reference, station) == RUN
    assert [one["received"] for one in reference.received(station)][:4] == [2, 1, 2, 1]


def test_nothing_is_noted_without_an_mes(records):
    """A station without MES collects no notes, and one whose MES was switched off drops them."""
    records.open_run(RunRequest("WO-1", "aa01", "1", ("identify",), "1.2.0"))
    assert records.mes_depth() == 0
    records.mes_begin()
    records.open_run(RunRequest("WO-1", "aa02", "2", ("identify",), "1.2.0"))
    assert records.mes_depth() == 1
    records.mes_end()
    assert records.mes_depth() == 0


def close_and_fail(database):
    with database.write() as session:
        session.connection().exec_driver_sql("UPDATE run SET closed_at = started_at, outcome = 'ABORTED'")
        session.connection().exec_driver_sql("DELETE FROM run")


def test_notes_go_with_what_they_tell(floor, reference):
    """What was not written is not told: a note is of the transaction of its row."""
    begin(floor, reference, "61")
    before = floor.records.mes_depth()
    with pytest.raises(RuntimeError, match="never removed"):
        close_and_fail(floor.records.database)
    assert floor.records.mes_depth() == before
