"""Components, meters and seals of units."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    _component()
    _meter()
    _reopened()


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _numbered(*more: str) -> list[sa.Column[str] | sa.Column[int]]:
    keys = (sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=False) for name in ("sequence", *more))
    return [sa.Column("station", sa.Text(), nullable=False), *keys]


def _of_unit(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["unit"], ["unit.serial"], name=op.f(f"fk_{table}_unit_unit"))


def _index(table: str, *columns: str) -> None:
    op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, list(columns), unique=False)


def _component() -> None:
    op.create_table(
        "component",
        *_numbered(),
        *_texts("unit", "kind", "position"),
        sa.Column("evse", sa.Integer(), nullable=False),
        *_texts("serial", "lot", "opens"),
        sa.Column("attached_at", sa.String(), nullable=False),
        *_texts("attached_by"),
        sa.Column("run_sequence", sa.BigInteger(), nullable=True),
        sa.Column("detached_at", sa.String(), nullable=True),
        *_texts("detached_by", "reason"),
        sa.CheckConstraint("(serial = '') <> (lot = '')", name=op.f("ck_component_serial_or_lot")),
        _of_unit("component"),
        sa.PrimaryKeyConstraint("station", "sequence", name=op.f("pk_component")),
    )
    for column in ("unit", "serial", "lot"):
        _index("component", column)
    _living("position", ["unit", "kind", "position"])
    _living("serial", ["kind", "serial"], " AND serial <> ''")


def _living(name: str, columns: list[str], also: str = "") -> None:
    where = sa.text(f"detached_at IS NULL{also}")
    op.create_index(
        f"uq_component_living_{name}", "component", columns, unique=True, sqlite_where=where, postgresql_where=where
    )


def _meter() -> None:
    op.create_table(
        "meter",
        *_numbered("run_sequence"),
        *_texts("unit"),
        sa.Column("evse", sa.Integer(), nullable=False),
        *_texts("type", "serial", "mid", "public_key", "reading"),
        sa.Column("printed", sa.Boolean(), nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["station", "run_sequence"],
            ["run.station", "run.sequence"],
            name=op.f("fk_meter_station_run_sequence_run"),
        ),
        _of_unit("meter"),
        sa.PrimaryKeyConstraint("station", "sequence", name=op.f("pk_meter")),
    )
    for column in ("unit", "serial", "public_key"):
        _index("meter", column)


def _reopened() -> None:
    op.create_table(
        "reopened",
        *_numbered(),
        *_texts("unit", "name", "kind", "position"),
        sa.Column("at", sa.String(), nullable=False),
        *_texts("who", "reason"),
        _of_unit("reopened"),
        sa.PrimaryKeyConstraint("station", "sequence", name=op.f("pk_reopened")),
    )
    _index("reopened", "unit")
