"""Who did it, and the states that a factory's ways need: orders that pause, units that go to rework."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

UNIT_STATE, ORDER_STATE = "ck_unit_unitstate", "ck_work_order_orderstate"


def upgrade() -> None:
    """Widen states and add columns; what was held is paused, and nobody is named for what happened before."""
    op.add_column("event", sa.Column("who", sa.Text(), server_default="", nullable=False))
    op.add_column("run", sa.Column("operator", sa.Text(), server_default="", nullable=False))
    with op.batch_alter_table("unit") as batch:
        batch.drop_constraint(op.f(UNIT_STATE), type_="check")
        states = "'reserved', 'released', 'packable', 'rework', 'scrapped'"
        batch.create_check_constraint(op.f(UNIT_STATE), f"state IN ({states})")
    _work_order()


def _work_order() -> None:
    """Rebuild the table twice: `paused` breaks the old rule of states, `held` the new one."""
    with op.batch_alter_table("work_order") as batch:
        batch.drop_constraint(op.f(ORDER_STATE), type_="check")
    op.execute("UPDATE work_order SET state = 'paused' WHERE state = 'held'")
    with op.batch_alter_table("work_order") as batch:
        batch.create_check_constraint(op.f(ORDER_STATE), "state IN ('open', 'paused', 'closed')")
        for name, default in (("serial_check", ""), ("serials_from", "traveller"), ("due", ""), ("created_by", "")):
            batch.add_column(sa.Column(name, sa.Text(), server_default=default, nullable=False))
        for name, number in (("replacements", "0"), ("version", "1")):
            batch.add_column(sa.Column(name, sa.Integer(), server_default=number, nullable=False))
