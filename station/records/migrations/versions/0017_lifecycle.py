"""What happens to a unit behind the factory's door."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

STATES = (
    *("reserved", "released", "packable", "rework", "scrapped"),
    *("shipped", "commissioned", "returned", "decommissioned"),
)
KINDS = (
    *("shipped", "commissioned", "moved", "owner-changed", "operator-changed"),
    *("returned", "refurbished", "decommissioned"),
)


def upgrade() -> None:
    """Create the table, let units be in its states, and let a run have more than one passport."""
    _lifecycle()
    with op.batch_alter_table("unit") as batch:
        batch.drop_constraint(op.f("ck_unit_unitstate"), type_="check")
        words = ", ".join(f"'{state}'" for state in STATES)
        batch.create_check_constraint(op.f("ck_unit_unitstate"), f"state IN ({words})")
    with op.batch_alter_table("passport") as batch:
        batch.drop_constraint(op.f("uq_passport_station_run_sequence"), type_="unique")
        batch.create_index(op.f("ix_passport_station_run_sequence"), ["station", "run_sequence"])


def _lifecycle() -> None:
    kind = sa.Enum(*KINDS, name="lifecyclekind", native_enum=False, create_constraint=True, length=16)
    op.create_table(
        "lifecycle",
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("kind", kind, nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("at", "occurred_at")),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("who", "place", "party", "reference", "reason")),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.CheckConstraint("who <> ''", name=op.f("ck_lifecycle_told_by_somebody")),
        sa.ForeignKeyConstraint(["unit"], ["unit.serial"], name=op.f("fk_lifecycle_unit_unit")),
        sa.PrimaryKeyConstraint("station", "sequence", name=op.f("pk_lifecycle")),
    )
    for columns in (["unit", "station", "sequence"], ["place"], ["party"], ["reference"]):
        op.create_index(op.f(f"ix_lifecycle_{'_'.join(columns)}"), "lifecycle", columns)
