"""Times that have passed, as people read them."""

from datetime import timedelta


def span(passed: timedelta) -> str:
    """`52 min`, `3 h 10 min`, `4 d`."""
    minutes = int(passed.total_seconds() // 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if hours < 48 else f"{hours // 24} d"
