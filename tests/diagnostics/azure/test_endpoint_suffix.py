"""azure.endpoint_suffix: accounts that live in another cloud than the one Label Studio goes to."""

from __future__ import annotations

import socket
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from console.diagnostics import NotApplicable, Severity, Unknown
from console.diagnostics.azure.endpoint_suffix import endpoint_suffix, resolves
from console.diagnostics.check import Context

StorageOf = Callable[..., SimpleNamespace]
PUBLIC = "labelstore.blob.core.windows.net"


@pytest.fixture
def endpoint() -> str | None:
    return None


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names that resolve; others do not."""
    names: set[str] = set()

    def look_up(host: str, *_: Any, **__: Any) -> list[Any]:
        if host not in names:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("203.0.113.1", 443))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return names


def test_an_account_of_the_public_cloud_is_healthy(ctx: Context, storage_of: StorageOf, known: set[str]) -> None:
    storage_of()
    known.add(PUBLIC)
    assert list(endpoint_suffix.answers(ctx)) == []


@pytest.mark.parametrize("kind", ["azure", "azure-export"])
@pytest.mark.parametrize(
    ("suffix", "cloud"),
    [("blob.core.usgovcloudapi.net", "Azure Government"), ("blob.core.chinacloudapi.cn", "Azure in China")],
)
def test_an_account_of_another_cloud(
    ctx: Context, storage_of: StorageOf, known: set[str], kind: str, suffix: str, cloud: str
) -> None:
    storage = storage_of(kind)
    known.add(f"labelstore.{suffix}")
    [finding] = endpoint_suffix.run(ctx)
    assert (finding.subject, finding.severity) == (storage.subject, Severity.ERROR)
    assert finding.summary == f"The account is in {cloud} ({suffix}), and Label Studio asks blob.core.windows.net"
    assert {row["suffix"]: row["resolves"] for row in finding.evidence}[suffix] is True


def test_a_name_that_resolves_nowhere_is_unknown(ctx: Context, storage_of: StorageOf, known: set[str]) -> None:
    storage = storage_of()
    [answer] = list(endpoint_suffix.answers(ctx))
    assert isinstance(answer, Unknown) and str(answer).startswith(
        f"azure:{storage.id}: the name of its account resolves"
    )
    assert "no DNS" in str(answer)


def test_names_that_are_none(known: set[str]) -> None:
    known.add("a")
    assert resolves("a") and not resolves("b")


class TestWhereTheOperatorNamesTheEndpoint:
    @pytest.fixture
    def endpoint(self) -> str:
        return "https://{account}.blob.core.usgovcloudapi.net"

    def test_nothing_is_looked_up(self, ctx: Context, storage_of: StorageOf) -> None:
        storage_of()
        with pytest.raises(NotApplicable, match="LSCONSOLE_AZURE_ENDPOINT"):
            list(endpoint_suffix.answers(ctx))
