"""The outbox worker: what must reach others after a release, in order, until it did, also over restarts.

A message is done when its effect was read back, not when somebody answered "ok".
"""

import json
import logging
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

from station.bench import Services
from station.board import Board
from station.clock import utc_now
from station.documents.passport_pdf import render_passport
from station.errors import Service, ServiceError, StationError
from station.model import UnitRecord
from station.records import REVOKED, OutboxRow, RevokedCertificate
from station.revocations import RevocationWatch
from station.run import REGISTER, RENDER_PASSPORT
from station.strict import parse

log = logging.getLogger(__name__)

IDLE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 60.0
BATCH = 16
AWAY = "Outbox: "
"""How alarms of records that are away begin."""


class OutboxWorker:
    """Delivers messages on one thread; a message that can't be delivered waits, the others go on."""

    def __init__(self, services: Services, board: Board, passports: Path) -> None:
        self._services = services
        self._board = board
        self._passports = passports
        self._revocations = RevocationWatch(services)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._deliver, name="outbox", daemon=True)
        self._handlers: Mapping[str, Callable[[OutboxRow], bytes]] = {
            REGISTER: self._register,
            RENDER_PASSPORT: self._render,
            REVOKED: self._tell_revoked,
        }

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """End after the message in hand."""
        self._stopping.set()
        self._thread.join(timeout)

    def _deliver(self) -> None:
        while not self._stopping.wait(IDLE_SECONDS):
            try:
                for row in self._services.records.due(utc_now(), BATCH):
                    self._send(row)
                self._revocations.look()
                self._board.show_messages(self._services.records.depth())
                self._board.clear_alarms(AWAY)
            except ServiceError as error:
                self._board.raise_alarm(f"{AWAY}{error.message}")
            except Exception:  # the thread's boundary: delivery goes on, the message stays due
                log.exception("outbox")

    def _send(self, row: OutboxRow) -> None:
        try:
            answer = self._handlers[row.kind](row)
        except StationError as error:
            pause = min(LONGEST_PAUSE_SECONDS, 2.0 ** min(row.attempts, 6))
            self._services.records.postpone(row, error.message, utc_now() + timedelta(seconds=pause))
            self._board.raise_alarm(f"{_title(row)}: {error.message}")
            return
        self._services.records.succeed(row, answer)
        self._board.clear_alarms(_title(row))

    def _register(self, row: OutboxRow) -> bytes:
        """Register the unit, read the record back and compare; only then may the unit be packed (F-G2, F-G3)."""
        record = parse(UnitRecord, json.loads(row.body), f"message {row.ref}")
        registration = self._services.cpms.register(record, row.revision)
        state = self._services.records.registered(record.serial, registration)
        registration.demand_equal()
        return state.value.encode()

    def _tell_revoked(self, row: OutboxRow) -> bytes:
        """Tell the CPMS that a certificate was revoked, and read back that it knows."""
        notice = parse(RevokedCertificate, json.loads(row.body), f"message {row.ref}")
        return b"told" if self._services.cpms.revoke(notice) else b"known"

    def _render(self, row: OutboxRow) -> bytes:
        """Write the passport as PDF beside its signed JSON."""
        passport = self._services.records.passport(row.unit)
        if passport is None:
            raise ServiceError(Service.DATABASE, f"There is no passport of {row.unit}.")
        pdf = render_passport(passport.document, passport.signature, passport.signer)
        target = self._passports / f"{row.key}.pdf"
        partial = target.with_suffix(".partial")
        try:
            self._passports.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(pdf)
            partial.replace(target)
        except OSError as error:
            message = f"The passport of {row.unit} can't be written: {error.strerror or error}."
            raise ServiceError(Service.DATABASE, message, hint="Free space on the station's disk.") from error
        return target.name.encode()


def _title(row: OutboxRow) -> str:
    return f"{row.kind} of {row.key}"
