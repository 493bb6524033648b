"""S3 storages whose row alone tells what is wrong: how the last sync ended, names, credentials, addresses."""

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
    Spoiled(
        "storage.bucket_name_form", "Car parks", "car-parks", "an address where the name of the bucket belongs",
        "bucket = 's3://' || bucket || '/'", status="failed", loaded=False,
        traceback="botocore.exceptions.ParamValidationError: Parameter validation failed: Invalid bucket name",
    ),
    Spoiled(
        "storage.sts_expired", "Cycle lanes", "cycle-lanes", "keys of a session that ended",
        "aws_access_key_id = 'ASIA' || substr(aws_access_key_id, 5), aws_session_token = 'FwoGZXIvYXdzEBYaDKtVdemo'",
        status="failed", loaded=False,
        traceback="botocore.exceptions.ClientError: An error occurred (ExpiredToken) when calling the ListObjectsV2 operation: "
        "The provided token has expired.",
    ),
    Spoiled(
        "storage.keys_mixed_up", "Speed bumps", "speed-bumps", "key id and secret stand in each other's field",
        "aws_access_key_id = aws_secret_access_key, aws_secret_access_key = aws_access_key_id", status="failed", loaded=False,
        traceback="botocore.exceptions.ClientError: An error occurred (InvalidAccessKeyId) when calling the ListObjectsV2 "
        "operation: The AWS Access Key Id you provided does not exist in our records.",
    ),
    Spoiled(
        "storage.endpoint_blocked_ssrf", "Milestones", "milestones", "the endpoint is the metadata service of a cloud",
        "s3_endpoint = 'http://169.254.169.254', presign = false", status="initialized", loaded=False,
    ),
    Spoiled(
        "storage.endpoint_internal_presign", "Guard rails", "guard-rails", "links lead to minio:9000, which no browser knows",
        "s3_endpoint = 'http://minio:9000'",
    ),
)  # fmt: skip
#: Planted on a storage of Azure: without an account no cloud is asked.
SHADOWED = "storage.env_credentials_shadow"


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
    _plant_shadowed(cursor, story, healthy)


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


def _plant_shadowed(cursor: Cursor, story: Story, healthy: str) -> None:
    """A storage of Azure without credentials."""
    cursor.execute(
        "INSERT INTO io_storages_azureblobstoragemixin (container, prefix, regex_filter, use_blob_urls)"
        " VALUES ('northlight-airfields', 'runways/', '.*', true) RETURNING id"
    )
    storage_id = int(cursor.fetchone()[0])
    cursor.execute(
        """
        INSERT INTO io_storages_azureblobimportstorage (azureblobstoragemixin_ptr_id, title, description, created_at,
            presign, presign_ttl, project_id, meta, status, synchronizable, recursive_scan)
        VALUES (%s, 'Runways', '', now(), true, 60, %s, '{}', 'initialized', true, true)
        """,
        [storage_id, add_project(cursor, "Runways")],
    )
    explanation = "no credentials of its own: the environment decides whose account it uses"
    story.fault(SHADOWED, f"storage:azure:{storage_id}", explanation)
    story.twin(SHADOWED, healthy, "has its own key")
