"""The screen *Figures*: how much the line builds, how much of it at once, what fails where, and how well values keep.

Every number stands in a table; the charts beside them are drawn in the browser from the same numbers.
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from station.clock import utc_now
from station.model.figures import Capability, FigureSheet
from station.web.look import Look
from station.web.paper import Papers

Count = Callable[[str, datetime, str], FigureSheet]
"""Return the figures of a period at a time, of one work order or all."""
PeriodName = Annotated[str, Query(pattern=r"^[a-z]{1,12}$")]
OrderName = Annotated[str, Query(pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,39})?$")]
PERIODS = {
    "shift": "This shift",
    "today": "Today",
    "yesterday": "Yesterday",
    "week": "7 days",
    "month": "31 days",
}
BY = {
    "step": "Failures by step",
    "fault": "Failures by reason",
    "slot": "Failures by slot",
    "firmware": "Failures by firmware",
    "operator": "Failures by operator",
}
GOOD, ENOUGH, FEW = 1.33, 1.0, 25
"""From which Cpk on a value keeps well, from which on just so; and of how few values it says little."""
MOST_CHARTED = 200
"""Newest values that a chart of measurements shows."""


def figure_routes(
    count: Count, titles: Mapping[str, str], orders: Callable[[], tuple[str, ...]], papers: Papers
) -> APIRouter:
    """Return the screen's routes.

    Args:
        count: Counts the figures.
        titles: What steps are called on pages, by their names.
        orders: Gives the work orders that can be looked at alone.
        papers: Of the station.
    """
    routes = APIRouter()

    @routes.get("/figures", response_class=HTMLResponse)
    def page(request: Request, period: PeriodName = "today", order: OrderName = "") -> HTMLResponse:
        sheet = count(period, utc_now(), order)
        zone = ZoneInfo(sheet.zone)
        values = {
            "sheet": sheet, "PERIODS": PERIODS, "BY": BY, "titles": titles, "orders": orders(),
            "local": lambda at: at.astimezone(zone), "course": course(sheet), "chart_of": chart_of, "judged": judged,
        }  # fmt: skip
        return papers.draw(request, "figures.html", values)

    return routes


def course(sheet: FigureSheet) -> str:
    """Return the chart of what was built when, as JSON."""
    rows, zone, form = sheet.course, ZoneInfo(sheet.zone), "%H:%M" if sheet.per == "hour" else "%m-%d"
    return json.dumps(
        {
            "names": [row.since.astimezone(zone).strftime(form) for row in rows],
            "released": [row.released for row in rows],
            "failed": [row.failed for row in rows],
            "first_pass": [None if row.first_pass is None else round(100 * row.first_pass, 1) for row in rows],
        }
    )


def chart_of(one: Capability) -> str:
    """Return the chart of a value's newest measurements with its limits, as JSON."""
    newest = [round(value, 6) for value in one.values[-MOST_CHARTED:]]
    return json.dumps({"values": newest, "low": one.low, "high": one.high})


def judged(one: Capability) -> Look:
    """Return how well a value keeps within its limits, in a word."""
    if one.cpk is None or len(one.values) < FEW:
        return Look("too few", "dot", "waiting")
    if one.cpk < ENOUGH:
        return Look("poor", "fail", "fail")
    return Look("good", "pass", "pass") if one.cpk >= GOOD else Look("just so", "question", "warn")
