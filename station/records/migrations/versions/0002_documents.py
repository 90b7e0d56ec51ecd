"""What leaves the station: certificates, snapshots, passports, messages, registrations, labels."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, those that others refer to first."""
    _certificate_event()
    _snapshot()
    _passport()
    _outbox()
    _registration()
    _label()


def _choice(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=16)


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _numbered() -> list[sa.Column[str] | sa.Column[int]]:
    key = sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False)
    return [sa.Column("station", sa.Text(), nullable=False), key]


def _certificate_event() -> None:
    op.create_table(
        "certificate_event",
        *_numbered(),
        sa.Column("run_sequence", sa.BigInteger(), nullable=False),
        *_texts("unit", "environment", "certificate_serial", "kind"),
        sa.Column("at", sa.String(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["station", "run_sequence"],
            ["run.station", "run.sequence"],
            name=op.f("fk_certificate_event_station_run_sequence_run"),
        ),
        sa.ForeignKeyConstraint(["unit"], ["unit.serial"], name=op.f("fk_certificate_event_unit_unit")),
        sa.PrimaryKeyConstraint("station", "sequence", name=op.f("pk_certificate_event")),
    )
    op.create_index(
        op.f("ix_certificate_event_certificate_serial"), "certificate_event", ["certificate_serial"], unique=False
    )
    op.create_index(op.f("ix_certificate_event_unit"), "certificate_event", ["unit"], unique=False)


def _snapshot() -> None:
    op.create_table(
        "snapshot",
        *_numbered(),
        sa.Column("run_sequence", sa.BigInteger(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        *_texts("sha256"),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("signer", sa.Text(), nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["station", "run_sequence"],
            ["run.station", "run.sequence"],
            name=op.f("fk_snapshot_station_run_sequence_run"),
        ),
        sa.PrimaryKeyConstraint("station", "sequence", name=op.f("pk_snapshot")),
        sa.UniqueConstraint(
            "station", "run_sequence", "environment", name=op.f("uq_snapshot_station_run_sequence_environment")
        ),
    )


def _passport() -> None:
    op.create_table(
        "passport",
        *_numbered(),
        sa.Column("run_sequence", sa.BigInteger(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        *_texts("sha256"),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("signer", sa.Text(), nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["station", "run_sequence"],
            ["run.station", "run.sequence"],
            name=op.f("fk_passport_station_run_sequence_run"),
        ),
        sa.ForeignKeyConstraint(["unit"], ["unit.serial"], name=op.f("fk_passport_unit_unit")),
        sa.PrimaryKeyConstraint("station", "sequence", name=op.f("pk_passport")),
        sa.UniqueConstraint("station", "run_sequence", name=op.f("uq_passport_station_run_sequence")),
        sa.UniqueConstraint("unit", "revision", name=op.f("uq_passport_unit_revision")),
    )


def _outbox() -> None:
    op.create_table(
        "outbox",
        *_numbered(),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        *_texts("kind", "key"),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.String(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("done_at", sa.String(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["unit"], ["unit.serial"], name=op.f("fk_outbox_unit_unit")),
        sa.PrimaryKeyConstraint("station", "sequence", name=op.f("pk_outbox")),
        sa.UniqueConstraint("kind", "key", "revision", name=op.f("uq_outbox_kind_key_revision")),
    )
    op.create_index(
        "ix_outbox_open",
        "outbox",
        ["unit", "sequence"],
        unique=False,
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    )


def _registration() -> None:
    op.create_table(
        "registration",
        *_texts("cpms", "unit"),
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", _choice("registrationstate", "sent", "different", "equal"), nullable=False),
        sa.Column("sent", sa.LargeBinary(), nullable=False),
        sa.Column("read_back", sa.LargeBinary(), nullable=True),
        sa.Column("at", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["unit"], ["unit.serial"], name=op.f("fk_registration_unit_unit")),
        sa.PrimaryKeyConstraint("cpms", "unit", "revision", name=op.f("pk_registration")),
    )


def _label() -> None:
    op.create_table(
        "label",
        *_texts("unit", "template"),
        sa.Column("copy", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("run_sequence", sa.BigInteger(), nullable=True),
        sa.Column("state", _choice("labelstate", "intended", "sent", "printed", "verified", "void"), nullable=False),
        *_texts("code", "sha256", "printer"),
        sa.Column("odometer_before", sa.Integer(), nullable=False),
        sa.Column("odometer_after", sa.Integer(), nullable=True),
        sa.Column("intended_at", sa.String(), nullable=False),
        sa.Column("changed_at", sa.String(), nullable=False),
        *_texts("reason", "who"),
        sa.CheckConstraint("state <> 'void' OR reason <> ''", name=op.f("ck_label_void_has_reason")),
        sa.ForeignKeyConstraint(
            ["station", "run_sequence"], ["run.station", "run.sequence"], name=op.f("fk_label_station_run_sequence_run")
        ),
        sa.ForeignKeyConstraint(["unit"], ["unit.serial"], name=op.f("fk_label_unit_unit")),
        sa.PrimaryKeyConstraint("unit", "template", "copy", name=op.f("pk_label")),
    )
    op.create_index(
        "uq_label_living",
        "label",
        ["unit", "template"],
        unique=True,
        sqlite_where=sa.text("state <> 'void'"),
        postgresql_where=sa.text("state <> 'void'"),
    )
