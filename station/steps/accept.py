"""Acceptance over OCPP: powers up, connects, reports status, accepts remote commands (F-H1)."""

from collections.abc import Sequence

from pki.environment import Test
from station.acceptance import Check, Exam, Renewal, Visit, for_product, run_checks, with_anchor_replacement
from station.bench import Bench
from station.catalog.roots import Use
from station.clock import Deadline
from station.errors import Defect, UnitError
from station.model import Environment
from station.steps.fixture import CableFixture
from station.steps.passwords import prove_refusal
from station.steps.renew import TestRenewal

NONE = "none"


def accept(bench: Bench, deadline: Deadline) -> None:
    """Let the unit prove itself at the local OCPP server with its own test credentials, and renew them (F-D9)."""
    visit = bench.expect_visit()
    renewing, done = _renewing(bench), len(visit.results)
    _leave_no_vehicle(bench, deadline)
    try:
        run_checks(_sequence(bench), _exam(bench, visit, renewing, deadline), bench.progress)
    finally:
        # What passed before a check failed stands in the record too.
        bench.take_checks(visit.results[done:])
    prove_refusal(bench, deadline)
    _check_messages(bench, visit)
    if renewing:
        renewing.seen_in_use()
    bench.note(frames_sha256=visit.transcript_sha256())


def _leave_no_vehicle(bench: Bench, deadline: Deadline) -> None:
    """Unplug every simulated vehicle: an attempt that was cut off may have left one."""
    if bench.recipe.product.acceptance.vehicle:
        for connector in bench.recipe.product.connector:
            CableFixture(bench).vehicle(connector, plugged=False, deadline=deadline)


def _exam(bench: Bench, visit: Visit, renewing: TestRenewal | None, deadline: Deadline) -> Exam:
    """Return what the unit is examined with: its settings and roots, its product's plan, and what the bench can do."""
    recipe = bench.recipe
    plan = recipe.product.acceptance
    return Exam(
        visit,
        bench.configuration(Environment.TEST).ocpp,
        deadline,
        owner=recipe.test.owner if renewing else "",
        renewal=Renewal(recipe.test.owner, renewing.probe, renewing.sign) if renewing else None,
        plan=plan,
        fixture=CableFixture(bench),
        roots=recipe.test.trusted(Use.CSMS).pem,
        on_check=bench.on_doing,
    )


def missing_messages(visit: Visit, required: Sequence[str]) -> tuple[str, ...]:
    """Return which of the messages the unit has not sent in the whole of its visit."""
    sent = {message.action for message in visit.messages()}
    return tuple(action for action in required if action not in sent)


def _check_messages(bench: Bench, visit: Visit) -> None:
    """Check that the unit sent everything that its product says it sends.

    Raises:
        UnitError: A message did not come.
    """
    missing = ", ".join(missing_messages(visit, bench.recipe.product.required_messages)) or NONE
    if not bench.measure("missing_messages", missing, expected=NONE):
        raise UnitError(Defect.OCPP, f"The unit never sent {missing}, which its product requires.")


def _renewing(bench: Bench) -> TestRenewal | None:
    """Return who renews the unit's test certificate, and never another; None where the product declares why not."""
    plan = bench.recipe.product.renewal
    if not plan.performed:
        bench.note(renewal_not_performed=plan.reason)
        return None
    return TestRenewal(bench, bench.services.factory.issuer(Test))


def _sequence(bench: Bench) -> tuple[Check, ...]:
    """Return the checks of the product; the root that is installed and deleted is the bench's, and nobody else's."""
    product = bench.recipe.product
    sequence = for_product(product.acceptance)
    if not product.anchor_replacement.performed:
        bench.note(anchor_replacement_not_performed=product.anchor_replacement.reason)
        return sequence
    return with_anchor_replacement(sequence, bench.services.factory.bench_anchors())
