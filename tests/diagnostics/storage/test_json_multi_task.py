"""storage.json_multi_task: several tasks in one file, for a release that takes one."""

from __future__ import annotations

import pytest

from console.diagnostics import NotApplicable, Unknown
from console.diagnostics.check import Context
from console.diagnostics.storage.json_multi_task import json_multi_task

ONE, LIST, LINES = b'{"text": "a"}', b' [{"text": "a"}, {"text": "b"}]', b'{"text": "a"}\n{"text": "b"}\n'


@pytest.mark.parametrize("version", ["1.18.0"])
@pytest.mark.parametrize(("body", "form"), [(LIST, "a list"), (LINES, "lines of JSON")])
def test_old_releases_take_one_task_from_a_file(ctx: Context, story, body, form) -> None:
    storage = story({"a.json": ONE, "b.json": body})
    [finding] = json_multi_task.run(ctx)
    assert finding.subject == storage.subject
    assert finding.summary == f"1 of 2 JSON files tried hold {form}"
    assert finding.evidence.rows[0]["key"] == "b.json" and "1.18.0" in finding.cause


@pytest.mark.parametrize("version", ["1.18.0"])
def test_single_tasks_are_healthy(ctx: Context, story) -> None:
    story({"a.json": ONE, "b.json": b'{\n "text": "a"\n}\n', "c.txt": LIST})
    assert list(json_multi_task.answers(ctx)) == []


@pytest.mark.parametrize("version", ["1.18.0"])
def test_what_may_not_be_read_is_undecided(ctx: Context, story) -> None:
    story({"a.json": ONE}).fake.faults["GET"] = "deny"
    [answer] = list(json_multi_task.answers(ctx))
    assert isinstance(answer, Unknown)


def test_newer_releases_take_all(ctx: Context, story) -> None:
    story({"b.json": LIST})
    with pytest.raises(NotApplicable, match="takes all tasks"):
        list(json_multi_task.answers(ctx))
