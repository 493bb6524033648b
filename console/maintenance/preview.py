"""What an action would do, before anybody decides: statement, lock, time, room, what stands in its way, what is lacking."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import make_url

from ..amounts import size
from ..deployment import Deployment
from ..errors import Refused
from . import actions, disk, others, steps, targets
from .actions import Action
from .links import Link, link
from .targets import PAGE_BYTES

MEGABYTE = 2**20
#: Bytes a second, as measured at the gentle pace of `run.Limits` with a fourth of the rows dead; a table with fewer is
#: done sooner.
PACE = {
    "vacuum": 10 * MEGABYTE, "vacuum_analyze": 10 * MEGABYTE, "analyze": 20 * MEGABYTE,
    "vacuum_full": 30 * MEGABYTE, "reindex_index": 50 * MEGABYTE, "drop_leftover": 1024 * MEGABYTE,
}  # fmt: skip
#: ANALYZE reads this many pages at most: 300 rows, each of another page, for every step of the statistics target.
SAMPLE_PAGES_PER_TARGET = 300
LONG_TRANSACTION_SECONDS = 60.0


@dataclass(frozen=True)
class Preview:
    """An action on one subject as it stands now. Sizes in bytes.

    `refusals` forbid it; `lacking` are statements for the database's owner that would lift a missing right; `command` is
    what to run by hand instead. `free_bytes` None is unknown, and `free_how` says why.
    """

    action: Action
    subject: str
    table: str
    schema: str
    statements: tuple[str, ...]
    size_bytes: int
    dead_rows: int | None
    estimated_minutes: float
    estimated_how: str
    disk_bytes: int
    free_bytes: int | None
    free_how: str
    refusals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    command: str = ""

    @property
    def allowed(self) -> bool:
        return not self.refusals

    @property
    def statement(self) -> str:
        return "\n".join(self.statements)

    @property
    def lock(self) -> str:
        """The lock it takes and whom that stops, in one sentence or two."""
        return f"Takes a lock of the kind {self.action.lock}. {self.action.stops}"


@dataclass(frozen=True)
class Examined:
    """The target, what forbids the action, and what was measured on the way."""

    target: steps.Target
    refusals: tuple[str, ...]
    lacking: tuple[str, ...]
    disk_bytes: int
    free_bytes: int | None
    free_how: str


def preview(deployment: Deployment, action: str, table: str = "", index: str = "", schema: str = "") -> Preview:
    """Look at an action. Changes nothing. Raises NotFound, Refused (the names do not fit), CannotAttach."""
    chosen = actions.get(action)
    need_engine(deployment, chosen)
    if chosen.engine == "sqlite":
        from . import sqlite

        return sqlite.preview(deployment, chosen)
    with link(deployment) as opened:
        found = examine(deployment, opened, chosen, table, index, schema)
        target = found.target
        statements = tuple(opened.text(step.statement) + ";" for step in target.steps)
        minutes, how = _estimate(opened, target)
        refusals = list(found.refusals)
        if opened.pooled:
            refusals.append("A connection pooler stands between the console and PostgreSQL: name the server itself in "
                            "LSCONSOLE_FIX_DATABASE_URL.")  # fmt: skip
        if opened.replica:
            refusals.append("This server is a replica; work on its primary.")
        return Preview(
            chosen, target.subject, target.table.name, target.table.schema, statements,
            target.index.size_bytes if target.index else target.table.total_bytes, target.table.dead_rows, minutes, how,
            found.disk_bytes, found.free_bytes, found.free_how, tuple(refusals),
            (*target.notes, *_warnings(opened, chosen, target, found)), found.lacking,
            command(deployment, target.table.owner, statements),
        )  # fmt: skip


def need_engine(deployment: Deployment, action: Action) -> None:
    """Raise Refused when the action is of the other kind of database."""
    if (deployment.kind == "sqlite") != (action.engine == "sqlite"):
        kind = "SQLite" if deployment.kind == "sqlite" else "PostgreSQL"
        raise Refused(f"{action.name} is not for {kind}, which this database is.")


def examine(deployment: Deployment, opened: Link, action: Action, table: str, index: str, schema: str) -> Examined:
    """The target and everything that forbids the action now; the same for a preview and for the run itself."""
    target = steps.find(opened, action, table, index, schema)
    refusals = targets.why_refused(action, target.table, target.index)
    if opened.version < action.since:
        refusals.append(f"{action.title} needs PostgreSQL {action.since // 10000} or newer.")
    lacking = _lacking(opened, action, target)
    if lacking:
        refusals.append(
            f"Role {opened.role} may not do this: {target.table.name} belongs to {target.table.owner}. Needs: {lacking[0]}"
        )
    needed = _disk_needed(action, target)
    free, how = disk.free_bytes(opened, deployment.settings, target.table.tablespace) if needed else (None, "")
    refusals += _no_room(action, needed, free, how)
    return Examined(target, tuple(refusals), lacking, needed, free, how)


def _lacking(opened: Link, action: Action, target: steps.Target) -> tuple[str, ...]:
    """Statements that would give the right, the narrowest first; empty when nothing is lacking."""
    table, drops = target.table, any(step.action == "drop_leftover" for step in target.steps)
    if table.may_maintain and (table.may_drop or not drops):
        return ()
    role, owner = _quoted(opened.role), _quoted(table.owner)
    as_owner = f"GRANT {owner} TO {role};"
    if opened.version < 170000 or drops:
        return (as_owner,)
    return (f"GRANT MAINTAIN ON TABLE {_quoted(table.schema)}.{_quoted(table.name)} TO {role};",
            f"GRANT pg_maintain TO {role};", as_owner)  # fmt: skip


def _disk_needed(action: Action, target: steps.Target) -> int:
    if action.name == "vacuum_full":
        return int(target.table.total_bytes * action.disk_factor)
    sizes = [index.size_bytes for index in target.table.indexes if not target.index or index.oid == target.index.oid]
    return int(max(sizes, default=0) * action.disk_factor)


def _no_room(action: Action, needed: int, free: int | None, how: str) -> list[str]:
    if free is not None and free < needed:
        return [f"Needs {size(needed)} of free disk and there is {size(free)} ({how})."]
    if free is None and action.name == "vacuum_full" and needed:
        return [f"Needs {size(needed)} of free disk, and how much there is is not known. {how}"]
    return []


def _warnings(opened: Link, action: Action, target: steps.Target, found: Examined) -> list[str]:
    """What will slow it down or make it do less than hoped."""
    said = []
    if target.table.locked:
        said.append(f"{target.table.name} is locked by another session now; its sizes are those of its last vacuum.")
    holding = others.holding(opened, target.table.oid, exclusive=action.heavy)
    if holding:
        said.append(f"In its way stands now: {others.named(holding)}.")
    if others.autovacuum_on(opened, target.table.oid):
        said.append(f"Autovacuum works on {target.table.name} right now.")
    long = others.long_transactions(opened, LONG_TRANSACTION_SECONDS)
    if long and action.name != "analyze":
        effect = "will be waited for" if "reindex" in action.name or "drop" in action.name else "keep dead rows alive"
        said.append(f"Transactions older than {LONG_TRANSACTION_SECONDS:.0f} s {effect}: {others.named(long)}.")
    if action.name.startswith("vacuum"):
        said += [f"{sentence}." for sentence in others.held_back_by(opened)]
    if "reindex" in action.name:
        said.append("PostgreSQL cannot pace it: while it builds it takes a processor and the disk as they are. "
                    "Choose a quiet hour for large tables.")  # fmt: skip
        said += [f"An index is being built already: {words}." for words in others.other_builds(opened)]
        if found.free_bytes is None and found.disk_bytes:
            said.append(f"Needs {size(found.disk_bytes)} of free disk, and how much there is is not known.")
    hidden = others.hidden_sessions(opened)
    if hidden:
        said.append(f"{hidden} sessions are hidden from role {opened.role}; to see what they hold: "
                    f"GRANT pg_read_all_stats TO {_quoted(opened.role)};")  # fmt: skip
    return said


def _estimate(opened: Link, target: steps.Target) -> tuple[float, str]:
    seconds = 0.0
    for step in target.steps:
        worked = step.pages * PAGE_BYTES
        if step.action == "analyze":
            [row] = opened.run("select current_setting('default_statistics_target')::int as target")
            worked = min(worked, row["target"] * SAMPLE_PAGES_PER_TARGET * PAGE_BYTES)
        seconds += worked / PACE[step.action]
    first = next((step.action for step in target.steps if step.action != "drop_leftover"), "drop_leftover")
    worked = sum(step.pages for step in target.steps) * PAGE_BYTES
    how = f"{size(worked)} to work through, at about {size(PACE[first])} a second; waits for others come on top"
    return seconds / 60, how


def command(deployment: Deployment, owner: str, statements: Sequence[str]) -> str:
    """The psql command for somebody who may: the owner of the table."""
    url = make_url(deployment.fix_engine.url)
    words: list[Any] = ["psql"]
    words += ["-h", url.host] if url.host else []
    words += ["-p", str(url.port)] if url.port else []
    words += ["-U", owner, "-d", url.database or ""]
    words += [word for statement in statements for word in ("-c", statement)]
    return shlex.join(words)


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'
