"""Serial numbers that are burnt, because units may bear them of which restored records do not know."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table, and an index for the newest event of a kind."""
    op.create_table(
        "burnt_serials",
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("work_order", sa.Text(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("first", "last")),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("reason", "who")),
        sa.Column("at", sa.String(), nullable=False),
        sa.CheckConstraint("first <= last", name=op.f("ck_burnt_serials_range")),
        sa.ForeignKeyConstraint(["work_order"], ["work_order.id"], name=op.f("fk_burnt_serials_work_order_work_order")),
        sa.PrimaryKeyConstraint("station", "sequence", name=op.f("pk_burnt_serials")),
    )
    op.create_index(op.f("ix_burnt_serials_work_order"), "burnt_serials", ["work_order"])
    op.create_index("ix_event_newest", "event", ["kind", "station", "sequence"])
