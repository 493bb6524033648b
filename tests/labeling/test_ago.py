"""How long ago something was, in Label Studio's words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from console.labeling.ago import ago


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0 minutes"), (59, "0 minutes"), (60, "1 minute"), (3600 * 5 + 61, "5 hours, 1 minute"), (86400 * 8, "1 week, 1 day"),
     (86400 * 40, "1 month, 1 week"), (86400 * 800, "2 years, 2 months"), (-5, "0 minutes")],
)  # fmt: skip
def test_how_long_ago(seconds: int, told: str):
    now = datetime(2026, 6, 15, 12, tzinfo=UTC)
    assert ago(now - timedelta(seconds=seconds), now).replace("\u00a0", " ") == told
