"""Messages of the manufacturing execution system."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables; no run of before asked an MES."""
    op.add_column("run", sa.Column("mes", sa.Text(), server_default="", nullable=False))
    op.create_table(
        "mes_change",
        sa.Column("position", sa.Integer(), nullable=False),
        *_texts("source", "station"),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_mes_change")),
    )
    op.create_table(
        "mes_link",
        *_texts("station"),
        _time("heard_at"),
        _time("away_since", nullable=True),
        sa.PrimaryKeyConstraint("station", name=op.f("pk_mes_link")),
    )
    _mes_message()
    _mes_received()
    _mes_word()


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _time(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=nullable)


def _number() -> sa.Column[int]:
    return sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False)


def _key(table: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint("station", "sequence", name=op.f(f"pk_{table}"))


def _mes_message() -> None:
    op.create_table(
        "mes_message",
        *_texts("station"),
        _number(),
        *_texts("key", "name", "subject", "request"),
        _time("at"),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        _time("created_at"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        *_texts("error"),
        _time("done_at", nullable=True),
        *_texts("answer"),
        sa.CheckConstraint("(done_at IS NULL) = (answer = '')", name=op.f("ck_mes_message_answered")),
        _key("mes_message"),
        sa.UniqueConstraint("key", name=op.f("uq_mes_message_key")),
    )
    op.create_index(op.f("ix_mes_message_subject"), "mes_message", ["subject"])
    op.create_index(op.f("ix_mes_message_created_at"), "mes_message", ["created_at"])
    waiting = sa.text("done_at IS NULL")
    op.create_index(
        "ix_mes_message_open", "mes_message", ["station", "sequence"], sqlite_where=waiting, postgresql_where=waiting
    )


def _mes_received() -> None:
    op.create_table(
        "mes_received",
        *_texts("station"),
        _number(),
        *_texts("message"),
        sa.Column("position", sa.BigInteger(), nullable=False),
        *_texts("name"),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        *_texts("sentence"),
        _time("at"),
        _key("mes_received"),
        sa.UniqueConstraint("message", name=op.f("uq_mes_received_message")),
    )


def _mes_word() -> None:
    kind = sa.Enum("unit", "operator", name="wordkind", native_enum=False, create_constraint=True, length=16)
    op.create_table(
        "mes_word",
        *_texts("station"),
        _number(),
        sa.Column("kind", kind, nullable=False),
        *_texts("subject"),
        sa.Column("passed", sa.Boolean(), nullable=False),
        *_texts("sentence"),
        _time("at"),
        _key("mes_word"),
    )
    op.create_index(op.f("ix_mes_word_kind_subject"), "mes_word", ["kind", "subject"])
