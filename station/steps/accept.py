"""Acceptance over OCPP: powers up, connects, reports status, accepts remote commands (F-H1)."""

from station.acceptance import ACCEPTANCE, run_sequence
from station.bench import Bench
from station.clock import Deadline
from station.model import OcppVersion


def accept(bench: Bench, deadline: Deadline) -> None:
    """Let the unit prove itself at the local OCPP server with its own test credentials."""
    visit = bench.expect_visit()
    sequence = ACCEPTANCE[OcppVersion(bench.recipe.product.ocpp_version)]
    results = run_sequence(
        visit,
        sequence,
        settings=bench.recipe.file.ocpp_settings,
        deadline=deadline,
        progress=bench.progress,
    )
    bench.take_checks(results)
    bench.note(frames_sha256=visit.transcript_sha256())
