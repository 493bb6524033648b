"""The small S3 by the measure of boto3: who signs right is served, and refusals carry S3's own codes."""

from __future__ import annotations

import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.s3_server import KEY_ID, SECRET, Cors, S3Server, Stored


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with S3Server() as server:
        yield server


def boto(s3: S3Server | str, **others: Any) -> Any:
    keys = {"aws_access_key_id": KEY_ID, "aws_secret_access_key": SECRET, "region_name": "us-east-1"} | others
    config = Config(signature_version="s3v4", retries={"total_max_attempts": 1})
    return boto3.client("s3", endpoint_url=s3 if isinstance(s3, str) else s3.endpoint, config=config, **keys)


def test_boto3_writes_lists_reads_and_deletes(s3: S3Server) -> None:
    s3.bucket("data")
    client = boto(s3)
    for number in range(1203):
        s3.buckets["data"].objects[f"f/{number:04}"] = b"x"
    client.put_object(Bucket="data", Key="a b/ü+.json", Body=b"{}", ServerSideEncryption="AES256")
    assert s3.buckets["data"].objects["a b/ü+.json"].headers == {"x-amz-server-side-encryption": "AES256"}  # type: ignore[union-attr]
    pages = list(client.get_paginator("list_objects_v2").paginate(Bucket="data"))
    assert [len(page["Contents"]) for page in pages] == [1000, 204]
    level = client.list_objects_v2(Bucket="data", Delimiter="/", MaxKeys=1)
    assert level["CommonPrefixes"] == [{"Prefix": "a b/"}] and level["IsTruncated"]
    rest = client.list_objects_v2(Bucket="data", Delimiter="/", ContinuationToken=level["NextContinuationToken"])
    assert rest["CommonPrefixes"] == [{"Prefix": "f/"}] and not rest["IsTruncated"]
    assert client.get_object(Bucket="data", Key="a b/ü+.json", Range="bytes=1-")["Body"].read() == b"}"
    client.delete_object(Bucket="data", Key="a b/ü+.json")
    with pytest.raises(ClientError, match="404"):
        client.head_object(Bucket="data", Key="a b/ü+.json")


def test_what_is_signed_wrong_is_refused(s3: S3Server) -> None:
    s3.bucket("data", {"k": b"v"})
    for code, keys in {"SignatureDoesNotMatch": {"aws_secret_access_key": "x"}, "InvalidAccessKeyId": {"aws_access_key_id": "x"},
                       "InvalidToken": {"aws_session_token": "x"}}.items():  # fmt: skip
        with pytest.raises(ClientError, match=code):
            boto(s3, **keys).get_object(Bucket="data", Key="k")
    link = boto(s3).generate_presigned_url("get_object", Params={"Bucket": "data", "Key": "k"}, ExpiresIn=5)
    with urllib.request.urlopen(link) as answer:
        assert answer.read() == b"v"
    for other in (link.replace("/k?", "/l?"), link.replace("Expires=5", "Expires=6"), link.partition("?")[0]):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(other)
    s3.buckets["data"].public = True
    with urllib.request.urlopen(link.partition("?")[0]) as answer:
        assert answer.read() == b"v"


def test_preflights_and_simple_requests_of_browsers(s3: S3Server) -> None:
    s3.bucket(
        "data", {"k": b"v"}, public=True, cors=[Cors(("https://ls.example.com",), ("GET",), ("range",), ("ETag",))]
    )

    def ask(method: str, **headers: str) -> dict[str, str]:
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        with urllib.request.urlopen(
            urllib.request.Request(f"{s3.endpoint}/data/k", method=method, headers=told)
        ) as answer:
            return {name.lower(): value for name, value in answer.headers.items()}

    right = {"Origin": "https://ls.example.com", "Access_Control_Request_Method": "GET"}
    allowed = ask("OPTIONS", **right, Access_Control_Request_Headers="Range")
    assert allowed["access-control-allow-origin"] == "https://ls.example.com"
    assert allowed["access-control-allow-headers"] == "range"
    for wrong in ({"Origin": "https://other.example.com"}, {"Access_Control_Request_Method": "PUT"}):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            ask("OPTIONS", **right | wrong)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        ask("OPTIONS", **right, Access_Control_Request_Headers="x-custom")
    assert ask("GET", Origin="https://ls.example.com")["access-control-expose-headers"] == "ETag"
    assert "access-control-allow-origin" not in ask("GET", Origin="https://other.example.com")


def test_a_program_of_its_own_with_numbered_objects() -> None:
    command = [sys.executable, "-m", "tests.s3_server", "--objects", "3", "--key", "t/%d.json", "--body", '{"n": %d}']
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]) as running:
        assert running.stdout
        client = boto(running.stdout.readline().strip())
        assert [one["Key"] for one in client.list_objects_v2(Bucket="data")["Contents"]] == [
            "t/0.json",
            "t/1.json",
            "t/2.json",
        ]
        assert client.get_object(Bucket="data", Key="t/2.json")["Body"].read() == b'{"n": 2}'
        running.terminate()


def test_a_sparse_object_takes_no_memory(s3: S3Server) -> None:
    s3.bucket("data", {"big": Stored(size=10 << 30)})
    told = boto(s3).get_object(Bucket="data", Key="big", Range=f"bytes={9 << 30}-{(9 << 30) + 9}")
    assert (told["Body"].read(), told["ContentRange"]) == (bytes(10), f"bytes {9 << 30}-{(9 << 30) + 9}/{10 << 30}")
    assert boto(s3).head_object(Bucket="data", Key="big")["ContentLength"] == 10 << 30
