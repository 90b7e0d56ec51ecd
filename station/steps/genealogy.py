"""What the record knows of a unit's parts and past, for the documents that leave with it (F-I1 to F-I4, F-I7)."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from station.bench import Bench
from station.catalog.parts import METER, SEAL
from station.clock import iso
from station.errors import Defect, UnitError
from station.model import BoundNumber, ImportedResult, InstalledMeter, InstalledPart, InstalledSeal
from station.records import ComponentRow, MeterRow, ResultRow, RunFilter

MOST_RUNS = 10_000
"""Runs of one unit that are counted."""


def genealogy(bench: Bench) -> Mapping[str, Any]:
    """Return the fields of a unit's record that say what it is made of, what was tested elsewhere, and who built it.

    Raises:
        UnitError: Something that the product demands is not in the record, or not any more.
    """
    records, unit = bench.services.records, bench.unit.serial
    parts, run = records.components(unit), records.run(bench.run)
    meters = {row.evse: row for row in records.meters(unit)}
    _require_complete(bench, parts, meters)
    letters = {outlet.evse: outlet.letter for outlet in bench.recipe.product.connector}
    return {
        "operator": run.operator if run else "",
        "attempts": len(records.runs(RunFilter(unit=unit), MOST_RUNS)),
        "identifiers": tuple(BoundNumber(row.kind.value, row.written) for row in records.identifiers(unit)),
        "components": tuple(_part(row, letters) for row in parts if row.kind not in (METER, SEAL)),
        "meters": tuple(_meter(row, letters[evse]) for evse, row in sorted(meters.items()) if evse in letters),
        "seals": tuple(InstalledSeal(row.number, row.position) for row in parts if row.kind == SEAL),
        "results": tuple(_result(row) for row in records.counting_results(unit, bench.recipe.file.required_result)),
    }


def _require_complete(bench: Bench, parts: tuple[ComponentRow, ...], meters: Mapping[int, MeterRow]) -> None:
    """Compare once more what was captured with what the product demands: it may have been changed since."""
    missing = next(_missing(bench, parts, meters), "")
    if missing:
        message = f"The record of the unit lacks {missing}."
        raise UnitError(Defect.GENEALOGY, message, hint="Plug it in again: what is missing is captured then.")


def _missing(bench: Bench, parts: tuple[ComponentRow, ...], meters: Mapping[int, MeterRow]) -> Iterator[str]:
    product, unit = bench.recipe.product, bench.unit.serial
    attached = {(row.kind, row.position) for row in parts}
    yield from (
        rule.title for rule in product.component if rule.required and (rule.kind, rule.position) not in attached
    )
    wanted = Counter(kind for kind, _ in product.identifiers.read.each)
    found = Counter(row.kind for row in bench.services.records.identifiers(unit)) if wanted else wanted
    yield from (f"a number of kind {kind.value}" for kind in wanted if found[kind] < wanted[kind])
    for outlet in product.connector if product.metering.serial else ():
        if outlet.meter and (outlet.evse not in meters or meters[outlet.evse].run != bench.run):
            yield f"the proof of meter {outlet.letter}"


def _part(row: ComponentRow, letters: Mapping[int, str]) -> InstalledPart:
    return InstalledPart(row.kind, row.position, row.serial, row.lot, letters.get(row.evse, ""))


def _meter(row: MeterRow, letter: str) -> InstalledMeter:
    return InstalledMeter(letter, row.evse, row.type, row.serial, row.mid, row.public_key, row.printed)


def _result(row: ResultRow) -> ImportedResult:
    return ImportedResult(
        test=row.test,
        unit=row.unit,
        verdict=row.verdict.value.upper(),
        taken_at=iso(row.taken_at),
        value=row.value,
        low=row.low,
        high=row.high,
        instrument=row.instrument,
        calibration_due=row.calibration_due.isoformat() if row.calibration_due else "",
        source=row.source,
    )
