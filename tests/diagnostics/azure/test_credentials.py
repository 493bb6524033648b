"""azure.credentials: keys that are wrong, forbidden, missing or something else altogether."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from console.diagnostics import Severity, Unknown
from console.diagnostics.azure.credentials import credentials
from console.diagnostics.check import Context
from tests.azure_server import Azure, AzureServer

StorageOf = Callable[..., SimpleNamespace]
OTHER_KEY = "b3RoZXItb3RoZXItb3RoZXItb3RoZXItb3RoZXItb3RoZXItb3RoZXItb3RoZXItb3RoZXItb3RoZXItb3RoZXI="


@pytest.mark.parametrize("kind", ["azure", "azure-export"])
def test_the_right_key_is_healthy_whatever_the_container(ctx: Context, storage_of: StorageOf, kind: str) -> None:
    storage_of(kind)
    assert list(credentials.answers(ctx)) == []
    storage_of(kind, container="not-there")
    assert list(credentials.answers(ctx)) == []


@pytest.mark.parametrize("kind", ["azure", "azure-export"])
def test_a_key_of_another_account(ctx: Context, storage_of: StorageOf, kind: str) -> None:
    storage = storage_of(kind, account_key=OTHER_KEY)
    [finding] = credentials.run(ctx)
    assert (finding.subject, finding.severity, finding.fixes) == (storage.subject, Severity.ERROR, ())
    assert finding.summary.startswith("Nobody can sign in with this storage: ")
    assert finding.evidence.rows[0]["key"] == "in the storage" and OTHER_KEY not in f"{finding}"


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"account_key": "?sv=2021-12-02&ss=b&srt=co&sp=rl&sig=abc"}, "holds a SAS"),
        ({"account_key": "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=b=="}, "connection string"),
        ({"account_key": "abc"}, "no key of a storage account"),
        ({"account_name": "labelstore.blob.core.windows.net"}, "no name of a storage account"),
    ],
)
def test_something_else_in_the_fields(ctx: Context, storage_of: StorageOf, columns: dict[str, Any], words: str) -> None:
    storage_of(**columns)
    [finding] = credentials.run(ctx)
    assert words in finding.summary and "sig=abc" not in f"{finding}"


def test_missing_here_may_be_elsewhere_unless_label_studio_said_so(ctx: Context, storage_of: StorageOf) -> None:
    storage = storage_of(account_key="")
    [answer] = list(credentials.answers(ctx))
    assert isinstance(answer, Unknown) and str(answer).startswith(f"azure:{storage.id}: The account key must be set")
    assert "start the console with the same one" in str(answer)
    storage_of(
        account_key="", status="failed", traceback="ValueError: Azure account name and key must be set using ..."
    )
    [finding] = credentials.run(ctx)
    assert finding.evidence.rows[0]["answer"] == "NoCredentials"


def test_a_container_that_cannot_be_is_no_matter_of_credentials(ctx: Context, storage_of: StorageOf) -> None:
    storage_of(container="Data/x")
    [answer] = list(credentials.answers(ctx))
    assert isinstance(answer, Unknown) and "no container name" in str(answer)


class TestFromTheEnvironment:
    @pytest.fixture
    def environment(self, server: AzureServer) -> dict[str, str]:
        return {"AZURE_BLOB_ACCOUNT_NAME": server.account, "AZURE_BLOB_ACCOUNT_KEY": server.key}

    def test_empty_fields_are_healthy(self, ctx: Context, storage_of: StorageOf) -> None:
        storage_of(account_name="", account_key=None)
        assert list(credentials.answers(ctx)) == []


class TestRefusals:
    @pytest.fixture
    def endpoint(self, refusing: Azure) -> Iterator[str]:
        return refusing.endpoint  # type: ignore[return-value]

    @pytest.mark.parametrize(
        ("status", "code", "to_do"),
        [
            (403, "AuthenticationFailed", "enter the account's key"),
            (403, "KeyBasedAuthenticationNotPermitted", "az storage account update --name labelstore"),
            (403, "AuthorizationFailure", "az storage account network-rule add"),
            (403, "AccountIsDisabled", "enter the account's key"),
        ],
    )
    def test_what_azure_says(
        self, ctx: Context, storage_of: StorageOf, refusing: Azure, status: int, code: str, to_do: str
    ) -> None:
        refusing.refuse(status, code)
        storage_of()
        [finding] = credentials.run(ctx)
        assert finding.evidence.rows[0]["answer"] == code
        assert finding.evidence.rows[0]["to_do"].startswith(to_do)

    @pytest.mark.parametrize(
        ("status", "code"), [(503, "ServerBusy"), (500, "InternalError"), (400, "OutOfRangeInput")]
    )
    def test_trouble_of_azures_own_is_unknown(
        self, ctx: Context, storage_of: StorageOf, refusing: Azure, status: int, code: str
    ) -> None:
        refusing.refuse(status, code)
        storage_of()
        [answer] = list(credentials.answers(ctx))
        assert isinstance(answer, Unknown) and code in str(answer)
