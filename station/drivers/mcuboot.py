"""Chargers with Zephyr and MCUboot, spoken to by SMP over a serial port; vendor group 64 for keys and identity.

Blocking, one object per slot, used by one thread at a time. The library's own client is asynchronous, never resends and
puts whole requests into its errors, so only its message types are used; waiting is one poll() on the open port.
Ref: station/drivers/README.md.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from smpclient.requests.image_management import ImageErase, ImageStatesRead, ImageStatesWrite
from smpclient.requests.os_management import DateTimeRead, DateTimeWrite
from smpclient.requests.settings_management import CommitSettings, ReadSetting, SaveSettings, WriteSetting
from smpclient.requests.zephyr_management import EraseStorage

from station.clock import Deadline
from station.drivers import FindNode
from station.drivers import smp_transfer as transfer
from station.drivers.smp_errors import FILES, IMAGE, NOT_FOUND, SETTINGS, Refused, explain
from station.drivers.smp_factory import FactoryVerbs
from station.drivers.smp_identity import to_identity
from station.drivers.smp_images import image_states
from station.drivers.smp_link import SLOW, Link
from station.drivers.smp_messages import IdentityRead
from station.drivers.smp_port import Broken
from station.drivers.smp_session import REBINDS, SmpSession
from station.errors import Defect, LinkError, UnitError
from station.model import DeviceIdentity, ImageState

_NO_FREE_SLOT, _RESTARTS_TO_FREE = 9, 2
_KEY_NOT_FOUND, _WRITE_ONLY, _NO_SUCH_FILE = 3, 4, 3
_LONGEST_CLOCK_TEXT = 40
LARGEST_SETTING = 4096
"""Bytes of a setting's value that are believed."""


def open_charger(find_node: FindNode, *, expected_uid: bytes | None = None) -> "McubootCharger":
    """Return a charger at the port that `find_node` names; it is contacted at the first call.

    Args:
        find_node: returns the device file now at the slot's port.
        expected_uid: the only hardware UID to accept; without it, the first one that answers.
    """
    return McubootCharger(SmpSession(find_node, expected_uid))


class McubootCharger(FactoryVerbs):
    """A `Charger` with every optional ability; hardware with less refuses what it does not have."""

    def identify(self, deadline: Deadline) -> DeviceIdentity:
        """Read who the device says it is; opens the port if needed."""
        self._session.bound(deadline)
        if self._session.recovery:
            raise UnitError(Defect.FIRMWARE, "Only the charger's bootloader answers; it has no firmware.")
        ask = IdentityRead()
        found = to_identity(self._session.perform("asking who it is", lambda link: link.ask(ask, deadline), deadline))
        self._session.check_uid(found)
        return found

    def in_recovery(self, deadline: Deadline) -> bool:
        """Tell whether only the bootloader answers (blank part, or no bootable image)."""
        self._session.bound(deadline)
        return self._session.recovery

    def firmware(self, deadline: Deadline) -> tuple[ImageState, ...]:
        """List the firmware slots that hold something, of all images."""
        ask = ImageStatesRead()
        answer = self._session.perform("listing firmware", lambda link: link.ask(ask, deadline), deadline)
        return image_states(answer)

    def write_firmware(self, image: bytes, deadline: Deadline, *, number: int = 0) -> Iterator[int]:
        """Write to the free slot of image `number`, yielding the bytes written; a broken transfer resumes.

        A slot that is taken by an unfinished update is freed by restarting: MCUboot then finishes it, and reverts it at
        the next restart. A device that still has none free does not have the image at all.
        """
        restarts = 0
        upload = transfer.ImageUpload(image, number)
        for _ in range(REBINDS):
            link = self._session.bound(deadline)
            with self._session.explained("writing firmware"):
                try:
                    yield from upload.run(link, deadline)
                except Broken:
                    self._session.close()
                except Refused as refused:
                    if restarts == _RESTARTS_TO_FREE or not refused.is_one_of(IMAGE, _NO_FREE_SLOT):
                        raise
                    restarts += 1
                    self._session.restart(deadline)
                else:
                    return
        raise LinkError("Writing the firmware was interrupted too often.")

    def try_firmware(self, digest: bytes, deadline: Deadline) -> None:
        """Make the device boot the image once; does nothing in recovery mode. Proves nothing: read `firmware` back.

        A device that always boots its newest image (MCUboot without swapping) has no such command and needs none.
        """
        if self.in_recovery(deadline):
            return

        def mark(link: Link) -> None:
            try:
                link.ask(ImageStatesWrite(hash=digest, confirm=False), deadline)
            except Refused as refused:
                # The answer to a first attempt may have been lost: then the mark is there already.
                marked = any(state.pending and state.digest == digest for state in self.firmware(deadline))
                if not (marked or refused.is_not_supported):
                    raise

        self._session.perform("marking firmware for a test", mark, deadline)

    def erase_firmware(self, number: int, deadline: Deadline) -> None:
        """Erase the slot of image `number` that does not run; refused while it is needed for an unfinished update."""
        # Slots are counted over all images here, two to an image; elsewhere they are counted within one.
        erase = ImageErase(slot=2 * number + 1)
        self._session.perform(
            "erasing a firmware slot", lambda link: link.ask(erase, deadline, patience=SLOW), deadline
        )

    def confirm_firmware(self, digest: bytes, deadline: Deadline) -> None:
        """Make a running image permanent; refused unless one with this digest runs."""
        running = next((state for state in self.firmware(deadline) if state.active and state.digest == digest), None)
        if running is None:
            raise UnitError(Defect.FIRMWARE, "The charger does not run the firmware that is to be confirmed.")
        if running.confirmed:
            return
        # Without a hash it is the running application that is confirmed, never one that was not booted yet.
        confirm = ImageStatesWrite(hash=digest if running.image else None, confirm=True)
        self._session.perform("confirming firmware", lambda link: link.ask(confirm, deadline), deadline)

    def restart(self, deadline: Deadline) -> None:
        """Restart the device and return when the same hardware UID answers again at the same port."""
        self._session.restart(deadline)

    def erase_storage(self, deadline: Deadline) -> None:
        """Erase settings, files, keys, certificates and serial number; the firmware stays."""
        erase = EraseStorage()
        self._session.perform("erasing storage", lambda link: link.ask(erase, deadline, patience=SLOW), deadline)

    def recover(self, image: bytes, digest: bytes, deadline: Deadline) -> Iterator[int]:
        """Write and start the recovery image, yielding the bytes written; then only the bootloader answers."""
        yield from self.write_firmware(image, deadline)
        self.try_firmware(digest, deadline)
        self._session.restart(deadline, into_recovery=True)

    def read_settings(self, keys: Sequence[str], deadline: Deadline) -> dict[str, bytes | None]:
        """Read device settings; None for a key that is not set, or that the device keeps to itself."""
        return self._session.perform(
            "reading settings", lambda link: {key: _read_setting(link, key, deadline) for key in keys}, deadline
        )

    def write_settings(self, values: Mapping[str, bytes], deadline: Deadline) -> None:
        """Write device settings and make them durable; all of them again if the device vanished in between."""

        def write(link: Link) -> None:
            for key, value in values.items():
                with self._session.explained(f"writing setting {key}"):
                    link.ask(WriteSetting(name=key, val=value), deadline)
            link.ask(CommitSettings(), deadline)
            link.ask(SaveSettings(), deadline, patience=SLOW)

        self._session.perform("saving settings", write, deadline)

    def read_file(self, path: str, deadline: Deadline) -> bytes | None:
        """Read a file, or None where there is none."""

        def read(link: Link) -> bytes | None:
            try:
                return transfer.download(link, path, deadline)
            except Refused as refused:
                if refused.is_one_of(FILES, _NO_SUCH_FILE) or refused.is_one_of(None, NOT_FOUND):
                    return None
                raise

        return self._session.perform(f"reading {path}", read, deadline)

    def write_file(self, path: str, content: bytes, deadline: Deadline) -> None:
        """Write a whole file."""
        self._session.perform(f"writing {path}", lambda link: transfer.upload(link, path, content, deadline), deadline)

    def set_clock(self, deadline: Deadline) -> None:
        """Set the device's clock to the station's UTC."""

        def write(link: Link) -> None:
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
            link.ask(DateTimeWrite(datetime=now), deadline)

        self._session.perform("setting the clock", write, deadline)

    def clock_offset(self, deadline: Deadline) -> float:
        """Return device time minus station time, in seconds."""

        def read(link: Link) -> float:
            before = datetime.now(UTC)
            text = link.ask(DateTimeRead(), deadline).datetime
            return (_device_time(text) - (before + (datetime.now(UTC) - before) / 2)).total_seconds()

        return self._session.perform("reading the clock", read, deadline)

    def close(self) -> None:
        """Let go of the port; never raises."""
        self._session.close()


def _read_setting(link: Link, key: str, deadline: Deadline) -> bytes | None:
    try:
        value = link.ask(ReadSetting(name=key), deadline).val
    except Refused as refused:
        if refused.is_one_of(SETTINGS, _KEY_NOT_FOUND, _WRITE_ONLY) or refused.is_one_of(None, NOT_FOUND):
            return None
        raise explain(refused, f"reading setting {key}") from refused
    if len(value) > LARGEST_SETTING:
        raise UnitError(Defect.PROTOCOL, f"The charger's setting {key} is longer than {LARGEST_SETTING} bytes.")
    return value


def _device_time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text[:_LONGEST_CLOCK_TEXT])
    except ValueError:
        moment = None
    if moment is None:
        raise UnitError(Defect.CLOCK, "The charger's clock tells no time that can be read.")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
