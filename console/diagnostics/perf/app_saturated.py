"""Label Studio answers slowly even where it has nothing to do.

`/health/` answers with a fixed text, without the database. When that takes a second, the request waited in line: all web
processes are busy with long requests (exports and imports without a worker, slow filters, dead models), the container is
held to too little processor time, or a proxy in front is the slow part.

See what the processes do, and give the container more of them, if the database has connections to spare (each process
takes at least one):

    kubectl top pod; kubectl describe pod POD | grep -A3 Limits
    UWSGI_PROCESSES=8        # in Label Studio's environment

Asked `times` times, one after the other, from where the console runs. Reported is a median of more than
`over_milliseconds`; the network in between counts, so a console far away is told the way as well.

Source: the health view of Label Studio's core app, and the uWSGI settings of its image.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from .. import Context, Finding, Severity, check
from .front_door import SECONDS, ask


@check(
    title="Label Studio answers at once where it has nothing to do",
    severity=Severity.WARNING,
    impact="Every page waits as long before anything happens",
    cause="All web processes are busy, or the container gets too little processor time.",
    budget_seconds=6 * SECONDS,
)
def app_saturated(ctx: Context, times: int = 5, over_milliseconds: int = 1000) -> Iterator[Finding]:
    """One finding for the deployment. Rows: each answer with its status and time."""
    answers = [ask(ctx) for _ in range(max(1, times))]
    middle = median(answer.seconds for answer in answers) * 1000
    if middle <= over_milliseconds:
        return
    rows = [
        {"address": answer.url, "status": answer.status, "milliseconds": round(answer.seconds * 1000)}
        for answer in answers
    ]
    yield Finding(
        subject="deployment:label-studio", name="Label Studio",
        summary=f"A question that costs nothing is answered after {middle / 1000:.1f} s (median of {len(answers)})",
        evidence=ctx.evidence(f"GET {answers[0].url}", rows),
    )  # fmt: skip
