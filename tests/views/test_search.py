"""The search box: what a ticket holds is found, whatever form it has."""

from __future__ import annotations

from sqlalchemy.orm import Session

from console import jobs
from console.service import Console
from console.state import audit
from console.views.search_query import understand
from tests.factories import BOTH_ENGINES, make_project, make_user
from tests.views.conftest import Browser, assert_queries

PRECISE = [
    ("dave.capital@example.com", "/records/user/details/?id=4"),
    ("DAVE.CAPITAL@EXAMPLE.COM", "/records/user/details/?id=4"),
    ("  alice@example.com ", "/records/user/details/?id=1"),
    ("http://label-studio.example.com/projects/1/data?tab=3&task=5", "/records/task/details/?id=5"),
    ("https://host/projects/2/settings/storage", "/records/project/details/?id=2"),
    ("/projects/2/data", "/records/project/details/?id=2"),
    ("http://host/api/tasks/7/", "/records/task/details/?id=7"),
    ("http://host/user/3", "/records/user/details/?id=3"),
    ("http://host/api/annotations/9/", "/records/annotation/details/?id=9"),
    ("http://host/api/storages/s3/2/sync", "/storages/s3:2"),
    ("http://host/api/storages/export/s3/1", "/storages/s3-export:1"),
    ("s3:1", "/storages/s3:1"),
    ("S3:1", "/storages/s3:1"),
    ("storage:gcs:1", "/storages/gcs:1"),
    ("task 6", "/records/task/details/?id=6"),
    ("project:2", "/records/project/details/?id=2"),
    ("Annotation #3", "/records/annotation/details/?id=3"),
    ("auth.mixed_case_email", "/checks/auth.mixed_case_email"),
    ("s3://bucket/a b.jpg", "/media/?text=s3://bucket/a+b.jpg"),
    ("GS://bucket/x", "/media/?text=GS://bucket/x"),
    ("/data/local-files/?d=a/b.wav", "/media/?text=/data/local-files/?d%3Da/b.wav"),
    ("http://host/data/upload/1/a.csv", "/media/?text=http://host/data/upload/1/a.csv"),
    ("https://files.example.com/a.jpg", "/media/?text=https://files.example.com/a.jpg"),
]


@BOTH_ENGINES
def test_one_thing_named_leads_straight_to_it(admin: Browser) -> None:
    for query, place in PRECISE:
        response = admin.get("/search", query_string={"q": query})
        assert response.status_code == 302, (query, response.get_data(as_text=True))
        assert response.location.endswith(place), query


def test_words_find_people_projects_storages_and_symptoms(admin: Browser) -> None:
    assert "carol@example.com" in admin.text("/search?q=carol@")
    body = admin.text("/search?q=news")
    assert "News entities" in body and "gcs:1" in body
    assert "right password" in admin.text("/search?q=password+sign")
    assert "ls-demo-images" in admin.text("/search?q=demo")


def test_a_part_of_an_email_in_any_case(admin: Browser) -> None:
    response = admin.get("/search?q=capital%40exam", follow_redirects=True)
    assert "Dave.Capital@Example.com" in response.get_data(as_text=True)


def test_an_id_finds_everything_of_that_number(admin: Browser) -> None:
    body = admin.text("/search?q=2")
    for place in ("user", "organization", "project", "task", "annotation"):
        assert f"/records/{place}/details/?id=2" in body


def test_audit_events_and_our_jobs(admin: Browser, console: Console) -> None:
    event = audit.record(console.store, actor="a@example.com", action="signed in")
    assert admin.get(f"/search?q=audit+{event.seq}").location.endswith(f"/audit/{event.seq}")
    job = jobs.start(console, "checks", "Run all checks", {"codes": []}, by="a@example.com").id
    assert admin.get(f"/search?q={job}").location.endswith(f"/jobs/{job}")


def test_findings_are_found_and_marked(admin: Browser, session: Session) -> None:
    make_user(session, email="Zed.Upper@Example.com")
    admin.send("/checks/run")
    body = admin.text("/search?q=zed")
    assert "1 finding" in body and "capital letters" in body


def test_more_than_fit_leads_to_the_list(admin: Browser, session: Session) -> None:
    for number in range(12):
        make_project(session, title=f"Quarter {number}")
    body = admin.text("/search?q=quarter")
    assert "the first 8" in body and "/records/project/?search=quarter" in body


def test_an_empty_query_teaches_and_a_vain_one_says_so(admin: Browser) -> None:
    assert "What the search understands" in admin.text("/search")
    assert "Nothing in the deployment answers" in admin.text("/search?q=zzzzqqqq")


HOSTILE = (
    "%", "_", "'", '"', "\\", "a\x00b", "x" * 10_000, "9" * 60, "s3:" + "9" * 40, "http://[::1", "-1", "0", "1e400", "½",
    "http://host/projects/" + "9" * 30, "task " + "9" * 25, "<script>alert(1)</script>", "²", "\u202e", "a@b", "..", "0x10",
    "::", "[", "(?:", "/projects/",
)  # fmt: skip


@BOTH_ENGINES
def test_hostile_queries_are_only_text(admin: Browser) -> None:
    for query in HOSTILE:
        response = admin.get("/search", query_string={"q": query}, follow_redirects=True)
        assert response.status_code == 200, query
        assert "<script>alert" not in response.get_data(as_text=True)


def test_signs_of_like_are_text(admin: Browser, session: Session) -> None:
    make_project(session, title="Half 50%_done")
    make_project(session, title="Other 50 x done")
    body = admin.get("/search?q=50%25_", follow_redirects=True).get_data(as_text=True)
    assert "Half 50%_done" in body and "Other 50 x" not in body


@BOTH_ENGINES
def test_at_most_four_statements(admin: Browser, console: Console) -> None:
    address = "http://h/projects/1/data?task=5"
    for query in ("example", "2", "s3:1", "alice@example.com", address, "", "0123456789abcdef"):
        admin.text("/jobs/")  # the person and the state of the deployment are fresh
        with assert_queries(console.deployment.engine, at_most=4):
            admin.get("/search", query_string={"q": query})


def test_understanding_needs_no_database() -> None:
    assert understand("http://h/projects/12/data?task=345").id == 345
    assert understand("http://h/projects/12/data?task=345").kinds == ("task",)
    assert understand("http://h/projects/12/data?task=x").kinds == ("project",)
    assert understand("s3-export:04").storage == "s3-export:4"
    assert understand("http://elsewhere.example.com/docs").words
    assert understand("6f1c2a3b4d5e4f60").job
