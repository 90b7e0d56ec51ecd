"""The commissioning pack: what the factory set, what stays open, who does and who renews what (F-M2, F-M6).

What only the site or the operator can know is empty in every row; a value there is a mistake that stops the batch. What
the factory's network showed is told as that, and never as the site's.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from station.batches.units import Facts
from station.catalog.parameters import PARAMETERS, UNSET, Owner
from station.clock import iso
from station.errors import ConfigError, Defect, UnitError
from station.strict import parse

TEXTS = Path(__file__).resolve().parents[2] / "templates" / "batch"
MOST_VALUES = 50
"""Different values of a fact that are counted one by one."""
SHOWN = 6
"""Different values that the pages show."""
NOBODY = "?"
"""Where an environment of before does not say who renews."""
SECURE_PORT, PLAIN_PORT = 443, 80
CONFIGURED = ("network_order", "apn", "ntp_server", "dns", "max_current", "phase_rotation", "heartbeat_interval",
              "log_level", "time_zone")  # fmt: skip
"""Values of the ship configuration that stand in the checklist."""
OF_UNIT = (
    *("serial", "ocpp_identity", "vendor", "model", "hardware", "firmware", "ocpp_version", "security_profile"),
    *("endpoint", "connectors", "max_power_kw", "mac", "iccid", "certificate_not_after"),
)


class Party(StrEnum):
    """Who may own a step or a renewal; each has exactly one owner (P22)."""

    MANUFACTURER = "manufacturer"
    INSTALLER = "installer"
    OPERATOR = "operator"


@dataclass(frozen=True)
class Step:
    """One step on the way of a unit, and who owns it."""

    phase: str
    owner: Party
    what: str


@dataclass(frozen=True)
class Renewal:
    """Something that ends in the field, and who renews it."""

    what: str
    owner: Party
    way: str
    when: str


@dataclass(frozen=True)
class Blank:
    """A column that the factory leaves empty."""

    column: str
    owner: Party
    what: str


@dataclass(frozen=True)
class Instruction:
    """What to do in a case that comes once in a unit's life."""

    title: str
    line: tuple[str, ...]


@dataclass(frozen=True)
class Texts:
    """One language."""

    text: Mapping[str, str]
    owners: Mapping[str, str]
    ways: Mapping[str, str]
    facts: Mapping[str, str]
    step: tuple[Step, ...]
    renewal: tuple[Renewal, ...]
    blank: tuple[Blank, ...]
    instruction: tuple[Instruction, ...]

    def __post_init__(self) -> None:
        """Refuse a language that has no word for an owner."""
        missing = [party.value for party in Party if party not in self.owners]
        if missing:
            raise ValueError(f"owners: there is no word for {', '.join(missing)}")

    def __call__(self, name: str, /, **parts: object) -> str:
        """Return a text with its parts filled in."""
        return self.text[name].format(**parts)


def languages() -> tuple[str, ...]:
    """Return the languages there are."""
    return tuple(sorted(path.name.split(".")[1] for path in TEXTS.glob("pack.*.toml")))


@cache
def texts(language: str) -> Texts:
    """Return a language's texts.

    Raises:
        ConfigError: There is no such language, or its file is wrong.
    """
    if language not in languages():
        raise ConfigError(f"there is no language '{language}'", hint=f"These exist: {', '.join(languages())}.")
    path = TEXTS / f"pack.{language}.toml"
    return parse(Texts, tomllib.loads(path.read_text()), str(path))


def blanks() -> tuple[str, ...]:
    """Return the columns that the factory leaves empty, in every language the same."""
    return tuple(blank.column for blank in texts("en").blank)


def checklist_columns() -> tuple[str, ...]:
    """Return the columns of the checklist: what the factory set, then what it leaves open."""
    return (*OF_UNIT, *CONFIGURED, "renewal_owner", "renewal_method", "renew_from", *blanks())


def checklist_row(facts: Facts, configuration: Mapping[str, Any]) -> Facts:
    """Return the checklist's facts of a unit.

    Raises:
        UnitError: Its configuration has a value that only the site or the operator may choose (F-A6, P18).
    """
    values = configuration.get("values", {})
    for name, value in values.items():
        parameter = PARAMETERS.get(name)
        if parameter is not None and parameter.owner is not Owner.FACTORY and value != UNSET:
            message = f"Unit {facts['serial']} was configured with {name}, which only the {parameter.owner} may set."
            raise UnitError(Defect.CONFIGURATION, message, hint="Take the unit to rework before it is handed over.")
    told = {name: values.get(name, "") for name in CONFIGURED}
    shown = {name: value if isinstance(value, str) else "" for name, value in told.items()}
    return facts | shown | {"renew_from": renew_from(facts)} | dict.fromkeys(blanks(), "")


def renew_from(facts: Facts) -> str:
    """Return from when on a unit's certificate is to be renewed; nothing where nobody has that duty."""
    if facts["renewal_lead_days"] == "":
        return ""
    return iso(datetime.fromisoformat(facts["certificate_not_after"]) - timedelta(days=facts["renewal_lead_days"]))


@dataclass
class Gathered:
    """What the units of a batch have in common, or not: the different values of each fact, up to a bound."""

    values: dict[str, dict[str, int]] = field(default_factory=dict)
    units: int = 0
    first: str = ""
    last: str = ""
    ends: str = ""
    """When the first certificate ends."""
    not_shown: dict[str, None] = field(default_factory=dict)
    """What the factory could not show of some unit, each as the passports' one sentence."""

    def add(self, row: Facts, not_shown: Sequence[str] = ()) -> None:
        """Take a unit's checklist facts, and what its passport says was not shown."""
        if len(self.not_shown) < MOST_VALUES:
            self.not_shown |= dict.fromkeys(not_shown)
        self.units += 1
        self.first, self.last = self.first or row["serial"], row["serial"]
        self.ends = min(self.ends or row["certificate_not_after"], row["certificate_not_after"])
        for name in (*OF_UNIT, *CONFIGURED, "customer", "renewal_owner", "renewal_method", "renewal_lead_days"):
            seen = self.values.setdefault(name, {})
            value = str(row[name])
            if value in seen or len(seen) < MOST_VALUES:
                seen[value] = seen.get(value, 0) + 1

    def each(self, name: str) -> list[str]:
        """Return the different values of a fact that are not empty."""
        return [value for value in self.values.get(name, {}) if value]

    def split(self, name: str) -> list[str]:
        """Return the different words of a fact that is a list of words."""
        return list(dict.fromkeys(word for value in self.each(name) for word in value.split(",") if word))


def openings(gathered: Gathered, words: Texts) -> list[tuple[str, str, str]]:
    """Return what the site's network must let out: to where, by which port, and what for."""
    rows = []
    for endpoint in gathered.each("endpoint"):
        parts = urlsplit(endpoint)
        port = parts.port or (SECURE_PORT if parts.scheme == "wss" else PLAIN_PORT)
        rows.append((parts.hostname or "", f"{port} TCP", words("csms")))
    rows += [(host, "53 UDP, TCP", words("dns")) for host in gathered.split("dns") or [words("any_dns")]]
    rows += [(host, "123 UDP", words("ntp")) for host in gathered.split("ntp_server") or [words("any_ntp")]]
    rows += [(name, "", words("mobile")) for name in gathered.each("apn")]
    return list(dict.fromkeys(rows))


def renewals(gathered: Gathered, words: Texts, day: str) -> list[tuple[str, str, str, str]]:
    """Return what must be renewed: what, by whom, which way, and when; `day` is when the first certificate ends."""
    rows = []
    for owner in gathered.each("renewal_owner") or [""]:
        way = next(iter(gathered.each("renewal_method")), "none")
        when = words("certificate_when", days=", ".join(gathered.each("renewal_lead_days")) or NOBODY, day=day)
        rows.append((words.facts["certificate"], words.owners.get(owner, NOBODY), words.ways[way], when))
    rows += [(each.what, words.owners[each.owner], each.way, each.when) for each in words.renewal]
    return rows
