"""A runbook is prose with steps; a walk asks each check, keeps what it saw and repairs nothing."""

from __future__ import annotations

import pytest

from console import runbooks
from console.errors import BadSetting, NotFound, Refused
from console.jobs import Cancelled
from console.replies import reply
from tests.factories import BOTH_ENGINES
from tests.round_trip import table_digests

HEAD = "---\ntitle: It hurts\narea: auth\nneeds: user\nwords: pain, ache\nsummary: where\n---\n"
BODY = """Look first.

```check auth.mixed_case_email
```
If so, *repair*:

```fix auth.mixed_case_email.lower
```

```command
systemctl restart label-studio
echo done
```

<script>alert(1)</script> and | a | table |
"""


def test_steps_are_read_in_order():
    book = runbooks.parse("it-hurts", HEAD + BODY)
    assert (book.title, book.area, book.needs, book.words) == ("It hurts", "auth", "user", ("pain", "ache"))
    assert [step.kind for step in book.steps] == ["text", "check", "text", "fix", "command", "text"]
    assert book.steps[4].content == "systemctl restart label-studio\necho done"
    assert book.codes == ["auth.mixed_case_email"]
    assert "<em>repair</em>" in book.steps[2].html
    assert "<script>" not in book.steps[5].html


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("no front matter", "it-hurts.md has no front matter"),
        ("---\ntitle: x\n---\nbody", "it-hurts.md lacks area"),
        ("---\ntitle: x\narea: auth\nneeds: money\n---\n", "needs 'money'; accepted: user, project, storage, nothing"),
    ],
)
def test_a_runbook_with_a_mistake_is_named(source, told):
    with pytest.raises(BadSetting, match=told):
        runbooks.parse("it-hurts", source)


@pytest.mark.parametrize("step", ["check auth.nonsense", "fix auth.mixed_case_email.nonsense", "fix nonsense"])
def test_a_step_that_does_not_exist_is_refused(step):
    with pytest.raises(NotFound):
        runbooks.parse("it-hurts", f"{HEAD}```{step}\n```\n")


@BOTH_ENGINES
def test_a_walk_finds_offers_and_writes_nothing(console):
    before = table_digests(console.deployment)
    run = runbooks.begin(console, "cannot-sign-in", "user:4", by="test")
    assert (run.status, run.subject_name) == ("running", "Dave.Capital@Example.com")
    seen: list[int] = []
    run = runbooks.walk(console, run.id, progress=lambda done, total, label: seen.append(done))
    assert run.status == "done" and run.finished_at and seen == sorted(seen) and seen[-1] == len(run.steps)
    states = {step["content"]: step["state"] for step in run.steps if step["kind"] != "text"}
    assert states["auth.mixed_case_email"] == "finding" and states["auth.inactive"] == "pass"
    offered = [step for step in run.steps if step["content"] == "auth.mixed_case_email.lower"]
    assert offered[0]["state"] == "finding" and offered[0]["offers"][0]["subject"]["id"] == "4"
    assert runbooks.verdict(run)["code"] == "auth.mixed_case_email"
    assert table_digests(console.deployment) == before
    assert [kept.id for kept in runbooks.recent(console, "cannot-sign-in")] == [run.id]
    assert runbooks.transcript(console, run.id).steps == run.steps


def test_a_healthy_walk_offers_nothing(console):
    run = runbooks.begin(console, "cannot-sign-in", "user:1", by="test")
    run = runbooks.walk(console, run.id)
    assert runbooks.verdict(run) is None
    assert {step["state"] for step in run.steps if step["kind"] == "fix"} == {"not_applicable"}
    assert {step["state"] for step in run.steps if step["kind"] == "check"} <= {"pass", "not_applicable"}


def test_every_runbook_walks_on_what_it_needs(console):
    subjects = {"user": "user:4", "project": "project:1", "storage": "storage:s3:1", "nothing": ""}
    for book in runbooks.all_runbooks():
        run = runbooks.walk(console, runbooks.begin(console, book.slug, subjects[book.needs], by="test").id)
        states = {step["state"] for step in run.steps if step["kind"] == "check"}
        assert run.status == "done" and states <= {"pass", "finding", "unknown", "not_applicable"}, (
            book.slug,
            run.steps,
        )


@pytest.mark.parametrize("subject", ["", "project:1", "user:", "user"])
def test_the_kind_it_needs_must_be_named(console, subject):
    with pytest.raises(Refused):
        runbooks.begin(console, "cannot-sign-in", subject, by="test")


@pytest.mark.parametrize("subject", ["user:4711", "user:0", "user:x", "user:99999999999999999999"])
def test_what_does_not_exist_is_not_found(console, subject):
    with pytest.raises(NotFound):
        runbooks.begin(console, "cannot-sign-in", subject, by="test")


def test_a_walk_that_is_stopped_keeps_what_it_saw(console):
    run = runbooks.begin(console, "cannot-sign-in", "user:4", by="test")
    asked: list[bool] = []
    with pytest.raises(Cancelled):
        runbooks.walk(console, run.id, cancelled=lambda: asked.append(True) or len(asked) > 3)
    kept = runbooks.transcript(console, run.id)
    assert kept.status == "cancelled" and kept.finished_at
    assert any(step["state"] not in {"waiting"} for step in kept.steps)
    with pytest.raises(NotFound):
        runbooks.transcript(console, "nope")


def test_another_queue_is_not_the_cause_of_an_export(console):
    run = runbooks.begin(console, "export-never-ends", "project:1", by="test")

    def seen(queue):
        return {"code": "jobs.queue_starved", "severity": "critical", "summary": f"No worker listens to {queue}",
                "subject": {"kind": "queue", "id": queue, "name": queue}}  # fmt: skip

    run.steps = [{"kind": "check", "state": "finding", "content": "jobs.queue_starved", "findings": [seen("low")]}]
    run.status = "done"
    assert runbooks.verdict(run) is None and "not the cause of this: No worker listens to low" in reply(run)
    run.steps[0]["findings"].append(seen("default"))
    assert runbooks.verdict(run)["summary"] == "No worker listens to default"


def test_a_project_without_an_export_is_told_so(console):
    told = "This project has no snapshot and no conversion: nothing is under way."
    run = runbooks.walk(console, runbooks.begin(console, "export-never-ends", "project:5", by="test").id)
    assert runbooks.remark(run) == told and told in reply(run)
    run = runbooks.walk(console, runbooks.begin(console, "export-never-ends", "project:1", by="test").id)
    assert runbooks.remark(run) == ""


def test_functions_of_a_runbook_are_known_ones():
    with pytest.raises(BadSetting, match="names 'dance', which is no function"):
        runbooks.parse("it-hurts", HEAD.replace("summary:", "functions: dance\nsummary:") + BODY)
