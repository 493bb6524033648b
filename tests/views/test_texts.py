from datetime import UTC, datetime, timedelta

import pytest

from console.views import texts


def test_what_can_be_pasted_is_code_and_the_rest_is_escaped():
    shown = texts.coded("None of 32 keys matches `IMG_\\d+` of <b>x</b>")
    assert shown == "None of 32 keys matches <code>IMG_\\d+</code> of &lt;b&gt;x&lt;/b&gt;"
    assert texts.coded("`<script>`") == "<code>&lt;script&gt;</code>"
    assert texts.coded("one ` alone") == "one ` alone"
    assert texts.coded(None) == ""


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.004, "0.00 s"), (0.93, "0.9 s"), (41, "41 s"), (360, "6 min"), (7300, "2 h"), (3 * 86400, "3 d"), (None, "–")],
)
def test_durations_stand_in_their_largest_unit(value, shown):
    assert texts.seconds(value) == shown


def test_times_in_lists_are_short_and_old_ones_are_dates():
    now = datetime.now(UTC)
    assert texts.ago(now) == "just now"
    assert texts.ago(now - timedelta(minutes=6, seconds=5)) == "6 min ago"
    assert texts.ago(datetime(2020, 5, 1, tzinfo=UTC)) == "2020-05-01"
    assert texts.ago(None) == "never"
