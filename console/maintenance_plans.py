"""Plans of maintenance that a person chose: tables, indexes, what the advisor says, a session. For page and command."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy.orm import Session

from .deployment.postgres import indexes, sessions, tables
from .deployment.postgres.sessions import ServerSession
from .diagnostics.server_changes import EndSession, Maintain
from .errors import Conflict, NotFound, Refused
from .maintenance import actions, advice
from .maintenance.advice import Advised
from .service import Console
from .state.models import PlanRow

#: A transaction older than this is what a person means who ends its session: in another one it is left alone.
LONG_SECONDS = 5
#: Steps of one plan.
MOST_STEPS = 50
ON_TABLES = ("vacuum_analyze", "vacuum", "analyze", "reindex_table", "vacuum_full")
ON_INDEXES = ("reindex_index", "drop_leftover")
ON_FILE = ("sqlite_analyze", "sqlite_vacuum")


def key(schema: str, name: str) -> str:
    """How a form names a table or an index; it is looked up in the catalogue, never taken apart."""
    return f"{schema}.{name}"


def step_key(step: Maintain) -> str:
    """How a form names one step of the advisor."""
    return f"{step.action} {key(step.schema, step.index or step.table)}"


def title(steps: Sequence[Maintain]) -> str:
    """`VACUUM (ANALYZE) of task`, or how many of what."""
    names = {actions.get(step.action).title for step in steps}
    what = names.pop() if len(names) == 1 else "Maintenance"
    if len(steps) == 1:
        return action_title(steps[0])
    kinds = {"index" if step.index else "table" for step in steps}
    on = {"index": "indexes", "table": "tables"}[kinds.pop()] if len(kinds) == 1 else "tables and indexes"
    return f"{what} of {len(steps)} {on}"


def action_title(step: Maintain) -> str:
    """`REINDEX INDEX CONCURRENTLY of task_pkey`; the actions on a file say so themselves."""
    on = step.index or step.table
    return f"{actions.get(step.action).title} of {on}" if on else actions.get(step.action).title


def plan_tables(console: Console, action: str, chosen: Iterable[str], *, by: str) -> PlanRow:
    """Plan one action on the tables of these keys. Raises NotFound, Refused."""
    _need_action(action, ON_TABLES)
    wanted = _wanted(chosen, "table")
    with _postgresql(console) as session:
        there = {key(table.schema, table.name): table for table in tables.read(session).rows}
    found = [there[name] for name in _need_all(wanted, there, "table")]
    return _plan(console, [Maintain(action, table.name, "", table.schema, table.total_bytes) for table in found], by)


def plan_indexes(console: Console, action: str, chosen: Iterable[str], *, by: str) -> PlanRow:
    """Plan one action on the indexes of these keys. Raises NotFound, Refused."""
    _need_action(action, ON_INDEXES)
    wanted = _wanted(chosen, "index")
    with _postgresql(console) as session:
        there = {key(index.schema, index.name): index for index in indexes.read(session)}
    found = [there[name] for name in _need_all(wanted, there, "index")]
    steps = [Maintain(action, index.table, index.name, index.schema, index.size_bytes) for index in found]
    return _plan(console, steps, by)


def plan_file(console: Console, action: str, *, by: str) -> PlanRow:
    """Plan VACUUM or ANALYZE of a SQLite file."""
    _need_action(action, ON_FILE)
    if console.deployment.kind != "sqlite":
        raise Refused("This database is PostgreSQL, not a SQLite file.")
    return _plan(console, [Maintain(action, "")], by)


def plan_advice(console: Console, chosen: Iterable[str] = (), *, by: str) -> PlanRow:
    """Plan what the advisor says now: all of it, or the steps of these keys. Raises Conflict when none is left."""
    advised: list[Advised] = advice.advice(console.deployment, most=MOST_STEPS)
    names = set(chosen)
    steps = [item.step for item in advised if not names or step_key(item.step) in names]
    if not steps:
        raise Conflict("The advisor does not say this any more: somebody was quicker, or the numbers moved on.")
    return _plan(console, steps, by)


def plan_session(console: Console, pid: int, backend_start: str, how: str, *, by: str) -> PlanRow:
    """Plan to cancel the statement of one session, or to end it. Raises Conflict when it has ended, Refused for ours."""
    if how not in {"cancel", "terminate"}:
        raise Refused("A session can be told to cancel its statement, or be ended (terminate).")
    with _postgresql(console) as session:
        seen = sessions.read(session)
    row = next((row for row in seen.rows if row.pid == pid and started(row) == backend_start), None)
    if row is None:
        raise Conflict(f"Session {pid} has ended by itself, or is another one by now. Look again.")
    why = why_kept(row)
    if why:
        raise Refused(why)
    long = (row.transaction_seconds or 0) > LONG_SECONDS
    since = row.unchanged_since.isoformat() if long and row.unchanged_since else ""
    change = EndSession(row.pid, backend_start, row.user, row.application, how, since)
    what = f"Cancel the statement of session {pid}" if how == "cancel" else f"End session {pid}"
    name = row.application or row.user
    return console.plan_steps([change], code="pg", fix_id="end_session", by=by, title=f"{what} ({name})")


def started(row: ServerSession) -> str:
    """When a session began, as a form and a plan name it; empty where the role may not see it."""
    return row.backend_start.isoformat() if row.backend_start else ""


def why_kept(row: ServerSession) -> str:
    """Why a session may not be ended from here; empty when it may."""
    if row.own:
        return f"Session {row.pid} is the console's own."
    if row.backend_start is None:
        return f"Session {row.pid} is hidden from the role that looks, so it cannot be told from a later one."
    if row.kind != "client backend":
        return f"Session {row.pid} is no client: it is PostgreSQL's own {row.kind or 'process'}."
    return ""


@contextmanager
def _postgresql(console: Console) -> Iterator[Session]:
    if console.deployment.kind != "postgresql":
        raise Refused("This is for PostgreSQL; a SQLite file is maintained as a whole.")
    with console.deployment.read() as session:
        yield session


def _need_action(action: str, known: Sequence[str]) -> None:
    if action not in known:
        raise Refused(f"There is no maintenance {action[:40]!r} for this. There is: {', '.join(known)}.")


def _wanted(chosen: Iterable[str], what: str) -> list[str]:
    names = list(dict.fromkeys(chosen))
    if not names:
        raise Refused(f"Choose at least one {what}.")
    if len(names) > MOST_STEPS:
        raise Refused(f"One plan holds {MOST_STEPS} steps and {len(names)} were chosen. Choose fewer.")
    return names


def _need_all(wanted: Sequence[str], there: Iterable[str], what: str) -> Sequence[str]:
    missing = [name for name in wanted if name not in set(there)]
    if missing:
        raise NotFound(f"There is no {what} {missing[0][:200]} in the schemas of Label Studio's database.")
    return wanted


def _plan(console: Console, steps: Sequence[Maintain], by: str) -> PlanRow:
    code = "sqlite" if console.deployment.kind == "sqlite" else "pg"
    return console.plan_steps(steps, code=code, fix_id="maintain", title=title(steps), by=by)
