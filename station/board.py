"""The picture of the line that pages draw: a value replaced as a whole, versioned so that a listener can wait."""

import threading
from dataclasses import replace

from station.model import LineView, ScanReply, SlotView


class Board:
    """Where slot workers and the outbox put what the page shows; safe from all threads."""

    def __init__(self, view: LineView) -> None:
        self._view = view
        self._changed = threading.Condition()

    def view(self) -> LineView:
        """Return the picture now."""
        with self._changed:
            return self._view

    def wait(self, version: int, timeout: float) -> LineView:
        """Return the picture once it is newer than `version`, or after `timeout` seconds as it is."""
        with self._changed:
            self._changed.wait_for(lambda: self._view.version > version, timeout)
            return self._view

    def show_slot(self, slot: SlotView) -> None:
        """Replace one slot."""
        with self._changed:
            slots = tuple(slot if old.name == slot.name else old for old in self._view.slots)
            self._replace(replace(self._view, slots=slots))

    def show_totals(self, *, released: int, failed: int) -> None:
        """Replace the counters of the order."""
        with self._changed:
            self._replace(replace(self._view, released=released, failed=failed))

    def show_order(self, order: str, product: str, released: int, failed: int) -> None:
        """Show another work order, with its product and its counters."""
        with self._changed:
            self._replace(replace(self._view, order=order, product=product, released=released, failed=failed))

    def show_person(self, name: str) -> None:
        """Replace who is present; an empty name is nobody."""
        with self._changed:
            if name != self._view.person:
                self._replace(replace(self._view, person=name))

    def show_echo(self, reply: ScanReply) -> None:
        """Show what became of a scan that no page brought."""
        with self._changed:
            self._replace(replace(self._view, echo=reply, echoes=self._view.echoes + 1))

    def show_messages(self, waiting: int) -> None:
        """Replace the depth of the outbox."""
        with self._changed:
            if waiting != self._view.waiting_messages:
                self._replace(replace(self._view, waiting_messages=waiting))

    def raise_alarm(self, sentence: str) -> None:
        """Show that a service is away, and what to do about it."""
        with self._changed:
            if sentence not in self._view.alarms:
                self._replace(replace(self._view, alarms=(*self._view.alarms, sentence)))

    def clear_alarms(self, start: str) -> None:
        """Take back the alarms that begin with `start`."""
        with self._changed:
            left = tuple(alarm for alarm in self._view.alarms if not alarm.startswith(start))
            if left != self._view.alarms:
                self._replace(replace(self._view, alarms=left))

    def _replace(self, view: LineView) -> None:
        self._view = replace(view, version=self._view.version + 1)
        self._changed.notify_all()
