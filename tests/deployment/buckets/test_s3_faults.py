"""What S3 refuses, method by method: the error, the provider's code, and the statement that would help."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from console.deployment.buckets import (
    Bucket,
    BucketDenied,
    BucketError,
    BucketMissing,
    BucketProblem,
    CorsRule,
    ObjectMissing,
    ObjectTooLarge,
    Reach,
    Timeouts,
    Unsupported,
    open_bucket,
)
from console.deployment.buckets._s3_wire import Route
from console.deployment.buckets.s3 import S3Bucket
from console.egress import Rules
from tests.s3_server import KEY_ID, MODIFIED, SECRET, Cors, Key, S3Server, Stored

ANY = Reach(rules=Rules(protected=False), timeouts=Timeouts(connect_seconds=1, read_seconds=1))
TICKETS = {f"img/{name}": b"0123456789" for name in ("1.jpg", "2.jpg", "sub/3.jpg")}


@pytest.fixture(scope="module")
def running() -> Iterator[S3Server]:
    with S3Server() as server:
        yield server


@pytest.fixture
def s3(running: S3Server) -> Iterator[S3Server]:
    """The server with a fresh bucket `data`."""
    running.bucket("data", TICKETS)
    running.clock_offset_seconds = 0
    yield running
    running.keys = {KEY_ID: Key(SECRET)}


def opened(s3: S3Server, **columns: Any) -> S3Bucket:
    bucket = open_bucket("s3", s3.row("data", **columns), ANY)
    assert isinstance(bucket, S3Bucket)
    return bucket


OPERATIONS: dict[str, tuple[str, str, str, Callable[[Bucket], object]]] = {
    # method -> what the server calls it, operation of the error, action, the call
    "pages": ("LIST", "list", "s3:ListBucket", lambda bucket: next(bucket.pages("img", True))),
    "list": ("LIST", "list", "s3:ListBucket", lambda bucket: bucket.list("img", True, 1)),
    "starts_with": ("LIST", "list", "s3:ListBucket", lambda bucket: bucket.starts_with("im")),
    "validate": ("LIST", "validate", "s3:ListBucket", lambda bucket: bucket.validate("img", False)),
    "head": ("HEAD", "head", "s3:GetObject", lambda bucket: bucket.head("img/1.jpg")),
    "get_range": ("GET", "get", "s3:GetObject", lambda bucket: bucket.get_range("img/1.jpg", 0, 0)),
    "read": ("GET", "get", "s3:GetObject", lambda bucket: bucket.read("img/1.jpg", 100)),
    "stream": ("GET", "get", "s3:GetObject", lambda bucket: bucket.stream("img/1.jpg")),
    "put": ("PUT", "put", "s3:PutObject", lambda bucket: bucket.put("img/new", b"{}")),
    "delete": ("DELETE", "delete", "s3:DeleteObject", lambda bucket: bucket.delete("img/1.jpg")),
    "cors": ("GETCORS", "cors", "s3:GetBucketCORS", lambda bucket: bucket.cors()),
}
EVERY = pytest.mark.parametrize("method", OPERATIONS)


def test_everything_works_for_who_may(s3: S3Server) -> None:
    bucket = opened(s3)
    for *_, call in OPERATIONS.values():
        call(bucket)


@EVERY
def test_a_denied_operation_names_the_statement_of_this_prefix(s3: S3Server, method: str) -> None:
    served, operation, action, call = OPERATIONS[method]
    s3.buckets["data"].faults[served] = "deny"
    with pytest.raises(BucketDenied, match=f"denies {action} on") as told:
        call(opened(s3, prefix="img"))
    assert (told.value.operation, told.value.provider_code) == (
        operation,
        "403" if method == "head" else "AccessDenied",
    )
    wanted: dict[str, Any] = {"Effect": "Allow", "Action": action, "Resource": "arn:aws:s3:::data"}
    if action == "s3:ListBucket":
        wanted["Condition"] = {"StringLike": {"s3:prefix": ["img", "img/*"]}}
    elif action != "s3:GetBucketCORS":
        wanted["Resource"] = "arn:aws:s3:::data/img/*"
    assert json.loads(told.value.statement) == wanted
    assert json.dumps(wanted) in str(told.value)


def test_the_statement_reaches_as_far_as_the_request(s3: S3Server) -> None:
    s3.buckets["data"].faults |= {"GET": "deny", "HEADBUCKET": "deny"}
    with pytest.raises(BucketDenied) as told:
        opened(s3, prefix="other/").read("img/1.jpg", 9)
    assert json.loads(told.value.statement)["Resource"] == "arn:aws:s3:::data/*"
    with pytest.raises(BucketDenied) as told:
        opened(s3).validate(None, False)
    assert told.value.operation == "validate" and "Condition" not in json.loads(told.value.statement)
    with pytest.raises(BucketDenied) as told:
        opened(s3, region_name="cn-north-1", prefix="x/").stream("x/y")
    assert '"arn:aws-cn:s3:::data/x/*"' in told.value.statement


WRONG: list[tuple[str, dict[str, Any], Key | None, float, str, str]] = [
    ("another secret", {"aws_secret_access_key": "not-it"}, None, 0, "SignatureDoesNotMatch", "does not belong"),
    ("an unknown key", {"aws_access_key_id": "AKIDNOBODY"}, None, 0, "InvalidAccessKeyId", "is unknown there"),
    ("an expired token", {"aws_session_token": "t"}, Key(SECRET, "t", expired=True), 0, "ExpiredToken", "has expired"),
    ("a token too much", {"aws_session_token": "t"}, None, 0, "InvalidToken", "token is not valid"),
    ("another token", {"aws_session_token": "u"}, Key(SECRET, "t"), 0, "InvalidToken", "token is not valid"),
    ("a clock ahead", {}, None, 1000, "RequestTimeTooSkewed", "clocks here and there"),
    ("a clock behind", {}, None, -1000, "RequestTimeTooSkewed", "clocks here and there"),
]


@pytest.mark.parametrize(
    ("columns", "key", "offset", "code", "words"), [each[1:] for each in WRONG], ids=[each[0] for each in WRONG]
)
def test_wrong_credentials_are_told_as_such(
    s3: S3Server, columns: dict[str, Any], key: Key | None, offset: float, code: str, words: str
) -> None:
    """By every method: by HEAD as well, whose answer holds no code."""
    s3.keys[KEY_ID] = key or s3.keys[KEY_ID]
    s3.clock_offset_seconds = offset
    bucket = opened(s3, **columns)
    for method, (_, operation, _, call) in OPERATIONS.items():
        with pytest.raises(BucketDenied, match=words) as told:
            call(bucket)
        assert (told.value.provider_code, told.value.statement, told.value.operation) == (code, "", operation), method
        assert SECRET not in str(told.value) and "not-it" not in str(told.value)


def test_a_session_token_is_sent(s3: S3Server) -> None:
    s3.keys["ASIA"] = Key("hush", token="tok/en+==")
    bucket = opened(s3, aws_access_key_id="ASIA", aws_secret_access_key="hush", aws_session_token="tok/en+==")
    assert bucket.read("img/1.jpg", 10) == b"0123456789"
    with urllib.request.urlopen(bucket.presign("img/1.jpg", 60)) as answer:
        assert answer.read() == b"0123456789"


@pytest.mark.parametrize("how", ["malformed", "redirect", "http://127.0.0.1:9"])
def test_a_wrong_region_is_found_out_of(s3: S3Server, how: str) -> None:
    """As boto3 does it, and without going where a redirect points."""
    s3.buckets["data"].region, s3.buckets["data"].wrong_region = "eu-west-3", how
    for method in ("list", "validate", "head", "read", "put", "delete", "cors"):
        OPERATIONS[method][3](opened(s3))
    bucket = opened(s3)
    assert (bucket.region, bucket.true_region()) == ("us-east-1", "eu-west-3")
    with pytest.raises(urllib.error.URLError):  # a link is signed for the region that the storage names
        urllib.request.urlopen(bucket.presign("img/1.jpg", 60))


def test_the_true_region_is_told_to_who_may_nothing(s3: S3Server) -> None:
    s3.buckets["data"].faults["HEADBUCKET"] = "deny"
    s3.buckets["data"].region = "eu-west-3"
    assert opened(s3).true_region() == "eu-west-3"
    s3.buckets["data"].region = "nowhere.example.com/?"
    assert opened(s3).true_region() is None
    with pytest.raises(BucketProblem, match="not in the region 'us-east-1'"):
        opened(s3).list(None, True, 1)


def test_what_is_not_there(s3: S3Server) -> None:
    bucket = opened(s3)
    for ask in (
        lambda: bucket.head("no"),
        lambda: bucket.read("no", 1),
        lambda: bucket.stream("no"),
        lambda: bucket.read("", 1),
    ):
        with pytest.raises(ObjectMissing):
            ask()
    bucket.delete("no")
    gone = open_bucket("s3", s3.row("gone"), ANY)
    for method in sorted(OPERATIONS.keys() - {"head"}):  # whose answer tells no code
        with pytest.raises(BucketMissing, match="There is no bucket gone at http"):
            OPERATIONS[method][3](gone)
    with pytest.raises(BucketMissing):
        gone.validate(None, True)


def test_the_connection_test_is_label_studios(s3: S3Server) -> None:
    bucket = opened(s3)
    bucket.validate("im", False)  # the prefix as typed, no folder
    bucket.validate("nothing/", True)
    bucket.validate(None, False)
    bucket.validate("", True)
    assert s3.log[-1].operation == "HEADBUCKET"
    with pytest.raises(BucketProblem, match="Nothing in bucket data starts with 'nothing/'") as told:
        bucket.validate("nothing/", False)
    assert told.value.provider_code == "PrefixNotFound"
    assert bucket.starts_with("img/sub") and not bucket.starts_with("img/x")
    assert s3.log[-1].query["max-keys"] == "1" and "delimiter" not in s3.log[-1].query


def test_head_tells_what_there_is_to_know(s3: S3Server) -> None:
    s3.buckets["data"].objects["v.mp4"] = Stored(
        b"abc", 0, "video/mp4", "GLACIER", headers={"Content-Encoding": "gzip"}
    )
    found = opened(s3).head("v.mp4")
    assert (found.size, found.content_type, found.content_encoding, found.storage_class) == (
        3,
        "video/mp4",
        "gzip",
        "GLACIER",
    )
    assert found.modified == datetime.fromtimestamp(MODIFIED, UTC) and found.etag == Stored(b"abc").etag
    assert opened(s3).head("img/1.jpg").storage_class == "STANDARD"
    [listed] = opened(s3).list("img/sub", True, 9).keys
    assert (listed.size, listed.modified, listed.storage_class) == (10, found.modified, "STANDARD")


def test_reading_is_bounded(s3: S3Server) -> None:
    s3.buckets["data"].objects["big"] = Stored(size=10 << 30)
    bucket = opened(s3)
    assert bucket.read("img/1.jpg", 10) == b"0123456789"
    with pytest.raises(ObjectTooLarge, match=r"'img/1\.jpg' in bucket data has 10 bytes; at most 9 are read"):
        bucket.read("img/1.jpg", 9)
    with pytest.raises(ObjectTooLarge, match="10,737,418,240 bytes"):
        bucket.read("big", 1000)
    assert bucket.get_range("big", 9 << 30, (9 << 30) + 4) == bytes(5)
    s3.buckets["data"].ranges = False
    assert bucket.get_range("big", 0, 4) == bytes(5)
    assert bucket.head("big").size == 10 << 30


def test_a_stream_of_ten_gigabytes_is_not_read_to_its_end(s3: S3Server) -> None:
    s3.buckets["data"].objects["big"] = Stored(size=10 << 30)
    stream = opened(s3).stream("big")
    assert len(next(stream.chunks)) <= 1 << 20 and stream.length == 10 << 30
    stream.close()


@pytest.mark.parametrize(
    ("asked", "status", "told", "body"),
    [
        (None, 200, None, b"0123456789"), ("bytes=0-3", 206, "bytes 0-3/10", b"0123"), ("bytes=8-", 206, "bytes 8-9/10", b"89"),
        ("bytes=-3", 206, "bytes 7-9/10", b"789"), ("bytes=5-99", 206, "bytes 5-9/10", b"56789"),
    ],
)  # fmt: skip
def test_streams(s3: S3Server, asked: str | None, status: int, told: str | None, body: bytes) -> None:
    stream = opened(s3).stream("img/1.jpg", asked)
    assert (stream.status, stream.content_range, stream.length) == (status, told, len(body))
    assert b"".join(stream.chunks) == body and stream.content_type == "binary/octet-stream" and stream.modified
    stream.close()


def test_a_range_behind_the_end(s3: S3Server) -> None:
    with pytest.raises(BucketError) as told:
        opened(s3).stream("img/1.jpg", "bytes=10-")
    assert told.value.provider_code == "InvalidRange"
    assert opened(s3).get_range("img/1.jpg", 10, 12) == b""


def test_links(s3: S3Server) -> None:
    bucket = opened(s3)
    with urllib.request.urlopen(bucket.presign("img/1.jpg", 60)) as answer:
        assert (answer.read(), answer.headers["content-type"]) == (b"0123456789", "image/jpeg")
    with urllib.request.urlopen(
        urllib.request.Request(bucket.presign("img/1.jpg", 60, "HEAD"), method="HEAD")
    ) as answer:
        assert (answer.headers["content-length"], answer.headers["content-type"]) == ("10", "image/jpeg")
    seen = len(s3.log)
    link = bucket.presign("img/new file.unknown?x", 600)
    assert "X-Amz-Expires=600" in link and "response-content-type" not in link and len(s3.log) == seen
    s3.clock_offset_seconds = 61
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(bucket.presign("img/1.jpg", 60))


def test_cors(s3: S3Server) -> None:
    bucket = opened(s3)
    assert bucket.cors() == ()
    s3.buckets["data"].cors = [Cors(("https://ls.example.com",), ("GET",), (), (), None), Cors()]
    assert bucket.cors()[0] == CorsRule(("https://ls.example.com",), ("GET",))
    assert bucket.cors()[1] == CorsRule(("*",), ("GET", "HEAD"), ("*",), Cors().exposed, 3000)
    s3.buckets["data"].faults["GETCORS"] = "501 NotImplemented"
    with pytest.raises(Unsupported, match="knows no CORS rules"):
        bucket.cors()
    s3.buckets["data"].faults["GETCORS"] = "html"
    with pytest.raises(BucketProblem, match="not as S3 does"):
        bucket.cors()


ENCRYPTION = "x-amz-server-side-encryption"


def test_writing_asks_for_encryption_only_on_request(s3: S3Server) -> None:
    opened(s3, aws_sse_kms_key_id="k").put("out/1", b'{"a": 1}')
    assert s3.buckets["data"].stored("out/1") == Stored(
        b'{"a": 1}', content_type="binary/octet-stream", modified=s3.buckets["data"].stored("out/1").modified  # type: ignore[union-attr]
    )  # fmt: skip
    assert not [name for name in s3.log[-1].headers if name.startswith(ENCRYPTION)]
    opened(s3).put("out/2", b"", encrypt=True)
    assert s3.log[-1].headers[ENCRYPTION] == "AES256"
    opened(s3, aws_sse_kms_key_id="k").put("out/3", b"x", "", encrypt=True)
    sent = s3.log[-1].headers
    assert (sent[ENCRYPTION], sent[f"{ENCRYPTION}-aws-kms-key-id"]) == ("aws:kms", "k")
    opened(s3).delete("out/3")
    assert "out/3" not in s3.buckets["data"].objects


def test_encryption_that_is_demanded_refused_or_without_a_key(s3: S3Server) -> None:
    faults = s3.buckets["data"].faults
    faults["PUT"] = "sse-required"
    with pytest.raises(BucketDenied, match="s3:PutObject"):
        opened(s3).put("k", b"")
    opened(s3).put("k", b"", encrypt=True)
    faults["PUT"] = "sse-refused"
    opened(s3).put("k", b"")
    with pytest.raises(BucketProblem, match="501 NotImplemented") as problem:
        opened(s3).put("k", b"", encrypt=True)
    assert problem.value.provider_code == "NotImplemented"
    faults["PUT"] = "kms"
    with pytest.raises(BucketDenied, match="KMS key") as denied:
        opened(s3, aws_sse_kms_key_id="arn:aws:kms:us-east-1:1:key/a").put("k", b"", encrypt=True)
    wanted = {"Effect": "Allow", "Action": "kms:GenerateDataKey", "Resource": "arn:aws:kms:us-east-1:1:key/a"}
    assert json.loads(denied.value.statement) == wanted
    faults["GET"] = "400 KMS.DisabledException"
    with pytest.raises(BucketDenied, match=r"KMS\.DisabledException") as denied:
        opened(s3).read("k", 9)
    assert json.loads(denied.value.statement)["Action"] == "kms:Decrypt"


def test_an_archived_object_is_no_matter_of_permission(s3: S3Server) -> None:
    s3.buckets["data"].faults["GET"] = "403 InvalidObjectState"
    with pytest.raises(BucketDenied, match="archive class") as told:
        opened(s3).read("img/1.jpg", 10)
    assert (told.value.provider_code, told.value.statement) == ("InvalidObjectState", "")


def test_faults_of_one_object_and_of_one_key(s3: S3Server) -> None:
    s3.buckets["data"].faults["GET img/1.jpg"] = "deny"
    assert opened(s3).read("img/2.jpg", 10) and not opened(s3).get_range("img/2.jpg", 99, 99)
    with pytest.raises(BucketDenied):
        opened(s3).read("img/1.jpg", 10)
    s3.keys["AKIDLISTER"] = Key("s", faults={"GET": "deny", "HEAD": "deny"})
    lister = opened(s3, aws_access_key_id="AKIDLISTER", aws_secret_access_key="s")
    assert len(lister.list("img", True, 9).keys) == 3
    with pytest.raises(BucketDenied, match="s3:GetObject"):
        lister.head("img/2.jpg")


def test_a_denied_head_beside_an_allowed_get(s3: S3Server) -> None:
    s3.buckets["data"].faults["HEAD"] = "deny"
    with pytest.raises(BucketDenied) as told:
        opened(s3).head("img/1.jpg")
    assert told.value.provider_code == "403"
    s3.buckets["data"].faults["GET"] = "deny"
    with pytest.raises(BucketDenied) as told:
        opened(s3).head("img/1.jpg")
    assert told.value.provider_code == "AccessDenied"


def test_the_kept_connection_that_the_server_ends_is_opened_anew(s3: S3Server) -> None:
    s3.buckets["data"].faults["GET"] = "reset"
    before = len([seen for seen in s3.log if seen.operation == "GET"])
    with pytest.raises(BucketError, match="closed the connection"):
        opened(s3).read("img/1.jpg", 10)
    assert len([seen for seen in s3.log if seen.operation == "GET"]) == before + 2
    s3.buckets["data"].faults["PUT"] = "reset"
    with pytest.raises(BucketError, match="closed the connection"):
        opened(s3).put("img/1.jpg", b"")
    assert [seen.operation for seen in s3.log][-2:] == ["GET", "PUT"]


ROUTES = {
    "data": ("https://data.s3.eu-west-1.amazonaws.com", "https://data.s3.amazonaws.com/k?"),
    "my.data": ("https://s3.eu-west-1.amazonaws.com/my.data", "https://s3.eu-west-1.amazonaws.com/my.data/k?"),
}


@pytest.mark.parametrize("name", ROUTES)
def test_virtual_hosts_and_paths_as_boto3_chooses(name: str) -> None:
    """Its links are for the address of no region where that works."""
    row = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "eu-west-1", "bucket": name}
    bucket = open_bucket("s3", row, ANY)
    assert isinstance(bucket, S3Bucket)
    assert bucket._route("eu-west-1") == Route(ROUTES[name][0], "eu-west-1", "s3")
    assert bucket._route("eu-west-3").region == "eu-west-3"
    assert bucket.presign("k", 60).startswith(ROUTES[name][1])
    link = open_bucket("s3", row | {"s3_endpoint": "https://minio.example.com/s3"}, ANY).presign("k", 60)
    assert link.startswith(f"https://minio.example.com/s3/{name}/k?")


def test_a_path_in_the_endpoint_and_a_host_of_a_bucket(s3: S3Server) -> None:
    s3.bucket("s3", {"data/k": b"v"})
    bucket = open_bucket("s3", s3.row("data", s3_endpoint=f"{s3.endpoint}/s3"), ANY)
    assert bucket.read("k", 9) == b"v"


def test_threads_share_a_bucket(s3: S3Server) -> None:
    from concurrent.futures import ThreadPoolExecutor

    s3.buckets["data"].objects.update({f"n/{number}": b"%d" % number for number in range(200)})
    bucket = opened(s3)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda number: bucket.read(f"n/{number}", 9), range(200))) == [
            b"%d" % n for n in range(200)
        ]


def test_credentials_are_asked_for_when_they_are_needed(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_SHARED_CREDENTIALS_FILE": "/none",
        "AWS_CONFIG_FILE": "/none",
    }.items():
        monkeypatch.setenv(name, value)
    bucket = opened(s3, aws_access_key_id=None, aws_secret_access_key=None)
    for operation, call in (("get", lambda: bucket.read("k", 1)), ("get", lambda: bucket.presign("k", 1)),
                            ("validate", lambda: bucket.validate(None, True)), ("put", lambda: bucket.put("k", b""))):  # fmt: skip
        with pytest.raises(BucketDenied, match="There are no credentials") as told:
            call()
        assert (told.value.operation, told.value.provider_code) == (operation, "NoCredentials")
    environment = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET}
    row = s3.row("data", aws_access_key_id="", aws_secret_access_key=None)
    assert open_bucket("s3", row, replace(ANY, environment=environment)).read("img/1.jpg", 10)
