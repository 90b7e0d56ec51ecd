"""Make an export of a table: rows stream from one look at the records into a file and its signed manifest.

In memory are a portion of rows, and what a format keeps. The file has its name when it is whole, durable, signed and
recorded. A file of lines that was cut off goes on behind its last row, if the same rows come before it as ever; its
manifest then says when each part was looked at.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from station.clock import iso, utc_now
from station.errors import ConfigError
from station.records import ExportFilter, ExportSet, Look, Records
from station.records.export import EVERYTHING
from station.trace.export.cells import Canon
from station.trace.export.columns import table_of
from station.trace.export.envelope import Signer
from station.trace.export.formats import FORMATS, Format
from station.trace.export.manifest import Content, File, filter_told, manifest
from station.trace.export.partial import Partial, Progress, Running, growing

NOTE_EVERY = 5
"""Portions after which it is noted how far an export is."""
ProgressOf = Callable[[int, int], None]
"""Told how many rows there are of how many."""


@dataclass(frozen=True)
class Wanted:
    """Which export is wanted."""

    format: str
    who: str
    set: ExportSet = ExportSet.UNITS
    rows: ExportFilter = EVERYTHING

    @property
    def request(self) -> str:
        """Return what must be the same for a file that was cut off to go on."""
        table = table_of(self.set)
        return json.dumps([self.format, table.name, table.version, filter_told(self.rows)])


@dataclass(frozen=True)
class Made:
    """An export that was made."""

    path: Path
    rows: int
    sha256: str
    rows_sha256: str
    resumed_at: int = 0
    """How many rows an earlier call had written already."""
    units_left_out: int = 0


def make_export(
    records: Records, signer: Signer, wanted: Wanted, target: Path, progress: ProgressOf = lambda _done, _total: None
) -> Made:
    """Make an export of a table.

    Raises:
        ConfigError: The name is taken, the file can't be written, or the format can't hold so many rows.
        ServiceError: Records or HSM are away.
    """
    form = FORMATS[wanted.format]
    with growing(target, goes_on=form.goes_on) as partial, records.look(wanted.set, wanted.rows) as look:
        making = _Making(partial, form, wanted, look)
        resumed = making.resume()
        making.write(progress)
        made = finished(records, signer, wanted, partial, making.ended())
    return replace(made, resumed_at=resumed)


class _Making:
    """One file under way."""

    def __init__(self, partial: Partial, form: Format, wanted: Wanted, look: Look) -> None:
        self._partial, self._form, self._wanted, self._look = partial, form, wanted, look
        self._table = table_of(wanted.set)
        if tuple(look.source.columns) != self._table.names:
            raise RuntimeError(f"templates/export says other columns of {self._table.name} than the records have")
        self._anew()

    def _anew(self) -> None:
        self._canon, self._running = Canon(self._table), Running(self._partial.file)
        self._key: Sequence[str] = ()
        self._keys = sha256()
        self._looks: list[tuple[str, int]] = []

    def resume(self) -> int:
        """Go on with what an earlier call left, if that can be; return how many rows it had."""
        before = self._partial.before(self._wanted.request) if self._form.goes_on else None
        if before is None or not self._takes(before):
            self._anew()
            self._partial.cut(0)
            return 0
        self._partial.cut(before.bytes)
        self._key, self._looks = before.key, [(str(at), int(rows)) for at, rows in before.looks]
        return before.rows

    def _takes(self, before: Progress) -> bool:
        """Read what is there again; False if not the very same rows come before its end any more."""
        if self._form.read is None:
            return False
        for key in self._look.source.keys(self._look.session, self._look.wanted, before.key):
            self._keys.update(_line(key))
        if self._keys.hexdigest() != before.keys:
            return False
        self._partial.cut(before.bytes)
        self._partial.file.seek(0)
        for rows in self._form.read(self._partial.file, self._table):
            self._canon.take(rows)
        return self._canon.rows == before.rows

    def write(self, progress: ProgressOf) -> None:
        """Write all rows that are not there yet."""
        total = self._look.count()
        _demand_room(self._form, total, self._wanted)
        self._looks.append((iso(self._look.at), self._canon.rows))
        writer = self._form.open(self._partial.file, self._table, anew=not self._canon.rows)
        for number, rows in enumerate(self._look.portions(self._key), 1):
            writer.write(rows, self._canon.take(rows))
            self._key = self._look.key_of(rows[-1])
            self._keys.update(b"".join(_line(self._look.key_of(row)) for row in rows))
            if self._form.goes_on and number % NOTE_EVERY == 0:
                self._note()
            progress(self._canon.rows, total)
        writer.close()

    def _note(self) -> None:
        digest, size, rows = self._running.all(), self._running.bytes, self._canon.rows
        keys = self._keys.hexdigest()
        self._partial.note(Progress(self._wanted.request, size, digest, rows, self._key, keys, self._looks))

    def ended(self) -> tuple[File, Content]:
        """Return what was made, and what is in it."""
        self._partial.file.flush()
        digest = self._running.all()
        file = File(self._partial.target.name, digest, self._running.bytes)
        name, table, canon = self._wanted.format, self._table, self._canon
        looks, note = tuple(self._looks), self._look.checkpoint()
        said = (name, table.name, table.version, table.names, canon.rows, canon.sha256, looks)
        return file, Content(*said, checkpoint=note)


def _line(key: Sequence[str]) -> bytes:
    return ("\x1f".join(key) + "\n").encode()


def _demand_room(form: Format, rows: int, wanted: Wanted) -> None:
    if form.most_rows and rows > form.most_rows:
        message = f"{rows} rows are too many for {wanted.format}; it holds {form.most_rows}"
        raise ConfigError(message, hint="Export as CSV or Parquet, or fewer rows.")


def finished(records: Records, signer: Signer, wanted: Wanted, partial: Partial, ended: tuple[File, Content]) -> Made:
    """Sign and record what was made, and give it its name."""
    (file, content), rows = ended, filter_told(wanted.rows)
    told = {"filter": rows, "station": records.database.station, "who": wanted.who, "made_at": iso(utc_now())}
    signed = manifest(file, content, told, signer)
    facts = {"format": content.format, "set": content.set, "rows": content.rows, "sha256": file.sha256}
    partial.settle(signed)
    records.exported(file.name, wanted.who, facts | {"filter": rows})
    partial.finish()
    return Made(partial.target, content.rows, file.sha256, content.rows_sha256, units_left_out=content.units_left_out)
