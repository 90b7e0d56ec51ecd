"""A work order's story in sentences: who did what, when and why, for the line lead's page and the command line."""

from collections import defaultdict
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from station.records import Records, StoryRow
from station.web.lead import StoryLine

TOLD: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "run-begun": ("busy", "In work in slot {slot}."),
        "run PASS": ("pass", "Released in slot {slot} after {seconds} s."),
        "run FAIL": ("fail", "Failed in slot {slot}: {reason}"),
        "run ERROR": ("error", "The station failed in slot {slot}: {reason}"),
        "run ABORTED": ("warn", "Interrupted in slot {slot}: {reason}"),
        "order-created": ("", "Created the order: {quantity} units for {customer}."),
        "order-edited open": ("", "Resumed the order."),
        "order-edited paused": ("warn", "Paused the order."),
        "order-edited closed": ("", "Closed the order."),
        "order-edited": ("", "Allowed {replacements} more for scrapped units."),
        "acknowledged blocked": ("", "Tried the blocked slot {slot} again."),
        "acknowledged": ("", "Saw the verdict {state} of slot {slot}."),
        "blocked": ("warn", "Blocked in slot {slot}: {reason}"),
        "run-refused": ("warn", "Refused in slot {slot}: {reason}"),
        "run-interlocked": ("warn", "Blocked in slot {slot}: {reason}"),
        "device-refused": ("warn", "Refused in slot {slot}: {reason}"),
        "recovered": ("", "Given its first firmware {firmware}."),
        "hold": ("warn", "Placed on hold."),
        "quarantine": ("fail", "Put in quarantine."),
        "lift": ("", "Lifted the hold."),
        "scrap": ("fail", "Scrapped."),
        "rework": ("warn", "Sent to rework."),
        "first-article": ("pass", "Signed off the first article."),
        "clearance": ("pass", "Signed the line clearance."),
        "handover": ("", "Signed the shift handover."),
        "golden-check": ("", "Checked the golden unit: {found}."),
        "golden-added": ("", "Made it a golden unit."),
        "label-void": ("warn", "Made the label void."),
        "label-reprinted": ("warn", "Printed the label again."),
        "verified-again": ("", "Compared it with its record."),
        "reimaged": ("", "Made it blank again."),
        "message-retried": ("", "Sent a message on: {title}."),
        "message-dropped": ("warn", "Gave a message up: {title}."),
        "batch-made": ("", "Made batch {batch} of {units} units."),
        "duplicate-identifier": ("fail", "Found a number that another unit has."),
    }
)
"""Kind of a row, for some with its state -> tone, and the sentence with places for what the row says."""


def told(records: Records, order: str) -> tuple[StoryLine, ...]:
    """Return the story of a work order, the newest first."""
    return tuple(line_of(row) for row in records.story(order))


def line_of(row: StoryRow) -> StoryLine:
    """Put one row into a sentence; what no sentence is known for is told by its kind."""
    state = row.body.get("outcome") or row.body.get("state") or ""
    unknown = ("", f"{row.kind.replace('-', ' ').capitalize()}.")
    tone, sentence = TOLD.get(f"{row.kind} {state}") or TOLD.get(row.kind) or unknown
    why = "" if "{reason}" in sentence else str(row.body.get("reason", ""))
    return StoryLine(row.at, row.who, _filled(sentence, row.body), row.subject, why, tone)


def _filled(sentence: str, body: Mapping[str, Any]) -> str:
    """Fill in what the row says; a row of before a fact was written down leaves a dash."""
    values = defaultdict(lambda: "-", {name: _text(value) for name, value in body.items()})
    return sentence.format_map(values)


def _text(value: Any) -> str:
    return f"{value:.0f}" if isinstance(value, float) else str(value)
