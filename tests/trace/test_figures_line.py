"""Figures of the line are exact: each is compared with the same worked out the long way, row by row (F-I6)."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from math import ceil, prod
from pathlib import Path
from statistics import fmean, stdev
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event

from station.board import Board
from station.errors import ConfigError
from station.model import LineView, Outcome
from station.model.figures import FigureSheet
from station.records import ExportFilter, ExportSet, Records
from station.streaks import tell_streak
from station.trace.figures import SAMPLE, LineFigures
from station.trace.figures_ahead import FiguresAhead
from station.trace.figures_time import PERIODS, Calendar
from tests.station.cli_world import eventually
from tests.trace.figures_history import PLAN, History, LongWay, made_up, opened_with, utc

BERLIN = Calendar("Europe/Berlin", ("06:00", "14:00", "22:00"))
NOW = utc("2026-10-26T10:30:00")
"""The Monday after the clock was put back: that Sunday had 25 hours."""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the records lie."""
    return tmp_path_factory.mktemp("figures") / "station.db"


@pytest.fixture(scope="module")
def records(path: Path) -> Iterator[Records]:
    """Yield the records of five weeks."""
    with opened_with(path, made_up(8, utc("2026-09-22T00:00:00"), 24 * 36, 400)) as records:
        yield records


@pytest.fixture(scope="module")
def line(records: Records) -> LineFigures:
    """Return the figures of these records."""
    return LineFigures(records, BERLIN)


def both(line: LineFigures, path: Path, period: str, order: str = "") -> tuple[FigureSheet, LongWay]:
    sheet = line.sheet(period, NOW, order)
    return sheet, LongWay(path, sheet.period.since, sheet.period.until, order)


def rank(values: list[float], share: float) -> float:
    return values[ceil(share * len(values)) - 1]


@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("order", ["", "WO-2"])
def test_counts_and_yields(line: LineFigures, path: Path, period: str, order: str) -> None:
    sheet, slow = both(line, path, period, order)
    total = sheet.total
    assert (total.first, total.at_once) == (len(slow.first()), len(slow.at_once()))
    ends = Counter(run["outcome"] for run in slow.runs)
    assert (total.released, total.failed, sheet.aborted) == (
        ends["PASS"],
        ends["FAIL"] + ends["ERROR"],
        ends["ABORTED"],
    )
    assert {step.name: (step.entered, step.passed) for step in sheet.steps if step.entered} == slow.step_yields()
    shares = [passed / entered for entered, passed in slow.step_yields().values()]
    assert sheet.rolled == (pytest.approx(prod(shares)) if shares else None)


@pytest.mark.parametrize("order", ["WO-1", "WO-2"])
def test_orders_and_exports_have_the_same_first_pass_as_figures(records: Records, path: Path, order: str) -> None:
    slow = LongWay(path, utc("2000-01-01T00:00:00"), utc("2100-01-01T00:00:00"), order)
    tally = records.tally(order, NOW)
    assert (tally.judged, tally.first_pass) == (len(slow.first()), len(slow.at_once()))
    with records.look(ExportSet.UNITS, ExportFilter(order)) as look:
        place = list(look.source.columns).index("first_pass")
        told = Counter(row[place] for rows in look.portions() for row in rows)
    assert (told["yes"] + told["no"], told["yes"]) == (len(slow.first()), len(slow.at_once()))
    assert 0 < told["yes"] < told["yes"] + told["no"] < look_all(records, order)


def look_all(records: Records, order: str) -> int:
    with records.look(ExportSet.UNITS, ExportFilter(order)) as look:
        return look.count()


@pytest.mark.parametrize("period", PERIODS)
def test_paretos(line: LineFigures, path: Path, period: str) -> None:
    sheet, slow = both(line, path, period)
    for by, bars in sheet.paretos:
        counts = Counter(run[by] for run in slow.failed())
        assert {bar.name: bar.count for bar in bars} == counts
        assert [bar.count for bar in bars] == sorted(counts.values(), reverse=True)
        if bars:
            assert bars[-1].sum == pytest.approx(1.0)
        if by in ("slot", "operator"):
            runs = Counter(run[by] for run in slow.runs if run["outcome"] != "ABORTED")
            assert {bar.name: bar.runs for bar in bars} == {bar.name: runs[bar.name] for bar in bars}


def test_times_of_machine_and_person(line: LineFigures, path: Path) -> None:
    sheet, slow = both(line, path, "month")
    assert [step.name for step in sheet.steps] == list(PLAN)
    for step in sheet.steps:
        machine, person = slow.seconds(step.name, SAMPLE)
        assert (step.machine.half, step.machine.most) == pytest.approx((rank(machine, 0.5), rank(machine, 0.9)))
        assert step.person.count == len(person) == (len(machine) if step.name == "label" else 0)
    took = sorted(
        (run["ended"] - datetime.fromisoformat(run["started_at"])).total_seconds() for run in slow.newest(SAMPLE)
    )
    assert (sheet.cycle.count, sheet.cycle.half) == (len(took), pytest.approx(rank(took, 0.5)))
    assert sheet.waited.half == pytest.approx(rank(slow.seconds("label", SAMPLE)[1], 0.5))


def test_capability(line: LineFigures, path: Path) -> None:
    """Numbers with a limit have one; texts and truths have none."""
    sheet, slow = both(line, path, "month")
    found = {one.name: one for one in sheet.capabilities}
    assert found.keys() == {"voltage", "latency"}
    volts = slow.measured("voltage", SAMPLE)
    assert list(found["voltage"].values) == volts
    mean, deviation = fmean(volts), stdev(volts)
    assert found["voltage"].cpk == pytest.approx(min(253 - mean, mean - 207) / (3 * deviation))
    late = slow.measured("latency", SAMPLE)
    assert found["latency"].cpk == pytest.approx((200 - fmean(late)) / (3 * stdev(late)))
    assert not found["voltage"].drifts


@pytest.mark.parametrize("period", PERIODS)
def test_every_unit_is_in_one_stretch_by_the_factory_s_clock(line: LineFigures, path: Path, period: str) -> None:
    """Hours, days and shifts each share out all that was built, also on the day of 25 hours."""
    sheet, slow = both(line, path, period)
    zone = ZoneInfo("Europe/Berlin")
    for stretches in (sheet.course, sheet.shifts):
        assert sum(one.released for one in stretches) == sheet.total.released
        assert sum(one.at_once for one in stretches) == sheet.total.at_once
    begins = [one.since for one in sheet.course]
    for index, stretch in enumerate(sheet.course):
        end = begins[index + 1] if index + 1 < len(begins) else sheet.period.until
        mine = [run for run in slow.runs if stretch.since <= run["ended"] < end and run["outcome"] == "PASS"]
        assert stretch.released == len(mine)
        form = "%Y-%m-%d %H %z" if sheet.per == "hour" else "%Y-%m-%d"
        assert len({run["ended"].astimezone(zone).strftime(form) for run in mine}) <= 1


def test_day_of_25_hours_and_its_shifts() -> None:
    sunday = BERLIN.period("yesterday", NOW)
    assert (sunday.since, sunday.until) == (utc("2026-10-24T22:00:00"), utc("2026-10-25T23:00:00"))
    assert len(BERLIN.hours(sunday.since, sunday.until)) == 25
    shifts = BERLIN.shifts(sunday.since, sunday.until)
    assert [at.strftime("%d %H") for at in shifts] == ["24 20", "25 05", "25 13", "25 21"]
    night = BERLIN.period("shift", utc("2026-10-25T00:30:00"))
    assert night.until - night.since == timedelta(hours=9)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", "2026-03-29", 23),
        ("Asia/Kolkata", "2026-03-29", 24),
        ("Australia/Lord_Howe", "2026-04-05", 25),
    ],
)
def test_hours_of_a_day_follow_each_other(zone: str, day: str, hours: int) -> None:
    """Whatever the zone: half hours off UTC, and clocks put forward by half an hour."""
    found = Calendar(zone, ("06:00",)).period(
        "today", datetime.fromisoformat(f"{day}T12:00:00").replace(tzinfo=ZoneInfo(zone))
    )
    begins = Calendar(zone, ("06:00",)).hours(found.since, found.until)
    assert len(begins) == hours
    assert list(begins) == sorted(set(begins))
    assert all(at.minute % 15 == 0 for at in begins)


def test_empty_line(tmp_path: Path) -> None:
    with opened_with(tmp_path / "station.db", History(made_up(1, NOW, 1, 0).chance)) as records:
        sheet = LineFigures(records, BERLIN).sheet("today", NOW)
    assert (sheet.total.released, sheet.total.first_pass, sheet.rolled, sheet.per_hour) == (0, None, None, None)
    assert (sheet.steps, sheet.capabilities, sheet.failing, sheet.cycle.count) == ((), (), (), 0)
    assert [bars for _, bars in sheet.paretos] == [()] * 5


def test_one_unit(tmp_path: Path) -> None:
    history = made_up(1, NOW, 1, 0)
    history.run(1, NOW - timedelta(minutes=20), Outcome.PASS)
    with opened_with(tmp_path / "station.db", history) as records:
        sheet = LineFigures(records, BERLIN).sheet("shift", NOW)
    assert (sheet.total.released, sheet.total.first_pass, sheet.rolled) == (1, 1.0, 1.0)
    assert sheet.per_hour == pytest.approx(2.0)
    volt = next(one for one in sheet.capabilities if one.name == "voltage")
    assert (volt.deviation, volt.cpk, volt.shift, volt.drifts) == (None, None, None, False)


def test_what_was_counted_once_is_counted_anew_when_more_ended(tmp_path: Path) -> None:
    """Also in a day that is over: a run may be written late."""
    history = made_up(3, NOW - timedelta(hours=30), 20, 12)
    with opened_with(tmp_path / "station.db", history) as records:
        line = LineFigures(records, BERLIN)
        before = line.sheet("yesterday", NOW).total.released
        history.run(99, NOW - timedelta(hours=20), Outcome.PASS)
        history.write(records)
        assert line.sheet("yesterday", NOW).total.released == before + 1


def test_whoever_asks_first_need_not_wait_for_a_month(tmp_path: Path) -> None:
    """The station counts its days when it starts: the page then asks only whether they still hold."""
    with opened_with(tmp_path / "station.db", made_up(3, NOW - timedelta(days=9), 24 * 9, 60)) as records:
        line, asked = LineFigures(records, BERLIN), list[str]()
        event.listen(records.database.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
        ahead = FiguresAhead(line, lambda: NOW)
        ahead.start()
        eventually(lambda: sum(map(counts_runs, asked)), lambda days: days == 31)
        ahead.stop(60)
        asked.clear()
        sheet = line.sheet("month", NOW)
        assert asked
        assert not any(map(counts_runs, asked))
        assert sheet == LineFigures(records, BERLIN).sheet("month", NOW)


def counts_runs(query: str) -> bool:
    """Tell the last of the queries that count a day."""
    return "GROUP BY step_event.name" in query


def test_drift_is_told_and_chance_is_not(tmp_path: Path) -> None:
    history = made_up(5, NOW, 1, 0)
    for unit in range(60):
        history.run(unit + 1, NOW - timedelta(minutes=100 - unit), Outcome.PASS)
    for row in [row for row in history.rows["value"] if row["name"] == "voltage"][-20:]:
        row["value"] += 4.0
    with opened_with(tmp_path / "station.db", history) as records:
        found = {one.name: one for one in LineFigures(records, BERLIN).sheet("today", NOW).capabilities}
    assert found["voltage"].drifts
    assert found["voltage"].shift == pytest.approx(2.0, abs=1.0)
    assert not found["latency"].drifts


def test_slot_that_fails_three_times_in_a_row_is_told(tmp_path: Path) -> None:
    """What all slots share, and what was aborted, says nothing of a slot; a pass ends it."""
    history, at = made_up(6, NOW, 1, 0), NOW - timedelta(hours=2)
    words = (("2", "FAIL"), ("3", "FAIL"), ("2", "FAIL"), ("3", "PASS"), ("2", "ABORTED"), ("2", "FAIL"), ("3", "FAIL"))
    for unit, (slot, word) in enumerate(words, 1):
        at = history.run(unit, at, Outcome(word), slot, ends=1)
    for unit in (8, 9, 10):
        at = history.run(unit, at, Outcome.ERROR, "4", ends=1)
        history.rows["run"][-1]["fault"] = "hsm"
    with opened_with(tmp_path / "station.db", history) as records:
        (told,) = LineFigures(records, BERLIN).failing()
        assert (told.name, told.runs, told.units) == ("2", 3, 3)
        assert {(one.slot, one.runs) for one in records.streaks()} == {("2", 3), ("3", 1)}


def test_alarm_stands_on_the_line_s_page_until_a_unit_passes(tmp_path: Path) -> None:
    """Of slot 1 and not of slot 10; also a station that starts anew tells it."""
    history, at = made_up(6, NOW, 1, 0), NOW - timedelta(hours=2)
    for unit in (1, 2, 3):
        at = history.run(unit, at, Outcome.FAIL, "10", ends=1)
    board = Board(LineView("line1", 1, ()))
    with opened_with(tmp_path / "station.db", history) as records:
        for slot in ("1", "10", "1", "10"):
            tell_streak(records, board, slot)
        assert board.view().alarms == ("Slot 10 failed three times in a row. Look at its cable and its contacts.",)
        history.run(4, at, Outcome.PASS, "10")
        history.write(records)
        tell_streak(records, board, "10")
        assert board.view().alarms == ()


def test_period_that_is_none_is_refused(line: LineFigures) -> None:
    with pytest.raises(ConfigError, match="is no period"):
        line.sheet("' OR 1=1", NOW)
