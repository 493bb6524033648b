"""Jobs: what runs, what ran, progress that is asked for, stopping."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from console.service import Console
from console.state.models import JobRow
from tests.views.conftest import Browser


def make_job(console: Console, job_id: str, **values: Any) -> str:
    """A job as a worker would leave it."""
    defaults: dict[str, Any] = {
        "kind": "checks", "title": "Run all checks", "arguments": {"names": []}, "status": "running", "by": "somebody",
        "created_at": datetime.now(UTC), "started_at": datetime.now(UTC), "done": 3, "total": 20, "result": None,
    }  # fmt: skip
    with console.store.session() as session:
        session.add(JobRow(id=job_id, **defaults | values))
    return job_id


def test_no_job_yet(admin: Browser) -> None:
    assert "No job has run yet" in admin.text("/jobs/")


def test_running_and_finished_jobs(support: Browser, console: Console) -> None:
    make_job(console, "a1", title="Run <b>bold</b>")
    for number in range(60):
        make_job(console, f"b{number}", status="done", title=f"Old {number}", finished_at=datetime.now(UTC))
    body = support.text("/jobs/")
    assert "3 of 20" in body and "&lt;b&gt;bold" in body and "<b>bold" not in body
    assert "1 to 50 of 60" in body
    assert "51 to 60 of 60" in support.text("/jobs/?page=2")
    assert support.text("/jobs/?page=99999999999999999999")


def test_progress_loads_the_page_again_once_it_is_over(support: Browser, console: Console) -> None:
    make_job(console, "a1")
    running = support.get("/jobs/a1/progress")
    assert "hx-get" in running.get_data(as_text=True) and "HX-Refresh" not in running.headers
    make_job(console, "a2", status="failed", error="It <stopped>")
    over = support.get("/jobs/a2/progress")
    assert over.headers["HX-Refresh"] == "true" and "It &lt;stopped&gt;" in over.get_data(as_text=True)


def test_a_poll_after_the_session_ended_leads_to_the_sign_in(anonymous: Browser) -> None:
    response = anonymous.get("/jobs/a1/progress", headers={"HX-Request": "true"})
    assert response.status_code == 401 and "/sign-in" in response.headers["HX-Redirect"]


def test_cancel(support: Browser, console: Console) -> None:
    make_job(console, "a1", status="queued")
    assert support.send("/jobs/a1/cancel").status_code == 303
    assert "Cancelled" in support.text("/jobs/a1")


def test_support_does_not_stop_what_writes(support: Browser, admin: Browser, console: Console) -> None:
    make_job(console, "a1", kind="repair", arguments={"code": "x", "subject": ""})
    assert support.send("/jobs/a1/cancel").status_code == 403
    assert "Cancel" not in support.text("/jobs/a1").split("<main")[1]
    assert admin.send("/jobs/a1/cancel").status_code == 303


def test_an_unknown_job_is_not_found(admin: Browser) -> None:
    for path in ("/jobs/nothing", "/jobs/nothing/progress", "/jobs/%00", "/jobs/" + "9" * 500):
        assert admin.get(path).status_code == 404
    assert admin.post("/jobs/nothing/cancel").status_code == 400


def test_an_export_shows_how_far_it_is_and_takes_the_right_to_write(support: Browser, console: Console) -> None:
    asked = {"project_id": 1, "export_id": 3}
    make_job(console, "x1", kind="export", title="Export project 1", arguments=asked, label="3 of 20 tasks written")
    body = support.text("/jobs/x1")
    assert "Export project 1" in body and "3 of 20 tasks written" in body and "Result" not in body
    refused = support.send("/jobs/x1/cancel")
    assert refused.status_code == 403


def test_a_sync_tells_what_it_did_and_what_it_left_out(support: Browser, console: Console) -> None:
    ended: dict[str, Any] = {"kind": "sync", "status": "done", "finished_at": datetime.now(UTC)}
    failures = [{"annotation": 7, "reason": "denies <b>s3:PutObject"}]
    target = {"status": "completed_with_errors", "total": 3, "written": 2, "failed": 30, "failures": failures}
    make_job(console, "t1", arguments={"storage": "s3-export:1"}, result=target, **ended)
    body = support.text("/jobs/t1")
    assert "2 of 3 annotations written, 30 failed." in body and "29 more of them" in body
    assert "Annotation 7: denies &lt;b&gt;s3:PutObject" in body
    source = {"status": "completed", "tasks": 4, "listed": 9, "existed": 5, "problem_count": 0, "problems": []}
    make_job(console, "s1", arguments={"storage": "s3:1"}, result=source, **ended)
    body = support.text("/jobs/s1")
    assert "4 new tasks; 9 objects listed, 5 tasks were there before." in body and "left out" not in body
    make_job(console, "o1", arguments={"storage": "s3:1"}, result={}, **ended)
    assert "new tasks" not in support.text("/jobs/o1")
