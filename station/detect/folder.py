"""Serial ports as symlinks in a directory: `<ID_PATH>` or `<ID_PATH>@2` for a second device at the same place.

Simulated chargers are plugged in by making such a link to their pty, and unplugged by removing it.
"""

import threading
import time
from pathlib import Path

from station.detect.ports import Sighting, in_order, split_path
from station.errors import ConfigError
from station.model import Port

_LOOK_EVERY = 0.1


class FolderPorts:
    """The links of one directory whose targets exist."""

    def __init__(self, folder: Path) -> None:
        """Look at a directory.

        Raises:
            ConfigError: It does not exist.
        """
        if not folder.is_dir():
            raise ConfigError(f"ports directory {folder} does not exist", hint="Create it, or correct 'ports'.")
        self._folder = folder
        self._closed = threading.Event()
        self._known = self.list()

    def list(self) -> tuple[Port, ...]:
        """Return the ports that exist now, ordered by path and interface."""
        try:
            entries = list(self._folder.iterdir())
        except FileNotFoundError:
            return ()
        seen = [_sighting(entry) for entry in entries]
        return in_order([port for port in seen if port is not None])

    def wait(self, timeout: float) -> bool:
        """Return True as soon as the directory differs from what the last wait saw, False after `timeout` seconds."""
        ends = time.monotonic() + timeout
        while (found := self.list()) == self._known:
            left = ends - time.monotonic()
            if left <= 0 or self._closed.wait(min(left, _LOOK_EVERY)):
                return False
        self._known = found
        return True

    def close(self) -> None:
        """Stop watching; a waiting call returns."""
        self._closed.set()


def _sighting(entry: Path) -> Port | None:
    try:
        path, interface = split_path(entry.name.partition("@")[0])
        return Sighting(path, str(entry.resolve(strict=True)), interface, arrival=str(entry.lstat().st_mtime_ns))
    except (OSError, ValueError):
        # A dangling link is a charger that has gone; a name that is no port path is none of ours.
        return None
