"""A reimport says that it is under way, and nothing works on it any more.

A reimport reads uploaded files anew, after somebody changed how they are to be read: the old tasks of these files are
removed, then new ones are made. Editions with workers do that in a job on the queue `high`. A job that is lost leaves the
row at `created` or `in_progress`; when it was lost in the middle, a part of the tasks may be there, or none (`arrived`).

Such a row holds no time, so it is judged by its job alone: when every job that waits or runs was read and none is its
own, nothing will end it. Without a Redis that can be asked, nothing can be said.

What to do: mark it failed, then start the reimport again: it removes what is there and reads the files from the start.

Source: `ProjectReimport` of Label Studio's projects app; `async_reimport_background` and
`set_reimport_background_failure` of its data_import app.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from .. import Change, Context, Finding, Severity, Unknown, check
from ..imported import arrived
from ..waiting_rows import REIMPORT, failed_rows, stuck


@check(
    title="Every reimport under way has a job that will end it",
    severity=Severity.ERROR,
    scopes=["project"],
    impact="The old tasks of its files may be gone, and the new ones never come",
    cause="The worker that ran the reimport ended before it was done.",
)
def reimport_stuck(ctx: Context) -> Iterator[Finding | Unknown]:
    """One finding per project. Rows: id, status, what became of its job, files, tasks of these files."""
    yield from stuck(ctx, REIMPORT, timedelta(0), lambda rows: arrived(ctx, rows))


@reimport_stuck.fix(title="Mark the reimports failed")
def mark_failed(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Leave the rows as Label Studio leaves failed reimports; tasks stay. Looked at again while planning."""
    yield from failed_rows(ctx, finding, REIMPORT, timedelta(0))
