"""What the demo's workers run: stand-ins under the names of Label Studio's own background functions.

A job in Redis names its function, and pickles storage classes by reference. `install` puts these stand-ins where those
names point to, in this process only, so that the queues hold what a Label Studio leaves there.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import psycopg2
from botocore.config import Config

EXPORTS = "/label-studio/data/export"
_database = ""


class S3ImportStorage:
    """Stands for Label Studio's storage class of the same name; jobs carry the class, not a row."""


def import_sync_background(storage_class: type, storage_id: int, timeout: int = 36_000, **_: Any) -> int:
    """Really read the first object of the storage, as a sync of JSON tasks begins; whatever S3 refuses is raised."""
    with psycopg2.connect(_database) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT bucket, prefix, s3_endpoint, region_name, aws_access_key_id, aws_secret_access_key"
            " FROM io_storages_s3importstorage WHERE id = %s",
            [storage_id],
        )
        bucket, prefix, endpoint, region, key_id, secret = cursor.fetchone()
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        config=Config(signature_version="s3v4", retries={"max_attempts": 0}),
    )
    listed = client.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    return len([client.get_object(Bucket=bucket, Key=item["Key"])["Body"].read() for item in listed[:1]])


def export_background(
    export_id: int,
    task_filter_options: dict[str, Any] | None = None,
    annotation_filter_options: dict[str, Any] | None = None,
    serialization_options: dict[str, Any] | None = None,
    **_: Any,
) -> int:
    """Write the snapshot where Label Studio would; in the demo that directory is not mounted.

    With key frames to interpolate it never comes back. It leaves when its worker has gone, so that nothing stays.
    """
    worker = os.getppid()
    while serialization_options and serialization_options.get("interpolate_key_frames"):
        time.sleep(0.1)
        if os.getppid() != worker:
            os._exit(1)
    with Path(EXPORTS, f"{export_id}.json").open("w") as snapshot:
        return snapshot.write("[]")


def update_tasks_counters(task_ids: list[int], **_: Any) -> int:
    """A short job that succeeds."""
    return len(task_ids)


def emit_webhooks_for_instance_sync(organization_id: int, project_id: int, action: str, **_: Any) -> str:
    """A short job that succeeds."""
    return action


def sync_user_activities_to_db(**_: Any) -> int:
    """A short job that succeeds."""
    return 0


STANDS_FOR: dict[str, tuple[Any, ...]] = {
    "io_storages.base_models": (import_sync_background,),
    "io_storages.s3.models": (S3ImportStorage,),
    "data_export.mixins": (export_background,),
    "tasks.functions": (update_tasks_counters,),
    "users.functions.last_activity": (sync_user_activities_to_db,),
    "webhooks.utils": (emit_webhooks_for_instance_sync,),
}


def install(database_url: str) -> None:
    """Make the stand-ins importable under Label Studio's names, in this process."""
    global _database
    _database = database_url
    for name, things in STANDS_FOR.items():
        parts = name.split(".")
        for depth in range(1, len(parts) + 1):
            package = ".".join(parts[:depth])
            module = sys.modules.setdefault(package, ModuleType(package))
            module.__dict__.setdefault("__path__", [])
            if depth > 1:
                setattr(sys.modules[".".join(parts[: depth - 1])], parts[depth - 1], module)
        for thing in things:
            setattr(sys.modules[name], thing.__name__, thing)
            thing.__module__ = name
