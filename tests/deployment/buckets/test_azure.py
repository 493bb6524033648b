"""Azure Blob over its REST API: Azurite checks keys and SAS for real, a stand-in gives the answers it never gives."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from azure.storage.blob import (
    AccountSasPermissions,
    BlobServiceClient,
    ContainerSasPermissions,
    ResourceTypes,
    generate_account_sas,
    generate_container_sas,
)
from azure.storage.blob import CorsRule as AccountRule

from console.deployment.buckets import (
    Bucket,
    BucketDenied,
    BucketError,
    BucketMissing,
    BucketProblem,
    BucketUnreachable,
    CorsRule,
    ObjectMissing,
    ObjectTooLarge,
    Reach,
    Timeouts,
    open_bucket,
)
from tests.azure_server import Azure, AzureServer, azure, azure_server

QUICK = Timeouts(connect_seconds=1, read_seconds=2)
KEY = "a2V5LWtleS1rZXkta2V5LWtleS1rZXkta2V5LWtleS1rZXkta2V5LWtleS1rZXkta2V5LWtleS1rZXkta2V5LQ=="
ROW = {"container": "data", "account_name": "labelstore", "account_key": KEY}
KEYS = ["top.json", "img/", "img/1.jpg", "img/2.jpg", "img/sub/", "img/sub/3.jpg", "images/4.jpg", "empty", "~tilde"]
ODD_KEYS = [
    "odd/ü – 日本.json",
    "odd/two  blanks.json",
    "odd/../up.json",
    "odd/./x",
    "odd/a+b%20c&d='.json",
    "odd//x",
    "odd/a\nb",
]


@pytest.fixture(scope="module")
def server() -> Iterator[AzureServer]:
    with azure_server() as server:
        admin = library(server)
        admin.create_container("data")
        admin.create_container("many")
        bucket = at(server)
        for key in [*KEYS, *ODD_KEYS]:
            bucket.put(key, b"" if key in ("empty", "img/", "img/sub/") else key.encode())
        yield server


@pytest.fixture
def bucket(server: AzureServer) -> Iterator[Bucket]:
    bucket = at(server)
    yield bucket
    bucket.close()


@pytest.fixture
def stand_in() -> Iterator[Azure]:
    with azure() as state:
        yield state


def library(server: AzureServer) -> BlobServiceClient:
    return BlobServiceClient(server.endpoint.format(account=server.account), credential=server.key, retry_total=0)


def at(server: AzureServer | Azure, **columns: Any) -> Any:
    login = server.login if isinstance(server, AzureServer) else {}
    return open_bucket("azure", {**ROW, **login, **columns}, Reach(azure_endpoint=server.endpoint, timeouts=QUICK))


def keys(bucket: Bucket, prefix: str | None, recursive: bool, limit: int = 5000) -> list[str]:
    return [found.key for found in bucket.list(prefix, recursive, limit).keys]


def test_a_flat_listing_stays_in_its_folder(bucket: Bucket) -> None:
    listing = bucket.list("img", False, 1000)
    assert [found.key for found in listing.keys] == ["img/1.jpg", "img/2.jpg"]
    assert listing.common_prefixes == ["img/sub/"] and not listing.truncated
    first = listing.keys[0]
    assert (first.size, first.content_type, first.storage_class) == (9, "application/octet-stream", "Hot")
    assert first.modified and first.modified.tzinfo and first.etag and '"' not in first.etag


@pytest.mark.parametrize("prefix", ["img", "img/", "img///"])
def test_placeholders_of_folders_are_objects_but_for_the_prefix_itself(bucket: Bucket, prefix: str) -> None:
    assert keys(bucket, prefix, True) == ["img/1.jpg", "img/2.jpg", "img/sub/", "img/sub/3.jpg"]


def test_the_listing_is_that_of_label_studios_library(bucket: Bucket, server: AzureServer) -> None:
    """`iter_objects` lists or walks with `prefix/`, and drops what has no size and the entry of the prefix itself."""
    client = library(server).get_container_client("data")
    for prefix in (None, "img", "odd", "im"):
        folder = f"{prefix}/" if prefix else ""
        flat = [item.name for item in client.list_blobs(name_starts_with=folder)]
        walked = client.walk_blobs(name_starts_with=folder or None, delimiter="/")
        level = [item.name for item in walked if hasattr(item, "size")]
        for recursive, names in ((True, flat), (False, level)):
            assert keys(bucket, prefix, recursive) == [name for name in names if name != (folder or "/")]


def test_odd_keys_come_back_as_they_are(bucket: Bucket, server: AzureServer) -> None:
    assert sorted(keys(bucket, "odd", True)) == sorted(ODD_KEYS)
    for key in ODD_KEYS:
        assert bucket.head(key).size == len(key.encode())
        assert bucket.get_range(key, 0, 5000) == bucket.read(key, 5000) == key.encode()


@pytest.mark.parametrize("key", ["..", "../other/x", "../../x", "a/../../other/x", "."])
def test_a_key_does_not_lead_out_of_its_container(stand_in: Azure, key: str) -> None:
    at(stand_in).get_range(key, 0, 0)
    [asked] = stand_in.asked
    assert asked.startswith("GET /labelstore/data/") and "/../" not in asked and not asked.endswith("/..")


def test_ranges(bucket: Bucket) -> None:
    assert bucket.get_range("top.json", 0, 0) == b"t"
    assert bucket.get_range("top.json", 4, 99) == b"json"
    assert bucket.get_range("empty", 0, 0) == b""


@pytest.mark.parametrize(
    ("header", "status", "told", "body"),
    [
        (None, 200, None, b"top.json"),
        ("bytes=2-4", 206, "bytes 2-4/8", b"p.j"),
        ("bytes=4-", 206, "bytes 4-7/8", b"json"),
        ("bytes=-4", 206, "bytes 4-7/8", b"json"),
        ("bytes=-400", 206, "bytes 0-7/8", b"top.json"),
        ("bytes=0-1,3-4", 200, None, b"top.json"),
        ("bytes=5-2", 200, None, b"top.json"),
    ],
)
def test_a_stream_answers_ranges(bucket: Bucket, header: str | None, status: int, told: str, body: bytes) -> None:
    stream = bucket.stream("top.json", header)
    assert (stream.status, stream.content_range, stream.length) == (status, told, len(body))
    assert b"".join(stream.chunks) == body and stream.content_type == "application/octet-stream" and stream.modified
    stream.close()


def test_a_range_behind_the_end(bucket: Bucket) -> None:
    with pytest.raises(BucketProblem, match=r"'top\.json' in container data ends before") as told:
        bucket.stream("top.json", "bytes=900-")
    assert told.value.provider_code == "InvalidRange"


def test_a_large_object_is_not_read_to_its_end(bucket: Bucket) -> None:
    bucket.put("large", b"x" * 3_000_000)
    with pytest.raises(ObjectTooLarge, match="'large' in container data is larger than 1000 bytes"):
        bucket.read("large", 1000)
    bucket.delete("large")


@pytest.mark.parametrize("limit", [1, 99, 100, 101, 230, 500])
def test_more_than_a_page(server: AzureServer, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.deployment.buckets.azure.PAGE_BLOBS", 100)
    bucket = at(server, container="many")
    if not keys(bucket, "f", True, 1):
        for number in range(230):
            bucket.put(f"f/{number:05}.json", b"{}")
    listing = bucket.list("f", True, limit)
    assert [found.key for found in listing.keys] == [f"f/{number:05}.json" for number in range(min(limit, 230))]
    assert listing.truncated is (limit < 230)


def test_writing_and_removing(bucket: Bucket) -> None:
    bucket.put("new/1", b"{}", "text/plain")
    assert bucket.read("new/1", 10) == b"{}" and bucket.head("new/1").content_type == "text/plain"
    bucket.put("new/1", b"[]")
    assert bucket.read("new/1", 10) == b"[]"
    bucket.delete("new/1")
    bucket.delete("new/1")
    with pytest.raises(ObjectMissing):
        bucket.head("new/1")


def test_the_connection_test_takes_the_prefix_as_it_is_typed(bucket: Bucket, server: AzureServer) -> None:
    for prefix in (None, "", "im", "img/1"):
        bucket.validate(prefix, False)
    bucket.validate("nowhere", True)
    with pytest.raises(BucketProblem, match="azure-blob://data/nowhere not found"):
        bucket.validate("nowhere", False)
    with pytest.raises(BucketMissing, match="There is no container other at http"):
        at(server, container="other").validate(None, True)


def test_what_is_not_there(bucket: Bucket, server: AzureServer) -> None:
    for ask in (lambda: bucket.head("nope"), lambda: bucket.get_range("nope", 0, 0), lambda: bucket.read("nope", 9)):
        with pytest.raises(ObjectMissing, match="There is no object 'nope' in container data"):
            ask()
    other = at(server, container="other")
    for ask in (lambda: other.list(None, True, 1), lambda: other.put("x", b""), lambda: other.head("x")):
        with pytest.raises(BucketMissing) as told:
            ask()
        assert told.value.provider_code == "ContainerNotFound"


def test_a_signed_link_reads_and_only_reads(bucket: Bucket) -> None:
    for key in ["img/1.jpg", *ODD_KEYS]:
        link = bucket.presign(key, 60)
        assert requests.get(link, timeout=5).content == key.encode() or "/./" in key or "/../" in key
        assert requests.delete(link, timeout=5).status_code == 403
    assert requests.get(bucket.presign("top.json", -60), timeout=5).status_code == 403


def test_the_public_address_is_azures(server: AzureServer) -> None:
    bucket = open_bucket("azure", ROW, Reach())
    assert bucket.where == "https://labelstore.blob.core.windows.net"
    assert bucket.presign("a b", 60).startswith("https://labelstore.blob.core.windows.net/data/a%20b?se=")


def test_cors_is_that_of_the_account(bucket: Bucket, server: AzureServer) -> None:
    assert bucket.cors() == ()
    rule = AccountRule(["https://a.example", "*"], ["GET", "HEAD"], allowed_headers=["*"], max_age_in_seconds=5)
    library(server).set_service_properties(cors=[rule])
    assert bucket.cors() == (CorsRule(("https://a.example", "*"), ("GET", "HEAD"), ("*",), (), 5),)


def test_a_wrong_key(server: AzureServer) -> None:
    for ask in (lambda b: b.list(None, True, 1), lambda b: b.head("top.json"), lambda b: b.put("x", b"")):
        with pytest.raises(BucketDenied) as told:
            ask(at(server, account_key=KEY))
        assert told.value.provider_code in ("AuthenticationFailed", "AuthorizationFailure")
        assert KEY not in str(told.value)


def test_empty_columns_are_filled_from_the_environment(server: AzureServer) -> None:
    environment = {"AZURE_BLOB_ACCOUNT_NAME": server.account, "AZURE_BLOB_ACCOUNT_KEY": server.key}
    reach = Reach(azure_endpoint=server.endpoint, environment=environment)
    row = {"container": "data", "account_name": "", "account_key": None}
    assert "top.json" in keys(open_bucket("azure", row, reach), None, False)
    with pytest.raises(BucketDenied, match="account name and the account key must be set") as told:
        open_bucket("azure", row, Reach())
    assert told.value.provider_code == "NoCredentials"
    with pytest.raises(BucketDenied, match="The account key must be set"):
        open_bucket("azure", {**row, "account_name": "labelstore"}, Reach())


def account_sas(server: AzureServer, permission: str, hours: int = 1) -> str:
    return generate_account_sas(
        server.account, server.key, ResourceTypes(container=True, object=True),
        AccountSasPermissions.from_string(permission), expiry=datetime.now(UTC) + timedelta(hours=hours),
    )  # fmt: skip


@pytest.mark.parametrize("start", ["", "?"])
def test_a_sas_in_the_place_of_the_key(server: AzureServer, start: str) -> None:
    bucket = at(server, account_key=start + account_sas(server, "rl"))
    assert "top.json" in keys(bucket, None, False) and bucket.read("top.json", 10) == b"top.json"
    for letter, ask in {"w": lambda: bucket.put("x", b""), "d": lambda: bucket.delete("top.json")}.items():
        with pytest.raises(BucketDenied, match=f"permission {letter} of the SAS, which has sp=rl") as told:
            ask()
        assert told.value.provider_code == "AuthorizationPermissionMismatch" and "sig" not in str(told.value)
    with pytest.raises(BucketDenied, match="an account SAS with srt=s and sp=r"):
        bucket.cors()
    for ask in (lambda: bucket.presign("x", 60), lambda: bucket.validate(None, True)):
        with pytest.raises(BucketProblem, match=r"takes .* key alone"):
            ask()


def test_a_sas_of_one_container(server: AzureServer) -> None:
    sas = generate_container_sas(
        server.account, "data", account_key=server.key, permission=ContainerSasPermissions(read=True),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )  # fmt: skip
    bucket = at(server, account_key=sas)
    assert bucket.get_range("top.json", 0, 2) == b"top"
    with pytest.raises(BucketDenied, match="permission l of the SAS, which has sp=r"):
        bucket.list(None, True, 1)


def test_a_sas_that_has_ended(server: AzureServer) -> None:
    bucket = at(server, account_key=account_sas(server, "rl", hours=-1))
    with pytest.raises(BucketDenied, match="as the SAS has ended on 20") as told:
        bucket.list(None, True, 1)
    assert told.value.statement == ""


@pytest.mark.parametrize(
    ("status", "code", "kind", "words", "statement"),
    [
        (403, "AuthenticationFailed", BucketDenied, "not one of the account's two keys", ""),
        (401, "NoAuthenticationInformation", BucketDenied, "no login", ""),
        (403, "KeyBasedAuthenticationNotPermitted", BucketDenied, "does not let anybody in with its keys",
         "az storage account update --name labelstore --allow-shared-key-access true"),
        (403, "AuthorizationFailure", BucketDenied, "firewall", "az storage account network-rule add"),
        (403, "AuthorizationPermissionMismatch", BucketDenied, "Storage Blob Data Reader",
         "role Storage Blob Data Reader on the container data"),
        (403, "AccountIsDisabled", BucketDenied, "is disabled", ""),
        (409, "BlobArchived", BucketDenied, "archive tier", ""),
        (404, "ContainerNotFound", BucketMissing, "no container data", ""),
        (409, "ContainerBeingDeleted", BucketMissing, "no container data", ""),
        (400, "OutOfRangeInput", BucketProblem, "answers 400 OutOfRangeInput", ""),
        (503, "ServerBusy", BucketProblem, "answers 503 ServerBusy", ""),
    ],
)  # fmt: skip
def test_answers_of_azure(
    stand_in: Azure, status: int, code: str, kind: type[BucketError], words: str, statement: str
) -> None:
    stand_in.refuse(status, code, "text", f"The MAC signature ... is not the same as AccountKey={KEY}")
    for ask in (lambda b: b.list("x", True, 1), lambda b: b.read("x", 1), lambda b: b.head("x")):
        with pytest.raises(kind, match=words) as told:
            ask(at(stand_in))
        assert KEY not in str(told.value)
        assert told.value.provider_code == code
        if isinstance(told.value, BucketDenied):
            assert told.value.statement.startswith(statement) and bool(told.value.statement) == bool(statement)


def test_writing_needs_more(stand_in: Azure) -> None:
    stand_in.refuse(403, "AuthorizationPermissionMismatch")
    for operation, ask in {"put": lambda b: b.put("x", b""), "delete": lambda b: b.delete("x")}.items():
        with pytest.raises(BucketDenied) as told:
            ask(at(stand_in))
        assert told.value.operation == operation
        assert told.value.statement == "role Storage Blob Data Contributor on the container data"


def test_clocks_that_differ(stand_in: Azure) -> None:
    stand_in.refuse(403, "AuthenticationFailed", "x", "Request date header too old: 'Sun, 22 Nov 2026 08:00:00 GMT'")
    with pytest.raises(BucketDenied, match="clocks here and there differ"):
        at(stand_in).list(None, True, 1)


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        ((200, {}, b"<html>hello</html>"), BucketProblem, "not as Azure does"),
        ((200, {}, b"\xff\x00"), BucketProblem, "not as Azure does"),
        ((200, {}, b""), BucketProblem, "not as Azure does"),
        (
            (200, {}, b'<!DOCTYPE x [<!ENTITY a "b">]><EnumerationResults><Blobs/></EnumerationResults>'),
            BucketProblem,
            "not",
        ),
        ((404, {}, b"<h1>nginx</h1>"), BucketProblem, "not as Azure does"),
        ((302, {"Location": "http://169.254.169.254/"}, b""), BucketProblem, "answers 302"),
        ((502, {}, b"<h1>nginx</h1>"), BucketUnreachable, "answers 502"),
    ],
)
def test_a_server_that_is_no_azure(stand_in: Azure, answer: Any, kind: type[BucketError], words: str) -> None:
    stand_in.answer = answer
    with pytest.raises(kind, match=words):
        at(stand_in).list(None, True, 1)
    assert len(stand_in.asked) == 1, "no redirect is followed, nothing is repeated"


def test_a_server_that_always_promises_more(stand_in: Azure) -> None:
    stand_in.answer = 200, {}, b"<EnumerationResults><Blobs/><NextMarker>m</NextMarker></EnumerationResults>"
    listing = at(stand_in).list(None, True, 10)
    assert listing.keys == [] and listing.truncated
    assert not at(stand_in).starts_with("x")


def test_names_that_xml_cannot_hold_and_folders_of_a_hierarchy(stand_in: Azure) -> None:
    blob = "<Blob><Name{}>{}</Name><Properties><Content-Length>{}</Content-Length></Properties></Blob>"
    blobs = blob.format(' Encoded="true"', "a%EF%BF%BEb", 3) + blob.format("", "folder", 0) + blob.format("", "", 0)
    stand_in.answer = 200, {}, f"<EnumerationResults><Blobs>{blobs}</Blobs><NextMarker/></EnumerationResults>".encode()
    assert [(found.key, found.size) for found in at(stand_in).list(None, True, 10).keys] == [
        ("a\ufffeb", 3),
        ("folder", 0),
        ("", 0),
    ]


@pytest.mark.parametrize(
    "account",
    [
        " ", "a", "x" * 25, "Evil", "evil.com/", "evil.com#", "a@b", "a:b", "127.0.0.1", "a/b", "a?b", "labelstore\n", "é",
        "labelstore.blob.core.windows.net", "{account}", "..", "label-store",
    ],
)  # fmt: skip
def test_an_account_is_a_part_of_a_host_name_and_held_to_its_grammar(account: str) -> None:
    with pytest.raises(BucketProblem, match="no name of a storage account"):
        open_bucket("azure", {**ROW, "account_name": account}, Reach())


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("x!", "no key of a storage account"), ("abc", "no key of a storage account"), (" ", "no key of a storage account"),
        ("DefaultEndpointsProtocol=https;AccountName=a;AccountKey=b==", "whole connection string"),
        ("https://labelstore.blob.core.windows.net/?sv=1&sig=x", "an address"),
        ("sv=1&sig=x y", "blank"), ("sv=1&sig=x\r\nHost: evil", "blank"), ("sv=1&sig=x#frag", "blank"),
    ],
)  # fmt: skip
def test_keys_that_cannot_be(key: str, words: str) -> None:
    with pytest.raises(BucketProblem, match=words) as told:
        open_bucket("azure", {**ROW, "account_key": key}, Reach())
    assert told.value.provider_code == "InvalidCredentials" and (len(key) < 5 or key not in str(told.value))


def test_blanks_around_a_key_do_no_harm(server: AzureServer) -> None:
    assert keys(at(server, account_key=f" {server.key}\n"), None, False)


@pytest.mark.parametrize(
    "value",
    [None, "", " ", "a b", "a\nb", "x" * 64, "É", "../..", "azure-blob://data", "data/img", "Data", "a--b", "ab"],
)
def test_container_names_that_cannot_be(value: Any) -> None:
    with pytest.raises(BucketProblem, match="without azure-blob://"):
        open_bucket("azure", {**ROW, "container": value}, Reach())


def test_nobody_there_and_nobody_answers() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        reach = Reach(azure_endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}/{{account}}", timeouts=Timeouts(1, 1))
        with pytest.raises(BucketUnreachable, match="nobody listens there"):
            open_bucket("azure", ROW, reach).list(None, True, 1)
        silent.listen()
        with pytest.raises(BucketUnreachable, match="did not answer in time"):
            open_bucket("azure", ROW, reach).list(None, True, 1)
    away = replace(reach, azure_endpoint="https://{account}.no-such-host.invalid")
    with pytest.raises(
        BucketUnreachable, match=r"https://labelstore\.no-such-host\.invalid cannot be reached: its name"
    ):
        open_bucket("azure", ROW, away).list(None, True, 1)
