"""The meters of a unit's outlets: read, proven with one signed reading each, and compared with what is printed on them.

The key that counts is the meter's own: read from it, proven by a reading that it signed, and, where it stands on the
plate too, equal to what a scanner reads there. Only then do CPMS and passport get it (F-I3, F-I4).
"""

import re
from base64 import b64decode
from binascii import Error as NoBase64
from collections.abc import Mapping
from hashlib import sha256

from station.bench import Bench
from station.clock import Deadline
from station.errors import Defect, UnitError
from station.identifiers import Kind, parse
from station.model import Connector, SlotState
from station.records import MeterFacts
from station.steps.metering import LONGEST_READING, proven_reading, public_key

MID = re.compile(r"(M[0-9]{2}) ?([0-9]{4})")
"""Marking of Directive 2014/32/EU: M and the year, then the number of the notified body."""
NOT_THERE = "CMD-NO"
"""What the operator scans for a code that is not there, can't be read, or is refused."""


def read_meter(bench: Bench, outlet: Connector, deadline: Deadline) -> MeterFacts | None:
    """Read an outlet's meter and prove it, as far as its product says how; None where it does not.

    Raises:
        UnitError: It is another type, bears no valid number or mark, or its reading proves nothing.
    """
    metering, name = bench.recipe.product.metering, f"meter {outlet.letter}"
    if not metering.serial:
        return None
    told = _told(bench, metering.keys_of(outlet.evse), deadline)
    if "type" in told and not bench.measure(f"{name} type", told["type"], expected=outlet.meter):
        raise _wrong(f"Outlet {outlet.letter} has a meter {told['type']}, not {outlet.meter}.")
    serial, mid = _serial(told["serial"]), _mid(told["mid"]) if "mid" in told else ""
    bench.measure(f"{name} serial", serial)
    key = public_key(told["public_key"]) if "public_key" in told else ""
    if key:
        energy = proven_reading(told["reading"], key, serial)
        if bench.services.records.lifecycle(bench.unit.serial):  # what it counted in the field stays on its register
            bench.measure(f"{name} energy in the field", energy)
        elif not bench.measure_within(f"{name} energy", energy, "kWh", 0.0, metering.most_kwh):
            raise _wrong(f"The meter of outlet {outlet.letter} has counted {energy:g} kWh: it is not new.")
    return MeterFacts(outlet.evse, told.get("type", outlet.meter), serial, mid, key, told.get("reading", ""))


def compare_printed_key(bench: Bench, meter: MeterFacts, letter: str) -> bool:
    """Let the operator scan the key that is printed on a meter, if that was not done before; tell whether it was.

    Raises:
        UnitError: The printed key can't be scanned, or is not the meter's.
    """
    if not bench.recipe.product.metering.printed_key:
        return False
    known = {row.evse: row for row in bench.services.records.meters(bench.unit.serial)}.get(meter.evse)
    if known is not None and known.printed and known.public_key == meter.public_key:
        return True
    code = bench.ask(
        f"Scan the public key on meter {letter}.",
        f"Scan the public key on meter {letter}; scan {NOT_THERE} if it is missing or refused.",
        lambda code: "" if code == NOT_THERE or fits_key(code, meter.public_key) else _other_key(letter),
        SlotState.WAITING_FOR_SCAN,
    )
    if code == NOT_THERE:
        raise _wrong(f"The public key on meter {letter} could not be compared with the meter's.")
    return True


def fits_key(code: str, key: str) -> bool:
    """Tell whether a printed code is a public key: all of it in hexadecimal or base64, or its SHA-256.

    Args:
        code: As it was scanned: a P-256 key in base64 has 124 characters, of 128; longer keys are printed as digest.
        key: SubjectPublicKeyInfo in lower-case hexadecimal.
    """
    plain, whole = code.strip(), bytes.fromhex(key)
    if plain.lower() in (key, sha256(whole).hexdigest()):
        return True
    try:
        return b64decode(plain, validate=True) == whole
    except (NoBase64, ValueError):
        return False


def _told(bench: Bench, keys: Mapping[str, str], deadline: Deadline) -> dict[str, str]:
    """Return what a meter shows, by name; all that its product says it shows must be there."""
    found = bench.charger.read_settings(tuple(keys.values()), deadline)
    told = {name: (found.get(key) or b"")[:LONGEST_READING].decode("ascii", "replace") for name, key in keys.items()}
    for name, text in told.items():
        if not text or not text.isprintable():
            raise _wrong(f"The charger does not show the {name.replace('_', ' ')} of one of its meters.")
    return told


def _serial(text: str) -> str:
    try:
        return parse(Kind.METER, text, strict=False).written
    except ValueError as error:
        raise _wrong(str(error)) from error


def _mid(text: str) -> str:
    found = MID.fullmatch(text.strip())
    if found is None:
        raise _wrong(f"'{text[:20]}' is no metrology mark; expected is one such as M26 0102.")
    return f"{found[1]} {found[2]}"


def _other_key(letter: str) -> str:
    return f"This is not the public key that meter {letter} signs with."


def _wrong(message: str) -> UnitError:
    return UnitError(Defect.GENEALOGY, message, hint="Take the unit to rework: its meter has to be looked at.")
