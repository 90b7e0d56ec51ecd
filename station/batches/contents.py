"""What an archive holds of its units: their own files, and a row of each in every table."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from station.batches.commissioning import Gathered, checklist_columns, checklist_row, renew_from
from station.batches.container import BLOCK, Writer
from station.batches.layout import (
    CHECKLIST_CSV,
    CONNECTORS_CSV,
    METERS_CSV,
    MOST_PDF,
    RENEWALS_CSV,
    SIMS_CSV,
    UNITS,
    UNITS_CSV,
    UNITS_SCHEMA,
    VERSION,
    UnitFiles,
)
from station.batches.profiles import Profile, ProfileFile
from station.batches.tables import Table
from station.batches.units import NUMBERS, UNASSIGNED, Facts, described, flat, outlets
from station.records import ReleasedUnit

UNIT_COLUMNS = (
    *("serial", "revision", "ocpp_identity", "vendor", "model", "product", "hardware", "gtin"),
    *("firmware", "firmware_sha256", "ocpp_version", "security_profile", "endpoint", "connectors", "max_power_kw"),
    *("certificate_serial", "certificate_sha256", "certificate_common_name", "certificate_not_after"),
    *NUMBERS,
    *("work_order", "customer", "released_at", "passport_sha256"),
    *UNASSIGNED,
)
OUTLET_COLUMNS = (
    *("serial", "ocpp_identity", "evse", "connector", "letter", "type", "phases", "max_current_a"),
    *("outlet_max_power_kw", "power_type", "rotation", "meter_type", "meter_serial", "evse_id"),
)
METER_COLUMNS = (
    *("serial", "ocpp_identity", "evse", "letter", "meter_type", "meter_serial", "meter_approval"),
    *("meter_public_key", "meter_key_printed"),
)
SIM_COLUMNS = ("serial", "ocpp_identity", "iccid", "iccid_without_check_digit", "imsi", "eid", "imei", "state")
RENEWAL_COLUMNS = (
    *("serial", "ocpp_identity", "certificate_serial", "certificate_sha256", "certificate_not_after"),
    *("renewal_owner", "renewal_method", "renewal_lead_days", "renew_from"),
)
COLUMNS: Mapping[str, Sequence[str]] = {
    UNITS_CSV: UNIT_COLUMNS,
    CONNECTORS_CSV: OUTLET_COLUMNS,
    METERS_CSV: METER_COLUMNS,
    SIMS_CSV: SIM_COLUMNS,
    RENEWALS_CSV: RENEWAL_COLUMNS,
    CHECKLIST_CSV: checklist_columns(),
}
"""Our own tables with their columns."""


class Contents:
    """The files of units in an archive under way, and the tables that come after them."""

    def __init__(self, writer: Writer, profiles: Sequence[Profile], folder: Path, stack: ExitStack) -> None:
        """Begin; rows wait in `folder` until all units are in, and are gone with `stack`."""
        self.gathered = Gathered()
        self.writer = writer
        self._tables = {name: Table(columns, folder) for name, columns in COLUMNS.items()}
        self._files = [ProfileFile(each, culture, folder) for each in profiles for culture in each.culture]
        self._units: IO[bytes] = stack.enter_context(TemporaryFile(dir=folder))  # noqa: SIM115 - the stack closes it
        for close in (*(each.close for each in self._tables.values()), *(each.spool.close for each in self._files)):
            stack.callback(close)

    def add(self, unit: ReleasedUnit, passport: Mapping[str, Any], chain: bytes, claim_code_hash: str) -> None:
        """Add a unit with its certificate chain.

        Raises:
            UnitError: Its configuration has a value that only the site or the operator may choose.
        """
        names, told = UnitFiles(unit.serial), described(passport, unit.revision, unit.passport_sha256)
        facts = flat(told, claim_code_hash)
        checklist = checklist_row(facts, json.loads(unit.configuration or b"{}"))
        self.writer.add(names.passport, unit.passport)
        self.writer.add(names.signature, unit.signature)
        self.writer.add(names.certificate, chain)
        self._add_rows(told, facts, checklist)
        self.gathered.add(checklist, passport["not_shown_by_hardware"])
        line = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        self._units.write(f"{',' if self.gathered.units > 1 else ''}\n{line}".encode())

    def add_drawing(self, unit: ReleasedUnit, folder: Path) -> None:
        """Add the passport's PDF, if it is there as the outbox drew it."""
        name, _, digest = unit.rendered.partition(" ")
        path = folder / Path(name).name
        if not name or not path.is_file() or path.stat().st_size > MOST_PDF:
            return
        content = path.read_bytes()
        if sha256(content).hexdigest() == digest:
            self.writer.add(UnitFiles(unit.serial).rendering, content)

    def add_secrets(self, serial: str, sealed: bytes) -> None:
        """Add what is sealed for the CPMS."""
        self.writer.add(UnitFiles(serial).secrets, sealed)

    def _add_rows(self, told: Facts, facts: Facts, checklist: Facts) -> None:
        self._tables[UNITS_CSV].add(facts)
        for outlet in outlets(told, facts):
            self._tables[CONNECTORS_CSV].add(outlet)
            if outlet["meter_serial"]:
                self._tables[METERS_CSV].add(outlet)
        if facts["iccid"] or facts["eid"]:
            self._tables[SIMS_CSV].add(_sim(facts))
        self._tables[RENEWALS_CSV].add(facts | {"renew_from": renew_from(facts)})
        self._tables[CHECKLIST_CSV].add(checklist)
        for file in self._files:
            file.add(told, facts)

    def finish(self, batch: str, order: str) -> None:
        """Add the tables, and the file of all units."""
        head = {"batch": batch, "order": order, "schema": UNITS_SCHEMA, "version": VERSION}
        begin = json.dumps(head, sort_keys=True, separators=(",", ":")).removesuffix("}") + ',"units":['
        size = self._units.tell()
        self._units.seek(0)
        rows = iter(lambda: self._units.read(BLOCK), b"")
        self.writer.add_stream(UNITS, _joined(begin.encode(), rows, b"\n]}\n"), size + len(begin) + 4)
        for name, table in self._tables.items():
            table.into(self.writer, name)
        for file in self._files:
            if not file.refusal:
                file.spool.into(self.writer, file.name)

    def refused(self) -> tuple[tuple[str, str], ...]:
        """Return the files of profiles that are left out, each with the reason."""
        return tuple((file.name, file.refusal) for file in self._files if file.refusal)


def _joined(begin: bytes, parts: Iterator[bytes], end: bytes) -> Iterator[bytes]:
    yield begin
    yield from parts
    yield end


def _sim(facts: Facts) -> Facts:
    """Return the facts of a SIM; providers write an ICCID with and without its check digit."""
    return facts | {"iccid_without_check_digit": facts["iccid"][:-1], "state": "fitted"}
