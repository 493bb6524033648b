"""What the console can do, for all three doors: pages, command and API call these and get the same result."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import LargeBinary, cast, func, or_, select
from sqlalchemy.exc import SQLAlchemyError

from .config import Settings
from .deployment import Deployment
from .deployment.buckets import Reach
from .deployment.models import User
from .deployment.storages import storage as find_storage
from .diagnostics import plan as plans
from .diagnostics import registry
from .diagnostics.check import EVIDENCE_ROWS, Check, Context, Finding, Scope, Subject
from .diagnostics.documents import StepChange, is_reversible
from .diagnostics.probes import BucketProbes
from .diagnostics.report import Report
from .diagnostics.runner import Progress, run_checks
from .doctor import settings as storage_settings
from .errors import CannotAttach, ConsoleError, NotFound, Refused
from .state import Store, runs
from .state.models import PlanRow


def _quiet(done: int, total: int, label: str) -> None:
    """No progress wanted."""


#: A failed attach is not tried again within this.
FAILURE_SECONDS = 3.0
#: What the catalogue told is believed this long by runs of all checks.
CATALOGUE_SECONDS = 60.0
#: Of several checks asked again the worst answer is told.
_WORST_FIRST = ("crashed", "findings", "unknown", "pass", "not_applicable")


@dataclass
class Console:
    """One deployment under care and our own store. Attaching happens at first use and again after a failure."""

    settings: Settings
    _store: Store | None = None
    _deployment: Deployment | None = None
    _failure: tuple[float, str] | None = None
    _attached_at: float = 0.0
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @property
    def store(self) -> Store:
        """Our own store, opened and migrated at first use. Raises CannotAttach."""
        with self._lock:
            if self._store is None:
                self._store = Store.open(self.settings.state_store_url)
            return self._store

    @property
    def deployment(self) -> Deployment:
        """The attached deployment. Raises CannotAttach while it cannot be reached."""
        with self._lock:
            if self._deployment is None:
                self._deployment = self._attach()
            return self._deployment

    def _attach(self) -> Deployment:
        """Attach anew; a failure is remembered for a moment, so that waiting requests need not try one by one."""
        if self._failure and time.monotonic() - self._failure[0] < FAILURE_SECONDS:
            raise CannotAttach(self._failure[1])
        if self.settings.thresholds:
            registry.need_limits(self.settings.thresholds)
        try:
            deployment = Deployment.attach(self.settings)
        except CannotAttach as error:
            self._failure = (time.monotonic(), str(error))
            raise
        deployment.own_work = self._own_work
        self._failure, self._attached_at = None, time.monotonic()
        return deployment

    def _own_work(self) -> set[tuple[str, int]]:
        """Rows of Label Studio that jobs of ours are about: kind and id."""
        from .labeling import snapshots_jobs  # a seventh of a second to load, and only some checks ask

        return snapshots_jobs.under_way(self.store)

    def reattach(self) -> Deployment:
        """Read the catalogue again: after an upgrade, or a GRANT."""
        with self._lock:
            if self._deployment is not None:
                self._deployment.close()
                self._deployment = None
            return self.deployment

    def attached(self) -> bool:
        """Whether the deployment answers now; does not raise."""
        try:
            with self.deployment.read() as session:
                session.execute(select(1))
        except (ConsoleError, SQLAlchemyError):
            return False
        return True

    def why_not_attached(self) -> str:
        """What keeps the deployment from answering, in one sentence; empty when it answers."""
        try:
            with self.deployment.read() as session:
                session.execute(select(1))
        except ConsoleError as error:
            return str(error)
        return ""

    def close(self) -> None:
        with self._lock:
            if self._deployment is not None:
                self._deployment.close()
            if self._store is not None:
                self._store.close()

    # --- looking

    def check(
        self, names: Sequence[str] = (), *, scope: Scope | None = None, deep: bool = False, by: str,
        progress: Progress = _quiet, cancelled: Callable[[], bool] = lambda: False,
    ) -> Report:  # fmt: skip
        """Run checks named by code or area (all by default) and keep the report.

        A run of everything looks at the catalogue anew: Label Studio may have been upgraded, a right given, meanwhile.
        """
        if not names and not (scope and scope.words) and time.monotonic() - self._attached_at > CATALOGUE_SECONDS:
            self.reattach()
        checks = registry.select(tuple(names))
        report = run_checks(self.deployment, checks, scope=scope, deep=deep, progress=progress, cancelled=cancelled)
        runs.record(self.store, self.deployment, report, by=by)
        return report

    def scope(self, *, user: str | None = None, project: int | None = None, storage: str | None = None) -> Scope:
        """A scope from what a person types; raises NotFound when there is no such thing in the deployment."""
        user_ids: tuple[int, ...] = ()
        with self.deployment.read() as session:
            if user:
                user_ids = tuple(find_users(session, user))
                if not user_ids:
                    raise NotFound(f"No account has the e-mail {user}, in whatever case. Check the spelling.")
            if project is not None:
                self._need_project(session, project)
            if storage:
                find_storage(session, self.deployment.schema, storage)
        return Scope(user_ids=user_ids, project_id=project, storage=storage)

    def _need_project(self, session: Any, project: int) -> None:
        from .deployment.models import Project

        if not 0 < project < 2**31 or session.scalar(select(Project.id).where(Project.id == project)) is None:
            raise NotFound(f"There is no project {project}.")

    def look_again(self, code: str, subject: str, *, by: str) -> tuple[Report, Finding | None]:
        """Ask one check again about one subject; the finding if it still stands."""
        check = registry.get(code)
        scope = Scope.of(Subject.parse(subject)) if subject else Scope()
        report = self.check([code], scope=scope if scope.words <= check.scopes else Scope(), by=by)
        return report, next((finding for finding in report.findings if finding.subject == subject), None)

    # --- repairing

    def plan(self, finding: Finding, fix_id: str, *, by: str, finding_id: int | None = None) -> PlanRow:
        """Plan a fix from a finding's evidence. Writes nothing to the deployment."""
        check = registry.get(finding.code)
        if finding.fixes is not None and fix_id not in finding.fixes:
            raise Refused(f"{finding.code} offers no fix {fix_id!r} for {finding.subject}: {finding.summary}.")
        ctx, probes = self._context()
        try:
            return plans.make(self.store, ctx, check, fix_id, [finding], by=by, finding_id=finding_id)
        finally:
            ctx.close()
            probes.close()

    def plan_many(
        self, check: Check, fix_id: str, findings: Sequence[Finding], *, by: str, job_id: str | None = None
    ) -> PlanRow:
        """One plan for the same fix of several findings."""
        ctx, probes = self._context()
        try:
            return plans.make(self.store, ctx, check, fix_id, findings, by=by, job_id=job_id)
        finally:
            ctx.close()
            probes.close()

    def plan_settings(self, reference: str, given: Mapping[str, str], *, by: str) -> PlanRow:
        """Plan a change of a storage's settings. `given`: column -> text as typed, or `mark_failed` alone.

        Raises Invalid with the problems by column, Refused when nothing would change.
        """
        deployment = self.deployment
        with deployment.read() as session:
            found = find_storage(session, deployment.schema, reference)
            if set(given) == {storage_settings.MARK_FAILED}:
                changed = [storage_settings.failure(session, deployment.schema, found, by=by)]
            else:
                values = storage_settings.parsed(found, given, Reach.of(deployment.settings))
                changed = storage_settings.changes(session, deployment.schema, found, values)
        return plans.keep(
            self.store, deployment, changed, code="storage", fix_id="settings", title=storage_settings.title(changed),
            subject=found.subject, name=found.title, by=by,
        )  # fmt: skip

    def plan_steps(
        self, changes: Sequence[StepChange], *, code: str, fix_id: str, title: str, by: str, subject: str = "",
        name: str = "", left_out: int = 0,
    ) -> PlanRow:  # fmt: skip
        """Plan changes of queues or of the database server that a person chose. Raises Refused when there are none.

        `code` is an area (jobs, pg, sqlite): its checks are asked after the apply.
        """
        if not changes:
            raise Refused("Nothing was chosen that could be changed.")
        return plans.keep(
            self.store, self.deployment, changes, code=code, fix_id=fix_id, title=title, subject=subject, name=name,
            by=by, reversible=is_reversible(changes), left_out=left_out,
        )  # fmt: skip

    def _context(self) -> tuple[Context, BucketProbes]:
        probes = BucketProbes(self.deployment)
        return Context(self.deployment, probes, evidence_limit=EVIDENCE_ROWS), probes

    def apply(
        self, plan_id: str, *, by: str, reason: str, seen: str | None = None, verify: bool = True,
        progress: Progress = _quiet, stopped: Callable[[], bool] = lambda: False,
    ) -> plans.Outcome:  # fmt: skip
        """Apply a plan, then ask its check again and keep the answer with the plan."""
        outcome = plans.apply(
            self.store, self.deployment, plan_id, by=by, reason=reason, seen=seen, progress=progress, stopped=stopped
        )
        if verify:
            self._verify(plan_id)
        return outcome

    def undo(
        self, plan_id: str, *, by: str, reason: str, verify: bool = True, progress: Progress = _quiet,
        stopped: Callable[[], bool] = lambda: False,
    ) -> plans.Outcome:  # fmt: skip
        """Undo an applied plan, then ask its check again."""
        outcome = plans.undo(
            self.store, self.deployment, plan_id, by=by, reason=reason, progress=progress, stopped=stopped
        )
        if verify:
            self._verify(plan_id)
        return outcome

    def _verify(self, plan_id: str) -> None:
        plan = plans.get(self.store, plan_id)
        report = self._asked_again(plan)
        count = len([item for item in report.findings if not plan.subject or item.subject == plan.subject])
        outcomes = {result.outcome for result in report.results}
        outcome = next((name for name in _WORST_FIRST if name in outcomes), "not_applicable")
        if plan.subject and not count and outcome == "findings":
            outcome = "pass"
        reason = next((result.reason for result in report.results if result.outcome == outcome), "")
        plans.set_verify(self.store, plan_id, {"outcome": outcome, "findings": count, "run": report.run_id,
                                               "reason": reason})  # fmt: skip

    def _asked_again(self, plan: PlanRow) -> Report:
        """The plan's check, or the checks of its area, about what it changed."""
        if registry.find(plan.code):
            return self.look_again(plan.code, plan.subject, by="console")[0]
        scope = Scope.of(Subject.parse(plan.subject)) if plan.subject else Scope()
        return self.check([plan.code], scope=scope, by="console")

    def recover(self) -> list[plans.Outcome]:
        """Settle what an interrupted process left between intent and outcome."""
        return plans.recover(self.store, self.deployment)


def find_users(session: Any, email: str) -> list[int]:
    """Ids of accounts whose e-mail equals this one, case and outer blanks aside; the exact one first."""
    wanted = email.strip()
    if "\x00" in wanted:
        return []  # no database holds it, and PostgreSQL refuses to be asked
    if not wanted.isascii():
        # lower() of SQLite, and of PostgreSQL under the C locale, knows ASCII only. Anybody may ask this by signing in,
        # so just the addresses that can be meant are fetched: those of more bytes than characters.
        size = func.octet_length(User.email)
        if session.get_bind().dialect.name == "sqlite":
            size = func.length(cast(User.email, LargeBinary))
        statement = select(User.id, User.email).where(size != func.length(User.email)).order_by(User.id)
        others = [row for row in session.execute(statement) if row.email.strip().lower() == wanted.lower()]
        return [row.id for row in sorted(others, key=lambda row: (row.email != wanted, row.id))]
    rows = session.execute(
        select(User.id, User.email).where(or_(func.lower(User.email) == wanted.lower(), User.email == wanted,
                                              func.lower(func.trim(User.email)) == wanted.lower()))
        .order_by(User.id)
    ).all()  # fmt: skip
    return [row.id for row in sorted(rows, key=lambda row: (row.email != wanted, row.id))]
