"""The line: all slots of a station, kept in step with what is plugged, and the way of each scan to the right slot."""

import logging
import threading
from functools import partial

from station.bench import Services
from station.board import Board
from station.catalog.recipes import Recipe
from station.config import StationConfig
from station.detect import Ports, Watch
from station.documents.label import parse_label_code
from station.errors import StationError
from station.model import LineView, ScanReply, SlotState, SlotView
from station.records import WorkOrder
from station.slot import SlotWorker

log = logging.getLogger(__name__)

SLOT_PREFIX = "SL-"
ACKNOWLEDGE = "CMD-ACK"
LONGEST_SCAN = 128
TICK_SECONDS = 0.5
"""How often ports are listed even when no event came: events are hints, the list is the truth."""
STOP_SECONDS = 30.0
FINISHED = (SlotState.FAIL, SlotState.ERROR, SlotState.ABORTED, SlotState.PASS)


class Line:
    """Everything that the operator page may see and do; safe from all threads."""

    def __init__(
        self, config: StationConfig, services: Services, recipe: Recipe, order: WorkOrder, ports: Ports
    ) -> None:
        slots = tuple(SlotView(slot.name, slot.port, SlotState.EMPTY) for slot in config.slot)
        counts = services.records.counts(order.id)
        self.board = Board(
            LineView(
                station=config.station.id,
                version=1,
                slots=slots,
                order=order.id,
                product=recipe.product.model,
                released=counts.released,
                failed=counts.failed,
                links=tuple((link.text, link.url) for link in config.web.links),
            )
        )
        self._watch = Watch(ports, config.slot)
        self._workers = {
            slot.name: SlotWorker(slot, self.board, services, recipe, order, partial(self._watch.find_node, slot.name))
            for slot in config.slot
        }
        self._selected = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow_ports, name="ports", daemon=True)

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

    def wait(self, version: int, timeout: float) -> LineView:
        """Return the line once it changed after `version`, at the latest after `timeout` seconds."""
        return self.board.wait(version, timeout)

    def scan(self, code: str) -> ScanReply:
        """Take a scanned or typed code to the slot it belongs to, or say why it belongs to none."""
        if not code or len(code) > LONGEST_SCAN or not code.isascii() or not code.isprintable():
            return ScanReply(False, "This code can't be read: it is empty, too long or has control characters.")
        if code.startswith(SLOT_PREFIX):
            return self._select(code.removeprefix(SLOT_PREFIX))
        if code == ACKNOWLEDGE:
            return self._acknowledge_only()
        name, refusal = self._target(code)
        if not name:
            return ScanReply(False, refusal)
        refusal = self._workers[name].desk.answer(code)
        return ScanReply(not refusal, refusal or f"{code} read for slot {name}.", name)

    def acknowledge(self, slot: str) -> ScanReply:
        """Take note that a slot's verdict was seen."""
        worker = self._workers.get(slot)
        if worker is None or not worker.desk.acknowledge():
            return ScanReply(False, f"Slot {slot} shows no verdict.", slot)
        return ScanReply(True, f"Seen: slot {slot}.", slot)

    def act(self, slot: str, action: str) -> ScanReply:
        """Do what a slot offers for a unit that was released before."""
        return ScanReply(False, f"Slot {slot} does not offer '{action}' now.", slot)

    def _select(self, name: str) -> ScanReply:
        if name not in self._workers:
            return ScanReply(False, f"There is no slot {name} at this station.")
        self._selected = name
        return ScanReply(True, f"Slot {name} takes the next scan.", name)

    def _acknowledge_only(self) -> ScanReply:
        """Acknowledge the selected slot, or the only one with a verdict to be seen."""
        finished = [s.name for s in self.view().slots if s.state in FINISHED[:3] and not s.acknowledged]
        if self._selected in finished:
            return self.acknowledge(self._selected)
        if len(finished) == 1:
            return self.acknowledge(finished[0])
        return ScanReply(False, "Scan the slot first." if finished else "No verdict waits to be seen.")

    def _target(self, code: str) -> tuple[str, str]:
        """Find the slot for a scan: whose label it is, the one scanned last, or the only one that waits."""
        waiting = [view for view in self.view().slots if self._workers[view.name].desk.waiting]
        serial = parse_label_code(code)
        for view in waiting:
            if serial and view.state is SlotState.WAITING_FOR_LABEL and view.serial == serial:
                return view.name, ""
        names = [view.name for view in waiting]
        if self._selected in names:
            return self._selected, ""
        if len(names) == 1:
            return names[0], ""
        if names:
            return "", f"Slots {', '.join(names)} wait. Scan the slot first."
        return "", "No slot waits for a scan. Plug a charger in first."

    def _follow_ports(self) -> None:
        """Compare what is plugged with what the workers know: at every event, and at every tick."""
        while not self._stopping.is_set():
            try:
                for change in self._watch.poll(TICK_SECONDS):
                    self._workers[change.slot].see(change)
            except StationError as error:
                self.board.raise_alarm(f"Ports: {error.message}")
                self._stopping.wait(TICK_SECONDS)
