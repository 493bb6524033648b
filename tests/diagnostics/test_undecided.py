"""Many storages that cannot be judged for the same reason are told together."""

from __future__ import annotations

from console.diagnostics.undecided import grouped, parts

GONE = "http://127.0.0.1:9 cannot be reached: nobody listens there."


def test_each_reason_is_said_once() -> None:
    text = " ".join(f"s3:{number}: {GONE}" for number in range(1, 33))
    assert grouped(text) == f"32 storages (s3:1, s3:2, s3:3 and 29 more): {GONE}"
    assert grouped(f"s3:1: {GONE} gcs-export:2: {GONE}") == f"2 storages (s3:1, gcs-export:2): {GONE}"
    assert (
        grouped(f"s3:1: {GONE} s3:2: It is slow. s3:3: {GONE}") == f"2 storages (s3:1, s3:3): {GONE} s3:2: It is slow."
    )


def test_what_names_no_storage_stays() -> None:
    for text in ("", "Redis cannot be reached. Set redis_url.", f"s3:1: {GONE}"):
        assert grouped(text) == text


def test_parts() -> None:
    assert parts(f"s3:1: {GONE} s3:2: No. More.") == [("s3:1", GONE), ("s3:2", "No. More.")]
