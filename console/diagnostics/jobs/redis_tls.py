"""Redis cannot be reached the way its address says: TLS on one side only, or a certificate that is not accepted.

Label Studio asks Redis for a sign of life before it hands work over. When that fails it says nothing and does the work
inside the request: syncs and exports make pages hang, workers find nothing to do, and the queues look healthy and empty.
The usual reasons: the server wants TLS and the address says `redis://`, or the other way round; a certificate authority
of its own that nobody was told about; a certificate that has expired.

What to do: write `rediss://` when the server speaks TLS, and `redis://` when it does not, in `REDIS_LOCATION` of web
server and workers. Name the authority with `REDIS_SSL_CA_CERTS=/path/ca.pem`; `REDIS_SSL_CERTS_REQS=none` accepts any
certificate and is for finding out, not for keeping.

Source: the TLS handshake of the server, and how `core.redis` of Label Studio falls back when its ping fails.
"""

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

from .. import Context, Finding, NotApplicable, Severity, Unknown, check
from ..redis_probe import Handshake, shake_hands
from ..redis_server import Problem
from ..spans import span


@check(
    title="Redis is reached as its address says",
    severity=Severity.ERROR,
    impact="Label Studio does background work inside the request, and workers get nothing",
    cause="Address and server disagree about TLS, or the certificate is not accepted.",
)
def redis_tls(ctx: Context, expires_within_days: float = 14, timeout_seconds: float = 3) -> Iterator[Finding]:
    """One finding for the deployment. Rows: what was tried, what came of it, what it means."""
    redis = ctx.redis
    parts = urlsplit((ctx.settings.redis_url or "").strip())
    if parts.scheme not in ("redis", "rediss"):
        raise NotApplicable("Redis is reached over a local socket, which knows no TLS.")
    try:
        redis.ping()
        reached: Unknown | None = None
    except Unknown as error:
        reached = error
    tls = parts.scheme == "rediss"
    if not tls and reached is None:
        return
    handshake = shake_hands(parts.hostname or "localhost", parts.port or 6379, timeout_seconds)
    problem = (
        _refused(tls, handshake, reached) if reached else _accepted(ctx, parts.query, handshake, expires_within_days)
    )
    if problem is None and reached is not None:
        raise reached
    if problem is not None:
        rows = [{"tried": problem.field, "seen": problem.value, "means": problem.means}]
        yield Finding(
            subject="deployment:redis", name="Redis", severity=problem.severity,
            summary=f"{problem.means[0].upper()}{problem.means[1:]}",
            evidence=ctx.evidence(f"PING and a TLS handshake with {parts.hostname}:{parts.port or 6379}", rows),
        )  # fmt: skip


def _refused(tls: bool, handshake: Handshake, reached: Unknown) -> Problem | None:
    """Why a ping failed; None when it has nothing to do with TLS."""
    if not tls and handshake.speaks_tls:
        return Problem(Severity.ERROR, "redis:// without TLS", "TLS handshake accepted",
                       "the server speaks TLS and the address says redis://; write rediss://")  # fmt: skip
    if tls and handshake.answers_plain:
        return Problem(Severity.ERROR, "rediss:// with TLS", handshake.error,
                       "the server speaks no TLS and the address says rediss://; write redis://")  # fmt: skip
    said = str(reached)
    if tls and handshake.speaks_tls and ("certificate" in said.lower() or "No such file" in said):
        why = said.partition("cannot be reached over TLS: ")[2] or said
        return Problem(Severity.ERROR, "rediss:// with TLS", why, f"the certificate of Redis is not accepted: {why}")
    return None


def _accepted(ctx: Context, query: str, handshake: Handshake, expires_within_days: float) -> Problem | None:
    """What is worth a word although the ping succeeds over TLS."""
    if handshake.expires_at and handshake.expires_at - ctx.now < timedelta(days=expires_within_days):
        left = handshake.expires_at - ctx.now
        when = f"expires in {span(left)}" if left > timedelta() else f"expired {span(-left)} ago"
        return Problem(Severity.WARNING, "certificate", f"{handshake.expires_at:%Y-%m-%d %H:%M} UTC",
                       f"the certificate of Redis {when}")  # fmt: skip
    if parse_qs(query).get("ssl_cert_reqs", [""])[-1] in ("none", "optional"):
        return Problem(Severity.INFO, "ssl_cert_reqs", "not required",
                       "the connection to Redis is encrypted, and its certificate is not verified")  # fmt: skip
    return None
