"""Acceptance over OCPP: powers up, connects, reports status, accepts remote commands (F-H1)."""

from pki.environment import Test
from station.acceptance import ACCEPTANCE, Renewal, run_sequence
from station.bench import Bench
from station.clock import Deadline
from station.model import OcppVersion
from station.steps.renew import TestRenewal


def accept(bench: Bench, deadline: Deadline) -> None:
    """Let the unit prove itself at the local OCPP server with its own test credentials, and renew them (F-D9)."""
    visit = bench.expect_visit()
    sequence = ACCEPTANCE[OcppVersion(bench.recipe.product.ocpp_version)]
    renewing = _renewing(bench)
    results = run_sequence(
        visit,
        sequence,
        settings=bench.recipe.file.ocpp_settings,
        deadline=deadline,
        progress=bench.progress,
        renewal=Renewal(bench.recipe.test.owner, renewing.probe, renewing.sign) if renewing else None,
    )
    bench.take_checks(results)
    if renewing:
        renewing.seen_in_use()
    bench.note(frames_sha256=visit.transcript_sha256())


def _renewing(bench: Bench) -> TestRenewal | None:
    """Return who renews the unit's test certificate, and never another; None where the product declares why not."""
    plan = bench.recipe.product.renewal
    if not plan.performed:
        bench.note(renewal_not_performed=plan.reason)
        return None
    return TestRenewal(bench, bench.services.factory.issuer(Test))
