"""What several checks of the Redis server have in common: problems collected into one finding, and amounts as text.

The server may be shared with other software: its memory, connections and settings are everybody's, so what is told here
is true for all of it, while queues and jobs are counted for Label Studio alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..deployment.queues import RedisInfo
from .check import Context, Finding, Severity


@dataclass(frozen=True)
class Problem:
    """One thing seen: a field of INFO or a setting, its value, and what follows from it."""

    severity: Severity
    field: str
    value: str
    means: str


def about_redis(ctx: Context, info: RedisInfo, source: str, problems: list[Problem]) -> Finding:
    """One finding about the server; the worst problem gives its summary and severity."""
    worst = max(problems, key=lambda problem: problem.severity.rank)
    rows = [{"field": item.field, "value": item.value, "means": item.means} for item in problems]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return Finding(
        subject="deployment:redis", name=f"Redis {info.version}", severity=worst.severity,
        summary=f"{worst.means[0].upper()}{worst.means[1:]}{more}", evidence=ctx.evidence(source, rows),
    )  # fmt: skip


def megabytes(amount: int | None) -> str:
    """`512 MB`, `1.4 MB`, `not told`."""
    if amount is None:
        return "not told"
    value = amount / 1024**2
    return f"{value:,.0f} MB" if value >= 10 else f"{value:.1f} MB"


def release(version: str) -> tuple[int, ...]:
    """`7.0.15` as numbers that compare; empty when it is no version."""
    parts = version.split("-")[0].split(".")
    return tuple(int(part) for part in parts) if parts and all(part.isdecimal() for part in parts) else ()
