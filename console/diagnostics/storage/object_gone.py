"""Tasks refer to objects that are not in the bucket any more.

A task holds the address of a file, not the file. Once the object is renamed, moved or deleted the task stays and shows
nothing. The column `object_exists` of the link tables is written once and never refreshed, so it does not tell.

A sample of the links is asked for, spread over all of them; a deep run (`--deep`) asks for up to 3,000. Gone objects are
listed with their tasks; which of those tasks may go is for their people to say, so nothing is deleted from here.

Source: `ImportStorageLink.object_exists` in Label Studio's io_storages app.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import func, select

from ...deployment.buckets import Bucket, ObjectMissing
from ...deployment.storages import Storage
from .. import Context, Finding, Severity, Unknown, check
from ..sources import FILTERED, address, in_use

#: Links that a deep run asks for in one storage.
MOST = 3000


@check(
    title="Every task's object is still in its bucket",
    severity=Severity.ERROR,
    scopes=["project", "storage"],
    impact="These tasks open and show no file",
    cause="The objects were renamed, moved or deleted in the bucket; tasks keep the old address.",
)
def object_gone(ctx: Context, samples: int = 30) -> Iterator[Finding | Unknown]:
    """One finding per storage. Rows: key that is gone, its task."""
    questions = []
    asked: dict[str, list[Any]] = {}
    total: dict[str, int] = {}
    for storage in in_use(ctx, prefixes=FILTERED):
        links, total[storage.subject] = _links(ctx, storage, MOST if ctx.deep else samples)
        if links:
            asked[storage.subject] = links
            questions.append((storage, "links still there", _asks([link.key for link in links])))
    for storage, gone in ctx.probes.answers(questions):
        if isinstance(gone, Unknown):
            yield gone
        elif gone:
            yield _finding(ctx, storage, asked[storage.subject], gone, total[storage.subject])


def _links(ctx: Context, storage: Storage, number: int) -> tuple[list[Any], int]:
    """Links spread evenly by id, and how many there are."""
    if not ctx.schema.has_table(storage.kind.link_name):
        return [], 0
    link = ctx.schema.table(storage.kind.link_name).c
    mine = link.storage_id == storage.id
    with ctx.transaction() as session:
        count, low, high = session.execute(select(func.count(), func.min(link.id), func.max(link.id)).where(mine)).one()
        if not count:
            return [], 0
        statement = select(link.id, link.key, link.task_id).where(mine).order_by(link.id)
        if count > number:
            step = max(1, (high - low + 1) // number)
            statement = statement.where((link.id - low) % step == 0)
        return list(session.execute(statement.limit(number))), count


def _asks(keys: Sequence[str]) -> Callable[[Bucket], set[str]]:
    def ask(bucket: Bucket) -> set[str]:
        gone = set()
        for key in dict.fromkeys(keys):
            try:
                bucket.head(key)
            except ObjectMissing:
                gone.add(key)
        return gone

    return ask


def _finding(ctx: Context, storage: Storage, links: Sequence[Any], gone: set[str], total: int) -> Finding:
    rows = [{"key": link.key, "task_id": link.task_id} for link in links if link.key in gone]
    sampled = f" of {len(links):,} asked for, out of {total:,}" if len(links) < total else f" of {total:,}"
    tasks = "1 task's object is" if len(rows) == 1 else f"The objects of {len(rows):,} tasks are"
    mostly = len(rows) * 2 > len(links)
    return Finding(
        subject=storage.subject, name=storage.title, summary=f"{tasks} gone from {address(storage)},{sampled}",
        cause="More than half is gone: the folder was renamed, or a lifecycle rule deletes it." if mostly else "",
        evidence=ctx.evidence(f"HEAD of linked keys at {address(storage)}; {storage.kind.link_name}", rows),
    )  # fmt: skip
