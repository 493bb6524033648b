"""storage.target_kms: keys of KMS that do not fit."""

from __future__ import annotations

import pytest

from console.diagnostics import NotApplicable
from console.diagnostics.check import Context
from console.diagnostics.storage.target_kms import target_kms

ARN = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def test_a_key_that_fits_is_healthy(ctx: Context, story) -> None:
    story({}, target=True, aws_sse_kms_key_id=ARN)
    assert list(target_kms.answers(ctx)) == []


@pytest.mark.parametrize(
    ("key", "told"),
    [
        (ARN.replace("us-east-1", "eu-west-1"), "is in eu-west-1, and the storage names us-east-1"),
        ("my key", "neither an id nor"),
    ],
)
def test_a_key_that_cannot_fit(ctx: Context, story, key, told) -> None:
    storage = story({}, target=True, aws_sse_kms_key_id=key)
    [finding] = target_kms.run(ctx)
    assert finding.subject == storage.subject and told in finding.summary


def test_a_key_that_may_not_be_used(ctx: Context, story) -> None:
    storage = story({}, target=True, aws_sse_kms_key_id=ARN)
    storage.fake.faults["PUT"] = "kms"
    [finding] = target_kms.run(ctx)
    assert finding.subject == storage.subject and "kms:GenerateDataKey" in finding.cause


def test_without_a_key_there_is_nothing_to_look_at(ctx: Context, story) -> None:
    story({}, target=True)
    with pytest.raises(NotApplicable):
        list(target_kms.answers(ctx))
