"""Two source storages of one project read the same objects, so every file becomes two tasks.

A sync passes over the keys that this very storage has linked. A second storage over the same place, one over a folder
inside it, or one that was made again knows nothing of the first: every object becomes a task once more, and people
label everything twice.

Keep one of them. The repair stops the younger one from being synced; its tasks and links stay, and it still resolves
addresses. To be rid of the double tasks, use the Data Manager's action "Remove duplicated tasks" for up to some ten
thousand, or delete the unlabeled tasks of the younger storage.

Storages with different filters are reported only once they share keys.

Source: `exists` of Label Studio's import links, which looks at one storage alone; `remove_duplicates` in its Data
Manager.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import func, select

from ...deployment.storage_rules import scan_rules
from ...deployment.storages import Storage
from .. import Change, Context, Finding, Severity, check
from ..places import Place, everywhere, order, place_of
from ..sources import address, in_use, storage_update


@check(
    title="No two sources of a project read the same objects",
    severity=Severity.WARNING,
    scopes=["project", "storage"],
    impact="Every file becomes two tasks, and is labeled twice",
    cause="Each storage knows its own links alone. Keep one of the two.",
)
def duplicate_sources(ctx: Context) -> Iterator[Finding]:
    """One finding per younger storage. Rows: the older one, where each reads, how many keys both have linked."""
    compared = [
        (other, place) for other in everywhere(ctx) if not other.kind.is_target and (place := place_of(ctx, other))
    ]
    for item in in_use(ctx):
        place = place_of(ctx, item)
        if place is None:
            continue
        rows = []
        for other, its in compared:
            if other.get("project_id") == item.get("project_id") and order(other) < order(item):
                shared = _shared_keys(ctx, item, place, other, its)
                if shared or _meet(ctx, item, place, other, its):
                    rows.append({
                        "older": other.reference, "title": other.title, "place": address(item), "older_place": address(other),
                        "filter": item.get("regex_filter"), "older_filter": other.get("regex_filter"), "shared_keys": shared,
                        "synchronizable": item.get("synchronizable"),
                    })  # fmt: skip
        if rows:
            yield _finding(ctx, item, rows)


@duplicate_sources.fix(title="Stop syncing the younger storage")
def stop_syncing(ctx: Context, finding: Finding) -> Iterator[Change]:
    """Switch `synchronizable` off. Its tasks and links stay, and it goes on resolving addresses."""
    for row in finding.evidence.rows[:1]:
        yield storage_update(ctx, finding, "synchronizable", row["synchronizable"], False)


def _finding(ctx: Context, item: Storage, rows: list[dict[str, object]]) -> Finding:
    shared = sum(int(str(row["shared_keys"])) for row in rows)
    told = f"; {shared:,} {'key has' if shared == 1 else 'keys have'} become tasks twice" if shared else ""
    return Finding(
        subject=item.subject, name=item.title, summary=f"It reads what {rows[0]['older']} of the same project reads{told}",
        severity=Severity.ERROR if shared else Severity.WARNING,
        evidence=ctx.evidence(f"{item.kind.table_name} and {item.kind.link_name}", rows),
        fixes=("stop_syncing",) if "synchronizable" in item.row else (),
    )  # fmt: skip


def _meet(ctx: Context, item: Storage, place: Place, other: Storage, its: Place) -> bool:
    """Whether both would take the same objects: one place, or one inside the other that is read through."""
    if (item.get("regex_filter") or "") != (other.get("regex_filter") or ""):
        return False
    if place == its:
        return True
    if place.holds(its):
        return scan_rules(item, ctx.schema).recursive
    return its.holds(place) and scan_rules(other, ctx.schema).recursive


def _shared_keys(ctx: Context, item: Storage, place: Place, other: Storage, its: Place) -> int:
    """Keys that both have made tasks of; the same key in another bucket is another object."""
    if (place.provider, place.server, place.bucket) != (its.provider, its.server, its.bucket):
        return 0
    mine = ctx.schema.table(item.kind.link_name).alias("mine")
    older = ctx.schema.table(other.kind.link_name).alias("older")
    statement = (
        select(func.count(mine.c.key.distinct())).select_from(mine).join(older, older.c.key == mine.c.key)
        .where(mine.c.storage_id == item.id, older.c.storage_id == other.id)
    )  # fmt: skip
    with ctx.transaction() as session:
        return session.scalar(statement) or 0
