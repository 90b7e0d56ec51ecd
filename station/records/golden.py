"""Golden units: good ones and bad ones on purpose, by which a station shows that it still tells one from the other.

A golden unit is reserved for ever: no run of it begins, and it is never packed. A station that finds something else
than it must is on hold from the same transaction on; lifting the hold does not replace the check.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from station.clock import utc_now
from station.errors import ConfigError
from station.records import tables
from station.records.holds import note, place
from station.records.orders import Section, value
from station.records.packing import settle
from station.records.quality_rows import (
    LONGEST_REASON,
    GoldenCheck,
    GoldenCheckRow,
    GoldenUnit,
    GoldenUnitRow,
    Hold,
    HoldKind,
    HoldScope,
)


@dataclass(frozen=True)
class GoldenStatus:
    """One golden unit at this station."""

    unit: GoldenUnitRow
    last: GoldenCheckRow | None
    """The station's latest check of it."""

    def problem(self, hours: int, software: str, now: datetime) -> str:
        """Say why the station may not begin on the word of this unit, or nothing."""
        name = f"Golden unit {self.unit.hardware_uid}"
        if self.last is None:
            return f"{name} was never checked at this station."
        if not self.last.as_expected:
            return f"{name} had to be found {self.unit.expectation} and was found {self.last.found}."
        if self.last.software != software:
            return f"{name} was not checked since the station's software changed."
        if now >= self.last.at + timedelta(hours=hours):
            return f"{name} was not checked for {hours} h."
        return ""


class GoldenUnits(Section):
    """Golden units and what stations found of them."""

    def reserve_golden(self, unit: GoldenUnit) -> GoldenUnitRow:
        """Reserve a unit for ever to check stations; one that was built to be shipped never leaves any more.

        Raises:
            ConfigError: It is a golden unit already, or was one.
        """
        with self.database.write() as session:
            if session.get(tables.GoldenUnit, unit.hardware_uid) is not None:
                raise ConfigError(
                    f"{unit.hardware_uid} is a golden unit already", hint="List them: 'station golden list'."
                )
            row = tables.GoldenUnit(
                hardware_uid=unit.hardware_uid, product=unit.product, expectation=unit.expectation,
                remark=unit.remark.strip(), who=unit.who, at=utc_now(), retired_at=None, retired_by="",
            )  # fmt: skip
            session.add(row)
            session.flush()
            built = session.scalar(select(tables.Unit).where(tables.Unit.hardware_uid == unit.hardware_uid))
            if built is not None:
                settle(session, built)
            body = {"expectation": unit.expectation, "product": unit.product, "reason": row.remark}
            note(self.database, session, "golden-added", unit.hardware_uid, unit.who, body)
            return value(GoldenUnitRow, row)

    def retire_golden(self, hardware_uid: str, who: str, reason: str) -> GoldenUnitRow:
        """Check stations with a golden unit no longer; it is not shipped either.

        Raises:
            ConfigError: It is none, or was retired before.
        """
        with self.database.write() as session:
            row = session.get(tables.GoldenUnit, hardware_uid)
            if row is None or row.retired_at is not None:
                raise ConfigError(f"{hardware_uid[:64]} is no golden unit", hint="List them: 'station golden list'.")
            row.retired_at, row.retired_by = utc_now(), who
            note(self.database, session, "golden-retired", hardware_uid, who, {"reason": reason})
            return value(GoldenUnitRow, row)

    def golden_unit(self, hardware_uid: str) -> GoldenUnitRow | None:
        """Return a golden unit by its hardware UID."""
        with self.database.read() as session:
            row = session.get(tables.GoldenUnit, hardware_uid)
            return None if row is None else value(GoldenUnitRow, row)

    def golden_checked(self, check: GoldenCheck) -> GoldenCheckRow:
        """Record what the station found of a golden unit; if it is not what it must be, the station is on hold."""
        with self.database.write() as session:
            unit = session.get_one(tables.GoldenUnit, check.hardware_uid)
            row = tables.GoldenCheck(
                hardware_uid=check.hardware_uid, slot=check.slot, found=check.found,
                as_expected=check.found == unit.expectation, sentence=check.sentence, software=check.software,
                who=check.who, at=utc_now(),
            )  # fmt: skip
            self.database.append(session, row)
            body = {"found": row.found, "expected": unit.expectation, "slot": row.slot, "sentence": row.sentence}
            note(self.database, session, "golden-check", check.hardware_uid, check.who, body)
            if not row.as_expected:
                place(self.database, session, _disqualified(self.database.station, unit, row))
            return value(GoldenCheckRow, row)

    def golden_status(self, product: str = "") -> tuple[GoldenStatus, ...]:
        """Return the golden units in use, of one product or all, each with this station's latest check of it."""
        with self.database.read() as session:
            return status_in(session, product, self.database.station)


def status_in(session: Session, product: str, station: str) -> tuple[GoldenStatus, ...]:
    """Return the golden units in use as a transaction sees them."""
    unit = tables.GoldenUnit
    query = select(unit).where(unit.retired_at.is_(None)).order_by(unit.product, unit.hardware_uid)
    query = query.where(unit.product == product) if product else query
    return tuple(
        GoldenStatus(value(GoldenUnitRow, row), _last_check(session, row.hardware_uid, station))
        for row in session.scalars(query).all()
    )


def _last_check(session: Session, hardware_uid: str, station: str) -> GoldenCheckRow | None:
    query = select(tables.GoldenCheck).filter_by(hardware_uid=hardware_uid, station=station)
    row = session.scalar(query.order_by(tables.GoldenCheck.sequence.desc()).limit(1))
    return None if row is None else value(GoldenCheckRow, row)


def _disqualified(station: str, unit: tables.GoldenUnit, check: tables.GoldenCheck) -> Hold:
    reason = f"Golden unit {unit.hardware_uid} had to be found {unit.expectation} and was found {check.found}"
    return Hold(HoldScope.STATION, station, reason[:LONGEST_REASON], "station", HoldKind.QUARANTINE)
