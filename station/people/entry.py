"""Signing in with a hand scanner alone: the badge, then the digits of the PIN from the command sheet, or typed.

For scanners that the station reads itself. Pages collect badge and PIN in the browser and bring both at once.
"""

import threading
import time
from collections.abc import Callable

from station.model import ScanReply
from station.people.attendance import Attendance
from station.people.secrets import BADGE
from station.people.sessions import Sessions
from station.people.sign_in import SignInRefused

PREFIX = "BG-"
DIGIT, DONE, AGAIN, LEAVE = "CMD-", "CMD-OK", "CMD-CLEAR", "CMD-OUT"
ENTRY_SECONDS = 60.0
"""How long a badge waits for its PIN."""
LONGEST_PIN = 8


class BadgeReader:
    """Takes the scans of one scanner that sign somebody in or out; safe from all threads."""

    def __init__(
        self, sessions: Sessions, attendance: Attendance, address: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Read for one scanner.

        Args:
            sessions: Where sign-ins are kept.
            attendance: Told of whoever comes and goes.
            address: Name of the scanner in the records of sign-ins; one of the sessions' terminals.
            clock: Monotonic seconds.
        """
        self._sessions = sessions
        self._attendance = attendance
        self._address = address
        self._clock = clock
        self._lock = threading.Lock()
        self._badge = ""
        self._digits = ""
        self._until = 0.0

    def take(self, code: str) -> ScanReply | None:
        """Answer a scan that belongs to signing in or out; None for every other, which is the line's."""
        with self._lock:
            if code.startswith(PREFIX):
                return self._begin(code)
            if code == LEAVE:
                return self._leave()
            if not self._badge:
                return None
            if self._clock() > self._until:
                self._forget()
                return None
            return self._enter(code)

    def _begin(self, badge: str) -> ScanReply:
        self._forget()
        if not BADGE.fullmatch(badge):
            return ScanReply(False, "This is no badge: a badge is BG- and capital letters or digits.")
        self._badge, self._until = badge, self._clock() + ENTRY_SECONDS
        return ScanReply(True, "Badge read. Enter the PIN.")

    def _leave(self) -> ScanReply:
        self._forget()
        self._attendance.sign_out()
        return ScanReply(True, "Signed out.")

    def _enter(self, code: str) -> ScanReply | None:
        """Take what may be a part of the PIN; anything else ends the entry and goes its usual way."""
        digit = code.removeprefix(DIGIT)
        if code.isdecimal():  # also what is too short or too long: a mistyped PIN must not go on as a scan
            return self._judge(code)
        if code == DONE:
            return self._judge(self._digits)
        if code == AGAIN:
            self._digits = ""
            return ScanReply(True, "Enter the PIN from its first digit.")
        if len(digit) == 1 and digit.isdecimal() and len(self._digits) < LONGEST_PIN:
            self._digits += digit
            return ScanReply(True, "\u2022" * len(self._digits))
        self._forget()
        return None

    def _judge(self, pin: str) -> ScanReply:
        badge = self._badge
        self._forget()
        try:
            person = self._sessions.sign_in(badge, pin, self._address).person
        except SignInRefused as refusal:
            return ScanReply(False, f"{refusal.message} {refusal.hint}")
        self._attendance.look_again()
        return ScanReply(True, f"Signed in: {person.name}.")

    def _forget(self) -> None:
        self._badge, self._digits, self._until = "", "", 0.0
