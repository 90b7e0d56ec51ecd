"""The thread that serves the MES: it never holds up a slot, and what it can't do now it does later."""

import logging
import threading
import time

from station.board import Board
from station.errors import ConfigError, ServiceError, StationError
from station.mes.clerk import OFF, Clerk, Reconciliation

log = logging.getLogger(__name__)

IDLE_SECONDS = 0.5
LISTEN_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 60.0
MOST_SHOWN = 3
AWAY, FAILED = "MES: ", "MES failed: "
"""How alarms begin that end by themselves."""


class MesWorker:
    """Listens, tells and agrees, in this order, on one thread."""

    def __init__(self, clerk: Clerk, board: Board) -> None:
        self._clerk, self._board = clerk, board
        self._failures, self._again, self._listen = 0, 0.0, 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="mes", daemon=True)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """End after the message in hand; that the station is off is queued, and sent when it is on again."""
        self._stopping.set()
        self._thread.join(timeout)

    def turn(self) -> None:
        """Do once what is due."""
        self._clerk.tell()
        now = time.monotonic()
        if now < self._again:
            return
        try:
            self._contact(now)
        except (ServiceError, ConfigError) as error:
            self._lost(error, now)
            return
        self._failures = 0
        self._board.clear_alarms(AWAY)

    def _contact(self, now: float) -> None:
        if now >= self._listen:
            self._clerk.listen()
            self._listen = now + LISTEN_SECONDS
        refused = self._clerk.deliver()
        if refused:
            shown = "; ".join(refused[:MOST_SHOWN])
            self._board.raise_alarm(f"MES refused {len(refused)} message(s): {shown}. Read 'station mes messages'.")
        report = self._clerk.reconcile()
        if report is not None:
            self._agreed(report)

    def _lost(self, error: StationError, now: float) -> None:
        """Wait longer each time, up to a minute; the slots fall back to what the MES said last."""
        self._clerk.records.mes_lost()
        self._failures += 1
        self._again = now + min(LONGEST_PAUSE_SECONDS, 2.0 ** min(self._failures, 6))
        self._board.clear_alarms(AWAY)
        self._board.raise_alarm(f"{AWAY}{error.message} {error.hint}")

    def _agreed(self, report: Reconciliation) -> None:
        log.info("MES was away since %s: %d runs, %d messages", report.since, report.runs, report.messages)
        if not report.equal:
            self._board.raise_alarm(
                f"MES differs after it was away: {report.quarantined} unit(s) in quarantine,"
                f" {report.sent_again} message(s) sent again. Read 'station mes report'."
            )

    def _serve(self) -> None:
        while not self._stopping.wait(IDLE_SECONDS):
            try:
                self.turn()
                self._board.clear_alarms(FAILED)
            except ServiceError as error:
                self._board.raise_alarm(f"{FAILED}{error.message} {error.hint}")
            except Exception as error:  # the thread's boundary: what is not told yet stays noted
                log.exception("mes")
                self._board.raise_alarm(f"{FAILED}{type(error).__name__}. Call engineering.")
        try:
            self._clerk.tell()
            self._clerk.tell_state(OFF)
        except StationError as error:
            log.warning("mes: %s", error.message)
