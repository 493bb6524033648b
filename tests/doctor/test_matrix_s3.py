"""The matrix of S3, cell by cell: what makes each of them red, in S3's own words, with the statement that is missing."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.orm import Session

from console.config import Settings
from console.deployment import Deployment
from console.deployment.storages import Storage
from console.doctor import matrix
from console.doctor.cells import Cell
from tests.doctor.conftest import ORIGIN, Look, storage_of
from tests.factories import make_project, make_task
from tests.s3_server import Cors, FakeBucket, S3Server, Stored
from tests.s3_signing import Key

BROWSER = ("presign", "range", "preflight", "simple")
TRIED = ("resolve", "list", "get", "head", *BROWSER)


@pytest.fixture
def s3() -> Iterator[S3Server]:
    with S3Server() as server:
        yield server


@pytest.fixture
def bucket(s3: S3Server) -> FakeBucket:
    """Two pictures, shared with everybody."""
    return s3.bucket("data", {"img/a.png": b"png", "img/deep/b.png": b"png"}, cors=[Cors()])


def source(s3: S3Server, kind: str = "s3", **columns: Any) -> Storage:
    return storage_of(kind, s3.row("data", prefix="img"), **columns)


def states(cells: dict[str, Cell]) -> dict[str, str]:
    return {name: cell.state for name, cell in cells.items()}


def failed(cells: dict[str, Cell]) -> list[str]:
    return [name for name, cell in cells.items() if cell.state == "failed"]


def test_all_is_well(look: Look, s3: S3Server, bucket: FakeBucket) -> None:
    cells = look(source(s3))
    assert states(cells) == {**dict.fromkeys(TRIED, "ok"), "put": "not_tried", "delete": "not_tried"}
    assert cells["get"].detail["key"] == "img/a.png" and ORIGIN in cells["simple"].message
    assert cells["resolve"].detail["region"] == "us-east-1"
    assert {seen.operation for seen in s3.log} <= {"LIST", "GET", "HEAD", "HEADBUCKET", "OPTIONS"}
    assert not any("authorization" in seen.headers for seen in s3.log if "X-Amz-Signature" in seen.query)


def test_no_message_holds_a_secret(deployment: Deployment, s3: S3Server, bucket: FakeBucket) -> None:
    bucket.faults.update({"GET": "deny", "LIST": "deny"})
    told = json.dumps(matrix.look(deployment, source(s3), consent=True).document())
    assert not any(key.secret in told for key in s3.keys.values()) and "X-Amz-Signature" not in told


def test_writing_with_consent_leaves_nothing_behind(look: Look, s3: S3Server, bucket: FakeBucket) -> None:
    before = dict(bucket.objects)
    cells = look(source(s3), consent=True)
    assert cells["put"].state == cells["delete"].state == "ok"
    assert bucket.objects == before
    [written] = [seen.key for seen in s3.log if seen.operation == "PUT"]
    assert written.startswith("img/.lsconsole-probe-")


def test_without_consent_nothing_is_written(look: Look, s3: S3Server, bucket: FakeBucket) -> None:
    look(source(s3, "s3-export"))
    assert not [seen for seen in s3.log if seen.operation in {"PUT", "DELETE"}]


def test_a_target_is_asked_what_a_target_needs(look: Look, s3: S3Server, bucket: FakeBucket) -> None:
    cells = look(source(s3, "s3-export"), consent=True)
    assert states(cells) == {
        "resolve": "ok", "list": "ok", "get": "not_applicable", "head": "not_applicable",
        **dict.fromkeys(BROWSER, "not_applicable"), "put": "ok", "delete": "ok",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "red", "action", "resource"),
    [
        ("LIST", "list", "s3:ListBucket", "arn:aws:s3:::data"),
        ("GET", "get", "s3:GetObject", "arn:aws:s3:::data/img/*"),
        ("HEAD", "head", "s3:GetObject", "arn:aws:s3:::data/img/*"),
        ("PUT", "put", "s3:PutObject", "arn:aws:s3:::data/img/*"),
        ("DELETE", "delete", "s3:DeleteObject", "arn:aws:s3:::data/img/*"),
    ],
)
def test_a_denied_operation_names_the_statement(
    look: Look, s3: S3Server, bucket: FakeBucket, fault: str, red: str, action: str, resource: str
) -> None:
    bucket.faults[fault] = "deny"
    cell = look(source(s3), consent=True)[red]
    assert cell.state == "failed" and cell.code == ("403" if fault == "HEAD" else "AccessDenied")
    told = json.loads(cell.statement)
    assert (told["Action"], told["Resource"]) == (action, resource)


def test_denied_get_takes_the_browser_with_it(look: Look, s3: S3Server, bucket: FakeBucket) -> None:
    bucket.faults["GET"] = "deny"
    cells = look(source(s3))
    assert failed(cells) == ["get", "presign", "range", "simple"]
    assert "403 AccessDenied" in cells["presign"].message and "s3:GetObject" in cells["presign"].statement


def test_a_marker_that_cannot_be_removed_is_named(look: Look, s3: S3Server, bucket: FakeBucket) -> None:
    bucket.faults["DELETE"] = "deny"
    cell = look(source(s3), consent=True)["delete"]
    [left] = [key for key in bucket.objects if ".lsconsole-probe-" in key]
    assert left in cell.message and "remove it by hand" in cell.message


def test_removing_is_tried_also_where_writing_is_denied(look: Look, s3: S3Server, bucket: FakeBucket) -> None:
    bucket.faults["PUT"] = "deny"
    cells = look(source(s3), consent=True)
    assert (cells["put"].state, cells["delete"].state) == ("failed", "ok")


def test_the_marker_goes_when_the_middle_breaks(
    deployment: Deployment, s3: S3Server, bucket: FakeBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Cell:
        raise ZeroDivisionError

    monkeypatch.setattr(matrix.Trial, "_delete", broken)
    with pytest.raises(ZeroDivisionError):
        matrix.look(deployment, source(s3), consent=True)
    assert [seen.operation for seen in s3.log][-2:] == ["PUT", "DELETE"]
    assert sorted(bucket.objects) == ["img/a.png", "img/deep/b.png"]


def test_writing_without_the_right_to_the_key(look: Look, s3: S3Server, bucket: FakeBucket) -> None:
    bucket.faults["PUT"] = "kms"
    cell = look(source(s3, "s3-export", aws_sse_kms_key_id="abc"), consent=True)["put"]
    assert cell.state == "failed" and "kms:" in cell.statement


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (None, "InvalidAccessKeyId"),
        (Key("another secret of forty characters long.."), "SignatureDoesNotMatch"),
        (Key("wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY01", expired=True), "ExpiredToken"),
    ],
)
def test_refused_credentials_in_the_providers_words(
    look: Look, s3: S3Server, bucket: FakeBucket, key: Key | None, code: str
) -> None:
    [name] = s3.keys
    if key is None:
        del s3.keys[name]
    else:
        s3.keys[name] = key
    cell = look(source(s3, aws_session_token="t" if key and key.expired else None))["list"]
    assert (cell.state, cell.code, cell.statement) == ("failed", code, "")


def test_a_clock_that_differs(look: Look, s3: S3Server, bucket: FakeBucket) -> None:
    s3.clock_offset_seconds = 3600
    cell = look(source(s3))["list"]
    assert (cell.state, cell.code) == ("failed", "RequestTimeTooSkewed")


def test_half_of_the_credentials(look: Look, s3: S3Server, bucket: FakeBucket) -> None:
    cells = look(source(s3, aws_secret_access_key=""))
    assert cells["resolve"].code == "PartialCredentials" and cells["list"].state == "unknown"


@pytest.mark.parametrize("how", ["malformed", "redirect"])
def test_a_wrong_region(look: Look, s3: S3Server, how: str) -> None:
    s3.bucket("data", {"img/a.png": b"png"}, cors=[Cors()], region="eu-west-1", wrong_region=how)
    cells = look(source(s3))
    assert cells["resolve"].state == "failed" and cells["resolve"].statement == "region_name: eu-west-1"
    assert cells["presign"].state == "failed"
    assert look(source(s3, region_name="eu-west-1"))["presign"].state == "ok"


def test_no_such_bucket_ends_the_look(look: Look, s3: S3Server) -> None:
    cells = look(source(s3), consent=True)
    assert cells["list"].state == "failed" and "no bucket data" in cells["list"].message
    assert {cells[name].state for name in (*TRIED[2:], "put", "delete")} == {"unknown"}
    assert not [seen for seen in s3.log if seen.operation == "PUT"]


def test_a_page_instead_of_an_answer(look: Look, s3: S3Server, bucket: FakeBucket) -> None:
    bucket.faults["LIST"] = "html"
    cell = look(source(s3))["list"]
    assert cell.state == "failed" and "not as S3 does" in cell.message


def test_a_name_that_does_not_resolve(look: Look, s3: S3Server) -> None:
    cells = look(source(s3, s3_endpoint="http://nowhere.invalid:9000"))
    assert cells["resolve"].state == "failed" and "does not resolve" in cells["resolve"].message
    assert {cells[name].state for name in TRIED[1:]} == {"unknown"}


@pytest.mark.parametrize(
    ("endpoint", "told"),
    [
        ("http://127.0.0.2:9000", "LSCONSOLE_BUCKET_ENDPOINTS"),
        ("http://169.254.169.254", "metadata service"),
        ("http://metadata.google.internal", "metadata service"),
        ("http://", "names no host"),
        ("http://x:99999", "cannot be read"),
        ("ftp://127.0.0.1", "names no host"),
    ],
)
def test_the_network_rules_come_first(look: Look, s3: S3Server, endpoint: str, told: str) -> None:
    cells = look(source(s3, s3_endpoint=endpoint))
    assert cells["resolve"].state == "failed" and told in cells["resolve"].message
    assert cells["list"].state == "unknown"


def test_a_redirect_is_not_followed(look: Look, s3: S3Server) -> None:
    elsewhere = "http://169.254.169.254"
    s3.bucket("data", {"img/a.png": b"png"}, region="eu-west-1", wrong_region=elsewhere)
    cell = look(source(s3))["presign"]
    assert cell.state in {"failed", "unknown"} and "169.254" not in cell.message


@pytest.mark.parametrize(
    ("rules", "red", "told"),
    [
        (None, ["preflight", "simple"], "has no CORS rules"),
        ([Cors(origins=("https://other.example.com",))], ["preflight", "simple"], "for https://other.example.com"),
        ([Cors(methods=("PUT",))], ["preflight", "simple"], "allow PUT"),
        ([Cors(headers=())], ["preflight"], "question is refused"),
    ],
)
def test_cors_rules_that_do_not_fit(
    look: Look, s3: S3Server, bucket: FakeBucket, rules: list[Cors] | None, red: list[str], told: str
) -> None:
    bucket.cors = rules
    cells = look(source(s3))
    assert failed(cells) == red
    assert told in cells[red[0]].message
    assert json.loads(cells[red[0]].statement)["CORSRules"][0]["AllowedOrigins"] == [ORIGIN]


def test_a_header_that_players_need_and_nobody_exposes(look: Look, s3: S3Server, bucket: FakeBucket) -> None:
    bucket.cors = [Cors(exposed=())]
    assert "Content-Range is not exposed" in look(source(s3))["simple"].message


def test_a_server_without_ranges(look: Look, s3: S3Server, bucket: FakeBucket) -> None:
    bucket.ranges = False
    cells = look(source(s3))
    assert failed(cells) == ["range"] and "whole file" in cells["range"].message
    cells = look(source(s3, presign=False))
    assert cells["range"].state == "failed"


def test_an_archived_object(look: Look, s3: S3Server, bucket: FakeBucket) -> None:
    bucket.faults["GET"] = "403 InvalidObjectState"
    assert look(source(s3))["get"].code == "InvalidObjectState"


class TestSecurePages:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return replace(settings, label_studio_url="https://label.example.com")

    def test_a_link_without_tls_on_a_page_with_it(self, look: Look, s3: S3Server, bucket: FakeBucket) -> None:
        cell = look(source(s3))["presign"]
        assert (cell.state, cell.code) == ("failed", "mixed content")


class TestNoOrigin:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return replace(settings, label_studio_url=None)

    def test_cors_cannot_be_told(self, look: Look, s3: S3Server, bucket: FakeBucket) -> None:
        cells = look(source(s3))
        assert cells["preflight"].state == cells["simple"].state == "unknown"
        assert "LSCONSOLE_LABEL_STUDIO_URL" in cells["simple"].message


def test_signed_links_off(look: Look, s3: S3Server, bucket: FakeBucket) -> None:
    cells = look(source(s3, presign=False))
    assert states(cells)["range"] == "ok"
    assert {cells[name].state for name in ("presign", "preflight", "simple")} == {"not_applicable"}


def test_json_tasks_show_files_only_when_tasks_say_so(
    look: Look, s3: S3Server, bucket: FakeBucket, session: Session
) -> None:
    bucket.objects["img/t.json"] = b"{}"
    project = make_project(session)
    json_source = source(s3, use_blob_urls=False, project_id=project.id)
    cells = look(json_source)
    assert {cells[name].state for name in BROWSER} == {"not_applicable"} and cells["get"].detail["key"] == "img/t.json"
    make_task(session, project=project, data={"image": "s3://data/img/deep/b.png"})
    cells = look(json_source)
    assert cells["presign"].state == "ok" and cells["presign"].detail["key"] == "img/deep/b.png"


def test_a_prefix_with_nothing_below(look: Look, s3: S3Server, bucket: FakeBucket) -> None:
    cells = look(source(s3, prefix="none"))
    assert cells["list"].state == "failed" and "Nothing" in cells["list"].message
    assert cells["get"].state == "unknown" and "no object" in cells["get"].message
    assert look(source(s3, prefix=""))["list"].message.startswith("Nothing lies directly at the top")


def test_the_object_is_one_that_the_filter_takes(look: Look, s3: S3Server, bucket: FakeBucket) -> None:
    assert look(source(s3, regex_filter=".*b.png", recursive_scan=True))["get"].detail["key"] == "img/deep/b.png"
    assert look(source(s3, regex_filter="*.png"))["get"].detail["key"] == "img/a.png"


def test_a_known_key_stands_in_where_listing_is_denied(
    look: Look, s3: S3Server, bucket: FakeBucket, session: Session
) -> None:
    bucket.faults["LIST"] = "deny"
    cells = look(source(s3))
    assert cells["get"].state == "unknown"
    link = session.info["schema"].table("io_storages_s3importstoragelink")
    row = session.execute(link.select().order_by(link.c.id.desc()).limit(1)).mappings().one()
    bucket.objects[row["key"]] = b"{}"
    known = replace(source(s3), id=row["storage_id"])
    assert look(known)["get"].state == "ok"


def test_a_huge_object_is_not_read(look: Look, s3: S3Server, bucket: FakeBucket) -> None:
    s3.bucket("data", {"img/big.mp4": Stored(size=10 << 30)}, cors=[Cors()])
    started = time.monotonic()
    cells = look(source(s3))
    assert failed(cells) == [] and time.monotonic() - started < 5


@pytest.mark.parametrize("fault", ["hang", "drip", "endless", "reset"])
def test_a_bucket_that_never_answers_ends_in_time(
    deployment: Deployment, s3: S3Server, bucket: FakeBucket, fault: str
) -> None:
    for operation in ("LIST", "HEADBUCKET", "GET", "HEAD", "PUT", "DELETE"):
        bucket.faults[operation] = fault
    started = time.monotonic()
    seen = matrix.look(deployment, source(s3), consent=True, seconds=1.5)
    assert time.monotonic() - started < 2.5
    cells = {cell.operation: cell for cell in seen.cells}
    assert cells["list"].state in {"failed", "unknown"} and cells["get"].state == "unknown"
    assert seen.worst != "ok"


def test_a_put_that_hangs_names_the_marker(deployment: Deployment, s3: S3Server, bucket: FakeBucket) -> None:
    bucket.faults["PUT"] = "hang"
    seen = matrix.look(deployment, source(s3, "s3-export"), consent=True, seconds=1.0)
    cells = {cell.operation: cell for cell in seen.cells}
    assert cells["put"].state == cells["delete"].state == "unknown"
    assert ".lsconsole-probe-" in cells["put"].message and "may be left" in cells["put"].message


def test_a_put_that_comes_late_is_removed_all_the_same(
    deployment: Deployment, s3: S3Server, bucket: FakeBucket
) -> None:
    bucket.faults["PUT"] = "slow"
    s3.slow_seconds = 1.0
    seen = matrix.look(deployment, source(s3, "s3-export"), consent=True, seconds=0.7)
    assert {cell.operation: cell.state for cell in seen.cells}["put"] == "unknown"
    give_up = time.monotonic() + 5
    while not [one for one in s3.log if one.operation == "DELETE"] and time.monotonic() < give_up:
        time.sleep(0.05)
    assert sorted(bucket.objects) == ["img/a.png", "img/deep/b.png"]


def test_hostile_keys_are_tried_as_they_are(look: Look, s3: S3Server) -> None:
    name = 'img/it\'s "a"\n<b>%2e..&?#+.png'
    s3.bucket("data", {name: b"x"}, cors=[Cors()])
    assert failed(look(source(s3))) == []
