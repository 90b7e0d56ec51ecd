"""Identifiers of units beside the serial, and those that an order brings."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

KINDS = (
    *("mac", "eui64", "iccid", "imsi", "imei", "eid", "meter", "seal", "component", "ocpp-identity", "evse-id"),
    *("secc-id", "contract", "gtin", "gs1-serial"),
)
LIVING = sa.text("until IS NULL")


def upgrade() -> None:
    """Create the tables."""
    _identifier()
    _listed_identifier()
    op.create_table(
        "order_import",
        *_texts("sha256", "name"),
        sa.Column("rows", sa.Integer(), nullable=False),
        *_texts("who"),
        sa.Column("at", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_order_import")),
    )


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _kind() -> sa.Column[str]:
    kinds = sa.Enum(*KINDS, name="kind", native_enum=False, create_constraint=True, length=16)
    return sa.Column("kind", kinds, nullable=False)


def _identifier() -> None:
    op.create_table(
        "identifier",
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        _kind(),
        *_texts("value", "written", "unit", "source"),
        sa.Column("since", sa.String(), nullable=False),
        sa.Column("until", sa.String(), nullable=True),
        *_texts("ended_by", "reason"),
        sa.CheckConstraint("value <> '' AND source <> ''", name=op.f("ck_identifier_said_by_something")),
        sa.CheckConstraint("(until IS NULL) = (ended_by = '')", name=op.f("ck_identifier_ended_by_somebody")),
        sa.ForeignKeyConstraint(["unit"], ["unit.serial"], name=op.f("fk_identifier_unit_unit")),
        sa.PrimaryKeyConstraint("station", "sequence", name=op.f("pk_identifier")),
    )
    op.create_index(op.f("ix_identifier_unit"), "identifier", ["unit"], unique=False)
    columns = ["kind", "value"]
    op.create_index(
        "uq_identifier_living", "identifier", columns, unique=True, sqlite_where=LIVING, postgresql_where=LIVING
    )


def _listed_identifier() -> None:
    op.create_table(
        "listed_identifier",
        _kind(),
        *_texts("value", "written", "work_order"),
        sa.ForeignKeyConstraint(
            ["work_order"], ["work_order.id"], name=op.f("fk_listed_identifier_work_order_work_order")
        ),
        sa.PrimaryKeyConstraint("kind", "value", name=op.f("pk_listed_identifier")),
    )
    op.create_index(
        op.f("ix_listed_identifier_work_order_kind"), "listed_identifier", ["work_order", "kind"], unique=False
    )
