"""A made-up history of a line, row by row as the station writes it, and its figures worked out the long way."""

import json
import random
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from station.clock import iso
from station.model import Outcome
from station.records import Records, SerialBlock, UnitState, WorkOrder, open_records, tables, upgrade

STATION = "line1"
PLAN = ("identify", "flash", "accept", "label")
DEFECTS = {"identify": "silent", "flash": "flash", "accept": "ocpp", "label": "configuration"}
SERVICES = ("hsm", "printer")


@dataclass
class History:
    """Rows that wait to be written, with the numbers that they get."""

    chance: random.Random
    rows: dict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: {"unit": [], "run": [], "step": [], "value": []}
    )
    runs: Iterator[int] = field(default_factory=lambda: count(1))
    known: set[int] = field(default_factory=set)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    values: Iterator[int] = field(default_factory=lambda: count(1))

    def run(self, unit: int, at: datetime, outcome: Outcome, slot: str = "1", **given: Any) -> datetime:
        """Add a run of a unit with its steps, and return when it ended."""
        if unit not in self.known:
            self.known.add(unit)
            self._unit(unit, at)
        number = next(self.runs)
        ended, fault = self._steps(number, at, outcome, **given)
        self.rows["run"].append(
            {
                "station": STATION,
                "sequence": number,
                "unit": f"AC22-{unit:06d}",
                "hardware_uid": f"{unit:06x}",
                "work_order": "WO-1" if unit % 5 else "WO-2",
                "slot": slot,
                "recipe": "ac22-eu",
                "recipe_revision": 1,
                "recipe_digest": "a" * 64,
                "firmware": self.chance.choice(("1.4.0", "1.4.1")),
                "software": "",
                "test_environment": "t",
                "ship_environment": "s",
                "plan": PLAN,
                "started_at": at,
                "closed_at": ended,
                "outcome": outcome,
                "fault": fault,
                "reason": "",
                "hint": "",
                "operator": self.chance.choice(("operator-1", "operator-2")),
            }
        )
        return ended

    def write(self, records: Records) -> None:
        """Write the rows that wait."""
        kinds = {"unit": tables.Unit, "run": tables.Run, "step": tables.StepEvent, "value": tables.MeasurementRow}
        with records.database.write() as session:
            for name, rows in self.rows.items():
                if rows:
                    session.execute(insert(kinds[name]), rows)
                rows.clear()

    def _unit(self, unit: int, at: datetime) -> None:
        row = {
            "serial": f"AC22-{unit:06d}", "hardware_uid": f"{unit:06x}",
            "work_order": "WO-1" if unit % 5 else "WO-2", "ocpp_identity": f"AC22-{unit:06d}",
            "state": UnitState.RESERVED, "reserved_at": at,
        }  # fmt: skip
        self.rows["unit"].append(row)

    def _steps(
        self, run: int, at: datetime, outcome: Outcome, ends: int = -1, retries: int = 0, cut: bool = False
    ) -> tuple[datetime, str]:
        """Add the steps of a run that ends at the step `ends`, or at the release."""
        fault = ""
        for position, name in enumerate(PLAN):
            last = position == ends and outcome is not Outcome.PASS
            for attempt in range(1, (retries if position == 1 else 0) + 2):
                repeated = attempt <= retries and position == 1
                started, waited = next(self.numbers), round(self.chance.uniform(2, 9), 3) if name == "label" else 0.0
                self._row(started, (run, position, name, attempt), at)
                if last and cut and not repeated:
                    return at + timedelta(seconds=3), fault
                took = round(self.chance.lognormvariate(2, 0.4) + waited, 3)
                at += timedelta(seconds=took)
                word = Outcome.ERROR if repeated else outcome if last else Outcome.PASS
                fault = "link" if repeated else DEFECTS[name] if last and outcome is Outcome.FAIL else ""
                fault = self.chance.choice(("link", *SERVICES)) if last and outcome is Outcome.ERROR else fault
                detail = {"copy": 1, "waited_seconds": waited} if waited else {}
                self._row(next(self.numbers), (run, position, name, attempt), at, (started, word, took, detail, fault))
                if word is Outcome.PASS:
                    self._measure(started, name)
            if last:
                return at, fault
        return at + timedelta(seconds=1), "configuration" if outcome is Outcome.FAIL else ""

    def _row(self, number: int, step: tuple[int, int, str, int], at: datetime, end: Any = None) -> None:
        (run, position, name, attempt), kind = step, "finished" if end else "started"
        started, outcome, took, detail, fault = end or (None, None, 0.0, None, "")
        self.rows["step"].append(
            {
                "station": STATION,
                "sequence": number,
                "run_sequence": run,
                "position": position,
                "name": name,
                "attempt": attempt,
                "kind": kind,
                "started_sequence": started,
                "at": at,
                "outcome": outcome,
                "fault": fault,
                "reason": "",
                "hint": "",
                "seconds": took,
                "detail": detail,
                "evidence_station": None,
                "evidence_sequence": None,
            }
        )

    def _measure(self, step: int, name: str) -> None:
        taken: tuple[tuple[Any, ...], ...] = (("version", "1.4.0", "", None, None),)
        if name == "accept":
            taken = (
                ("voltage", round(self.chance.gauss(230, 2), 2), "V", 207.0, 253.0),
                ("latency", round(abs(self.chance.gauss(80, 15)), 1), "ms", None, 200.0),
                ("secure", True, "", None, 1.0),
            )
        for what, value, unit, low, high in taken:
            self.rows["value"].append(
                {
                    "station": STATION,
                    "sequence": next(self.values),
                    "step_sequence": step,
                    "name": what,
                    "value": value,
                    "unit": unit,
                    "low": low,
                    "high": high,
                    "expected": None,
                    "passed": True,
                }
            )


def made_up(seed: int, since: datetime, hours: int, units: int) -> History:
    """Return a history of so many units within so many hours: most pass, some fail, are repeated, or were cut off."""
    chance = random.Random(seed)
    history = History(chance)
    for unit in range(1, units + 1):
        at = since + timedelta(seconds=chance.randrange(hours * 3600), milliseconds=chance.randrange(1000))
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            outcome = chance.choices(
                (Outcome.PASS, Outcome.FAIL, Outcome.ERROR, Outcome.ABORTED), weights=(80, 9, 6, 5)
            )[0]
            ends, retries = chance.choice((0, 1, 2, 3, 9)), chance.choices((0, 1, 2), weights=(90, 7, 3))[0]
            ends = 2 if outcome in (Outcome.ERROR, Outcome.ABORTED) else ends
            cut = outcome is Outcome.ABORTED and chance.random() < 0.5
            ended = history.run(unit, at, outcome, chance.choice("1234"), ends=ends, retries=retries, cut=cut)
            at = ended + timedelta(seconds=chance.randrange(60, 40_000))
    return history


def opened_with(path: Path, history: History) -> Any:
    """Return the records of a station with two orders and this history, to be entered."""
    url = f"sqlite:///{path}"
    upgrade(url)
    with open_records(url, STATION) as records:
        for number in (1, 2):
            block = SerialBlock("AC22-", 1, 999_999) if number == 1 else SerialBlock("AD22-", 1, 999_999)
            records.create_order(
                WorkOrder(f"WO-{number}", "ac22", "ac22-eu", 1, "a" * 64, 900_000, "E", block, "t", "s")
            )
        history.write(records)
    return open_records(url, STATION)


@cache
def rows_of(path: Path) -> tuple[list[dict[str, Any]], dict[int, list[dict[str, Any]]]]:
    """Return all runs with their steps, and all measurements by the step that took them, of records that stay."""
    with sqlite3.connect(path) as connection:
        connection.row_factory = sqlite3.Row
        runs = [dict(row) for row in connection.execute("SELECT * FROM run ORDER BY sequence")]
        steps, values = defaultdict(list), defaultdict(list)
        for row in connection.execute("SELECT * FROM step_event ORDER BY sequence"):
            steps[row["run_sequence"]].append(dict(row))
        for row in connection.execute("SELECT * FROM measurement ORDER BY sequence"):
            values[row["step_sequence"]].append(dict(row))
    for run in runs:
        run["ended"], run["steps"] = datetime.fromisoformat(run["closed_at"]), steps[run["sequence"]]
        run["finished"] = [step for step in run["steps"] if step["kind"] == "finished"]
    return runs, values


class LongWay:
    """The same figures from the bare rows, one run after the other."""

    def __init__(self, path: Path, since: datetime, until: datetime, order: str = "") -> None:
        self.all, self.values = rows_of(path)
        self.runs = [run for run in self.all if since <= run["ended"] < until and order in ("", run["work_order"])]

    def first(self) -> list[dict[str, Any]]:
        """Return the runs that were the first verdict on their unit, ever."""
        verdicts: dict[str, dict[str, Any]] = {}
        for run in self.all:
            if run["outcome"] != "ABORTED":
                verdicts.setdefault(run["unit"], run)
        return [run for run in self.runs if verdicts.get(run["unit"]) is run]

    def at_once(self) -> list[dict[str, Any]]:
        """Return those of them that passed without a second try."""
        return [
            run for run in self.first() if run["outcome"] == "PASS" and all(s["attempt"] == 1 for s in run["steps"])
        ]

    def failed(self) -> list[dict[str, Any]]:
        """Return the runs that failed, each with the step that ended it."""
        found = [run for run in self.runs if run["outcome"] in ("FAIL", "ERROR")]
        for run in found:
            last = run["finished"][-1]
            run["step"] = "release" if last["outcome"] == "PASS" else last["name"]
        return found

    def step_yields(self) -> dict[str, tuple[int, int]]:
        """Return, by step, how many first runs came to it and how many passed it at the first try."""
        entered: Counter[str] = Counter()
        passed: Counter[str] = Counter()
        for run in self.first():
            for name in PLAN:
                tries = [step for step in run["steps"] if step["name"] == name and step["attempt"] == 1]
                entered[name] += bool(tries)
                passed[name] += any(step["outcome"] == "PASS" for step in tries)
        return {name: (entered[name], passed[name]) for name in PLAN if entered[name]}

    def newest(self, units: int) -> list[dict[str, Any]]:
        """Return the newest released units."""
        passed = [run for run in self.runs if run["outcome"] == "PASS"]
        return sorted(passed, key=lambda run: (run["ended"], run["sequence"]), reverse=True)[:units]

    def seconds(self, step: str, units: int) -> tuple[list[float], list[float]]:
        """Return how long tries of a step took that passed, without and with only the waiting for a person."""
        machine, person = [], []
        for run in self.newest(units):
            for one in run["finished"]:
                if one["name"] == step and one["outcome"] == "PASS":
                    waited = json.loads(one["detail"] or "{}").get("waited_seconds", 0.0)
                    machine.append(one["seconds"] - waited)
                    person.extend([waited] if waited else [])
        return sorted(machine), sorted(person)

    def measured(self, name: str, units: int) -> list[float]:
        """Return the values of a measurement, the oldest first."""
        found = []
        for run in reversed(self.newest(units)):
            taken = [row for step in run["steps"] for row in self.values.get(step["sequence"], ())]
            found += [json.loads(row["value"]) for row in taken if row["name"] == name]
        return found


def utc(text: str) -> datetime:
    """Return a time that is written in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


__all__ = ["PLAN", "STATION", "History", "LongWay", "iso", "made_up", "opened_with", "utc"]
