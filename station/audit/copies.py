"""Copies of checkpoints outside the station's directory: whoever owns the directory does not own these.

One that can't be made delays nothing, and is made later. None is replaced: what was kept before is what others trust.
"""

import base64
import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from pki.files import write_file
from station.config import StationConfig
from station.errors import Service, ServiceError
from station.http import HttpClient, open_http
from station.trust import Peer

PEER = Peer(Service.NETWORK, "receiver of checkpoints", "audit.hook", "audit.client")
PATH = "/checkpoints"
"""Where the receiver takes a checkpoint, below its address."""
SIGNATURES = b"\n\n"
"""What stands in a checkpoint between that which is signed and its signatures, of which each is another."""
PLAIN = {"Content-Type": "text/plain; charset=utf-8"}


@dataclass(frozen=True)
class Copies:
    """Where checkpoints go besides the station's own directory."""

    folders: tuple[Path, ...]
    hook: HttpClient | None

    def give(self, station: str, size: int, note: bytes, at: datetime) -> list[str]:
        """Give a checkpoint to all of them, and return what went wrong, one sentence each."""
        signed, _, _ = note.partition(SIGNATURES)
        name = Path(station) / f"{at:%Y-%m-%d}" / f"{size:012d}-{_root(signed)}.txt"
        problems = [_problem(partial(_keep, folder, name, note)) for folder in self.folders]
        if self.hook is not None:
            problems.append(_problem(partial(_post, self.hook, note)))
        return [problem for problem in problems if problem]

    def close(self) -> None:
        """Close the connection."""
        if self.hook is not None:
            self.hook.close()


def open_copies(config: StationConfig, token: Callable[[], str]) -> Copies:
    """Return the copies that the configuration names.

    Raises:
        ConfigError: The receiver's address can't be used.
    """
    folders = tuple(config.directory / folder for folder in config.audit.copies)
    hook = open_http(PEER, config.audit.hook, token, config.directory) if config.audit.hook else None
    return Copies(folders, hook)


def _root(signed: bytes) -> str:
    """Return how the root begins that a checkpoint signs."""
    return base64.b64decode(signed.splitlines()[2]).hex()[:8]


def _keep(folder: Path, name: Path, note: bytes) -> None:
    """Write a checkpoint into a folder that is there: one that is not mounted is not made on the station's disk.

    Raises:
        OSError: The folder is not there, can't be written, or has another checkpoint of this name.
    """
    if not folder.is_dir():
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), folder)
    path = folder / name
    if not path.exists():
        write_file(path, note)
    elif path.read_bytes().partition(SIGNATURES)[0] != note.partition(SIGNATURES)[0]:
        raise OSError(errno.EEXIST, "another checkpoint is there", path)


def _post(hook: HttpClient | None, note: bytes) -> None:
    if hook is None:
        return
    answer = hook.send("POST", PATH, content=note, headers=PLAIN)
    if answer.status not in (202, 204):
        hook.content(answer)


def _problem(give: Callable[[], None]) -> str:
    try:
        give()
    except OSError as error:
        return f"No checkpoint can be written to {error.filename}: {error.strerror}."
    except ServiceError as error:
        return error.message
    return ""
