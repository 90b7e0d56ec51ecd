"""The way of each scan to where it belongs: a slot, the attendance, or the line itself; and who it counts for.

A scan is answered on the thread that brings it, whatever the slots are doing. Nobody acts without a name.
"""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from station.bench import Attendance
from station.desk import NO_REASON, Choice, SlotDesk, is_reason
from station.documents.label import parse_label_code
from station.errors import ServiceError
from station.model import ScanReply, SlotState, SlotView
from station.people.roles import MAKERS
from station.person import Person
from station.records import Records
from station.scans import ACTIONS, REASONS, Command, DoubleScans, Scan, ScanKind, read_scan

NOBODY = "Nobody is signed in. Scan your badge."
TO_BE_SEEN = (SlotState.FAIL, SlotState.ERROR, SlotState.ABORTED, SlotState.BLOCKED)
Select = Callable[[str, Person], ScanReply]
"""Let the line build another work order."""
Sign = Callable[[Person], ScanReply]
"""Sign for the first unit of the order that is built."""


class Dispatcher:
    """Takes what is scanned and clicked to the slots' desks; safe from all threads."""

    def __init__(
        self, desks: Mapping[str, SlotDesk], records: Records, attendance: Attendance, select: Select, sign: Sign
    ) -> None:
        """Serve the desks of all slots, by name."""
        self._desks = desks
        self._records = records
        self._attendance = attendance
        self._select_order = select
        self._sign = sign
        self._doubles = DoubleScans()
        self._selected = ""
        self._one_scan = threading.Lock()
        self._with_person: Mapping[ScanKind, Callable[[Scan, Person], ScanReply]] = {
            ScanKind.ORDER: lambda scan, person: self._select_order(scan.value, person),
            ScanKind.COMMAND: self._command,
            ScanKind.REASON: self._reason,
            ScanKind.LABEL: self._answer,
            ScanKind.OTHER: self._answer,
        }

    def scan(self, code: str, person: Person | None = None) -> ScanReply:
        """Take a scanned or typed code to where it belongs, or say what was expected."""
        try:
            scan = read_scan(code)
        except ValueError as wrong:
            return ScanReply(False, str(wrong))
        with self._one_scan:
            if self._doubles.is_double(scan, time.monotonic()):
                return ScanReply(False, f"{code} was scanned twice; once is enough.")
            reply = self._take(scan, person)
            if reply.accepted:
                self._doubles.accepted(scan, time.monotonic())
        return reply

    def acknowledge(self, slot: str, person: Person | None = None) -> ScanReply:
        """Take note that a slot's verdict was seen, and record by whom."""
        someone = self._someone(person)
        if someone is None:
            return ScanReply(False, NOBODY, slot)
        desk = self._desks.get(slot)
        view = desk.view if desk else None
        if desk is None or view is None or not desk.acknowledge():
            return ScanReply(False, f"Slot {slot} shows no verdict.", slot)
        body = {"slot": slot, "state": view.state.value, "sentence": view.sentence}
        with suppress(ServiceError):  # a verdict can be seen while the records are away
            self._records.event("acknowledged", view.serial or view.hardware_uid or slot, body, someone.id)
        return ScanReply(True, f"Seen: slot {slot}.", slot)

    def act(self, slot: str, action: str, person: Person | None = None, reason: str = "") -> ScanReply:
        """Do what a slot offers."""
        someone = self._someone(person)
        if someone is None:
            return ScanReply(False, NOBODY, slot)
        if slot not in self._desks:
            return ScanReply(False, f"There is no slot {slot} at this station.", slot)
        if reason and not is_reason(reason):
            return ScanReply(False, "A reason has 3 to 200 printable characters.", slot)
        refusal = self._desks[slot].take(Choice(action, someone, reason.strip()))
        return ScanReply(not refusal, refusal or f"Slot {slot}: {action}.", slot)

    def _someone(self, person: Person | None) -> Person | None:
        """Return who acts: who is signed in there, or else who is present at the station."""
        someone = person or self._attendance.present()
        if someone is not None:
            self._attendance.seen(someone)
        return someone

    def _take(self, scan: Scan, person: Person | None) -> ScanReply:
        if scan.kind is ScanKind.SLOT:
            return self._select(scan.value)
        if scan.kind is ScanKind.BADGE:
            return ScanReply(False, "Badge and PIN belong together. Scan the badge at the page, then enter the PIN.")
        if scan.code == Command.OUT:
            self._attendance.sign_out()
            return ScanReply(True, "Signed out.")
        someone = self._someone(person)
        if someone is None:
            return ScanReply(False, NOBODY)
        return self._with_person[scan.kind](scan, someone)

    def _select(self, name: str) -> ScanReply:
        if name not in self._desks:
            return ScanReply(False, f"There is no slot {name} at this station.")
        self._selected = name
        return ScanReply(True, f"Slot {name} takes the next scan.", name)

    def _command(self, scan: Scan, person: Person) -> ScanReply:
        if scan.code == Command.ACKNOWLEDGE:
            return self._of_one(lambda view: view.state in TO_BE_SEEN and not view.acknowledged, person)
        if action := ACTIONS.get(scan.code):
            return self._choose(action, person)
        if scan.code == Command.NO and (slot := self._one(lambda desk: bool(desk.undecided))):
            self._desks[slot].undecided = ""
            return ScanReply(True, f"Slot {slot} stays as it is.", slot)
        if scan.code == Command.OK and any(desk.view.state is SlotState.BLOCKED for desk in self._desks.values()):
            return self._sign(person)
        return self._answer(scan, person)

    def _of_one(self, wanted: Callable[[SlotView], bool], person: Person) -> ScanReply:
        """Acknowledge the selected slot, or the only one with a verdict to be seen."""
        finished = [name for name, desk in self._desks.items() if wanted(desk.view)]
        slot = self._selected if self._selected in finished else finished[0] if len(finished) == 1 else ""
        if slot:
            return self.acknowledge(slot, person)
        return ScanReply(False, "Scan the slot first." if finished else "No verdict waits to be seen.")

    def _choose(self, action: str, person: Person) -> ScanReply:
        """Choose an action by scan; one that needs a reason waits for it."""
        slot = self._one(lambda desk: action in desk.view.actions)
        if not slot:
            return ScanReply(False, f"No slot offers '{action}' now, or several do. Scan the slot first.")
        reply = self.act(slot, action, person)
        return ScanReply(True, NO_REASON, slot) if reply.sentence == NO_REASON else reply

    def _reason(self, scan: Scan, person: Person) -> ScanReply:
        slot = self._one(lambda desk: bool(desk.undecided))
        if not slot:
            return ScanReply(False, "No slot waits for a reason. Scan what is to be done first.")
        return self.act(slot, self._desks[slot].undecided, person, REASONS[scan.code])

    def _one(self, wanted: Callable[[SlotDesk], bool]) -> str:
        """Return the selected slot if it fits, or the only one that does; nothing where there is a doubt."""
        names = [name for name, desk in self._desks.items() if wanted(desk)]
        return self._selected if self._selected in names else names[0] if len(names) == 1 else ""

    def _answer(self, scan: Scan, person: Person) -> ScanReply:
        """Take a code to the slot that waits for it; whoever judges units does not answer for them too."""
        if not person.has(*MAKERS):
            return ScanReply(False, f"{person.name} does not build units. Let an operator scan.")
        name, refusal = self._target(scan.code)
        if not name:
            return ScanReply(False, refusal)
        refusal = self._desks[name].answer(scan.code, person.id)
        return ScanReply(not refusal, refusal or f"{scan.code} read for slot {name}.", name)

    def _target(self, code: str) -> tuple[str, str]:
        """Find the slot for a scan: whose label it is, the one scanned last, or the only one that waits."""
        waiting = [desk for desk in self._desks.values() if desk.waiting]
        serial = parse_label_code(code)
        for desk in waiting:
            if serial and desk.view.state is SlotState.WAITING_FOR_LABEL and desk.view.serial == serial:
                return desk.view.name, ""
        names = [desk.view.name for desk in waiting]
        if self._selected in names:
            return self._selected, ""
        if len(names) == 1:
            return names[0], ""
        if names:
            return "", f"Slots {', '.join(names)} wait. Scan the slot first."
        return "", "No slot waits for a scan. Plug a charger in first."
