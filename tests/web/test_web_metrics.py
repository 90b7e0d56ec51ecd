"""`/metrics` as monitoring reads it: judged by Prometheus's own parser, counted once, bounded, not for everybody."""

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from station.clock import utc_now
from station.errors import Defect
from station.model import Outcome
from station.records import Records
from station.trace.figures import LineFigures
from station.trace.figures_time import Calendar
from station.web.app import create_app
from station.web.metrics import Watched, metric_routes
from station.web.session import Door
from tests.records.conftest import PLAN, World
from tests.trace.figures_history import History, made_up, opened_with
from tests.web.conftest import SmallLine

DASHBOARD = Path(__file__).parents[2] / "deploy" / "grafana" / "station.json"
NEAR, FAR = "127.0.0.1", "192.0.2.7"


@dataclass
class Watching:
    """A station that is watched."""

    app: FastAPI
    records: Records
    secret: list[str]

    def asked(self, address: str = NEAR, token: str = "") -> httpx.Response:
        """Return what a computer is answered."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app, client=(address, 4711))
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as client:
                return await client.get("/metrics")

        return asyncio.run(send())

    def families(self) -> dict[str, Metric]:
        """Return the metrics by their names."""
        answer = self.asked()
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        return {family.name: family for family in text_string_to_metric_families(answer.text)}

    def value(self, name: str, **labels: str) -> float:
        """Return one sample."""
        for family in self.families().values():
            for sample in family.samples:
                if sample.name == name and sample.labels == labels:
                    return float(sample.value)
        raise AssertionError(f"{name} {labels} is not told")


@pytest.fixture
def watching(tmp_path: Path, door: Door) -> Iterator[Watching]:
    """Yield a station that built something before it was started."""
    history: History = made_up(2, utc_now() - timedelta(hours=30), 20, 20)
    with opened_with(tmp_path / "books.db", history) as records:
        zone = f"Etc/GMT{utc_now().hour - 12:+d}"  # where it is about noon, so that no day ends while a test runs
        figures, line, secret = LineFigures(records, Calendar(zone, ("06:00",))), SmallLine(3), [""]
        watched = Watched(line.view, figures.first_pass, figures.failing)
        routes = partial(metric_routes, records, watched, lambda: secret[0])
        yield Watching(create_app(line, title="L", door=door, screens=[routes]), records, secret)


def fail(world: World, uid: str, slot: str) -> None:
    run = world.open(uid, slot=slot)
    world.step(run, PLAN[0])
    world.step(run, PLAN[1], Outcome.FAIL, fault=Defect.FLASH.value, seconds=4.0)
    world.records.close_run(run, Outcome.FAIL, fault=Defect.FLASH.value)


def test_what_is_told_is_what_prometheus_reads(watching: Watching) -> None:
    found = watching.families()
    assert found["station_slots"].type == "gauge"
    assert sum(sample.value for sample in found["station_slots"].samples) == 3
    assert found["station_info"].samples[0].labels["station"] == "station-1"
    assert "station_step_seconds" in found


def test_each_run_is_counted_once_from_the_start_on(watching: Watching) -> None:
    """Also one that was in work at the last look; and nothing of before."""
    world = World(watching.records)
    assert watching.families()["station_runs"].samples == []
    run = world.open("ff01", slot="A")
    world.step(run, PLAN[0], seconds=2.0)
    assert watching.families()["station_runs"].samples == []
    for _ in range(2):
        assert watching.value("station_step_seconds_count", step="identify", outcome="PASS") == 1
    fail(world, "ff02", "B")
    world.records.close_run(run, Outcome.ABORTED, reason="Power.")
    for _ in range(2):
        assert watching.value("station_runs_total", slot="A", outcome="ABORTED", fault="") == 1
        assert watching.value("station_runs_total", slot="B", outcome="FAIL", fault="flash") == 1
        assert watching.value("station_run_seconds_count", outcome="FAIL") == 1


def test_buckets_of_times_hold_what_is_below_them(watching: Watching) -> None:
    fail(World(watching.records), "ff03", "A")
    told = {"step": "flash", "outcome": "FAIL"}
    within = {
        bound: watching.value("station_step_seconds_bucket", **told, le=bound) for bound in ("3.0", "10.0", "+Inf")
    }
    assert within == {"3.0": 0, "10.0": 1, "+Inf": 1}
    assert watching.value("station_step_seconds_sum", **told) == 4.0


def test_failures_in_a_row_and_messages_are_told(watching: Watching) -> None:
    world = World(watching.records)
    for uid in ("ff04", "ff05", "ff06"):
        fail(world, uid, "B")
    assert watching.value("station_slot_failures_in_a_row", slot="B") == 3
    assert watching.value("station_slot_failures_in_a_row", slot="A") == 0
    assert watching.value("station_today_failed_runs") >= 3
    assert watching.value("station_outbox_waiting") == watching.records.queue().waiting


def test_no_label_names_a_unit_a_person_or_an_order(watching: Watching) -> None:
    """So the number of series stays bounded, and nobody is watched at work."""
    fail(World(watching.records), "ff07", "A")
    labels = {name for family in watching.families().values() for sample in family.samples for name in sample.labels}
    assert labels == {"station", "software", "state", "slot", "outcome", "fault", "step", "le"}
    assert "AC22-" not in watching.asked().text


def test_who_may_read(watching: Watching) -> None:
    """Without a token only this computer; with one whoever shows it, and nobody else."""
    assert [watching.asked(NEAR).status_code, watching.asked(FAR).status_code] == [200, 401]
    watching.secret[0] = "token-of-monitoring"
    assert [watching.asked(address).status_code for address in (NEAR, FAR)] == [401, 401]
    assert watching.asked(FAR, "token-of-monitoring").status_code == 200
    assert watching.asked(FAR, "token-of-monitorinG").status_code == 401


def test_dashboard_asks_only_for_what_is_told(watching: Watching) -> None:
    """Every metric and label in its queries is one of ours."""
    fail(World(watching.records), "ff08", "A")
    samples = [sample for family in watching.families().values() for sample in family.samples]
    names = {sample.name for sample in samples} | {"station_today_first_pass_ratio"}
    labels = {label for sample in samples for label in sample.labels} | {"instance", "job"}
    dashboard = json.loads(DASHBOARD.read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    assert len(queries) >= 8
    for query in queries:
        assert set(re.findall(r"\bstation_\w+", query)) <= names, query
        assert set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", query)) <= labels, query
        for grouped in re.findall(r"\bby \(([^)]*)\)", query):
            assert set(re.split(r",\s*", grouped)) <= labels, query
