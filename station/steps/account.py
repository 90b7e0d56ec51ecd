"""How a unit came to pass, for its passport: what steps took and proved, read back from the records (F-I3, F-I7).

Nothing here asks the device: a passport is made of what was recorded, so that it can be made again (F-I5).
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from station.bench import Bench
from station.clock import iso
from station.documents.passport import CheckResult, StepResult, passport_document
from station.model import ClauseEvidence, EarlierRun, LifeEvent, Measurement, Outcome, ReadBack, UnitRecord
from station.records import LabelState, LifecycleKind, RunFilter, StepRow
from station.steps.genealogy import MOST_RUNS
from station.steps.record import unit_record

PROTECTION = ("locked", "test_key_erased", "security_counter", "update_key_sha256")
"""What steps measure of a device's protection, beside what its product wants it to show once it is locked."""
NOT_SHOWN = "NOT SHOWN"
"""Result of a clause for which nothing in the record speaks."""
BEST_FIRST = {Outcome.PASS.value: 0, NOT_SHOWN: 1}
"""Verdicts by how little they say against a unit; every other one says more."""
MOST_EARLIER = 20
"""Earlier runs that a passport lists; it counts all of them."""


def released(bench: Bench, released_at: str) -> tuple[UnitRecord, bytes]:
    """Return the record of a unit that is about to leave, and its passport, from what was recorded.

    Raises:
        ConfigError: The unit has no ship certificate: the steps are in the wrong order.
        UnitError: A part or number that its product demands is not in the record.
    """
    rows = bench.services.records.passed_steps(bench.run)
    taken = [measurement for row in rows for measurement in row.measurements]
    record = unit_record(bench, released_at)
    record = replace(
        record,
        security=_protection(bench, taken),
        evidence=tuple(_evidence(bench, record, rows, taken)),
        labels=_labels(bench),
        earlier_runs=_earlier(bench),
        lifecycle=tuple(_life(bench, record.operator or record.station, released_at)),
    )
    last = bench.services.records.passport(record.serial)
    return record, passport_document(record, [_step(row) for row in rows], taken, last.sha256 if last else "")


def _life(bench: Bench, who: str, released_at: str) -> Iterable[LifeEvent]:
    """Yield what happened to a unit that was out before; a return ends with this very release."""
    rows = bench.services.records.lifecycle(bench.unit.serial)
    for row in rows:
        yield LifeEvent(
            row.kind.value, iso(row.occurred_at), iso(row.at), row.who, row.place, row.party, row.reference, row.reason
        )
    if rows and rows[-1].kind is LifecycleKind.RETURNED:
        yield LifeEvent(LifecycleKind.REFURBISHED.value, released_at, released_at, who)


def _step(row: StepRow) -> StepResult:
    checks = row.detail.get("checks", ())
    return StepResult(
        row.name,
        row.outcome.value if row.outcome else "",
        row.seconds,
        finished_at=iso(row.finished_at) if row.finished_at else "",
        attempts=row.attempt,
        checks=tuple(CheckResult(one["name"], one["outcome"], one["seconds"]) for one in checks),
        evidence=str(row.evidence or ""),
    )


def _protection(bench: Bench, taken: Sequence[Measurement]) -> tuple[ReadBack, ...]:
    """Return the security state as it was read back last."""
    last = {one.name: text for one in taken if (text := _text(one))}
    wanted = (*PROTECTION, *bench.recipe.product.seal.expects)
    return tuple(ReadBack(name, last[name]) for name in wanted if name in last)


def _text(taken: Measurement) -> str:
    if isinstance(taken.value, bool):
        return str(taken.value).lower()
    return taken.value if isinstance(taken.value, str) else f"{taken.value:g}"


def _evidence(
    bench: Bench, record: UnitRecord, rows: Sequence[StepRow], taken: Sequence[Measurement]
) -> Iterable[ClauseEvidence]:
    """Yield what each check says for the clause that it speaks for."""
    found = _verdicts(record, rows, taken)
    for rule in bench.recipe.product.evidence:
        yield ClauseEvidence(rule.clause, rule.check, found.get(rule.check, NOT_SHOWN))


def _verdicts(record: UnitRecord, rows: Sequence[StepRow], taken: Sequence[Measurement]) -> dict[str, str]:
    """Return how everything ended that has a name and was judged; the worst of all that bear one name."""
    said = [(result.test, result.verdict) for result in record.results]
    said += [(one.name, (Outcome.PASS if one.passed else Outcome.FAIL).value) for one in taken if _judged(one)]
    said += [(check["name"], _shown(check["outcome"])) for row in rows for check in row.detail.get("checks", ())]
    said += [(row.name, (Outcome.PASS if row.evidence else row.outcome).value) for row in rows if row.outcome]
    return dict(sorted(said, key=lambda one: BEST_FIRST.get(one[1], len(BEST_FIRST))))


def _judged(taken: Measurement) -> bool:
    """Tell whether a measurement was held against something; what was only noted proves nothing."""
    return any(limit is not None for limit in (taken.expected, taken.low, taken.high))


def _shown(outcome: Any) -> str:
    """Return a check's outcome; one that was left out shows nothing."""
    return NOT_SHOWN if outcome == Outcome.SKIPPED else str(outcome)


def _labels(bench: Bench) -> tuple[str, ...]:
    """Return the labels that were scanned back, as template and copy."""
    history = bench.services.records.unit_history(bench.unit.serial)
    labels = history.labels if history else ()
    return tuple(f"{row.template}/{row.copy}" for row in labels if row.state is LabelState.SCANNED)


def _earlier(bench: Bench) -> tuple[EarlierRun, ...]:
    """Return the runs before this one, newest first: also those that failed or were cut off."""
    runs = bench.services.records.runs(RunFilter(unit=bench.unit.serial), MOST_RUNS)
    earlier = [run for run in runs if run.ref != bench.run][:MOST_EARLIER]
    return tuple(
        EarlierRun(str(run.ref), run.outcome or "", iso(run.closed_at) if run.closed_at else "", run.fault)
        for run in earlier
    )
