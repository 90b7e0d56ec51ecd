"""After it was away: everything is told, then both sides compare, and what differs is reported and held."""

import json

import pytest
from mes_world import job

from station.board import Board
from station.errors import ServiceError
from station.mes.worker import MesWorker
from station.model import LineView
from station.records import HoldKind, HoldScope, WordKind


def words(*units, result="Passed"):
    told = [
        {"UniqueIdentifier": unit, "PositionNumber": 1, "Result": result, "FailureCode": 0, "Message": "OK"}
        for unit in units
    ]
    return {"Result": {"Result": "Success"}, "PrimaryResult": None, "ValidationResults": told}


ADVANCE = "CFX.InformationSystem.UnitValidation.ValidateUnitsResponse"


def shift_alone(floor, reference, *units):
    """Have units allowed in advance, lose the MES, build them, and get it back."""
    reference.send(ADVANCE, words(*units), floor.clerk.station)
    floor.work()
    reference.misbehave("error")
    runs = [floor.begin(uid) for uid in units]
    built = [floor.build(run) for run in runs]
    reference.misbehave("none")
    return built


def test_a_shift_without_the_mes_is_agreed_afterwards(floor, reference, station):
    """domain.md 5.6: MES down for a shift; units are built on its word in advance, told in order, and compared."""
    built = shift_alone(floor, reference, "a1", "a2")
    reference.say("unit", "a1", "Passed")
    reference.say("unit", "a2", "Passed")
    floor.work()
    assert (floor.report.runs, floor.report.equal, floor.report.sent_again) == (2, True, 0)
    assert floor.records.mes_link().away_since is None
    (event,) = floor.records.events(station, "mes-reconciled")
    assert json.loads(event.body)["messages"] >= 26
    completed = [
        one["MessageBody"] for one in reference.received(station) if one["MessageName"].endswith("WorkCompleted")
    ]
    assert [body["PrimaryIdentifier"] for body in completed] == built


def test_a_unit_that_it_would_not_have_allowed_is_quarantined(floor, reference, station):
    """What was built on an old word is held once the MES says no."""
    _, bad = shift_alone(floor, reference, "b1", "b2")
    reference.say("unit", "b1", "Passed")
    reference.say("unit", "b2", "Failed", "Recalled by the board shop")
    floor.work()
    assert [(one.unit, one.sentence) for one in floor.report.refused] == [(bad, "Recalled by the board shop.")]
    (hold,) = floor.records.holds()
    assert (hold.scope, hold.subject, hold.kind) == (HoldScope.UNIT, bad, HoldKind.QUARANTINE)


def test_what_it_lost_is_sent_again(floor, reference, station):
    """An MES that was restored from a backup lacks what it confirmed; it gets it again, under the same ids."""
    reference.say("unit", "c1", "Passed")
    floor.begin("c1")
    floor.records.mes_lost()
    floor.clerk.tell()
    floor.clerk.deliver()
    lost = reference.received(station)[1]
    reference.admin("DELETE", f"messages/{lost['UniqueID']}")
    floor.work()
    assert floor.report.sent_again == 1
    assert {one["UniqueID"] for one in reference.received(station)} >= {lost["UniqueID"]}


def test_it_goes_away_again_while_they_agree(floor, reference):
    """Agreement begins anew, and is reported once."""
    shift_alone(floor, reference, "d1")
    floor.clerk.tell()
    floor.clerk.deliver()
    reference.misbehave("error 3")
    with pytest.raises(ServiceError):
        floor.clerk.reconcile()
    assert floor.records.mes_link().away_since is not None
    reference.say("unit", "d1", "Passed")
    floor.work()
    assert floor.report.equal


def test_orders_come_once_each_with_a_verdict(floor, reference, station):
    """One order of a message that is refused stops no other; each gets its answer, also when all come twice."""
    name = "CFX.InformationSystem.WorkOrderManagement.WorkOrdersCreated"
    jobs = [job("WO-7"), job("WO-BAD"), job("WO-8", status="AwaitingApproval"), {"Quantity": 1}]
    reference.send(name, {"NewOrders": jobs}, station)
    reference.misbehave("duplicates")
    floor.clerk.listen()
    reference.misbehave("none")
    floor.work()
    assert floor.desk.made == [("WO-7", "service:mes")]
    answers = [one for one in reference.received(station) if one["RequestID"]]
    assert [one["MessageName"].rpartition(".")[2] for one in answers] == [
        "WorkOrderStatusUpdated",
        *["NotSupportedResponse"] * 3,
    ]
    assert answers[0]["MessageBody"]["NewStatus"] == "ApprovedAndPending"
    assert "its product is unknown" in answers[1]["MessageBody"]["RequestResult"]["Message"]


def test_messages_that_come_in_another_order_are_taken_in_theirs(floor, reference, station):
    """The feed's positions count: an order is paused after it was opened, whatever came first on the wire."""
    name = "CFX.InformationSystem.WorkOrderManagement.WorkOrderStatusUpdated"
    for status in ("InProcess", "OnHold", "Cancelled"):
        reference.send(name, {"WorkOrderIdentifier": {"WorkOrderId": "WO-1"}, "NewStatus": status}, station)
    reference.misbehave("reorders")
    floor.clerk.listen()
    assert [state for _, state, _, _ in floor.desk.states] == ["open", "paused", "closed"]


@pytest.mark.parametrize(
    ("name", "body", "sentence"),
    [
        ("CFX.Production.LockStationRequest", {}, "takes no such message"),
        (ADVANCE, {"Result": {"Result": "Success"}}, "speaks of 0 units"),
        ("CFX.InformationSystem.WorkOrderManagement.WorkOrdersCreated", {"NewOrders": {}}, "not a list of 1 to 100"),
        ("CFX.InformationSystem.WorkOrderManagement.WorkOrderStatusUpdated", {"NewStatus": "?"}, "names no work order"),
    ],
)
def test_what_nobody_understands_is_answered_and_holds_up_nothing(floor, reference, station, name, body, sentence):
    """A message that means nothing here is refused by an answer, and the next one is taken."""
    reference.send(name, body, station)
    reference.send(ADVANCE, words("e1"), station)
    floor.work()
    (answer,) = [one for one in reference.received(station) if one["MessageName"] == "CFX.NotSupportedResponse"]
    assert sentence in answer["MessageBody"]["RequestResult"]["Message"]
    assert floor.records.mes_word(WordKind.UNIT, "e1").passed


def test_the_worker_says_what_is_wrong_and_when_it_is_over(floor, reference):
    """An alarm with the next step while the MES is away; none once it is back, but what differed stays."""
    board = Board(LineView(floor.clerk.station, 1, ()))
    worker = MesWorker(floor.clerk, board)
    worker.turn()
    assert board.view().alarms == ()
    (unit,) = shift_alone(floor, reference, "f1")
    reference.kill()
    MesWorker(floor.clerk, board).turn()
    assert [alarm.split(":")[0] for alarm in board.view().alarms] == ["MES"]
    assert "Check the network to the MES" in board.view().alarms[0]
    reference.start()
    reference.say("unit", "f1", "Failed", "Recalled")
    MesWorker(floor.clerk, board).turn()
    assert board.view().alarms == (
        "MES differs after it was away: 1 unit(s) in quarantine, 0 message(s) sent again. Read 'station mes report'.",
    )
    assert floor.records.holds()[0].subject == unit
