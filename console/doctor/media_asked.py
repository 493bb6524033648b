"""What somebody pasted: a task, a link as task data has it, an address of Label Studio's, or one of the web."""

from __future__ import annotations

import base64
import contextlib
import re
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

from ..labeling.storages.resolving import decoded

Kind = Literal["task", "bucket", "local", "upload", "web", "nothing"]

MOST_CHARACTERS = 4000
_TASK = re.compile(r"(?i)(?:tasks?\s*[:#]?\s*|#)?(\d{1,18})")
_RESOLVE = re.compile(r"/(tasks|projects)/(\d{1,18})/(?:resolve|presign)/?$")
_FILE_PROXY = re.compile(r"/api/projects/(\d{1,18})/file-proxy/?$")
_IN_PATH = {"task": re.compile(r"/tasks?/(\d{1,18})(?:/|$)"), "project": re.compile(r"/projects?/(\d{1,18})(?:/|$)")}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,30}):/*")


@dataclass(frozen=True)
class Asked:
    """A text as it was understood. `link` is what to follow: a link into a bucket, a path below the document root, the
    name of an uploaded file, or an address of the web. `behind_login`: it goes through a project's file proxy."""

    kind: Kind
    read_as: str
    link: str = ""
    task_id: int | None = None
    project_id: int | None = None
    behind_login: bool = False


def understand(text: str, label_studio_url: str | None = None) -> Asked:
    """Read a text; `kind` is `nothing` for what cannot be followed, and `read_as` then says why."""
    text = text.strip().strip("\"'<>").strip()
    if not text or len(text) > MOST_CHARACTERS or "\x00" in text:
        return Asked("nothing", "Paste the address of a file, a link as the task's data has it, or the id of a task.")
    if found := _TASK.fullmatch(text):
        return Asked("task", f"task {int(found[1])}", task_id=int(found[1]))
    scheme = _SCHEME.match(text)
    if scheme and scheme[1].lower() not in {"http", "https"}:
        return Asked("bucket", "a link into a bucket", text)
    try:
        parts = urlsplit(text)
        query = parse_qs(parts.query)
    except ValueError:
        return Asked("nothing", "This address cannot be read: check brackets and the port.")
    own = _of_label_studio(parts.path, {name: values[0] for name, values in query.items()})
    if own is not None:
        return own
    ours = urlsplit(label_studio_url or "").netloc.lower()
    if not scheme or (ours and parts.netloc.lower() == ours):
        return _page(parts.path, {name: values[0] for name, values in query.items()}, text)
    page = _page(parts.path, {name: values[0] for name, values in query.items()}, text)
    is_page = page.kind == "task" and re.search(r"/projects/\d+/(?:data|labeling|review)", parts.path)
    return page if is_page else Asked("web", "an address of the web", text)


def _of_label_studio(path: str, query: dict[str, str]) -> Asked | None:
    """Paths under which Label Studio serves files, whatever the host before them."""
    if found := _RESOLVE.search(path):
        link = decoded(query.get("fileuri", ""))
        number = int(found[2])
        asked = Asked("bucket", f"a link of {found[1][:-1]} {number}", link)
        return replace(asked, task_id=number) if found[1] == "tasks" else replace(asked, project_id=number)
    if found := _FILE_PROXY.search(path):
        project = int(found[1])
        return Asked(
            "web",
            f"a file behind the login of project {project}",
            _address(query.get("url", "")),
            project_id=project,
            behind_login=True,
        )
    if "/data/local-files" in path:
        return Asked("local", "a local file", query.get("d", ""))
    if "/data/upload/" in path:
        return Asked("upload", "an uploaded file", f"upload/{unquote(path.partition('/data/upload/')[2])}")
    if "/storage-data/uploaded" in path:
        return Asked("upload", "an uploaded file", unquote(query.get("filepath", "")))
    return None


def _page(path: str, query: dict[str, str], text: str) -> Asked:
    """A page or an API address of Label Studio's that names a task."""
    number = query.get("task") or query.get("taskID") or ""
    if not re.fullmatch(r"[0-9]{1,18}", number):
        found = _IN_PATH["task"].search(path)
        number = found[1] if found else ""
    project = _IN_PATH["project"].search(path)
    project_id = int(project[1]) if project else None
    if number:
        return Asked("task", f"task {int(number)}", task_id=int(number), project_id=project_id)
    if "/" not in text and "." not in text:
        return Asked("nothing", "Paste the address of a file, a link as the task's data has it, or the id of a task.")
    return Asked(
        "nothing",
        "No task and no file is named in this address. Open the task, and paste the address with task= in it.",
        project_id=project_id,
    )


def _address(text: str) -> str:
    if re.match(r"(?i)https?(?::|%3a)", text):
        return unquote(text)
    with contextlib.suppress(ValueError):
        return base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4)).decode()
    return text
