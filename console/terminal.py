"""How reports, plans and lists look in a terminal. The document goes to standard output, progress to standard error."""

from __future__ import annotations

import contextlib
import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rich import box
from rich.console import Console as Rich
from rich.markup import escape as escape_markup
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from sqlalchemy import select

from .amounts import counted
from .diagnostics import registry
from .diagnostics.check import Check
from .diagnostics.documents import diff, from_dict
from .diagnostics.report import Report, finding_dict, readable
from .diagnostics.undecided import grouped
from .runbooks import Runbook, for_check, remark
from .state import Store
from .state.models import AuditEvent, PlanRow, RunbookRun

STYLES = {"critical": "bold red", "error": "red", "warning": "yellow", "info": "cyan", "pass": "green",
          "findings": "red", "finding": "red", "unknown": "magenta", "crashed": "magenta", "not_applicable": "dim"}  # fmt: skip
WORDS = {"pass": "pass", "findings": "findings", "finding": "finding", "unknown": "unknown", "crashed": "crashed",
         "not_applicable": "not applicable", "waiting": "waiting"}  # fmt: skip
EVIDENCE_SHOWN = 5
CHANGES_SHOWN = 40


#: What moves a terminal's cursor, colours it, or turns the order of letters round.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def harmless(text: str) -> str:
    """Text from strangers (titles, e-mails, tracebacks) with control characters written out."""
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def escape(text: str) -> str:
    """Text from strangers that obeys neither the terminal nor rich."""
    return escape_markup(harmless(text))


class _Rich(Rich):
    def on_broken_pipe(self) -> None:
        """Whoever read our output is gone; the command decides what that means, not rich."""
        raise BrokenPipeError


def make_out() -> Rich:
    return _Rich(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else 120)


@contextlib.contextmanager
def progress(title: str) -> Iterator[Callable[[int, int, str], None]]:
    """A bar on a terminal, plain lines otherwise; on standard error."""
    if not sys.stderr.isatty():
        yield _plain_progress(title)
        return
    columns = [
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    ]
    with Progress(*columns, console=Rich(file=sys.stderr), transient=True) as bar:
        task = bar.add_task(title, total=None)

        def show(done: int, total: int, label: str) -> None:
            shown = label if len(label) < 60 else f"{label[:57]}…"
            bar.update(task, completed=done, total=total or None, description=f"{title} {escape(shown)}")

        yield show


def _plain_progress(title: str) -> Callable[[int, int, str], None]:
    last = [time.monotonic()]

    def show(done: int, total: int, label: str) -> None:
        if time.monotonic() - last[0] >= 5:
            last[0] = time.monotonic()
            count = f"{done:,} of {total:,}" if total else f"{done:,}"
            print(f"{title}: {count}, now {label}", file=sys.stderr, flush=True)

    return show


def print_report(report: Report, name: str, note: str = "") -> None:
    """The verdict: what was looked at, findings worst first with cause and evidence, what could not be decided."""
    out = make_out()
    about = report.deployment
    redis = f", Redis {about['redis']['version']}" if about.get("redis") else ""
    out.print(f"[bold]{escape(name)}[/]  Label Studio {about['label_studio_version']}{escape(f' ({note})' if note else '')}, "
              f"{_kind(about['database']['kind'])} {about['database']['version']}{redis}")  # fmt: skip
    out.print("[dim]" + ", ".join(f"{number:,} {what}" for what, number in about["counts"].items()) + "[/]")
    for finding in report.findings:
        document = finding_dict(finding)
        style = STYLES[document["severity"]]
        out.print()
        out.print(
            f"[{style}]{document['severity'].upper():8}[/] [bold]{escape(document['summary'])}[/]", soft_wrap=True
        )
        out.print(
            f"         {document['code']}  {escape(finding.subject)}  {escape(finding.name)}",
            style="dim",
            soft_wrap=True,
        )
        for word in ("cause", "impact"):
            if document[word]:
                out.print(f"         {word.capitalize()}: {escape(document[word])}", soft_wrap=True)
        _print_evidence(out, document["evidence"])
        for fix in document["fixes"]:
            undo = "can be undone" if fix["reversible"] else "cannot be undone"
            command = f"lsconsole fix {document['code']} --subject {finding.subject} --fix {fix['id']}"
            out.print(
                f"         Fix: {escape(fix['title'])} ({undo}): [bold]{escape(command)}[/]",
                soft_wrap=True,
            )
    _print_undecided(out, report)
    _print_totals(out, report)


def _print_evidence(out: Rich, evidence: dict[str, Any]) -> None:
    if not evidence["rows"]:
        return
    columns = evidence["columns"][:8]
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in evidence["rows"][:EVIDENCE_SHOWN]:
        table.add_row(*(escape(_cell(row.get(column))) for column in columns))
    from rich.padding import Padding

    out.print(Padding(table, (0, 0, 0, 9)))
    shown = min(EVIDENCE_SHOWN, len(evidence["rows"]))
    if evidence["total"] > shown:
        out.print(f"         [dim]{shown} of {evidence['total']:,} rows shown[/]")


def _print_undecided(out: Rich, report: Report) -> None:
    open_ends = [result for result in report.results if result.outcome in {"unknown", "crashed"} or result.undecided]
    if open_ends:
        out.print("\n[bold]Not decided[/]")
    for result in open_ends:
        style = STYLES["crashed" if result.outcome == "crashed" else "unknown"]
        word = "crashed" if result.outcome == "crashed" else "unknown"
        out.print(f"  [{style}]{word:8}[/] {result.code}: {escape(grouped(result.reason))}", soft_wrap=True)


def _print_totals(out: Rich, report: Report) -> None:
    outcomes = [result.outcome for result in report.results]
    found = ", ".join(
        f"[{STYLES[name]}]{number} {name}[/]" for name, number in report.summary().items() if number and name in STYLES
    )
    seconds = (report.finished_at - report.started_at).total_seconds() if report.finished_at else 0
    out.print(f"\n{len(outcomes)} checks in {seconds:.1f} s: {outcomes.count('pass')} pass, "
              f"{outcomes.count('not_applicable')} not applicable. " + (f"Found: {found}." if found else "[green]Nothing found.[/]"),
              soft_wrap=True)  # fmt: skip


def print_catalogue() -> None:
    """All checks, by area."""
    out = make_out()
    for area, checks in registry.by_area().items():
        out.print(f"\n[bold]{registry.area_title(area)}[/]")
        for check in checks:
            fixes = "  [green]has a fix[/]" if check.fixes else ""
            out.print(f"  {check.code:32} {escape(check.title)}{fixes}", soft_wrap=True)


def print_check(check: Check) -> None:
    """One check: what it means, its limits, its fixes, its runbooks."""
    out = make_out()
    out.print(f"[bold]{check.code}[/]  {escape(check.title)}\n")
    out.print(escape(check.doc), soft_wrap=True)
    for name, value in check.thresholds.items():
        out.print(f"\nLimit {name} = {value}  (LSCONSOLE_THRESHOLDS={check.code}.{name}=…)", soft_wrap=True)
    for fix in check.fixes.values():
        undo = "can be undone" if fix.reversible else "cannot be undone"
        out.print(f"\nFix [bold]{fix.id}[/]: {escape(fix.title)} ({undo})\n  {escape(fix.doc)}", soft_wrap=True)
    for book in for_check(check.code):
        out.print(f"\nRunbook: lsconsole runbook {book.slug}  “{escape(book.title)}”", soft_wrap=True)


def print_plan(plan: PlanRow) -> None:
    """A plan as before and after, bounded; the number left out is told."""
    out = make_out()
    undo = "can be undone" if plan.reversible else "cannot be undone"
    out.print(f"[bold]{escape(plan.title)}[/]: {counted(plan.total, 'row', 'rows')}, {undo}. Plan {plan.id}")
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in ("Row", "Column", "Now", "After"):
        table.add_column(column, overflow="fold")
    for document in plan.changes[:CHANGES_SHOWN]:
        for line in diff(from_dict(document)):
            table.add_row(
                escape(line["label"]),
                line["column"],
                f"[red]{escape(_cell(line['before']))}[/]",
                f"[green]{escape(_cell(line['after']))}[/]",
            )
    out.print(table)
    if plan.total > CHANGES_SHOWN:
        out.print(f"[dim]{CHANGES_SHOWN} of {plan.total:,} rows shown[/]")
    if plan.left_out:
        out.print(f"{counted(plan.left_out, 'more row is', 'more rows are')} wrong than one plan holds.")


def print_audit(store: Store, limit: int, *, as_json: bool) -> None:
    """The newest audit events."""
    with store.read() as session:
        events = session.scalars(select(AuditEvent).order_by(AuditEvent.seq.desc()).limit(limit)).all()
    if as_json:
        rows = [
            {"id": event.seq, "at": readable(event.at), "who": event.actor, "what": event.action, "subject": event.subject,
             "code": event.code, "reason": event.reason, "rows": event.rows, "plan": event.plan_id, "hash": event.hash}
            for event in events
        ]  # fmt: skip
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in ("Id", "When (UTC)", "Who", "What", "Subject", "Check", "Rows", "Reason"):
        table.add_column(column, overflow="fold")
    for event in events:
        table.add_row(str(event.seq), f"{event.at:%Y-%m-%d %H:%M:%S}", escape(event.actor), event.action, escape(event.subject),
                      event.code, str(event.rows), escape(event.reason))  # fmt: skip
    make_out().print(table if events else "The audit log is empty: nothing was ever applied.")


def print_runbooks(books: Sequence[Runbook]) -> None:
    out = make_out()
    for book in books:
        need = "" if book.needs == "nothing" else f"  [dim]--{book.needs}[/]"
        out.print(f"{book.slug:32} “{escape(book.title)}”{need}", soft_wrap=True)


def print_walk(book: Runbook, run: RunbookRun) -> None:
    """A runbook's transcript."""
    out = make_out()
    out.print(f"[bold]“{escape(book.title)}”[/] {escape(run.subject_name)}\n")
    if remark(run):
        out.print(f"{escape(remark(run))}\n", soft_wrap=True)
    for step, seen in zip(book.steps, run.steps, strict=True):
        if step.kind == "text":
            out.print(escape(step.content) + "\n", soft_wrap=True)
            continue
        if step.kind == "command":
            out.print(f"  $ {escape(step.content)}\n", soft_wrap=True)
            continue
        state = seen["state"]
        out.print(
            f"[{STYLES.get(state, 'dim')}]{WORDS.get(state, state):14}[/] {escape(seen['title'])}", soft_wrap=True
        )
        out.print(f"               {escape(seen['observed'])}", soft_wrap=True)
        for finding in seen.get("offers", []):
            out.print(
                f"               [bold]lsconsole fix {finding['code']} "
                f"--subject {finding['subject']['kind']}:{finding['subject']['id']}[/]",
                soft_wrap=True,
            )
        out.print()


def print_settings(rows: Sequence[tuple[str, str, str]]) -> None:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in ("Setting", "Value", "Meaning"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    make_out().print(table)


def _cell(value: Any) -> str:
    value = readable(value)
    text = "–" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _kind(kind: str) -> str:
    return {"postgresql": "PostgreSQL", "sqlite": "SQLite"}.get(kind, kind)
