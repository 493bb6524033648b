"""Odd keys over the real protocol, and answers that nobody should believe or keep."""

from __future__ import annotations

import resource
import urllib.request
from collections.abc import Iterator

import boto3
import pytest
from botocore.config import Config

from console.deployment.buckets import Bucket, BucketError, BucketProblem, ObjectMissing, Reach, Timeouts, open_bucket
from console.egress import Rules
from tests.s3_server import KEY_ID, SECRET, S3Server

ANY = Reach(rules=Rules(protected=False), timeouts=Timeouts(connect_seconds=1, read_seconds=2))
KEYS = [
    "a\nb.json", "tab\there", "q'\"&<>;.json", "../up", "a/../b", "a/./b", "a//b", "/lead", "x" * 1024, "é" * 512, "ü – 日本.json",
    "a+b%20c&d=e?f#g", "%2e%2e/x", "~tilde*(x)!", " blank ", "c:\\d", "\u202eevil", "\U0001f600", ".", "..", "\x01\x1f\x7f",
]  # fmt: skip
START = b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with S3Server() as server:
        server.bucket("keys", {key: key.encode() for key in KEYS})
        yield server


@pytest.fixture
def keys(s3: S3Server) -> Bucket:
    return open_bucket("s3", s3.row("keys"), ANY)


@pytest.fixture
def answering(s3: S3Server) -> Iterator[Bucket]:
    """A bucket of which a test plants the answer."""
    s3.bucket("data", {"f/1": b"x"})
    yield open_bucket("s3", s3.row("data"), ANY)


def test_odd_keys_are_listed_as_boto3_lists_them(s3: S3Server, keys: Bucket) -> None:
    s3.buckets["keys"].objects["bad\udcff.json"] = b""
    boto = boto3.client("s3", endpoint_url=s3.endpoint, aws_access_key_id=KEY_ID, aws_secret_access_key=SECRET,
                        region_name="us-east-1", config=Config(signature_version="s3v4"))  # fmt: skip
    found = boto.list_objects_v2(Bucket="keys")["Contents"]
    listed = keys.list(None, True, 1000).keys
    assert [(one.key, one.size, f'"{one.etag}"', one.modified, one.storage_class) for one in listed] == [
        (one["Key"], one["Size"], one["ETag"], one["LastModified"], one["StorageClass"]) for one in found
    ]
    assert {one.key for one in listed} == {*KEYS, "bad\ufffd.json"}
    del s3.buckets["keys"].objects["bad\udcff.json"]


@pytest.mark.parametrize("key", KEYS, ids=range(len(KEYS)))
def test_odd_keys_are_read_written_and_linked(s3: S3Server, keys: Bucket, key: str) -> None:
    body = key.encode()
    assert keys.read(key, 2000) == body and keys.head(key).size == len(body) and keys.get_range(key, 0, 0) == body[:1]
    assert b"".join(keys.stream(key).chunks) == body and keys.starts_with(key)
    keys.validate(key, False)
    keys.delete(key)
    keys.put(key, body)
    assert s3.log[-1].key == key
    with urllib.request.urlopen(keys.presign(key, 60)) as answer:
        assert answer.read() == body


@pytest.mark.parametrize("prefix", [key for key in KEYS if key.strip("/.")])
def test_odd_prefixes(s3: S3Server, keys: Bucket, prefix: str) -> None:
    below = prefix.rstrip("/")
    s3.buckets["keys"].objects[f"{below}/deep/k"] = b""
    s3.buckets["keys"].objects[f"{below}/k"] = b""
    flat = keys.list(prefix, False, 10)
    assert f"{below}/k" in [one.key for one in flat.keys] and f"{below}/deep/" in flat.common_prefixes
    del s3.buckets["keys"].objects[f"{below}/deep/k"], s3.buckets["keys"].objects[f"{below}/k"]


@pytest.mark.parametrize("key", ["\ud800", "x" * 5000, "\0", "a\r\nX-Evil: 1"])
def test_keys_that_cannot_be(keys: Bucket, key: str) -> None:
    for ask in (lambda: keys.read(key, 9), lambda: keys.head(key), lambda: keys.stream(key)):
        with pytest.raises(BucketError) as told:
            ask()
        assert len(str(told.value)) < 400 and "\n" not in str(told.value)


BOMB = b"<!DOCTYPE a [" + b"".join(
    b'<!ENTITY e%d "%s">' % (number, b"x" * 10 if not number else b"&e%d;" % (number - 1) * 10) for number in range(10)
) + b"]><ListBucketResult>&e9;</ListBucketResult>"  # fmt: skip
NONSENSE = {
    "empty": b"", "blank": b" \n", "html": b"<!doctype html><html><body>hi<br></body></html>", "json": b'{"a": 1}', "null": b"\0" * 9,
    "another root": b"<Error><Code>x</Code></Error>", "cut": START + b"<Contents><Key>a", "bomb": BOMB,
    "external": b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><ListBucketResult/>', "no key": START + b"<Contents/></ListBucketResult>",
    "size": START + b"<Contents><Key>a</Key><Size>big</Size></Contents></ListBucketResult>",
    "count": START + b"<KeyCount>x</KeyCount></ListBucketResult>", "encoding": b'<?xml version="1.0" encoding="nope"?><a/>',
    "folder": START + b"<CommonPrefixes/></ListBucketResult>", "utf-16": "<ListBucketResult><Key>".encode("utf-16"),
    "entity": START + b"<Contents><Key>&x;</Key></Contents></ListBucketResult>",
}  # fmt: skip


@pytest.mark.parametrize("name", NONSENSE)
def test_a_listing_that_is_none(s3: S3Server, answering: Bucket, name: str) -> None:
    s3.buckets["data"].faults["LIST"] = NONSENSE[name]
    for ask in (
        lambda: answering.list(None, True, 1),
        lambda: answering.validate("x", True),
        lambda: answering.starts_with("x"),
    ):
        with pytest.raises(BucketProblem, match="not as S3 does"):
            ask()


@pytest.mark.parametrize("name", NONSENSE)
def test_rules_that_are_none(s3: S3Server, answering: Bucket, name: str) -> None:
    s3.buckets["data"].faults["GETCORS"] = NONSENSE[name]
    with pytest.raises(BucketProblem, match="not as S3 does"):
        answering.cors()


def test_a_listing_of_few_words(s3: S3Server, answering: Bucket) -> None:
    """What other servers leave out or put in."""
    entry = b"<Contents><Owner><ID>me</ID></Owner><Key> a+b </Key><LastModified>once</LastModified></Contents>"
    s3.buckets["data"].faults["LIST"] = START + entry + b"</ListBucketResult>"
    [found] = answering.list(None, True, 9).keys
    assert (found.key, found.size, found.etag, found.modified) == (" a+b ", 0, None, None)
    assert answering.starts_with("a")
    with pytest.raises(BucketProblem, match="does not count the keys"):
        answering.validate("a", True)


def test_a_listing_without_an_end_is_given_up(s3: S3Server, answering: Bucket) -> None:
    s3.buckets["data"].faults["LIST"] = "endless"
    with pytest.raises(BucketProblem, match="not as S3 does"):
        answering.list(None, True, 1)
    s3.buckets["data"].faults["GET"] = "endless"
    with pytest.raises(BucketError, match="more bytes; at most 1,000 are read"):
        answering.read("f/1", 1000)
    assert len(answering.get_range("f/1", 0, 99)) == 100
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 1_500_000


@pytest.mark.parametrize("more", [b"", b"<NextContinuationToken></NextContinuationToken>"])
def test_more_without_a_way_on(s3: S3Server, answering: Bucket, more: bytes) -> None:
    entry = b"<Contents><Key>f/1</Key></Contents>"
    s3.buckets["data"].faults["LIST"] = (
        START + b"<IsTruncated>true</IsTruncated>" + more + entry + b"</ListBucketResult>"
    )
    [page] = answering.pages(None, True)
    assert page.broken_off and [one.key for one in page.objects] == ["f/1"]


def test_pages_that_repeat_themselves(s3: S3Server, answering: Bucket) -> None:
    s3.buckets["data"].faults["LIST"] = "repeat"
    assert len(list(answering.pages(None, True))) == 2
    assert answering.list(None, True, 10**6).truncated


@pytest.mark.parametrize("fault", ["html", "500 InternalError", "400 \n<b>x</b>", "418 " + "x" * 5000])
def test_odd_errors_are_told_in_one_line(s3: S3Server, answering: Bucket, fault: str) -> None:
    for operation in ("LIST", "GET", "HEAD", "PUT", "DELETE"):
        s3.buckets["data"].faults[operation] = fault
    if fault != "html":
        for ask in (lambda: answering.list(None, True, 1), lambda: answering.read("k", 9), lambda: answering.put("k", b""),
                    lambda: answering.head("k"), lambda: answering.delete("k")):  # fmt: skip
            with pytest.raises(BucketProblem) as told:
                ask()
            assert "\n" not in str(told.value) and len(str(told.value)) < 600
    else:
        assert answering.read("k", 999).startswith(b"<!doctype html>")  # an object may be a page


def test_a_missing_object_of_an_odd_name_is_told(keys: Bucket) -> None:
    with pytest.raises(ObjectMissing) as told:
        keys.read("aws_secret_access_key=hunter2secret\nx", 9)
    assert "\n" not in str(told.value) and "hunter2secret" not in str(told.value)
