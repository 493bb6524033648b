"""What was last seen of each storage: access matrices and dry runs."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "storage_report",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("deployment", sa.String(length=16), nullable=False),
        sa.Column("reference", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("job_id", sa.String(length=32), nullable=True),
        sa.Column("by", sa.String(length=254), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("storage_report_identity", "storage_report", ["deployment", "reference", "kind"], unique=True)


def downgrade() -> None:
    op.drop_table("storage_report")
