"""The conversation with the device at one physical port, kept over restarts, pulled cables and new device files.

The rule: whoever answers is asked for the hardware UID before anything else, each time the port was opened, and a task
that was interrupted by a vanished port starts again from its beginning on the new connection.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from smpclient.generics import SMPRequest
from smpclient.requests.image_management import ImageStatesRead
from smpclient.requests.os_management import MCUMgrParametersRead, ResetWrite
from smpclient.requests.settings_management import ReadSetting

from station.clock import Deadline
from station.drivers import FindNode
from station.drivers.smp_errors import Refused, explain
from station.drivers.smp_identity import to_identity
from station.drivers.smp_link import PROBE, Link, Silence
from station.drivers.smp_messages import IdentityRead
from station.drivers.smp_port import Broken, SmpPort
from station.errors import Defect, LinkError, UnitError
from station.model import DeviceIdentity

SMALLEST_BUFFER = 1024
"""Bytes of SMP buffer below which the command that installs a certificate does not fit."""
LARGEST_BUFFER = 8192
"""More is not used, whatever the device says."""
FRAMING_BYTES = 4
"""Length and CRC16, which share the device's buffer with the message."""
REBINDS = 5
"""How often the port may vanish in the middle of one task."""
REBIND_SECONDS = 60.0
"""How long a port that vanished is waited for."""
RESET_SECONDS = 1.5
"""How long a port is watched for vanishing after a reset; a UART never does."""
TICK_SECONDS = 0.05

T = TypeVar("T")


class SmpSession:
    """Whoever answers at the port that `find_node` names; one hardware UID for the life of the session."""

    def __init__(self, find_node: FindNode, expected_uid: bytes | None) -> None:
        """Prepare; the port is opened when first needed."""
        self.identity: DeviceIdentity | None = None
        """As read when the port was opened; None where group 64 does not answer."""
        self.recovery = False
        """Whether only the bootloader answers."""
        self._find_node, self._uid = find_node, expected_uid
        self._link: Link | None = None
        self._heard, self._noisy = False, False

    def perform(self, doing: str, task: Callable[[Link], T], deadline: Deadline) -> T:
        """Do a task on a live connection; start it again if the port vanishes in the middle.

        Raises:
            LinkError: The device does not answer any more, or its port keeps vanishing.
            UnitError: The device refused, or its answer is wrong.
        """
        for _ in range(REBINDS):
            link = self.bound(deadline)
            with self.explained(doing):
                try:
                    return task(link)
                except Broken:
                    self.close()
        raise LinkError(f"The charger's port kept vanishing ({doing}).")

    @contextmanager
    def explained(self, doing: str) -> Iterator[None]:
        """Turn the driver's inner exceptions into the station's."""
        try:
            yield
        except Refused as refused:
            raise explain(refused, doing) from refused
        except Silence as silence:
            self.close()
            raise LinkError(f"The charger stopped answering ({doing}).") from silence

    def bound(self, deadline: Deadline) -> Link:
        """Return the live connection, opening the port and checking who answers if needed.

        Raises:
            LinkError: Nothing is plugged, the port is taken, or the device does not answer any more.
            UnitError: Another device answers, none ever does, or it cannot be worked with.
        """
        if self._link is not None and not self._link.port.is_gone(0):
            return self._link
        self.close()
        limit = deadline.at_most(REBIND_SECONDS)
        while True:
            silence: Silence | None = None
            try:
                return self._open(limit)
            except Broken:
                time.sleep(min(TICK_SECONDS, limit.remaining))
            except Silence as error:
                silence = error
            if limit.expired:
                raise self._no_contact(silent=silence is not None) from silence

    def _no_contact(self, *, silent: bool) -> LinkError | UnitError:
        if not silent:
            return LinkError("No charger is found at the port of this slot.")
        if self._heard:
            return LinkError("The charger does not answer any more.")
        if self._noisy:
            return UnitError(
                Defect.PROTOCOL, "What is plugged answers with nonsense.", hint="Check that it is a charger."
            )
        return UnitError(Defect.SILENT, "The charger does not answer.", hint="Check its power, then put it aside.")

    def _open(self, deadline: Deadline) -> Link:
        node = self._find_node()
        if node is None:
            raise Broken
        link = Link(SmpPort(node))
        try:
            self._greet(link, deadline)
        except BaseException:
            self._heard |= link.heard
            self._noisy = link.port.noise > 0
            link.port.close()
            raise
        self._heard, self._link = True, link
        return link

    def _greet(self, link: Link, deadline: Deadline) -> None:
        """Find out how large messages may be, who answers, and whether it is the application.

        Raises:
            UnitError: Another device answers, or one that cannot be worked with.
        """
        buffer = self._ask_buffer(link, deadline)
        self.identity = self._ask_identity(link, deadline)
        self.recovery = self.identity is None and _only_bootloader(link, deadline)
        if self.identity is not None:
            self.check_uid(self.identity)
        elif self._uid is not None and not self.recovery:
            raise UnitError(Defect.WRONG_UNIT, "The charger does not tell its hardware UID any more.")
        link.largest_message = _usable(buffer, recovery=self.recovery) - FRAMING_BYTES

    def _ask_buffer(self, link: Link, deadline: Deadline) -> int | None:
        """Return the size of the device's SMP buffer, None where it does not tell."""
        try:
            return link.ask(MCUMgrParametersRead(), deadline).buf_size
        except Refused:
            return None

    def _ask_identity(self, link: Link, deadline: Deadline) -> DeviceIdentity | None:
        try:
            return to_identity(link.ask(IdentityRead(), deadline))
        except Refused as refused:
            if refused.is_not_supported:
                return None
            raise explain(refused, "asking who it is") from refused

    def check_uid(self, found: DeviceIdentity) -> None:
        """Remember the hardware UID at first, and refuse any other from then on.

        Raises:
            UnitError: Another device answers.
        """
        if self._uid is None:
            self._uid = found.uid
        if found.uid != self._uid:
            message = f"Another charger answers at this port: {found.uid.hex()} instead of {self._uid.hex()}."
            raise UnitError(Defect.WRONG_UNIT, message, hint="Plug in the charger that was here before.")

    def restart(self, deadline: Deadline, *, into_recovery: bool = False) -> None:
        """Restart the device and return when it answers again, or when its bootloader does where that is meant.

        Raises:
            LinkError: It does not come back in time, or never got the command.
            UnitError: Another device came back, or only the bootloader did, or not the bootloader that was meant.
        """
        self.bound(deadline)
        was_recovery = self.recovery
        self.perform("restarting", lambda link: self._reset(link, deadline), deadline)
        self.bound(deadline)
        if into_recovery and not self.recovery:
            raise UnitError(Defect.LOCK, "The charger refused the recovery image: it runs its firmware as before.")
        if self.recovery and not was_recovery and not into_recovery:
            raise UnitError(Defect.FIRMWARE, "After the restart only the charger's bootloader answers.")

    def _reset(self, link: Link, deadline: Deadline) -> None:
        try:
            link.ask(ResetWrite(), deadline, patience=PROBE)
        except Broken:
            return
        finally:
            link.port.is_gone(min(RESET_SECONDS, deadline.remaining))
            self.close()

    def close(self) -> None:
        """Let go of the port; never raises."""
        if self._link is not None:
            self._link.port.close()
        self._link = None


def _only_bootloader(link: Link, deadline: Deadline) -> bool:
    """Tell a bootloader from an application that lacks group 64: a bootloader has images and no settings."""
    return not _answers(link, ReadSetting(name="charger"), deadline) and _answers(link, ImageStatesRead(), deadline)


def _answers(link: Link, request: SMPRequest[Any, Any, Any], deadline: Deadline) -> bool:
    """Tell whether the device knows a command; a bootloader may leave unanswered what it does not know."""
    try:
        link.ask(request, deadline, patience=PROBE)
    except Refused as refused:
        return not refused.is_not_supported
    except Silence:
        return False
    return True


def _usable(buffer: int | None, *, recovery: bool) -> int:
    """Return the message buffer to work with; bootloaders that do not tell it have 1024 bytes.

    Raises:
        UnitError: It is too small, or an application does not tell it.
    """
    if buffer is None and recovery:
        return SMALLEST_BUFFER
    if buffer is None or buffer < SMALLEST_BUFFER:
        said = "does not tell the size of its SMP buffer" if buffer is None else f"has an SMP buffer of {buffer} bytes"
        message = f"The charger {said}; {SMALLEST_BUFFER} bytes are needed to carry its certificate."
        raise UnitError(Defect.WRONG_HARDWARE, message, hint="Put the unit aside: its factory firmware is unsuited.")
    return min(buffer, LARGEST_BUFFER)
