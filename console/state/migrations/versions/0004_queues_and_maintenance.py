"""Steps of plans that are no transaction; samples of queues and tables; schedules and runs of maintenance; leases."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "plan_step",
        sa.Column("plan_id", sa.String(length=32), sa.ForeignKey("plan.id", ondelete="CASCADE"), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("plan_id", "position"),
    )
    op.create_table(
        "queue_sample",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("deployment", sa.String(length=16), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("queue", sa.String(length=200), nullable=False),
        sa.Column("waiting", sa.BigInteger(), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("finished", sa.BigInteger(), nullable=True),
        sa.Column("failed_new", sa.BigInteger(), nullable=True),
        sa.Column("workers", sa.Integer(), nullable=False),
        sa.Column("oldest_seconds", sa.Float(), nullable=True),
    )
    op.create_index("queue_sample_when", "queue_sample", ["deployment", "at"])
    op.create_table(
        "table_sample",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("deployment", sa.String(length=16), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("table_name", sa.String(length=200), nullable=False),
        sa.Column("total_bytes", sa.BigInteger(), nullable=True),
        sa.Column("index_bytes", sa.BigInteger(), nullable=True),
        sa.Column("live_rows", sa.BigInteger(), nullable=True),
        sa.Column("dead_rows", sa.BigInteger(), nullable=True),
        sa.Column("connections", sa.Integer(), nullable=True),
    )
    op.create_index("table_sample_when", "table_sample", ["deployment", "at"])
    op.create_table(
        "schedule",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("deployment", sa.String(length=16), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("target", sa.JSON(), nullable=False),
        sa.Column("days", sa.JSON(), nullable=False),
        sa.Column("window_start", sa.String(length=5), nullable=False),
        sa.Column("window_end", sa.String(length=5), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", sa.String(length=254), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("next_at", MOMENT, nullable=True),
        sa.Column("last_at", MOMENT, nullable=True),
    )
    op.create_index("ix_schedule_deployment", "schedule", ["deployment"])
    op.create_table(
        "maintenance_run",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("deployment", sa.String(length=16), nullable=False),
        sa.Column("schedule_id", sa.Integer(), nullable=True),
        sa.Column("plan_id", sa.String(length=32), nullable=True),
        sa.Column("job_id", sa.String(length=32), nullable=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("by", sa.String(length=254), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("steps_done", sa.Integer(), nullable=False),
        sa.Column("steps_total", sa.Integer(), nullable=False),
        sa.Column("before_bytes", sa.BigInteger(), nullable=True),
        sa.Column("after_bytes", sa.BigInteger(), nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
    )
    op.create_index("maintenance_run_when", "maintenance_run", ["deployment", "started_at"])
    op.create_index("ix_maintenance_run_schedule_id", "maintenance_run", ["schedule_id"])
    op.create_table(
        "lease",
        sa.Column("name", sa.String(length=100), primary_key=True),
        sa.Column("owner", sa.String(length=200), nullable=False),
        sa.Column("until", MOMENT, nullable=False),
    )


def downgrade() -> None:
    for table in ("lease", "maintenance_run", "schedule", "table_sample", "queue_sample", "plan_step"):
        op.drop_table(table)
