"""What a unit is made of as its product declares it: parts to be scanned, numbers to be read, meters to be proven.

A number has one place of truth: where the hardware tells it, the device is read; what is printed is scanned; where
there is both, they must agree.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields

from station.catalog.settings import EVSE
from station.identifiers import Kind, Rules, parse
from station.model import Connector
from station.strict import shown

METER, SEAL = "meter", "seal"
"""Kinds of parts that metrology depends on."""
PART_KIND = re.compile(r"[a-z][a-z0-9 -]{0,39}")
OPENED = re.compile(r"[a-z0-9][a-z0-9_. -]{0,59}")
POSITION = re.compile(r"[ -~]{1,30}")
KEY = re.compile(r"[!-~]{1,128}")
MOST_PARTS = 64
CODED = (Kind.ICCID, Kind.IMEI, Kind.EID, Kind.METER, Kind.SEAL, Kind.MAC)
"""Kinds of identifiers that are printed on parts."""


@dataclass(frozen=True)
class ComponentRule:
    """One part that every unit has, or may have, and how its code looks."""

    kind: str
    """What it is, such as `contactor`."""
    position: str
    """Where it sits, as the drawing calls it, such as `K1`."""
    serial: str = ""
    """Regular expression of its serial number, which only one part of this kind has."""
    lot: str = ""
    """Regular expression of its lot, which many units share."""
    example: str = ""
    """A code that fits; operators see it when theirs does not."""
    identifier: Kind | None = None
    """What its code names, if it is an identifier with rules of its own."""
    connector: int = 0
    """The outlet (evse) it belongs to; 0 for the whole unit."""
    required: bool = True
    opens: tuple[str, ...] = ()
    """Tests, steps and kinds of identifiers that must be done again once it was changed."""

    def __post_init__(self) -> None:
        """Refuse a rule that no code could keep, or that every code does."""
        problems = tuple(self._problems())
        if problems:
            raise ValueError(*problems)

    @property
    def title(self) -> str:
        """Return the part as people say it."""
        return f"{self.kind} {self.position}"

    @property
    def by_lot(self) -> bool:
        """Tell whether its code is a lot, and no number of its own."""
        return bool(self.lot)

    def _problems(self) -> Iterator[str]:
        if not PART_KIND.fullmatch(self.kind):
            yield "kind: must be 1 to 40 lower-case letters, digits, spaces and hyphens"
        if not POSITION.fullmatch(self.position) or self.position.strip() != self.position:
            yield "position: must be 1 to 30 printable ASCII characters"
        if not all(OPENED.fullmatch(name) for name in self.opens):
            yield f"opens: names of tests, steps or identifiers are expected, not {shown(list(self.opens))}"
        if self.kind == SEAL and not self.opens:
            yield "opens: a new seal re-opens metrology: name the tests that must be done again"
        yield from self._code_problems()

    def _code_problems(self) -> Iterator[str]:
        if bool(self.serial) + bool(self.lot) + (self.identifier is not None) != 1:
            yield "one of 'serial', 'lot' and 'identifier' is expected"
        elif self.identifier is not None and self.identifier not in CODED:
            yield f"identifier: none that is printed on parts: {self.identifier}"
        elif self.identifier is None and (problem := _pattern_problem(self.serial or self.lot, self.example)):
            yield problem


def _pattern_problem(pattern: str, example: str) -> str:
    try:
        fits = re.fullmatch(pattern, example)
    except re.error as error:
        return f"{shown(pattern)} is no regular expression: {error}"
    return "" if fits else f"example: {shown(example)} does not match {shown(pattern)}"


@dataclass(frozen=True)
class ReadNumbers:
    """Device settings that show what the unit's modules bear; empty for what the hardware does not show."""

    mac: tuple[str, ...] = ()
    """One setting for each network interface."""
    iccid: str = ""
    imsi: str = ""
    imei: str = ""
    eid: str = ""

    def __post_init__(self) -> None:
        """Refuse what is no key of a setting."""
        wrong = [key for _, key in self.each if not KEY.fullmatch(key)]
        if wrong:
            raise ValueError(f"{shown(wrong[0])} is no key of a device setting")

    @property
    def each(self) -> tuple[tuple[Kind, str], ...]:
        """Return what is read: (kind of identifier, setting)."""
        single = ((Kind(entry.name), getattr(self, entry.name)) for entry in fields(self) if entry.name != "mac")
        return (*((Kind.MAC, key) for key in self.mac), *((kind, key) for kind, key in single if key))


@dataclass(frozen=True)
class Metering:
    """How the meters of the outlets are read: settings with `{evse}` in their keys, empty for what is not shown."""

    type: str = ""
    serial: str = ""
    mid: str = ""
    """Marking of the Measuring Instruments Directive, such as `M26 0102`: year and notified body."""
    public_key: str = ""
    """SubjectPublicKeyInfo in hexadecimal."""
    reading: str = ""
    """A fresh signed reading in OCMF."""
    printed_key: bool = False
    """Whether the key is printed on the meter, so that it can be scanned and compared."""
    most_kwh: float = 1.0
    """What a meter that never left the factory may have counted."""

    def __post_init__(self) -> None:
        """Refuse keys that are the same for all outlets."""
        wrong = [key for key in self.keys if EVSE not in key or not KEY.fullmatch(key)]
        if wrong:
            raise ValueError(f"{shown(wrong[0])} is no key of a setting with {EVSE} in it")
        if bool(self.public_key) != bool(self.reading) or (self.printed_key and not self.public_key):
            raise ValueError("public_key and reading belong together, and printed_key needs them")
        if not 0 < self.most_kwh <= 1000:
            raise ValueError(f"most_kwh: must be above 0 and at most 1000, not {self.most_kwh:g}")

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the settings that there are, for any outlet."""
        return tuple(getattr(self, name) for name in SHOWN if getattr(self, name))

    def keys_of(self, evse: int) -> dict[str, str]:
        """Return the settings of one outlet by what they show."""
        return {name: getattr(self, name).replace(EVSE, str(evse)) for name in SHOWN if getattr(self, name)}


SHOWN = ("type", "serial", "mid", "public_key", "reading")
"""What a meter may show."""


def part_problems(parts: tuple[ComponentRule, ...], outlets: tuple[Connector, ...]) -> Iterator[str]:
    """Tell which parts of a product could be mixed up, or belong to an outlet that there is not."""
    if len(parts) > MOST_PARTS:
        yield f"component: at most {MOST_PARTS} are expected, not {len(parts)}"
    seen: set[tuple[str, str]] = set()
    meters = {outlet.evse for outlet in outlets if outlet.meter}
    for index, part in enumerate(parts):
        if (part.kind, part.position) in seen:
            yield f"component[{index}]: there is a {part.title} already"
        seen.add((part.kind, part.position))
        if part.connector and part.connector not in {outlet.evse for outlet in outlets}:
            yield f"component[{index}]: connector: there is no outlet {part.connector}"
        if part.kind == METER and part.connector not in meters:
            yield f"component[{index}]: connector: outlet {part.connector} has no meter"


def refusal_of(part: ComponentRule, code: str, rules: Rules) -> str:
    """Return why a scan is no code of a part, with the expected format, or nothing."""
    if part.identifier is not None:
        try:
            parse(part.identifier, code, rules=rules)
        except ValueError as error:
            return f"{error}"
        return ""
    if re.fullmatch(part.serial or part.lot, code):
        return ""
    what = "lot" if part.by_lot else "serial number"
    return f"This is no {what} of the {part.title}; expected is one such as {part.example}."


def forms_of(part: ComponentRule, code: str, rules: Rules) -> tuple[str, str]:
    """Return a part's code in the form that is compared with what the device shows, and as it is kept.

    Raises:
        ValueError: It is no code of the part.
    """
    if part.identifier is not None:
        found = parse(part.identifier, code, rules=rules)
        return found.value, found.written
    return (parse(Kind.METER, code, strict=False).value, code) if part.kind == METER else (code, code)
