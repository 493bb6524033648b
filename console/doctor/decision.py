"""The vendor's decision for "JSON files are not synced", followed for one source storage without a click.

The FAQ lets people switch "Treat every bucket object as a source file" on, sync, and look; then off, sync, and look. Here
both are asked of the bucket with the rules of Label Studio's own sync, on the first part of the listing and a few
objects, and nothing is written: what appears with the switch on alone is listed and not readable, so GET is missing.

Source: the vendor's FAQ, "JSON files from a cloud storage are not synced, the data manager is empty".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from ..deployment import Deployment
from ..deployment.buckets import Bucket, Page, Reach, open_bucket
from ..deployment.keys import JSON_EXTENSIONS, JSON_FILTER
from ..deployment.storages import Storage
from ..errors import NotApplicable
from ..labeling.storages import dry_run
from .matrix import TIMEOUTS

#: Objects listed at least, if there are so many, in so many pages.
OBJECTS = 2_000
PAGES = 50
#: Objects opened to see whether they hold tasks.
SAMPLES = 5


def decide(deployment: Deployment, storage: Storage) -> dict[str, Any]:
    """What the switch on and off would give, and the verdict, as plain data.

    `enabled` and `disabled` hold `tasks` (of what was looked at), `disabled` also `read` and `failing` objects with
    `reasons`. `verdict` is `code`, `state` (a word of the badges), `title`, `told` and `changes` (columns of the storage).
    Raises NotApplicable for targets and Redis, BucketError when the bucket cannot be listed.
    """
    if storage.kind.is_target or storage.kind.provider == "redis":
        raise NotApplicable("The switch is one of sources that hold files.")
    (on, more), (off, _) = _side(deployment, storage, True), _side(deployment, storage, False)
    json = sum(item["new"] + item["linked"] for item in off["extensions"] if item["extension"] in JSON_EXTENSIONS)
    seen = {
        "reference": storage.reference, "is_on": bool(storage.get("use_blob_urls")), "filter": storage.get("regex_filter") or "",
        "listed": on["listed"]["objects"], "more": more, "filtered": on["filtered"]["count"],
        "linked": on["linked"]["objects"], "new": on["new"]["objects"], "json": json, "folders": on["folders"]["count"],
        "problem": on["pattern_problem"],
        "enabled": {"tasks": on["new"]["tasks"]},
        "disabled": {
            "tasks": off["new"]["tasks"], "read": off["new"]["read"], "failing": off["failing"]["count"],
            "reasons": off["failing"]["reasons"][:5],
        },
    }  # fmt: skip
    return {**seen, "verdict": _verdict(seen)}


def _side(deployment: Deployment, storage: Storage, switch: bool) -> tuple[dict[str, Any], bool]:
    """A dry run of the first part of the listing with the switch this way, and whether there is more."""
    start = _Start(open_bucket(storage.kind.provider, storage.row, Reach.of(deployment.settings, TIMEOUTS)))
    options = dry_run.Options(use_blob_urls=switch, contents=SAMPLES)
    return dry_run.look(deployment, storage, cast(Bucket, start), options=options), start.more


class _Start:
    """A bucket whose listing ends early; all else is the bucket's own."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket, self.more = bucket, False

    def pages(self, prefix: str | None, recursive: bool) -> Iterator[Page]:
        listed = 0
        for number, page in enumerate(self._bucket.pages(prefix, recursive)):
            if listed >= OBJECTS or number >= PAGES:
                self.more = True
                return
            listed += len(page.objects)
            yield page

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bucket, name)


def _verdict(seen: Mapping[str, Any]) -> dict[str, Any]:
    first = _before_reading(seen)
    if first is not None:
        return first
    off = seen["disabled"]
    files = f"{'the first ' if seen['more'] else ''}{seen['new']:,} new {'file' if seen['new'] == 1 else 'files'}"
    denied = next((item for item in off["reasons"] if item["kind"] == "BucketDenied"), None)
    if denied:
        told = (
            f"With the switch on {files} would become tasks, which takes LIST alone. With it off the objects have to be read, "
            f"and that is refused. {denied['told'].partition('; allow it:')[0].rstrip('.')}."
        )
        if denied["statement"] and not denied["statement"].startswith("{"):  # a policy of S3 is long, and stands below
            told += f" What is missing: {denied['statement']}."
        title = "GET is missing: the bucket may be listed, and its objects may not be read"
        return _said("get_missing", "error", title, told)
    if off["failing"] == 0 and off["tasks"]:
        told = f"The {off['read']:,} that were opened hold {off['tasks']:,} tasks."
        if seen["is_on"]:
            title = (
                "The switch is the wrong way: tasks stand in these files, and each becomes a task that shows its file"
            )
            return _said(
                "switch_off", "error", title, f"{told} Switch it off, so that they are read.", {"use_blob_urls": False}
            )
        return _said("good", "pass", f"All is well: a sync reads {files} and makes tasks of what stands in them", told)
    if not seen["json"]:
        if seen["is_on"]:
            return _said(
                "good", "pass", f"All is well: a sync makes a task of each of {files}", "None of them is a JSON file."
            )
        title = "The switch is the wrong way: these are no JSON files, and the first one ends the sync"
        return _said("switch_on", "error", title, f"Switch it on: {files} would become tasks.", {"use_blob_urls": True})
    if seen["json"] < seen["new"] + seen["linked"] and not seen["is_on"] and _by_name_alone(off["reasons"]):
        title = "Other files lie among the JSON files, and the first of them ends the sync"
        told = f"A file filter that takes the JSON files alone helps: {JSON_FILTER}"
        return _said("mixed", "error", title, told, {"regex_filter": JSON_FILTER})
    if seen["is_on"]:
        return _said("good", "pass", f"A sync makes a task of each of {files}", "Read as tasks they would not do.")
    reason = off["reasons"][0] if off["reasons"] else {"reason": "they hold no task", "examples": []}
    example = f", for one {reason['examples'][0]}" if reason["examples"] else ""
    title = "The objects may be read, and what stands in them is not what Label Studio takes"
    return _said("content", "error", title, f"{str(reason['reason']).capitalize()}{example}.")


def _before_reading(seen: Mapping[str, Any]) -> dict[str, Any] | None:
    """What keeps files from being looked at, whatever the switch says."""
    if seen["problem"]:
        return _said(
            "filter", "error", "The file filter is no regular expression: every sync fails at once", seen["problem"]
        )
    if not seen["listed"]:
        told = "Neither way brings a task." + (
            f" {seen['folders']:,} folders are there and are not entered: sub-folders are off."
            if seen["folders"]
            else ""
        )
        changes = {"recursive_scan": True} if seen["folders"] else None
        return _said("nothing_listed", "warning", "Nothing lies where this storage looks", told, changes)
    if seen["filtered"] == seen["listed"]:
        told = f"{seen['listed']:,} objects are listed, and the file filter {seen['filter']} takes none: neither way brings a task."
        return _said("filter", "error", "The file filter keeps everything out", told)
    if not seen["new"]:
        told = f"{seen['linked']:,} objects have their tasks already, and a sync never reads them again."
        if seen["is_on"] and seen["json"] * 2 > seen["linked"]:
            title = "Every file has its task, and these are JSON files: each became a task that shows its file"
            told += " If tasks stand in them, switch it off, delete those tasks and sync."
            return _said("linked_json", "warning", title, told, {"use_blob_urls": False})
        return _said("linked", "pass", "Everything that is listed has its task already", told)
    return None


def _by_name_alone(reasons: list[dict[str, Any]]) -> bool:
    return bool(reasons) and all("extension" in item["reason"] for item in reasons)


def _said(code: str, state: str, title: str, told: str, changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"code": code, "state": state, "title": title, "told": told, "changes": dict(changes or {})}
