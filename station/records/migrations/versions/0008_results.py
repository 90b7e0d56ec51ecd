"""Results of other test benches."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table; no result was imported before."""
    op.create_table(
        "result",
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", _choice("subjectkind", "serial", "hardware-uid", "component"), nullable=False),
        *_texts("subject", "test"),
        sa.Column("taken_at", sa.String(), nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        *_texts("text", "unit"),
        sa.Column("low", sa.Double(), nullable=True),
        sa.Column("high", sa.Double(), nullable=True),
        *_texts("word"),
        sa.Column("failed_there", sa.Boolean(), nullable=False),
        sa.Column("verdict", _choice("verdict", "pass", "fail", "unjudged"), nullable=False),
        *_texts("problem", "program", "version", "instrument", "model", "calibration_due", "bench", "operator"),
        *_texts("digest", "source", "source_name", "format"),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("imported_at", sa.String(), nullable=False),
        *_texts("who"),
        sa.PrimaryKeyConstraint("station", "sequence", name=op.f("pk_result")),
        sa.UniqueConstraint("digest", name=op.f("uq_result_digest")),
    )
    for columns in (
        ["kind", "subject", "taken_at"],
        ["kind", "subject", "instrument", "taken_at"],
        ["source"],
        ["test"],
    ):
        op.create_index(op.f("ix_result_" + "_".join(columns)), "result", columns)


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _choice(name: str, *words: str) -> sa.Enum:
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=16)
