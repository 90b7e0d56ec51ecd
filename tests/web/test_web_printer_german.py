"""What a printer complains of is said in the reader's language, wherever it is shown (F-N2, F-J5)."""

import ast
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from station.documents import ipp, zebra
from station.web.language import Language, Languages

PRINTERS = Path(zebra.__file__).parent
SAID = ("{} ", "{}: ", "the printer", "the label printer", "printer {}", "label folder {}")
"""How a problem begins that a printer, or what is asked of one, has; `{}` is the printer's name."""


@pytest.fixture(scope="module")
def german() -> Language:
    return next(language for language in Languages().all if language.code == "de")


def problems() -> Iterator[str]:
    """Yield what the printers' modules say of a printer, with its name and a word for what differs."""
    for name in ("ipp.py", "zebra.py", "printer.py"):
        for node in ast.walk(ast.parse((PRINTERS / name).read_text())):
            if isinstance(node, ast.JoinedStr):
                text = "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
                if text.startswith(SAID) and not text.startswith("{} {}") and len(text.split()) > 2:
                    yield text.replace("{}", "label printer tcp://p:9", 1).replace("{}", "out of labels")


@pytest.mark.parametrize("word", sorted({row[0] for row in ipp.REASONS.values()} | {row[1] for row in zebra.ERRORS}))
def test_what_keeps_labels_from_coming_out_has_german(german: Language, word: str) -> None:
    other = german.entries[word]
    assert german.say(f"label printer tcp://p:9: {word}") == f"Etikettendrucker tcp://p:9: {other}"


def test_every_problem_of_a_printer_has_german(german: Language) -> None:
    found = sorted(set(problems()))
    assert len(found) > 20
    assert [text for text in found if german.say(text) == text] == []


def test_message_is_known_in_every_shape_that_it_is_shown_in(german: Language) -> None:
    """As it was raised, as a sentence of its own, and with what to do."""
    hints = {hint for _, hint in chain(ipp.REASONS.values(), ((one[1], one[2]) for one in zebra.ERRORS))}
    assert {hint for hint in hints if german.say(hint) == hint} == set()
    assert german.say("label printer x: paused") == "Etikettendrucker x: pausiert"
    assert german.say("Label printer x: paused. Load labels.") == "Etikettendrucker x: pausiert. Etiketten einlegen."
    aborted = "label printer x aborted the job, label printer x: cover open"
    assert german.say(aborted).endswith("hat den Auftrag aufgegeben, Etikettendrucker x: Abdeckung offen")
    assert german.say("The label printer is busy with another label.").startswith("Der Etikettendrucker druckt")
