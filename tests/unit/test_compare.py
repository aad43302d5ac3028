"""Two nodes are the same, different, or it cannot be told; want of evidence is never a yes."""

from __future__ import annotations

import itertools

import pytest

from property.strategies import FLOOR, SIZE, node
from xnatsync.core.compare import NO_PIXELS, Same, compare, same, strongest
from xnatsync.core.manifest import Compared, Level
from xnatsync.core.tree import Node, Problem, Tree

OURS = node("1.2.3", 0)
PIXELS = OURS.digests["pixels"]
MD5 = OURS.digests["md5"]


@pytest.mark.parametrize(
    ("theirs", "names", "pixels", "by_bytes"),
    [
        (OURS, Same.YES, Same.YES, Same.YES),
        (node("1.2.4", 0), Same.NO, Same.NO, Same.NO),
        (Node("1.2.3", SIZE), Same.YES, Same.CANNOT_TELL, Same.CANNOT_TELL),
        (Node("1.2.3", FLOOR), Same.YES, Same.CANNOT_TELL, Same.NO),
        (Node("1.2.3", FLOOR - 1), Same.NO, Same.NO, Same.NO),
        (Node("1.2.3", 0), Same.NO, Same.NO, Same.NO),
        (Node("1.2.3", None), Same.CANNOT_TELL, Same.CANNOT_TELL, Same.CANNOT_TELL),
        (Node("1.2.3", None, 0, {"md5": MD5}), Same.CANNOT_TELL, Same.CANNOT_TELL, Same.YES),
        (Node("1.2.3", SIZE, 0, {"md5": MD5}), Same.YES, Same.CANNOT_TELL, Same.YES),
        (Node("1.2.3", SIZE, 0, {"md5": ""}), Same.YES, Same.CANNOT_TELL, Same.CANNOT_TELL),
        (Node("1.2.3", SIZE + 50, 0, {"pixels": PIXELS, "md5": "0"}), Same.YES, Same.YES, Same.NO),
        (Node("1.2.3", SIZE, 0, {"pixels": "0" * 64, "md5": MD5}), Same.YES, Same.NO, Same.YES),
        (Node("1.2.3", FLOOR - 1, 0, {"pixels": PIXELS}), Same.NO, Same.NO, Same.NO),
        (Node("1.2.3", SIZE, 0, {"sha256": "0" * 64, "md5": MD5}), Same.YES, Same.CANNOT_TELL, Same.NO),
    ],
)
def test_each_level_asks_for_its_own_evidence(theirs: Node, names: Same, pixels: Same, by_bytes: Same) -> None:
    """A level includes what the ones before it can refute: an impossible size is never excused by a digest."""
    assert same(OURS, theirs, Level.COUNTS) is names
    assert same(OURS, theirs, Level.NAMES) is names
    assert same(OURS, theirs, Level.PIXELS) is pixels
    assert same(OURS, theirs, Level.BYTES) is by_bytes


def test_an_empty_file_is_as_long_as_an_empty_file() -> None:
    """Only where ours has content must theirs have some."""
    assert same(Node("readme", 0), Node("readme", 0), Level.NAMES) is Same.YES
    assert same(Node("readme", 1), Node("readme", 0), Level.NAMES) is Same.NO


@pytest.mark.parametrize("level", list(Level))
def test_a_node_may_ask_for_more_than_the_route_and_never_for_less(level: Level) -> None:
    """An attached file is proven by its bytes even under `names`; nothing weakens what a receipt says."""
    assert strongest(level, None) is level
    assert strongest(level, Level.BYTES) is Level.BYTES
    assert strongest(level, Level.COUNTS) is level


def test_a_thing_listed_twice_in_the_same_words_is_one_thing() -> None:
    """A listing may repeat itself."""
    found = Tree([Node("k", 5, where="1"), Node("k", 5, where="2")], complete=True)

    assert found["k"] == Node("k", 5, where="1")


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("second", [Node("k", 6), Node("k", 5, 0, {"md5": "aa"}), Problem("k", "unreadable")])
def test_a_thing_listed_twice_in_different_words_is_a_problem(second: Node | Problem, order: int) -> None:
    """Neither of the two is believed, whichever comes last."""
    found = Tree([Node("k", 5), second][::order], complete=True)

    assert isinstance(found["k"], Problem)
    assert len(found) == 1


DIGESTS = ("sha256", "md5", "pixels", "content")
NOTHING = (None, "", NO_PIXELS)


@pytest.mark.parametrize("unacknowledged", [False, True])
@pytest.mark.parametrize("level", [Level.PIXELS, Level.BYTES])
@pytest.mark.parametrize("lacks", list(itertools.product(NOTHING, repeat=len(DIGESTS))))
def test_what_both_sides_lack_is_never_equal(lacks: tuple[str | None, ...], level: Level, unacknowledged: bool) -> None:
    """All that can be wanting, in every combination: two empty pieces of evidence prove nothing."""
    digests = {name: value for name, value in zip(DIGESTS, lacks, strict=True) if value is not None}
    ours, theirs = Node("k", 5, 0, digests, unacknowledged=unacknowledged), Node("k", 5, 0, dict(digests))

    assert same(ours, theirs, level) is not Same.YES


EVIDENCE = [dict(zip(DIGESTS, values, strict=True)) for values in itertools.product(("", "a", "b"), repeat=4)]
EVIDENCE += [{**one, "pixels": NO_PIXELS} for one in EVIDENCE if one["pixels"] == "a"]


@pytest.mark.parametrize("unacknowledged", [False, True])
def test_every_yes_names_what_is_equal_and_was_read(unacknowledged: bool) -> None:
    """By exhaustion: what it says was compared is there on both sides, and equal."""
    seen = set[tuple[Same, Compared]]()
    for mine, other in itertools.product(EVIDENCE, repeat=2):
        ours, theirs = Node("k", 5, 0, mine, unacknowledged=unacknowledged), Node("k", 5, 0, other)
        for level in (Level.PIXELS, Level.BYTES):
            verdict, by = compare(ours, theirs, level)
            seen.add((verdict, by))
            if verdict is not Same.YES:
                continue
            name = {Compared.BYTES: "sha256", Compared.LISTED: "md5"}.get(by, by.value)
            assert mine[name] == other[name] != ""
            if by is Compared.CONTENT:
                assert mine["pixels"] == other["pixels"] != ""
            if by is Compared.PIXELS:
                assert not unacknowledged
    assert {by for verdict, by in seen if verdict is Same.YES} == set(Compared) - {Compared.NAMES} - (
        {Compared.PIXELS} if unacknowledged else set()
    )
