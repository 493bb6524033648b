"""The long work of snapshots: writing the file of one, and converting it. Both tell how far they are and can be stopped.

Whatever goes wrong, the row says so: `failed`, with the time, and for a conversion with the reason.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..config import Settings
from ..deployment import Deployment
from ..errors import ConsoleError, Refused
from . import snapshots
from .db import Caller, Db
from .exports import converter, flat_rows, names, stream
from .exports.documents import Documents
from .exports.project import Exported, exported
from .exports.selection import Selection
from .imports.json_items import JsonItems
from .snapshots_files import Place

#: Called with tasks done, tasks in all, and a few words.
Progress = Callable[[int, int, str], None]
Stopped = Callable[[], bool]
NOTHING_CONVERTED = "No converted file found, probably there are no annotations in the export snapshot"
DELIMITERS = {"CSV": ",", "TSV": "\t"}
CHUNK_BYTES = 1 << 16


class Interrupted(Refused):
    """Somebody asked to stop; what was written is thrown away."""


@dataclass(frozen=True)
class Desk:
    """What the work needs: the deployment, and in whose name it is done."""

    deployment: Deployment
    caller: Caller

    @property
    def settings(self) -> Settings:
        return self.deployment.settings

    @property
    def place(self) -> Place:
        return Place(self.settings.base_data_dir / "media")

    @contextlib.contextmanager
    def opened(self) -> Iterator[Db]:
        """A short transaction for looking."""
        with self.deployment.read() as session:
            yield Db(session, self.deployment.schema, self.caller)

    @contextlib.contextmanager
    def changing(self) -> Iterator[Db]:
        """A short transaction for changing."""
        with self.deployment.write() as session:
            yield Db(session, self.deployment.schema, self.caller)


def write(
    desk: Desk, export_id: int, selection: Selection, documents: Documents, *, only_with_annotations: bool = False,
    progress: Progress, stopped: Stopped,
) -> int:  # fmt: skip
    """Write the file of a snapshot; how many tasks are in it. The row ends as completed or failed, whatever happens."""
    done = 0
    unfinished: Path | None = None
    try:
        with desk.opened() as db:
            total = selection.count(db)
        unfinished = desk.place.unfinished(selection.project_id, f"snapshot-{export_id}")
        batches = stream.batches(desk.opened, selection, documents)
        if only_with_annotations:
            batches = stream.with_annotations(batches)
        md5 = hashlib.md5(usedforsecurity=False)

        def told(count: int) -> None:
            nonlocal done
            done = count
            progress(count, total, f"{count:,} of {total:,} tasks written")
            if stopped():
                raise Interrupted("Stopped; the snapshot has no file.")

        with unfinished.open("wb") as file:
            for chunk in stream.json_list(batches, told):
                md5.update(chunk)
                file.write(chunk)
        name = names.file_name(selection.project_id, datetime.now(UTC), md5.hexdigest(), "json")
        stored = desk.place.keep(unfinished, selection.project_id, name)
        with desk.changing() as db:
            kept = snapshots.finish(db, export_id, file=stored, md5=md5.hexdigest(), tasks=done)
        if not kept:
            desk.place.remove([stored])
        return done
    except BaseException as error:
        if unfinished is not None:
            unfinished.unlink(missing_ok=True)
        with desk.changing() as db:
            snapshots.fail(db, [export_id])
        if isinstance(error, OSError):
            raise Refused(f"The file of the snapshot cannot be written: {error.strerror}.") from None
        raise


def convert(
    desk: Desk,
    converted_id: int,
    *,
    project_id: int,
    export_id: int,
    export_type: str,
    resources: bool,
    stopped: Stopped,
) -> None:
    """Make the file of a conversion. The row ends as completed or failed, whatever happens."""
    with desk.changing() as db:
        if not snapshots.take_conversion(db, converted_id):
            return
    try:
        with desk.opened() as db:
            project = exported(db, project_id)
            _, file = snapshots.stored(db, project_id, export_id)
        source = desk.place.find(file)
        with tempfile.TemporaryDirectory(prefix="lsconsole-export-") as directory:
            order = converter.Order(
                export_type,
                project.controls,
                project_id,
                resources=resources,
                interrupted_after_seconds=converter.JOB_SECONDS,
            )
            made = made_from(source, order, Path(directory), desk.settings, stopped)
            if made is None:
                raise Refused(NOTHING_CONVERTED)
            stored = _stored(desk, made, project_id, converted_id)
        with desk.changing() as db:
            kept = snapshots.finish_conversion(db, converted_id, stored)
        if not kept:
            desk.place.remove([stored])
    except BaseException as error:
        reason = str(error) if isinstance(error, ConsoleError) else f"{type(error).__name__}: {error}"
        with desk.changing() as db:
            snapshots.fail_conversions(db, [converted_id], reason)
        raise


def made_from(
    source: Path, order: converter.Order, directory: Path, settings: Settings, stopped: Stopped = lambda: False
) -> Path | None:
    """A snapshot's file in another format, below `directory`, or None when there is nothing in it. Raises ConversionFailed."""
    if order.format == "JSON":
        return source
    chunks = _own(source, order)
    if chunks is None:
        return converter.convert(order, source, directory, settings, stopped)
    made = directory / ("result.csv" if order.format in DELIMITERS else "result.json")
    with made.open("wb") as file:
        for chunk in chunks:
            file.write(chunk)
            if stopped():
                raise Interrupted("Stopped; there is no converted file.")
    return made


def tasks_of(source: Path) -> Iterator[Any]:
    """Tasks of a snapshot's file, ours or Label Studio's, one at a time."""
    with source.open("rb") as file:
        for task in JsonItems(file):
            if isinstance(task, dict):
                yield task


def _own(source: Path, order: converter.Order) -> Iterator[bytes] | None:
    if order.format == "JSON_MIN":
        return flat_rows.json_min(tasks_of(source), order.controls)
    if order.format in DELIMITERS:
        return flat_rows.delimited(lambda: tasks_of(source), order.controls, DELIMITERS[order.format])
    return None


def _stored(desk: Desk, made: Path, project_id: int, converted_id: int) -> str:
    md5 = hashlib.md5(usedforsecurity=False)
    unfinished = desk.place.unfinished(project_id, f"converted-{converted_id}")
    try:
        with made.open("rb") as source, unfinished.open("wb") as target:
            while chunk := source.read(CHUNK_BYTES):
                md5.update(chunk)
                target.write(chunk)
        name = names.file_name(project_id, datetime.now(UTC), md5.hexdigest(), made.suffix.removeprefix("."))
        return desk.place.keep(unfinished, project_id, name)
    except OSError as error:
        raise Refused(f"The converted file cannot be written: {error.strerror}.") from None
    finally:
        unfinished.unlink(missing_ok=True)


__all__ = ["Desk", "Exported", "Interrupted", "convert", "made_from", "tasks_of", "write"]
