"""The shapes every check is made of: Check, Context, Finding, Evidence, Severity.

A check is a generator over one Context: it yields findings, raises NotApplicable or Unknown, and may yield an
Unknown beside its findings when one of several subjects stays undecided. It prints nothing and writes nothing.
"""

from __future__ import annotations

import enum
import inspect
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from ..config import Settings
from ..deployment import Deployment
from ..deployment.queues import QueueReader
from ..deployment.schema import Schema
from ..deployment.storages import Storage, storages
from ..errors import NotApplicable, NotFound, Refused, Unknown
from ..masking import mask
from ..state.texts import fitted

if TYPE_CHECKING:
    from .documents import AnyChange
    from .probes import BucketProbes

#: Rows kept behind a finding; the true total is always told beside them.
EVIDENCE_ROWS = 2000
#: Characters of a subject that the store keeps.
MOST_SUBJECT = 300
SUBJECT_KINDS = (
    "user", "organization", "project", "task", "annotation", "prediction", "storage", "queue", "worker", "job", "table",
    "index", "deployment",
)  # fmt: skip


class Severity(enum.StrEnum):
    """How bad a finding is; `rank` grows with it."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        return list(Severity).index(self)


@dataclass(frozen=True)
class Subject:
    """What a finding is about: `project:12`, `storage:s3:4`, `queue:low`."""

    kind: str
    id: str

    @classmethod
    def parse(cls, text: str) -> Subject:
        kind, _, identifier = text.partition(":")
        if kind not in SUBJECT_KINDS or not identifier:
            raise Refused(f"{text!r} names no subject; write KIND:ID with one of {', '.join(SUBJECT_KINDS)}.")
        return cls(kind, identifier)

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


@dataclass(frozen=True)
class Evidence:
    """What a sceptical colleague would ask to see: where it was read, the rows (bounded) and their true number."""

    source: str = ""
    columns: tuple[str, ...] = ()
    rows: list[dict[str, Any]] = field(default_factory=list)
    total: int = 0

    @classmethod
    def from_rows(cls, source: str | Select[Any], rows: Iterable[Any], *, limit: int = EVIDENCE_ROWS) -> Evidence:
        """Keep the first `limit` rows (mappings or database rows), count them all, mask secrets."""
        kept: list[dict[str, Any]] = []
        total = 0
        for row in rows:
            total += 1
            if len(kept) < limit:
                kept.append(mask(dict(row if isinstance(row, Mapping) else row._mapping)))
        columns = tuple(kept[0]) if kept else ()
        return cls(source if isinstance(source, str) else sql_text(source), columns, kept, total)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


def sql_text(statement: Select[Any]) -> str:
    """A statement as somebody could paste it into psql."""
    try:
        compiled = statement.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})
    except (NotImplementedError, ValueError, TypeError):
        compiled = statement.compile(dialect=postgresql.dialect())
    return str(compiled)


@dataclass(frozen=True)
class Finding:
    """One answer "this is wrong". Empty `severity`, `impact`, `cause` are taken from the check.

    `fixes` narrows the check's fixes to those that suit this finding; None means all of them.
    """

    subject: str
    summary: str
    evidence: Evidence = field(default_factory=Evidence)
    name: str = ""
    severity: Severity | None = None
    impact: str = ""
    cause: str = ""
    fixes: tuple[str, ...] | None = None
    code: str = ""

    def __post_init__(self) -> None:
        """The subject may hold a name from Redis; findings are told apart over time by what the store keeps of it."""
        object.__setattr__(self, "subject", fitted(self.subject, MOST_SUBJECT))


@dataclass(frozen=True)
class Scope:
    """What a run is narrowed to. Empty means the whole deployment."""

    user_ids: tuple[int, ...] = ()
    project_id: int | None = None
    storage: str | None = None
    #: half-open range of task ids, for repairs that go shard by shard
    task_range: tuple[int, int] | None = None

    @property
    def words(self) -> set[str]:
        """The kinds of narrowing in force: user, project, storage."""
        named = {"user": bool(self.user_ids), "project": self.project_id is not None, "storage": bool(self.storage)}
        return {word for word, given in named.items() if given}

    @classmethod
    def of(cls, subject: Subject) -> Scope:
        """The narrowest run that can see one subject again."""
        if subject.kind == "user" and subject.id.isdecimal():
            return cls(user_ids=(int(subject.id),))
        if subject.kind == "project" and subject.id.isdecimal():
            return cls(project_id=int(subject.id))
        if subject.kind == "storage":
            return cls(storage=subject.id)
        return cls()


@dataclass
class Context:
    """What a check is given. One check, one context, one read-only transaction opened at first use."""

    deployment: Deployment
    probes: BucketProbes
    scope: Scope = field(default_factory=Scope)
    deep: bool = False
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    evidence_limit: int = EVIDENCE_ROWS
    _session: Session | None = field(default=None, repr=False)
    _open: AbstractContextManager[Session] | None = field(default=None, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def settings(self) -> Settings:
        return self.deployment.settings

    @property
    def schema(self) -> Schema:
        return self.deployment.schema

    @property
    def read(self) -> Session:
        """The check's read-only transaction."""
        with self._lock:
            if self._session is None:
                self._open = self.deployment.read()
                self._session = self._open.__enter__()
        return self._session

    def transaction(self) -> AbstractContextManager[Session]:
        """A short read-only transaction of its own, for work that goes shard by shard."""
        return self.deployment.read()

    @property
    def redis(self) -> QueueReader:
        """The raw reader of Label Studio's queues; NotApplicable when no Redis is attached."""
        if self.deployment.redis is None:
            raise NotApplicable("No Redis is attached: without one Label Studio runs its jobs inside the request.")
        return self.deployment.redis

    def storages(self, *, prefixes: Sequence[str] | None = None, targets: bool = False) -> list[Storage]:
        """Storages in scope, read in a short transaction. Raises NotApplicable when there is none."""
        reference = self.scope.storage
        with self.transaction() as session:
            found = list(storages(session, self.schema, prefixes=prefixes, targets=targets,
                                  project_id=self.scope.project_id))  # fmt: skip
        if reference:
            found = [storage for storage in found if storage.reference == reference]
        if not found:
            what = "target or source storage" if targets else "source storage"
            raise NotApplicable(
                f"There is no {what} of the kind this check looks at" + (" in scope" if self.scope.words else "")
            )
        return found

    def deployment_storages(self) -> list[Storage]:
        """Every source and target, whatever the scope."""
        with self.transaction() as session:
            return list(storages(session, self.schema, targets=True))

    def evidence(self, source: str | Select[Any], rows: Iterable[Any]) -> Evidence:
        return Evidence.from_rows(source, rows, limit=self.evidence_limit)

    def close(self) -> None:
        """End the transaction; safe to call twice and from the runner's thread."""
        with self._lock:
            opened, self._open, self._session = self._open, None, None
        if opened is not None:
            opened.__exit__(None, None, None)


@dataclass(frozen=True)
class Fix:
    """A planned repair: `plan` yields the changes and touches nothing."""

    id: str
    title: str
    reversible: bool
    plan: Callable[[Context, Finding], Iterator[AnyChange]]
    doc: str = ""
    #: whether the job may repair task ids shard by shard when more rows are wrong than one plan holds
    sharded: bool = False


@dataclass
class Check:
    """One question with one answer. Made by the `check` decorator; found by the registry."""

    code: str
    title: str
    severity: Severity
    body: Callable[..., Iterator[Finding | Unknown]]
    doc: str
    impact: str = ""
    cause: str = ""
    scopes: frozenset[str] = frozenset()
    budget_seconds: int | None = None
    fixes: dict[str, Fix] = field(default_factory=dict)

    @property
    def area(self) -> str:
        return self.code.split(".")[0]

    @property
    def thresholds(self) -> dict[str, Any]:
        """The operator's knobs: keyword arguments of the check and their defaults."""
        parameters = list(inspect.signature(self.body).parameters.values())[1:]
        return {parameter.name: parameter.default for parameter in parameters}

    def fix(self, *, title: str, reversible: bool = True, sharded: bool = False) -> Callable[[Any], Any]:
        """Register a repair; its function name becomes its id."""

        def register(
            function: Callable[[Context, Finding], Iterator[AnyChange]],
        ) -> Callable[[Context, Finding], Iterator[AnyChange]]:
            self.fixes[function.__name__] = Fix(
                function.__name__, title, reversible, function, inspect.getdoc(function) or "", sharded
            )
            return function

        return register

    def get_fix(self, fix_id: str) -> Fix:
        if fix_id not in self.fixes:
            raise NotFound(f"{self.code} has no fix {fix_id!r}; it has: {', '.join(self.fixes) or 'none'}.")
        return self.fixes[fix_id]

    def run(self, ctx: Context) -> list[Finding]:
        """The findings alone; undecided subjects are dropped. For tests and repairs."""
        return [item for item in self.answers(ctx) if isinstance(item, Finding)]

    def answers(self, ctx: Context) -> Iterator[Finding | Unknown]:
        """Findings completed with the check's own words, and an Unknown for each undecided subject."""
        wanted = ctx.settings.threshold(self.code)
        unknown = set(wanted) - set(self.thresholds)
        if unknown:
            raise Refused(
                f"{self.code} has no limit named {', '.join(sorted(unknown))}; it has: {', '.join(self.thresholds) or 'none'}."
            )
        for item in self.body(ctx, **wanted):
            if isinstance(item, Unknown):
                yield item
                continue
            Subject.parse(item.subject)
            yield replace(
                item, code=self.code, severity=item.severity or self.severity, impact=item.impact or self.impact,
                cause=item.cause or self.cause, fixes=tuple(self.fixes) if item.fixes is None else item.fixes,
                name=item.name or item.subject,
            )  # fmt: skip


def check(
    *, title: str, severity: Severity = Severity.ERROR, impact: str = "", cause: str = "",
    scopes: Iterable[str] = (), budget_seconds: int | None = None,
) -> Callable[[Callable[..., Iterator[Finding | Unknown]]], Check]:  # fmt: skip
    """Make a Check of a generator function. The code comes from the file: `auth/inactive.py` is `auth.inactive`.

    `title` states the healthy condition. `scopes` are the narrowings the check honours: user, project, storage.
    """

    def make(function: Callable[..., Iterator[Finding | Unknown]]) -> Check:
        code = ".".join(function.__module__.split(".")[-2:])
        module = inspect.getmodule(function)
        doc = inspect.getdoc(module) if module else None
        return Check(code, title, severity, function, doc or "", impact, cause, frozenset(scopes), budget_seconds)

    return make
