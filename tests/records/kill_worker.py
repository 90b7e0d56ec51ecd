"""Build units on eight threads until the process kills itself after a commit; tells each serial it was given."""

import os
import random
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import count

from station.errors import UnitError
from station.model import Outcome
from station.records import Records, RunRequest, StepResult, open_records


def main() -> None:
    """Open the records as a station does after a power cut, and build."""
    url, commits, seed, *hardware = sys.argv[1:]
    commit = count()

    def after_commit() -> None:
        if next(commit) >= int(commits):
            os.kill(os.getpid(), signal.SIGKILL)

    with open_records(url, "line1", after_commit=after_commit) as records, ThreadPoolExecutor(8) as pool:
        records.abort_interrupted("power cut")
        chance = random.Random(int(seed))
        while True:
            list(pool.map(lambda uid: build(records, uid), chance.sample(hardware, len(hardware))))


def build(records: Records, uid: str) -> None:
    """Open a run, tell the serial, take one step and fail."""
    try:
        run = records.open_run(RunRequest("WO-K", uid, f"slot-{uid}", ("identify",), "3.4.1"))
    except UnitError:
        return
    unit = records.unit_of_hardware(uid)
    assert unit is not None
    os.write(1, f"{uid} {unit.serial}\n".encode())
    records.finish_step(records.start_step(run, 0, "identify", 1), StepResult(Outcome.PASS))
    records.close_run(run, Outcome.ERROR, fault="link", reason="again")


if __name__ == "__main__":
    main()
