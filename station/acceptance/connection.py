"""A WebSocket that cannot be used against the server, and a log of it that tells no secret."""

import logging
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame

WIRE_LOG = logging.getLogger(f"{__name__}.wire")
"""What the WebSocket library logs of the connections."""


class BoundedConnection(ServerConnection):
    """A connection that ends at a number of frames, counting those too that the library takes in by itself.

    Pings are answered, and empty fragments of a message collected, without the reader seeing any of them.
    """

    frames_left = 1_000
    """Frames that may still come; whoever serves the connection sets it."""

    @property
    def flooded(self) -> bool:
        """Tell whether too many frames came."""
        return self.frames_left < 0

    def process_event(self, event: Any) -> None:
        """Take in the opening request, or a frame."""
        if isinstance(event, Frame):
            self.frames_left -= 1
        if self.flooded:
            self.transport.abort()
            return
        super().process_event(event)


class Discreet(logging.Filter):
    """Lets only warnings through, and of an exception only its type, at whatever level the log is set.

    The library logs headers and frames, which carry passwords, at DEBUG, and quotes malformed headers in exceptions.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a record may be logged, and shorten it."""
        if record.exc_info and record.exc_info[0]:
            record.msg, record.args = f"{record.getMessage()}: {record.exc_info[0].__name__}", ()
        record.exc_info = record.exc_text = None
        return record.levelno >= logging.WARNING


WIRE_LOG.addFilter(Discreet())
