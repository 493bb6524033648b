"""The story of a project's exports and imports: each row, what its job does, and what helps.

Page and terminal show the same lines. Nothing is changed; only rows and queues are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from ..deployment import Deployment
from ..deployment.models import Project
from ..deployment.queues import JobState
from ..diagnostics.check import Context, Scope
from ..diagnostics.job_functions import known
from ..diagnostics.lost_jobs import Answer, Judge
from ..diagnostics.probes import BucketProbes
from ..diagnostics.row_failures import of_export, of_import
from ..diagnostics.spans import span
from ..diagnostics.sync_failures import Failure, told
from ..diagnostics.waiting_rows import CONVERSION, IMPORT, KINDS, REIMPORT, SNAPSHOT, UNDER_WAY, RowKind, patience, rows
from ..diagnostics.workers import queues, workers
from ..errors import NotFound, Unknown
from ..state import Store
from ..state.models import PlanRow

#: Newest rows of each kind that are told.
TOLD = 20
#: The check that finds a lost row of each kind, and its fix.
STUCK = {SNAPSHOT.about: "export.snapshot_stuck", CONVERSION.about: "export.conversion_stuck",
         IMPORT.about: "import.stuck", REIMPORT.about: "import.reimport_stuck"}  # fmt: skip
FIX = "mark_failed"
AT_LEAST = timedelta(minutes=60)
#: A failure older than this needs nobody any more.
PAST_AFTER = timedelta(days=7)


@dataclass(frozen=True)
class Told:
    """One row and its verdict.

    `state`: waits, runs, lost, unknown, failed, done. `check` is the code that looks closer, `fix` the id of its repair,
    each "" for none. `waits_behind` counts jobs before its own in the queue; None when it does not wait.
    """

    kind: str
    id: int
    title: str
    status: str
    begun: datetime | None
    ended: datetime | None
    state: str
    verdict: str
    job: str = ""
    queue: str = ""
    waits_behind: int | None = None
    check: str = ""
    fix: str = ""
    #: a failure that is old, or made good by a later row
    past: bool = False

    @property
    def is_wrong(self) -> bool:
        return not self.past and (self.state in {"lost", "failed", "unknown"} or bool(self.check))

    def document(self) -> dict[str, Any]:
        """As JSON; times as ISO text."""
        plain = asdict(self)
        for name in ("begun", "ended"):
            plain[name] = plain[name].isoformat() if plain[name] else None
        return plain | {"is_wrong": self.is_wrong}


def project_of(deployment: Deployment, kind: str, row_id: str) -> int | None:
    """The project of a snapshot, conversion, import or reimport that a job names; None where the row is no more."""
    if kind not in KINDS or not (row_id.isascii() and row_id.isdecimal() and len(row_id) < 10):
        return None
    probes = BucketProbes(deployment)
    ctx = Context(deployment, probes)
    try:
        if not ctx.schema.has_table(KINDS[kind].table):
            return None
        table = ctx.schema.table(KINDS[kind].table)
        return next((row["project"] for row in rows(ctx, KINDS[kind], table.c.id == int(row_id), limit=1)), None)
    finally:
        ctx.close()
        probes.close()


def why(deployment: Deployment, project_id: int, store: Store | None = None) -> list[Told]:
    """The newest snapshots, conversions, imports and reimports of a project, those under way first, then newest first.

    With our own store, rows that keep no reason are told as marked failed here, where a plan of ours did it.
    Raises NotFound for a project that is not there.
    """
    probes = BucketProbes(deployment)
    ctx = Context(deployment, probes, scope=Scope(project_id=project_id))
    try:
        there = (
            0 < project_id < 2**31 and ctx.read.scalar(select(Project.id).where(Project.id == project_id)) is not None
        )
        if not there:
            raise NotFound(f"There is no project {project_id}.")
        ctx.close()
        judge = Judge(ctx)
        kinds = [kind for kind in KINDS.values() if ctx.schema.has_table(kind.table)]
        found = [
            line for kind in kinds for line in _of_kind(ctx, judge, kind, _marked(store, deployment, kind, project_id))
        ]
    finally:
        ctx.close()
        probes.close()
    order = {kind: at for at, kind in enumerate(KINDS)}
    under_way = {"waits", "runs", "lost", "unknown"}
    return sorted(found, key=lambda line: (line.state not in under_way, order[line.kind], -line.id))


def _marked(store: Store | None, deployment: Deployment, kind: RowKind, project_id: int) -> dict[int, PlanRow]:
    """Rows of a kind that a plan of ours marked failed, by id."""
    if store is None:
        return {}
    with store.read() as session:
        plans = session.scalars(
            select(PlanRow).where(PlanRow.deployment == deployment.identity, PlanRow.code == STUCK[kind.about],
                                  PlanRow.subject == f"project:{project_id}", PlanRow.status == "applied")
            .order_by(PlanRow.applied_at.desc()).limit(TOLD)
        ).all()  # fmt: skip
        return {change["key"]["id"]: plan for plan in reversed(plans) for change in plan.changes}


def _of_kind(ctx: Context, judge: Judge, kind: RowKind, marked: Mapping[int, PlanRow]) -> Iterator[Told]:
    enough = patience(ctx, kind, AT_LEAST if kind is not REIMPORT else timedelta(0))
    completed: set[Any] = set()  # of newer rows: formats of conversions, None for snapshots
    for row in rows(ctx, kind, limit=TOLD):
        if row["status"] == "completed":
            completed.add(row.get("export_type"))
            yield _line(kind, row, "done", "It is done.")
        elif row["status"] == "failed":
            told = _failed(judge, kind, row, marked.get(row["id"]))
            again = kind in (SNAPSHOT, CONVERSION) and row.get("export_type") in completed
            yield replace(told, past=again or _is_old(ctx, row))
        elif row["status"] not in UNDER_WAY:
            yield _line(
                kind, row, "unknown", f"Its status is {str(row['status'])[:60]!r}, which Label Studio never writes."
            )
        else:
            yield _under_way(ctx, judge, kind, row, enough)


def _is_old(ctx: Context, row: Mapping[str, Any]) -> bool:
    ended = row.get("finished_at") or row.get("created_at")
    return ended is not None and ctx.now - ended > PAST_AFTER


def _failed(judge: Judge, kind: RowKind, row: Mapping[str, Any], plan: PlanRow | None) -> Told:
    if plan is not None:
        by = f" by {plan.applied_by}" if plan.applied_by else ""
        verdict = f"Its job was lost, and it was marked failed here{by}. Make it again."
        return _line(kind, row, "failed", verdict)
    text = next((str(row[name]) for name in reversed(kind.failure) if row.get(name)), "")
    if not text:
        try:
            text = judge.failure(kind.about, row["id"])
        except Unknown:  # Redis does not answer; the row tells that much without it
            text = ""
    failure: Failure = of_export(text) if kind in (SNAPSHOT, CONVERSION) else of_import(text)
    last = f" Its last words: {told(text)}" if text else ""
    reason = f"{failure.what}. {failure.advice}" if text else "no reason is kept; look into the log of that time."
    area = "export" if kind in (SNAPSHOT, CONVERSION) else "import"
    return _line(kind, row, "failed", f"It failed: {reason}{last}", check=failure.check or f"{area}.failed")


def _under_way(ctx: Context, judge: Judge, kind: RowKind, row: Mapping[str, Any], enough: timedelta) -> Told:
    begun = row.get("created_at")
    since = f" for {span(ctx.now - begun)}" if begun else ""
    try:
        answer = judge.by_row(kind.about, row["id"], begun, enough)
    except Unknown as undecided:
        return _line(kind, row, "unknown", f"It has been under way{since}. {undecided}", check=STUCK[kind.about])
    if not answer.alive:
        verdict = f"It has been under way{since}, and {answer.told}. Mark it failed and start it again."
        return _line(kind, row, "lost", verdict, job=answer.job, check=STUCK[kind.about], fix=FIX)
    if answer.job is None:
        return _line(kind, row, "runs", f"It has been under way{since}, and {answer.told}.")
    return _with_job(ctx, judge, kind, row, answer, since)


def _with_job(
    ctx: Context, judge: Judge, kind: RowKind, row: Mapping[str, Any], answer: Answer, since: str
) -> Told:  # fmt: skip
    job = answer.job
    assert job is not None
    if job.status == "started":
        ran = f" for {span(ctx.now - job.started_at)}" if job.started_at else ""
        return _line(kind, row, "runs", f"{answer.told[0].upper()}{answer.told[1:]}{ran}.", job=job)
    queue = job.origin or ""
    ahead = judge.ahead(job)
    reason, code = _why_it_waits(ctx, queue, ahead)
    return _line(
        kind, row, "waits", f"Its job has waited on {queue or 'a queue'}{since}: {reason}", job=job, waits_behind=ahead,
        check=code,
    )  # fmt: skip


def _why_it_waits(ctx: Context, queue: str, ahead: int | None) -> tuple[str, str]:
    """Why a job on this queue is not taken, and the check that looks closer."""
    if ctx.redis.suspended():
        return "all workers were told to take no job (rq suspend). Run: rq resume.", "jobs.suspended"
    living = [worker for worker in workers(ctx) if worker.alive]
    if not living:
        return "no worker is alive. Start one.", "jobs.no_worker"
    serving = [worker for worker in living if queue in worker.queues]
    if not serving:
        others = "worker listens" if len(living) == 1 else "workers listen"
        return f"{len(living)} live {others} to other queues. Start one that names {queue}.", "jobs.queue_starved"
    busy = [worker for worker in serving if worker.current_job]
    if len(busy) < len(serving) and not ahead:
        return "a worker is free and takes it in a moment.", ""
    before = f"{ahead:,} {'job is' if ahead == 1 else 'jobs are'} before it" if ahead else "it is the next"
    state = next(state for state in queues(ctx) if state.name == queue)
    first = _busy_with(ctx, busy[0].current_job) if busy else ""
    late = state.oldest_enqueued_at is not None and ctx.now - state.oldest_enqueued_at > timedelta(minutes=5)
    return f"{before}, and {len(busy)} of {len(serving)} workers are busy{first}.", "jobs.backlog" if late else ""


def _busy_with(ctx: Context, job_id: str | None) -> str:
    job: JobState | None = ctx.redis.job(job_id) if job_id else None
    if job is None:
        return ""
    entry = known(job.function)
    ran = f" for {span(ctx.now - job.started_at)}" if job.started_at else ""
    return f", one with {entry.title.lower() if entry else job.function or 'a job'}{ran}"


def _line(
    kind: RowKind, row: Mapping[str, Any], state: str, verdict: str, *, job: JobState | None = None,
    waits_behind: int | None = None, check: str = "", fix: str = "",
) -> Told:  # fmt: skip
    title = row.get("title") or (f"snapshot {row['export_id']} as {row['export_type']}" if kind is CONVERSION else "")
    return Told(
        kind.about, row["id"], title, row["status"], row.get("created_at"), row.get("finished_at"), state, verdict,
        job.id if job else "", (job.origin or "") if job else "", waits_behind, check, fix,
    )  # fmt: skip
