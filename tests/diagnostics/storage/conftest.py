"""An S3 server in this process, and storages that point at it."""

from __future__ import annotations

import itertools
import json
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
import redis
from botocore.config import Config
from moto import settings as moto_settings
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer
from sqlalchemy.orm import Session

from console.diagnostics.check import Context, Scope
from tests import servers
from tests.diagnostics.storage import sources
from tests.s3_server import FakeBucket, S3Server, Stored

_number = itertools.count(1)
#: Where people open the deployment of a `story`.
ORIGIN = "http://label.example.com"


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """A running S3 server that lets everybody do everything, unless `permissions_checked`."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def client(endpoint: str) -> Callable[[str], Any]:
    """boto3 clients of that server by service."""

    def make(service: str) -> Any:
        return boto3.client(
            service, endpoint_url=endpoint, aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1",
            config=Config(retries={"total_max_attempts": 1}),
        )  # fmt: skip

    return make


@pytest.fixture
def bucket_of(client: Callable[[str], Any]) -> Callable[[Sequence[str]], str]:
    """`bucket_of(keys)` makes a bucket with these objects and returns its name."""
    s3 = client("s3")

    def make(keys: Sequence[str]) -> str:
        name = f"bucket-{next(_number)}"
        s3.create_bucket(Bucket=name)
        for key in keys:  # straight into the memory of the server, which runs in this process
            s3_backends[DEFAULT_ACCOUNT_ID]["aws"].put_object(name, key, b"{}")
        return name

    return make


@pytest.fixture
def source_of(
    session: Session, ctx: Context, endpoint: str, bucket_of: Callable[[Sequence[str]], str]
) -> Callable[..., SimpleNamespace]:
    """`source_of(keys, **columns)` makes a source storage over such a bucket and narrows `ctx` to it."""

    def make(keys: Sequence[str] = (), **columns: Any) -> SimpleNamespace:
        if "bucket" not in columns:
            columns["bucket"] = bucket_of(keys)
        storage = sources.make_source(session, s3_endpoint=columns.pop("s3_endpoint", endpoint), **columns)
        ctx.scope = Scope(storage=storage.subject.removeprefix("storage:"))
        return storage

    return make


@pytest.fixture
def user_with(client: Callable[[str], Any]) -> Callable[..., dict[str, str]]:
    """`user_with(bucket, *actions)` makes a user who may do these alone; returns the storage columns of its keys."""
    iam = client("iam")

    def make(bucket: str, *actions: str) -> dict[str, str]:
        name = f"user-{next(_number)}"
        iam.create_user(UserName=name)
        resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
        statements = [{"Effect": "Allow", "Action": action, "Resource": resources} for action in actions]
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        if actions:
            iam.put_user_policy(UserName=name, PolicyName="some", PolicyDocument=document)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}

    return make


@pytest.fixture
def permissions_checked() -> Iterator[Callable[[], None]]:
    """Call it once everything is in place: from then on the server checks signatures and policies."""
    before = moto_settings.INITIAL_NO_AUTH_ACTION_COUNT

    def check() -> None:
        moto_settings.INITIAL_NO_AUTH_ACTION_COUNT = 0

    yield check
    moto_settings.INITIAL_NO_AUTH_ACTION_COUNT = before


@pytest.fixture
def dead_endpoint() -> str:
    """An address where nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A running Redis, for queues of Label Studio's."""
    with servers.redis_server() as url:
        yield url


@pytest.fixture
def keys(redis_url: str) -> Iterator[Any]:
    """A client of that Redis, with nothing in it."""
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    yield client
    client.close()


@pytest.fixture(scope="session")
def server() -> Iterator[S3Server]:
    with S3Server() as running:
        yield running


@pytest.fixture
def story(server: S3Server, session: Session, ctx: Context) -> Callable[..., SimpleNamespace]:
    """`story({key: body}, target=False, **columns)`: a bucket, a storage over it, `ctx` narrowed to that storage.

    The deployment is opened at ORIGIN, and markers may be written. The result has `.subject`, `.id`, the row's columns and
    `.fake`, the bucket itself.
    """
    ctx.deployment.settings = replace(ctx.settings, label_studio_url=ORIGIN, write_probes=True)

    def make(
        objects: dict[str, Stored | bytes] | None = None, *, target: bool = False, **columns: Any
    ) -> SimpleNamespace:
        name = f"bucket-{next(_number)}"
        fake: FakeBucket = server.bucket(name, objects or {})
        row = server.row(name) | columns
        table = f"io_storages_s3{'export' if target else 'import'}storage"
        storage = sources.make_source(session, table=table, **row)
        storage.fake = fake
        ctx.scope = Scope(storage=storage.subject.removeprefix("storage:"))
        return storage

    return make
