"""Addresses in task data that no browser follows, a project for each. The tasks were imported by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from psycopg2.extensions import cursor as Cursor

from console.demo.buckets import Folder, ObjectStore
from console.demo.planted.projects import add_project, add_tasks
from console.demo.planted.s3_rows import add_source, names
from console.demo.story import Story

DAYS_AGO = 40
LANES = Folder("northlight-roads", "lanes/", names("lane_{:03d}.jpg", 12))
BICYCLES = Folder("northlight-roads", "bicycles/", names("count_{:03d}.jpg", 12))
SIGNED = (
    "https://{bucket}.s3.us-east-1.amazonaws.com/{key}?X-Amz-Algorithm=AWS4-HMAC-SHA256"
    "&X-Amz-Credential=AKIADEMO000000000000%2F{at:%Y%m%d}%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date={at:%Y%m%dT%H%M%SZ}"
    "&X-Amz-Expires=604800&X-Amz-SignedHeaders=host&X-Amz-Signature=" + "0123456789abcdef" * 4
)
#: Check, project, where the files are, the address in the tasks, what is wrong.
PROJECTS = (
    ("storage.uri_unresolvable", "Lane markings", LANES, "s3://Northlight-Roads/{key}",
     "the tasks name the bucket with capitals, the storage without: letter case counts"),
    ("storage.presigned_in_data", "Bicycle counts", BICYCLES, SIGNED,
     "links that were signed before the import, and ended a week later"),
)  # fmt: skip
YARD = "https://images.example.com/{}/{:03d}.jpg"


def folders() -> list[Folder]:
    """What the S3 server has to hold for them."""
    return [LANES, BICYCLES]


def plant(cursor: Cursor, story: Story, store: ObjectStore) -> None:
    """Twelve tasks in each project, and a project with plain addresses beside them."""
    at = datetime.now(UTC) - timedelta(days=DAYS_AGO)
    healthy = add_project(cursor, "Yard cameras, west")
    add_tasks(cursor, healthy, [{"image": YARD.format(quote("yard west"), number)} for number in range(12)], at)
    for code, title, folder, address, explanation in PROJECTS:
        project_id = add_project(cursor, title)
        links = [address.format(bucket=folder.bucket, key=key, at=at) for key in folder.keys]
        add_tasks(cursor, project_id, [{"image": link} for link in links], at)
        _resolve(cursor, store, folder, project_id, title)
        story.fault(code, f"project:{project_id}", f"{title}: {explanation}")
        story.twin(code, f"project:{healthy}", "plain addresses on https")
    encoded = add_project(cursor, "Yard cameras")
    add_tasks(cursor, encoded, [{"image": YARD.format("yard%2520east", number)} for number in range(12)], at)
    code = "storage.url_double_encoded"
    story.fault(code, f"project:{encoded}", "Yard cameras: blanks in the addresses were encoded twice")
    story.twin(code, f"project:{healthy}", "blanks in the addresses are encoded once")


def _resolve(cursor: Cursor, store: ObjectStore, folder: Folder, project_id: int, title: str) -> None:
    """A source that is there for the addresses of its bucket alone, and cannot be synced."""
    storage_id = add_source(
        cursor, store, folder, project_id, f"{title}: addresses", minutes_ago=DAYS_AGO * 1440, status="initialized",
        loaded=False,
    )  # fmt: skip
    cursor.execute("UPDATE io_storages_s3importstorage SET synchronizable = false WHERE id = %s", [storage_id])
