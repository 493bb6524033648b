"""Every fault the demo announces is really there, looked at without the console's own checks."""

from __future__ import annotations

import base64
import hashlib
import re
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import psycopg2
import pytest
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import ClientError
from redis import Redis

from console import demo

CODES = {
    "auth.mixed_case_email",
    "auth.duplicate_by_case",
    "auth.inactive",
    "auth.no_membership",
    "auth.active_org_deleted",
    "storage.regex_invalid",
    "storage.regex_empty",
    "storage.regex_no_match",
    "storage.blob_toggle_off",
    "storage.blob_toggle_on_json",
    "storage.list_not_get",
    "storage.queued_forever",
    "storage.stale_ping",
    "storage.worker_oom",
    "storage.failed_status",
    "storage.completed_with_errors",
    "storage.never_synced",
    "storage.prefix_slash",
    "storage.sts_expired",
    "storage.target_lag",
    "storage.target_silent_failures",
    "storage.shared_location",
    "storage.duplicate_sources",
    "storage.orphan_links",
    "storage.uri_unresolvable",
    "storage.presigned_in_data",
    "storage.url_double_encoded",
    "storage.recursive_off",
    "storage.cors_missing",
    "storage.presign_403",
    "storage.object_gone",
    "storage.target_no_put",
    "local.url_form",
    "local.no_covering_storage",
    "redisstore.null_path",
    "jobs.queue_starved",
    "jobs.backlog",
    "jobs.failed",
    "jobs.zombie_worker",
    "jobs.redis_persistence",
    "tasks.counters_drift",
    "tasks.is_labeled_drift",
    "pg.dead_tuples",
    "pg.pending_migrations",
    "pg.async_migration",
    "pg.extensions",
    "pg.cache_and_config",
    "pg.invalid_index",
    "pg.sequence_behind",
    "export.failed",
    "export.snapshot_stuck",
    "export.file_missing",
    "import.stuck",
}
COUNTED = """
    SELECT task.id, task.inner_id, task.project_id, task.overlap, task.is_labeled, task.total_annotations,
        count(a.id) FILTER (WHERE NOT a.was_cancelled) AS counted,
        count(DISTINCT a.completed_by_id) FILTER (WHERE NOT a.was_cancelled) AS people
    FROM task LEFT JOIN task_completion a ON a.task_id = task.id GROUP BY task.id
"""


@pytest.fixture
def query(deployment: demo.Deployment) -> Iterator[Any]:
    connection = psycopg2.connect(deployment.database_url)
    connection.autocommit = True

    def run(sql: str, *values: object) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(sql, values or None)
            return cursor.fetchall()

    yield run
    connection.close()


@pytest.fixture
def redis(deployment: demo.Deployment) -> Iterator[Redis]:
    with Redis.from_url(deployment.redis_url, decode_responses=True) as client:
        yield client


def subject(deployment: demo.Deployment, code: str, *, twin: bool = False) -> int:
    """Number of the first subject planted for a code."""
    planted = deployment.twins if twin else deployment.faults
    return int(next(item.subject for item in planted if item.code == code).rpartition(":")[2])


def storage_row(query: Any, storage_id: int) -> dict[str, Any]:
    columns = ("bucket", "prefix", "regex_filter", "use_blob_urls", "status", "last_sync_job", "s3_endpoint")
    columns += ("aws_access_key_id", "aws_secret_access_key", "aws_session_token", "project_id")
    [row] = query(f"SELECT {', '.join(columns)} FROM io_storages_s3importstorage WHERE id = %s", storage_id)
    return dict(zip(columns, row, strict=True))


def client(row: dict[str, Any], secret: str | None = None) -> BaseClient:
    return boto3.client(
        "s3",
        endpoint_url=row["s3_endpoint"],
        region_name="us-east-1",
        aws_access_key_id=row["aws_access_key_id"],
        aws_secret_access_key=secret or row["aws_secret_access_key"],
        aws_session_token=row["aws_session_token"],
        config=Config(signature_version="s3v4", retries={"max_attempts": 0}),
    )


def listed(row: dict[str, Any]) -> list[str]:
    answer = client(row).list_objects_v2(Bucket=row["bucket"], Prefix=row["prefix"])
    return [item["Key"] for item in answer["Contents"]]


def test_every_code_has_a_fault_and_a_twin_elsewhere(deployment: demo.Deployment) -> None:
    assert {fault.code for fault in deployment.faults} == CODES
    assert {twin.code for twin in deployment.twins} == CODES | {"jobs.no_worker", "pg.missing_index"}
    planted = {(fault.code, fault.subject) for fault in deployment.faults}
    assert not planted & {(twin.code, twin.subject) for twin in deployment.twins}


def test_the_printed_people_can_sign_in(deployment: demo.Deployment, query: Any) -> None:
    assert [person.email for person in deployment.people] == ["mira.holm@example.com", "jon.reyes@example.com"]
    for person in deployment.people:
        [(stored, superuser, staff)] = query(
            "SELECT password, is_superuser, is_staff FROM htx_user JOIN authtoken_token ON user_id = id"
            " WHERE email = %s AND key = %s AND is_active",
            person.email,
            person.token,
        )
        algorithm, iterations, salt, digest = stored.split("$")
        computed = hashlib.pbkdf2_hmac("sha256", person.password.encode(), salt.encode(), int(iterations))
        assert (algorithm, base64.b64encode(computed).decode()) == ("pbkdf2_sha256", digest)
        assert staff and superuser == (person.role == "superuser")


def test_accounts(deployment: demo.Deployment, query: Any) -> None:
    planted = {
        code: {int(fault.subject.rpartition(":")[2]) for fault in deployment.faults if fault.code == code}
        for code in CODES
        if code.startswith("auth.")
    }

    def ids(condition: str) -> set[int]:
        return {row[0] for row in query(f"SELECT id FROM htx_user u WHERE {condition}")}

    assert ids("email <> lower(email)") == planted["auth.mixed_case_email"]
    clash = "EXISTS (SELECT 1 FROM htx_user o WHERE o.id <> u.id AND lower(o.email) = lower(u.email))"
    assert ids(f"email = lower(email) AND {clash}") == planted["auth.duplicate_by_case"]
    member = "EXISTS (SELECT 1 FROM organizations_organizationmember m WHERE m.user_id = u.id AND m.deleted_at IS NULL"
    assert ids(f"NOT is_active AND {member})") == planted["auth.inactive"]
    some = member.replace(" AND m.deleted_at IS NULL", "")
    assert ids(f"is_active AND NOT {some})") == planted["auth.no_membership"]
    here = "AND m.organization_id = u.active_organization_id)"
    assert (
        ids(f"is_active AND active_organization_id IS NOT NULL AND NOT {member} {here}")
        == (planted["auth.active_org_deleted"])
    )


def test_storage_filters(deployment: demo.Deployment, query: Any) -> None:
    wildcard = storage_row(query, subject(deployment, "storage.regex_invalid"))
    assert wildcard["regex_filter"] == "*.jpg"
    with pytest.raises(re.error):
        re.compile(wildcard["regex_filter"])
    empty = storage_row(query, subject(deployment, "storage.regex_empty"))
    assert not empty["regex_filter"] and any(key.endswith(".DS_Store") for key in listed(empty))
    missing = storage_row(query, subject(deployment, "storage.regex_no_match"))
    assert not [key for key in listed(missing) if re.match(missing["regex_filter"], key)]
    for code in ("storage.regex_invalid", "storage.regex_empty", "storage.regex_no_match"):
        twin = storage_row(query, subject(deployment, code, twin=True))
        assert [key for key in listed(twin) if re.match(twin["regex_filter"], key)]


def test_storage_toggles(deployment: demo.Deployment, query: Any) -> None:
    off = storage_row(query, subject(deployment, "storage.blob_toggle_off"))
    assert not off["use_blob_urls"] and all(key.endswith(".jpg") for key in listed(off))
    on = storage_row(query, subject(deployment, "storage.blob_toggle_on_json"))
    assert on["use_blob_urls"] and all(key.endswith(".json") for key in listed(on))
    tasks = query("SELECT data FROM task WHERE project_id = %s", on["project_id"])
    assert len(tasks) == 38 and all(data["$undefined$"].endswith(".json") for (data,) in tasks)


def test_a_key_that_lists_and_does_not_read(deployment: demo.Deployment, query: Any) -> None:
    row = storage_row(query, subject(deployment, "storage.list_not_get"))
    key = listed(row)[0]
    with pytest.raises(ClientError, match="AccessDenied"):
        client(row).get_object(Bucket=row["bucket"], Key=key)
    twin = storage_row(query, subject(deployment, "storage.list_not_get", twin=True))
    assert twin["bucket"] == row["bucket"]
    assert client(twin).get_object(Bucket=twin["bucket"], Key=listed(twin)[0], Range="bytes=0-0")["ContentLength"] == 1
    with pytest.raises(ClientError, match="AccessDenied"):
        client(twin).get_object(Bucket=twin["bucket"], Key=key)


def test_wrong_signatures_and_strangers_are_refused(deployment: demo.Deployment, query: Any) -> None:
    row = storage_row(query, subject(deployment, "storage.list_not_get", twin=True))
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        client(row, secret="wrong").list_objects_v2(Bucket=row["bucket"])
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        client({**row, "aws_access_key_id": "AKIASTRANGER00000000"}).list_objects_v2(Bucket=row["bucket"])
    target = {"Bucket": row["bucket"], "Key": listed(row)[0]}
    link = client(row).generate_presigned_url("get_object", Params=target)
    with urllib.request.urlopen(link) as answer:
        assert answer.status == 200
    forged = link[:-4] + ("0000" if link[-4:] != "0000" else "1111")
    for refused in (forged, link.partition("?")[0]):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(refused)


def test_healthy_storages_list_and_read(deployment: demo.Deployment, query: Any) -> None:
    forbidden = subject(deployment, "storage.list_not_get")
    nowhere = subject(deployment, "storage.prefix_slash")
    healthy = "SELECT id FROM io_storages_s3importstorage WHERE id NOT IN (%s, %s) ORDER BY id"
    for (storage_id,) in query(healthy, forbidden, nowhere):
        row = storage_row(query, storage_id)
        assert client(row).get_object(Bucket=row["bucket"], Key=listed(row)[0])["ContentLength"]
    dashcam = storage_row(query, subject(deployment, "storage.blob_toggle_on_json", twin=True))
    assert len(listed(dashcam)) == 1000, "more keys than one listing returns"
    [(endpoint,)] = query("SELECT DISTINCT s3_endpoint FROM io_storages_s3exportstorage")
    assert endpoint == deployment.s3_endpoint


def test_one_sync_is_queued_for_good_and_one_waits(deployment: demo.Deployment, query: Any, redis: Redis) -> None:
    stuck = storage_row(query, subject(deployment, "storage.queued_forever"))
    assert (stuck["status"], stuck["last_sync_job"]) == ("queued", None)
    twin = storage_row(query, subject(deployment, "storage.queued_forever", twin=True))
    assert twin["status"] == "queued" and twin["last_sync_job"] in redis.lrange("rq:queue:low", 0, -1)
    description = redis.hget(f"rq:job:{twin['last_sync_job']}", "description")
    assert str(description).startswith("io_storages.base_models.import_sync_background(")


def test_only_the_planted_projects_have_stale_tasks(deployment: demo.Deployment, query: Any) -> None:
    counters = query(f"SELECT project_id, count(*) FROM ({COUNTED}) t WHERE counted <> total_annotations GROUP BY 1")
    assert counters == [(subject(deployment, "tasks.counters_drift"), 300)]
    labeled = query(f"SELECT DISTINCT project_id FROM ({COUNTED}) t WHERE is_labeled <> (people >= overlap)")
    assert labeled == [(subject(deployment, "tasks.is_labeled_drift"),)]


def test_database_faults(deployment: demo.Deployment, query: Any) -> None:
    [(table, dead, live)] = query(
        "SELECT relname, n_dead_tup, n_live_tup FROM pg_stat_user_tables WHERE n_dead_tup > 100000"
    )
    assert table == "io_storages_s3importstoragelink" and dead > live / 5
    applied = {name for (name,) in query("SELECT name FROM django_migrations WHERE app = 'tasks'")}
    assert "0059_task_completion_id_updated_at_idx_async" not in applied and "0060_add_allow_skip_to_task" in applied
    unfinished = query(
        "SELECT status FROM core_asyncmigrationstatus WHERE status <> 'FINISHED'"
        " AND updated_at < now() - interval '1 hour' ORDER BY status"
    )
    assert unfinished == [("ERROR",), ("IN PROGRESS",)]
    [(leftover,)] = query("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid")
    assert leftover == "task_project_6acf5f_idx_ccnew"
    [(largest, next_id)] = query(
        "SELECT max(id), (SELECT last_value FROM data_manager_view_id_seq) FROM data_manager_view"
    )
    assert next_id < largest


def test_exports_and_imports(deployment: demo.Deployment, query: Any) -> None:
    lost = subject(deployment, "export.snapshot_stuck")
    [(status, age)] = query(
        "SELECT status, now() - created_at FROM data_export_export WHERE project_id = %s AND status <> 'completed'",
        lost,
    )
    assert status == "in_progress" and age > timedelta(hours=20)
    busy = subject(deployment, "export.failed")
    assert [
        row[0]
        for row in query("SELECT count(*) FROM data_export_export WHERE project_id = %s AND status = 'failed'", busy)
    ] == [3]
    for (name,) in query("SELECT file FROM data_export_export WHERE status = 'completed' AND project_id <> %s", busy):
        assert (deployment.data_dir / "media" / name).is_file()
    [(name,)] = query("SELECT file FROM data_export_export WHERE status = 'completed' AND project_id = %s", busy)
    assert not (deployment.data_dir / "media" / name).exists()
    assert query(
        "SELECT status FROM projects_projectimport WHERE project_id = %s", subject(deployment, "import.stuck")
    ) == [("in_progress",)]


def test_low_is_starved_and_has_a_backlog(redis: Redis) -> None:
    assert redis.scard("rq:workers:low") == 0
    for queue in ("critical", "high", "default"):
        assert redis.scard(f"rq:workers:{queue}"), queue
    oldest = redis.lindex("rq:queue:low", 0)
    assert redis.llen("rq:queue:low") == 17
    enqueued_at = datetime.fromisoformat(str(redis.hget(f"rq:job:{oldest}", "enqueued_at")))
    assert enqueued_at < datetime.now(UTC) - timedelta(minutes=5)


def test_failures_are_of_two_kinds(redis: Redis) -> None:
    def last_lines(queue: str) -> set[str]:
        streams = [redis.xrevrange(f"rq:results:{job}", count=1) for job in redis.zrange(f"rq:failed:{queue}", 0, -1)]
        texts = [fields["exc_string"] for [(_, fields)] in streams]
        return {_unpacked(text).strip().splitlines()[-1].partition(":")[0] for text in texts}

    assert last_lines("low") == {"botocore.errorfactory.AccessDenied"}
    assert last_lines("default") == {"FileNotFoundError"}
    assert redis.zcard("rq:failed:high") == redis.zcard("rq:failed:critical") == 0


def _unpacked(text: str) -> str:
    return zlib.decompress(base64.b64decode(text)).decode()


def test_a_dead_worker_and_a_stuck_job(redis: Redis) -> None:
    workers = [{"name": key.removeprefix("rq:worker:"), **redis.hgetall(key)} for key in redis.smembers("rq:workers")]
    beats = sorted(datetime.fromisoformat(worker["last_heartbeat"]) for worker in workers)
    assert len(beats) == 3 and beats[0] < datetime.now(UTC) - timedelta(minutes=30) < beats[1]
    [busy] = [worker for worker in workers if worker["state"] == "busy"]
    [execution] = redis.zrange("rq:wip:default", 0, -1)
    key = f"rq:job:{execution.partition(':')[0]}"
    job = {field: str(redis.hget(key, field)) for field in ("status", "origin", "worker_name", "started_at")}
    assert (job["status"], job["origin"], job["worker_name"]) == ("started", "default", busy["name"])
    assert datetime.fromisoformat(job["started_at"]) < datetime.now(UTC) - timedelta(hours=2)
