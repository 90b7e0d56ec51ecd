"""Sixteen slots at once: none waits for another, and each gets its own verdict (design 7.11)."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from acceptance_station import V16, V201

from station.acceptance import ACCEPTANCE, run_sequence
from station.clock import Deadline
from station.errors import UnitError
from station.model import OcppVersion


def test_sixteen_units_in_threads(bench: Any) -> None:
    """Every fourth unit is bad; exactly those fail, with their own reason."""

    def work(number: int) -> str:
        serial, version = f"AC22-{number:06}", V16 if number % 2 else V201
        credential = bench.credential(serial)
        expected = bench.expected(credential, version, serial=serial, identity=serial)
        bad = {"model": f"WRONG-{number}"} if number % 4 == 0 else {}
        with (
            bench.server.expect(expected) as visit,
            bench.station(credential, serial=serial, identity=serial, version=version, **bad),
        ):
            try:
                run_sequence(
                    visit,
                    ACCEPTANCE[OcppVersion(version)],
                    settings={},
                    deadline=Deadline(60),
                    renewal=bench.renewal(serial),
                )
            except UnitError as error:
                return error.message
        return "passed"

    with ThreadPoolExecutor(16) as pool:
        verdicts = list(pool.map(work, range(16)))
    for number, verdict in enumerate(verdicts):
        wanted = "passed" if number % 4 else f"BootNotification says 'WRONG-{number}' as model, ordered is 'AC22'."
        assert verdict == wanted
