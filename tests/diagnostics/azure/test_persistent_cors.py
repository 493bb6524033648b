"""azure.persistent_cors: uploads kept in an account that the pages may not read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from azure.storage.blob import BlobServiceClient, CorsRule

from console.config import Settings
from console.diagnostics import NotApplicable, Severity, Unknown
from console.diagnostics.azure.persistent_cors import persistent_cors
from console.diagnostics.check import Context
from tests.azure_server import AzureServer

ORIGIN = "https://label.example.com"


@pytest.fixture
def environment(request: pytest.FixtureRequest, server: AzureServer) -> dict[str, str]:
    told = {
        "STORAGE_TYPE": "azure", "STORAGE_AZURE_ACCOUNT_NAME": server.account, "STORAGE_AZURE_ACCOUNT_KEY": server.key,
        "STORAGE_AZURE_CONTAINER_NAME": "data",
    }  # fmt: skip
    return {name: value for name, value in {**told, **getattr(request, "param", {})}.items() if value}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.with_(label_studio_url=f"{ORIGIN}/sub/path")


@pytest.fixture(autouse=True)
def no_rules(account: BlobServiceClient) -> Iterator[None]:
    yield
    account.set_service_properties(cors=[])


def rule(origins: list[str], methods: list[str], headers: list[str]) -> CorsRule:
    return CorsRule(origins, methods, allowed_headers=headers)


@pytest.mark.parametrize(
    "allowing",
    [
        rule(["*"], ["GET", "HEAD"], ["*"]),
        rule(["https://other.example", ORIGIN], ["GET"], ["Range", "x-ms-version"]),
    ],
)
def test_a_rule_for_these_pages_is_healthy(ctx: Context, account: BlobServiceClient, allowing: CorsRule) -> None:
    account.set_service_properties(cors=[rule(["https://first.example"], ["PUT"], ["x"]), allowing])
    assert list(persistent_cors.answers(ctx)) == []


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ([], "no rule"),
        ([rule(["https://other.example"], ["GET"], ["*"])], "1 rule"),
        ([rule([ORIGIN], ["PUT"], ["*"]), rule([ORIGIN], ["GET"], ["x-ms-version"])], "2 rules"),
    ],
)
def test_no_rule_lets_the_pages_read(
    ctx: Context, account: BlobServiceClient, server: AzureServer, rules: list[CorsRule], told: str
) -> None:
    account.set_service_properties(cors=rules)
    [finding] = persistent_cors.run(ctx)
    assert (finding.subject, finding.severity) == ("deployment:uploads", Severity.WARNING)
    assert finding.summary == f"The account labelstore has {told}, and none lets {ORIGIN} read parts of a file"
    assert f"az storage cors add --services b --account-name labelstore --origins {ORIGIN}" in finding.cause
    assert finding.evidence.total == len(rules) and server.key not in f"{finding}"


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"STORAGE_TYPE": "s3"}, "not azure"),
        ({"STORAGE_TYPE": ""}, "not azure"),
        ({"USE_NGINX_FOR_UPLOADS": "False"}, "by itself"),
    ],
    indirect=["environment"],
)
def test_where_it_does_not_matter(ctx: Context, words: str) -> None:
    with pytest.raises(NotApplicable, match=words):
        list(persistent_cors.answers(ctx))


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"STORAGE_AZURE_ACCOUNT_KEY": ""}, "the environment lacks STORAGE_AZURE_ACCOUNT_KEY"),
        ({"STORAGE_AZURE_ACCOUNT_KEY": "b3RoZXItb3RoZXItb3RoZXI="}, "cannot be read: http"),
    ],
    indirect=["environment"],
)
def test_what_cannot_be_known(ctx: Context, words: str) -> None:
    with pytest.raises(Unknown, match=words):
        list(persistent_cors.answers(ctx))


class TestWithoutAnAddress:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.with_(label_studio_url=None)

    def test_the_origin_is_unknown(self, ctx: Context) -> None:
        with pytest.raises(Unknown, match="LSCONSOLE_LABEL_STUDIO_URL"):
            list(persistent_cors.answers(ctx))
