"""Access matrices of 100 storages as one job, against an S3 of our own; `python -m tests.bench.matrix`."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

from console.config import Settings
from console.deployment.storages import KINDS, Storage
from console.doctor import matrix_jobs
from console.service import Console
from console.state import storage_reports
from tests import servers
from tests.s3_server import Cors, S3Server

STORAGES = 100
TARGET_SECONDS = 30


def look(dump: str, directory: Path) -> tuple[float, float]:
    """Seconds for 100 storages that answer, and for 100 of which every tenth never does."""
    settings = Settings.load(
        {}, database_url=dump, data_dir=directory / "console", label_studio_url="http://label.example.com",
        bucket_endpoints=("127.0.0.1",),
    )  # fmt: skip
    console = Console(settings)
    try:
        with S3Server() as s3:
            s3.bucket("data", {f"img/{number:04}.png": b"png" for number in range(2_000)}, cors=[Cors()])
            s3.bucket("dead", {}).faults.update(dict.fromkeys(("LIST", "HEADBUCKET"), "hang"))
            return _timed(console, s3, dead=0), _timed(console, s3, dead=10)
    finally:
        console.close()


def _timed(console: Console, s3: S3Server, *, dead: int) -> float:
    usual = {"title": "Tried", "project_id": 1, "use_blob_urls": True, "presign": True, "presign_ttl": 1}
    chosen = [
        Storage(KINDS["s3"], 1000 + number, {**s3.row("dead" if number < dead else "data", prefix="img"), **usual})
        for number in range(STORAGES)
    ]
    started = time.monotonic()
    looked = matrix_jobs.look_at(console.deployment, console.store, chosen, by="bench")
    taken = time.monotonic() - started
    kept = storage_reports.all_latest(console.store, console.deployment.identity, "matrix")
    if looked["done"] != STORAGES or looked["failed"] != dead or len(kept) != STORAGES:
        raise SystemExit(f"the matrices are wrong: {looked}")
    return taken


def rows(dump: str, directory: Path) -> list[tuple[str, str, str]]:
    """What was measured, the target, what was seen."""
    alive, some_dead = look(dump, directory)
    return [
        (f"access matrix of {STORAGES} storages, one job", f"under {TARGET_SECONDS} s", f"{alive:.1f} s"),
        (f"the same, 10 of the {STORAGES} never answer", "", f"{some_dead:.1f} s"),
    ]


def main() -> None:
    directory = Path(tempfile.mkdtemp(prefix="lsconsole-bench-"))
    try:
        for what, target, seen in rows(servers.sqlite_dump("1.23.2", directory), directory):
            print(f"| {what} | {target} | {seen} |")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
