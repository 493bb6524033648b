"""A real export through the deployment's own Label Studio: make a snapshot of a small project, fetch it, remove it.

What an operator does by hand to see whether workers, queues and the place for exports play together. Each step says
what happened and how long it took.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from ..config import Settings
from ..deployment import Deployment
from ..errors import ConsoleError, Refused
from ..state import Store, audit
from .label_studio_api import LabelStudioApi, Refusal

SECONDS = 120.0
POLL_SECONDS = (0.2, 2.0)
#: Projects looked at for the smallest one: pages of a hundred.
MOST_PAGES = 10
#: A file that is larger is fetched no further.
MOST_BYTES = 256 * 2**20
#: A larger file is not taken apart: its beginning and end are looked at.
MOST_COUNTED_BYTES = 64 * 2**20

Progress = Callable[[int, int, str], None]
STEPS = ("sign in", "choose a project", "make a snapshot", "wait for it", "download it", "read it", "remove it")


@dataclass(frozen=True)
class Step:
    """One step. `state`: ok, failed or skipped."""

    name: str
    state: str
    message: str
    seconds: float


@dataclass
class ExportProbe:
    """What a real export did. `ok` when every step went well."""

    project_id: int | None = None
    project: str = ""
    export_id: int | None = None
    steps: list[Step] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return len(self.steps) == len(STEPS) and all(step.state == "ok" for step in self.steps)

    @property
    def summary(self) -> str:
        """The step that failed, or how long all took."""
        failed = next((step for step in self.steps if step.state == "failed"), None)
        if failed:
            return f"Export of project {self.project_id}: {failed.message}" if self.project_id else failed.message
        return f"An export of project {self.project_id} took {sum(step.seconds for step in self.steps):.1f} s."

    def document(self) -> dict[str, Any]:
        return asdict(self) | {"ok": self.ok, "summary": self.summary}


def run(
    deployment: Deployment, store: Store, arguments: Mapping[str, Any], *, by: str, progress: Progress,
    stopped: Callable[[], bool],
) -> dict[str, Any]:  # fmt: skip
    """What a job does. `arguments`: `project_id` (the smallest project with tasks without it) and `seconds`.

    Audited before and after. Raises NotApplicable when no address or no token is set.
    """
    chosen, seconds = arguments.get("project_id"), float(arguments.get("seconds") or SECONDS)
    LabelStudioApi(deployment.settings)  # says what is not set before anything is written down
    subject = f"project:{chosen}" if chosen else "deployment"
    told = {"actor": by, "subject": subject, "code": "export"}
    audit.record(store, action="export probe intended", data={"project_id": chosen}, **told)
    found = ExportProbe()
    try:
        probe(deployment.settings, project_id=chosen, seconds=seconds, progress=progress, stopped=stopped, into=found)
    finally:
        audit.record(store, action="export probe ended", data=found.document(), **told)
    return found.document()


def probe(
    settings: Settings, *, project_id: int | None = None, seconds: float = SECONDS, progress: Progress = lambda *_: None,
    stopped: Callable[[], bool] = lambda: False, into: ExportProbe | None = None,
) -> ExportProbe:  # fmt: skip
    """Do it; what fails is told in the steps. Raises NotApplicable when no address or no token is set."""
    found = into if into is not None else ExportProbe()
    _Run(LabelStudioApi(settings), found, project_id, seconds, progress, stopped).all()
    return found


class _Run:
    """The steps of one export, in order. A step that fails skips the rest, but what was made is removed."""

    def __init__(
        self, api: LabelStudioApi, found: ExportProbe, project_id: int | None, seconds: float, progress: Progress,
        stopped: Callable[[], bool],
    ) -> None:  # fmt: skip
        self._api, self._found, self._wanted = api, found, project_id
        self._ends = time.monotonic() + seconds
        self._seconds, self._progress, self._stopped = seconds, progress, stopped
        self._tasks = 0

    def all(self) -> None:
        steps = (self._sign_in, self._choose, self._make, self._wait)
        with tempfile.TemporaryFile(prefix="lsconsole-export-") as file:
            more = (lambda: self._download(file), lambda: self._read(file))
            try:
                for name, step in zip(STEPS, (*steps, *more), strict=False):
                    self._do(name, step)
            finally:
                self._do(STEPS[-1], self._remove, always=True)

    def _do(self, name: str, step: Callable[[], str], always: bool = False) -> None:
        failed = any(one.state != "ok" for one in self._found.steps)
        if failed and not (always and self._found.export_id):
            self._found.steps.append(Step(name, "skipped", "", 0.0))
            return
        self._progress(len(self._found.steps), len(STEPS), name)
        began = time.monotonic()
        try:
            state, message = "ok", step()
        except ConsoleError as error:
            state, message = "failed", str(error)
        self._found.steps.append(Step(name, state, message, round(time.monotonic() - began, 3)))

    def _left(self) -> float:
        return max(1.0, self._ends - time.monotonic())

    def _sign_in(self) -> str:
        who = self._api.sign_in()
        kind = "a personal access token" if self._api.personal else "a legacy token"
        return f"Signed in with {kind} of {_field(who, 'email', str) or 'somebody'}."

    def _choose(self) -> str:
        chosen = self._api.get(f"/api/projects/{self._wanted}/") if self._wanted else self._smallest()
        self._found.project_id, self._found.project = _field(chosen, "id", int), _field(chosen, "title", str)[:200]
        self._tasks = _field(chosen, "task_number", int)
        return f"Project {self._found.project_id} “{self._found.project}” has {self._tasks:,} tasks."

    def _smallest(self) -> Mapping[str, Any]:
        """The project with the fewest tasks that has any, among those the token's user sees."""
        found: list[Mapping[str, Any]] = []
        for page in range(1, MOST_PAGES + 1):
            answer = self._api.get(f"/api/projects/?page={page}&page_size=100")
            several = answer.get("results", []) if isinstance(answer, dict) else answer or []
            found += [one for one in several if isinstance(one, dict) and _field(one, "task_number", int) > 0]
            if not (isinstance(answer, dict) and answer.get("next")):
                break
        if not found:
            raise Refused("The token's user sees no project with tasks, so there is nothing to export.")
        return min(found, key=lambda one: (_field(one, "task_number", int), _field(one, "id", int)))

    @property
    def _path(self) -> str:
        return f"/api/projects/{self._found.project_id}/exports/"

    def _make(self) -> str:
        title = f"LS Console probe {datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
        made = self._api.send("POST", self._path, {"title": title}, self._left())
        self._found.export_id = _field(made, "id", int) or None
        if self._found.export_id is None:
            raise Refusal("Label Studio made no snapshot: its answer names none.")
        return f"Snapshot {self._found.export_id} is {_field(made, 'status', str) or 'there'}."

    def _wait(self) -> str:
        pause, began = POLL_SECONDS[0], time.monotonic()
        while True:
            status = _field(self._api.get(f"{self._path}{self._found.export_id}"), "status", str)
            waited = time.monotonic() - began
            if status == "completed":
                return f"Completed after {waited:.1f} s."
            if status == "failed":
                told = f"Label Studio marked the snapshot failed after {waited:.1f} s"
                raise Refusal(f"{told}; the exception of its job says why.")
            if self._stopped():
                raise Refused(f"Stopped while the snapshot was {status}.")
            if time.monotonic() > self._ends:
                why = _WAITS.get(status, "it does not end")
                raise Refusal(f"The snapshot is still {status} after {self._seconds:g} s: {why}.")
            self._progress(len(self._found.steps), len(STEPS), f"snapshot is {status}, {waited:.0f} s")
            time.sleep(pause)
            pause = min(pause * 1.3, POLL_SECONDS[1])

    def _download(self, file: Any) -> str:
        size = 0
        with self._api.streamed(f"{self._path}{self._found.export_id}/download", MOST_BYTES, self._left()) as answer:
            for chunk in answer.chunks():
                size += file.write(chunk)
        if not size:
            raise Refusal("The file is empty. With USE_NGINX_FOR_EXPORT_DOWNLOADS the address has to be that of nginx.")
        return f"{size:,} bytes."

    def _read(self, file: Any) -> str:
        size = file.tell()
        if size > MOST_COUNTED_BYTES:
            return _ends_well(file, size)
        file.seek(0)
        try:
            tasks = json.load(file)
        except (ValueError, RecursionError):
            raise Refusal("The file is no JSON.") from None
        if not isinstance(tasks, list):
            raise Refusal("The file holds no list of tasks.")
        if len(tasks) != self._tasks:
            now = _field(self._api.get(f"/api/projects/{self._found.project_id}/"), "task_number", int)
            if not min(now, self._tasks) <= len(tasks) <= max(now, self._tasks):
                raise Refusal(f"The file holds {len(tasks):,} tasks, the project {now:,}.")
        return f"{len(tasks):,} tasks, as many as the project has."

    def _remove(self) -> str:
        self._api.send("DELETE", f"{self._path}{self._found.export_id}")
        return f"Snapshot {self._found.export_id} is removed."


_WAITS = {
    "created": "no worker has begun it. Look at the workers of queue default",
    "in_progress": "a worker has begun it and does not end. Look at the running jobs",
}


def _ends_well(file: Any, size: int) -> str:
    """For a file too large to be taken apart."""
    file.seek(0)
    first = file.read(16).lstrip()[:1]
    file.seek(-16, 2)
    if first != b"[" or file.read().rstrip()[-1:] != b"]":
        raise Refusal("The file is no list in JSON, or is cut off.")
    return f"A list in JSON of {size:,} bytes; its tasks were not counted."


def _field(document: Any, name: str, kind: type[Any]) -> Any:
    """A field of an answer, or the kind's empty value when it is missing or of another kind."""
    value = document.get(name) if isinstance(document, dict) else None
    return value if isinstance(value, kind) else kind()
