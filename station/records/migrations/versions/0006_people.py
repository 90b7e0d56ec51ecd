"""People, their sign-ins and their training."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables; the first person is made by `station init`."""
    _person()
    _sign_in()
    _session()
    _training()


def _person() -> None:
    op.create_table(
        "person",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("badge", sa.Text(), nullable=False),
        sa.Column("pin_hash", sa.Text(), nullable=False),
        sa.Column("code_hash", sa.Text(), nullable=False),
        sa.Column("code_until", sa.String(), nullable=True),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("disabled_at", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
        sa.UniqueConstraint("badge", name=op.f("uq_person_badge")),
    )


def _sign_in() -> None:
    op.create_table(
        "sign_in",
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.Column("tried_sequence", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("station", "sequence", name=op.f("pk_sign_in")),
        sa.UniqueConstraint("station", "tried_sequence", name=op.f("uq_sign_in_station_tried_sequence")),
    )
    op.create_index(op.f("ix_sign_in_person_at"), "sign_in", ["person", "at"])
    op.create_index(op.f("ix_sign_in_address_at"), "sign_in", ["address", "at"])


def _session() -> None:
    op.create_table(
        "person_session",
        sa.Column("token_sha256", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("at_slots", sa.Boolean(), nullable=False),
        sa.Column("opened_at", sa.String(), nullable=False),
        sa.Column("seen_at", sa.String(), nullable=False),
        sa.Column("ended_at", sa.String(), nullable=True),
        sa.Column("ended_why", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_person_session")),
        sa.ForeignKeyConstraint(["person"], ["person.id"], name=op.f("fk_person_session_person_person")),
    )
    op.create_index(op.f("ix_person_session_person"), "person_session", ["person"])
    op.create_index(op.f("ix_person_session_station_seen_at"), "person_session", ["station", "seen_at"])


def _training() -> None:
    op.create_table(
        "training",
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("valid_until", sa.String(), nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("station", "sequence", name=op.f("pk_training")),
        sa.ForeignKeyConstraint(["person"], ["person.id"], name=op.f("fk_training_person_person")),
    )
    op.create_index(op.f("ix_training_person_name"), "training", ["person", "name"])
