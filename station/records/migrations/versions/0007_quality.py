"""Holds, dispositions, golden units and their checks, sign-offs."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

OPEN = sa.text("lifted_at IS NULL")


def upgrade() -> None:
    """Create the tables."""
    _hold()
    _disposition()
    _golden_unit()
    _golden_check()
    _sign_off()


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _id() -> list[sa.Column[object]]:
    return [
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
    ]


def _time(name: str = "at", *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=nullable)


def _choice(column: str, name: str, *values: str) -> sa.Column[str]:
    kind = sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=16)
    return sa.Column(column, kind, nullable=False)


def _hold() -> None:
    op.create_table(
        "hold",
        *_id(),
        _choice("scope", "holdscope", "unit", "order", "firmware", "lot", "slot", "station"),
        *_texts("subject"),
        _choice("kind", "holdkind", "hold", "quarantine"),
        *_texts("reason", "who"),
        _time(),
        _time("lifted_at", nullable=True),
        *_texts("lifted_by", "lift_reason"),
        sa.CheckConstraint("(lifted_at IS NULL) = (lifted_by = '')", name=op.f("ck_hold_lifted_by_somebody")),
        sa.CheckConstraint("reason <> '' AND who <> ''", name=op.f("ck_hold_reason")),
        sa.PrimaryKeyConstraint("station", "sequence", name=op.f("pk_hold")),
    )
    op.create_index("ix_hold_open", "hold", ["scope", "subject"], sqlite_where=OPEN, postgresql_where=OPEN)


def _disposition() -> None:
    op.create_table(
        "disposition",
        *_id(),
        *_texts("unit"),
        _choice("kind", "dispositionkind", "rework", "scrap"),
        *_texts("code", "reason", "return_point", "who"),
        _time(),
        sa.Column("after_run", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["unit"], ["unit.serial"], name=op.f("fk_disposition_unit_unit")),
        sa.PrimaryKeyConstraint("station", "sequence", name=op.f("pk_disposition")),
    )
    op.create_index(op.f("ix_disposition_unit"), "disposition", ["unit"])


def _golden_unit() -> None:
    op.create_table(
        "golden_unit",
        *_texts("hardware_uid", "product", "expectation", "remark", "who"),
        _time(),
        _time("retired_at", nullable=True),
        *_texts("retired_by"),
        sa.CheckConstraint(
            "hardware_uid <> '' AND hardware_uid = lower(hardware_uid)", name=op.f("ck_golden_unit_hardware_uid")
        ),
        sa.CheckConstraint("(retired_at IS NULL) = (retired_by = '')", name=op.f("ck_golden_unit_retired_by_somebody")),
        sa.PrimaryKeyConstraint("hardware_uid", name=op.f("pk_golden_unit")),
    )
    op.create_index(op.f("ix_golden_unit_product"), "golden_unit", ["product"])


def _golden_check() -> None:
    op.create_table(
        "golden_check",
        *_id(),
        *_texts("hardware_uid", "slot", "found"),
        sa.Column("as_expected", sa.Boolean(), nullable=False),
        *_texts("sentence", "software", "who"),
        _time(),
        sa.ForeignKeyConstraint(
            ["hardware_uid"], ["golden_unit.hardware_uid"], name=op.f("fk_golden_check_hardware_uid_golden_unit")
        ),
        sa.PrimaryKeyConstraint("station", "sequence", name=op.f("pk_golden_check")),
    )
    columns = ["hardware_uid", "station", "sequence"]
    op.create_index(op.f("ix_golden_check_hardware_uid_station_sequence"), "golden_check", columns)


def _sign_off() -> None:
    op.create_table(
        "sign_off",
        *_id(),
        _choice("kind", "signoffkind", "first-article", "clearance", "handover"),
        *_texts("subject", "who", "roles", "remark", "body"),
        _time(),
        sa.CheckConstraint("who <> ''", name=op.f("ck_sign_off_signed_by_somebody")),
        sa.PrimaryKeyConstraint("station", "sequence", name=op.f("pk_sign_off")),
    )
    op.create_index(op.f("ix_sign_off_kind_subject"), "sign_off", ["kind", "subject"])
