"""An import says that it is under way, and nothing works on it any more.

Editions with workers write a row for an import and hand the work to a job on the queue `high`. A job that is lost leaves
the row at `created` or `in_progress`, and the page says "importing" for ever. The job cannot be run again: it begins only
with a row that says `created`. What arrived stays: newer releases import in batches, so a part of the tasks may be there;
`arrived` counts the tasks that came from the files of the import.

The open-source edition imports inside the request and keeps no such rows.

What to do: mark it failed, look at how many tasks arrived, remove those if it was a part, and import again.

Source: `ProjectImport` of Label Studio's projects app; `async_import_background` and `set_import_background_failure` of
its data_import app.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from .. import Change, Context, Finding, Severity, Unknown, check
from ..imported import arrived
from ..waiting_rows import IMPORT, failed_rows
from ..waiting_rows import stuck as stuck_rows


@check(
    title="Every import under way has a job that will end it",
    severity=Severity.ERROR,
    scopes=["project"],
    impact="The page says importing for ever, and nobody knows which tasks are there",
    cause="The worker that ran the import ended before it was done.",
)
def stuck(ctx: Context, older_than_minutes: float = 60) -> Iterator[Finding | Unknown]:
    """One finding per project. Rows: id, status, since when, what became of its job, files, tasks that did arrive."""
    yield from stuck_rows(ctx, IMPORT, timedelta(minutes=older_than_minutes), lambda rows: arrived(ctx, rows))


@stuck.fix(title="Mark the imports failed")
def mark_failed(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Leave the rows as Label Studio leaves failed imports; what arrived stays. Looked at again while planning."""
    limits = {**stuck.thresholds, **ctx.settings.threshold(stuck.code)}
    yield from failed_rows(ctx, finding, IMPORT, timedelta(minutes=limits["older_than_minutes"]))
