"""Formats that the official SDK's converter makes, in a process of its own.

The converter takes seconds to import and as much memory as it likes, and other people's data makes it stop with errors
of all kinds. Here it gets a file of tasks, writes into a directory and ends: when it breaks or takes too long, the
server has lost nothing. It sees no secret and no environment of ours. Images and recordings are fetched only when they
are asked for: uploads from Label Studio's upload directory, addresses through our one client for outgoing requests.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...config import Settings
from ...errors import ConsoleError

REQUEST_SECONDS = 600.0
JOB_SECONDS = 3 * 3600.0
#: Largest single image or recording that is fetched into an export.
MOST_RESOURCE_BYTES = 512 * 2**20
_WITH_RESOURCES = ("COCO_WITH_IMAGES", "YOLO_WITH_IMAGES", "YOLO_OBB_WITH_IMAGES")
_RUN = "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); runpy.run_module(sys.argv.pop(1), run_name='__main__')"


class ConversionFailed(ConsoleError):
    """The tasks cannot be had in this format; the message says why and what to try."""

    status = 400


@dataclass(frozen=True)
class Order:
    """What is to be converted, and how. `controls` is the parsed labeling configuration; uploads of the project alone
    are put into an export."""

    format: str
    controls: Mapping[str, Mapping[str, Any]]
    project_id: int | None = None
    resources: bool = False
    interrupted_after_seconds: float = REQUEST_SECONDS

    @property
    def fetches(self) -> bool:
        return self.resources or self.format in _WITH_RESOURCES


def convert(
    order: Order, tasks: Path, directory: Path, settings: Settings, stopped: Callable[[], bool] = lambda: False
) -> Path | None:
    """Convert a JSON file of tasks; the one file, or a zip of several, in `directory`; None when nothing came out.

    Raises ConversionFailed, also when `stopped` says so.
    """
    output = directory / "out"
    output.mkdir(mode=0o700)
    told = {
        "tasks": str(tasks),
        "output": str(output),
        "format": order.format,
        "controls": order.controls,
        "resources": order.fetches,
        "uploads": str(_uploads(order, directory, settings)),
        "ssrf_protection": settings.ssrf_protection,
        "default_banned_subnets": settings.default_banned_subnets,
        "banned_subnets": list(settings.banned_subnets),
        "most_bytes": MOST_RESOURCE_BYTES,
    }
    result = _run(json.dumps(told), directory, order, stopped)
    return directory / result["file"] if result.get("file") else None


def _uploads(order: Order, directory: Path, settings: Settings) -> Path:
    """A directory that shows the uploads of this project and of no other, whatever addresses tasks name."""
    shown = directory / "uploads"
    shown.mkdir(mode=0o700)
    own = settings.base_data_dir / "media" / "upload" / str(order.project_id)
    if order.fetches and order.project_id is not None and own.is_dir():
        (shown / str(order.project_id)).symlink_to(own.resolve(), target_is_directory=True)
    return shown


def _run(order_text: str, directory: Path, order: Order, stopped: Callable[[], bool]) -> dict[str, Any]:
    root = str(Path(__file__).resolve().parents[3])
    module = f"{__package__}.converter_process"
    with tempfile.TemporaryFile() as orders, tempfile.TemporaryFile() as answers:
        orders.write(order_text.encode())
        orders.seek(0)
        child = subprocess.Popen(
            [sys.executable, "-c", _RUN, root, module], stdin=orders, stdout=answers, stderr=subprocess.DEVNULL,
            cwd=directory, env=_environment(directory), start_new_session=True,
        )  # fmt: skip
        try:
            _wait(child, order, stopped)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        answers.seek(0)
        answer = _answer(answers.read())
    if child.returncode == 0 and "entries" in answer:
        return answer
    reason = answer.get("error") or f"its process ended with code {child.returncode} and no answer"
    raise ConversionFailed(f"{order.format} cannot be made of these tasks: {reason}. Other formats may be: try JSON.")


def _wait(child: subprocess.Popen[bytes], order: Order, stopped: Callable[[], bool]) -> None:
    give_up = time.monotonic() + order.interrupted_after_seconds
    while time.monotonic() < give_up:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=min(0.5, max(0.01, give_up - time.monotonic())))
            return
        if stopped():
            raise ConversionFailed(f"Making {order.format} was stopped.")
    raise ConversionFailed(
        f"Making {order.format} took longer than {order.interrupted_after_seconds:g} s and was stopped. "
        "Ask for fewer tasks with `ids[]`, or make a snapshot and convert that."
    )


def _answer(written: bytes) -> dict[str, Any]:
    lines = written.strip().splitlines()
    try:
        answer = json.loads(lines[-1]) if lines else {}
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _environment(directory: Path) -> dict[str, str]:
    """No variable of ours: neither passwords nor the names under which the converter looks for Label Studio."""
    place = str(directory)
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "HOME": place,
        "TMPDIR": place,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
    }


def zip_or_only(entries: Iterable[Path]) -> Path | None:
    """The one file among the entries of an output directory, or None when there are several or a directory."""
    found = list(entries)
    return found[0] if len(found) == 1 and found[0].is_file() else None
