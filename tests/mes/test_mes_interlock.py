"""Whether the MES lets a run begin: asked while it is there; while it is away by its last word, and within limits."""

from dataclasses import replace
from datetime import timedelta

import pytest
from mes_world import Floor

from station.clock import utc_now
from station.errors import Interlocked
from station.mes.answers import unit_words
from station.mes.contract import parse_envelope
from station.mes.interlock import MesInterlock
from station.records import WordKind


def test_a_unit_that_passed_the_stage_before_may_begin(floor, reference):
    """F-B2: asked before the run, and the run says so."""
    reference.say("unit", "a1", "Passed")
    run = floor.records.run(floor.begin("a1"))
    assert (run.mes, run.operator) == ("confirmed", "operator-1")


@pytest.mark.parametrize("word", ["Failed", "Skipped", "Scrap", "passed"])
def test_anything_but_a_plain_yes_is_a_no(floor, reference, word):
    """A unit that failed, is skipped, or of which it says what nobody understands, does not begin; no run is opened."""
    reference.say("unit", "a2", word, "Board test failed.")
    with pytest.raises(Interlocked, match=r"does not allow unit a2: Board test failed\.") as refusal:
        floor.begin("a2")
    assert refusal.value.hint == "Ask the line lead why the MES forbids it."
    assert floor.records.runs() == ()


def test_a_unit_that_was_completed_here_has_no_turn_again(floor, reference):
    """The MES follows what it was told: by serial and by hardware UID it knows one unit."""
    reference.say("unit", "a6", "Passed")
    floor.build(floor.begin("a6"))
    floor.work()
    with pytest.raises(Interlocked, match="was completed here already"):
        floor.begin("a6")


def test_an_answer_about_another_unit_is_a_no(floor, reference):
    """Two answers that were mixed up must not let a wrong unit pass."""
    reference.say("unit", "ANOTHER-1", "Passed")
    reference.misbehave("answers-else 1")
    with pytest.raises(Interlocked, match="answers nothing about this unit"):
        floor.begin("a3")


def test_a_person_whom_it_does_not_know_may_not_work(floor, reference):
    """Operator validation is an interlock of its own."""
    reference.say("unit", "a4", "Passed")
    reference.say("operator", "operator-2", "Failed", "Training expired")
    with pytest.raises(Interlocked, match="does not allow operator-2 at this work: Training expired"):
        floor.begin("a4", operator="operator-2")
    floor.begin("a4", operator="operator-1")


def test_it_may_be_asked_for_nothing(floor, section, station):
    """Both interlocks are off: a run begins, and says of the MES nothing."""
    off = replace(section, validate_units=False, validate_operators=False)
    request = MesInterlock(floor.records, floor.mes, off, station).permit(floor.request("a5"))
    assert request.mes == ""


@pytest.fixture
def alone(floor, reference, request):
    """A station whose MES went away after it had allowed units b1 to b4."""
    for uid in ("b1", "b2", "b3", "b4"):
        floor.records.mes_keep_words(unit_words(_advance(uid), utc_now()))
    reference.misbehave("error")
    return floor


def _advance(uid, result="Passed"):
    one = {"UniqueIdentifier": uid, "PositionNumber": 1, "Result": result, "FailureCode": 0, "Message": "OK"}
    body = {"Result": {"Result": "Success"}, "PrimaryResult": one, "ValidationResults": []}
    name = "CFX.InformationSystem.UnitValidation.ValidateUnitsResponse"
    return parse_envelope(
        {"MessageName": name, "UniqueID": "5b0e0a9e-0d3b-4c43-9d1c-1a54c1f0a001", "TimeStamp": "t", "MessageBody": body}
    )


def test_away_it_is_judged_by_its_last_word(alone):
    """domain.md 5.6: the last known prior-stage record counts, and the run is marked."""
    assert alone.records.run(alone.begin("b1")).mes == "deferred"
    assert alone.records.mes_link().away_since is not None


def test_away_a_unit_of_which_it_never_spoke_is_held(alone):
    """No word, no start."""
    with pytest.raises(Interlocked, match="never said that c1 passed the stage before") as refusal:
        alone.begin("c1")
    assert "until the MES is back" in refusal.value.hint


def test_away_a_unit_that_it_refused_last_is_held(alone):
    """The latest word counts, not the best."""
    alone.records.mes_keep_words(unit_words(_advance("b2", "Failed"), utc_now()))
    with pytest.raises(Interlocked, match="does not allow unit b2"):
        alone.begin("b2")


def test_away_only_so_many_units_begin(alone):
    """The limit of units is counted over the records, so also over a restart of the station."""
    alone.begin("b1")
    alone.begin("b2")
    again = Floor(alone.records, alone.mes, alone.interlock.section, alone.clerk.station)
    with pytest.raises(Interlocked, match="2 runs began while the MES is away; no more may"):
        again.begin("b3")


def test_away_runs_begin_for_so_many_hours_only(alone):
    """The limit of hours counts from when it was heard last."""
    alone.begin("b1")
    later = replace(alone.interlock, now=lambda: utc_now() + timedelta(hours=4, minutes=1))
    with pytest.raises(Interlocked, match="has been away for more than 4 hours"):
        later.permit(alone.request("b2"))


def test_back_it_is_not_believed_before_it_knows_everything(alone, reference):
    """Its answers would be about a past: they count again once it was told and agreed."""
    alone.begin("b1")
    reference.misbehave("none")
    assert alone.interlock.permit(alone.request("b2")).mes == "deferred"
    reference.say("unit", "b1", "Passed")
    reference.say("unit", "b2", "Passed")
    alone.work()
    assert alone.interlock.permit(alone.request("b2")).mes == "confirmed"


def test_a_word_is_kept_once_however_often_it_is_asked(floor, reference):
    """A slot that waits asks every two seconds; the records grow only when the answer changes."""
    reference.say("unit", "d1", "Failed", "Not yet")
    for _ in range(3):
        with pytest.raises(Interlocked):
            floor.begin("d1")
    reference.say("unit", "d1", "Passed")
    floor.begin("d1")
    with floor.records.database.read() as session:
        count = session.connection().exec_driver_sql("SELECT count(*) FROM mes_word WHERE subject = 'd1'").scalar_one()
    assert (count, floor.records.mes_word(WordKind.UNIT, "d1").passed) == (2, True)
