"""What the unit is made of: its modules' numbers are read, its parts scanned, its meters proven (F-I1 to F-I4, F-F2).

What is in the record already is not asked for again, but compared: a part that was changed without a word is found.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from station.bench import Bench
from station.catalog.firmware import Release
from station.catalog.parts import METER, ComponentRule, forms_of, refusal_of
from station.catalog.products import Product
from station.clock import Deadline
from station.errors import Defect, UnitError
from station.identifiers import Identifier, Kind, Rules, parse
from station.model import SlotState
from station.records import ComponentRow, MeterFacts, Part
from station.steps.meters import NOT_THERE, compare_printed_key, read_meter

LONGEST_SHOWN = 60
CHANGED = "Put the right part in, or have the change recorded: 'station component swap'."


@dataclass(frozen=True)
class Shown:
    """What the device shows of its modules."""

    numbers: Mapping[str, Identifier]
    """By the device setting that shows them."""
    meters: tuple[MeterFacts, ...]

    def of(self, part: ComponentRule) -> tuple[str, ...]:
        """Return what a part's code must be one of, in the form that is compared; nothing where the device is mute."""
        if part.kind == METER:
            return tuple(number_of(meter).value for meter in self.meters if meter.evse == part.connector)
        return tuple(number.value for number in self.numbers.values() if number.kind is part.identifier)


def number_of(meter: MeterFacts) -> Identifier:
    """Return a meter's number as an identifier."""
    return parse(Kind.METER, meter.serial, strict=False)


def capture(bench: Bench, deadline: Deadline) -> None:
    """Read and scan what the unit is made of, prove its meters, and claim all of it for this unit alone.

    Raises:
        UnitError: A number is wrong, of another unit or another batch, a part is missing, or a meter proves nothing.
    """
    outlets = {outlet.evse: outlet for outlet in bench.recipe.product.connector if outlet.meter}
    numbers = _read_numbers(bench, deadline)
    meters = [read_meter(bench, outlet, deadline) for outlet in outlets.values()]
    shown = Shown(numbers, tuple(meter for meter in meters if meter is not None))
    _claim(bench, shown)
    _attach_parts(bench, shown)
    for meter in shown.meters:
        printed = compare_printed_key(bench, meter, outlets[meter.evse].letter)
        bench.services.records.meter_proven(bench.run, replace(meter, printed=printed))
    bench.note(numbers={setting: number.written for setting, number in numbers.items()})


def needed(product: Product) -> str:
    """Return why a product can't be built without this step, or nothing."""
    return f"product {product.name} has numbers or parts that the record must have" if product.captures else ""


def nothing_to_capture(product: Product, release: Release) -> str:
    """Return why a product can't be put through this step, or nothing."""
    del release
    return "" if product.captures or product.component else f"product {product.name} has nothing that is captured"


def _claim(bench: Bench, shown: Shown) -> None:
    """Claim all numbers for this unit: of its order's lists, alive on no other unit, and the same as last time."""
    claim, unit = bench.services.records.claim, bench.unit.serial
    for setting, number in shown.numbers.items():
        claim(unit, number, setting)
    for meter in shown.meters:
        claim(unit, number_of(meter), f"meter {meter.evse}")


def _read_numbers(bench: Bench, deadline: Deadline) -> dict[str, Identifier]:
    """Read the numbers of the unit's modules, and refuse what breaks their rules."""
    declared = bench.recipe.product.identifiers
    each, rules = declared.read.each, declared.rules()
    found = bench.charger.read_settings(tuple(key for _, key in each), deadline) if each else {}
    numbers: dict[str, Identifier] = {}
    for kind, key in each:
        text = (found.get(key) or b"")[:LONGEST_SHOWN].decode("ascii", "replace")
        try:
            number = parse(kind, text, rules=rules)
        except ValueError as error:
            bench.measure(key, text, expected=f"a valid {kind.value}")
            raise UnitError(Defect.GENEALOGY, str(error)) from error
        bench.measure(key, number.written)
        if number in numbers.values():
            raise UnitError(Defect.DUPLICATE_IDENTITY, f"The charger shows {kind.value} {number.written} twice.")
        numbers[key] = number
    return numbers


def _attach_parts(bench: Bench, shown: Shown) -> None:
    """Have every part scanned that is not in the record yet, and compare those that are with what the device shows."""
    parts = bench.recipe.product.component
    known = {(row.kind, row.position): row for row in bench.services.records.components(bench.unit.serial)}
    for done, part in enumerate(parts):
        bench.progress(done / len(parts))
        row = known.get((part.kind, part.position))
        if row is None:
            _scan(bench, part, shown)
        else:
            _compare(bench, part, row, shown)


def _compare(bench: Bench, part: ComponentRule, row: ComponentRow, shown: Shown) -> None:
    expected = shown.of(part)
    if expected and forms_of(part, row.number, _rules(bench))[0] not in expected:
        message = f"The record has {row.title} {row.number}; the charger shows {', '.join(expected)}."
        raise UnitError(Defect.GENEALOGY, message, hint=CHANGED)


def _scan(bench: Bench, part: ComponentRule, shown: Shown) -> None:
    """Ask for a part's code and attach it to the unit.

    Raises:
        UnitError: A required part has no code that fits, or the part is in another unit.
    """
    code = bench.ask(
        f"Scan the {part.title}.",
        f"Scan the code on the {part.title}; scan {NOT_THERE} if there is none or it is refused.",
        _judge(bench, part, shown.of(part)),
        SlotState.WAITING_FOR_SCAN,
    )
    if code == NOT_THERE:
        if part.required:
            raise UnitError(Defect.GENEALOGY, f"The {part.title} has no code that fits, and every unit needs one.")
        bench.note(**{f"without {part.title}": bench.operator.who})
        return
    made = part_of(part, bench.unit.serial, code, _rules(bench))
    records = bench.services.records
    records.attach(made, bench.operator.who, bench.run)
    if part.identifier is not None and not shown.of(part):
        records.claim(bench.unit.serial, parse(part.identifier, code, rules=_rules(bench)), part.title)
    bench.measure(part.title, made.number)


def part_of(part: ComponentRule, unit: str, code: str, rules: Rules) -> Part:
    """Return a scanned part as the records take it; the code is one that `refusal_of` does not refuse."""
    number = forms_of(part, code, rules)[1]
    serial, lot = ("", number) if part.by_lot else (number, "")
    return Part(unit, part.kind, part.position, serial=serial, lot=lot, evse=part.connector, opens=part.opens)


def _judge(bench: Bench, part: ComponentRule, expected: tuple[str, ...]) -> Callable[[str], str]:
    """Return who tells why a scan is not this part of this unit; what is in its place is not taken for it twice."""
    rules = _rules(bench)
    scanned = {row.serial: row.title for row in bench.services.records.components(bench.unit.serial) if row.serial}

    def judge(code: str) -> str:
        if code == NOT_THERE:
            return ""
        if refusal := refusal_of(part, code, rules):
            return refusal
        compared, number = forms_of(part, code, rules)
        if expected and compared not in expected:
            return f"The charger shows another {part.title}: {', '.join(expected)}."
        return f"This is the {scanned[number]}; scan the {part.title}." if number in scanned else ""

    return judge


def _rules(bench: Bench) -> Rules:
    return bench.recipe.product.identifiers.rules()
