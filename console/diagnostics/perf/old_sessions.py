"""Sessions that ended long ago still fill their table.

Where sign-ins are kept in the database (`django_session`), each one leaves a row, and nothing in Django takes it away
when it has expired: a job has to. Bots, health probes that sign in, and scripts that log in for every call make millions
of rows. Sign-in gets slower, the backup larger, and the table is written for nothing.

An expired session signs nobody in: removing it changes nothing for anyone. The clean-up takes the oldest first, a
thousand rows per transaction; what a session holds is neither read nor kept, so it is not undone. Label Studio's own
way is the same, in one statement:

    python3 /label-studio/label_studio/manage.py clearsessions

Run it (or this clean-up) every week. The open-source edition keeps sessions in signed cookies; its table stays empty.

Reported are more than `expired_over` sessions that expired at least a day ago.

Source: Django's documentation of sessions (clearing the session store) and `SESSION_ENGINE` of Label Studio's settings.
"""

from __future__ import annotations

from collections.abc import Iterator

from .. import Context, Finding, NotApplicable, Severity, check
from ..clear_expired import ClearExpired
from .expired import EXPIRED, removals, too_many

WHAT = EXPIRED["sessions"]


@check(
    title="Expired sessions are cleared away",
    severity=Severity.INFO,
    impact="The database and its backups grow, and every sign-in writes to a bloated table",
    cause="Nothing runs clearsessions: Django itself never removes an expired session.",
)
def old_sessions(ctx: Context, expired_over: int = 100_000) -> Iterator[Finding]:
    """One finding for the table. Row: expired and live sessions, the oldest, and the table's size. No content."""
    if not ctx.schema.has_table(WHAT.table):
        raise NotApplicable(f"There is no table {WHAT.table}")
    yield from too_many(ctx, WHAT, "sessions", expired_over)


@old_sessions.fix(title="Remove expired sessions", reversible=False)
def clear_sessions(ctx: Context, finding: Finding) -> Iterator[ClearExpired]:
    """Delete sessions that expired over a day ago, the oldest first, 1,000 rows per transaction; stops when asked to."""
    yield from removals(finding, WHAT)
