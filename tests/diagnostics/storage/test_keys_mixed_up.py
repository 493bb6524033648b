"""storage.keys_mixed_up: values in the wrong field or with something around them; none of them is ever shown."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.orm import Session

from console.diagnostics import Severity
from console.diagnostics.check import Context, Scope
from console.diagnostics.storage.keys_mixed_up import keys_mixed_up
from console.service import Console
from tests.diagnostics.storage.sources import make_source, narrowed, set_columns
from tests.factories import BOTH_ENGINES
from tests.round_trip import assert_round_trip

ID, SECRET = "AKIAIOSFODNN7EXA0001", "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY00"
ASIA, TOKEN = "ASIAIOSFODNN7EXA0001", "FwoGZXIvYXdzEBYaDKtVExample"
ACCOUNT_KEY = "A" * 86 + "=="
SWAPPED = {"aws_access_key_id": SECRET + "\n", "aws_secret_access_key": f" {ID}"}


@pytest.mark.parametrize(
    "columns",
    [
        {}, {"aws_access_key_id": "minioadmin", "aws_secret_access_key": "minioadmin2"},
        {"aws_access_key_id": None, "aws_secret_access_key": None},
        {"aws_access_key_id": ASIA, "aws_session_token": TOKEN}, {"aws_secret_access_key": "fake-secret"},
    ],
)  # fmt: skip
def test_sound_ones_are_healthy(ctx: Context, session: Session, columns: dict[str, Any]) -> None:
    narrowed(ctx, make_source(session, **columns))
    assert list(keys_mixed_up.answers(ctx)) == []


@pytest.mark.parametrize(
    ("columns", "problem", "fix"),
    [
        ({"aws_access_key_id": SECRET, "aws_secret_access_key": ID}, "Key id and secret are swapped", "swap"),
        (SWAPPED, "Key id and secret are swapped", "swap"),
        ({"aws_access_key_id": "wJalr/UtnFEMI+K7MDENGbPxRfiCYEXAMPLEKEY0", "aws_secret_access_key": "minio"},
         "Key id and secret are swapped", "swap"),
        ({"aws_access_key_id": f"{ID}\n"}, "There are blanks around the key id", "trim"),
        ({"aws_secret_access_key": f" {SECRET}"}, "There are blanks around the secret", "trim"),
        ({"aws_secret_access_key": f'"{SECRET}"'}, "There are quotes around the secret", "trim"),
        ({"aws_session_token": TOKEN}, "A session token stands beside a permanent key (akia…)", "drop_token"),
        ({"aws_access_key_id": ASIA}, "A temporary key (asia…) is without its session token", ""),
        ({"aws_secret_access_key": None}, "There is a key id and no secret", ""),
        ({"aws_access_key_id": ""}, "There is a secret and no key id", ""),
        ({"aws_secret_access_key": ID, "aws_access_key_id": ID}, "Key id and secret are the same", ""),
        ({"aws_access_key_id": "arn:aws:iam::1:user/x"}, "The key id is no key id, but an arn, an address", ""),
    ],
)  # fmt: skip
def test_what_is_mixed_up(
    console: Console, ctx: Context, session: Session, columns: dict[str, Any], problem: str, fix: str
) -> None:
    storage = narrowed(ctx, make_source(session, **columns))
    [finding] = keys_mixed_up.run(ctx)
    assert finding.subject == storage.subject
    assert finding.summary.lower().startswith(problem.lower())
    assert finding.fixes == ((fix,) if fix else ())
    assert ID not in str(finding) and SECRET not in str(finding) and TOKEN not in str(finding)
    if fix and columns in (SWAPPED, {"aws_secret_access_key": f" {SECRET}"}, {"aws_session_token": TOKEN}):
        assert_round_trip(console, ctx, keys_mixed_up, fix, finding)


def test_a_token_alone_is_a_warning(ctx: Context, session: Session) -> None:
    narrowed(ctx, make_source(session, aws_session_token=TOKEN))
    assert keys_mixed_up.run(ctx)[0].severity == Severity.WARNING


@BOTH_ENGINES
def test_no_plan_holds_a_secret_in_clear(console: Console, ctx: Context, session: Session) -> None:
    narrowed(ctx, make_source(session, aws_access_key_id=SECRET, aws_secret_access_key=ID))
    [finding] = keys_mixed_up.run(ctx)
    plan = console.plan(finding, "swap", by="test")
    assert SECRET not in str(plan.changes) and ID not in str(plan.changes)
    assert_round_trip(console, ctx, keys_mixed_up, "swap", finding)


@pytest.mark.parametrize(
    ("columns", "problem", "fix"),
    [
        ({"account_name": ACCOUNT_KEY, "account_key": "photos"}, "Name and key of the account are swapped", "swap"),
        ({"account_key": f"{ACCOUNT_KEY}\n"}, "There are blanks around the key of the account", "trim"),
        ({"account_key": "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=b=="}, "A connection string", ""),
        ({"account_key": "sv=2024-01-01&sig=abc%3D&se=2025"}, "A shared access signature", ""),
        ({"account_name": "https://photos.blob.core.windows.net"}, "The name of the account has other than", ""),
        ({"account_key": "not base64!"}, "The key of the account is no base64", ""),
    ],
)
def test_azure(
    console: Console, ctx: Context, session: Session, columns: dict[str, Any], problem: str, fix: str
) -> None:
    set_columns(session, "io_storages_azureblobstoragemixin", "id", 1, **columns)
    ctx.scope = Scope(storage="azure:1")
    [finding] = keys_mixed_up.run(ctx)
    assert finding.summary.lower().startswith(problem.lower())
    if fix:
        assert_round_trip(console, ctx, keys_mixed_up, fix, finding)
