"""Tokens that expired long ago still fill their tables.

Personal access tokens leave a row in `token_blacklist_outstandingtoken` when they are made, and one more in
`token_blacklist_blacklistedtoken` when they are revoked. Neither goes away when the token expires. Scripts that make a
token per run, in an organization with a short life of tokens, leave them by the hundred thousand.

An expired token is refused whatever the tables say, so its rows may go. **A revoked token that has not expired must
stay**: its row on the blacklist is all that keeps it from being accepted again. The clean-up removes expired ones only,
their blacklist row first, the oldest first, a thousand per transaction; the tokens themselves are neither read nor kept,
so it is not undone. Label Studio's own way is the same, in one statement:

    python3 /label-studio/label_studio/manage.py flushexpiredtokens

By default tokens live for 200 years; then there is nothing to clean up, and a shorter life is a setting of the
organization.

Reported are more than `expired_over` tokens that expired at least a day ago.

Source: the token blacklist of djangorestframework-simplejwt (flushexpiredtokens) and Label Studio's jwt_auth app.
"""

from __future__ import annotations

from collections.abc import Iterator

from .. import Context, Finding, NotApplicable, Severity, check
from ..clear_expired import ClearExpired
from .expired import EXPIRED, removals, too_many

WHAT = EXPIRED["tokens"]


@check(
    title="Expired access tokens are cleared away",
    severity=Severity.INFO,
    impact="The database and its backups grow, and the list of a person's tokens gets slow",
    cause="Nothing runs flushexpiredtokens: rows of expired tokens are never removed by themselves.",
)
def revoked_tokens(ctx: Context, expired_over: int = 10_000) -> Iterator[Finding]:
    """One finding for the table. Row: expired and live tokens, the oldest, and the table's size. No content."""
    if not ctx.schema.has_table(WHAT.table):
        raise NotApplicable(f"Label Studio {ctx.schema.label_studio_version} has no personal access tokens")
    yield from too_many(ctx, WHAT, "access tokens", expired_over)


@revoked_tokens.fix(title="Remove expired tokens", reversible=False)
def flush_tokens(ctx: Context, finding: Finding) -> Iterator[ClearExpired]:
    """Delete tokens that expired over a day ago with their blacklist rows, the oldest first, 1,000 per transaction."""
    yield from removals(finding, WHAT)
