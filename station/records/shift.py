"""What is open when one shift hands over to the next."""

from collections.abc import Mapping

from sqlalchemy import exists, func, select
from sqlalchemy.orm import aliased

from station.records import tables
from station.records.orders import IN_WORK, Section
from station.records.reading import run_row
from station.records.rows import RunRow


class Shifts(Section):
    """What the next shift goes on with."""

    def unfinished(self, limit: int = 100) -> tuple[RunRow, ...]:
        """Return the last runs of units that nobody finished and nobody works on now, the latest first."""
        run, later, unit = tables.Run, aliased(tables.Run), tables.Unit
        again = exists().where(later.unit == run.unit, later.station == run.station, later.sequence > run.sequence)
        query = select(run).join(unit, unit.serial == run.unit)
        query = query.where(unit.state.in_(IN_WORK), run.closed_at.is_not(None), ~again)
        with self.database.read() as session:
            rows = session.scalars(query.order_by(run.closed_at.desc(), run.sequence.desc()).limit(limit))
            return tuple(run_row(row) for row in rows)

    def waiting_messages(self) -> Mapping[str, int]:
        """Count the messages that are not delivered, by their kind."""
        message = tables.Outbox
        query = select(message.kind, func.count()).where(message.done_at.is_(None)).group_by(message.kind)
        with self.database.read() as session:
            return dict(session.execute(query.order_by(message.kind)).all())
