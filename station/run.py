"""Run a recipe on one unit: a row before and after every step, and one place where errors become outcomes.

FAIL blames the unit, ERROR blames the station; a bug of ours is ERROR. Nothing is resumed from an assumption: every
run starts at the first step, and each step finds out from the device what is already true.
"""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from station.bench import Bench
from station.catalog.recipes import StepPlan
from station.clock import Deadline, iso, utc_now
from station.errors import Aborted, Defect, Interlocked, LinkError, ServiceError, StationError, UnitError
from station.model import Outcome
from station.records import Message, StepRef, StepResult
from station.records.outbox import PAPER
from station.steps import STEPS, Step
from station.steps.account import released
from station.steps.equality import require_equality
from station.steps.evidence import prove_identity
from station.steps.record import fingerprint

log = logging.getLogger(__name__)

REGISTER = "cpms-register"
RENDER_PASSPORT = PAPER


@dataclass(frozen=True)
class Verdict:
    """How a run ended, with what the operator reads."""

    outcome: Outcome
    sentence: str = ""
    hint: str = ""
    fault: str = ""
    """The defect or the service, as statistics count it."""
    stops_line: bool = False


PASSED = Verdict(Outcome.PASS)
OnStep = Callable[[str, str, int], None]
"""Called with a step's name, its state, and the attempt."""


def execute(bench: Bench, on_step: OnStep) -> Verdict:
    """Run every step of the recipe and close the run; only a run of passed steps is released.

    Raises:
        ServiceError: The records themselves can't be written; the run stays open and is closed at the next start.
        Interlocked: Every step passed, and routing does not let the unit leave now; the run stays open for `release`.
    """
    verdict = PASSED
    with bench.resources:
        for position, plan in enumerate(bench.recipe.file.step):
            verdict = _step(bench, position, plan, on_step)
            if verdict.outcome is not Outcome.PASS:
                return close(bench, verdict)
    return release(bench)


def close(bench: Bench, verdict: Verdict) -> Verdict:
    """Close a run that did not pass, and return how it ended.

    Raises:
        ServiceError: The records can't be written.
    """
    bench.services.records.close_run(
        bench.run, verdict.outcome, fault=verdict.fault, reason=verdict.sentence, hint=verdict.hint
    )
    return verdict


def release(bench: Bench) -> Verdict:
    """Release the unit of a run whose steps all passed, or close the run with what speaks against it.

    Raises:
        ServiceError: The records can't be written.
        Interlocked: Routing does not let the unit leave now; the run stays open.
    """
    verdict = _release(bench)
    return verdict if verdict.outcome is Outcome.PASS else close(bench, verdict)


def _step(bench: Bench, position: int, plan: StepPlan, on_step: OnStep) -> Verdict:
    """Run one step, again after lost contact as often as the recipe allows."""
    for attempt in range(1, plan.retries + 2):
        on_step(plan.use, "running", attempt)
        verdict = _attempt(bench, position, plan, attempt)
        on_step(plan.use, verdict.outcome.value, attempt)
        if verdict.fault != "link" or bench.stopping.is_set():
            break
    return verdict


def _attempt(bench: Bench, position: int, plan: StepPlan, attempt: int) -> Verdict:
    """Do one attempt between its two rows."""
    row = bench.services.records.start_step(bench.run, position, plan.use, attempt)
    bench.measurements.clear()
    bench.detail.clear()
    started = time.monotonic()
    verdict, evidence = _judge(bench, STEPS[plan.use], plan)
    result = StepResult(
        verdict.outcome if evidence is None else Outcome.SKIPPED,
        fault=verdict.fault,
        reason=verdict.sentence,
        hint=verdict.hint,
        seconds=round(time.monotonic() - started, 3),
        measurements=tuple(bench.measurements),
        detail=dict(bench.detail),
        evidence=evidence,
    )
    bench.services.records.finish_step(row, result)
    return verdict


def _judge(bench: Bench, step: Step, plan: StepPlan) -> tuple[Verdict, StepRef | None]:
    """Run the step, or find the evidence that an earlier run did; turn what goes wrong into a verdict."""
    try:
        if step.phase is not None and step.phase < bench.phase:
            return PASSED, _evidence(bench, plan)
        step.function(bench, Deadline(plan.limit_seconds))
    except StationError as error:
        return _blame(error), None
    except Exception as error:  # the run's boundary: a bug of ours must never pass, scrap or silence a unit
        log.exception("step %s of run %s", plan.use, bench.run)
        sentence = f"The station failed in step {plan.use} ({type(error).__name__})."
        return Verdict(Outcome.ERROR, sentence, "Call engineering.", "bug"), None
    return PASSED, None


def _blame(error: StationError) -> Verdict:
    match error:
        case UnitError(defect=defect):
            return Verdict(Outcome.FAIL, error.message, error.hint, defect.value)
        case LinkError():
            return Verdict(Outcome.ERROR, error.message, error.hint, "link")
        case ServiceError(service=service, stops_line=stops):
            return Verdict(Outcome.ERROR, error.message, error.hint, service.value, stops)
        case Aborted():
            return Verdict(Outcome.ABORTED, error.message, error.hint, "aborted")
        case Interlocked():
            return Verdict(Outcome.ABORTED, error.message, error.hint, "interlock")
    return Verdict(Outcome.ERROR, error.message, error.hint, "config")


def _evidence(bench: Bench, plan: StepPlan) -> StepRef:
    """Find the PASS row of an earlier run for a step whose phase is behind, once the device proved who it is.

    Raises:
        UnitError: No run of this unit with this hardware, recipe and firmware passed the step.
    """
    prove_identity(bench, Deadline(plan.limit_seconds))
    found = bench.services.records.evidence(bench.run, plan.use)
    if found is None:
        message = f"The device is in phase {bench.phase.name.lower()}, but no record shows that it passed {plan.use}."
        raise UnitError(Defect.STALE_STATE, message, hint="Take the unit to rework.")
    return found


def _release(bench: Bench) -> Verdict:
    """Release the unit: last row, signed passport and messages in one transaction."""
    try:
        record, document = released(bench, iso(utc_now()))
        require_equality(bench, record, document)
        signature = bench.services.factory.sign(document)
    except UnitError as error:  # what the product demands is no longer in the record, or the number differs
        return _blame(error)
    except Exception as error:  # the run's boundary, as in `_judge`
        log.exception("release of run %s", bench.run)
        return Verdict(
            Outcome.ERROR, f"The passport could not be made ({type(error).__name__}).", "Call engineering.", "bug"
        )
    messages = (
        Message(RENDER_PASSPORT, record.serial, b"{}"),
        Message(REGISTER, record.serial, json.dumps(asdict(record)).encode()),
    )
    signer = fingerprint(bench.services.factory.record_certificate)
    try:
        required = bench.recipe.file.required_result
        bench.services.records.release(bench.run, document, signature, signer, messages, required)
    except (UnitError, Interlocked) as error:  # withdrawn or held while the unit was on its way
        return _blame(error)
    return PASSED
