"""Access matrices of many storages as one job: several at a time, each kept as soon as it is known."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..deployment import Deployment
from ..deployment.buckets import BucketError
from ..deployment.storages import Storage, storages
from ..deployment.storages import storage as find_storage
from ..errors import NotApplicable
from ..state import Store, storage_reports
from . import decision, key_samples, matrix
from .cells import Cell, Matrix

log = logging.getLogger(__name__)

#: Storages looked at side by side: most of the time is waiting for somebody's answer.
AT_A_TIME = 8
Progress = Callable[[int, int, str], None]


def run(
    deployment: Deployment, store: Store, arguments: Mapping[str, Any], *, by: str, job_id: str, progress: Progress,
    stopped: Callable[[], bool],
) -> dict[str, Any]:  # fmt: skip
    """What a job does. `arguments`: `storage` (a reference) or `project_id`, neither for all; `consent` to try writing.

    Returns storages looked at (`done`) of how many (`total`), and how many of them have a red cell (`failed`).
    """
    chosen = wanted(deployment, reference=arguments.get("storage"), project_id=arguments.get("project_id"))
    looked = look_at(
        deployment, store, chosen, by=by, job_id=job_id, consent=bool(arguments.get("consent")), progress=progress,
        stopped=stopped,
    )  # fmt: skip
    if arguments.get("storage") and looked["done"] and _lists(deployment, store, chosen[0]):
        _more(deployment, store, chosen[0], by=by, job_id=job_id)
    return looked


def _lists(deployment: Deployment, store: Store, storage: Storage) -> bool:
    kept = storage_reports.latest(store, deployment.identity, storage.reference, "matrix")
    return (
        any(cell["operation"] == "list" and cell["state"] == "ok" for cell in kept.document["cells"]) if kept else False
    )


def _more(deployment: Deployment, store: Store, storage: Storage, *, by: str, job_id: str) -> None:
    """Beside the matrix of one storage: what its switch would give, and keys to try filters on."""
    with contextlib.suppress(NotApplicable, BucketError):
        keys = key_samples.sample(deployment, storage)
        storage_reports.save(store, deployment.identity, storage.reference, "keys", keys, by=by, job_id=job_id)
        found = decision.decide(deployment, storage)
        storage_reports.save(store, deployment.identity, storage.reference, "decision", found, by=by, job_id=job_id)


def wanted(deployment: Deployment, *, reference: str | None = None, project_id: int | None = None) -> list[Storage]:
    """One storage, those of a project, or all: sources and targets. Raises NotFound for a storage that is not there."""
    with deployment.read() as session:
        if reference:
            return [find_storage(session, deployment.schema, reference)]
        return list(storages(session, deployment.schema, targets=True, project_id=project_id))


def look_at(
    deployment: Deployment, store: Store, chosen: Sequence[Storage], *, by: str, job_id: str | None = None,
    consent: bool = False, progress: Progress = lambda *_: None, stopped: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:  # fmt: skip
    """Look at storages side by side and keep each matrix. A stop lets those under way end, and starts no other."""
    waiting: queue.SimpleQueue[Storage] = queue.SimpleQueue()
    found: queue.SimpleQueue[Matrix] = queue.SimpleQueue()
    halt = threading.Event()
    for storage in chosen:
        waiting.put(storage)
    number = min(AT_A_TIME, len(chosen))
    work = (deployment, waiting, found, halt, consent)
    threads = [threading.Thread(target=_work, args=work, name="matrix", daemon=True) for _ in range(number)]
    for thread in threads:
        thread.start()
    done = failed = 0
    progress(0, len(chosen), "")
    while done < len(chosen):
        working = any(thread.is_alive() for thread in threads)  # asked first: the last one may end right after
        if stopped():
            halt.set()
        try:
            seen = found.get(timeout=0.3)
        except queue.Empty:
            if not working:
                break
            continue
        storage_reports.save(
            store, deployment.identity, seen.reference, "matrix", seen.document(), by=by, job_id=job_id
        )
        done, failed = done + 1, failed + (seen.worst == "failed")
        progress(done, len(chosen), seen.reference)
    return {"done": done, "total": len(chosen), "failed": failed}


def _work(
    deployment: Deployment, waiting: queue.SimpleQueue[Storage], found: queue.SimpleQueue[Matrix], halt: threading.Event,
    consent: bool,
) -> None:  # fmt: skip
    with contextlib.suppress(queue.Empty):
        while not halt.is_set():
            storage = waiting.get_nowait()
            try:
                seen = matrix.look(deployment, storage, consent=consent)
            except Exception as error:  # one storage that breaks us must not hide the others
                log.exception("looking at %s failed", storage.reference)
                told = f"The look stopped with an error of its own ({type(error).__name__}); it says nothing about the storage."
                seen = Matrix(storage.reference, storage.title, "", None, (Cell("resolve", "unknown", told),), 0.0)
            found.put(seen)
