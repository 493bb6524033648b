"""A snapshot was to be converted to another format, and nothing works on that any more.

Another format than JSON is made from a finished snapshot by a second job, which has a row of its own. As long as that
row says `created` or `in_progress`, Label Studio answers every further try with "Conversion … already started". A job
that is lost (a worker killed, often for its memory; Redis emptied) leaves the row behind, and this snapshot can never be
downloaded in this format again.

What to do: mark the conversion failed, then ask for the format once more. By default rq allows such a job three minutes;
a conversion that needs longer is killed and says `failed` by itself: see `export.failed`.

Source: `ExportConvertAPI`, `async_convert` and `set_convert_background_failure` of Label Studio's data_export app.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from .. import Change, Context, Finding, Severity, Unknown, check
from ..waiting_rows import CONVERSION, failed_rows, stuck


@check(
    title="Every conversion of a snapshot has a job that will end it",
    severity=Severity.ERROR,
    scopes=["project"],
    impact="The snapshot cannot be downloaded in this format, and another try is refused",
    cause="The worker or the request that converted it ended before it was done.",
)
def conversion_stuck(ctx: Context, older_than_minutes: float = 60) -> Iterator[Finding | Unknown]:
    """One finding per project. Rows: id, status, since when, what became of its job, snapshot, format."""
    yield from stuck(ctx, CONVERSION, timedelta(minutes=older_than_minutes))


@conversion_stuck.fix(title="Mark the conversions failed")
def mark_failed(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Leave the rows as Label Studio leaves failed conversions; then convert again. Looked at again while planning."""
    limits = {**conversion_stuck.thresholds, **ctx.settings.threshold(conversion_stuck.code)}
    yield from failed_rows(ctx, finding, CONVERSION, timedelta(minutes=limits["older_than_minutes"]))
