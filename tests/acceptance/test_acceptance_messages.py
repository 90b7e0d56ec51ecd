"""What a product says that its units send must have been seen from each of them (F-H1)."""

from typing import Any

import pytest
from acceptance_station import V16, V201

from station.acceptance import ACCEPTANCE, run_sequence
from station.clock import Deadline
from station.model import OcppVersion
from station.steps.accept import missing_messages


@pytest.mark.parametrize("version", [V16, V201])
def test_messages_that_never_came_are_named(bench: Any, version: str) -> None:
    """The four that acceptance provokes are there; what nobody sent is missing, in the product's order."""
    credential = bench.credential()
    with (
        bench.server.expect(bench.expected(credential, version)) as visit,
        bench.station(credential, version=version),
    ):
        run_sequence(
            visit, ACCEPTANCE[OcppVersion(version)], settings={}, deadline=Deadline(30), renewal=bench.renewal()
        )
    usual = ("BootNotification", "StatusNotification", "Heartbeat", "SignCertificate")
    assert missing_messages(visit, usual) == ()
    assert missing_messages(visit, ("ReserveNow", *usual, "LogStatusNotification")) == (
        "ReserveNow",
        "LogStatusNotification",
    )
