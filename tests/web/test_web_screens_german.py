"""Every sentence that reaches a page has its German: the code is read for what it can say (F-N2)."""

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

from station.errors import Defect, Service
from station.people.roles import Role
from station.scans import COMMANDS, REASONS
from station.steps import STEPS
from station.web.language import CATALOGUES, Language, Languages
from station.web.look import ACTIONS, SLOT_LOOKS, STEP_LOOKS
from station.web.paper import PLACES, TEMPLATES

ROOT = Path(__file__).parents[2] / "station"
SPEAKERS = (
    "bench.py", "changeover.py", "desk.py", "dispatch.py", "errors.py", "floor.py", "intake.py", "interrupted.py",
    "line.py", "outbox", "reprinting.py", "reserved.py", "returned.py", "rework.py", "run.py", "scans.py", "slot.py",
    "streaks.py", "telling.py",
    "acceptance", "drivers", "people", "quality", "steps", "web",
    "mes/answers.py", "mes/interlock.py", "mes/rest.py", "mes/worker.py",
    "records/routing.py", "records/signoffs.py", "records/dispositions.py", "records/golden.py", "records/holds.py",
    "records/orders.py", "records/dead_letters.py", "records/labels.py",
    "documents/printer.py", "documents/ipp.py", "documents/zebra.py",
)  # fmt: skip
"""Modules whose sentences people read on a page. Definitions and settings speak to engineers at a command line."""
PLACE = re.compile(r"\{(\w+)\}")
OURS = re.compile(r'\bt\("((?:[^"\\]|\\.)*)"')


@cache
def german() -> Language:
    return next(language for language in Languages().all if language.code == "de")


@cache
def known() -> frozenset[str]:
    """All English texts of the catalogue, their places without names."""
    return frozenset(PLACE.sub("{}", text) for text in german().entries)


def sources() -> Iterator[Path]:
    for name in SPEAKERS:
        path = ROOT / name
        yield from [path] if path.suffix else sorted(path.rglob("*.py"))


def texts(path: Path) -> Iterator[str]:
    """Yield the texts of a module as it says them, `{}` for what differs each time; documentation is none."""
    tree = ast.parse(path.read_text())
    silent = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            silent |= {id(part) for part in ast.walk(node) if part is not node}
    for node in ast.walk(tree):
        if id(node) in silent:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield PLACE.sub("{}", node.value)
        elif isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)


def is_sentence(text: str) -> bool:
    """Tell whether a text is a sentence of its own: three words of it are said each time."""
    words = re.findall(r"[A-Za-z']{2,}", text.replace("{}", " "))
    return len(words) >= 3 and text[-1] in ".!?" and (text[0].isupper() or text.startswith("{}")) and "\n" not in text


def has_german(text: str) -> bool:
    """Tell whether a text, or each of its sentences, is in the catalogue."""
    parts = re.split(r"(?<=[.!?]) (?=[A-Z0-9])", re.sub(r"^(\{\})+ (?=[A-Z])", "", text))
    return text in known() or all(part in known() or part == "{}" for part in parts)


@pytest.mark.parametrize("path", list(sources()), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_sentence_of_a_module_has_german(path: Path) -> None:
    missing = sorted({text for text in texts(path) if is_sentence(text) and not has_german(text)})
    assert missing == []


def test_every_text_of_a_template_has_german() -> None:
    found = {text for path in TEMPLATES.glob("*.html") for text in OURS.findall(path.read_text())}
    assert len(found) > 100
    assert sorted(text for text in found if text not in german().entries) == []


def test_every_word_that_is_put_into_a_template_has_german() -> None:
    """States, steps, actions, roles, defects and services."""
    looks = chain(SLOT_LOOKS.values(), STEP_LOOKS.values())
    words = {look.word for look in looks} | set(ACTIONS.values()) | {name for name, _ in PLACES}
    words |= {step.title for step in STEPS.values()} | {role.value for role in Role}
    words |= {one.value for one in chain(Defect, Service)} | set(REASONS.values()) | set(COMMANDS.values())
    assert sorted(word for word in words if word not in german().entries) == []


def test_no_entry_is_empty_or_loses_a_place() -> None:
    """What differs each time stands in the German too, under the same name."""
    for english, other in german().entries.items():
        assert other.strip()
        assert set(PLACE.findall(english)) >= set(PLACE.findall(other)), english


def test_no_entry_stands_twice() -> None:
    files = [tomllib.loads(path.read_text()) for path in (CATALOGUES / "de").glob("*.toml")]
    names = [name for file in files for name in file]
    assert sorted({name for name in names if names.count(name) > 1}) == []


@pytest.mark.parametrize(
    ("english", "other"),
    [
        ("Call the line lead.", "Linienführung rufen."),
        ("SN:AC22-1 read for slot 3.", "SN:AC22-1 gelesen für Platz 3."),
        ("Slot 9 shows no verdict. Scan the slot first.", "Platz 9 zeigt kein Ergebnis. Zuerst den Platz scannen."),
        ("Line stopped: The charger does not answer.", "Linie steht: Die Ladestation antwortet nicht."),
        ("Unit AC22-1 is released already.", "Gerät AC22-1 ist schon freigegeben."),
        ("Nobody ever said this before.", "Nobody ever said this before."),
        ("", ""),
    ],
)
def test_sentences_are_known_whole_by_pattern_or_one_by_one(english: str, other: str) -> None:
    """What no catalogue knows stays English, never empty."""
    assert german().say(english) == other


def test_what_a_stranger_sends_is_put_into_no_pattern_of_its_own() -> None:
    """A place takes text as it is: braces and regular expressions in it mean nothing."""
    assert german().say("Slot {name}.*( shows no verdict.") == "Platz {name}.*( zeigt kein Ergebnis."
    assert german().word("Slot {name}", name="{code}") == "Platz {code}"


def test_numbers_have_the_language_s_decimal_mark() -> None:
    assert (german().number(12.345, 2), Languages().all[0].number(12.345, 2)) == ("12,35", "12.35")
    assert [german().written(value) for value in (9.5, 9, "1.4.0")] == ["9,5", "9", "1.4.0"]
