"""States of print jobs in the words of the printer's queue."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

STATES = "'rendered', 'verified', 'sent', 'printed', 'scanned', 'void'"
SENT = "odometer_before IS NOT NULL OR state IN ('rendered', 'verified', 'void')"


def upgrade() -> None:
    """Rename the states of what there is: `verified` was said of scanned labels, `intended` of what may have been sent.

    The table is rebuilt twice, as the new words break the old rule of states and the old words the new one.
    """
    with op.batch_alter_table("label") as batch:
        batch.drop_constraint(op.f("ck_label_labelstate"), type_="check")
        batch.alter_column("odometer_before", existing_type=sa.Integer(), nullable=True)
    op.execute("UPDATE label SET state = 'scanned' WHERE state = 'verified'")
    op.execute("UPDATE label SET state = 'sent' WHERE state = 'intended'")
    with op.batch_alter_table("label") as batch:
        batch.create_check_constraint(op.f("ck_label_labelstate"), f"state IN ({STATES})")
        batch.create_check_constraint(op.f("ck_label_sent_counted"), SENT)
