"""The printers by URI: `tcp://host:9100` (Zebra, ZPL), `ipp://host/ipp/print`, `ipps:`, `file:/folder`, `discard:`.

`file:` serves a station without a printer: every label becomes a numbered file with an odometer of its own. `discard:`
is the null object: labels are counted and thrown away.
"""

import os
from collections.abc import Callable
from pathlib import Path
from threading import RLock
from urllib.parse import SplitResult, unquote, urlsplit

from station.clock import Deadline
from station.documents.ipp import open_ipp
from station.documents.printer import (
    Language,
    Printer,
    PrinterStatus,
    PrintMark,
    PrintResult,
    look_at_odometer,
    printer_error,
)
from station.documents.zebra import ZebraPrinter
from station.errors import ConfigError


class FolderPrinter:
    """Writes each label to `NNNNNN.zpl` in a folder; `odometer` beside them survives files that are taken away."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = RLock()

    @property
    def lock(self) -> RLock:
        """Return the lock that keeps to one job at a time over all slots."""
        return self._lock

    def status(self, deadline: Deadline) -> PrinterStatus:  # noqa: ARG002  (a folder answers at once)
        """Tell whether the folder can be written."""
        if self._folder.is_dir() and os.access(self._folder, os.W_OK):
            return PrinterStatus(ready=True)
        problem = f"label folder {self._folder} cannot be written"
        return PrinterStatus(ready=False, problem=problem, hint="Create the label folder.")

    def odometer(self, deadline: Deadline) -> int:  # noqa: ARG002
        """Return the highest label number ever written."""
        try:
            numbers = [int(path.stem) for path in self._folder.glob("*.zpl") if path.stem.isdigit()]
            counter = self._folder / "odometer"
            return max([int(counter.read_text()) if counter.exists() else 0, *numbers])
        except (OSError, ValueError) as error:
            raise printer_error(f"label folder {self._folder}: the odometer cannot be read: {error}") from error

    def serial_number(self, deadline: Deadline) -> str:  # noqa: ARG002
        """Return the folder's name as the printer's."""
        return f"file:{self._folder}"

    @property
    def language(self) -> Language:
        """Return ZPL."""
        return Language.ZPL

    def dpi(self, deadline: Deadline) -> int:  # noqa: ARG002
        """Return 0: nothing is printed."""
        return 0

    def begin(self, name: str, deadline: Deadline) -> int:  # noqa: ARG002
        """Return the odometer."""
        return self.odometer(deadline)

    def look(self, mark: PrintMark, deadline: Deadline) -> PrintResult:
        """Tell a label's fate from the odometer."""
        return look_at_odometer(self, mark.number, deadline)

    def print(self, number: int, content: bytes, deadline: Deadline) -> None:
        """Write the next file; it is there whole, or not at all."""
        number = self.odometer(deadline) + 1
        try:
            # The file is the label: from its rename on it counts, with or without the counter beside it.
            _write_durably(self._folder / f"{number:06}.zpl", content)
            _write_durably(self._folder / "odometer", str(number).encode())
        except OSError as error:
            raise printer_error(
                f"label folder {self._folder}: {error.strerror or error}", "Free disk space."
            ) from error

    def clear(self, deadline: Deadline) -> None:
        """Do nothing: a folder holds no labels back."""


class DiscardPrinter:
    """Counts labels and throws them away."""

    def __init__(self) -> None:
        self._count = 0
        self._lock = RLock()

    @property
    def lock(self) -> RLock:
        """Return the lock that keeps to one job at a time over all slots."""
        return self._lock

    def status(self, deadline: Deadline) -> PrinterStatus:  # noqa: ARG002
        """Return ready, always."""
        return PrinterStatus(ready=True)

    def odometer(self, deadline: Deadline) -> int:  # noqa: ARG002
        """Return the labels thrown away by this process."""
        return self._count

    def serial_number(self, deadline: Deadline) -> str:  # noqa: ARG002
        """Return the scheme's name."""
        return "discard:"

    @property
    def language(self) -> Language:
        """Return ZPL."""
        return Language.ZPL

    def dpi(self, deadline: Deadline) -> int:  # noqa: ARG002
        """Return 0: nothing is printed."""
        return 0

    def begin(self, name: str, deadline: Deadline) -> int:  # noqa: ARG002
        """Return the odometer."""
        return self.odometer(deadline)

    def look(self, mark: PrintMark, deadline: Deadline) -> PrintResult:
        """Tell a label's fate from the odometer."""
        return look_at_odometer(self, mark.number, deadline)

    def print(self, number: int, content: bytes, deadline: Deadline) -> None:  # noqa: ARG002
        """Count the label."""
        self._count += 1

    def clear(self, deadline: Deadline) -> None:
        """Do nothing: nothing is held."""


def _write_durably(path: Path, content: bytes) -> None:
    """Put a whole file in place so that it survives a power cut."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _zebra(uri: SplitResult) -> Printer:
    """Open `tcp://host[:port]`."""
    if not uri.hostname or uri.username or uri.path.strip("/"):
        raise ValueError("expected tcp://host:port")
    return ZebraPrinter(uri.hostname, uri.port or ZebraPrinter.default_port)


def _folder(uri: SplitResult) -> Printer:
    """Open `file:/folder`, creating the folder."""
    folder = Path(unquote(uri.path))
    if not folder.is_absolute() or uri.netloc:
        raise ValueError("expected file:/folder with an absolute path")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from error
    return FolderPrinter(folder)


PRINTERS: dict[str, Callable[[SplitResult], Printer]] = {
    "tcp": _zebra,
    "ipp": open_ipp,
    "ipps": open_ipp,
    "file": _folder,
    "discard": lambda _: DiscardPrinter(),
}
"""Every printer by its URI scheme."""


URI_HINT = "Correct the printer's URI in station.toml."


def open_printer(uri: str) -> Printer:
    """Return the printer of a URI; contacts nothing.

    Raises:
        ConfigError: The scheme is unknown or the address incomplete.
    """
    try:
        parts = urlsplit(uri)
        return PRINTERS[parts.scheme](parts)
    except KeyError as error:
        known = ", ".join(f"{scheme}:" for scheme in PRINTERS)
        raise ConfigError(f"printer {uri!r}: unknown scheme; known: {known}", hint=URI_HINT) from error
    except ValueError as error:
        raise ConfigError(f"printer {uri!r}: {error}", hint=URI_HINT) from error
