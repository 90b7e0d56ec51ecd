"""Whole lines: the station as its own process, simulated chargers, printer and CPMS around it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.charger.options import Options
from fixtures.demo.operator import Crew, Job, Result
from fixtures.demo.world import World
from tests.station.cli_world import copied

QUICK: dict[str, Any] = {"baud": 0, "boot_seconds": 0.2, "flash_seconds_per_kib": 0.0}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Yield a running station with four slots."""
    place, addresses = copied(tmp_path_factory.mktemp("line"), factory=3, quantity=60)
    with World(place, addresses) as running:
        yield running


Make = Callable[..., dict[int, Result]]


@pytest.fixture(scope="module")
def make(world: World) -> Iterator[Make]:
    """Return a function that makes units, one for each given set of charger options, and returns results by number."""
    with ExitStack():
        made = 0

        def build(*chargers: dict[str, Any], timeout: float = 240.0) -> dict[int, Result]:
            nonlocal made
            base = replace(Options(Path(), Path(), ""), **QUICK)
            first = made + 1
            made += len(chargers)
            jobs = [
                Job(number, world.place.serial(number), replace(base, **options))
                for number, options in enumerate(chargers, first)
            ]
            crew = Crew(world, iter(jobs))
            crew.work(["1", "2", "3", "4"], timeout)
            numbers = {job.serial: job.number for job in jobs}
            return {numbers[result.serial]: result for result in crew.results}

        yield build
