"""Label Studio refuses the address of a storage, because it lies in a private network.

From 1.23 on, S3 endpoints and Redis hosts that people enter are resolved and refused when they lead into a private or
reserved network, as long as SSRF_PROTECTION_ENABLED is on, which it is by default. A MinIO in one's own network stops
working with the upgrade: "URL resolves to a reserved network address". What the environment names (`S3_ENDPOINT`) is
trusted. Two ways to allow one's own store, and leave the protection on:

    S3_ENDPOINT=http://minio:9000        # for web server and worker; then empty the field of the storage

    USE_DEFAULT_BANNED_SUBNETS=false     # then list the networks that stay refused
    USER_ADDITIONAL_BANNED_SUBNETS=169.254.0.0/16,127.0.0.0/8

An address of a cloud's metadata service is reported always, on every release: through it a storage reads the
credentials of the machine. Nobody's bucket is there.

Where a storage of the same host has synced under this release, Label Studio evidently lets it through.

Source: `validate_url_for_ssrf` and `resolve_host_for_ssrf` in Label Studio's core/utils/io.py, called by its S3 and Redis
storages since 1.23.
"""

from __future__ import annotations

import ipaddress
import queue
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from sqlalchemy import func, select

from ...deployment.buckets import BucketBlocked, Reach
from ...deployment.hosts import is_internal, is_loopback
from ...deployment.models import Migration, as_utc
from ...deployment.releases import is_since
from ...deployment.storages import Storage
from .. import Context, Finding, Severity, Unknown, check
from ..addresses import host_of

#: The release that began to refuse.
REFUSES_SINCE = "1.23.0"
RESOLVE_SECONDS = 3.0


@dataclass(frozen=True)
class _Named:
    """What a storage row names: host and port, and the column."""

    item: Storage
    host: str
    port: int | None
    column: str


@check(
    title="Label Studio may connect to the address of every storage",
    severity=Severity.ERROR,
    scopes=["project", "storage"],
    impact="Syncs, connection tests and signed links of this storage fail",
    cause="The address lies in a private or reserved network. Name it in S3_ENDPOINT, or change the refused networks.",
)
def endpoint_blocked_ssrf(ctx: Context) -> Iterator[Finding | Unknown]:
    """One finding per storage. Row: host, what it resolves to, the refused network, what lets it through."""
    # A storage that is switched off is looked at too: somebody entered its address.
    found = ctx.storages(prefixes=["s3", "redis", "s3-export", "redis-export"])
    named = [name for item in found if (name := _named(item))]
    resolved = _resolve({name.host for name in named})
    let_through = _let_through(ctx, named)
    for name in named:
        addresses = resolved[name.host]
        in_use = name.item.get("synchronizable") is not False
        finding = _metadata(ctx, name, addresses)
        if in_use and not finding:
            finding = _private(ctx, name, addresses, name.host in let_through)
        if finding:
            yield finding
        elif addresses is None and in_use and _refuses(ctx):
            yield Unknown(
                f"{name.item.reference}: {name.host} does not resolve here, so whether it is refused cannot be told."
            )


def _metadata(ctx: Context, name: _Named, addresses: list[str] | None) -> Finding | None:
    """A finding for a metadata service, whatever the settings say."""
    reach = Reach()
    try:
        rules = reach.rules_for(name.host, name.port)
        for address in addresses or []:
            reach.need(rules, name.host, address)
    except BucketBlocked as blocked:
        if blocked.metadata:
            row = {"host": name.host, "resolves_to": ", ".join(addresses or []) or None, "network": "metadata service"}
            return Finding(
                subject=name.item.subject, name=name.item.title, severity=Severity.CRITICAL,
                summary=f"{name.host} is the metadata service of a cloud",
                impact="Whoever set this storage up may read the credentials of the machine",
                cause="No bucket is there. Find out who entered it, and delete the storage.",
                evidence=ctx.evidence(f"{name.item.kind.table_name}.{name.column}", [row]),
            )  # fmt: skip
    return None


def _private(ctx: Context, name: _Named, addresses: list[str] | None, let_through: bool) -> Finding | None:
    if not _refuses(ctx):
        return None
    network = _refused(ctx, addresses)
    if network is None and not (addresses is None and is_internal(name.host)):
        return None
    chosen = "ssrf_protection" in ctx.settings.told
    if not chosen and (_is_allowed(ctx, name) or (let_through and is_loopback(name.host))):
        return None
    row = {
        "host": name.host, "port": name.port, "resolves_to": ", ".join(addresses) if addresses else None,
        "network": network, "synced_under_this_release": let_through,
    }  # fmt: skip
    if addresses is None:
        summary = f"{name.host} is a name of the inside, and what it resolves to there is refused"
    else:
        summary = f"{name.host} is in a network that Label Studio refuses ({network})"
    return Finding(
        subject=name.item.subject, name=name.item.title, summary=summary,
        severity=Severity.WARNING if let_through or addresses is None else Severity.ERROR,
        cause="A storage of this host has synced since the last upgrade, so Label Studio's own settings seem to let it "
        "through; tell them to the console too." if let_through else "",
        evidence=ctx.evidence(f"{name.item.kind.table_name}.{name.column}", [row]),
    )  # fmt: skip


def _refuses(ctx: Context) -> bool:
    return ctx.settings.ssrf_protection and is_since(ctx.schema.label_studio_version, REFUSES_SINCE)


def _refused(ctx: Context, addresses: list[str] | None) -> str | None:
    """The refused network that one of the addresses lies in."""
    for address in addresses or []:
        found = ipaddress.ip_address(address.partition("%")[0])
        for network in Reach.of(ctx.settings).rules.networks:
            if found in network:
                return str(network)
    return None


def _is_allowed(ctx: Context, name: _Named) -> bool:
    """Whether the operator has told the console that this host is the deployment's own."""
    return bool({name.host, f"{name.host}:{name.port}"} & {host.lower() for host in ctx.settings.bucket_endpoints})


def _named(item: Storage) -> _Named | None:
    if item.kind.provider == "redis":
        host = str(item.get("host") or "").strip().lower()
        port = str(item.get("port") or "")
        return _Named(item, host, int(port) if port.isdecimal() else None, "host") if host else None
    endpoint = str(item.get("s3_endpoint") or "").strip()
    host = host_of(endpoint)
    if not host or host.endswith((".amazonaws.com", ".amazonaws.com.cn")):
        return None
    try:
        parts = urlsplit(endpoint if "://" in endpoint else f"//{endpoint}")
        port_number = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return None
    return _Named(item, host, port_number, "s3_endpoint")


def _let_through(ctx: Context, named: list[_Named]) -> set[str]:
    """Hosts of storages that have synced since the last migration ran: under this release."""
    with ctx.transaction() as session:
        upgraded = as_utc(session.scalar(select(func.max(Migration.applied))))
    synced = set()
    for name in named:
        last = as_utc(name.item.get("last_sync"))
        if last and upgraded and last > upgraded and str(name.item.get("status", "completed")).startswith("completed"):
            synced.add(name.host)
    return synced


def _resolve(hosts: set[str]) -> dict[str, list[str] | None]:
    """Addresses of each host, None for one that does not resolve in time; all are asked side by side."""
    answers: dict[str, queue.SimpleQueue[list[str] | None]] = {host: queue.SimpleQueue() for host in hosts}
    for host, answer in answers.items():
        threading.Thread(target=lambda h=host, a=answer: a.put(_look_up(h)), name="resolve", daemon=True).start()
    found: dict[str, list[str] | None] = {}
    end = time.monotonic() + RESOLVE_SECONDS
    for host, answer in answers.items():
        try:
            found[host] = answer.get(timeout=max(end - time.monotonic(), 0.01))
        except queue.Empty:
            found[host] = None
    return found


def _look_up(host: str) -> list[str] | None:
    try:
        return list(dict.fromkeys(str(entry[4][0]) for entry in socket.getaddrinfo(host, None, 0, socket.SOCK_STREAM)))
    except (OSError, UnicodeError):
        return None
