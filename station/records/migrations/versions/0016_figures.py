"""Indexes for the figures of a line: runs by when they ended and in the order of their unit, and repeated attempts."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the indexes; runs of a unit are found by the one that also has their order."""
    op.create_index(op.f("ix_run_closed_at"), "run", ["closed_at"])
    op.create_index(op.f("ix_run_unit_station_sequence"), "run", ["unit", "station", "sequence"])
    op.drop_index(op.f("ix_run_unit"), "run")
    repeated = sa.text("attempt > 1")
    columns = ["station", "run_sequence"]
    op.create_index("ix_step_event_repeated", "step_event", columns, sqlite_where=repeated, postgresql_where=repeated)
