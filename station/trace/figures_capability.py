"""How well measured values keep within their limits (Cpk), and whether the newest differ from those before (drift)."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from math import ceil, sqrt
from statistics import fmean, stdev

from station.model.figures import Capability, Times
from station.records.figures_rows import Sampled

NEWEST, FEWEST = 20, 40
"""How many values count as the newest, and how many there must be in all before they are compared."""
CHANCE = 4.0
"""Standard errors beyond which a difference is no chance: of 16,000 steady values one would be told by mistake."""


def times(seconds: Iterable[float]) -> Times:
    """Return what half and what nine of ten stay within (nearest rank)."""
    ranked = sorted(seconds)
    if not ranked:
        return Times(0)
    return Times(len(ranked), ranked[ceil(len(ranked) / 2) - 1], ranked[ceil(0.9 * len(ranked)) - 1])


def capabilities(sample: Iterable[Sampled]) -> tuple[Capability, ...]:
    """Return the capability of each value that was measured, the worst first; those that never vary last."""
    ranked = sorted(sample, key=_kind)  # stable: values of one kind stay in their order
    found = [_capability(list(rows)) for _, rows in groupby(ranked, key=_kind)]
    return tuple(sorted(found, key=lambda one: (one.cpk is None, one.cpk or 0.0, one.title)))


def _kind(row: Sampled) -> tuple[str, str, str, str, str]:
    return row.recipe, row.step, row.name, row.unit, f"{row.low} {row.high}"


def _capability(rows: Sequence[Sampled]) -> Capability:
    values, one = tuple(row.value for row in rows), rows[0]
    mean, deviation = fmean(values), stdev(values) if len(values) > 1 else None
    shift = _shift(values)
    errors = sqrt(NEWEST * (len(values) - NEWEST) / len(values)) if shift is not None else 0.0
    return Capability(
        one.recipe, one.step, one.name, one.unit, one.low, one.high, values, mean, deviation,
        cpk=_cpk(mean, deviation, one.low, one.high), shift=shift, drifts=abs(shift or 0.0) * errors >= CHANCE,
    )  # fmt: skip


def _cpk(mean: float, deviation: float | None, low: float | None, high: float | None) -> float | None:
    """Return the distance to the nearer limit in units of three standard deviations; None where nothing varies."""
    if not deviation:
        return None
    room = [mean - low] if low is not None else []
    room += [high - mean] if high is not None else []
    return min(room) / (3 * deviation)


def _shift(values: Sequence[float]) -> float | None:
    """Return by how many standard deviations of the values before the newest lie off."""
    if len(values) < FEWEST:
        return None
    before, newest = values[:-NEWEST], values[-NEWEST:]
    deviation = stdev(before)
    return (fmean(newest) - fmean(before)) / deviation if deviation else None
