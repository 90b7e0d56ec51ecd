"""What monitoring reads of a station: `/metrics` in Prometheus's text format (version 0.0.4).

Names and labels are bounded: slots, steps, outcomes, defects and services, never a unit, person or order. Counters
begin at zero when the station starts, as Prometheus expects, and are read from the records by the numbers of rows: a
run is counted once, and a scrape costs what ended since the last. People count in `figures`, which is exact over time.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address
from threading import Lock
from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Request
from fastapi.responses import PlainTextResponse

from station.clock import utc_now
from station.model import LineView, SlotState
from station.model.figures import FailingSlot, Stretch
from station.records import Records
from station.records.figures_rows import News
from station.version import software_version
from station.web.paper import Papers
from station.web.results import shows

FORMAT = "text/plain; version=0.0.4; charset=utf-8"
BOUNDS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""Upper bounds of the buckets of times, in seconds."""
Labels = tuple[tuple[str, str], ...]
Sample = tuple[str, Labels, float]
ESCAPED = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


@dataclass
class Histogram:
    """Times of one kind."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    whole: float = 0.0

    def observe(self, seconds: float) -> None:
        """Add a time."""
        self.buckets[bisect_left(BOUNDS, seconds)] += 1
        self.whole += seconds

    def samples(self, name: str, labels: Labels) -> Iterator[Sample]:
        """Yield what Prometheus makes of it: so many within each bound, so many in all, and their sum."""
        within = 0
        for bound, count in zip((*map(str, BOUNDS), "+Inf"), self.buckets, strict=True):
            within += count
            yield f"{name}_bucket", (*labels, ("le", bound)), within
        yield f"{name}_sum", labels, self.whole
        yield f"{name}_count", labels, within


class Tally:
    """What ended since the station started; safe from all threads."""

    def __init__(self, records: Records) -> None:
        """Begin to count now."""
        self._records, self._lock = records, Lock()
        self._mark = records.mark()
        self.runs: Counter[Labels] = Counter()
        self.run_seconds: dict[Labels, Histogram] = {}
        self.step_seconds: dict[Labels, Histogram] = {}

    def families(self) -> tuple["Family", ...]:
        """Return the counters after a look at what ended meanwhile."""
        with self._lock:
            news = self._records.news(self._mark)
            self._mark = news.mark
            self._count(news)
            return (
                Family(
                    "station_runs_total", "counter", "Runs that ended, by slot, outcome and defect or service",
                    tuple(("station_runs_total", labels, count) for labels, count in self.runs.items()),
                ),
                _histogram("station_run_seconds", "How long runs took, by outcome", self.run_seconds),
                _histogram("station_step_seconds", "How long attempts of steps took, by outcome", self.step_seconds),
            )  # fmt: skip

    def _count(self, news: News) -> None:
        for run in news.runs:
            self.runs[("slot", run.slot), ("outcome", run.outcome.value), ("fault", run.fault)] += 1
            self.run_seconds.setdefault((("outcome", run.outcome.value),), Histogram()).observe(run.seconds)
        for step in news.steps:
            labels = (("step", step.step), ("outcome", step.outcome.value))
            self.step_seconds.setdefault(labels, Histogram()).observe(step.seconds)


@dataclass(frozen=True)
class Family:
    """One metric with all its labels."""

    name: str
    kind: str
    help: str
    samples: tuple[Sample, ...]

    def lines(self) -> Iterator[str]:
        """Write it."""
        yield f"# HELP {self.name} {self.help}"
        yield f"# TYPE {self.name} {self.kind}"
        for name, labels, value in self.samples:
            told = ",".join(f'{label}="{text.translate(ESCAPED)}"' for label, text in labels)
            yield f"{name}{{{told}}} {value!r}" if told else f"{name} {value!r}"


@dataclass(frozen=True)
class Watched:
    """What is told beside the counters."""

    view: Callable[[], LineView]
    today: Callable[[datetime], Stretch]
    failing: Callable[[], tuple[FailingSlot, ...]]


def metric_routes(records: Records, watched: Watched, token: Callable[[], str], papers: Papers) -> APIRouter:
    """Return the address that monitoring reads.

    Args:
        records: Of the station.
        watched: The line now, and its figures.
        token: Gives the token that monitoring shows; while there is none, only programs of this computer are answered.
        papers: Of the station; monitoring is answered in English.
    """
    del papers
    routes, tally = APIRouter(), Tally(records)

    @routes.get("/metrics")
    def metrics(request: Request, authorization: Annotated[str, Header()] = "") -> PlainTextResponse:
        if not (shows(authorization, token) if token() else _is_near(request)):
            raise HTTPException(401, "The token is missing or wrong.", {"WWW-Authenticate": "Bearer"})
        return PlainTextResponse(exposition((*tally.families(), *gauges(records, watched))), media_type=FORMAT)

    return routes


def exposition(families: Iterable[Family]) -> str:
    """Write metrics in Prometheus's text format."""
    return "\n".join(line for family in families for line in family.lines()) + "\n"


def gauges(records: Records, watched: Watched) -> tuple[Family, ...]:
    """Return how things are now."""
    view, queue, now = watched.view(), records.queue(), utc_now()
    today = watched.today(now)
    states = Counter(slot.state for slot in view.slots)
    oldest = (now - queue.oldest).total_seconds() if queue.oldest else 0.0
    backup = records.last_backup()
    streaks = {slot.name: slot.runs for slot in watched.failing()}
    return (
        _gauge("station_info", "1, with the station's name and software",
               {(("station", view.station), ("software", software_version())): 1}),
        _gauge("station_slots", "Slots by what they do",
               {(("state", state.value),): states[state] for state in SlotState}),
        _gauge("station_slot_failures_in_a_row", "Runs that failed one after the other, of slots with three or more",
               {(("slot", slot.name),): streaks.get(slot.name, 0) for slot in view.slots}),
        _gauge("station_today_released", "Units released since midnight", {(): today.released}),
        _gauge("station_today_failed_runs", "Runs that failed since midnight", {(): today.failed}),
        _gauge("station_today_first_pass_ratio", "First-pass yield since midnight; absent before the first unit",
               {} if today.first_pass is None else {(): today.first_pass}),
        _gauge("station_alarms", "Alarms on the line's page", {(): len(view.alarms)}),
        _gauge("station_outbox_waiting", "Messages that others are still to be told", {(): queue.waiting}),
        _gauge("station_outbox_dead", "Those of them that wait for somebody's decision", {(): queue.dead}),
        _gauge("station_backup_age_seconds", "How long ago the last backup was made; absent before the first",
               {} if backup is None else {(): (now - backup.at).total_seconds()}),
        _gauge("station_outbox_oldest_seconds", "How long the oldest message waits", {(): oldest}),
    )  # fmt: skip


def _gauge(name: str, told: str, values: Mapping[Labels, float]) -> Family:
    return Family(name, "gauge", told, tuple((name, labels, value) for labels, value in values.items()))


def _histogram(name: str, told: str, found: Mapping[Labels, Histogram]) -> Family:
    samples = (sample for labels, one in sorted(found.items()) for sample in one.samples(name, labels))
    return Family(name, "histogram", told, tuple(samples))


def _is_near(request: Request) -> bool:
    """Tell whether a program of this computer asks; proxies are not believed."""
    return request.client is not None and ip_address(request.client.host).is_loopback
