"""How times, numbers and durations read on a page."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from flask import Flask
from markupsafe import Markup, escape


def register(app: Flask) -> None:
    app.jinja_env.filters.update(
        coded=coded,
        capitalize_first=capitalize_first,
        ago=ago,
        thousands=thousands,
        seconds=seconds,
        when=when,
        iso=iso,
    )


def capitalize_first(text: str) -> str:
    """The first letter capital, the others as they are."""
    return text[:1].upper() + text[1:]


def ago(moment: datetime | None) -> str:
    """`6 min ago`, `3 d ago`; a date after a month."""
    if moment is None:
        return "never"
    spent = (datetime.now(UTC) - moment).total_seconds()
    if spent < 45:
        return "just now"
    if spent > 30 * 86400:
        return f"{moment:%Y-%m-%d}"
    return f"{seconds(spent)} ago"


def seconds(value: float | None) -> str:
    """A duration in its largest unit: `0.9 s`, `41 s`, `6 min`, `2 h`, `3 d`."""
    if value is None:
        return "–"
    if value < 10:
        return f"{value:.1f} s" if value >= 0.1 else f"{value:.2f} s"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if value >= size:
            return f"{int(value // size)} {unit}"
    return f"{value:.0f} s"


def thousands(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def when(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}" if moment else "–"


def iso(moment: datetime | None) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds") if moment else ""


def coded(text: str | None) -> Markup:
    """A sentence with `what can be pasted` set as code; everything else is escaped."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text or ""))))  # noqa: S704 - escaped before
