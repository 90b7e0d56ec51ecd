"""How EPCIS events and the things in them are named: the same thing, and the same event, alike in every export."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

from station.clock import iso

OURS = "urn:charger-station"
LONGEST_AI21 = 20
Event = dict[str, Any]


def uri_of(serial: str, passport: Mapping[str, Any]) -> str:
    """Return how a unit is named: by GS1 Digital Link where it has a GTIN and its serial fits AI 21, else by us."""
    gtin = passport.get("unit", {}).get("gtin", "")
    if gtin and len(serial) <= LONGEST_AI21:
        return f"https://id.gs1.org/01/{gtin:>014}/21/{quote(serial, safe='')}"
    return named("unit", serial)


def named(*parts: str) -> str:
    """Return a name of ours."""
    return ":".join((OURS, *(quote(part, safe="") for part in parts)))


def event(kind: str, at: datetime, subject: str, *what: str) -> Event:
    """Return the beginning of an event; what it is of makes its id."""
    number = uuid5(NAMESPACE_URL, "|".join((subject, kind, *what, iso(at))))
    return {"type": kind, "eventID": f"urn:uuid:{number}", "eventTime": iso(at), "eventTimeZoneOffset": "+00:00"}


class Act(NamedTuple):
    """What was done to a thing, in GS1's words."""

    action: str
    step: str
    disposition: str


def thing(name: str, act: Act, at: datetime, *what: str) -> Event:
    """Return an event of one thing."""
    told = event("ObjectEvent", at, name, act.step, *what)
    return told | {"action": act.action, "bizStep": act.step, "disposition": act.disposition, "epcList": [name]}
