"""S3 over the real protocol: what is listed, what is refused and how, and that nothing said holds a secret."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto import settings as moto_settings
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer

from console.deployment.buckets import (
    Bucket,
    BucketDenied,
    BucketError,
    BucketMissing,
    BucketProblem,
    BucketUnreachable,
    ObjectMissing,
    Reach,
    Timeouts,
    Unsupported,
    open_bucket,
)
from console.egress import Rules
from console.masking import mask_text

SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY00"
ANY = Reach(rules=Rules(protected=False))
QUICK = replace(ANY, timeouts=Timeouts(connect_seconds=1, read_seconds=1))
ODD_KEYS = [
    "odd/ü – 日本.json",
    "odd/two  blanks.json",
    "odd/../up.json",
    "odd/a+b%20c&d='.json",
    "odd//x",
]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def admin(endpoint: str) -> Any:
    client = client_for(endpoint, "s3")
    client.create_bucket(Bucket="data")
    for key in ["top.json", "img/", "img/1.jpg", "img/2.jpg", "img/sub/3.jpg", "images/4.jpg", "empty", *ODD_KEYS]:
        client.put_object(Bucket="data", Key=key, Body=b"" if key == "empty" else key.encode())
    return client


def client_for(endpoint: str, service: str) -> Any:
    config = Config(retries={"total_max_attempts": 1})
    return boto3.client(
        service,
        endpoint_url=endpoint,
        aws_access_key_id="a",
        aws_secret_access_key="b",
        region_name="us-east-1",
        config=config,
    )


def row(endpoint: str | None, **columns: Any) -> dict[str, Any]:
    keys = {"aws_access_key_id": "AKIAIOSFODNN7EXA0001", "aws_secret_access_key": SECRET, "aws_session_token": None}
    return {"bucket": "data", "region_name": None, "s3_endpoint": endpoint, **keys, **columns}


@pytest.fixture
def bucket(endpoint: str, admin: Any) -> Iterator[Bucket]:
    bucket = open_bucket("s3", row(endpoint), QUICK)
    yield bucket
    bucket.close()


def keys(bucket: Bucket, prefix: str | None, recursive: bool, limit: int = 1000) -> list[str]:
    return [found.key for found in bucket.list(prefix, recursive, limit).keys]


def test_a_flat_listing_stays_in_its_folder(bucket: Bucket) -> None:
    listing = bucket.list("img", False, 1000)
    assert [found.key for found in listing.keys] == ["img/1.jpg", "img/2.jpg"]
    assert listing.common_prefixes == ["img/sub/"] and not listing.truncated
    assert listing.keys[0].size == 9 and listing.keys[0].etag and '"' not in listing.keys[0].etag


@pytest.mark.parametrize("prefix", ["img", "img/", "img///"])
def test_a_recursive_listing_enters_folders_and_the_prefix_is_a_folder(bucket: Bucket, prefix: str) -> None:
    assert keys(bucket, prefix, True) == ["img/1.jpg", "img/2.jpg", "img/sub/3.jpg"]


@pytest.mark.parametrize("prefix", [None, ""])
def test_the_root_of_a_bucket(bucket: Bucket, prefix: str | None) -> None:
    assert keys(bucket, prefix, False) == ["empty", "top.json"]
    assert "img/sub/3.jpg" in keys(bucket, prefix, True)


def test_a_half_folder_name_finds_nothing(bucket: Bucket) -> None:
    assert keys(bucket, "im", True) == []


def test_odd_keys_come_back_as_they_are(bucket: Bucket) -> None:
    assert sorted(keys(bucket, "odd", True)) == sorted(ODD_KEYS)
    for key in ODD_KEYS:
        assert bucket.head(key).size == len(key.encode())
        assert bucket.get_range(key, 0, 5000) == key.encode()


def test_a_key_with_a_line_end(endpoint: str, admin: Any) -> None:
    admin.create_bucket(Bucket="lines")
    # The emulator's router takes no such path, so the object is put behind its back.
    s3_backends["123456789012"]["aws"].put_object("lines", "a\nb.json", b"{}")
    assert keys(open_bucket("s3", row(endpoint, bucket="lines"), ANY), None, False) == ["a\nb.json"]


def test_ranges(bucket: Bucket) -> None:
    assert bucket.get_range("top.json", 0, 0) == b"t"
    assert bucket.get_range("top.json", 4, 99) == b"json"
    assert bucket.get_range("empty", 0, 0) == b""


@pytest.mark.parametrize("limit", [1, 999, 1000, 1001, 2300, 2500, 5000])
def test_more_than_a_page(endpoint: str, admin: Any, limit: int) -> None:
    stored = {found["Name"] for found in admin.list_buckets()["Buckets"]}
    if "many" not in stored:
        admin.create_bucket(Bucket="many")
        for number in range(2300):
            s3_backends["123456789012"]["aws"].put_object("many", f"f/{number:05}.json", b"{}")
    listing = open_bucket("s3", row(endpoint, bucket="many"), ANY).list("f", True, limit)
    assert [found.key for found in listing.keys] == [f"f/{number:05}.json" for number in range(min(limit, 2300))]
    assert listing.truncated is (limit < 2300)


def test_what_is_not_there(bucket: Bucket, endpoint: str) -> None:
    for ask in (lambda: bucket.head("nope"), lambda: bucket.get_range("nope", 0, 0)):
        with pytest.raises(ObjectMissing, match="There is no object 'nope' in bucket data"):
            ask()
    with pytest.raises(BucketMissing, match="There is no bucket other at http"):
        open_bucket("s3", row(endpoint, bucket="other"), ANY).list(None, True, 1)


def test_empty_columns_are_filled_from_the_environment(endpoint: str, admin: Any) -> None:
    environment = {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "S3_ENDPOINT": endpoint,
        "S3_region": "eu-west-1",
    }
    empty = {"aws_access_key_id": "", "aws_secret_access_key": None, "s3_endpoint": ""}
    assert keys(
        open_bucket("s3", row(None, **empty), Reach(environment=environment, rules=Rules(protected=False))),
        "img",
        False,
    )


def test_no_credentials_anywhere(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    nothing = {"aws_access_key_id": None, "aws_secret_access_key": None}
    with pytest.raises(BucketDenied, match="no credentials") as told:
        open_bucket("s3", row(endpoint, **nothing), QUICK).list(None, True, 1)
    assert told.value.provider_code == "NoCredentials"
    assert whole(told)
    with pytest.raises(BucketDenied, match="secret access key is empty") as told:
        open_bucket("s3", row(endpoint, aws_secret_access_key=""), QUICK)
    assert whole(told)


def whole(told: pytest.ExceptionInfo[BucketDenied]) -> bool:
    """Whether the masking of a report leaves the sentence as it is."""
    return mask_text(str(told.value)) == str(told.value)


@contextmanager
def permissions_checked() -> Iterator[None]:
    """The emulator lets everybody do everything unless told to check; the server runs in this process."""
    before = moto_settings.INITIAL_NO_AUTH_ACTION_COUNT
    moto_settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
    try:
        yield
    finally:
        moto_settings.INITIAL_NO_AUTH_ACTION_COUNT = before


@pytest.fixture(scope="module")
def lister(endpoint: str, admin: Any) -> dict[str, str]:
    """A user who may list and not read."""
    iam = client_for(endpoint, "iam")
    if "lister" not in {user["UserName"] for user in iam.list_users()["Users"]}:
        iam.create_user(UserName="lister")
        allow = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::data"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        iam.put_user_policy(UserName="lister", PolicyName="list", PolicyDocument=policy)
    key = iam.create_access_key(UserName="lister")["AccessKey"]
    return {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}


def test_list_allowed_and_get_denied(endpoint: str, lister: dict[str, str]) -> None:
    bucket = open_bucket("s3", row(endpoint, **lister), QUICK)
    with permissions_checked():
        assert keys(bucket, "img", False) == ["img/1.jpg", "img/2.jpg"]
        for operation, ask in {
            "get": lambda: bucket.get_range("img/1.jpg", 0, 0),
            "head": lambda: bucket.head("img/1.jpg"),
        }.items():
            with pytest.raises(BucketDenied) as told:
                ask()
            assert told.value.operation == operation and told.value.provider_code in ("AccessDenied", "403")
            allow = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::data/*"}
            assert json.loads(told.value.statement) == allow
            assert lister["aws_secret_access_key"] not in str(told.value)


def test_list_denied(endpoint: str, lister: dict[str, str], admin: Any) -> None:
    admin.create_bucket(Bucket="private")
    with permissions_checked(), pytest.raises(BucketDenied) as told:
        open_bucket("s3", row(endpoint, bucket="private", **lister), ANY).list(None, True, 1)
    allow = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::private"}
    assert json.loads(told.value.statement) == allow


def test_wrong_keys(endpoint: str, lister: dict[str, str]) -> None:
    with permissions_checked():
        with pytest.raises(BucketDenied, match="access key id is unknown") as told:
            open_bucket("s3", row(endpoint), ANY).list(None, True, 1)
        assert (told.value.provider_code, told.value.statement) == ("InvalidAccessKeyId", "")
        assert whole(told)
        with pytest.raises(BucketDenied, match="does not belong to the access key id"):
            open_bucket("s3", row(endpoint, **(lister | {"aws_secret_access_key": SECRET})), ANY).list(None, True, 1)


class Answering(BaseHTTPRequestHandler):
    """A server that gives the one answer a test wants."""

    answer: tuple[int, dict[str, str], bytes] = (500, {}, b"")

    def do_GET(self) -> None:
        status, headers, body = self.answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def answering() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def error_body(code: str, message: str = "m", extra: str = "") -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message>{extra}</Error>".encode()


ANSWERS = [
    (400, "ExpiredToken", BucketDenied, "session token has expired"),
    (403, "SignatureDoesNotMatch", BucketDenied, "does not belong"),
    (403, "RequestTimeTooSkewed", BucketDenied, "clocks"),
    (403, "AccessDenied", BucketDenied, "denies s3:ListBucket on bucket data"),
    (401, "Unauthorized", BucketDenied, "denies s3:ListBucket"),
    (404, "NoSuchBucket", BucketMissing, "no bucket data"),
    (301, "PermanentRedirect", BucketProblem, "not in the region"),
    (400, "AuthorizationHeaderMalformed", BucketProblem, "not in the region 'us-east-1'; it says 'eu-west-3'"),
    (503, "SlowDown", BucketProblem, "answers 503 SlowDown"),
    (500, "InternalError", BucketProblem, "answers 500 InternalError"),
]


@pytest.mark.parametrize(("status", "code", "kind", "words"), ANSWERS)
def test_answers_of_providers(answering: str, status: int, code: str, kind: type[BucketError], words: str) -> None:
    quoted = f"<AWSAccessKeyId>AKIAIOSFODNN7EXA0001</AWSAccessKeyId><StringToSign>{SECRET}</StringToSign>"
    extra = f"{quoted}<Region>eu-west-3</Region>"
    Answering.answer = (status, {}, error_body(code, f"aws_secret_access_key={SECRET}", extra))
    with pytest.raises(kind, match=words) as told:
        open_bucket("s3", row(answering), QUICK).list("x", True, 1)
    assert SECRET not in str(told.value) and "AKIAIOSFODNN7EXA0001" not in str(told.value)


@pytest.mark.parametrize("body", [b"<html>hello</html", b"\xff\x00", b"{}"])
def test_a_server_that_is_no_s3(answering: str, body: bytes) -> None:
    Answering.answer = (200, {"Content-Type": "text/html"}, body)
    with pytest.raises(BucketProblem, match="not as S3 does"):
        open_bucket("s3", row(answering), QUICK).list(None, True, 1)


def test_a_server_that_ignores_ranges_is_not_read_to_its_end(answering: str) -> None:
    Answering.answer = (200, {}, b"x" * 100_000)
    assert open_bucket("s3", row(answering), QUICK).get_range("k", 0, 9) == b"x" * 10


def test_a_server_that_always_promises_more(answering: str) -> None:
    more = b"<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
    Answering.answer = (200, {}, b"<ListBucketResult>" + more + b"</ListBucketResult>")
    listing = open_bucket("s3", row(answering), QUICK).list(None, True, 10)
    assert listing.keys == [] and listing.truncated


def test_nobody_there() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    with pytest.raises(BucketUnreachable, match=f"http://127.0.0.1:{port} cannot be reached"):
        open_bucket("s3", row(f"http://127.0.0.1:{port}"), QUICK).list(None, True, 1)
    with pytest.raises(BucketUnreachable, match="does not resolve"):
        open_bucket("s3", row("http://no-such-host.invalid"), QUICK).list(None, True, 1)


def test_nobody_answers() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(BucketUnreachable, match="did not answer in time"):
            open_bucket("s3", row(f"http://127.0.0.1:{silent.getsockname()[1]}"), QUICK).list(None, True, 1)


def test_tls_against_a_server_without(endpoint: str) -> None:
    with pytest.raises(BucketUnreachable, match="TLS"):
        open_bucket("s3", row(endpoint.replace("http:", "https:")), QUICK).list(None, True, 1)


HOSTILE = [
    None,
    "",
    " ",
    "a b",
    "a\nb",
    "\r\nX-Evil: 1",
    "x" * 5000,
    "é",
    "\0",
    "../..",
    "s3://data",
    "data/img",
    "{{7*7}}",
    7,
]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize(
    "column",
    [
        "bucket",
        "region_name",
        "s3_endpoint",
        "aws_access_key_id",
        "aws_secret_access_key",
        "aws_session_token",
        "prefix",
    ],
)
def test_hostile_values(endpoint: str, admin: Any, column: str, value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    columns = row(endpoint) | {column: value}
    try:
        bucket = open_bucket("s3", columns, QUICK)
        bucket.list(str(columns.get("prefix") or ""), True, 1)
    except BucketError as told:
        assert "\n" not in str(told) and len(str(told)) < 700 and SECRET not in str(told)


def test_an_endpoint_with_a_password_is_shown_without() -> None:
    with pytest.raises(BucketUnreachable) as told:
        open_bucket("s3", row("http://ann:hunter2@127.0.0.1:9"), QUICK).list(None, True, 1)
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize("kind", ["s3s", "databricks", "../s3", "", "S3", "s3.x", "x" * 99])
def test_other_kinds_are_unsupported(kind: str) -> None:
    with pytest.raises(Unsupported, match="cannot look into storages of type"):
        open_bucket(kind, {})
