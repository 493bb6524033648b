"""The generated policy is enough, and no statement of it is too much: the matrix of a key that has exactly this policy.

The small S3 is given an evaluation of IAM policies: allow by action and resource with wildcards, `${*}` for a star that
is one, and `StringLike` on `s3:prefix`, which no request without a prefix meets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from console.doctor.policies import Surroundings
from console.doctor.policies_s3 import iam_policy
from tests import s3_server
from tests.doctor.conftest import Look, storage_of
from tests.s3_server import Cors, S3Server
from tests.s3_signing import Refused

ACTIONS = {
    "LIST": "s3:ListBucket", "HEADBUCKET": "s3:ListBucket", "GET": "s3:GetObject", "HEAD": "s3:GetObject", "PUT": "s3:PutObject",
    "DELETE": "s3:DeleteObject", "GETCORS": "s3:GetBucketCORS",
}  # fmt: skip
READ = ["get", "head", "presign", "range", "simple"]


def pattern(text: str) -> re.Pattern[str]:
    """A policy's wildcard text as a regular expression."""
    parts = re.split(r"(\$\{[*?$]\}|[*?])", text)
    known = {"*": ".*", "?": "."}
    return re.compile(
        "".join(known.get(part) or re.escape(part[2] if part.startswith("${") else part) for part in parts), re.DOTALL
    )


def allows(policy: dict[str, Any], operation: str, resource: str, prefix: str | None) -> bool:
    """Whether any statement allows the request."""
    for statement in policy["Statement"]:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        if ACTIONS[operation] not in actions or not pattern(statement["Resource"]).fullmatch(resource):
            continue
        wanted = statement.get("Condition", {}).get("StringLike", {}).get("s3:prefix")
        if wanted is None or (prefix is not None and any(pattern(one).fullmatch(prefix) for one in wanted)):
            return True
    return False


@pytest.fixture
def s3() -> Iterator[S3Server]:
    with S3Server() as server:
        yield server


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The policy of the only key; change it while the server runs."""
    policy: dict[str, Any] = {"Statement": []}
    known = s3_server._Connection._signed_by

    def signed_by(self: Any, bucket: Any) -> Any:
        key, operation = known(self, bucket), self._operation()
        resource = f"arn:aws:s3:::{self.bucket_name}" + (f"/{self.key}" if self.key else "")
        if not allows(policy, operation, resource, self.query.get("prefix")):
            raise Refused(403, "AccessDenied", "Access Denied")
        return key

    monkeypatch.setattr(s3_server._Connection, "_signed_by", signed_by)
    return policy


@pytest.mark.parametrize("prefix", ["", "img", "img/", "im*g?/${x}"])
def test_a_source_with_exactly_this_policy(look: Look, s3: S3Server, held: dict[str, Any], prefix: str) -> None:
    folder = f"{prefix.rstrip('/')}/" if prefix else ""
    s3.bucket("data", {f"{folder}a.png": b"png", "imXg?/secret.png": b"x"}, cors=[Cors()])
    storage = storage_of("s3", s3.row("data", prefix=prefix))
    whole = iam_policy(storage, Surroundings())
    held["Statement"] = whole["Statement"]
    assert [name for name, cell in look(storage).items() if cell.state not in {"ok", "not_tried"}] == []
    cells = look(storage, consent=True)
    assert [name for name, cell in cells.items() if cell.state == "failed"] == ["put", "delete"]
    listing, reading = whole["Statement"]
    held["Statement"] = [listing]
    assert [name for name, cell in look(storage).items() if cell.state == "failed"] == READ
    held["Statement"] = [reading]
    assert [name for name, cell in look(storage).items() if cell.state == "failed"] == ["list"]


def test_another_folder_stays_closed(look: Look, s3: S3Server, held: dict[str, Any]) -> None:
    s3.bucket("data", {"img/a.png": b"png", "img2/b.png": b"png"}, cors=[Cors()])
    held["Statement"] = iam_policy(storage_of("s3", s3.row("data", prefix="img")), Surroundings())["Statement"]
    cells = look(storage_of("s3", s3.row("data", prefix="img2")))
    assert cells["list"].state == "failed"
    assert look(storage_of("s3", s3.row("data", prefix="")))["list"].state == "failed"


@pytest.mark.parametrize("prefix", ["", "out"])
@pytest.mark.parametrize("may_delete", [True, False])
def test_a_target_with_exactly_this_policy(
    look: Look, s3: S3Server, held: dict[str, Any], prefix: str, may_delete: bool
) -> None:
    bucket = s3.bucket("data", {})
    storage = storage_of("s3-export", s3.row("data", prefix=prefix), can_delete_objects=may_delete)
    statements = iam_policy(storage, Surroundings())["Statement"]
    held["Statement"] = statements
    cells = look(storage, consent=True)
    assert cells["list"].state == cells["put"].state == "ok"
    assert cells["delete"].state == ("ok" if may_delete else "failed")
    bucket.objects.clear()
    for index, red in enumerate(["list", "put", "delete"][: len(statements)]):
        held["Statement"] = statements[:index] + statements[index + 1 :]
        assert look(storage, consent=True)[red].state == "failed"
