"""Pickles are told, never loaded: plain values come out as they went in, objects as their names."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.deployment.pickle_reading import MOST_STEPS, Pairs, Thing, UnreadablePickle, read_pickle

PROTOCOLS = pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def plain(value: Any) -> Any:
    if isinstance(value, Pairs):
        return {key: plain(item) for key, item in value.items}
    if isinstance(value, list | tuple):
        return type(value)(plain(item) for item in value)
    return value


@settings(max_examples=80, deadline=None)
@given(value=values, protocol=st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_plain_values_come_out_as_they_went_in(value: Any, protocol: int):
    assert plain(read_pickle(pickle.dumps(value, protocol=protocol))) == value


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=200), start=st.sampled_from([b"", b"\x80\x04", b"(", b"\x80\x02]q\x00("]))
def test_any_bytes_are_read_or_refused(data: bytes, start: bytes):
    try:
        read_pickle(start + data + b".")
    except UnreadablePickle as problem:
        assert str(problem).startswith("it ")


@PROTOCOLS
def test_nothing_is_called(tmp_path: Path, protocol: int):
    class Trap:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "proof"),)

    thing = read_pickle(pickle.dumps(Trap(), protocol=protocol))
    assert isinstance(thing, Thing) and thing.called and thing.name.endswith(".mkdir")
    assert thing.args == (str(tmp_path / "proof"),)
    assert not (tmp_path / "proof").exists()


@PROTOCOLS
def test_objects_are_names(protocol: int):
    moment, ordered, kind = read_pickle(pickle.dumps([datetime(2026, 1, 1), OrderedDict(a=1), Path], protocol=protocol))
    assert moment.name == "datetime.datetime" and moment.called
    assert ordered.name == "collections.OrderedDict" and ordered.called
    assert kind.name.startswith("pathlib") and not kind.called


def test_a_list_in_itself_and_shared_values():
    endless: list[Any] = []
    endless.append(endless)
    told = read_pickle(pickle.dumps(endless))
    assert told[0] is told
    shared = ["x"]
    first, second = read_pickle(pickle.dumps((shared, shared)))
    assert first is second


@pytest.mark.parametrize(
    ("data", "why"),
    [(b"", "it is broken"), (b"\x80\x04", "it is broken"), (b"N", "it is broken"), (b".", "it is broken"), (b"t.", "it is broken"),
     (b"N" * (MOST_STEPS + 1) + b".", "more than 50,000 steps"), (b"\x8d" + b"\xff" * 8 + b".", "it is broken")],
)  # fmt: skip
def test_what_is_no_pickle(data: bytes, why: str):
    with pytest.raises(UnreadablePickle, match=why):
        read_pickle(data)


def test_what_is_kept_elsewhere():
    told = read_pickle(b"\x80\x04Ppersistent\n.")
    assert isinstance(told, Thing) and told.name == "a value kept elsewhere"
