"""What counts of imported results: the right unit and time, a value within limits; never the word PASS alone (F-I2)."""

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from station.catalog.recipes import RequiredResult
from station.config import StationConfig
from station.records import Part, SubjectKind, Taken, Verdict
from station.records.results import stage_missing
from tests.results.results_world import GOOD, NOON, REQUIRED, SERIAL, UID, Bench

LATER = NOON + timedelta(minutes=1)
PROGRAM = {"program": "board-test", "version": "4.1"}
BOARD = replace(GOOD, kind=SubjectKind.HARDWARE, subject=UID, test="rail-3v3", **PROGRAM)


def lacks(bench: Bench, *required: RequiredResult) -> tuple[str, ...]:
    return bench.records.missing_results(SERIAL, required or (REQUIRED,))


def test_missing_result_is_named(bench: Bench) -> None:
    """P04: what nobody measured is told by name."""
    bench.unit()
    assert lacks(bench) == ("The result insulation is missing.",)


def test_good_result_counts(bench: Bench) -> None:
    bench.unit()
    assert bench.said().taken is Taken.TAKEN
    assert lacks(bench) == ()


def test_word_pass_alone_does_not_count(bench: Bench) -> None:
    """F-I2: the verdict is recomputed from a value; a tester's word is none."""
    bench.said(value=None, text="")
    assert lacks(bench) == ("insulation: 'PASS' without a value does not count.",)
    assert bench.records.results(SERIAL)[0].verdict is Verdict.UNJUDGED


def test_value_beyond_our_limits_does_not_count_whatever_the_tester_says(bench: Bench) -> None:
    """F-I2: the recipe's limits decide, not the tester's."""
    bench.said(value=0.3, text="0.3", low=0.25)
    assert lacks(bench) == ("insulation is 0.3 MOhm; at least 1 MOhm is required.",)
    assert bench.records.results(SERIAL)[0].verdict is Verdict.PASS


def test_word_fail_always_counts(bench: Bench) -> None:
    """A tester may know more than its value: it is never overruled towards PASS."""
    bench.said(word="FAIL", failed_there=True)
    assert lacks(bench) == ("insulation: the tester says 'FAIL'.",)


def test_latest_counts_and_all_are_kept(bench: Bench) -> None:
    bench.said()
    bench.said(taken_at=LATER, value=0.1, text="0.1")
    assert lacks(bench) == ("insulation is 0.1 MOhm; at least 1 MOhm is required.",)
    bench.said(taken_at=LATER + timedelta(minutes=1))
    assert lacks(bench) == ()
    assert [row.value for row in bench.records.results(SERIAL)] == [512.4, 0.1, 512.4]


def test_newer_value_that_nobody_can_read_stands_before_an_older_pass(bench: Bench) -> None:
    bench.said()
    answer = bench.said(taken_at=LATER, value=None, text="OVL", problem="its value 'OVL' is no number.")
    assert answer.taken is Taken.TAKEN
    assert answer.sentence == "It is kept and does not count: insulation: its value 'OVL' is no number."
    assert lacks(bench) == ("insulation: its value 'OVL' is no number.",)


def test_same_result_twice_adds_nothing(bench: Bench) -> None:
    assert [answer.taken for answer in bench.report(GOOD, GOOD)] == [Taken.TAKEN, Taken.KNOWN]
    assert bench.said().taken is Taken.KNOWN
    assert len(bench.records.results(SERIAL)) == 1


@pytest.mark.parametrize("subject", ["AC22-000777", "=cmd|' /C calc'!A0", "AC22-000001 "])
def test_unknown_serial_is_refused(bench: Bench, subject: str) -> None:
    """P04: a result of another unit never lands on one of ours."""
    answer = bench.said(subject=subject)
    assert (answer.taken, answer.sentence) == (Taken.REFUSED, "No unit has this serial, and no order's block holds it.")
    assert bench.records.find_results() == ()


def test_scrapped_unit_is_refused(bench: Bench) -> None:
    bench.unit()
    bench.scrap()
    assert bench.said().sentence == f"Unit {SERIAL} is scrapped."
    assert bench.said(kind=SubjectKind.HARDWARE, subject=UID).sentence == f"Unit {SERIAL} is scrapped."


def test_time_to_come_is_refused(bench: Bench) -> None:
    answer = bench.said(taken_at=datetime.now(UTC) + timedelta(hours=1))
    assert answer.taken is Taken.REFUSED
    assert answer.sentence.endswith("which is still to come: correct the tester's clock.")


def test_time_of_one_instrument_never_runs_backwards(bench: Bench) -> None:
    """An old file, or a clock that was set back, never replaces what came after it."""
    bench.said(taken_at=LATER)
    answer = bench.said(taken_at=NOON, test="hipot")
    assert answer.sentence.endswith("time can't run backwards.")
    assert bench.said(taken_at=NOON, test="hipot", instrument="another").taken is Taken.TAKEN


def test_rows_of_one_file_may_stand_in_any_order(bench: Bench) -> None:
    """A file is taken in the order of its times and answered in the order of its rows."""
    answers = bench.report(replace(GOOD, taken_at=LATER, test="hipot"), GOOD)
    assert [(answer.line, answer.test, answer.taken) for answer in answers] == [
        (1, "hipot", Taken.TAKEN),
        (2, "insulation", Taken.TAKEN),
    ]


@pytest.mark.parametrize(
    ("value", "unit", "told"),
    [
        (0.0005, "GOhm", "insulation is 0.5 MOhm; at least 1 MOhm is required."),
        (2.0, "GOhm", ""),
        (2.0, "mOhm", "insulation is 2e-09 MOhm; at least 1 MOhm is required."),
        (2.0, "mA", "insulation: 'mA' can't be converted to 'MOhm'."),
    ],
)
def test_units_are_compared_as_one(bench: Bench, value: float, unit: str, told: str) -> None:
    """UCUM: mOhm and MOhm differ by nine powers of ten, and milliampere is no resistance."""
    bench.said(value=value, text=str(value), unit=unit)
    assert lacks(bench) == ((told,) if told else ())


def test_value_out_of_range_fulfils_only_the_limit_that_it_shows(bench: Bench) -> None:
    """`>999` is at least 999, and nobody knows how much: a highest limit can't be judged by it."""
    bench.said(value=999.0, text="> 999")
    assert lacks(bench) == ()
    (told,) = lacks(bench, RequiredResult("insulation", "MOhm", low=1.0, high=2000.0))
    assert told == "insulation is >999 MOhm; 1 to 2000 MOhm is required."


def test_changed_hardware_must_be_measured_again(bench: Bench) -> None:
    """F-I2, F-I1: a swap re-opens the tests that its part declares, and an older file can't close them again."""
    bench.unit()
    bench.said()
    bench.said(test="display", unit="1")
    bench.swap("contactor", opens=("insulation",))
    (told,) = lacks(bench)
    assert told.startswith("insulation must be measured again: the hardware was changed at")
    assert lacks(bench, RequiredResult("display", "1", low=0.0)) == ()
    assert bench.said(taken_at=LATER).sentence.endswith("measure again.")
    assert bench.said(taken_at=datetime.now(UTC) + timedelta(seconds=1)).taken is Taken.TAKEN
    assert lacks(bench) == ()


def test_results_of_a_part_follow_the_part(bench: Bench) -> None:
    """F-I1: a board's test is the unit's as long as the board is in it."""
    bench.unit()
    bench.said(kind=SubjectKind.COMPONENT, subject="PCB-77")
    assert lacks(bench) == ("The result insulation is missing.",)
    bench.records.attach(Part(SERIAL, "board", "main", "PCB-77"), "operator-1")
    assert lacks(bench) == ()
    bench.records.detach(SERIAL, "board", "main", "it smells", "rework-1")
    assert lacks(bench) == ("The result insulation is missing.",)


def stage(bench: Bench) -> tuple[str, ...]:
    with bench.records.database.read() as session:
        return stage_missing(session, UID, "", "board-test")


def test_stage_is_passed_by_its_own_limits(bench: Bench) -> None:
    """F-B2: a board is tested before it is a unit, so by the hardware's own id."""
    assert stage(bench) == ("There is no result of board-test for this unit.",)
    bench.report(BOARD, replace(BOARD, test="ambient", low=None))
    assert stage(bench) == ()


def test_stage_fails_by_any_of_its_tests(bench: Bench) -> None:
    bench.report(BOARD, replace(BOARD, test="clock", value=0.2))
    assert stage(bench) == ("board-test: clock is 0.2 MOhm, outside of its limits.",)
    bench.report(replace(BOARD, test="clock", taken_at=LATER))
    assert stage(bench) == ()


def test_stage_fails_by_the_testers_own_word(bench: Bench) -> None:
    bench.report(replace(BOARD, word="FAIL", failed_there=True))
    assert stage(bench) == ("board-test: rail-3v3: the tester says 'FAIL'.",)


def test_stage_needs_more_than_words(bench: Bench) -> None:
    bench.report(replace(BOARD, low=None))
    assert stage(bench) == ("board-test reported nothing with value and limits: its word alone does not count.",)


def test_new_version_of_a_program_stands_for_itself(bench: Bench) -> None:
    """A test that the new version no longer has can't hold a board for ever, and its old PASS can't free one."""
    bench.report(replace(BOARD, test="clock", value=0.2))
    bench.report(replace(BOARD, version="5.0", taken_at=LATER))
    assert stage(bench) == ()


def test_results_are_only_ever_added(bench: Bench, config: StationConfig) -> None:
    bench.said()
    with sqlite3.connect(config.directory / "station.db") as connection:
        for statement in ("UPDATE result SET value = 1", "DELETE FROM result"):
            with pytest.raises(sqlite3.IntegrityError, match="rows of result"):
                connection.execute(statement)


def test_results_that_count_stand_in_the_recipes_words(bench: Bench) -> None:
    """What the passport says: the recipe's unit and limits, and nothing that failed or nobody judged."""
    bench.unit()
    bench.report(GOOD, replace(GOOD, test="display", low=None), replace(GOOD, test="hum", value=0.1), BOARD)
    found = bench.records.counting_results(SERIAL, (RequiredResult("insulation", "GOhm", low=0.5),))
    assert [(row.test, row.value, row.unit, row.low) for row in found] == [
        ("insulation", 0.5124, "GOhm", 0.5),
        ("rail-3v3", 512.4, "MOhm", 1.0),
    ]
    assert bench.records.counting_results(SERIAL, (RequiredResult("insulation", "GOhm", low=0.6),)) == found[1:]


def test_result_of_before_a_change_counts_no_more(bench: Bench) -> None:
    bench.unit()
    bench.said()
    bench.swap("contactor", opens=("insulation",))
    assert bench.records.counting_results(SERIAL) == ()
