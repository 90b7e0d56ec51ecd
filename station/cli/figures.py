"""`station figures`: how much the line builds, how much of it at once, what fails where, how long steps take."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from station.cli.common import AS_JSON, DIRECTORY, exit_codes, print_json
from station.clock import utc_now
from station.config import load_station
from station.errors import ConfigError
from station.model.figures import Capability, FigureSheet, StepFigures, Times
from station.records import open_records
from station.trace.figures import LineFigures
from station.trace.figures_time import PERIODS, Calendar

MOST_BARS = 5


@click.command()
@DIRECTORY
@click.option("--period", default="today", show_default=True, type=click.Choice(PERIODS), help="Of which time.")
@click.option("--order", default="", help="Only of this work order.")
@AS_JSON
@exit_codes
def figures(directory: Path, period: str, order: str, *, as_json: bool) -> None:
    """Show the figures of the line: units an hour, yields, what fails where, times of steps, capability of values.

    Days and shifts begin by the factory's clock: [figures] in station.toml. A unit counts by its first run that came
    to a verdict; aborted runs count nowhere.

    \b
    Examples:
      station figures                          today
      station figures --period shift           this shift
      station figures --period month --json | jq '.first_pass, .rolled'
    """
    config = load_station(directory)
    with open_records(config.database_url, config.station.id) as records:
        if order and order not in {one.id for one in records.orders()}:
            raise ConfigError(f"there is no work order {order[:40]}", hint="See 'station order list'.")
        calendar = Calendar(config.figures.zone, config.figures.shifts)
        sheet = LineFigures(records, calendar).sheet(period, utc_now(), order)
    if as_json:
        print_json({**vars(sheet), "first_pass": sheet.total.first_pass})
        return
    click.echo("\n".join(_lines(sheet)))


def _lines(sheet: FigureSheet) -> Iterator[str]:
    total, zone = sheet.total, ZoneInfo(sheet.zone)
    yield f"{_time(sheet.period.since, zone)} to {_time(sheet.period.until, zone)} ({sheet.zone})"
    yield f"released           {total.released}"
    yield f"failed, aborted    {total.failed}, {sheet.aborted}"
    yield f"units an hour      {'-' if sheet.per_hour is None else f'{sheet.per_hour:.1f}'}"
    yield f"first-pass yield   {_share(total.first_pass)} of {total.first} units"
    yield f"rolled yield       {_share(sheet.rolled)}"
    yield f"time per unit      {_times(sheet.cycle)}; of that for a person {_times(sheet.waited)}"
    for by, bars in sheet.paretos:
        most = ", ".join(f"{bar.name or '-'} {bar.count}" for bar in bars[:MOST_BARS])
        yield f"failed by {by:9}{most or '-'}"
    yield from map(_step, sheet.steps)
    yield from map(_capability, sheet.capabilities)
    for slot in sheet.failing:
        yield f"slot {slot.name} failed {slot.runs} times in a row, with {slot.units} unit(s): look at its contacts"


def _step(step: StepFigures) -> str:
    person = f"; person {_times(step.person)}" if step.person.count else ""
    yields = f"{_share(step.first_time)} of {step.entered} at the first try"
    return f"step {step.name:12}  {yields}; {_times(step.machine)}{person}"


def _capability(one: Capability) -> str:
    low, high = ("-" if limit is None else f"{limit:g}" for limit in (one.low, one.high))
    cpk = "-" if one.cpk is None else f"{one.cpk:.2f}"
    drift = f", drifts by {one.shift:.1f} deviations" if one.drifts else ""
    return f"value {one.title} {low} to {high} {one.unit}: Cpk {cpk}, mean {one.mean:.4g} of {len(one.values)}{drift}"


def _time(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M")


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _times(times: Times) -> str:
    return f"{times.half:.1f} s, nine of ten {times.most:.1f} s" if times.count else "-"
