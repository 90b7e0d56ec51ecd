"""Indexes for whoever searches, and the tokens of other programs."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

INDEXES = (
    ("run", "recipe_digest", "unit"),
    ("run", "recipe", "recipe_revision", "unit"),
    ("run", "firmware", "unit"),
    ("run", "operator", "unit"),
    ("run", "station", "slot", "unit"),
    ("run", "started_at", "unit"),
    ("identifier", "value"),
    ("label", "code"),
)
BODY_SHA256 = "substr(CAST(body AS TEXT), instr(CAST(body AS TEXT), '\"sha256\":') + 10, 64)"


def upgrade() -> None:
    """Create the indexes and the table."""
    for table, *columns in INDEXES:
        op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, columns)
    op.create_index("ix_certificate_event_sha256", "certificate_event", [sa.text(BODY_SHA256)])
    _passport_certificate()
    op.create_table(
        "api_token",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("id", "sha256", "scopes")),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("until", sa.String(), nullable=False),
        sa.Column("revoked_at", sa.String(), nullable=True),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("revoked_by", "reason")),
        sa.CheckConstraint("(revoked_at IS NULL) = (revoked_by = '')", name=op.f("ck_api_token_revoked_by_somebody")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_token")),
        sa.UniqueConstraint("sha256", name=op.f("uq_api_token_sha256")),
    )


def _passport_certificate() -> None:
    """Create the table of what passports say of certificates, and fill it from the passports that there are."""
    op.create_table(
        "passport_certificate",
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("issuer", "not_after")),
        sa.ForeignKeyConstraint(["unit"], ["unit.serial"], name=op.f("fk_passport_certificate_unit_unit")),
        sa.PrimaryKeyConstraint("unit", "revision", name=op.f("pk_passport_certificate")),
    )
    passports = op.get_bind().exec_driver_sql("SELECT unit, revision, document FROM passport")
    for unit, revision, document in passports:
        told = json.loads(document).get("certificate", {})
        row = (unit, revision, told.get("issuer", ""), told.get("not_after", ""))
        op.get_bind().exec_driver_sql("INSERT INTO passport_certificate VALUES (?, ?, ?, ?)", row)
    for name in ("issuer", "not_after"):
        columns = [name, "unit", "revision"]
        op.create_index(op.f(f"ix_passport_certificate_{name}_unit_revision"), "passport_certificate", columns)
