"""Redis runs out of connections.

Every process of the web server and every worker holds several. With `maxclients` reached, Redis turns new ones away
("max number of clients reached"): Label Studio then believes that there is no Redis and does the work inside the
request, so pages hang, and workers restart.

What to do: find who holds them (`redis-cli CLIENT LIST`, grouped by address), end what is left over, lower the number of
web processes, or raise `maxclients` (`CONFIG SET maxclients 20000`; the limit of open files must allow it). Managed
services tie it to the size of the machine.

Source: `connected_clients`, `maxclients`, `rejected_connections` of Redis' INFO.
"""

from collections.abc import Iterator
from datetime import timedelta

from .. import Context, Finding, Severity, Unknown, check
from ..redis_server import Problem, about_redis
from ..spans import span


@check(
    title="Redis has connections to spare",
    severity=Severity.WARNING,
    impact="Workers cannot connect, and Label Studio does background work inside the request",
    cause="More processes connect to this Redis than it was set up for.",
)
def connections(ctx: Context, used_share: float = 0.8, after_rejection_share: float = 0.5) -> Iterator[Finding]:
    """One finding for the deployment. Rows: field of INFO, value, what it means.

    Connections that were refused since Redis started count as long as more than `after_rejection_share` are in use, and
    are a remark after that.
    """
    info = ctx.redis.info()
    share = info.connection_share
    if share is None:
        raise Unknown(
            "This Redis does not tell how many connections it allows. Let its user ask: ACL SETUSER USER +info +config|get"
        )
    problems = []
    used = f"{info.connected_clients:,} of {info.maxclients:,}"
    if share > used_share:
        problems.append(Problem(Severity.WARNING, "connected_clients", used, f"{used} connections are in use"))
    if info.rejected_connections:
        turned = f"{info.rejected_connections:,} {'connection' if info.rejected_connections == 1 else 'connections'}"
        lately = share > after_rejection_share
        since = f" since it started {span(timedelta(seconds=info.uptime_seconds))} ago" if info.uptime_seconds else ""
        problems.append(
            Problem(Severity.ERROR if lately else Severity.INFO, "rejected_connections", f"{info.rejected_connections:,}",
                    f"Redis turned {turned} away{since}; {used} are in use now")
        )  # fmt: skip
    if problems:
        yield about_redis(ctx, info, "INFO clients; INFO stats", problems)
