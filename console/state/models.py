"""Our own store: audit events, plans, runs and findings over time, jobs, runbook transcripts, granted roles."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Float, ForeignKey, Index, Integer
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from .texts import Line, Text


class Moment(TypeDecorator[datetime]):
    """Timezone-aware UTC on both engines."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class State(DeclarativeBase):
    type_annotation_map = {datetime: Moment, dict[str, Any]: JSON, list[Any]: JSON}  # noqa: RUF012


class AuditEvent(State):
    """One link of the chain. Never updated, never deleted; `hash` covers every column and the hash before it."""

    __tablename__ = "audit_event"
    seq: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(Line(254))
    action: Mapped[str] = mapped_column(Line(40))
    subject: Mapped[str] = mapped_column(Line(300), default="", index=True)
    code: Mapped[str] = mapped_column(Line(100), default="")
    reason: Mapped[str] = mapped_column(Text, default="")
    plan_id: Mapped[str | None] = mapped_column(Line(32), index=True)
    rows: Mapped[int] = mapped_column(Integer, default=0)
    data: Mapped[dict[str, Any]]
    previous_hash: Mapped[str] = mapped_column(Line(64))
    hash: Mapped[str] = mapped_column(Line(64))


class AuditHead(State):
    """Where the chain ends: one row, so that a chain cut short is noticed, and the lock that appending takes."""

    __tablename__ = "audit_head"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    seq: Mapped[int] = mapped_column(Integer)
    hash: Mapped[str] = mapped_column(Line(64))


class PlanRow(State):
    """A plan and where it stands: planned, applying, applied, undoing, undone, conflict, failed."""

    __tablename__ = "plan"
    id: Mapped[str] = mapped_column(Line(32), primary_key=True)
    deployment: Mapped[str] = mapped_column(Line(16))
    code: Mapped[str] = mapped_column(Line(100))
    fix_id: Mapped[str] = mapped_column(Line(100))
    title: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Line(300), index=True)
    subject_name: Mapped[str] = mapped_column(Text, default="")
    finding_id: Mapped[int | None] = mapped_column(Integer)
    job_id: Mapped[str | None] = mapped_column(Line(32), index=True)
    reversible: Mapped[bool]
    status: Mapped[str] = mapped_column(Line(20))
    fingerprint: Mapped[str] = mapped_column(Line(64))
    changes: Mapped[list[Any]]
    total: Mapped[int] = mapped_column(Integer)
    left_out: Mapped[int] = mapped_column(Integer, default=0)
    #: what the transaction wrote, with the keys inserts were given; stored before the commit
    written: Mapped[list[Any] | None]
    #: PostgreSQL's transaction id: after a crash it tells whether the commit happened
    transaction_id: Mapped[int | None] = mapped_column(BigInteger)
    owner: Mapped[str | None] = mapped_column(Line(200))
    created_by: Mapped[str] = mapped_column(Line(254))
    created_at: Mapped[datetime]
    reason: Mapped[str] = mapped_column(Text, default="")
    applied_by: Mapped[str | None] = mapped_column(Line(254))
    applied_at: Mapped[datetime | None]
    message: Mapped[str] = mapped_column(Text, default="")
    verify: Mapped[dict[str, Any] | None]
    audit_seq: Mapped[int | None] = mapped_column(Integer)


class Run(State):
    """One run of checks: its numbers, and each check's outcome."""

    __tablename__ = "run"
    id: Mapped[str] = mapped_column(Line(32), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, unique=True)
    deployment: Mapped[str] = mapped_column(Line(16), index=True)
    scope: Mapped[str] = mapped_column(Text, default="")
    by: Mapped[str] = mapped_column(Line(254))
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    duration_seconds: Mapped[float] = mapped_column(Float, default=0.0)
    full: Mapped[bool]
    summary: Mapped[dict[str, Any]]
    areas: Mapped[dict[str, Any]]
    checks: Mapped[list[Any]]
    about: Mapped[dict[str, Any]]


class FindingRow(State):
    """One finding over time: what was last seen of it, and since when it stands."""

    __tablename__ = "finding"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    deployment: Mapped[str] = mapped_column(Line(16))
    code: Mapped[str] = mapped_column(Line(100))
    subject: Mapped[str] = mapped_column(Line(300))
    name: Mapped[str] = mapped_column(Text, default="")
    severity: Mapped[str] = mapped_column(Line(10))
    summary: Mapped[str] = mapped_column(Text)
    impact: Mapped[str] = mapped_column(Text, default="")
    cause: Mapped[str] = mapped_column(Text, default="")
    source: Mapped[str] = mapped_column(Text, default="")
    columns: Mapped[list[Any]]
    rows: Mapped[list[Any]]
    total: Mapped[int] = mapped_column(Integer)
    fixes: Mapped[list[Any]]
    first_seen: Mapped[datetime]
    last_seen: Mapped[datetime]
    gone_at: Mapped[datetime | None]
    run_id: Mapped[str] = mapped_column(Line(32))
    __table_args__ = (Index("finding_identity", "deployment", "code", "subject", unique=True),)


class FindingPoint(State):
    """How many rows a finding had in one run: its small chart."""

    __tablename__ = "finding_point"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    finding_id: Mapped[int] = mapped_column(ForeignKey("finding.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime]
    total: Mapped[int] = mapped_column(Integer)


class JobRow(State):
    """One piece of long work: queued, running, done, failed, cancelled."""

    __tablename__ = "job"
    id: Mapped[str] = mapped_column(Line(32), primary_key=True)
    kind: Mapped[str] = mapped_column(Line(60))
    title: Mapped[str] = mapped_column(Text)
    arguments: Mapped[dict[str, Any]]
    status: Mapped[str] = mapped_column(Line(20), index=True)
    done: Mapped[int] = mapped_column(Integer, default=0)
    total: Mapped[int] = mapped_column(Integer, default=0)
    label: Mapped[str] = mapped_column(Text, default="")
    by: Mapped[str] = mapped_column(Line(254))
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    heartbeat_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    owner: Mapped[str | None] = mapped_column(Line(200))
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    error: Mapped[str] = mapped_column(Text, default="")
    result: Mapped[dict[str, Any] | None]


class RunbookRun(State):
    """One walk through a runbook: its steps as they were seen."""

    __tablename__ = "runbook_run"
    id: Mapped[str] = mapped_column(Line(32), primary_key=True)
    slug: Mapped[str] = mapped_column(Line(100), index=True)
    deployment: Mapped[str] = mapped_column(Line(16))
    subject: Mapped[str] = mapped_column(Line(300), default="")
    subject_name: Mapped[str] = mapped_column(Text, default="")
    status: Mapped[str] = mapped_column(Line(20))
    by: Mapped[str] = mapped_column(Line(254))
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    job_id: Mapped[str | None] = mapped_column(Line(32))
    steps: Mapped[list[Any]]


class GrantRow(State):
    """A role the operator gave to an e-mail address: admin or support."""

    __tablename__ = "grant_role"
    email: Mapped[str] = mapped_column(Line(254), primary_key=True)
    role: Mapped[str] = mapped_column(Line(20))
    by: Mapped[str] = mapped_column(Line(254))
    at: Mapped[datetime]


class WorkspaceRow(State):
    """A workspace: projects put together, for editions of Label Studio that have no table for it."""

    __tablename__ = "workspace"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    deployment: Mapped[str] = mapped_column(Line(16), index=True)
    organization_id: Mapped[int] = mapped_column(Integer)
    title: Mapped[str] = mapped_column(Text)
    description: Mapped[str | None] = mapped_column(Text)
    color: Mapped[str | None] = mapped_column(Line(16))
    is_personal: Mapped[bool]
    is_archived: Mapped[bool]
    created_by_id: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class WorkspaceMemberRow(State):
    """Who works in a workspace."""

    __tablename__ = "workspace_member"
    __table_args__ = (Index("workspace_member_identity", "workspace_id", "user_id", unique=True),)
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    user_id: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime]


class WorkspaceProjectRow(State):
    """Which workspace a project is in: one at most."""

    __tablename__ = "workspace_project"
    __table_args__ = (Index("workspace_project_identity", "deployment", "project_id", unique=True),)
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    deployment: Mapped[str] = mapped_column(Line(16))
    project_id: Mapped[int] = mapped_column(Integer)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"), index=True)


class RoleRow(State):
    """A role somebody was given in an organization, or in one project of it."""

    __tablename__ = "role"
    __table_args__ = (Index("role_identity", "deployment", "organization_id", "project_id", "user_id", unique=True),)
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    deployment: Mapped[str] = mapped_column(Line(16))
    organization_id: Mapped[int] = mapped_column(Integer)
    #: 0 for the role in the organization itself
    project_id: Mapped[int] = mapped_column(Integer)
    user_id: Mapped[int] = mapped_column(Integer)
    role: Mapped[str] = mapped_column(Line(2))
    role_source: Mapped[str] = mapped_column(Line(10))
    user_type: Mapped[str | None] = mapped_column(Line(60))
    by: Mapped[str] = mapped_column(Line(254))
    at: Mapped[datetime]


class StorageReport(State):
    """What was last seen of one storage: an access matrix or a dry run; one row for each kind, the newest."""

    __tablename__ = "storage_report"
    __table_args__ = (Index("storage_report_identity", "deployment", "reference", "kind", unique=True),)
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    deployment: Mapped[str] = mapped_column(Line(16))
    reference: Mapped[str] = mapped_column(Line(40))
    kind: Mapped[str] = mapped_column(Line(20))
    job_id: Mapped[str | None] = mapped_column(Line(32))
    by: Mapped[str] = mapped_column(Line(254))
    at: Mapped[datetime]
    document: Mapped[dict[str, Any]]


class PlanStep(State):
    """One step of a plan that is no transaction: what was done, or about to be; `document` is the change as written."""

    __tablename__ = "plan_step"
    plan_id: Mapped[str] = mapped_column(ForeignKey("plan.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    #: writing, done, left (moved on since), failed, undone
    status: Mapped[str] = mapped_column(Line(10))
    message: Mapped[str] = mapped_column(Text, default="")
    document: Mapped[dict[str, Any]]
    at: Mapped[datetime]


class QueueSample(State):
    """One look at one queue. `finished` and `failed_new` are jobs since the look before; None at the first."""

    __tablename__ = "queue_sample"
    __table_args__ = (Index("queue_sample_when", "deployment", "at"),)
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    deployment: Mapped[str] = mapped_column(Line(16))
    at: Mapped[datetime]
    queue: Mapped[str] = mapped_column(Line(200))
    waiting: Mapped[int] = mapped_column(BigInteger)
    started: Mapped[int] = mapped_column(BigInteger)
    failed: Mapped[int] = mapped_column(BigInteger)
    finished: Mapped[int | None] = mapped_column(BigInteger)
    failed_new: Mapped[int | None] = mapped_column(BigInteger)
    workers: Mapped[int] = mapped_column(Integer)
    oldest_seconds: Mapped[float | None] = mapped_column(Float)


class TableSample(State):
    """Sizes of one table at one time, in bytes; the table with an empty name is the whole database."""

    __tablename__ = "table_sample"
    __table_args__ = (Index("table_sample_when", "deployment", "at"),)
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    deployment: Mapped[str] = mapped_column(Line(16))
    at: Mapped[datetime]
    table_name: Mapped[str] = mapped_column(Line(200))
    total_bytes: Mapped[int | None] = mapped_column(BigInteger)
    index_bytes: Mapped[int | None] = mapped_column(BigInteger)
    live_rows: Mapped[int | None] = mapped_column(BigInteger)
    dead_rows: Mapped[int | None] = mapped_column(BigInteger)
    connections: Mapped[int | None] = mapped_column(Integer)


class ScheduleRow(State):
    """Maintenance that comes back: in a window of the day (UTC), on some days of the week or on all."""

    __tablename__ = "schedule"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    deployment: Mapped[str] = mapped_column(Line(16), index=True)
    title: Mapped[str] = mapped_column(Text)
    action: Mapped[str] = mapped_column(Line(40))
    #: `{"tables": [...]}`, or `{"advice": true}` for what the advisor says by then
    target: Mapped[dict[str, Any]]
    #: days of the week, Monday 0; empty for every day
    days: Mapped[list[Any]]
    window_start: Mapped[str] = mapped_column(Line(5))
    window_end: Mapped[str] = mapped_column(Line(5))
    enabled: Mapped[bool]
    reason: Mapped[str] = mapped_column(Text, default="")
    by: Mapped[str] = mapped_column(Line(254))
    created_at: Mapped[datetime]
    next_at: Mapped[datetime | None]
    last_at: Mapped[datetime | None]


class MaintenanceRunRow(State):
    """One run of maintenance, scheduled or by hand: what it did to the sizes."""

    __tablename__ = "maintenance_run"
    __table_args__ = (Index("maintenance_run_when", "deployment", "started_at"),)
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    deployment: Mapped[str] = mapped_column(Line(16))
    schedule_id: Mapped[int | None] = mapped_column(Integer, index=True)
    plan_id: Mapped[str | None] = mapped_column(Line(32))
    job_id: Mapped[str | None] = mapped_column(Line(32))
    title: Mapped[str] = mapped_column(Text)
    by: Mapped[str] = mapped_column(Line(254))
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    #: running, done, partly, stopped, failed, skipped
    status: Mapped[str] = mapped_column(Line(20))
    steps_done: Mapped[int] = mapped_column(Integer, default=0)
    steps_total: Mapped[int] = mapped_column(Integer, default=0)
    before_bytes: Mapped[int | None] = mapped_column(BigInteger)
    after_bytes: Mapped[int | None] = mapped_column(BigInteger)
    message: Mapped[str] = mapped_column(Text, default="")


class LeaseRow(State):
    """Which process does what only one of them should do, and until when it may be believed."""

    __tablename__ = "lease"
    name: Mapped[str] = mapped_column(Line(100), primary_key=True)
    owner: Mapped[str] = mapped_column(Line(200))
    until: Mapped[datetime]
