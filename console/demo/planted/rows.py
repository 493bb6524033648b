"""S3 storages whose row alone tells what is wrong: how the last sync ended, or a prefix.

Each of them can be reached: one that cannot leaves every other check of its bucket undecided.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg2.extensions import cursor as Cursor

from console.demo.buckets import Folder, ObjectStore
from console.demo.planted.projects import add_project
from console.demo.planted.s3_rows import add_source, names
from console.demo.story import Story

TABLE = "io_storages_s3importstorage"
BUCKET = "northlight-roads"
KILLED = (
    "It appears the job was terminated unexpectedly, and no traceback information is available.\n"
    "This typically occurs due to an out-of-memory (OOM) error."
)
INVALID = "\n".join(
    f"Validation error for task from gates/gate_{number:03d}.jpg: the label “Barrier” is not in the labeling config"
    for number in (2, 5)
)


@dataclass(frozen=True)
class Spoiled:
    """A storage in a project of its own, with `spoil` done to its row once it is there (a SET clause)."""

    code: str
    project: str
    folder: str
    explanation: str
    spoil: str = ""
    status: str = "completed"
    traceback: str | None = None
    loaded: bool = True

    @property
    def place(self) -> Folder:
        return Folder(BUCKET, f"{self.folder}/", names("photo_{:03d}.jpg", 8))


SPOILED = (
    Spoiled(
        "storage.stale_ping", "Bridges", "bridges", "in progress for days, and nobody works on it",
        status="in_progress", loaded=False,
    ),
    Spoiled(
        "storage.worker_oom", "Tunnels", "tunnels", "the worker was killed while it synced", status="failed",
        traceback=KILLED, loaded=False,
    ),
    Spoiled(
        "storage.completed_with_errors", "Gates", "gates", "two tasks were left out as invalid",
        "status = 'completed_with_errors', meta = meta || '{\"tasks_failed_validation\": 2}'",
    ),
    Spoiled(
        "storage.never_synced", "Ferry docks", "ferry-docks", "connected days ago, and nobody clicked Sync",
        status="initialized", loaded=False,
    ),
    Spoiled(
        "storage.prefix_slash", "Roundabouts", "roundabouts", "the prefix begins with a slash, and no key does",
        "prefix = '/' || prefix, last_sync_count = 0", loaded=False,
    ),
)  # fmt: skip


def folders() -> list[Folder]:
    """What the S3 server has to hold for them."""
    return [item.place for item in SPOILED]


def plant(cursor: Cursor, story: Story, store: ObjectStore) -> None:
    """Insert and spoil them; failed syncs of the other planter are noted as well."""
    healthy = next(twin.subject for twin in story.twins if twin.code == "storage.regex_invalid")
    for number, item in enumerate(SPOILED):
        project_id = add_project(cursor, item.project, days_old=30 - number)
        storage_id = add_source(
            cursor, store, item.place, project_id, f"{item.project}, photos", minutes_ago=700 + 1_313 * number,
            status=item.status, traceback=item.traceback, loaded=item.loaded,
        )  # fmt: skip
        if item.code == "storage.completed_with_errors":
            cursor.execute(f"UPDATE {TABLE} SET traceback = %s WHERE id = %s", [INVALID, storage_id])
        if item.spoil:
            cursor.execute(f"UPDATE {TABLE} SET {item.spoil} WHERE id = {storage_id}")
        story.fault(item.code, f"storage:s3:{storage_id}", f"{item.project}: {item.explanation}")
        story.twin(item.code, healthy, "a storage in order")
    _plant_failed(story, healthy)


def _plant_failed(story: Story, healthy: str) -> None:
    for code, explanation in (
        ("storage.regex_invalid", "failed: the filter is no regular expression"),
        ("storage.blob_toggle_off", "failed: a photo is no JSON"),
        ("storage.list_not_get", "failed: AccessDenied"),
        ("storage.worker_oom", "failed: the worker was killed"),
    ):
        subject = next(fault.subject for fault in story.faults if fault.code == code)
        story.fault("storage.failed_status", subject, explanation)
    story.twin("storage.failed_status", healthy, "completed")
