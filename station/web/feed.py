"""Keeps every open page up to date: one listener on the line, any number of pages on the listener.

The heartbeat comes from the line itself: when the line stops answering, pages get nothing, and say so.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from functools import partial

from fastapi.concurrency import run_in_threadpool
from fastapi.sse import format_sse_event

from station.model import LineView
from station.web import LineControl
from station.web.render import Renderer

BEAT_SECONDS = 2.0
_LISTEN_SECONDS = 1.0
_SILENT_SECONDS = 2.5
_PACE_SECONDS = 0.04
_MOST_PAGES = 32

log = logging.getLogger(__name__)


class Feed:
    """The line as a stream of views, at most 25 a second and at least one a second while the line answers."""

    def __init__(self, line: LineControl) -> None:
        """Follow a line once `run` is started."""
        self._line = line
        self._view = line.view()
        self._pulse = asyncio.Condition()
        self._pulses = 0
        self._last_pulse = time.monotonic()
        self._closed = False
        self._pages = 0

    @property
    def full(self) -> bool:
        """Tell whether no further page can listen."""
        return self._pages >= _MOST_PAGES

    @property
    def alive(self) -> bool:
        """Tell whether the line has answered lately."""
        return time.monotonic() - self._last_pulse < _SILENT_SECONDS

    def close(self) -> None:
        """End all streams within about a second; may be called from any thread."""
        self._closed = True

    async def run(self) -> None:
        """Listen to the line until closed."""
        while not self._closed:
            try:
                self._view = await run_in_threadpool(self._line.wait, self._view.version, _LISTEN_SECONDS)
            except Exception:  # the line's own bug must not end the listener: pages go stale and recover with it
                log.exception("the line did not answer the operator page")
                await asyncio.sleep(_LISTEN_SECONDS)
                continue
            await self._tell()
            await asyncio.sleep(_PACE_SECONDS)
        await self._tell()

    async def views(self) -> AsyncGenerator[LineView]:
        """Yield the line now if it is alive, and then at every sign of life of it."""
        self._pages += 1
        seen = self._pulses if not self.alive else None
        try:
            while not self._closed:
                if seen != self._pulses:
                    seen = self._pulses
                    yield self._view
                async with self._pulse:
                    await self._pulse.wait_for(partial(self._beyond, seen))
        finally:
            self._pages -= 1

    def _beyond(self, pulse: int | None) -> bool:
        return self._pulses != pulse

    async def _tell(self) -> None:
        async with self._pulse:
            self._pulses += 1
            self._last_pulse = time.monotonic()
            self._pulse.notify_all()


async def events(feed: Feed, renderer: Renderer, boot: str, seen: str) -> AsyncIterator[bytes]:
    """Yield what has changed since the page with event id `seen`, piece by piece, and a heartbeat every 2 seconds."""
    known: dict[str, object] = {}
    next_beat = 0.0
    async with aclosing(feed.views()) as views:
        async for view in views:
            mark = event_id(boot, view)
            pieces = renderer.pieces(view)
            if not known and mark == seen:
                known = pieces
            for name in (name for name, value in pieces.items() if name not in known or known[name] != value):
                yield format_sse_event(event=name, data_str=renderer.piece(name, pieces[name]), id=mark)
            known = pieces
            if time.monotonic() >= next_beat:
                next_beat = time.monotonic() + BEAT_SECONDS
                yield format_sse_event(event="beat", data_str=renderer.beat(view), id=mark, retry=1000)


def event_id(boot: str, view: LineView) -> str:
    """Return the id of a view: rises with every change, also over restarts of the daemon."""
    return f"{boot}-{view.version}"
