"""The line: all slots of a station, kept in step with what is plugged, and what they build now."""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from station.bench import Assignment
from station.board import Board
from station.config import StationConfig
from station.detect import Ports, Watch
from station.dispatch import Dispatcher
from station.errors import ServiceError, StationError
from station.model import LineView, ScanReply, SlotState, SlotView
from station.person import Person, Role
from station.slot import SlotWorker

log = logging.getLogger(__name__)

TICK_SECONDS = 0.5
"""How often ports are listed even when no event came: events are hints, the list is the truth."""
STOP_SECONDS = 30.0
Select = Callable[[str, str, str], Assignment]
"""Get an order ready in the place of another one, for a person; raises `StationError` where that can't be."""
PAGES = (("Orders", "/lead"), ("Releases", "/releases"), ("People", "/people"))
"""Pages of the station beside the operator's."""


class Line:
    """Everything that the operator page may see and do; safe from all threads."""

    def __init__(self, config: StationConfig, assignment: Assignment, ports: Ports, select: Select) -> None:
        """Prepare the slots to build an order; nothing moves before `start`. `select` gets another one ready."""
        self._assignment = assignment
        self._get_ready = select
        order, services = assignment.order, assignment.services
        slots = tuple(SlotView(slot.name, slot.port, SlotState.EMPTY) for slot in config.slot)
        counts = services.records.counts(order.id)
        self.board = Board(
            LineView(
                station=config.station.id,
                version=1,
                slots=slots,
                order=order.id,
                product=assignment.recipe.product.model,
                released=counts.released,
                failed=counts.failed,
                links=(*PAGES, *((link.text, link.url) for link in config.web.links)),
            )
        )
        self._watch = Watch(ports, config.slot)
        self._workers = {
            slot.name: SlotWorker(slot, self.board, self._now, partial(self._watch.find_node, slot.name))
            for slot in config.slot
        }
        desks = {name: worker.desk for name, worker in self._workers.items()}
        self._dispatcher = Dispatcher(
            desks, services.records, services.attendance, self._select_order, self._sign_first
        )
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow_ports, name="ports", daemon=True)

    @property
    def assignment(self) -> Assignment:
        """Return what the line builds now."""
        return self._assignment

    def start(self) -> None:
        """Begin to watch the ports and to serve the slots."""
        for worker in self._workers.values():
            worker.start()
        self._thread.start()

    def stop(self) -> tuple[str, ...]:
        """End all work, closing runs ABORTED; return the names of slots that did not end in time."""
        self._stopping.set()
        for worker in self._workers.values():
            worker.stop()
        stuck = tuple(name for name, worker in self._workers.items() if not worker.join(STOP_SECONDS))
        self._thread.join(STOP_SECONDS)
        return stuck

    def view(self) -> LineView:
        """Return the line as it is now."""
        return self.board.view()

    def slot_of(self, unit: str) -> str:
        """Return the slot in which a unit is now; empty for none."""
        return next((slot.name for slot in self.view().slots if slot.serial == unit), "")

    def wait(self, version: int, timeout: float) -> LineView:
        """Return the line once it changed after `version`, at the latest after `timeout` seconds."""
        return self.board.wait(version, timeout)

    def scan(self, code: str, person: Person | None = None) -> ScanReply:
        """Take a scanned or typed code to where it belongs, or say what was expected."""
        return self._dispatcher.scan(code, person)

    def acknowledge(self, slot: str, person: Person | None = None) -> ScanReply:
        """Take note that a slot's verdict was seen."""
        return self._dispatcher.acknowledge(slot, person)

    def act(self, slot: str, action: str, person: Person | None = None, reason: str = "") -> ScanReply:
        """Do what a slot offers."""
        return self._dispatcher.act(slot, action, person, reason)

    def _now(self) -> Assignment:
        return self._assignment

    def _select_order(self, order: str, person: Person) -> ScanReply:
        """Build another order from now on: on a line lead's word, once every slot is empty."""
        before = self._assignment.order.id
        if order == before:
            return ScanReply(True, f"The line builds {order} already.")
        if not person.has(Role.LINE_LEAD):
            return ScanReply(False, f"{person.name} may not change the order. Call the line lead.")
        busy = [name for name, worker in self._workers.items() if worker.busy]
        if busy:
            return ScanReply(False, f"Slots that are not empty: {', '.join(busy)}. Empty them, then scan the order.")
        try:
            self._assignment = self._get_ready(order, before, person.id)
            counts = self._assignment.services.records.counts(order)
        except StationError as error:
            return ScanReply(False, f"{error.message} {error.hint}")
        self.board.show_order(order, self._assignment.recipe.product.model, counts.released, counts.failed)
        return ScanReply(True, f"The line builds {order} now.")

    def _sign_first(self, person: Person) -> ScanReply:
        """Sign for the first unit of the order: on the word of a second person, line lead or quality."""
        order = self._assignment.order.id
        try:
            self._assignment.services.records.sign_first_article(order, person)
        except StationError as error:
            return ScanReply(False, f"{error.message} {error.hint}")
        return ScanReply(True, f"The first article of order {order} is signed off.")

    def _show_person(self) -> None:
        with suppress(ServiceError):  # who was present stays shown while the records are away
            present = self._assignment.services.attendance.present()
            self.board.show_person(present.name if present else "")

    def _follow_ports(self) -> None:
        """Compare what is plugged with what the workers know: at every event, and at every tick."""
        while not self._stopping.is_set():
            try:
                self._show_person()
                for change in self._watch.poll(TICK_SECONDS):
                    self._workers[change.slot].see(change)
            except StationError as error:
                self.board.raise_alarm(f"Ports: {error.message} {error.hint}")
                self._stopping.wait(TICK_SECONDS)
