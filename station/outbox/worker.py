"""The outbox at work: one thread looks what is due, hands it to the lanes, and keeps what became of it."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from station.board import Board
from station.clock import utc_now
from station.errors import ServiceError
from station.outbox.alarms import AWAY, Alarms, sentence_of
from station.outbox.carriers import Carriers
from station.outbox.lanes import Attempt, Lane
from station.outbox.patience import NotYet, Patience, blames_service
from station.records import Delivered, OutboxRow, Postponed, Records, RowRef

log = logging.getLogger(__name__)

IDLE_SECONDS = 0.5
CLOSED_SECONDS = 2.0
TOGETHER_SECONDS = 0.1
"""How long one message waits for others, so that the fates of many are kept at the cost of one."""
WIND_UP_SECONDS = 10.0
BATCH = 64
"""Most messages that are looked for at a time, and whose fate is kept in one transaction."""


@dataclass(frozen=True)
class Habits:
    """How the outbox behaves; tests give it a seed and less patience."""

    patience: Patience = field(default_factory=Patience)
    chance: Random = field(default_factory=Random)


class Courier:
    """Delivers what waits; of each unit one message at a time, in their order."""

    def __init__(
        self,
        records: Records,
        board: Board,
        carriers: Carriers,
        looks: Sequence[Callable[[], None]] = (),
        habits: Habits | None = None,
    ) -> None:
        """Prepare delivery; `looks` are what else is looked at from time to time, and queues messages itself."""
        self._records, self._board, self._carriers, self._looks = records, board, carriers, looks
        self._habits = habits or Habits()
        self._alarms = Alarms(board)
        self._finished: queue.SimpleQueue[Attempt] = queue.SimpleQueue()
        self._lanes: dict[str, Lane] = {}
        self._in_hand: dict[RowRef, str] = {}
        self._looked, self._shown = 0.0, 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._deliver, name="outbox", daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """End after the messages in hand."""
        self._stopping.set()
        self._thread.join(timeout)

    def _deliver(self) -> None:
        while not self._stopping.is_set():
            try:
                self._turn()
                self._board.clear_alarms(AWAY)
            except ServiceError as error:
                self._board.raise_alarm(f"{AWAY}{error.message} {error.hint}")
                self._stopping.wait(IDLE_SECONDS)
            except Exception:  # the thread's boundary: delivery goes on, what was in hand stays due
                log.exception("outbox")
                self._stopping.wait(IDLE_SECONDS)
        self._wind_up()

    def _turn(self) -> None:
        self._keep(self._collected(IDLE_SECONDS))
        self._hand_out()
        if time.monotonic() - self._shown >= IDLE_SECONDS:
            for look in self._looks:
                look()
            self._show()
            self._shown = time.monotonic()

    def _collected(self, patience: float) -> list[Attempt]:
        """Return what came back from the lanes: the first of it, and what comes soon after, to be kept together."""
        if not self._in_hand:
            self._stopping.wait(patience)
            return []
        found: list[Attempt] = []
        end = time.monotonic() + patience
        with suppress(queue.Empty):
            while len(found) < min(BATCH, len(self._in_hand)):
                found.append(self._finished.get(timeout=max(0.0, end - time.monotonic())))
                end = min(end, time.monotonic() + TOGETHER_SECONDS) if len(found) == 1 else end
        return found

    def _keep(self, attempts: Sequence[Attempt]) -> None:
        """Keep what became of messages, all at once; what can't be kept stays due, and is done again."""
        for attempt in attempts:
            attempt.lane.in_hand -= 1
            self._in_hand.pop(attempt.row.ref)
        fates = [fate for attempt in attempts if (fate := self._fate(attempt)) is not None]
        if not fates:
            return
        try:
            self._keep_all(fates)
        except RuntimeError:
            log.exception("outbox")
            for fate in fates:
                self._keep_alone(fate)

    def _keep_alone(self, fate: Delivered | Postponed) -> None:
        """Keep what became of one message, or that the records refuse it."""
        try:
            self._keep_all([fate])
        except RuntimeError as error:
            self._keep_all([self._postponed(fate.message, error)])

    def _keep_all(self, fates: Sequence[Delivered | Postponed]) -> None:
        delivered = [fate for fate in fates if isinstance(fate, Delivered)]
        self._records.keep_deliveries(delivered, [fate for fate in fates if isinstance(fate, Postponed)])
        for fate in fates:
            if isinstance(fate, Delivered) or fate.dead:
                self._alarms.settled(fate.message)

    def _fate(self, attempt: Attempt) -> Delivered | Postponed | None:
        """Return what to keep of an attempt; None if the lane was away before its turn."""
        row, lane = attempt.row, attempt.lane
        if attempt.effect is not None:
            lane.arrived(row, attempt.effect)
            return Delivered(row, attempt.effect.answer, attempt.effect.registration)
        if attempt.error is None:
            return None
        if isinstance(attempt.error, NotYet):
            return self._postponed(row, attempt.error)
        alone = lane.failed(row, blamed=blames_service(attempt.error))
        fate = self._postponed(row, attempt.error, lane.tries(row), alone)
        self._alarms.failed(row, lane, fate.error)
        return fate

    def _postponed(self, row: OutboxRow, error: Exception, tries: int = 0, alone: float = 0.0) -> Postponed:
        """Return when a message is tried again, or that it stands aside.

        Args:
            row: The message.
            error: Why it could not be delivered.
            tries: How often it failed while its place was there.
            alone: Seconds for which its place is left alone.
        """
        patience, chance, now = self._habits.patience, self._habits.chance, utc_now()
        pause = alone + 2 * IDLE_SECONDS if alone else patience.pause(row.attempts, chance)
        dead = patience.is_hopeless(row, error, now, tries)
        return Postponed(row, sentence_of(error), now + timedelta(seconds=pause), dead)

    def _hand_out(self) -> None:
        """Fill the lanes that have room; what no lane knows yet is looked for now and then."""
        now, lanes = time.monotonic(), self._lanes.values()
        hungry = [lane for lane in lanes if lane.hungry]
        # What is not to be sent must be passed over row by row, so that look is rarer.
        rest = IDLE_SECONDS if len(hungry) == len(lanes) else CLOSED_SECONDS
        if all(now < lane.drained for lane in hungry) and now - self._looked < rest:
            return
        self._looked = now
        closed = [lane.closed for lane in lanes if lane not in hungry]
        # A place that is away is probed with one message after the other: the first of them may be at fault itself.
        in_turn, limit = any(lane.away for lane in hungry), BATCH + len(self._in_hand)
        filled = self._handed(self._records.due(utc_now(), limit, closed, in_turn=in_turn))
        for lane in hungry:
            lane.drained = 0.0 if lane.place in filled else now + IDLE_SECONDS

    def _handed(self, rows: Sequence[OutboxRow]) -> set[str]:
        """Hand out what has room, one message of a unit at a time; return the places that it goes to."""
        units, filled = set(self._in_hand.values()), set()
        for row in rows:
            if row.unit in units:
                continue
            lane = self._lane(row)
            if lane.take(row):
                self._in_hand[row.ref] = row.unit
                units.add(row.unit)
                filled.add(lane.place)
        return filled

    def _lane(self, row: OutboxRow) -> Lane:
        route = self._carriers(row)
        if route.place not in self._lanes:
            self._lanes[route.place] = Lane(route, self._finished, self._habits.patience, self._habits.chance)
        return self._lanes[route.place]

    def _show(self) -> None:
        first = next(iter(self._records.dead_letters(1)), None)
        self._board.show_messages(self._records.depth())
        self._alarms.show(self._records.queue().dead if first else 0, first)

    def _wind_up(self) -> None:
        """Let the lanes end, and keep what became of the messages in hand."""
        for lane in self._lanes.values():
            lane.stop()
        end = time.monotonic() + WIND_UP_SECONDS
        try:
            while self._in_hand and time.monotonic() < end:
                self._keep(self._collected(IDLE_SECONDS))
        except ServiceError as error:
            log.warning("outbox: %s What was in hand is delivered again.", error.message)
