"""Task data names local files in a way that Label Studio does not serve.

The address of a local file is `/data/local-files/?d=` and its path below LOCAL_FILES_DOCUMENT_ROOT. What people write
instead: the absolute path (`absolute_path`), `file://…` (`file_scheme`), a Windows path (`drive_letter`), the address
without `?d=` (`no_query`) or without the slash before it, which costs the token on the way (`no_slash`), backslashes
(`backslash`), or a path with the root in it once more (`root_repeated`). The file is there, and the browser gets
404 or nothing.

The repair rewrites the values of each task, those that can be told for certain: a path below the root by its spelling, a
foreign one (`file://`, a drive letter) by the longest end of it that is a file below the root on this disk. Every
task's old data is kept with the plan. Tasks are read in shards and planned from what they hold then.

Source: `localfiles_data` in Label Studio's io_storages/localfiles/views.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from ...deployment.local_addresses import Address, Reader
from ...deployment.models import Task
from ...deployment.storages import project_titles
from .. import Change, Context, Evidence, Finding, NotApplicable, Severity, check, row_update
from ..check import sql_text
from ..scan import Shard
from .disk import local_storages, naming_files, need_local_files, proof, reader, tasks_naming_files

CHUNK = 500


@dataclass
class _Wrong:
    """What is wrong in one project; rows over the evidence limit are counted and not kept."""

    total: int = 0
    repairable: int = 0
    forms: Counter[str] = field(default_factory=Counter)
    rows: list[dict[str, Any]] = field(default_factory=list)


@check(
    title="Local files in tasks are addressed as Label Studio serves them",
    severity=Severity.ERROR,
    scopes=["project"],
    impact="The browser gets 404 or nothing, though the files are there",
    cause="The values were written by hand or by a script: a path of the machine instead of /data/local-files/?d=….",
)
def url_form(ctx: Context) -> Iterator[Finding]:
    """One finding per project. Rows: task, form, the first wrong value, what it becomes, how many it has."""
    need_local_files(ctx)
    read = _reader(ctx)
    wrong: dict[int, _Wrong] = {}
    named = False
    for row in tasks_naming_files(ctx):
        addresses = list(read.values(row.data))
        named = named or bool(addresses)
        bad = [item for item in addresses if item.form != "right"]
        if bad:
            _count(wrong.setdefault(row.project_id, _Wrong()), row.id, bad, ctx.evidence_limit)
    if not named:
        raise NotApplicable("No task names a local file" + (" in scope" if ctx.scope.words else ""))
    with ctx.transaction() as session:
        titles = project_titles(session, set(wrong))
    for project_id, found in sorted(wrong.items()):
        yield _finding(project_id, titles.get(project_id, ""), found)


@url_form.fix(title="Write the addresses as Label Studio serves them", sharded=True)
def rewrite(ctx: Context, finding: Finding) -> Iterator[Change]:
    """One row update per task, with all of its data before and after; values that cannot be told stay."""
    read = _reader(ctx)
    ids = [row["id"] for row in finding.evidence if row["becomes"]]
    for start in range(0, len(ids), CHUNK):
        statement = select(Task.id, Task.data).where(Task.id.in_(ids[start : start + CHUNK])).order_by(Task.id)
        with ctx.transaction() as session:
            tasks = session.execute(statement).all()
        for task in tasks:
            after = read.rewritten(task.data)
            if after != task.data:
                yield row_update(Task, task.id, before={"data": task.data}, after={"data": after})


def _reader(ctx: Context) -> Reader:
    return reader(ctx, local_storages(ctx), seen=proof(ctx) is not None)


def _count(found: _Wrong, task_id: int, bad: list[Address], limit: int) -> None:
    found.total += 1
    found.forms.update({item.form for item in bad})
    first = next((item for item in bad if item.wanted), bad[0])
    found.repairable += bool(first.wanted)
    if len(found.rows) < limit:
        found.rows.append(
            {"id": task_id, "form": first.form, "value": first.value, "becomes": first.wanted, "wrong_values": len(bad)}
        )


def _finding(project_id: int, title: str, found: _Wrong) -> Finding:
    forms = ", ".join(f"{form} ({number:,})" for form, number in found.forms.most_common())
    summary = f"{found.total:,} {'task names' if found.total == 1 else 'tasks name'} local files wrongly: {forms}"
    if found.repairable < found.total:
        summary += f"; {found.repairable:,} can be rewritten for certain"
    where = Shard(found.rows[0]["id"], found.rows[-1]["id"] + 1, project_id)
    return Finding(
        subject=f"project:{project_id}", name=title, summary=summary,
        evidence=_evidence(sql_text(naming_files(where)), found),
        fixes=("rewrite",) if found.repairable else (),
    )  # fmt: skip


def _evidence(source: str, found: _Wrong) -> Evidence:
    kept = Evidence.from_rows(source, found.rows)
    return Evidence(kept.source, kept.columns, kept.rows, found.total)
