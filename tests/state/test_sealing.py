"""Secrets in plans: readable with this console's key, and with no other."""

from __future__ import annotations

import json

import pytest

from console.diagnostics.change import DeleteRow, InsertRow, Sealed, UpdateRow, from_dict, to_dict
from console.errors import Refused
from console.state.sealing import Sealer

CHANGE = UpdateRow("t", {"id": 1}, {"password": "old", "prefix": "a"}, {"password": "né\n", "prefix": "b"})


def test_what_is_kept_holds_no_secret_and_opens_again() -> None:
    kept = json.dumps(to_dict(Sealer("k").seal(CHANGE)))
    assert "old" not in kept and "$sealed" in kept and '"prefix": "a"' in kept
    assert Sealer("k").open(from_dict(json.loads(kept))) == CHANGE


def test_inserts_and_deletes_too() -> None:
    sealer = Sealer("k")
    for change in (
        InsertRow("t", {"aws_secret_access_key": "s"}, {"id": 1}, {"id": 1}),
        DeleteRow("t", {"id": 1}, {"account_key": "s"}),
    ):
        sealed = sealer.seal(change)
        assert '"s"' not in json.dumps(to_dict(sealed)) and sealer.open(sealed) == change


def test_nothing_and_what_is_sealed_stay() -> None:
    sealed = Sealer("k").seal(UpdateRow("t", {"id": 1}, {"password": None}, {"password": ""}))
    assert sealed.before == {"password": None} and sealed.after == {"password": ""}  # type: ignore[union-attr]
    once = Sealer("k").seal(CHANGE)
    assert Sealer("k").seal(once) == once and isinstance(once.after["password"], Sealed)  # type: ignore[union-attr]


def test_another_key_is_told_apart() -> None:
    with pytest.raises(Refused, match="another secret key"):
        Sealer("other").open(Sealer("k").seal(CHANGE))
