"""The ship state: everything of the environment the unit will live in, and nothing of the one it was tested in."""

from collections.abc import Callable, Sequence
from functools import partial

from station.acceptance import DELETE_ROOTS, Arrival, Check, Exam, Target, Visit, departure, run_checks, ship_sequence
from station.bench import Bench
from station.catalog.roots import Use
from station.clock import Deadline
from station.model import Environment, Outcome
from station.steps.configure import confirm_configuration, prove_configuration, write_configuration, write_values
from station.steps.credentials import install_credentials
from station.steps.passwords import write_inside, write_password
from station.steps.residue import clean_residue
from station.steps.trust import install_roots, prove_roots, write_file

EMPTY_CHAIN = b"\n"
"""What stands in the file of the test chain afterwards; some file systems keep no empty file."""


def ship(bench: Bench, deadline: Deadline) -> None:
    """Switch the unit to its ship environment and prove it at a stand-in for the real endpoint (F-K6, design 8.6).

    The roots of the test endpoint stay until the unit arrived: what takes them away needs an `Arrival`.
    """
    _check_cpms(bench)
    install_credentials(bench, Environment.SHIP, deadline)
    write_inside(bench, deadline)
    bench_root = bench.services.factory.bench_anchors()
    install_roots(bench, Environment.SHIP, deadline, bench_root=bench_root)
    bench.progress(0.3)
    target = _target(bench)
    with bench.services.acceptance.expect(bench.expected(Environment.SHIP)) as visit:
        _switch(bench, target, deadline)
        bench.progress(0.6)
        _watch(bench, visit, target, deadline)
        if target.over_ocpp:
            bench.identity = bench.charger.identify(deadline)
            confirm_configuration(bench, Environment.SHIP, deadline)
    _prove_clean(bench, Arrival(visit), deadline)


def _check_cpms(bench: Bench) -> None:
    """Ask the CPMS before the unit becomes what ships: a record of another unit is a conflict (design 8.7)."""
    certificate = bench.services.issuer(Environment.SHIP).certificate(bench.unit.serial)
    bench.services.cpms.check_free(bench.unit.serial, certificate.sha256 if certificate else "")


def _target(bench: Bench) -> Target:
    """Return where the unit will live, and how its product is told."""
    product = bench.recipe.product
    refusal = product.refusals.plain_endpoint
    untried = "" if refusal.includes(bench.unit.serial) else refusal.reason or "This unit is not in the sample."
    return Target(product.endpoint, bench.recipe.ship.endpoint, product.security_profile, untried)


def _switch(bench: Bench, target: Target, deadline: Deadline) -> None:
    """Tell the unit its ship endpoint last of all, and restart it.

    The test endpoint stays open until then: a unit that lost it would try it again, and be counted.
    """
    forget = partial(bench.services.acceptance.forget, bench.unit.ocpp_identity)
    if not target.over_ocpp:
        write_configuration(bench, Environment.SHIP, deadline, before_restart=forget)
    elif _is_told(bench, target, deadline):
        # It would have to go back over a phase to be told again.
        write_values(bench, Environment.SHIP, deadline)
        forget()
        bench.restart(deadline)
    else:
        write_values(bench, Environment.SHIP, deadline, without=("ocpp_url",))
        exam = Exam(bench.expect_visit(), {}, deadline, on_check=bench.on_doing)
        _perform(bench, departure(target, partial(_leave, bench, forget, deadline)), exam, (0.3, 0.6))
        bench.note(departure=bench.detail.pop("checks"))
    bench.end_visit()


def _leave(bench: Bench, forget: Callable[[], None], deadline: Deadline) -> None:
    """Let the test endpoint go: its password is of no use from here on, as the unit restarts next."""
    write_password(bench, Environment.SHIP, deadline)
    forget()


def _is_told(bench: Bench, target: Target, deadline: Deadline) -> bool:
    """Tell whether the device has its ship endpoint already, from the device alone."""
    key = bench.recipe.product.configuration["ocpp_url"].key
    return bench.charger.read_settings((key,), deadline)[key] == target.url.encode()


def _watch(bench: Bench, visit: Visit, target: Target, deadline: Deadline) -> None:
    """See the unit at the stand-in, and have it cleaned there; what was found is recorded also where it fails."""
    recipe = bench.recipe
    kept, test = recipe.ship.trusted(Use.CSMS).pem, recipe.test.trusted(Use.CSMS).pem
    owner = recipe.ship.owner if recipe.product.renewal.performed else ""
    gone = test + bench.services.factory.bench_anchors()
    exam = Exam(visit, {}, deadline, gone, owner, on_check=bench.on_doing)
    _perform(bench, ship_sequence(visit.expected.version, target, kept), exam, (0.6, 1.0))
    bench.note(frames_sha256=visit.transcript_sha256())


def _perform(bench: Bench, checks: Sequence[Check], exam: Exam, span: tuple[float, float]) -> None:
    """Go through checks, as a part of the step; what was found is recorded also where one fails."""
    start, end = span
    done = len(exam.visit.results)
    try:
        run_checks(checks, exam, lambda share: bench.progress(start + (end - start) * share))
    finally:
        bench.take_checks(exam.visit.results[done:])


def _prove_clean(bench: Bench, arrival: Arrival, deadline: Deadline) -> None:
    """Read back that only ship anchors are left and nothing names the test environment (F-D5, F-K6, F-H7).

    Raises:
        UnitError: Something of the bench or the test environment is still there.
    """
    if any(result.name == DELETE_ROOTS and result.outcome is Outcome.SKIPPED for result in arrival.visit.results):
        install_roots(bench, Environment.SHIP, deadline, arrival=arrival)
    prove_roots(bench, Environment.SHIP, deadline)
    files = bench.recipe.product.files
    if files.chain_test != files.chain_ship:
        write_file(bench, files.chain_test, EMPTY_CHAIN, deadline)
    clean_residue(bench, deadline)
    prove_configuration(bench, deadline)
