"""What may be built: approved release bundles, restrictions, and on whose word an order and a run stand."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables; orders and runs of before stand on no bundle."""
    _bundle()
    _bundle_file()
    _restriction()
    op.add_column("work_order", sa.Column("bundle", sa.Text(), server_default="", nullable=False))
    op.add_column("run", sa.Column("firmware_name", sa.Text(), server_default="", nullable=False))
    op.add_column("run", sa.Column("approval", sa.Text(), server_default="{}", nullable=False))


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _bundle() -> None:
    op.create_table(
        "bundle",
        *_texts("digest", "name"),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("kept_at", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_bundle")),
        sa.UniqueConstraint("name", "revision", name=op.f("uq_bundle_name_revision")),
    )


def _bundle_file() -> None:
    op.create_table(
        "bundle_file",
        *_texts("digest", "name", "sha256"),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("kept_at", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["digest"], ["bundle.digest"], name=op.f("fk_bundle_file_digest_bundle")),
        sa.PrimaryKeyConstraint("digest", "name", "sha256", name=op.f("pk_bundle_file")),
    )


def _restriction() -> None:
    kind = sa.Enum(
        "bundle", "firmware", "minimum", name="restrictionkind", native_enum=False, create_constraint=True, length=16
    )
    op.create_table(
        "restriction",
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", kind, nullable=False),
        *_texts("subject", "value", "reason", "who"),
        sa.Column("at", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("station", "sequence", name=op.f("pk_restriction")),
    )
    op.create_index(op.f("ix_restriction_subject"), "restriction", ["subject"], unique=False)
