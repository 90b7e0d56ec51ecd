"""Which carton a unit leaves in: its Serial Shipping Container Code, of the station's block or as it was scanned.

Kept as events: given once to a unit, and never to another. Asked again, after a crash too, it is the same one.
"""

import json
from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from station.clock import utc_now
from station.errors import ConfigError, Defect, UnitError
from station.identifiers.cartons import CartonBlock, sscc
from station.records import tables
from station.records.canonical import canonical
from station.records.keeping import ACCEPTED
from station.records.orders import Section

KIND = "carton-numbered"


class Cartons(Section):
    """Numbers of cartons, by unit."""

    def carton(self, unit: str) -> str:
        """Return the SSCC of a unit's carton, or nothing."""
        with self.database.read() as session:
            return _of(session, unit)

    def number_carton(self, unit: str, block: CartonBlock, who: str) -> str:
        """Return the SSCC of a unit's carton, the next of the block where it has none.

        Raises:
            ConfigError: The block is used up.
        """
        with self.database.write() as session:
            known = _of(session, unit)
            if known:
                return known
            number = max(block.first, _last(session, self.database.station, block) + 1)
            if number > block.last:
                raise ConfigError("all carton numbers of the station's block are given", hint="Get another block.")
            return self._given(session, unit, sscc(block.prefix, number, block.extension), who)

    def take_carton(self, unit: str, code: str, who: str) -> str:
        """Record the SSCC that stands on a unit's carton already, and return it.

        Raises:
            UnitError: The unit has another carton, or the carton another unit.
        """
        with self.database.write() as session:
            known = _of(session, unit)
            if known == code:
                return known
            other = session.scalar(select(tables.Event.subject).where(tables.Event.body == _body(code)))
            if known or other:
                message = f"Unit {unit} has carton {known}." if known else f"Carton {code} has unit {other} in it."
                raise UnitError(Defect.DUPLICATE_IDENTITY, message, hint="Take another carton.")
            return self._given(session, unit, code, who)

    def _given(self, session: Session, unit: str, code: str, who: str) -> str:
        row = tables.Event(kind=KIND, subject=unit, at=utc_now(), body=_body(code), who=who)
        self.database.append(session, row)
        return code


def _of(session: Session, unit: str) -> str:
    query = select(tables.Event.body).filter_by(kind=KIND, subject=unit)
    body = session.scalar(query.order_by(tables.Event.at.desc()).limit(1))
    return str(json.loads(body)["sscc"]) if body else ""


def _last(session: Session, station: str, block: CartonBlock) -> int:
    """Return the last number of a block that was given, or that may have been when records came back; or 0."""
    ours = f"{block.extension}{block.prefix}"
    given = (_codes(session, station, kind, name) for kind, name in ((KIND, "sscc"), (ACCEPTED, "last_carton")))
    return max(next((int(code[len(ours) : -1]) for code in found if code.startswith(ours)), 0) for found in given)


def _codes(session: Session, station: str, kind: str, name: str) -> Iterator[str]:
    """Yield carton numbers in the events of a kind, the newest first."""
    query = select(tables.Event.body).filter_by(kind=kind, station=station).order_by(tables.Event.sequence.desc())
    return (str(json.loads(body).get(name, "")) for body in session.scalars(query))


def _body(code: str) -> bytes:
    return canonical({"sscc": code})
