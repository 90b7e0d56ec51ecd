"""Questions to the MES, and what its answers mean: only a plain yes to what was asked is one."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import uuid4

from station.clock import utc_now
from station.mes.bodies import operator, position
from station.mes.contract import Body, Envelope, Name
from station.records import Word, WordKind

ROUTE, STATUS = "UnitRouteValidation", "UnitStatusValidation"
"""CFX ValidationType: whether it is the unit's turn here, and whether it is good."""
LONGEST_SAYING = 200
MOST_UNITS = 10_000
"""Units of one word in advance."""
SILENT = "it does not say why."


def unit_question(station: str, unit: str, *validations: str) -> Envelope:
    """Ask of a unit what these validations say."""
    body = {"Validations": list(validations), "PrimaryIdentifier": unit, "Units": [position(unit)]}
    return Envelope(Name.VALIDATE_UNITS, str(uuid4()), station, utc_now(), body)


def operator_question(station: str, who: str) -> Envelope:
    """Ask whether a person may work here."""
    return Envelope(Name.VALIDATE_OPERATOR, str(uuid4()), station, utc_now(), {"Operator": operator(who)})


def unit_word(answer: Envelope, unit: str, at: datetime) -> Word:
    """Return what an answer says of the unit that was asked for; of another unit it says nothing, so no."""
    said = dict(_verdicts(answer.body)) if answer.name == Name.UNITS_VALIDATED else {}
    passed, sentence = said.get(unit, (False, "it answers nothing about this unit."))
    return Word(WordKind.UNIT, unit, passed, sentence, at)


def unit_words(answer: Envelope, at: datetime) -> tuple[Word, ...]:
    """Return what the MES says in advance of units, as they left the stage before.

    Raises:
        ValueError: It says nothing of any unit, or of too many.
    """
    said = dict(_verdicts(answer.body))
    if not 0 < len(said) <= MOST_UNITS:
        raise ValueError(f"it speaks of {len(said)} units, not of 1 to {MOST_UNITS}")
    return tuple(Word(WordKind.UNIT, unit, passed, sentence, at) for unit, (passed, sentence) in said.items())


def operator_word(answer: Envelope, who: str, at: datetime) -> Word:
    """Return what an answer says of the person who was asked for."""
    result = answer.body.get("Result") if answer.name == Name.OPERATOR_VALIDATED else None
    return Word(WordKind.OPERATOR, who, _is(result, "Success"), _saying(result), at)


def _verdicts(body: Body) -> Iterator[tuple[str, tuple[bool, str]]]:
    """Yield a verdict for each unit; one that is told twice must have passed twice."""
    general, results = body.get("Result"), body.get("ValidationResults")
    told = [body.get("PrimaryResult"), *(results if isinstance(results, list) else ())]
    found: dict[str, tuple[bool, str]] = {}
    for one in told:
        unit = one.get("UniqueIdentifier") if isinstance(one, dict) else None
        if isinstance(unit, str) and 0 < len(unit) <= 64 and unit.isprintable():
            passed = _is(general, "Success") and _is(one, "Passed")
            earlier = found.get(unit)
            if earlier is None or earlier[0]:
                found[unit] = (passed, _saying(one) if _is(general, "Success") else _saying(general))
    yield from found.items()


def _is(value: Any, word: str) -> bool:
    return isinstance(value, dict) and value.get("Result") == word


def _saying(value: Any) -> str:
    text = value.get("Message") if isinstance(value, dict) else None
    if not isinstance(text, str) or not text.strip():
        return SILENT
    return "".join(c if c.isprintable() else " " for c in text[:LONGEST_SAYING]).strip().rstrip(".") + "."
