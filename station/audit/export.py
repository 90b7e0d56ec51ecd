"""The log in a folder for an outsider: files that need neither this software nor our word."""

import shutil
from pathlib import Path

from pki.files import write_file
from station.audit.tiles import write_tiles
from station.errors import ConfigError
from station.records import Records

CHECKPOINTS = "checkpoints"


def export_log(records: Records, folder: Path, certificate: Path, spki: bytes) -> int:
    """Write entries, tiles, checkpoints and the audit certificate, and return how many entries that are.

    Raises:
        ConfigError: No checkpoint was signed yet, the folder holds something, or can't be written.
    """
    last = records.last_checkpoint()
    if last is None:
        raise ConfigError("the log has no checkpoint yet", hint="Sign one with 'station audit checkpoint'.")
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder} is not empty", hint="Name a new folder.")
    try:
        for row in records.checkpoints():
            write_file(folder / CHECKPOINTS / f"{row.size:012d}.txt", row.note)
        shutil.copyfile(certificate, folder / certificate.name)
        write_tiles(records, folder, last.note, spki)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)  # half a log proves nothing, and would be in the way of the next try
        message = f"the log can't be written to {folder}: {error.strerror}"
        raise ConfigError(message, hint="Free space, or name another folder.") from error
    return last.size
