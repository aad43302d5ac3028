"""Values on their way to another machine: the same comes back, and nothing else is taken for them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xnatsync.core.described import Described, Part, Share, Stored, ThingKind
from xnatsync.core.inventory import Owner, OwnerKind, ResourceKey
from xnatsync.core.plain import from_text, to_text
from xnatsync.core.remote import RemoteFile
from xnatsync.routes.transfer.errand import Alter, Answer, Done, Errand, Fault, Fetch, LeftBehind, Make, Send
from xnatsync.routes.transfer.load import Arrived, Bytes

texts = st.text(max_size=8)
pairs = st.lists(st.tuples(texts, texts), max_size=3).map(tuple)
things = st.recursive(
    st.builds(
        Described, st.sampled_from(ThingKind), texts, texts, texts, pairs, pairs,
        st.lists(st.builds(Share, texts, texts), max_size=2).map(tuple),
        st.lists(st.builds(Stored, texts, st.sampled_from(["", "in", "out"]), texts, texts), max_size=2).map(tuple),
    ),
    lambda inner: st.builds(Described, st.sampled_from(ThingKind), texts, parts=st.lists(inner, max_size=2).map(tuple)),
    max_leaves=4,
)  # fmt: skip
keys = st.builds(ResourceKey, texts, texts)
files = st.lists(st.builds(RemoteFile, texts, texts, texts, st.none() | st.integers(0), texts), max_size=3).map(tuple)
orders = st.one_of(
    st.builds(Make, texts, things, texts),
    st.builds(Alter, st.sampled_from(["fields", "custom", "share"]), things, st.builds(Part, st.none()),
              st.dictionaries(texts, texts, max_size=2)),
    st.builds(Send, keys, keys, files, files, st.booleans(), st.booleans(), texts),
    st.builds(Fetch, st.sampled_from(["source", "destination"]), keys, texts),
)  # fmt: skip
owners = st.builds(Owner, st.sampled_from(OwnerKind), texts, texts)
errands = st.builds(Errand, texts, texts, owners, st.none() | owners, st.lists(orders, max_size=3).map(tuple))
faults = st.builds(Fault, st.just("XS-READ-FAILED"), texts, texts, st.none() | st.integers(100, 599))
arrived = st.lists(st.builds(Arrived, texts, st.integers(0), st.binary(max_size=4), texts), max_size=2).map(tuple)
left = st.lists(st.builds(LeftBehind, texts, faults), max_size=2).map(tuple)
done = st.builds(
    Done, st.none() | faults, texts, arrived, arrived, left, left, left, st.just(()), st.integers(0), st.booleans(),
    st.none() | faults, st.none() | st.builds(Bytes, st.integers(0), st.binary(max_size=4), texts),
)  # fmt: skip


@given(errands)
def test_an_errand_comes_back(errand: Errand) -> None:
    assert from_text(Errand, to_text(errand)) == errand


@given(st.builds(Answer, texts, st.lists(done, max_size=2).map(tuple)))
def test_an_answer_comes_back(answer: Answer) -> None:
    assert from_text(Answer, to_text(answer)) == answer


@dataclass(frozen=True)
class One:
    TAGGED: ClassVar = True
    number: int


@dataclass(frozen=True)
class Other:
    TAGGED: ClassVar = True
    text: Literal["a", "b"]


@dataclass(frozen=True)
class Whole:
    flag: bool
    which: One | Other
    raw: bytes
    values: Mapping[str, str]
    pair: tuple[str, int]


WHOLE = Whole(True, Other("b"), b"\x00", {"k": "v"}, ("x", 1))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("flag", 1), ("flag", None), ("which", {"?": "Third", "text": "a"}), ("which", {"text": "a"}),
        ("which", {"?": "One", "text": "a"}), ("which", {"?": "Other", "text": "c"}), ("raw", "zz"), ("raw", 0),
        ("values", []), ("values", {"k": 1}), ("pair", ["x"]), ("pair", ["x", True]), ("pair", "x1"), ("more", 1),
    ],
)  # fmt: skip
def test_what_is_not_just_its_type_is_refused(key: str, value: object) -> None:
    told = json.loads(to_text(WHOLE))
    assert from_text(Whole, json.dumps(told)) == WHOLE
    with pytest.raises(ValueError):  # noqa: PT011
        from_text(Whole, json.dumps({**told, key: value}))
    with pytest.raises(ValueError):  # noqa: PT011
        from_text(Whole, json.dumps({name: one for name, one in told.items() if name != "raw"}))
    with pytest.raises(ValueError):  # noqa: PT011
        from_text(Whole, "[" * 100_000)
