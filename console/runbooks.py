"""Runbooks: a symptom in the words of the ticket, and its steps. Markdown that reads well with the console off.

The fenced steps `check`, `fix` and `command` are the same checks and fixes as everywhere, by id; the prose between
them is shown as it is written. A walk asks each check in turn, keeps what was seen and never starts a repair.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from sqlalchemy import select

from .diagnostics import registry
from .diagnostics.check import Context, Scope, Severity, Subject
from .diagnostics.job_functions import known, usual_queue
from .diagnostics.probes import BucketProbes
from .diagnostics.report import CheckResult, finding_dict
from .diagnostics.runner import run_checks
from .diagnostics.waiting_rows import KINDS, rows
from .errors import BadSetting, NotFound, Refused
from .jobs import Cancelled
from .masking import mask_text
from .service import Console
from .state import new_id, runs
from .state.models import FindingRow, RunbookRun

#: What a runbook may ask for before it starts.
NEEDS = ("user", "project", "storage", "nothing")
#: Evidence rows a transcript keeps of each finding; all of them stand with the finding itself.
TRANSCRIPT_ROWS = 20

_markdown = MarkdownIt("commonmark", {"html": False}).enable("table")


def prose(markdown: str) -> str:
    """Markdown as HTML; raw HTML in it is shown, not obeyed."""
    # A block of code may scroll, and whoever has no mouse has to reach it.
    return _markdown.render(markdown).replace("<pre>", '<pre tabindex="0">')


def command_lines(content: str) -> list[str]:
    """The commands of a step, each to be pasted by itself; a line that ends in a backslash goes on in the next."""
    return [line for line in re.split(r"(?<!\\)\n", content) if line.strip()]


@dataclass(frozen=True)
class Step:
    """One step: `check` and `fix` name a code, `command` is to be typed elsewhere, `text` is prose as HTML."""

    kind: str
    content: str

    @property
    def html(self) -> str:
        return prose(self.content) if self.kind == "text" else ""


@dataclass(frozen=True)
class Runbook:
    """A symptom and its steps."""

    slug: str
    title: str
    area: str
    summary: str
    needs: str
    steps: tuple[Step, ...] = ()
    words: tuple[str, ...] = field(default=())
    #: Label Studio's functions that do the work it is about; what hangs in other queues is not its cause
    functions: tuple[str, ...] = ()

    @property
    def head(self) -> str:
        """What a ticket would say, in small letters."""
        return " ".join([self.title, self.summary, *self.words]).lower()

    @property
    def codes(self) -> list[str]:
        """Codes of the checks it asks, in order."""
        return [step.content for step in self.steps if step.kind == "check"]

    @property
    def intro(self) -> str:
        """The Markdown before the first heading or step."""
        first = self.steps[0] if self.steps else None
        return re.split(r"(?m)^#", first.content, maxsplit=1)[0].strip() if first and first.kind == "text" else ""


def directory() -> Path:
    """Where the runbooks are: inside an installed package, or beside the package in a checkout."""
    inside = Path(__file__).parent / "_runbooks"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "runbooks"


@cache
def _load() -> dict[str, Runbook]:
    return {path.stem: parse(path.stem, path.read_text(encoding="utf-8")) for path in sorted(directory().glob("*.md"))}


def parse(slug: str, source: str) -> Runbook:
    """Read one runbook. Raises BadSetting naming the file and what is wrong with it."""
    head, body = _front_matter(slug, source)
    missing = {"title", "area"} - set(head)
    if missing:
        raise BadSetting(f"Runbook {slug}.md lacks {', '.join(sorted(missing))} in its front matter.")
    needs = head.get("needs", "nothing")
    if needs not in NEEDS:
        raise BadSetting(f"Runbook {slug}.md needs {needs!r}; accepted: {', '.join(NEEDS)}.")
    steps: list[Step] = []
    for part in re.split(r"(?ms)^(```(?:check|fix|command)[ \t]*[^\n]*\n.*?^```[ \t]*$)", body):
        fence = re.match(r"```(check|fix|command)[ \t]*([^\n]*)\n(.*?)^```", part, re.DOTALL | re.MULTILINE)
        if fence:
            content = (
                (fence[2].strip() or fence[3].strip())
                if fence[1] != "command"
                else (fence[3].strip() or fence[2].strip())
            )
            steps.append(Step(fence[1], content))
        elif part.strip():
            steps.append(Step("text", part.strip()))
    for step in steps:
        if step.kind == "check":
            registry.get(step.content)
        elif step.kind == "fix":
            code, _, fix_id = step.content.rpartition(".")
            registry.get(code).get_fix(fix_id)
    words, functions = _listed(head.get("words", "")), _listed(head.get("functions", ""))
    for name in functions:
        if known(name) is None:
            raise BadSetting(f"Runbook {slug}.md names {name!r}, which is no function of Label Studio's queues.")
    return Runbook(slug, head["title"], head["area"], head.get("summary", ""), needs, tuple(steps), words, functions)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _front_matter(slug: str, source: str) -> tuple[dict[str, str], str]:
    found = re.match(r"\A---\n(.*?)\n---\n(.*)\Z", source, re.DOTALL)
    if not found:
        raise BadSetting(f"Runbook {slug}.md has no front matter between two lines of ---.")
    head = {}
    for line in found[1].splitlines():
        name, sign, value = line.partition(":")
        if sign:
            head[name.strip()] = value.strip().strip('"')
    return head, found[2]


def all_runbooks() -> list[Runbook]:
    return list(_load().values())


def get(slug: str) -> Runbook:
    if slug not in _load():
        raise NotFound(f"There is no runbook {slug!r}; there are: {', '.join(_load())}.")
    return _load()[slug]


def for_check(code: str) -> list[Runbook]:
    """Runbooks that ask this check."""
    return [book for book in all_runbooks() if code in book.codes]


# --- walking


def begin(console: Console, slug: str, subject: str, *, by: str) -> RunbookRun:
    """Note a walk that is about to start. `subject` is KIND:ID; raises Refused when the runbook needs another kind."""
    book = get(slug)
    name = ""
    if book.needs != "nothing":
        parsed = Subject.parse(subject) if subject else None
        if parsed is None or parsed.kind != book.needs:
            raise Refused(f"“{book.title}” needs a {book.needs}; name one.")
        name = subject_name(console, parsed)
    run = RunbookRun(
        id=new_id(), slug=slug, deployment=console.deployment.identity, subject=subject if book.needs != "nothing" else "",
        subject_name=name, status="running", by=by, started_at=datetime.now(UTC), steps=[_blank(step) for step in book.steps],
    )  # fmt: skip
    with console.store.session() as session:
        session.add(run)
    return run


def start(console: Console, slug: str, subject: str, *, by: str) -> RunbookRun:
    """Begin a walk and hand it to a job; the run knows the job, so that it can be watched and cancelled."""
    from . import jobs

    run = begin(console, slug, subject, by=by)
    title = f"{get(slug).title}: {run.subject_name}" if run.subject_name else get(slug).title
    job = jobs.start(console, "runbook", title, {"run_id": run.id}, by=by)
    with console.store.session() as session:
        session.get_one(RunbookRun, run.id).job_id = job.id
    return run


def walk(
    console: Console, run_id: str, *, progress: Callable[[int, int, str], None] = lambda *_: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> RunbookRun:  # fmt: skip
    """Take a walk's steps one by one, keeping each answer as it comes. Raises Cancelled when asked to stop."""
    run = transcript(console, run_id)
    book = get(run.slug)
    scope = Scope.of(Subject.parse(run.subject)) if run.subject else Scope()
    steps = [dict(step) for step in run.steps]
    if book.functions and scope.project_id:
        _note_absence(console, book, scope.project_id, steps)
    for number, step in enumerate(book.steps):
        if cancelled():
            _save(console, run_id, steps, "cancelled")
            raise Cancelled(f"Stopped after {number} of {len(book.steps)} steps.")
        progress(number, len(book.steps), step.content if step.kind == "check" else "")
        if step.kind == "check":
            steps[number]["state"] = "running"
            _save(console, run_id, steps, "running")
            steps[number] |= _ask(console, step.content, scope, run.by)
        elif step.kind == "fix":
            steps[number] |= _offer(step.content, steps[:number])
        _save(console, run_id, steps, "running")
    progress(len(book.steps), len(book.steps), "")
    return _save(console, run_id, steps, "done")


def _note_absence(console: Console, book: Runbook, project_id: int, steps: list[dict[str, Any]]) -> None:
    """Say in the first step that the project has no row of what the runbook is about."""
    kinds = [KINDS[entry.about] for entry in map(known, book.functions) if entry and entry.about in KINDS]
    probes = BucketProbes(console.deployment)
    ctx = Context(console.deployment, probes, scope=Scope(project_id=project_id))
    try:
        kinds = [kind for kind in kinds if ctx.schema.has_table(kind.table)]
        if kinds and not any(next(iter(rows(ctx, kind, limit=1)), None) for kind in kinds):
            steps[0]["observed"] = (
                f"This project has no {' and no '.join(kind.noun for kind in kinds)}: nothing is under way."
            )
    finally:
        ctx.close()
        probes.close()


def remark(run: RunbookRun) -> str:
    """What is said before any answer: that there is nothing of what the ticket speaks of. Mostly empty."""
    return str(run.steps[0].get("observed", "")) if run.steps and run.steps[0]["kind"] == "text" else ""


def transcript(console: Console, run_id: str) -> RunbookRun:
    with console.store.read() as session:
        run = session.get(RunbookRun, run_id)
    if run is None:
        raise NotFound(f"There is no runbook run {run_id}.")
    return run


def recent(console: Console, slug: str | None = None, limit: int = 10) -> list[RunbookRun]:
    """The newest walks on this deployment."""
    with console.store.read() as session:
        statement = select(RunbookRun).where(RunbookRun.deployment == console.deployment.identity)
        if slug:
            statement = statement.where(RunbookRun.slug == slug)
        return list(session.scalars(statement.order_by(RunbookRun.started_at.desc()).limit(limit)))


def findings_of(run: RunbookRun) -> list[dict[str, Any]]:
    """What the steps of a walk found, in their order."""
    return [finding for step in run.steps for finding in step.get("findings", [])]


def verdict(run: RunbookRun) -> dict[str, Any] | None:
    """The finding that answers the ticket; None when nothing was found.

    What is wrong with the subject itself comes before what is wrong with the whole deployment; then the worst, and
    among equals the first in the order of the steps. A queue that does no work of this runbook is not its cause.
    """
    scope = Scope.of(Subject.parse(run.subject)) if run.subject else Scope()
    queues = {usual_queue(name) for name in get(run.slug).functions}

    def of_use(finding: dict[str, Any]) -> bool:
        subject = finding["subject"]
        return not queues or subject["kind"] != "queue" or subject["id"] in queues

    def weight(finding: dict[str, Any]) -> tuple[bool, int]:
        own = bool(scope.words) and scope.words <= registry.get(finding["code"]).scopes
        return own, Severity(finding["severity"]).rank

    return max(filter(of_use, findings_of(run)), key=weight, default=None)


def subject_name(console: Console, subject: Subject) -> str:
    """What people call a subject: e-mail, title. Raises NotFound when it does not exist."""
    from .deployment.models import Project, User
    from .deployment.storages import storage

    with console.deployment.read() as session:
        if subject.kind == "storage":
            return storage(session, console.deployment.schema, subject.id).title
        model = {"user": User, "project": Project}.get(subject.kind)
        if model is None:
            return str(subject)
        if not subject.id.isdecimal() or int(subject.id) >= 2**31:
            raise NotFound(f"There is no {subject.kind} {subject.id}.")
        column = User.email if model is User else Project.title
        name = session.scalar(select(column).where(model.id == int(subject.id)))  # type: ignore[attr-defined]
        if name is None:
            raise NotFound(f"There is no {subject.kind} {subject.id}.")
        return str(name)


def _blank(step: Step) -> dict[str, Any]:
    title = step.content
    if step.kind == "check":
        title = registry.get(step.content).title
    elif step.kind == "fix":
        code, _, fix_id = step.content.rpartition(".")
        title = registry.get(code).get_fix(fix_id).title
    return {"kind": step.kind, "content": step.content, "title": title, "state": "waiting", "observed": "",
            "duration_seconds": None, "findings": []}  # fmt: skip


def _ask(console: Console, code: str, scope: Scope, by: str) -> dict[str, Any]:
    check = registry.get(code)
    narrowed = scope if scope.words <= check.scopes else Scope()
    report = run_checks(console.deployment, [check], scope=narrowed, about=False)
    runs.record(console.store, console.deployment, report, by=by)
    result = report.results[0]
    return {
        "state": "finding" if result.outcome == "findings" else result.outcome,
        "observed": mask_text(_observed(result)),
        "duration_seconds": round(result.duration_seconds, 2),
        "findings": [_brief(console, finding) for finding in report.findings],
    }


def _observed(result: CheckResult) -> str:
    if result.outcome == "findings":
        first = result.findings[0].summary
        more = f", and {len(result.findings) - 1} more" if len(result.findings) > 1 else ""
        return f"{first}{more}. {result.reason}".strip()
    return result.reason or "Nothing found."


def _brief(console: Console, finding: Any) -> dict[str, Any]:
    document = finding_dict(finding)
    document["evidence"]["rows"] = document["evidence"]["rows"][:TRANSCRIPT_ROWS]
    with console.store.read() as session:
        document["finding_id"] = session.scalar(
            select(FindingRow.id).where(
                FindingRow.deployment == console.deployment.identity, FindingRow.code == finding.code,
                FindingRow.subject == finding.subject,
            )
        )  # fmt: skip
    return document


def _offer(content: str, before: list[dict[str, Any]]) -> dict[str, Any]:
    """A fix step applies when an earlier step found something it repairs."""
    code, _, fix_id = content.rpartition(".")
    found = [
        finding for step in before for finding in step["findings"]
        if finding["code"] == code and any(fix["id"] == fix_id for fix in finding["fixes"])
    ]  # fmt: skip
    if not found:
        return {"state": "not_applicable", "observed": "There is nothing for it to repair."}
    return {
        "state": "finding",
        "observed": "Can be planned from what was found above.",
        "findings": [],
        "offers": found,
    }


def _save(console: Console, run_id: str, steps: list[dict[str, Any]], status: str) -> RunbookRun:
    with console.store.session() as session:
        run = session.get_one(RunbookRun, run_id)
        run.steps, run.status = [dict(step) for step in steps], status
        if status != "running":
            run.finished_at = datetime.now(UTC)
    return run
