"""One file of results, from its bytes to the acknowledgement that answers every row of it.

Whatever way a file comes, it ends in `done` or `refused` of the drop folder under its own digest, with the
acknowledgement beside it: an auditor can read again what was believed.
"""

import json
import re
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from station.clock import utc_now
from station.config import StationConfig
from station.errors import ConfigError, Service, ServiceError, StationError
from station.outbox import write_whole
from station.records import Records, ResultSource, Taken
from station.results.acknowledgement import Acknowledgement
from station.results.formats import Format, load_format
from station.results.reading import read_results

TAKEN_EVENT, REFUSED_EVENT = "results-taken", "results-refused"
DONE, REFUSED = "done", "refused"
ENDING = ".ack.json"
_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]")


@dataclass(frozen=True)
class Upload:
    """A file as it arrived."""

    name: str
    content: bytes

    @cached_property
    def sha256(self) -> str:
        """Return the digest by which the records name the file."""
        return sha256(self.content).hexdigest()

    @property
    def shown(self) -> str:
        """Return the name as records and screens can hold it."""
        return "".join(one if one.isprintable() else "_" for one in self.name)[:100]

    @property
    def kept(self) -> str:
        """Return the name under which it is kept: the same file again has the same."""
        return f"{self.sha256[:16]}-{_UNSAFE.sub('_', self.name)[-80:]}"


class Intake:
    """Takes files of testers into the records of one station."""

    def __init__(self, config: StationConfig, records: Records) -> None:
        """Take in for a station; nothing is read yet."""
        self._config, self._records = config, records
        self.folder = config.directory / config.results.folder

    def take(self, upload: Upload, layout: str, who: str = "") -> Acknowledgement:
        """Record what a file reports; the same file again adds nothing.

        Args:
            upload: The file.
            layout: Name of its format; empty for one that nobody named.
            who: Who brings it; empty for the tester itself.

        Raises:
            ServiceError: The records can't be written; the file may be offered again.
        """
        who = who or f"service:{layout or 'results'}"
        try:
            if not layout:
                raise ConfigError("no format is set for the drop folder", hint="Put the file into its format's folder.")
            told = self._read(upload, load_format(self._config, layout), who)
        except ServiceError:
            raise
        except StationError as error:
            told = Acknowledgement(upload.shown, upload.sha256, layout, utc_now(), (), error.message, error.hint)
        self._record(told, who)
        return told

    def receive(self, layout: str, name: str, content: bytes) -> dict[str, Any]:
        """Take in a file that a tester sends, keep it, and return the acknowledgement as JSON.

        Raises:
            ServiceError: The records or the folder can't be written.
        """
        upload = Upload(name, content)
        told = self.take(upload, layout)
        self.keep(upload, told)
        return told.document()

    def keep(self, upload: Upload, told: Acknowledgement, path: Path | None = None) -> Path:
        """Keep a file with its acknowledgement and return where; a `path` where it lies now is moved, and last.

        Raises:
            ServiceError: The folder can't be written.
        """
        target = self.folder / (DONE if told.accepted else REFUSED) / upload.kept
        try:
            document = json.dumps(told.document(), indent=1, ensure_ascii=False).encode()
            write_whole(target.with_name(target.name + ENDING), document)
            if path is None:
                write_whole(target, upload.content)
            else:
                path.replace(target)
        except OSError as error:
            raise self.unusable(error) from error
        return target

    def unusable(self, error: OSError) -> ServiceError:
        """Return the drop folder's trouble as ours."""
        message = f"The folder {self.folder} can't be used: {error.strerror or error}."
        hint = "Check the disk, and give the station write access to the folder."
        return ServiceError(Service.DATABASE, message, hint=hint, stops_line=False)

    def _read(self, upload: Upload, layout: Format, who: str) -> Acknowledgement:
        reading = read_results(upload.content, layout)
        source = ResultSource(upload.sha256, upload.shown, layout.label)
        answers = (*self._records.add_results(source, reading.results, who), *reading.refused)
        rows = tuple(sorted(answers, key=lambda row: row.line))
        return Acknowledgement(upload.shown, upload.sha256, layout.label, utc_now(), rows)

    def _record(self, told: Acknowledgement, who: str) -> None:
        """Record that a file came, unless it only said what is known."""
        if told.accepted and not told.count(Taken.TAKEN):
            return
        counts = {taken.value: told.count(taken) for taken in Taken}
        body = {"file": told.file, "format": told.format, "sentence": told.sentence, **counts}
        self._records.event(TAKEN_EVENT if told.accepted else REFUSED_EVENT, told.sha256, body, who)
