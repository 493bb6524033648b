"""`lsconsole storage look, dry-run, decide, policy, sync` as cron and people run them, on a real protocol."""

from __future__ import annotations

import itertools
import json

import pytest
from sqlalchemy import text

from tests.diagnostics.storage.sources import make_source
from tests.s3_server import SECRET as BUCKET_SECRET
from tests.s3_server import Cors, S3Server
from tests.test_cli import document
from tests.test_cli_storage import Terminal

FILES = {f"img/{number}.jpg": b"x" * 100 for number in range(5)} | {"img/readme.txt": b"hello"}
_number = itertools.count(1)


@pytest.fixture(scope="module")
def server():
    with S3Server() as running:
        yield running


@pytest.fixture
def lsconsole(settings) -> Terminal:
    return Terminal(settings, LSCONSOLE_BUCKET_ENDPOINTS="127.0.0.1", LABEL_STUDIO_HOST="http://label.example.com")


@pytest.fixture
def media(server, session):
    """A source of five pictures and a text below `img/`."""
    name = f"cli-{next(_number)}"
    fake = server.bucket(name, dict(FILES), cors=[Cors()])
    row = server.row(name) | {"prefix": "img", "use_blob_urls": True, "regex_filter": r".*\.jpg$"}
    storage = make_source(session, **row)
    storage.fake = fake
    return storage


def tasks_of(session, project_id: int) -> int:
    session.rollback()
    found = session.execute(text(f"SELECT count(*) FROM task WHERE project_id = {project_id}")).scalar_one()
    session.rollback()
    return found


def test_the_matrix_of_a_healthy_source(lsconsole, media):
    done = lsconsole("storage", "look", f"s3:{media.id}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "LIST" in done.stdout and "PREFLIGHT" in done.stdout and "not tried" in done.stdout
    cells = {
        cell["operation"]: cell["state"]
        for cell in document(lsconsole("storage", "look", f"s3:{media.id}", "--format", "json"))["cells"]
    }
    assert cells["list"] == cells["get"] == cells["simple"] == "ok" and cells["put"] == "not_tried"


def test_a_red_cell_is_an_exit_code_and_a_statement(lsconsole, media):
    media.fake.faults["GET"] = "deny"
    done = lsconsole("storage", "look", f"s3:{media.id}")
    assert done.returncode == 1 and "AccessDenied" in done.stdout and "s3:GetObject" in done.stdout
    assert BUCKET_SECRET not in done.stdout


def test_writing_is_tried_on_request_and_leaves_nothing(lsconsole, media):
    before = dict(media.fake.objects)
    done = lsconsole("storage", "look", f"s3:{media.id}", "--write", "--format", "json")
    cells = {cell["operation"]: cell["state"] for cell in document(done)["cells"]}
    assert (cells["put"], cells["delete"]) == ("ok", "ok") and media.fake.objects == before


def test_all_storages_of_a_project(lsconsole, media):
    found = document(lsconsole("storage", "look", "--project", str(media.project_id), "--format", "json"))
    assert [item["reference"] for item in found] == [f"s3:{media.id}"]


def test_what_sync_would_do_then_syncing_then_nothing_new(lsconsole, media, session):
    reference = f"s3:{media.id}"
    seen = document(lsconsole("storage", "dry-run", reference, "--format", "json"))
    assert (seen["listed"]["objects"], seen["filtered"]["count"], seen["new"]["tasks"]) == (6, 1, 5)
    assert tasks_of(session, media.project_id) == 0
    printed = lsconsole("storage", "dry-run", reference, "--regex", "")
    assert printed.returncode == 0 and "6  tasks they would become" in printed.stdout
    done = lsconsole("storage", "sync", reference)
    assert done.returncode == 0 and "5 tasks made of 5 new objects" in done.stdout
    assert tasks_of(session, media.project_id) == 5
    again = document(lsconsole("storage", "sync", reference, "--format", "json"))
    assert (again["tasks"], again["existed"], again["status"]) == (0, 5, "completed")
    assert tasks_of(session, media.project_id) == 5


def test_a_dry_run_that_would_fail(lsconsole, media, session):
    done = lsconsole("storage", "dry-run", f"s3:{media.id}", "--as-files", "false")
    assert done.returncode == 1 and "would stop at img/0.jpg" in done.stdout
    failing = lsconsole("storage", "dry-run", f"s3:{media.id}", "--regex", "*.jpg")
    assert failing.returncode == 1 and "before it lists anything" in failing.stdout


def test_a_sync_that_fails_says_why(lsconsole, media, session):
    media.fake.faults["LIST"] = "deny"
    done = lsconsole("storage", "sync", f"s3:{media.id}")
    assert done.returncode == 2 and "s3:ListBucket" in done.stderr and BUCKET_SECRET not in done.stderr


def test_the_decision(lsconsole, media):
    media.fake.objects |= {"img/a.json": b'{"text": "a"}'}
    done = lsconsole("storage", "decide", f"s3:{media.id}")
    assert done.returncode == 0 and "The switch is on" in done.stdout
    assert document(lsconsole("storage", "decide", f"s3:{media.id}", "--format", "json"))["verdict"]["code"]


def test_policies_for_a_pipe(lsconsole, media):
    printed = lsconsole("storage", "policy", f"s3:{media.id}")
    assert "s3:GetObject" in printed.stdout and "aws s3api put-bucket-cors" in printed.stdout
    slugs = [item["slug"] for item in document(lsconsole("storage", "policy", f"s3:{media.id}", "--format", "json"))]
    bare = lsconsole("storage", "policy", f"s3:{media.id}", "--only", slugs[0])
    assert json.loads(bare.stdout)["Statement"]
    assert "there is: " in lsconsole("storage", "policy", f"s3:{media.id}", "--only", "nonsense").stderr


@pytest.mark.parametrize("command", ["look", "dry-run", "sync", "decide", "policy", "show"])
def test_a_storage_that_is_not_there(lsconsole, command):
    done = lsconsole("storage", command, "s3:99999")
    assert done.returncode == 2 and "There is no storage s3:99999" in done.stderr


def test_nothing_named(lsconsole):
    assert "Name a storage" in lsconsole("storage", "look").stderr
    assert "lsconsole storage look s3:4" in lsconsole("storage", "--help").stdout
