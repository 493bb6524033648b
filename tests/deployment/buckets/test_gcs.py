"""Google Cloud Storage over its JSON API: what is listed, what is refused and how, and that nothing said holds a secret."""

from __future__ import annotations

import base64
import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import google.auth
import google.cloud.storage
import pytest
import requests
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import DefaultCredentialsError

from console.deployment.buckets import (
    Bucket,
    BucketBlocked,
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
    Unsupported,
    open_bucket,
)
from console.deployment.buckets._gcs_tokens import Tokens
from console.deployment.buckets.gcs import GCSBucket
from console.egress import Rules
from tests.gcs_server import PERMISSIONS, TOKEN, Google, gcs_server
from tests.gcs_server import google as google_stand_in

QUICK = Timeouts(connect_seconds=1, read_seconds=1)
OPEN = Reach(rules=Rules(protected=False), timeouts=QUICK)
KEYS = ["top.json", "img/", "img/1.jpg", "img/2.jpg", "img/sub/3.jpg", "images/4.jpg", "empty"]
ODD_KEYS = ["odd/ü – 日本.json", "odd/two  blanks.json", "odd/../up.json", "odd/a+b%20c&d='.json", "odd//x", "odd/a\nb"]


@pytest.fixture(scope="module")
def emulator() -> Iterator[str]:
    with gcs_server() as url:
        requests.post(f"{url}/storage/v1/b?project=x", json={"name": "data"}, timeout=5).raise_for_status()
        bucket = at(url)
        for key in [*KEYS, *ODD_KEYS]:
            bucket.put(key, b"" if key == "empty" else key.encode())
        yield url


@pytest.fixture
def bucket(emulator: str) -> Iterator[Bucket]:
    bucket = at(emulator)
    yield bucket
    bucket.close()


@pytest.fixture
def stand_in() -> Iterator[Google]:
    with google_stand_in() as state:
        state.objects = {"a.json": b"{}", "b.json": b"[]"}
        yield state


def at(url: str, **row: Any) -> Any:
    return open_bucket("gcs", {"bucket": "data", **row}, reach(url))


def reach(url: str, **more: str) -> Reach:
    return replace(OPEN, environment={"STORAGE_EMULATOR_HOST": url, **more})


def with_key(state: Google, **members: Any) -> GCSBucket:
    """The bucket of the stand-in as its account asks for it."""
    found = at(state.url, google_application_credentials=state.key_file(**members))
    assert isinstance(found, GCSBucket)
    return found


def keys(bucket: Bucket, prefix: str | None, recursive: bool, limit: int = 1000) -> list[str]:
    return [found.key for found in bucket.list(prefix, recursive, limit).keys]


def test_a_flat_listing_stays_in_its_folder(bucket: Bucket) -> None:
    listing = bucket.list("img", False, 1000)
    assert [found.key for found in listing.keys] == ["img/1.jpg", "img/2.jpg"]
    assert listing.common_prefixes == ["img/sub/"] and not listing.truncated
    first = listing.keys[0]
    assert (first.size, first.content_type, first.storage_class) == (9, "text/plain", "STANDARD")
    assert first.modified and first.modified.tzinfo and first.etag


@pytest.mark.parametrize("prefix", ["img", "img/", "img///"])
def test_a_recursive_listing_enters_folders_and_the_prefix_is_a_folder(bucket: Bucket, prefix: str) -> None:
    assert keys(bucket, prefix, True) == ["img/1.jpg", "img/2.jpg", "img/sub/3.jpg"]


@pytest.mark.parametrize("prefix", [None, ""])
def test_the_root_of_a_bucket(bucket: Bucket, prefix: str | None) -> None:
    assert keys(bucket, prefix, False) == ["empty", "top.json"]
    assert "img/sub/3.jpg" in keys(bucket, prefix, True)


def test_the_listing_is_that_of_label_studios_library(bucket: Bucket, emulator: str) -> None:
    """`iter_blobs` lists with `prefix/`, recursively or with a delimiter, and drops names that end in a slash."""
    client = google.cloud.storage.Client(
        project="x", credentials=AnonymousCredentials(), client_options={"api_endpoint": emulator}
    )
    for prefix in (None, "img", "odd", "im"):
        folder = f"{prefix}/" if prefix else None
        for recursive, delimiter in ((True, None), (False, "/")):
            names = [blob.name for blob in client.list_blobs("data", prefix=folder, delimiter=delimiter)]
            assert keys(bucket, prefix, recursive) == [name for name in names if not name.endswith("/")]


def test_odd_keys_come_back_as_they_are(bucket: Bucket) -> None:
    assert sorted(keys(bucket, "odd", True)) == sorted(ODD_KEYS)
    for key in ODD_KEYS:
        assert bucket.head(key).size == len(key.encode())
        assert bucket.get_range(key, 0, 5000) == bucket.read(key, 5000) == key.encode()


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
        ("bytes=0-1,3-4", 200, None, b"top.json"),
        ("lines=1-2", 200, None, b"top.json"),
    ],
)
def test_a_stream_answers_ranges(bucket: Bucket, header: str | None, status: int, told: str, body: bytes) -> None:
    stream = bucket.stream("top.json", header)
    assert (stream.status, stream.content_range, stream.length) == (status, told, len(body))
    assert b"".join(stream.chunks) == body and stream.content_type == "text/plain" and stream.modified
    stream.close()


def test_a_range_behind_the_end(bucket: Bucket) -> None:
    with pytest.raises(BucketProblem, match=r"'top\.json' in bucket data ends before") as told:
        bucket.stream("top.json", "bytes=900-")
    assert told.value.provider_code == "InvalidRange"


def test_a_large_object_is_not_read_to_its_end(bucket: Bucket) -> None:
    bucket.put("large", b"x" * 3_000_000)
    with pytest.raises(ObjectTooLarge, match="'large' in bucket data is larger than 1000 bytes"):
        bucket.read("large", 1000)
    bucket.delete("large")


@pytest.mark.parametrize("limit", [1, 99, 100, 101, 230, 500])
def test_more_than_a_page(emulator: str, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.deployment.buckets.gcs.PAGE_KEYS", 100)
    bucket = at(emulator)
    if not keys(bucket, "many", True, 1):
        for number in range(230):
            bucket.put(f"many/{number:05}.json", b"{}")
    listing = bucket.list("many", True, limit)
    assert [found.key for found in listing.keys] == [f"many/{number:05}.json" for number in range(min(limit, 230))]
    assert listing.truncated is (limit < 230)


def test_writing_and_removing(bucket: Bucket) -> None:
    bucket.put("new/1", b"{}", "text/plain")
    assert bucket.read("new/1", 10) == b"{}" and bucket.head("new/1").content_type == "text/plain"
    bucket.delete("new/1")
    bucket.delete("new/1")
    with pytest.raises(ObjectMissing):
        bucket.head("new/1")


def test_the_connection_test_takes_the_prefix_as_it_is_typed(bucket: Bucket, emulator: str) -> None:
    for prefix in (None, "", "im", "img/1"):
        bucket.validate(prefix, False)
    bucket.validate("nowhere", True)
    with pytest.raises(BucketProblem, match="No blobs found in data/nowhere or prefix doesn't exist"):
        bucket.validate("nowhere", False)
    with pytest.raises(BucketMissing, match="There is no bucket other at http"):
        at(emulator, bucket="other").validate(None, True)


def test_what_is_not_there(bucket: Bucket, emulator: str) -> None:
    for ask in (lambda: bucket.head("nope"), lambda: bucket.get_range("nope", 0, 0), lambda: bucket.read("nope", 9)):
        with pytest.raises(ObjectMissing, match="There is no object 'nope' in bucket data"):
            ask()
    other = at(emulator, bucket="other")
    for ask in (lambda: other.list(None, True, 1), lambda: other.put("x", b"")):
        with pytest.raises(BucketMissing):
            ask()


def test_an_emulator_that_does_not_tell_permissions(bucket: GCSBucket) -> None:
    with pytest.raises(Unsupported, match="does not tell permissions"):
        bucket.permissions(["storage.objects.get"])


def test_a_key_of_the_row_signs_in(stand_in: Google) -> None:
    bucket = with_key(stand_in)
    assert keys(bucket, None, True) == ["a.json", "b.json"]
    assert bucket.permissions(PERMISSIONS) == set(PERMISSIONS)
    assert [line for line in stand_in.asked if "/token" in line] == ["POST /token"], "one token for all requests"


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        ((400, "invalid_grant", "Invalid JWT Signature."), BucketDenied, "the key was deleted"),
        ((400, "invalid_grant", "Invalid grant: account not found"), BucketDenied, "no such service account"),
        ((401, "disabled_client", "The OAuth client was disabled."), BucketDenied, "is disabled"),
        ((400, "invalid_grant", "Invalid JWT: Token must be a short-lived token"), BucketDenied, "clocks"),
        ((400, "invalid_something", "?"), BucketDenied, "invalid_something"),
        ((500, "internal_failure", "?"), BucketUnreachable, "answers 500"),
    ],
)
def test_no_token(stand_in: Google, answer: tuple[int, str, str], kind: type[BucketError], words: str) -> None:
    told = {"error": answer[1], "error_description": f"{answer[2]} assertion=abc.{TOKEN}"}
    stand_in.refusal = (answer[0], json.dumps(told).encode())
    with pytest.raises(kind, match=words) as raised:
        with_key(stand_in).list(None, True, 1)
    assert TOKEN not in str(raised.value)
    assert len([line for line in stand_in.asked if "/token" in line]) == 1, "a refusal is not repeated"
    if isinstance(raised.value, BucketDenied):
        assert (raised.value.provider_code, raised.value.statement) == (answer[1], "")


@pytest.mark.parametrize("body", [b"<html>hello</html>", b"[]", b'"x"', b"{}", b'{"access_token": 5}'])
def test_a_token_service_that_talks_nonsense(stand_in: Google, body: bytes) -> None:
    stand_in.refusal = (200, body)
    with pytest.raises(BucketError):
        with_key(stand_in).list(None, True, 1)


DENIALS = {
    "storage.objects.list": ("list", lambda bucket: bucket.list(None, True, 1)),
    "storage.objects.get": ("get", lambda bucket: bucket.read("a.json", 10)),
    "storage.objects.create": ("put", lambda bucket: bucket.put("new", b"")),
    "storage.objects.delete": ("delete", lambda bucket: bucket.delete("a.json")),
    "storage.buckets.get": ("validate", lambda bucket: bucket.validate(None, True)),
}


@pytest.mark.parametrize("permission", list(DENIALS))
def test_a_refusal_names_permission_role_and_account(stand_in: Google, permission: str) -> None:
    operation, ask = DENIALS[permission]
    stand_in.granted.discard(permission)
    bucket = with_key(stand_in)
    assert bucket.permissions(PERMISSIONS) == set(PERMISSIONS) - {permission}
    with pytest.raises(BucketDenied) as told:
        ask(bucket)
    assert (told.value.operation, told.value.provider_code) == (operation, "forbidden")
    assert told.value.statement.startswith(f"{permission} on gs://data for {stand_in.account} (role roles/storage.")
    assert told.value.statement in str(told.value)


def test_a_second_write_needs_delete(stand_in: Google) -> None:
    stand_in.granted.discard("storage.objects.delete")
    bucket = with_key(stand_in)
    bucket.put("new", b"1")
    with pytest.raises(BucketDenied) as told:
        bucket.put("new", b"2")
    assert told.value.statement.startswith("storage.objects.delete on gs://data")


def error(status: int, reason: str, message: str = "m", **more: Any) -> tuple[int, dict[str, str], bytes]:
    told = {"code": status, "message": message, "errors": [{"reason": reason}], **more}
    return status, {}, json.dumps({"error": told}).encode()


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (error(401, "authError"), BucketDenied, "refuses the token of reader@"),
        (error(403, "accountDisabled"), BucketDenied, "accountDisabled"),
        (error(403, "x", details=[{"reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]), BucketDenied, "lack the scope"),
        (error(400, "userProjectMissing", "requester pays"), BucketDenied, "requester pays"),
        (error(403, "vpcServiceControls", "perimeter"), BucketDenied, "perimeter"),
        (error(429, "rateLimitExceeded"), BucketProblem, "answers 429 rateLimitExceeded"),
        (error(503, "backendError"), BucketProblem, "answers 503 backendError"),
        (error(404, "notFound"), BucketMissing, "no bucket data"),
        ((500, {"Content-Type": "text/html"}, b"<h1>oops</h1>"), BucketUnreachable, "answers 500"),
        ((302, {"Location": "http://169.254.169.254/"}, b""), BucketProblem, "not as Google Cloud Storage does"),
        (
            (200, {"Content-Type": "text/html"}, b"<html>hello</html>"),
            BucketProblem,
            "not as Google Cloud Storage does",
        ),
        ((200, {}, b"[]"), BucketProblem, "not as Google Cloud Storage does"),
        ((200, {}, b"\xff\x00"), BucketProblem, "not as Google Cloud Storage does"),
    ],
)
def test_answers_of_google(stand_in: Google, fault: Any, kind: type[BucketError], words: str) -> None:
    stand_in.fault = fault
    with pytest.raises(kind, match=words) as told:
        with_key(stand_in).list("x", True, 1)
    assert TOKEN not in str(told.value) and "PRIVATE KEY" not in str(told.value)


def test_a_server_that_always_promises_more(stand_in: Google) -> None:
    stand_in.fault = (200, {}, b'{"nextPageToken": "t"}')
    listing = with_key(stand_in).list(None, True, 10)
    assert listing.keys == [] and listing.truncated
    assert not with_key(stand_in).starts_with("x")


def test_a_stored_gzip_is_opened_for_reading_and_bounded(stand_in: Google) -> None:
    stand_in.objects["z.json"] = gzip.compress(b'{"text": "' + b"x" * 200_000 + b'"}')
    stand_in.headers["z.json"] = {"Content-Encoding": "gzip"}
    bucket = with_key(stand_in)
    assert len(bucket.read("z.json", 300_000)) == 200_012
    with pytest.raises(ObjectTooLarge):
        bucket.read("z.json", 1000)
    assert bucket.get_range("z.json", 0, 1) == b"\x1f\x8b", "a range is of what is stored"


def test_a_server_that_ignores_ranges_is_not_read_to_its_end(stand_in: Google) -> None:
    stand_in.objects["big"] = b"0123456789" * 100_000
    assert with_key(stand_in).get_range("big", 12, 14) == b"234"


def test_cors(stand_in: Google) -> None:
    bucket = with_key(stand_in)
    assert bucket.cors() == ()
    stand_in.cors = [
        {"origin": ["https://a.example"], "method": ["GET"], "responseHeader": ["Range"], "maxAgeSeconds": 5}
    ]
    assert bucket.cors() == (CorsRule(("https://a.example",), ("GET",), ("Range",), ("Range",), 5),)


def test_a_signed_link_is_signed_by_the_key(stand_in: Google) -> None:
    bucket = with_key(stand_in)
    key = "folder/ü a+b.jpg"
    stand_in.objects[key] = b"picture"
    link = bucket.presign(key, 120)
    parts = urlsplit(link)
    assert f"{parts.scheme}://{parts.netloc}" == stand_in.url and parts.path == "/data/folder/%C3%BC%20a%2Bb.jpg"
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    assert query["X-Goog-Expires"] == "120" and query["X-Goog-Credential"].startswith(f"{stand_in.account}/")
    assert stand_in.asked == [], "signing sends no request"
    assert requests.get(link, timeout=5).content == b"picture"
    assert requests.get(link, headers={"Range": "bytes=2-3"}, timeout=5).content == b"ct"
    for broken in (link[:-1] + ("0" if link[-1] != "0" else "1"), link.replace("/data/folder", "/data/other")):
        assert requests.get(broken, timeout=5).status_code == 403
    assert requests.head(bucket.presign(key, 120, "HEAD"), timeout=5).status_code == 200
    with pytest.raises(BucketProblem, match="no such link"):
        bucket.presign("x", int(timedelta(days=8).total_seconds()))


def test_the_public_address_is_googles_and_a_link_leads_there(stand_in: Google) -> None:
    row = {"bucket": "data", "google_application_credentials": stand_in.key_file()}
    bucket = open_bucket("gcs", row, OPEN)
    assert bucket.where == "Google Cloud Storage"
    assert bucket.presign("x", 60).startswith("https://storage.googleapis.com/data/x?")


def test_without_a_private_key_nothing_is_signed(bucket: Bucket, stand_in: Google, tmp_path: Path) -> None:
    with pytest.raises(BucketProblem, match="Service Account Token Creator") as told:
        bucket.presign("x", 60)
    assert "GCS_CLOUD_STORAGE_FORCE_DEFAULT_CREDENTIALS" in str(told.value)
    found = environment_bucket(stand_in, tmp_path, user_credentials(stand_in))
    assert keys(found, None, True) == []  # asked anonymously where an emulator is named
    found.tokens.anonymous = False
    with pytest.raises(BucketProblem, match="have no private key"):
        found.presign("x", 60)


def user_credentials(state: Google) -> str:
    told = {"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r"}
    return json.dumps({**told, "token_uri": f"{state.url}/token"})


def environment_bucket(state: Google, tmp_path: Path, content: str, **environment: str) -> GCSBucket:
    path = tmp_path / "credentials.json"
    path.write_text(content)
    state.objects.clear()
    found = open_bucket(
        "gcs", {"bucket": "data"}, reach(state.url, GOOGLE_APPLICATION_CREDENTIALS=str(path), **environment)
    )
    assert isinstance(found, GCSBucket)
    return found


def test_the_environments_key_file(stand_in: Google, tmp_path: Path) -> None:
    found = environment_bucket(stand_in, tmp_path, stand_in.key_file())
    found.tokens.anonymous = False  # as without an emulator
    found.put("x", b"1")
    assert "POST /token" in stand_in.asked and found.tokens.account == stand_in.account
    assert "X-Goog-Signature" in found.presign("x", 60)


def test_google_signs_for_an_account_without_a_key(
    stand_in: Google, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced = {"GCS_CLOUD_STORAGE_FORCE_DEFAULT_CREDENTIALS": "true"}
    found = environment_bucket(stand_in, tmp_path, stand_in.key_file(), **forced)
    found.tokens.anonymous = False
    asked = []

    def sign(message: str, token: str, account: str, universe: str) -> str:
        asked.append((token, account))
        return base64.b64encode(b"signature").decode()

    monkeypatch.setattr("google.cloud.storage._signing._sign_message", sign)
    assert found.presign("x", 60).endswith(f"X-Goog-Signature={b'signature'.hex()}")
    assert asked == [(TOKEN, stand_in.account)]

    def refuse(*_: str) -> str:
        raise google.auth.exceptions.TransportError("Error calling the IAM signBytes API: 403")

    monkeypatch.setattr("google.cloud.storage._signing._sign_message", refuse)
    with pytest.raises(BucketDenied) as told:
        found.presign("x", 60)
    assert told.value.statement.startswith(f"iam.serviceAccounts.signBlob for {stand_in.account}")


@pytest.mark.parametrize(
    ("content", "words"), [("{", "holds no JSON"), ("[]", "no credentials"), ('{"type": "x"}', "no cred")]
)
def test_a_broken_file_of_the_environment(stand_in: Google, tmp_path: Path, content: str, words: str) -> None:
    found = environment_bucket(stand_in, tmp_path, content)
    found.tokens.anonymous = False
    with pytest.raises(BucketProblem, match=words):
        found.list(None, True, 1)


def test_no_credentials_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    searches = []

    def nothing(**_: Any) -> Any:
        searches.append(1)
        raise DefaultCredentialsError("none")

    monkeypatch.setattr(google.auth, "default", nothing)
    monkeypatch.setattr(Tokens, "_absent_until", 0.0)
    for _ in range(3):
        with pytest.raises(BucketDenied, match="There are no credentials") as told:
            open_bucket("gcs", {"bucket": "data"}, OPEN).list(None, True, 1)
        assert told.value.provider_code == "NoCredentials"
    assert len(searches) == 1, "the search takes seconds on some machines"
    gone = replace(OPEN, environment={"GOOGLE_APPLICATION_CREDENTIALS": "/nonexistent/key.json"})
    with pytest.raises(BucketProblem, match="cannot be read: No such file"):
        open_bucket("gcs", {"bucket": "data"}, gone).list(None, True, 1)


@pytest.mark.parametrize(
    "token_uri",
    [
        "http://169.254.169.254/latest/", "http://metadata.google.internal/token", "http://10.0.0.5/token",
        "https://oauth2.googleapis.com.evil.example/token", "https://evilgoogleapis.com/token",
        "https://evil.example/token", "http://oauth2.googleapis.com/token", "https://a:b@oauth2.googleapis.com/token",
        "https://oauth2.googleapis.com:8443/token", "file:///etc/passwd", "gopher://x", "https://", "//x", "http://[::1",
        "https://evil.example\\@oauth2.googleapis.com/token", "https://oauth2.googleapis.com\n.evil.example/",
    ],
)  # fmt: skip
def test_a_key_may_not_name_another_token_service(stand_in: Google, token_uri: str) -> None:
    row = {"bucket": "data", "google_application_credentials": stand_in.key_file(token_uri=token_uri)}
    with pytest.raises(BucketBlocked):
        open_bucket("gcs", row, Reach())


@pytest.mark.parametrize("uri", ["https://oauth2.googleapis.com/token", "https://www.googleapis.com/oauth2/v4/token"])
def test_googles_token_service_is_accepted(stand_in: Google, uri: str) -> None:
    row = {"bucket": "data", "google_application_credentials": stand_in.key_file(token_uri=uri)}
    open_bucket("gcs", row, Reach()).close()


def test_a_token_service_that_the_operator_allows(stand_in: Google) -> None:
    row = {"bucket": "data", "google_application_credentials": stand_in.key_file()}
    environment = {"STORAGE_EMULATOR_HOST": stand_in.url}
    with pytest.raises(BucketBlocked, match="LSCONSOLE_BUCKET_ENDPOINTS"):
        open_bucket("gcs", row, Reach(environment=environment))
    host = urlsplit(stand_in.url).netloc
    assert keys(open_bucket("gcs", row, Reach(environment=environment, allowed=(host,))), None, True)


@pytest.mark.parametrize("protected", [True, False])
def test_metadata_is_never_allowed_even_by_name(
    stand_in: Google, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    def resolve(*_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 80))]

    text = stand_in.key_file(token_uri="http://tokens.example/token")
    reached = Reach(rules=Rules(protected=protected), allowed=("tokens.example",))
    bucket = open_bucket("gcs", {"bucket": "data", "google_application_credentials": text}, reached)
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(BucketBlocked, match=r"token_uri .* is refused"):
        bucket.list(None, True, 1)


def test_nobody_there_and_nobody_answers() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        with pytest.raises(BucketUnreachable, match=f"http://127.0.0.1:{port} cannot be reached: nobody listens"):
            at(f"http://127.0.0.1:{port}").list(None, True, 1)
        silent.listen()
        with pytest.raises(BucketUnreachable, match="did not answer in time"):
            at(f"127.0.0.1:{port}").list(None, True, 1)
    with pytest.raises(BucketUnreachable, match="does not resolve"):
        at("http://no-such-host.invalid").list(None, True, 1)


def test_an_answer_that_trickles_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        for _ in range(100):
            try:
                connection.sendall(b" ")
            except OSError:
                break
            time.sleep(0.05)
        connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,), daemon=True)
        thread.start()
        slow = replace(OPEN, timeouts=Timeouts(connect_seconds=1, read_seconds=0.2),
                       environment={"STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{listener.getsockname()[1]}"})  # fmt: skip
        with pytest.raises(BucketUnreachable, match="too slowly"):
            open_bucket("gcs", {"bucket": "data"}, slow).list(None, True, 1)
        thread.join(10)


@pytest.mark.parametrize(
    "value", [None, "", " ", "a b", "a\nb", "x" * 5000, "é", "../..", "gs://data", "data/img", "-a"]
)
def test_bucket_names_that_cannot_be(value: Any) -> None:
    with pytest.raises(BucketProblem, match="without gs://"):
        open_bucket("gcs", {"bucket": value}, OPEN)
