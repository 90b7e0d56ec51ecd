"""One serial port, opened for us alone, as a stream of SMP frames.

Bytes that are no frame (boot messages, half a line, flipped bits) are dropped and counted; a frame that comes out here
has passed its CRC. Nothing in this file, and no log record of the libraries below it, ever shows what was sent.
Ref: Zephyr "SMP over console": base64 lines, each led by 0x06 0x09 or 0x04 0x14, length and CRC16 inside.
"""

import errno
import fcntl
import logging
import os
import select
import struct
import termios
from collections.abc import Generator

import serial
from smp import packet
from smp.exceptions import SMPDecodeError

from station.clock import Deadline
from station.errors import LinkError

BAUD = 115_200
"""USB serial ports ignore it; a real UART is set to it."""
WRITE_SECONDS = 5.0
LONGEST_LINE = 1024
"""Bytes without a line end, after which what came is dropped."""
_PTY_MAJORS = range(136, 144)
_READ_BYTES = 65_536
_GONE = select.POLLHUP | select.POLLERR | select.POLLNVAL


class Broken(Exception):
    """The port vanished under us: a pulled cable, or a device that restarts."""


def silence_libraries() -> None:
    """Switch the libraries' loggers off, whatever level or handler anyone gives them: they quote whole requests."""
    for name in ("smp", "smpclient", *logging.root.manager.loggerDict):
        if name.partition(".")[0] in ("smp", "smpclient"):
            logging.getLogger(name).disabled = True


class SmpPort:
    """An open port; `Broken` is raised from any call once it is gone."""

    def __init__(self, node: str) -> None:
        """Open the port exclusively.

        Raises:
            Broken: The port is not there any more.
            LinkError: Another program has it open, or we may not open it.
        """
        silence_libraries()
        self.node = node
        self.noise = 0
        """Bytes received that belonged to no frame."""
        self._serial = _open(node)
        self._pending = bytearray()
        self._decoder: Generator[None, bytes, bytes] | None = None

    def close(self) -> None:
        """Let go of the port; never raises."""
        try:
            self._serial.close()
        except (OSError, termios.error):  # a port that vanished cannot be closed in order
            return

    def is_gone(self, seconds: float) -> bool:
        """Wait for the port to vanish, at most `seconds`; tell whether it did."""
        return any(events & _GONE for events in self._poll(seconds, 0))

    def resync(self) -> None:
        """Forget half-received frames and drop what waits in the input."""
        self._pending.clear()
        self._decoder = None
        while any(events & select.POLLIN for events in self._poll(0, select.POLLIN)):
            self.noise += len(self._read())

    def send(self, frame: bytes) -> None:
        """Send one SMP message."""
        if not self._written(b"".join(packet.encode(frame))):
            raise Broken  # outside of any handler, so that no library's exception hangs on to it

    def _written(self, data: bytes) -> bool:
        try:
            self._serial.write(data)
        except serial.SerialTimeoutException:
            return True  # a device that takes no bytes will not answer either: the caller's patience decides
        except (OSError, termios.error):
            return False
        return True

    def receive(self, deadline: Deadline) -> bytes | None:
        """Return the next whole message, or None when the deadline passed without one."""
        while True:
            line = self._next_line()
            frame = self._take(line) if line else None
            if frame is not None:
                return frame
            if line is None and not self._more(deadline):
                return None

    def _more(self, deadline: Deadline) -> bool:
        if deadline.expired or not any(self._poll(deadline.remaining, select.POLLIN)):
            return False
        self._pending += self._read()
        if len(self._pending) > LONGEST_LINE and b"\n" not in self._pending:
            self.noise += len(self._pending)
            self._pending.clear()
        return True

    def _next_line(self) -> bytes | None:
        end = self._pending.find(b"\n")
        if end < 0:
            return None
        line = bytes(self._pending[: end + 1])
        del self._pending[: end + 1]
        return line

    def _take(self, line: bytes) -> bytes | None:
        """Feed one line to the frame under way and return the message it completes."""
        start, follow = line.rfind(packet.START_DELIMITER), line.rfind(packet.CONTINUE_DELIMITER)
        if start >= 0:
            self._decoder = packet.decode()
            next(self._decoder)
        if self._decoder is None or max(start, follow) < 0:
            self.noise += len(line)
            return None
        try:
            self._decoder.send(line[max(start, follow) :])
        except StopIteration as done:
            self._decoder = None
            return bytes(done.value)
        except (SMPDecodeError, ValueError, struct.error):
            self._decoder = None
            self.noise += len(line)
        return None

    def _poll(self, seconds: float, events: int) -> tuple[int, ...]:
        poller = select.poll()
        poller.register(self._serial.fileno(), events)
        return tuple(found for _, found in poller.poll(seconds * 1000))

    def _read(self) -> bytes:
        try:
            data = os.read(self._serial.fileno(), _READ_BYTES)
        except OSError:
            data = b""
        if not data:
            raise Broken
        return data


def _open(node: str) -> serial.Serial:
    try:
        port = serial.Serial(node, BAUD, timeout=0, write_timeout=WRITE_SECONDS, exclusive=True)
    except (OSError, termios.error) as error:
        code = error.errno if isinstance(error, OSError) else error.args[0]
    else:
        _exclude_others(port.fileno())
        return port
    if code in (errno.EBUSY, errno.EAGAIN):
        raise LinkError(f"{node} is in use by another program.", hint="Close the other program and plug in again.")
    if code in (errno.EACCES, errno.EPERM):
        raise LinkError(f"The station may not open {node}.", hint="Give the station's user access to serial ports.")
    raise Broken


def _exclude_others(descriptor: int) -> None:
    """Refuse later opens by programs that ignore the lock.

    Not on a pty: its simulator holds it open too, so the mark would outlive a station that was killed.
    """
    device = os.fstat(descriptor).st_rdev
    if os.major(device) not in _PTY_MAJORS:
        fcntl.ioctl(descriptor, termios.TIOCEXCL)
