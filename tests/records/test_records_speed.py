"""How long a step's two rows take; printed beside the floor of two bare commits, judged by nobody here."""

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from station.model import Measurement
from station.records import RunRequest

PAIRS = 40


def bare_commits(path: Path) -> float:
    with sqlite3.connect(path, isolation_level=None) as connection:
        connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t (a)")
        started = time.perf_counter()
        for _ in range(2 * PAIRS):
            connection.execute("INSERT INTO t VALUES (1)")
        return (time.perf_counter() - started) / PAIRS * 1000


def test_time_of_a_step(world, tmp_path: Path) -> None:
    """Sixteen slots write at once and lose nothing; the times are printed (run with -s)."""
    runs = [world.records.open_run(RunRequest("WO-1", f"{n:02x}", str(n), ("identify",), "3.4.1")) for n in range(12)]
    floor = bare_commits(tmp_path / "floor.db")

    def work(run) -> None:
        for attempt in range(1, PAIRS + 1):
            world.step(run, "identify", attempt=attempt, measurements=(Measurement("volts", 230.0),), detail={"a": 1})

    started = time.perf_counter()
    work(runs[0])
    alone = (time.perf_counter() - started) / PAIRS * 1000
    with ThreadPoolExecutor(16) as pool:
        started = time.perf_counter()
        list(pool.map(work, runs[1:]))
    together = (time.perf_counter() - started) / PAIRS / len(runs[1:]) * 1000
    print(f"\nstep start+finish: {alone:.1f} ms alone, {together:.1f} ms in 11 threads, floor {floor:.1f} ms")
    assert all(len(world.records.run_detail(run).steps) == PAIRS for run in runs)
