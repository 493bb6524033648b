"""Real rq of four release lines: their own virtual environments, workers and libraries.

    with rq_releases.Library("1.10", redis_url) as library, rq_releases.worker("1.10", redis_url, ["low"]) as worker:
        job_id = library.enqueue("low", "jobs_for_tests.slow", 30)
        worker.wait_until(lambda: library.status(job_id) == "started")
        worker.kill()          # kill -9 of the worker and its work horse, as a lost pod ends

The environments are made once in `.venv-rq/` (about two seconds each) and reused; `3` is the main environment's rq.
Jobs are the functions of `tests/rq_jobs/jobs_for_tests.py`: ok, fail, slow, echo, die.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from console.demo.processes import Child
from tests.servers import ROOT

#: Release line -> everything that is installed for it. "3" is what the project itself runs on.
PINS: dict[str, tuple[str, ...]] = {
    "1.10": ("rq==1.10.1", "redis==3.5.3", "click==8.1.8"),
    "1.16": ("rq==1.16.2", "redis==4.6.0", "click==8.1.8", "async-timeout==4.0.3"),
    "2.6": (
        "rq==2.6.1", "redis==5.2.1", "click==8.1.8", "async-timeout==4.0.3",
        "croniter==6.0.0", "python-dateutil==2.9.0.post0", "pytz==2025.2", "six==1.17.0",
    ),
}  # fmt: skip
#: redis-py before 5 imports distutils, which Python 3.12 took out and setuptools brings back.
DISTUTILS = ("setuptools==75.8.0",)
OLD_RELEASES = tuple(PINS)
RELEASES = (*OLD_RELEASES, "3")
JOBS = ROOT / "tests" / "rq_jobs"
ENVIRONMENTS = ROOT / ".venv-rq"
WAIT_SECONDS = 20.0
JSON_SERIALIZER = ("--serializer", "rq.serializers.JSONSerializer")


def python(release: str) -> Path:
    """The interpreter that has this release of rq; its environment is made when it is missing."""
    if release not in PINS:
        return Path(sys.executable)
    directory, wanted = ENVIRONMENTS / release, "\n".join([*_pins(release), sys.version])
    marker, interpreter = directory / "complete", directory / "bin" / "python"
    if not _is(marker, wanted):
        ENVIRONMENTS.mkdir(exist_ok=True)
        with (ENVIRONMENTS / f"{release}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not _is(marker, wanted):
                _make(directory, release)
                marker.write_text(wanted)
    return interpreter


def _pins(release: str) -> tuple[str, ...]:
    return PINS[release] + (DISTUTILS if sys.version_info >= (3, 12) else ())


def _is(marker: Path, wanted: str) -> bool:
    return marker.exists() and marker.read_text() == wanted


def _make(directory: Path, release: str) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(directory)], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(directory / "bin" / "python"), "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", *_pins(release)], check=True, stdout=sys.stderr)


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(JOBS), "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}


class Worker:
    """A real worker process of a release. `log` is what it wrote."""

    def __init__(self, child: Child, name: str, release: str) -> None:
        self.name = name
        self.release = release
        self._child = child

    @property
    def log(self) -> str:
        return self._child.log.read_text(errors="replace")

    @property
    def running(self) -> bool:
        return self._child.running

    @property
    def pid(self) -> int:
        """The worker's own process id, as it stands in Redis."""
        return _children(self._child.pid)[0]

    def wait_until(self, condition: Callable[[], Any], seconds: float = WAIT_SECONDS) -> Any:
        """Returns the first true answer; fails with the worker's log."""
        give_up = time.monotonic() + seconds
        while time.monotonic() < give_up:
            if answer := condition():
                return answer
            time.sleep(0.05)
        raise AssertionError(f"rq {self.release} did not get there within {seconds:g} s. Its log:\n{self.log}")

    def wait_until_ended(self) -> None:
        """For a worker in burst mode: until it has done all there was."""
        self.wait_until(lambda: not self.running)

    def kill(self) -> None:
        """kill -9 of the worker, its work horse and its scheduler: nobody signs off."""
        for pid in _descendants(self._child.pid):
            _kill(pid)
        self.wait_until(lambda: not self.running)

    def kill_horse(self) -> None:
        """kill -9 of the process that runs the job, as the kernel does for memory; the worker stays."""
        for pid in _descendants(self.pid):
            _kill(pid)

    def stop(self) -> None:
        """Politely; a job that still runs is killed."""
        if self.running:
            self.kill_horse()
        self._child.stop()


@contextmanager
def worker(
    release: str, url: str, queues: Sequence[str], *, name: str = "", burst: bool = False, scheduler: bool = False,
    json_serializer: bool = False, options: Sequence[str] = (), environment: dict[str, str] | None = None,
) -> Iterator[Worker]:  # fmt: skip
    """A worker of this release on these queues, known to Redis once this returns (a burst worker may be done already).

    `options` go to `rq worker` as they are (`--worker-ttl 5`, `--max-jobs 1`).
    """
    name = name or f"rq-{release}-{os.getpid()}-{time.monotonic_ns()}"
    command = [str(python(release)), "-c", "from rq.cli import main; main()", "worker", *queues]
    command += ["--url", url, "--name", name, "--path", str(JOBS), *options]
    command += ["--burst"] * burst + ["--with-scheduler"] * scheduler
    command += JSON_SERIALIZER if json_serializer else ()
    with tempfile.TemporaryDirectory(prefix="lsconsole-rq-") as directory:
        command = ["env", "-C", directory, *command]
        child = Child(
            f"rq {release}", command, Path(directory, "log"), environment=_environment() | (environment or {})
        )
        started = Worker(child, name, release)
        try:
            started.wait_until(lambda: "istening on" in started.log or not started.running)
            yield started
        finally:
            started.stop()


def work(release: str, url: str, queues: Sequence[str], **options: Any) -> None:
    """A worker of this release does all that waits on these queues, then ends."""
    with worker(release, url, queues, burst=True, **options) as started:
        started.wait_until_ended()


class Library:
    """The rq library of a release, in a process of its own. Failures of rq come back as RuntimeError."""

    def __init__(self, release: str, url: str) -> None:
        self.release = release
        self._process = subprocess.Popen(
            [str(python(release)), str(JOBS / "library.py"), url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(),
            text=True,
        )

    def __enter__(self) -> Library:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()
        self._process.wait(10)

    def enqueue(self, queue: str, function: str, *args: Any, **options: Any) -> str:
        """Returns the job's id. Options: `kwargs` (of the function), `json_serializer`, `in_seconds` (scheduled),
        `retry={"max": 2, "interval": 60}`, `depends_on` (a job id), and rq's own: `job_id`, `job_timeout`, `result_ttl`,
        `failure_ttl`, `ttl`, `meta`, `description`, `at_front`.
        """
        function = function if "." in function else f"jobs_for_tests.{function}"
        kwargs = options.pop("kwargs", {})
        return str(self._ask("enqueue", queue, function, args, kwargs, **options))

    def status(self, job_id: str, **options: Any) -> str:
        """What rq itself says; `json_serializer=True` for a job of that serializer, here and below."""
        return str(self._ask("status", job_id, **options))

    def result(self, job_id: str, **options: Any) -> Any:
        return self._ask("result", job_id, **options)

    def cancel(self, job_id: str, **options: Any) -> None:
        self._ask("cancel", job_id, **options)

    def requeue(self, job_id: str, **options: Any) -> None:
        self._ask("requeue", job_id, **options)

    def workers(self) -> list[str]:
        """Names of the workers that rq still finds. It signs dead ones off as it looks."""
        return list(self._ask("workers"))

    def suspend(self) -> None:
        self._ask("suspend")

    def resume(self) -> None:
        self._ask("resume")

    def versions(self) -> tuple[str, str]:
        """Of rq and of redis-py."""
        rq, redis = self._ask("versions")
        return rq, redis

    def _ask(self, name: str, *args: Any, **kwargs: Any) -> Any:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps([name, args, kwargs]) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline() or '{"error": "the library ended"}')
        if "error" in answer:
            raise RuntimeError(f"rq {self.release}: {answer['error']}")
        return answer["value"]


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for child in _children(pid):
        found += [child, *_descendants(child)]
    return found


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
