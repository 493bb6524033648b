"""A storage treats JSON files as media: every file becomes one task that shows a link.

With "Treat every bucket object as a source file" on (`use_blob_urls` true; newer pages call it the import method
*Files*), Label Studio never opens an object. Each one becomes a task whose data is its address, so a file with tasks in
it is shown as a link, and none of its tasks arrive.

Switching the toggle off lets the next sync read files that are new. Files that have become tasks already are passed
over as long as those tasks exist: delete the tasks that show links (look first whether anybody labeled one), then sync.

Source: `get_data` of Label Studio's import storages, and their link tables, one row per imported key.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Select, String, case, cast, func, or_, select

from ...deployment.buckets import Listing
from ...deployment.keys import is_json
from ...deployment.models import Task
from ...deployment.storages import Storage, StorageKind
from .. import Change, Context, Evidence, Finding, Severity, Unknown, check
from ..sources import FILTERED, in_use, keys_of, listed, passing, storage_update

#: Links shown as examples, each with this much of its task's data.
EXAMPLES, DATA_CHARACTERS = 50, 500


@check(
    title="Storages that show files hold no JSON tasks",
    severity=Severity.ERROR,
    scopes=["project", "storage"],
    impact="A JSON file becomes one task that shows a link, and the tasks inside it never arrive",
    cause="The storage is set to make one task of every object without opening it.",
)
def blob_toggle_on_json(ctx: Context) -> Iterator[Finding | Unknown]:
    """One finding per storage. Rows: links whose key is a JSON file, their tasks and data; else listed keys."""
    showing = [storage for storage in in_use(ctx, prefixes=FILTERED) if storage.get("use_blob_urls")]
    linked = _linked(ctx, showing)
    listings = {storage.subject: answer for storage, answer in ctx.probes.listings(showing)}
    for storage in showing:
        answer = listings.get(storage.subject)
        keys: list[str] = []
        if isinstance(answer, Listing):
            try:
                keys = passing(storage, [item.key for item in answer.keys])
            except Unknown as undecided:
                answer = undecided
        if isinstance(answer, Unknown):
            yield answer
        finding = _finding(ctx, storage, linked.get(storage.subject, (0, 0)), keys, answer)
        if finding:
            yield finding


def _finding(
    ctx: Context, storage: Storage, links: tuple[int, int], keys: list[str], listing: Listing | Unknown | None
) -> Finding | None:
    linked, linked_json = links
    found = [key for key in keys if is_json(key)]
    if not linked_json and not found:
        return None
    counted, evidence = [], Evidence()
    if linked_json:
        counted.append(f"{linked_json:,} of {linked:,} tasks were made of JSON files")
        statement = _examples(ctx, storage)
        with ctx.transaction() as session:
            evidence = Evidence.from_rows(statement, session.execute(statement))
        evidence = Evidence(evidence.source, evidence.columns, evidence.rows, linked_json)
    if found and isinstance(listing, Listing):
        cut = f" ({keys_of(listing)} looked at)" if listing.truncated else ""
        counted.append(f"{len(found):,} of {len(keys):,} keys a sync takes are JSON{cut}")
        if not linked_json:
            evidence = ctx.evidence(listed(storage, listing), ({"key": key, "use_blob_urls": True} for key in found))
    mostly = linked_json * 2 >= linked > 0 or len(found) * 2 >= len(keys) > 0
    return Finding(
        subject=storage.subject, name=storage.title,
        summary=", and ".join(counted) + ", while every object counts as a file to show",
        severity=Severity.ERROR if mostly else Severity.WARNING,
        cause="" if mostly else "JSON files lie among the media, and the filter lets them through.",
        evidence=evidence, fixes=("switch_off",) if mostly else (),
    )  # fmt: skip


@blob_toggle_on_json.fix(title="Read the tasks inside the files")
def switch_off(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Switch `use_blob_urls` off. Tasks that show links stay until they are deleted."""
    yield storage_update(ctx, finding, "use_blob_urls", True, False)


def _linked(ctx: Context, storages: list[Storage]) -> dict[str, tuple[int, int]]:
    """Links and links to JSON files of each storage, by subject; one statement per provider."""
    counted = {}
    with ctx.transaction() as session:
        for kind in dict.fromkeys(storage.kind for storage in storages):
            ids = [storage.id for storage in storages if storage.kind == kind]
            for row in session.execute(_counts(ctx, kind).where(_link(ctx, kind).c.storage_id.in_(ids))):
                counted[f"storage:{kind.prefix}:{row.storage_id}"] = (int(row.links), int(row.json))
    return counted


def _counts(ctx: Context, kind: StorageKind) -> Select[Any]:
    link = _link(ctx, kind)
    number = func.sum(case((_json_key(link), 1), else_=0))
    return select(link.c.storage_id, func.count().label("links"), number.label("json")).group_by(link.c.storage_id)


def _examples(ctx: Context, storage: Storage) -> Select[Any]:
    link = _link(ctx, storage.kind)
    data = func.substr(cast(Task.data, String), 1, DATA_CHARACTERS).label("data")
    return (
        select(link.c.key, link.c.task_id, data)
        .join(Task, Task.id == link.c.task_id).where(link.c.storage_id == storage.id, _json_key(link))
        .order_by(link.c.id).limit(EXAMPLES)
    )  # fmt: skip


def _link(ctx: Context, kind: StorageKind) -> Any:
    return ctx.schema.table(kind.link_name)


def _json_key(link: Any) -> Any:
    key = func.lower(link.c.key)
    return or_(key.like("%.json"), key.like("%.jsonl"))
