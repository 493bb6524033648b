"""Why does this file not show? One text from a ticket, followed as Label Studio and a browser follow it.

Nothing is changed: rows are read, objects and addresses are asked for, bodies are left unread but for the start of an error.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from sqlalchemy import select
from sqlalchemy.orm import Session

from .. import egress
from ..config import Settings
from ..deployment import Deployment
from ..deployment.buckets import BucketBlocked, BucketError, Reach, Timeouts, Unsupported, open_bucket
from ..deployment.models import Project, Task
from ..deployment.storages import Storage, storages
from ..labeling import label_config
from ..labeling.storages import resolving
from ..masking import mask_text, mask_url
from . import media_disk
from .endpoints import Endpoint, endpoint_of
from .media_asked import Asked, understand
from .media_browser import TITLES, View, look
from .media_claims import claimed, storage_of_address
from .media_signed import twice_escaped
from .media_steps import Story, cause
from .origin import origin_of

#: Longest time of one look, and most files of a task that are followed.
LOOK_SECONDS = 20.0
MOST_FILES = 4
#: Characters of a link that are shown.
SHOWN = 300
TIMEOUTS = Timeouts(connect_seconds=3, read_seconds=5)
_LINK = re.compile(
    r"(?i)[\"'](?P<quoted>(?:s3|gs|azure-blob)://[^\"']+)[\"']|^\s*(?P<bare>[a-z][a-z0-9+.-]*:/+\S.*|/(?:data|storage-data|tasks)/\S+)$"
)


def story(
    deployment: Deployment,
    settings: Settings,
    text: str,
    *,
    project_id: int | None = None,
    seconds: float = LOOK_SECONDS,
) -> dict[str, Any]:
    """The document of a text: `asked` and `read_as`, `origin`, `state`, `why` (state, message, title, check, runbook),
    `steps` about the task itself, and `files`: of each `field`, `link`, `why` and `steps` (title, state, message, detail,
    check, seconds). States are ok, failed, unknown and info. Nothing in it is a secret.
    """
    began = time.monotonic()
    asked = understand(text, settings.label_studio_url)
    telling = _Telling(deployment, settings, asked, project_id, seconds)
    files = telling.files() if asked.kind != "nothing" else []
    if asked.kind == "nothing":
        telling.head.add("unknown", "The text names a file or a task", asked.read_as)
    why = _why(asked, [telling.head.why(), *(one["why"] for one in files)])
    return {
        "asked": mask_url(text.strip())[:SHOWN], "read_as": asked.read_as if asked.kind != "nothing" else "",
        "origin": origin_of(settings.label_studio_url), "task_id": asked.task_id, "project_id": telling.project_id,
        "state": why["state"], "why": why, "steps": telling.head.document(), "files": files,
        "seconds": round(time.monotonic() - began, 2),
    }  # fmt: skip


def _why(asked: Asked, causes: list[dict[str, str]]) -> dict[str, str]:
    """What failed first, or what could not be told, of the task and then of its files."""
    for state in ("failed", "unknown"):
        for one in causes:
            if one["state"] == state:
                return one
    return (
        cause("ok", "The data of this task names no file.") if asked.kind == "task" and len(causes) == 1 else causes[-1]
    )


class _Telling:
    """One look; `head` holds what is about the task, each file has a story of its own."""

    def __init__(
        self, deployment: Deployment, settings: Settings, asked: Asked, project_id: int | None, seconds: float
    ) -> None:
        self.deployment, self.settings, self.asked = deployment, settings, asked
        self.project_id = project_id or asked.project_id
        self.task_id = asked.task_id
        self.head = Story(seconds)
        self.reach = Reach.of(settings, TIMEOUTS)
        self.origin = origin_of(settings.label_studio_url)

    def files(self) -> list[dict[str, Any]]:
        if self.asked.kind == "task":
            url = self.settings.label_studio_url
            return [self._file(field, _asked_in_data(value, url), in_data=True) for field, value in self._of_task()]
        if self.task_id is not None and not self._know_task():
            return []
        return [self._file("", self.asked, in_data=False)]

    def _file(self, field: str, asked: Asked, *, in_data: bool) -> dict[str, Any]:
        told = Story(max(self.head.left, 0.0))
        try:
            if asked.kind == "bucket":
                self._bucket_link(told, asked.link)
            elif asked.kind == "local":
                with self.deployment.read() as session:
                    media_disk.local(told, session, self.deployment.schema, self.settings, asked.link, self.project_id)
            elif asked.kind == "upload":
                with self.deployment.read() as session:
                    media_disk.uploaded(
                        told, session, self.deployment.schema, self.settings, asked.link, self.project_id
                    )
            else:
                self._web(told, asked, in_data=in_data)
        except BucketError as error:
            check = "storage.endpoint_blocked_ssrf" if isinstance(error, BucketBlocked) else ""
            told.add("failed", "The storage can be used", str(error), check=check)
        link = mask_url(asked.link)
        return {"field": field, "link": link if len(link) <= SHOWN else f"{link[:SHOWN]}…", "why": told.why(),
                "steps": told.document()}  # fmt: skip

    # --- the task

    def _know_task(self) -> bool:
        """Whether the task is there; its project is the one that counts."""
        with self.deployment.read() as session:
            row = session.execute(select(Task.id, Task.project_id).where(Task.id == self.task_id)).first()
        if row is None:
            self.head.add(
                "failed",
                "The task exists",
                f"There is no task {self.task_id}: it was deleted, or is another deployment's.",
            )
            return False
        if self.asked.project_id not in (None, row.project_id):
            told = f"Task {self.task_id} belongs to project {row.project_id}, not to {self.asked.project_id}."
            self.head.add("failed", "The task belongs to the project", told)
        self.project_id = row.project_id
        return True

    def _of_task(self) -> list[tuple[str, str]]:
        """(field, link) of the files that the task's data names, the ones that the configuration shows first."""
        if not self._know_task():
            return []
        with self.deployment.read() as session:
            data, config = session.execute(
                select(Task.data, Project.label_config).join(Project, Project.id == Task.project_id, isouter=True)
                .where(Task.id == self.task_id)
            ).one()  # fmt: skip
        parsed = label_config.parse_stored(config)
        if not isinstance(data, dict):
            self.head.add("failed", "The task has data", "The task's data is no object of fields.")
            return []
        label_config.name_undefined(parsed, data)
        shown = [name for name in parsed.data_types if name in data]
        found = [(name, link) for name in [*shown, *(set(data) - set(shown))] for link in _links(data[name])]
        fields = ", ".join(dict.fromkeys(name for name, _ in found))
        if found:
            more = f"; the first {MOST_FILES} are followed" if len(found) > MOST_FILES else ""
            self.head.add("ok", "The task’s data names files", f"{len(found)} in {mask_text(fields)[:200]}{more}.")
            return found[:MOST_FILES]
        files = [name for name in shown if parsed.data_types[name] in _SHOWS_FILES]
        if files:
            value = json.dumps(data[files[0]], ensure_ascii=False)[:100]
            tag = parsed.data_types[files[0]]
            told = f"{files[0]} holds {mask_text(value)}, which is no address: {tag} needs s3://bucket/key, https://… or the like."
            self.head.add("failed", "The task’s data names files", told)
        else:
            self.head.add("ok", "The task’s data names files", f"It names none: {len(data)} fields of plain values.")
        return []

    # --- links into buckets

    def _bucket_link(self, told: Story, link: str) -> None:
        with self.deployment.read() as session:
            storage = claimed(told, session, self.deployment.schema, link, self.project_id)
        if storage is None:
            return
        if self.project_id is None:
            self.project_id = storage.get("project_id")
        key = self._key(told, link)
        bucket = open_bucket(storage.kind.provider, storage.row, self.reach)
        try:
            if storage.get("presign") is None or storage.get("presign"):
                self._signed(told, storage, bucket, link, key)
            else:
                self._passed_on(told, storage, bucket, key)
            if any(step.check == "storage.object_gone" and step.state == "failed" for step in told.steps):
                self._escaped(told, bucket, key)
        finally:
            bucket.close()

    def _key(self, told: Story, link: str) -> str:
        """The key as Label Studio reads it out of a link; it stops at `?`, and at `;` in the last part."""
        key = resolving.key_of(link)
        read = re.match(r"[^?]*", key)[0]  # type: ignore[index]
        head, slash, last = read.rpartition("/")
        read = f"{head}{slash}{last.partition(';')[0]}"
        if read != key or link.partition("://")[2].partition("/")[2].startswith("/"):
            sign = "?" if "?" in key else ";" if read != key else "/"
            seen = f"It reads {mask_text(read)[:200]!r}: a key with {sign!r} there is cut. Rename the object."
            told.add("failed", "Label Studio reads the whole key", seen, check="storage.uri_unresolvable")
        return read

    def _signed(self, told: Story, storage: Storage, bucket: Any, link: str, key: str) -> None:
        minutes = storage.get("presign_ttl")
        seconds = 60 * (1 if minutes is None else minutes)
        title = "Label Studio can sign an address"
        try:
            url = bucket.presign(key, max(seconds, 1))
        except Unsupported as error:
            told.add("unknown", title, str(error))
            return
        except BucketError as error:
            told.add("failed", title, str(error), check="storage.presign_403", storage=storage.reference)
            return
        told.add(
            "ok",
            title,
            f"Good for {seconds // 60} min, then the page has to ask anew.",
            resolves_to=mask_url(url),
            key=key,
        )
        endpoint = endpoint_of(storage, self.reach)
        rules = partial(_rules, endpoint, self.reach, self.settings)
        look(told, View(url, self.origin, rules, key))

    def _passed_on(self, told: Story, storage: Storage, bucket: Any, key: str) -> None:
        title = "Label Studio fetches the file and passes it on"
        try:
            stream = bucket.stream(key, "bytes=0-1")
        except BucketError as error:
            told.add(
                "failed",
                title,
                f"{error} Browsers are answered 424.",
                check="storage.list_not_get",
                storage=storage.reference,
            )
            return
        stream.close()
        seen = "Pre-signed links are off: the browser asks Label Studio alone, and CORS of the bucket does not matter."
        told.add("ok", title, seen, type=stream.content_type, part=stream.content_range)
        size = (stream.content_range or "").rpartition("/")[2]
        if size.isdigit() and int(size) > 5 * self.settings.proxy_range_bytes:
            ends = f"an answer ends after {self.settings.proxy_seconds} s"
            seen = f"{int(size):,} bytes: {ends}, so clients that do not ask for parts get a piece."
            told.add("info", "The file is small enough to be passed on", seen, check="storage.proxy_cuts_large")

    def _escaped(self, told: Story, bucket: Any, key: str) -> None:
        """Whether the object is there under the name that the key becomes when it is read once more or less."""
        for other, done in ((unquote(key), "escaped once too often"), (quote(key), "not escaped as the object is")):
            if other == key:
                continue
            try:
                bucket.head(other)
            except BucketError:
                continue
            seen = f"The object is called {mask_text(other)[:200]!r}: the link is {done}."
            told.add("failed", "The key is written as the object is named", seen, check="storage.url_double_encoded")
            told.steps.insert(1, told.steps.pop())  # it is the cause of the 404
            return

    # --- addresses of the web

    def _web(self, told: Story, asked: Asked, *, in_data: bool) -> None:
        url = asked.link
        if not re.match(r"(?i)https?://[^/\s]", url):
            told.add(
                "failed",
                "The link is an address",
                "It does not begin with http:// or https:// and a host: browsers look for it below Label Studio’s own pages.",
            )
            return
        if sign := twice_escaped(url):
            told.add(
                "info",
                "The address is escaped once",
                f"It holds {sign}: signs that were escaped twice lead to another name.",
                check="storage.url_double_encoded",
            )
        with self.deployment.read() as session:
            known = storage_of_address(list(storages(session, self.deployment.schema, prefixes=["s3"])), url)
            login = self._login(session)
        if asked.behind_login or (in_data and login):
            if not self._through_proxy(told, login, in_data=in_data):
                return
        else:
            login = None
        endpoint = endpoint_of(known, self.reach) if known is not None else None
        if known is not None:
            seen = f"This is the endpoint of {known.reference}; Label Studio signs links into its bucket when they are opened."
            told.add("info", "A storage is asked, not an address", seen)
        rules = partial(_rules, endpoint, self.reach, self.settings)
        view = View(url, self.origin, rules, url.partition("?")[0], in_data=in_data, login=login)
        look(told, view, direct=login is None)

    def _through_proxy(self, told: Story, login: tuple[str, str] | None, *, in_data: bool) -> bool:
        """Whether to go on and ask as the file proxy does. The login is sent to addresses of the project's own tasks
        alone: whoever pastes one must not choose who gets to know it."""
        title = "The project keeps a login for its files"
        if login is None:
            told.add("failed", title, f"Project {self.project_id} has none, so the file proxy refuses.")
            return False
        told.add("ok", title, "The file proxy asks with it, and passes the file on from Label Studio's own address.")
        if not in_data:
            seen = (
                "The console asks with the login only where a task's data holds the address. Paste the id of the task."
            )
            told.add("unknown", TITLES["get"], seen)
        return in_data

    def _login(self, session: Session) -> tuple[str, str] | None:
        """User and password that the project keeps for the files of its tasks."""
        table = self.deployment.schema.table("project")
        if self.project_id is None or "task_data_login" not in table.c or "task_data_password" not in table.c:
            return None
        columns = (table.c.task_data_login, table.c.task_data_password)
        row = session.execute(select(*columns).where(table.c.id == self.project_id)).first()
        return (row[0], row[1]) if row and row[0] and row[1] else None


#: Tags whose value is an address of a file.
_SHOWS_FILES = {"Image", "Audio", "AudioPlus", "Video", "Pdf", "TimeSeries", "HyperText"}


def _rules(endpoint: Endpoint | None, reach: Reach, settings: Settings, url: str) -> egress.Rules:
    """Raises BucketBlocked. The rules of storages for their own endpoint, those of the web for all other hosts."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    if endpoint is not None and (host == endpoint.host or host.endswith(f".{endpoint.host}")):
        return endpoint.rules_of(url, reach)
    return egress.Rules.of(settings)


def _links(value: Any, depth: int = 6) -> Iterator[str]:
    """Links in a field's value, at any depth, as they are written."""
    if isinstance(value, str):
        found = _LINK.search(value[:20_000])
        if found:
            yield (found["quoted"] or found["bare"]).strip()
    elif isinstance(value, list | dict) and depth:
        for item in value.values() if isinstance(value, dict) else value:
            yield from _links(item, depth - 1)


def _asked_in_data(link: str, label_studio_url: str | None) -> Asked:
    """A link of a task's data: a path of Label Studio's, a link into a bucket, or an address of the web."""
    foreign = re.match("(?i)https?:", link) and origin_of(link) != origin_of(label_studio_url)
    asked = understand(link) if not foreign else Asked("web", "", link)
    is_known = asked.kind in {"bucket", "local", "upload"} or asked.behind_login
    return asked if is_known else Asked("web", "an address of the web", link)
