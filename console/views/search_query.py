"""What a query of the search box is: an address from the browser, an id, a storage, a job, or words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from ..deployment.lookup import BY_ID
from ..deployment.storages import KINDS

#: Label Studio's paths, the most telling first: a task or annotation named in the query string wins.
_PATHS = {
    "annotation": re.compile(r"/annotations?/(\d{1,18})(?:/|$)"),
    "task": re.compile(r"/tasks?/(\d{1,18})(?:/|$)"),
    "user": re.compile(r"/users?/(\d{1,18})(?:/|$)"),
    "project": re.compile(r"/projects?/(\d{1,18})(?:/|$)"),
    "organization": re.compile(r"/organizations?/(\d{1,18})(?:/|$)"),
}
_NAMED = re.compile(r"(?i)(user|organization|project|task|annotation|audit|event)s?\s*[:#]?\s*(\d{1,18})")
_BUCKET_LINK = re.compile(r"(?i)(?:s3[an]?|gs|gcs|azure-blob|azure|minio|wasbs?|abfss?)://?\S")
_FILE_PATH = re.compile(
    r"^(?:https?://[^/\s]+)?(?:/[\w.-]+)*/(?:data/(?:local-files|upload)/|storage-data/|(?:tasks|projects)/\d+/(?:resolve|presign)/?\?|api/projects/\d+/file-proxy/)"
)
_MEDIA = re.compile(
    r"(?i)^https?://\S+(?:\.(?:jpe?g|png|gif|webp|svg|bmp|tiff?|wav|mp3|m4a|flac|ogg|mp4|webm|mov|pdf|csv|txt|json|html?)(?:$|[?#])|[?&](?:x-amz-signature|x-goog-signature|sig)=)"
)
_STORAGE_PATH = re.compile(r"/storages/(?:(export)/)?(s3|gcs|azure|redis|localfiles)/(\d{1,18})(?:/|$)")
_JOB = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}|[0-9a-fA-F]{12,32}")


@dataclass
class Asked:
    """A query as it was understood. `precise`: it names one thing, which is where the search leads. `file`: a link that
    can be followed, to see why it does not show."""

    words: str = ""
    id: int | None = None
    kinds: tuple[str, ...] = ()
    storage: str = ""
    job: str = ""
    event: int | None = None
    precise: bool = False
    read_as: str | None = None
    file: bool = False


def understand(query: str) -> Asked:
    """Read a query. Whatever is no address, id or reference is words."""
    query = query.strip()
    if _BUCKET_LINK.match(query):
        return Asked(precise=True, file=True, read_as="Read as a link into a bucket.")
    if _FILE_PATH.search(query) and not query.startswith("/tasks"):
        return Asked(precise=True, file=True, read_as="Read as the address of a file.")
    if query.lower().startswith("rq:job:") and len(query) > 7:
        return Asked(job=query[7:], precise=True, read_as="Read as a job of Label Studio’s queues.")
    if re.match(r"(?i)https?://|/(projects?|tasks?|users?|organizations?|api|records)\b", query):
        return _address(query)
    prefix, _, number = query.lower().rpartition(":")
    prefix = prefix.removeprefix("storage:")
    if prefix in KINDS and number.isascii() and number.isdigit() and len(number) < 19:
        return Asked(storage=f"{prefix}:{int(number)}", precise=True, read_as=f"Read as the storage {prefix}:{int(number)}.")  # fmt: skip
    if found := _NAMED.fullmatch(query):
        kind, key = found[1].lower(), int(found[2])
        if kind in {"audit", "event"}:
            return Asked(event=key, precise=True, read_as=f"Read as audit event {key}.")
        return Asked(id=key, kinds=(kind,), precise=True, read_as=f"Read as {kind} {key}.")
    if query.isascii() and query.isdigit():
        if len(query) > 18:
            return Asked(words=query)
        return Asked(words="", id=int(query), kinds=tuple(BY_ID), event=int(query), read_as="Read as an id.")
    asked = Asked(words=query)
    if _JOB.fullmatch(query):
        asked.job = query
    asked.precise = bool(re.fullmatch(r"[^@\s]+@[^@\s]+|[a-z]+\.[a-z0-9_]+", query))
    return asked


def _address(query: str) -> Asked:
    """An address of Label Studio's, or one of ours pasted back."""
    try:
        parts = urlsplit(query)
        arguments = parse_qs(parts.query)
    except ValueError:
        return Asked(words=query)
    if found := _STORAGE_PATH.search(parts.path):
        reference = f"{found[2]}-export:{int(found[3])}" if found[1] else f"{found[2]}:{int(found[3])}"
        return Asked(storage=reference, precise=True, read_as=f"Read as the address of storage {reference}.")
    for kind in ("annotation", "task"):
        named = arguments.get(kind, [""])[0]
        if named.isascii() and named.isdigit() and len(named) < 19:
            return Asked(id=int(named), kinds=(kind,), precise=True, read_as=f"Read as the address of {kind} {named}.")
    for kind, pattern in _PATHS.items():
        if found := pattern.search(parts.path):
            return Asked(id=int(found[1]), kinds=(kind,), precise=True, read_as=f"Read as the address of {kind} {found[1]}.")  # fmt: skip
    if _MEDIA.match(query):
        return Asked(precise=True, file=True, read_as="Read as the address of a file.")
    return Asked(words=query, read_as="No project, task or user is named in this address.")
