"""The text of a passport's pages, section by section, in the order in which readers ask."""

from collections.abc import Iterable, Sequence
from typing import Any

from reportlab.lib.units import mm
from reportlab.platypus import Flowable, KeepTogether, Spacer

from station.documents.setting import Cell, Setter
from station.documents.wording import Wording

MAX_VALUE = 700
"""Characters of a value on the page; the JSON has all of it."""
SHORT = 60
"""Characters of a value that fits a half of the page."""
READ_BACK = 26
"""Characters of a value that was read back; the JSON has all of it."""
MAX_ROWS = 150
"""Rows of a table on the page; the JSON has all of them."""
NOTHING = "\N{EN DASH}"
DIRECT = "DC"
GOOD = {"PASS", "SKIPPED"}


def story(passport: dict[str, Any], digest: str, signer: str, setter: Setter, words: Wording) -> list[Flowable]:
    """Return all that stands between head and foot."""
    return list(_Story(passport, setter, words).sections(digest, signer))


class _Story:
    """Sets one passport in one language."""

    def __init__(self, passport: dict[str, Any], setter: Setter, words: Wording) -> None:
        self._passport, self._set, self._words = passport, setter, words

    def sections(self, digest: str, signer: str) -> Iterable[Flowable]:
        yield self._set.tiles(self._tiles())
        yield from self._ratings()
        yield from self._connectors()
        yield from self._unit()
        yield from self._software()
        yield from self._certificate()
        yield from self._production()
        yield from self._facts("lifecycle", self._passport.get("lifecycle", []), LIFE)
        yield from self._acceptance()
        yield from self._checks()
        yield from self._results()
        yield from self._known()
        yield from self._not_shown()
        yield from self._proof(digest, signer)
        yield from self._measurements()

    def _tiles(self) -> list[tuple[str, str]]:
        words, configuration = self._words, self._passport["configuration"]
        steps = self._passport["acceptance"]
        passed = sum(step["outcome"] in GOOD for step in steps)
        result = "tile_passed" if passed == len(steps) else "tile_not_passed"
        protocol = words(
            "tile_protocol_value",
            version=words.value(configuration["ocpp_version"]),
            profile=configuration["security_profile"],
        )
        return [
            (words("tile_result"), words(result, passed=passed, count=len(steps))),
            (words("tile_firmware"), _cut(self._passport["firmware"]["version"], 40, words)),
            (words("tile_protocol"), protocol),
            (words("tile_certificate"), words.day(self._passport["certificate"]["not_after"])),
        ]

    def _ratings(self) -> Iterable[Flowable]:
        ratings = [(self._words.value(one["name"]), self._cell(one["value"])) for one in self._passport["ratings"]]
        if ratings:
            short = all(len(value) <= SHORT for _, (value, _) in ratings)
            table = self._set.columns(ratings) if short else self._set.pairs(ratings)
            yield from self._set.section(self._words("ratings"), table)

    def _connectors(self) -> Iterable[Flowable]:
        names = ("outlet", "evse", "connector", "type", "phases", "rotation", "current", "power", "meter")
        rows = [self._connector(outlet) for outlet in self._passport["connectors"]]
        widths = (0.1, 0.07, 0.12, 0.18, 0.09, 0.1, 0.09, 0.1, 0.15)
        yield from self._set.section(self._words("connectors"), *self._grid(names, rows, widths))

    def _connector(self, outlet: dict[str, Any]) -> list[Cell]:
        words = self._words
        return [
            (outlet["letter"], "strong"),
            *((words.value(outlet[name]), "value") for name in ("evse", "connector", "type")),
            (words.value(outlet["phases"]) if outlet["phases"] else DIRECT, "value"),
            (words.value(outlet["rotation"]), "value"),
            (f"{words.value(outlet['max_current_a'])} A", "value"),
            (f"{words.value(outlet['max_power_w'] / 1000)} kW", "value"),
            self._cell(outlet.get("meter") or NOTHING),
        ]

    def _unit(self) -> Iterable[Flowable]:
        unit, words = self._passport["unit"], self._words
        product = words("product_value", name=unit["product"], revision=unit["product_revision"])
        values = [("product", product), *((name, unit[name]) for name in ("hardware", "hardware_uid", "ocpp_identity"))]
        if "gtin" in unit:
            values.append(("gtin", unit["gtin"]))
        if "support_until" in unit:
            values.append(("support_until", words.day(unit["support_until"])))
        yield from self._set.whole(words("unit"), self._set.columns(self._named(values)))

    def _software(self) -> Iterable[Flowable]:
        firmware, configuration = self._passport["firmware"], self._passport["configuration"]
        named = [("release", firmware["name"])] if "name" in firmware else []
        values = [
            ("firmware", firmware["version"]),
            *named,
            ("image", firmware["sha256"]),
            ("configuration", configuration["sha256"]),
            ("endpoint", configuration["endpoint"]),
        ]
        yield from self._set.whole(self._words("configured"), self._set.pairs(self._named(values)))
        yield from self._facts(
            "members", firmware.get("members", []), ("role", "version", "security_counter", "sha256")
        )

    def _certificate(self) -> Iterable[Flowable]:
        certificate, words = self._passport["certificate"], self._words
        values = [
            ("subject", certificate["subject"]),
            ("issuer", certificate["issuer"]),
            ("certificate_serial", certificate["serial"]),
            ("fingerprint", certificate["sha256"]),
            ("not_after", words.moment(certificate["not_after"])),
            ("key_origin", words.value(certificate["key_origin"])),
        ]
        if "spki_sha256" in certificate:
            values.append(("key_digest", certificate["spki_sha256"]))
        if "renewal" in certificate:
            duty = certificate["renewal"]
            told = {"owner": words.value(duty["owner"]), "method": duty["method"].upper(), "days": duty["lead_days"]}
            values.append(("renewal", words("renewal_value", **told)))
        yield from self._set.whole(words("certificate"), self._set.pairs(self._named(values)))
        yield from self._facts("chain", certificate.get("chain", []), COLUMNS["trust_anchors"])

    def _production(self) -> Iterable[Flowable]:
        production, words = self._passport["production"], self._words
        named = [("customer", production["customer"])] if production["customer"] else []
        values = [
            *named,
            ("work_order", production["work_order"]),
            ("run", production["run"]),
            ("released_at", words.moment(production["released_at"])),
            ("recipe", production["recipe"]),
            ("recipe_digest", production["recipe_digest"]),
        ]
        values += [(name, _plain(production[name])) for name in OPTIONAL if production.get(name)]
        if "override" in production:
            values.append(("override", words("override_value", **production["override"])))
        yield from self._set.whole(words("production"), self._set.pairs(self._named(values)))
        earlier = production.get("earlier_runs", [])
        yield from self._facts("earlier_runs", earlier, ("run", "outcome", "ended_at", "fault"))

    def _acceptance(self) -> Iterable[Flowable]:
        yield from self._timed("acceptance", "step", self._passport["acceptance"])

    def _checks(self) -> Iterable[Flowable]:
        checks = [self._check(check) for step in self._passport["acceptance"] for check in step.get("checks", ())]
        yield from self._timed("checks", "check", checks)

    def _check(self, check: dict[str, Any]) -> dict[str, Any]:
        """Return a check as it is told: a step that is SKIPPED stands on an earlier run, a check was not performed."""
        outcome = LEFT_OUT if check["outcome"] == "SKIPPED" else check["outcome"]
        return {**check, "name": self._words.check(check["name"]), "outcome": outcome}

    def _timed(self, title: str, what: str, steps: Sequence[dict[str, Any]]) -> Iterable[Flowable]:
        """Yield what was done and how long it took, in two columns."""
        rows = [self._step(step) for step in steps]
        rows = [[*left, *right] for left, right in _halves(rows, [("", "value")] * 3)]
        names = (what, "result", "duration") * 2
        widths = (0.26, 0.15, 0.09) * 2
        if rows:
            yield from self._set.section(self._words(title), *self._grid(names, rows, widths))

    def _step(self, step: dict[str, Any]) -> list[Cell]:
        words = self._words
        seconds = f"{step['seconds']:.1f} s".replace(".", words.decimal)
        shown = words.value(step["outcome"])
        if "attempts" in step:
            shown = words("attempt_value", outcome=shown, number=step["attempts"])
        return [self._cell(words.value(step["name"])), (shown, "strong"), (seconds, "value")]

    def _measurements(self) -> Iterable[Flowable]:
        """Yield what was measured against limits, then what was read back, as wanted or for the record."""
        taken = _unlike(self._passport["measurements"])
        judged = [one for one in taken if {"low", "high"} & one.keys() or not one["passed"]]
        rows = [self._measurement(one) for one in judged]
        names, widths = ("measured", "value", "wanted", "result"), (0.34, 0.26, 0.26, 0.14)
        if rows:
            yield from self._set.section(self._words("measurements"), *self._grid(names, rows, widths))
        yield from self._read_backs([one for one in taken if one not in judged])

    def _read_backs(self, taken: Sequence[dict[str, Any]]) -> Iterable[Flowable]:
        rows = [
            [*left, *right] for left, right in _halves([self._read_back(one) for one in taken], [("", "value")] * 2)
        ]
        if rows:
            grid = self._grid(("measured", "value") * 2, rows, (0.29, 0.21) * 2)
            yield from self._set.section(self._words("read_backs"), *grid)

    def _read_back(self, one: dict[str, Any]) -> list[Cell]:
        words = self._words
        value = f"{words.value(one['value'])} {one.get('unit', '')}".strip()
        shown = value if len(value) <= READ_BACK else f"{value[: READ_BACK - 1]}…"
        return [(_cut(words.value(one["name"]), MAX_VALUE, words), "digest"), (shown, "digest")]

    def _measurement(self, one: dict[str, Any]) -> list[Cell]:
        words = self._words
        value = f"{words.value(one['value'])} {one.get('unit', '')}"
        verdict = words.value("PASS" if one["passed"] else "FAIL")
        name = self._cell(words.value(one["name"]))
        return [name, self._cell(value), self._cell(self._wanted(one)), (verdict, "strong")]

    def _results(self) -> Iterable[Flowable]:
        rows = [self._result(one) for one in self._passport.get("results", [])]
        names, widths = (
            ("measured", "value", "wanted", "instrument", "taken", "result"),
            (0.22, 0.14, 0.17, 0.14, 0.2, 0.13),
        )
        if rows:
            yield from self._set.section(self._words("results"), *self._grid(names, rows, widths))

    def _result(self, one: dict[str, Any]) -> list[Cell]:
        words, unit = self._words, one["unit"] if one["unit"] != WITHOUT_UNIT else ""
        value = f"{words.value(one['value'])} {unit}" if "value" in one else NOTHING
        instrument, taken = one.get("instrument", NOTHING), words.day(one["taken_at"])
        shown = (one["test"], value, self._wanted(one), instrument, taken)
        return [*map(self._cell, shown), (words.value(one["verdict"]), "strong")]

    def _wanted(self, one: dict[str, Any]) -> str:
        words = self._words
        if "low" in one and "high" in one:
            return f"{words.value(one['low'])} … {words.value(one['high'])}"
        if "low" in one:
            return f"≥ {words.value(one['low'])}"
        if "high" in one:
            return f"≤ {words.value(one['high'])}"
        return words.value(one["expected"]) if "expected" in one else NOTHING

    def _known(self) -> Iterable[Flowable]:
        """Yield the sections that only some records have, with the columns that say something."""
        yield from self._protection()
        for section, names in COLUMNS.items():
            yield from self._facts(section, self._passport.get(section, []), names)

    def _protection(self) -> Iterable[Flowable]:
        words, shown = self._words, self._passport.get("security", [])[:MAX_ROWS]
        values = [(words.value(one["name"]), self._cell(words.value(one["value"]))) for one in shown]
        if values:
            short = all(len(value) <= SHORT / 2 for _, (value, _) in values)
            yield from self._set.whole(words("security"), (self._set.columns if short else self._set.pairs)(values))

    def _facts(self, section: str, facts: Sequence[dict[str, Any]], names: Sequence[str]) -> Iterable[Flowable]:
        """Yield a table of facts with those columns that say something."""
        names = [name for name in names if any(name in fact for fact in facts)]
        rows = [[self._cell(self._fact(name, fact.get(name, NOTHING))) for name in names] for fact in facts]
        titles = [f"fact_{name}" for name in names]
        if rows:
            yield from self._set.section(self._words(section), *self._grid(titles, rows, _shares(names)))

    def _fact(self, name: str, value: Any) -> str:
        if name in DAYS and value != NOTHING:
            return self._words.day(value)
        if name == "check":
            return self._words.check(self._words.value(value))
        return self._words.value(value) if name in WORDED else str(value)

    def _not_shown(self) -> Iterable[Flowable]:
        facts = map(self._words.sentence, self._passport["not_shown_by_hardware"][:MAX_ROWS])
        shown = [self._set.text(*self._cell(f"{NOTHING}  {fact}")) for fact in facts]
        if shown:
            yield from self._set.section(self._words("not_shown"), *shown)

    def _proof(self, digest: str, signer: str) -> Iterable[Flowable]:
        words = self._words
        commands = [self._set.text(words(f"proof_{name}"), "command") for name in ("station", "pdfsig", "openssl")]
        yield KeepTogether(
            [
                *self._set.section(words("proof"), self._set.text(words("proof_text"), "note"), Spacer(1, 1.4 * mm)),
                *commands,
                Spacer(1, 1.6 * mm),
                self._set.pairs([(words("digest"), (digest, "digest")), (words("signer"), self._cell(signer))]),
            ]
        )

    def _grid(self, names: Sequence[str], rows: list[list[Cell]], widths: Sequence[float]) -> Iterable[Flowable]:
        """Yield a table of the first rows, and how many more the JSON has."""
        yield self._set.grid([self._words(name) for name in names], rows[:MAX_ROWS], widths)
        if len(rows) > MAX_ROWS:
            yield self._set.text(self._words("more", shown=MAX_ROWS, all=len(rows)), "note")

    def _named(self, values: Iterable[tuple[str, str]]) -> list[tuple[str, Cell]]:
        return [(self._words(name), self._cell(value)) for name, value in values]

    def _cell(self, value: str) -> Cell:
        """Return a value with the look that suits it, cut where it is endless."""
        shown = _cut(value, MAX_VALUE, self._words)
        return shown, "digest" if len(value) >= 60 and " " not in value else "value"


LEFT_OUT = "LEFT OUT"
LIFE = ("event", "occurred_at", "place", "party", "reference", "reason")
OPTIONAL = ("bundle", "author", "approvers", "replaces", "software", "operator", "attempts", "labels")


COLUMNS = {
    "identifiers": ("kind", "value"),
    "components": ("type", "position", "outlet", "serial", "lot", "supplier", "revision"),
    "meters": ("outlet", "type", "serial", "approval", "public_key"),
    "seals": ("id", "place"),
    "trust_anchors": ("subject", "not_after", "sha256"),
    "sboms": ("image", "uri", "sha256"),
    "papers": ("kind", "number", "marking", "valid_until", "sha256"),
    "evidence": ("clause", "check", "result"),
}
"""What the sections that only some records have show, in this order."""
LONG = ("sha256", "public_key")
HALF = 0.55
"""Part of the width in which a SHA-256 is one line."""
NEEDS = {
    "outlet": 0.8,
    "position": 0.8,
    "serial": 1.7,
    "security_counter": 0.6,
    "marking": 0.7,
    "kind": 1.4,
    "fault": 1.6,
}
"""How wide a column is against one without an entry."""
WORDED = ("event", "kind", "type", "place", "role", "result", "outcome", "fault")
"""Facts for which a language may have words of its own."""
DAYS = ("not_after", "valid_until", "ended_at", "occurred_at")
WITHOUT_UNIT = "1"
"""UCUM's code of what has no unit."""


def _shares(names: Sequence[str]) -> list[float]:
    """Return the columns' parts of the width: digests and keys take half of it, others what they need of the rest."""
    rest = 1 - HALF * sum(name in LONG for name in names)
    needs = sum(NEEDS.get(name, 1.0) for name in names if name not in LONG)
    return [HALF if name in LONG else rest * NEEDS.get(name, 1.0) / needs for name in names]


def _unlike(measurements: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return measurements, each once: several steps read the same."""
    return list({repr(sorted(one.items())): one for one in measurements}.values())


def _cut(value: str, length: int, words: Wording) -> str:
    return value if len(value) <= length else value[:length] + words("cut", rest=len(value) - length)


def _plain(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)


def _halves(rows: list[list[Cell]], empty: list[Cell]) -> list[tuple[list[Cell], list[Cell]]]:
    """Return rows side by side, read downward."""
    half = (len(rows) + 1) // 2
    return list(zip(rows[:half], [*rows[half:], *([empty] * (2 * half - len(rows)))], strict=True))
