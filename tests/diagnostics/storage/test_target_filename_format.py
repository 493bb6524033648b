"""storage.target_filename_format: two kinds of names side by side."""

from __future__ import annotations

import pytest

from console.diagnostics import Unknown
from console.diagnostics.check import Context
from console.diagnostics.storage.target_filename_format import target_filename_format


def test_both_kinds_are_counted(ctx: Context, story) -> None:
    storage = story(
        {"out/1": b"{}", "out/2": b"{}", "out/3.json": b"{}", "out/readme.txt": b""}, target=True, prefix="out"
    )
    [finding] = target_filename_format.run(ctx)
    assert finding.subject == storage.subject
    assert finding.summary == "Of 4 keys, 2 by an id and 1 by an id with .json"


@pytest.mark.parametrize("keys", [["1", "2"], ["1.json", "2.json"], ["a.json", "1"], []])
def test_one_kind_is_healthy(ctx: Context, story, keys) -> None:
    story(dict.fromkeys(keys, b"{}"), target=True)
    assert list(target_filename_format.answers(ctx)) == []


def test_a_target_that_may_not_be_listed_is_undecided(ctx: Context, story) -> None:
    story({"1": b"{}"}, target=True).fake.faults["LIST"] = "deny"
    [answer] = list(target_filename_format.answers(ctx))
    assert isinstance(answer, Unknown)
