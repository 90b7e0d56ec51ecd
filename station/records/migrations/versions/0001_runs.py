"""What is built and what happened: orders, units, runs, steps, measurements, events."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, those that others refer to first."""
    _work_order()
    _unit()
    _run()
    _step_event()
    _measurement()
    _event()


def _choice(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=16)


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _numbered() -> list[sa.Column[str] | sa.Column[int]]:
    key = sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False)
    return [sa.Column("station", sa.Text(), nullable=False), key]


def _work_order() -> None:
    op.create_table(
        "work_order",
        *_texts("id", "product", "recipe"),
        sa.Column("recipe_revision", sa.Integer(), nullable=False),
        sa.Column("recipe_digest", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        *_texts("customer", "serial_prefix"),
        sa.Column("serial_digits", sa.Integer(), nullable=False),
        sa.Column("serial_first", sa.BigInteger(), nullable=False),
        sa.Column("serial_last", sa.BigInteger(), nullable=False),
        sa.Column("serial_next", sa.BigInteger(), nullable=False),
        *_texts("test_environment", "ship_environment"),
        sa.Column("state", _choice("orderstate", "open", "held", "closed"), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_work_order_quantity")),
        sa.CheckConstraint(
            "serial_first <= serial_next AND serial_next <= serial_last + 1", name=op.f("ck_work_order_serial_block")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_work_order")),
    )


def _unit() -> None:
    op.create_table(
        "unit",
        *_texts("serial", "hardware_uid", "work_order", "ocpp_identity"),
        sa.Column("state", _choice("unitstate", "reserved", "released", "packable", "scrapped"), nullable=False),
        sa.Column("reserved_at", sa.String(), nullable=False),
        sa.CheckConstraint(
            "hardware_uid <> '' AND hardware_uid = lower(hardware_uid)", name=op.f("ck_unit_hardware_uid")
        ),
        sa.ForeignKeyConstraint(["work_order"], ["work_order.id"], name=op.f("fk_unit_work_order_work_order")),
        sa.PrimaryKeyConstraint("serial", name=op.f("pk_unit")),
        sa.UniqueConstraint("hardware_uid", name=op.f("uq_unit_hardware_uid")),
        sa.UniqueConstraint("ocpp_identity", name=op.f("uq_unit_ocpp_identity")),
    )
    op.create_index(op.f("ix_unit_work_order"), "unit", ["work_order"], unique=False)


def _run() -> None:
    op.create_table(
        "run",
        *_numbered(),
        *_texts("unit", "hardware_uid", "work_order", "slot", "recipe"),
        sa.Column("recipe_revision", sa.Integer(), nullable=False),
        *_texts("recipe_digest", "firmware", "software", "test_environment", "ship_environment"),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("started_at", sa.String(), nullable=False),
        sa.Column("closed_at", sa.String(), nullable=True),
        sa.Column("outcome", _choice("outcome", "PASS", "FAIL", "ERROR", "ABORTED", "SKIPPED"), nullable=True),
        *_texts("fault", "reason", "hint"),
        sa.CheckConstraint(
            "outcome IS NULL OR outcome <> 'FAIL' OR fault <> ''", name=op.f("ck_run_fail_names_defect")
        ),
        sa.CheckConstraint("(closed_at IS NULL) = (outcome IS NULL)", name=op.f("ck_run_closed")),
        sa.ForeignKeyConstraint(["unit"], ["unit.serial"], name=op.f("fk_run_unit_unit")),
        sa.ForeignKeyConstraint(["work_order"], ["work_order.id"], name=op.f("fk_run_work_order_work_order")),
        sa.PrimaryKeyConstraint("station", "sequence", name=op.f("pk_run")),
    )
    op.create_index(op.f("ix_run_unit"), "run", ["unit"], unique=False)
    op.create_index(op.f("ix_run_work_order"), "run", ["work_order"], unique=False)
    op.create_index(
        "uq_run_live_hardware_uid",
        "run",
        ["hardware_uid"],
        unique=True,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_index(
        "uq_run_live_slot",
        "run",
        ["station", "slot"],
        unique=True,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_index(
        "uq_run_live_unit",
        "run",
        ["unit"],
        unique=True,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )


def _step_event() -> None:
    op.create_table(
        "step_event",
        *_numbered(),
        sa.Column("run_sequence", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("started_sequence", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.String(), nullable=False),
        sa.Column("outcome", _choice("outcome", "PASS", "FAIL", "ERROR", "ABORTED", "SKIPPED"), nullable=True),
        *_texts("fault", "reason", "hint"),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("evidence_station", sa.Text(), nullable=True),
        sa.Column("evidence_sequence", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(kind = 'finished') = (outcome IS NOT NULL)", name=op.f("ck_step_event_finished_has_outcome")
        ),
        sa.CheckConstraint(
            "(kind = 'finished') = (started_sequence IS NOT NULL)", name=op.f("ck_step_event_finished_has_start")
        ),
        sa.CheckConstraint("kind IN ('started', 'finished')", name=op.f("ck_step_event_kind")),
        sa.ForeignKeyConstraint(
            ["evidence_station", "evidence_sequence"],
            ["step_event.station", "step_event.sequence"],
            name=op.f("fk_step_event_evidence_station_evidence_sequence_step_event"),
        ),
        sa.ForeignKeyConstraint(
            ["station", "run_sequence"],
            ["run.station", "run.sequence"],
            name=op.f("fk_step_event_station_run_sequence_run"),
        ),
        sa.ForeignKeyConstraint(
            ["station", "started_sequence"],
            ["step_event.station", "step_event.sequence"],
            name=op.f("fk_step_event_station_started_sequence_step_event"),
        ),
        sa.PrimaryKeyConstraint("station", "sequence", name=op.f("pk_step_event")),
        sa.UniqueConstraint(
            "station",
            "run_sequence",
            "position",
            "attempt",
            "kind",
            name=op.f("uq_step_event_station_run_sequence_position_attempt_kind"),
        ),
        sa.UniqueConstraint("station", "started_sequence", name=op.f("uq_step_event_station_started_sequence")),
    )


def _measurement() -> None:
    op.create_table(
        "measurement",
        *_numbered(),
        sa.Column("step_sequence", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("low", sa.Double(), nullable=True),
        sa.Column("high", sa.Double(), nullable=True),
        sa.Column("expected", sa.Text(), nullable=True),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["station", "step_sequence"],
            ["step_event.station", "step_event.sequence"],
            name=op.f("fk_measurement_station_step_sequence_step_event"),
        ),
        sa.PrimaryKeyConstraint("station", "sequence", name=op.f("pk_measurement")),
    )
    op.create_index(
        op.f("ix_measurement_station_step_sequence"), "measurement", ["station", "step_sequence"], unique=False
    )


def _event() -> None:
    op.create_table(
        "event",
        *_numbered(),
        *_texts("kind", "subject"),
        sa.Column("at", sa.String(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("station", "sequence", name=op.f("pk_event")),
    )
    op.create_index(op.f("ix_event_kind"), "event", ["kind"], unique=False)
    op.create_index(op.f("ix_event_subject"), "event", ["subject"], unique=False)
