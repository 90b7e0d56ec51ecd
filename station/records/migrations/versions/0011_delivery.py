"""What people decided of messages that could not be delivered."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

OPEN = sa.text("done_at IS NULL")
WAITING = sa.text("done_at IS NULL AND dead_at IS NULL")
DEAD = sa.text("done_at IS NULL AND dead_at IS NOT NULL")


def upgrade() -> None:
    """Create the table; no message of before was given up, those that wait go on."""
    op.add_column("outbox", sa.Column("dead_at", sa.String(), nullable=True))
    op.add_column("outbox", sa.Column("retried_at", sa.String(), nullable=True))
    # Without the station in it, the one beside it would be taken to look for a unit's earlier messages, row by row.
    op.drop_index("ix_outbox_open", "outbox")
    _index("ix_outbox_open", OPEN, "unit", "station", "sequence")
    _index("ix_outbox_waiting", WAITING, "station", "sequence")
    _index("ix_outbox_dead", DEAD, "station", "sequence")
    _delivery_decision()


def _index(name: str, where: sa.TextClause, *columns: str) -> None:
    op.create_index(name, "outbox", list(columns), sqlite_where=where, postgresql_where=where)


def _delivery_decision() -> None:
    kind = sa.Enum("retry", "drop", name="decisionkind", native_enum=False, create_constraint=True, length=16)
    op.create_table(
        "delivery_decision",
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("message_station", sa.Text(), nullable=False),
        sa.Column("message_sequence", sa.BigInteger(), nullable=False),
        sa.Column("kind", kind, nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.CheckConstraint("reason <> '' AND who <> ''", name=op.f("ck_delivery_decision_reason")),
        sa.ForeignKeyConstraint(
            ["message_station", "message_sequence"],
            ["outbox.station", "outbox.sequence"],
            name=op.f("fk_delivery_decision_message_station_message_sequence_outbox"),
        ),
        sa.PrimaryKeyConstraint("station", "sequence", name=op.f("pk_delivery_decision")),
    )
    key = ["message_station", "message_sequence"]
    op.create_index(op.f("ix_delivery_decision_message_station_message_sequence"), "delivery_decision", key)
