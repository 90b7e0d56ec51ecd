"""Batches of released units."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "batch",
        _text("station"),
        _number(),
        _text("name"),
        _text("work_order"),
        sa.Column("units", sa.Integer(), nullable=False),
        *(_text(name) for name in ("sha256", "manifest_sha256")),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        _text("sealed_for"),
        sa.Column("made_at", sa.String(), nullable=False),
        _text("who"),
        sa.Column("at", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["work_order"], ["work_order.id"], name=op.f("fk_batch_work_order_work_order")),
        sa.PrimaryKeyConstraint("station", "sequence", name=op.f("pk_batch")),
    )
    op.create_index(op.f("ix_batch_name"), "batch", ["name"])
    op.create_index(op.f("ix_batch_work_order"), "batch", ["work_order"])
    op.create_table(
        "batch_unit",
        _text("station"),
        _number(),
        _text("unit"),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["station", "sequence"],
            ["batch.station", "batch.sequence"],
            name=op.f("fk_batch_unit_station_sequence_batch"),
        ),
        sa.ForeignKeyConstraint(["unit"], ["unit.serial"], name=op.f("fk_batch_unit_unit_unit")),
        sa.PrimaryKeyConstraint("station", "sequence", "unit", name=op.f("pk_batch_unit")),
    )
    op.create_index(op.f("ix_batch_unit_unit"), "batch_unit", ["unit"])


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _number() -> sa.Column[int]:
    return sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False)
