"""Hosts that only machines of the inside can reach: what a server resolves and a browser elsewhere does not."""

from __future__ import annotations

import ipaddress

_INTERNAL = (
    ".local", ".svc", ".internal", ".lan", ".intranet", ".corp", ".home", ".home.arpa", ".localdomain", ".docker",
)  # fmt: skip


def is_internal(host: str) -> bool:
    """Whether only machines of the same network know a host: a bare word, a private suffix, a private address."""
    bare = host.strip("[]")
    if is_loopback(bare):
        return True
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return bool(bare) and ("." not in bare or bare.endswith(_INTERNAL))
    return not address.is_global


def is_loopback(host: str) -> bool:
    """Whether a host is the very machine that asks."""
    bare = host.strip("[]")
    if bare == "localhost" or bare.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return False


def is_address(host: str) -> bool:
    """Whether a host is a bare address, not a name."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
