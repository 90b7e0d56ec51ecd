"""The grammar of scans: what each code at the line means, by its prefix, in one table.

Everything that stands on a printed code passes here first: ASCII, short, without control characters. A code that has a
prefix of ours and not its form is refused with the form, so that nobody has to guess what the station expects.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

LONGEST_SCAN = 128
DOUBLE_SECONDS = 1.0
"""Within this time the same code is one scan that the scanner sent twice."""


class ScanKind(StrEnum):
    """What a code is for."""

    SLOT = "slot"
    BADGE = "badge"
    LABEL = "label"
    ORDER = "order"
    COMMAND = "command"
    REASON = "reason"
    OTHER = "other"
    """A serial, a component or an identifier, as the slot asks."""


class Command(StrEnum):
    """What a person can order with a code of the command sheet."""

    ACKNOWLEDGE = "CMD-ACK"
    OUT = "CMD-OUT"
    OK = "CMD-OK"
    CLEAR = "CMD-CLEAR"
    NO = "CMD-NO"
    VOID = "CMD-VOID"
    CONTINUE = "CMD-CONTINUE"
    VERIFY = "CMD-VERIFY"
    REPRINT = "CMD-REPRINT"
    REWORK = "CMD-REWORK"
    SCRAP = "CMD-SCRAP"
    TAKE_BACK = "CMD-RETURN"
    DECOMMISSION = "CMD-DECOMMISSION"


COMMANDS: Mapping[Command, str] = MappingProxyType(
    {
        Command.ACKNOWLEDGE: "Seen: the verdict of the slot, or try a blocked unit again.",
        Command.OUT: "Sign out.",
        Command.OK: "End of the PIN, or yes: the first unit is as it must be.",
        Command.CLEAR: "Begin the PIN again.",
        Command.NO: "No, or leave it as it is.",
        Command.VOID: "The label is missing or spoilt: print another.",
        Command.CONTINUE: "Go on with an interrupted unit from the first step.",
        Command.VERIFY: "Compare a released unit with its record.",
        Command.REPRINT: "Print the label of a released unit again.",
        Command.REWORK: "Take the unit back to a blank one and build it again.",
        Command.SCRAP: "Scrap the unit: its serial is never used again.",
        Command.TAKE_BACK: "Take a unit back from the field: its key ends.",
        Command.DECOMMISSION: "End the life of a unit that was in the field: it is wiped.",
    }
)
"""What each command does, as its sheet says it."""

DIGITS: Mapping[str, str] = MappingProxyType({f"CMD-{digit}": str(digit) for digit in range(10)})
"""Digits of a PIN, for a shift without a keyboard."""

ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        Command.CONTINUE: "continue",
        Command.VERIFY: "verify",
        Command.REPRINT: "reprint",
        Command.REWORK: "rework",
        Command.SCRAP: "scrap",
        Command.TAKE_BACK: "take-back",
        Command.DECOMMISSION: "decommission",
    }
)
"""Commands that choose one of the actions a slot offers -> that action."""

REASONS: Mapping[str, str] = MappingProxyType(
    {
        "RC-LABEL": "The label is missing or spoilt.",
        "RC-POWER": "The power was cut or the station stopped.",
        "RC-SWAPPED": "The charger was changed for another one.",
        "RC-FIRMWARE": "The firmware has to be written again.",
        "RC-CONFIG": "The configuration has to be written again.",
        "RC-REPAIR": "A part was repaired or replaced.",
        "RC-DAMAGE": "The unit is damaged.",
        "RC-CHECK": "The unit is checked again on request.",
        "RC-CUSTOMER": "The customer sent the unit back.",
        "RC-END": "The unit is at the end of its life.",
        "RC-OTHER": "Another reason, which the line lead wrote down.",
    }
)
"""Reasons that can be scanned -> what the record says."""
OTHER_REASON = "RC-OTHER"
"""The code of a reason that somebody wrote."""


@dataclass(frozen=True)
class Form:
    """One line of the grammar."""

    kind: ScanKind
    prefix: str
    pattern: re.Pattern[str]
    """Of what follows the prefix."""
    expected: str
    """The form in words, as a refusal says it."""


FORMS = (
    Form(
        ScanKind.SLOT, "SL-", re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,15}"),
        "A slot's code is SL- and its name, such as SL-1",
    ),
    Form(
        ScanKind.BADGE, "BG-", re.compile(r"[A-Z0-9]{4,24}"),
        "A badge's code is BG- and 4 to 24 capital letters or digits",
    ),
    Form(
        ScanKind.LABEL, "SN:", re.compile(r"[A-Z0-9-]{4,25}(:([2-9]|[1-9][0-9]))?"),
        "A label's code is SN: and the serial number, from the second copy on with : and its number",
    ),
    Form(
        ScanKind.LABEL, "LB:", re.compile(r"[A-Z0-9-]{4,25}:[A-Z0-9]{1,8}(:([2-9]|[1-9][0-9]))?"),
        "A further label's code is LB:, the serial number, : and which label it is",
    ),
    Form(
        ScanKind.ORDER, "OR-", re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}"),
        "A work order's code is OR- and its number, such as OR-WO-1001",
    ),
    Form(
        ScanKind.COMMAND, "CMD-", re.compile("|".join(code[4:] for code in (*Command, *DIGITS))),
        "A command is one of the codes on the command sheet",
    ),
    Form(
        ScanKind.REASON, "RC-", re.compile("|".join(code[3:] for code in REASONS)),
        "A reason is one of the RC- codes on the command sheet",
    ),
)  # fmt: skip
"""Prefix -> meaning -> form; whatever has none of these prefixes is for the slot that asks."""


def reason_code(reason: str) -> str:
    """Return the code of a reason, by which it is counted."""
    return next((code for code, words in REASONS.items() if words == reason), OTHER_REASON)


@dataclass(frozen=True)
class Scan:
    """A code that has the form of what it is for."""

    kind: ScanKind
    code: str
    """As it was read."""
    value: str
    """What follows the prefix; for other codes all of it."""

    @property
    def digit(self) -> str:
        """Return the digit of a PIN, or nothing for any other code."""
        return DIGITS.get(self.code, "")


def read_scan(code: str) -> Scan:
    """Return what a code means.

    Raises:
        ValueError: It can't be one of ours; the message is the sentence for the operator.
    """
    if not code or len(code) > LONGEST_SCAN or not code.isascii() or not code.isprintable():
        raise ValueError("This code can't be read: it is empty, too long or has control characters.")
    form = next((form for form in FORMS if code.startswith(form.prefix)), None)
    if form is None:
        return Scan(ScanKind.OTHER, code, code)
    value = code.removeprefix(form.prefix)
    if not form.pattern.fullmatch(value):
        raise ValueError(f"{form.expected}.")
    return Scan(form.kind, code, value)


class DoubleScans:
    """Recognises a code that was accepted just before: scanners send twice, and hands tremble.

    A refused code may come again at once, and so may one after another code. Digits are never doubles: a PIN may have
    the same one twice.
    """

    def __init__(self) -> None:
        """Begin with nothing seen."""
        self._code, self._at = "", -DOUBLE_SECONDS

    def is_double(self, scan: Scan, now: float) -> bool:
        """Tell whether the code was the last one accepted, less than a second before `now` (monotonic seconds)."""
        return scan.code == self._code and now - self._at < DOUBLE_SECONDS

    def accepted(self, scan: Scan, now: float) -> None:
        """Take note that a code was acted upon at `now`."""
        self._code, self._at = "" if scan.digit else scan.code, now
