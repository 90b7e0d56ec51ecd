"""Where-used and recall, as people ask it: words of a command line, an address or a form, and what they find (F-I8)."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from station.clock import iso
from station.errors import ConfigError
from station.identifiers import Kind, parse
from station.records import RecalledUnit, RecallFilter, Records, UnitState
from station.records.search_recall import UNRELEASED
from station.records.values import IN_FIELD, IN_WAREHOUSE
from station.trace.recall_contents import Bundles, Wanted, split
from station.trace.search import forms

LONGEST, MOST_SERIALS = 200, 20_000
MOST_PAGE, USUAL_PAGE = 1_000, 100
EARLIEST_YEAR, LATEST_YEAR = 2000, 9000
PLACES = {"warehouse": IN_WAREHOUSE, "field": IN_FIELD}
"""Several states by one word."""
"""States of units that are finished and here."""
WORDS: Mapping[str, str] = {
    "firmware": "Version of the firmware release.",
    "firmware_name": "Name of the firmware release.",
    "image": "SHA-256 of a firmware image.",
    "component": "Part of the firmware by its SBOM: mbedtls, mbedtls@3.6.4 or a package URL.",
    "recipe": "Name of the recipe.",
    "revision": "Revision of the recipe.",
    "definition": "Digest of the recipe or bundle, or how it begins.",
    "certificate": "Serial number or SHA-256 of a certificate.",
    "issuer": "Name of the CA of the unit's certificate, as passports write it.",
    "expires_before": "Day before which the unit's certificate expires.",
    "anchor": "SHA-256 or name of a trust anchor.",
    "anchor_ends_before": "Day before which a trust anchor of the unit ends.",
    "lot": "Lot of a part.",
    "part": "Serial number of a part or meter.",
    "part_kind": "What the part is, such as contactor.",
    "sim": "ICCID, how it begins, or FIRST..LAST.",
    "station": "Station at which a run was.",
    "slot": "Slot in which a run was.",
    "operator": "Who worked at the slot.",
    "since": "Runs that began on this day or later.",
    "until": "Runs that began before this day.",
    "order": "Work order.",
    "product": "Product.",
    "customer": "Customer of the work order.",
    "state": "State of the unit; several separated by commas, or 'warehouse' or 'field'.",
    "serials": "Serial numbers, separated by blanks, commas or lines.",
    "ever": "yes: also what was so once and is not any more.",
}
"""What may be asked, by its name everywhere, and what it means."""
ALIKE = (
    *("firmware", "firmware_name", "recipe", "issuer", "lot", "part_kind", "station", "slot", "operator"),
    *("order", "product", "customer"),
)
"""Words that are compared as they are."""


@dataclass(frozen=True)
class Recall:
    """A question that was understood."""

    asked: Mapping[str, str]
    """The words that were given, as they were given."""
    filter: RecallFilter
    unknown: tuple[str, ...] = ()
    """Serial numbers that were asked for and no unit has."""
    unjudged: int = 0
    """Units of which all else is true, and which can't be judged: they may be concerned.

    They are built of what nobody kept, or have a certificate and no passport that says of which CA and until when.
    """


@dataclass(frozen=True)
class Page:
    """Some of the units that a recall finds."""

    count: int
    """All of them."""
    units: tuple[RecalledUnit, ...]
    next: str
    """What to ask for to get the following ones; empty at the end."""
    unknown: tuple[str, ...] = ()
    unjudged: int = 0


def ask(records: Records, words: Mapping[str, str], bundles: Bundles | None = None) -> Recall:
    """Understand a question.

    Args:
        records: Where it is asked.
        words: Of `WORDS`; one that says nothing is refused, as it might have been meant to say something.
        bundles: Keeps what bundles are made of from one question to the next.

    Raises:
        ConfigError: A word is unknown, or says something that nothing can be.
        ServiceError: The records can't be read.
    """
    said = {name: text.strip() for name, text in words.items()}
    for name, text in said.items():
        _check(name, text)
    given: dict[str, Any] = {name: said[name] for name in ALIKE if name in said}
    given |= {name: read(said[name], name) for name, read in READ.items() if name in said}
    given["states"] = given.pop("state", ())
    wanted = _contents(said, given)
    unknown: tuple[str, ...] = ()
    if wanted.asks:
        given["definitions"], unknown = split(records.definitions(), wanted, bundles or Bundles())
    found = RecallFilter(**given)
    unjudged = sum(records.count_recalled(doubt) for doubt in _doubts(found, unknown))
    missing = records.unknown_serials(found.serials) if found.serials else ()
    return Recall(said, found, missing, unjudged)


def page_of(records: Records, recall: Recall, after: str = "", limit: int = USUAL_PAGE) -> Page:
    """Return the units behind a serial number, and how many there are in all."""
    most = max(1, min(limit, MOST_PAGE))
    units = records.recalled(recall.filter, after, most + 1)
    following = units[most - 1].serial if len(units) > most else ""
    count = records.count_recalled(recall.filter)
    return Page(count, units[:most], following, recall.unknown, recall.unjudged)


def _doubts(found: RecallFilter, unknown: tuple[str, ...]) -> Iterator[RecallFilter]:
    """Yield what units are like that may be concerned, and of which nobody kept what would tell."""
    if unknown:
        yield replace(found, definitions=unknown)
    asks_certificate = found.issuer or found.expires_before
    if asks_certificate and (not found.states or set(found.states) & set(UNRELEASED)):
        known = None if found.definitions is None else (*found.definitions, *unknown)
        yield replace(found, definitions=known, issuer="", expires_before=None, uncertified=True)


def _contents(said: Mapping[str, str], given: dict[str, Any]) -> Wanted:
    """Return what is asked of contents, and take it out of what is asked of rows."""
    ends = given.pop("anchor_ends_before", None)
    return Wanted(
        said.get("definition", "").lower(), said.get("image", "").lower(), said.get("component", ""),
        _name_or_digest(said.get("anchor", "")), iso(ends) if ends else "",
    )  # fmt: skip


def _check(name: str, text: str) -> None:
    if name not in WORDS:
        raise ConfigError(f"'{name[:60]}' is nothing to ask for", hint=f"Ask for one of: {', '.join(WORDS)}.")
    if not text:
        message = f"{name}: nothing was given, and all units would be found"
        raise ConfigError(message, hint="Say what is looked for, or leave it out.")
    longest = MOST_SERIALS * 27 if name == "serials" else LONGEST
    if len(text) > longest:
        raise ConfigError(f"{name}: at most {longest} characters can be asked for", hint="Ask for less at a time.")
    if not (text.isprintable() or name == "serials"):
        raise ConfigError(f"{name}: has characters that nothing has", hint="Type it by hand.")


def _day(text: str, name: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or not EARLIEST_YEAR <= found.year <= LATEST_YEAR:
        message = f"{name}: '{text}' is no day or time from {EARLIEST_YEAR} on"
        raise ConfigError(message, hint="Write it as 2026-11-21 or 2026-11-21T13:30:00Z.")
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _serials(text: str, name: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(word.upper() for word in re.split(r"[\s,;]+", text) if word))
    if not found:
        raise ConfigError(f"{name}: there is no serial number in it", hint="Give serial numbers, or leave it out.")
    if len(found) > MOST_SERIALS:
        message = f"{name}: {len(found)} serial numbers; {MOST_SERIALS} are looked for at a time"
        raise ConfigError(message, hint="Ask for less at a time.")
    return found


def _states(text: str, name: str) -> tuple[UnitState, ...]:
    if text in PLACES:
        return PLACES[text]
    words = [word.strip() for word in text.split(",")]
    if unknown := [word for word in words if word not in set(UnitState)]:
        known = ", ".join(UnitState)
        raise ConfigError(f"{name}: '{unknown[0]}' is no state", hint=f"Ask for one of: {known}, or warehouse, field.")
    return tuple(UnitState(word) for word in words)


def _sim(text: str, name: str) -> tuple[str, str]:
    first, parted, last = text.partition("..")
    ends = (_iccid(first), _iccid(last if parted else first))
    if not all(ends) or ends[0] > ends[1] + "\U0010ffff":
        raise ConfigError(f"{name}: '{text}' is no ICCID and no range of them", hint="Write FIRST..LAST, digits only.")
    return ends


def _iccid(text: str) -> str:
    """Return the digits that are compared: of a whole number those without its check digit."""
    try:
        return parse(Kind.ICCID, text, strict=False).value
    except ValueError:
        digits = text.replace(" ", "")
        return digits if digits.isdecimal() else ""


def _revision(text: str, name: str) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", text) or not int(text):
        raise ConfigError(f"{name}: '{text}' is no number of a revision", hint="Write a number.")
    return int(text)


def _part(text: str, name: str) -> tuple[str, ...]:
    """Return the ways in which the number of a part or meter may be kept, as a search looks for it."""
    del name
    return forms(text)


def _yes(text: str, name: str) -> bool:
    if text not in ("yes", "no"):
        raise ConfigError(f"{name}: '{text}' is neither yes nor no", hint="Write yes or no.")
    return text == "yes"


def _name_or_digest(text: str) -> str:
    """Return a SHA-256 as it is kept, and anything else as it is."""
    packed = re.sub(r"[: ]", "", text).lower()
    return packed if re.fullmatch(r"[0-9a-f]{64}", packed) else text


def _certificate(text: str, name: str) -> str:
    packed = re.sub(r"[: ]", "", text)
    if not re.fullmatch(r"[0-9A-Fa-f]{1,64}", packed):
        raise ConfigError(f"{name}: '{text}' is no hexadecimal number", hint="Give serial number or SHA-256.")
    return packed.lower() if len(packed) == len("0" * 64) else packed.upper()


READ: Mapping[str, Callable[[str, str], Any]] = {
    "revision": _revision, "certificate": _certificate, "expires_before": _day, "anchor_ends_before": _day,
    "part": _part, "sim": _sim, "since": _day, "until": _day, "state": _states, "serials": _serials, "ever": _yes,
}  # fmt: skip
"""How words that are not compared as they are are read."""
DAYS = tuple(name for name, read in READ.items() if read is _day)
"""Words that say a day; it begins at midnight UTC, as all times in the records are UTC."""
