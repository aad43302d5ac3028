"""A receipt is issued by the verifier alone, and only for everything."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any

import pytest

from property.strategies import node
from xnatsync.core import receipt as module
from xnatsync.core.errors import Bug
from xnatsync.core.manifest import Compared, Level
from xnatsync.core.receipt import Receipt, compared_counts, compared_words, examine
from xnatsync.core.tree import EMPTY, Node, Problem, Tree

OURS = [node("1.1", 1), node("1.2", 2)]
SOURCE = Tree(OURS, complete=True)
LEVELS = [Level.NAMES, Level.PIXELS, Level.BYTES]


def target(*changed: Node | Problem, without: str = "", complete: bool = True) -> Tree:
    """What the server holds: all of ours, but for the nodes that are changed or missing."""
    nodes: dict[str, Node | Problem] = {one.key: one for one in (*OURS, *changed)}
    nodes.pop(without, None)
    return Tree(nodes.values(), complete=complete)


@pytest.mark.parametrize("level", LEVELS)
def test_everything_held_is_a_receipt(level: Level) -> None:
    """With what the target showed for each key, and what else lies there."""
    found = examine(SOURCE, target(node("9.9", 3)), level, "archive")

    assert found.receipt is not None
    assert (found.receipt.level, found.receipt.expected, found.receipt.held) == (level, 2, 2)
    assert found.receipt.targets == {one.key: (one.size, one.digests["md5"]) for one in OURS}
    assert found.receipt.extra == found.extra == ("9.9",)


TAMPERED: list[tuple[str, Tree, Level, str]] = [
    ("missing", target(without="1.2"), Level.NAMES, "missing"),
    ("not listed, for the listing is cut", target(without="1.2", complete=False), Level.NAMES, "unproven"),
    ("unreadable", target(Problem("1.2", "no entry")), Level.NAMES, "unproven"),
    ("smaller than its pixels", target(Node("1.2", 59)), Level.NAMES, "differs"),
    ("empty", target(Node("1.2", 0)), Level.NAMES, "differs"),
    ("without a size", target(Node("1.2", None)), Level.NAMES, "unproven"),
    ("other pixels", target(Node("1.2", 102, 0, {"pixels": "0"})), Level.PIXELS, "differs"),
    ("pixels not fetched", target(Node("1.2", 102)), Level.PIXELS, "unproven"),
    ("right pixels, impossible size", target(dataclasses.replace(OURS[1], size=59)), Level.PIXELS, "differs"),
    ("one byte longer", target(dataclasses.replace(OURS[1], size=103)), Level.BYTES, "differs"),
    ("other bytes", target(dataclasses.replace(OURS[1], digests={"md5": "0"})), Level.BYTES, "differs"),
    ("no digest", target(node("1.2", 2, told=False)), Level.BYTES, "unproven"),
    ("an empty digest", target(dataclasses.replace(OURS[1], digests={"md5": ""})), Level.BYTES, "unproven"),
    ("nothing", EMPTY, Level.NAMES, "missing"),
]


@pytest.mark.parametrize(("held", "level", "said"), [case[1:] for case in TAMPERED], ids=[case[0] for case in TAMPERED])
def test_anything_less_is_none_and_is_named(held: Tree, level: Level, said: str) -> None:
    """One object is enough, and the one in question is told."""
    found = examine(SOURCE, held, level, "archive")

    assert found.receipt is None
    assert "1.2" in getattr(found, said)
    assert "1.1" not in found.missing or held is EMPTY


def test_counting_is_not_proving() -> None:
    """The level `counts` never makes a receipt, whatever agrees."""
    assert examine(SOURCE, target(), Level.COUNTS, "archive").receipt is None


def test_nothing_is_never_proven_to_be_there() -> None:
    """An empty source has no receipt; a loop over nothing must not file anything."""
    assert examine(EMPTY, target(), Level.BYTES, "archive").receipt is None


def test_what_we_do_not_know_whole_is_never_proven() -> None:
    """A source that could not be listed whole, or read."""
    assert examine(Tree(OURS, complete=False), target(), Level.BYTES, "archive").receipt is None
    unreadable = Tree([*OURS, Problem("1.3", "cannot be read")], complete=True)
    assert examine(unreadable, target(node("1.3", 3)), Level.BYTES, "archive").receipt is None


def test_a_key_that_asks_for_more_than_the_route_gets_it() -> None:
    """And one that asks for less does not."""
    plausible = target(node("1.2", 2, told=False))
    strict = Tree([OURS[0], dataclasses.replace(OURS[1], level=Level.BYTES)], complete=True)
    lax = Tree([OURS[0], dataclasses.replace(OURS[1], level=Level.NAMES)], complete=True)

    assert examine(SOURCE, plausible, Level.NAMES, "archive").receipt is not None
    assert examine(strict, plausible, Level.NAMES, "archive").unproven == ("1.2",)
    assert examine(lax, plausible, Level.BYTES, "archive").unproven == ("1.2",)


def test_an_object_listed_twice_is_proven_only_when_both_are_the_same() -> None:
    """A damaged copy must not hide behind a good one, in either order."""
    for pair in ([OURS[1], Node("1.2", 7)], [Node("1.2", 7), OURS[1]]):
        assert examine(SOURCE, Tree([OURS[0], *pair], complete=True), Level.NAMES, "archive").unproven == ("1.2",)


# --- nobody else can make one ------------------------------------------------------------------------------------


def issued() -> Receipt:
    receipt = examine(SOURCE, target(), Level.NAMES, "archive").receipt
    assert receipt is not None
    return receipt


@pytest.mark.parametrize("seal", [None, object(), "_SEAL", True])
def test_a_receipt_cannot_be_made_by_hand(seal: object) -> None:
    """Whatever is given for a seal."""
    with pytest.raises(Bug, match="outside the verifier"):
        Receipt(Level.BYTES, "archive", 1, 1, {"k": (1, "")}, (), {"k": Compared.BYTES}, seal)


@pytest.mark.parametrize("change", [{"level": Level.BYTES}, {"held": 3, "expected": 3}, {"place": "prearchive"}, {}])
def test_a_receipt_cannot_be_made_into_another(change: dict[str, Any]) -> None:
    """A copy with changes would say more than was examined."""
    with pytest.raises(ValueError, match="seal"):
        dataclasses.replace(issued(), **change)


def test_a_receipt_cannot_be_changed() -> None:
    """Neither its numbers nor what it lists."""
    receipt = issued()

    with pytest.raises(dataclasses.FrozenInstanceError):
        receipt.level = Level.BYTES  # type: ignore[misc]
    with pytest.raises(TypeError):
        receipt.targets["1.3"] = (1, "")  # type: ignore[index]


@pytest.mark.parametrize(("expected", "held", "listed"), [(2, 1, 1), (1, 2, 2), (0, 0, 0), (2, 2, 1), (1, 1, 2)])
def test_not_even_the_verifier_can_vouch_for_a_part(expected: int, held: int, listed: int) -> None:
    """The sums are checked once more where the receipt is made."""
    targets: dict[str, tuple[int | None, str]] = {str(number): (1, "") for number in range(listed)}

    with pytest.raises(Bug, match="everything"):
        Receipt(Level.NAMES, "archive", expected, held, targets, (), {}, vars(module)["_SEAL"])


def test_a_receipt_is_not_carried_out_of_the_process() -> None:
    """What leaves is the row in the ledger; a pickled receipt could be made anywhere."""
    with pytest.raises(TypeError):
        pickle.dumps(issued())
    assert copy.copy(issued()).expected == 2


def test_not_even_the_verifier_can_leave_out_what_was_compared() -> None:
    """Each object says by what it was proven."""
    with pytest.raises(Bug, match="compared"):
        Receipt(Level.NAMES, "archive", 1, 1, {"k": (1, "")}, (), {}, vars(module)["_SEAL"])


def test_a_receipt_says_what_was_compared_of_each_object() -> None:
    """In words too: one word where it is the same for all."""
    rewritten = dataclasses.replace(OURS[1], digests={"pixels": OURS[1].digests["pixels"]})
    receipt = examine(SOURCE, target(rewritten), Level.PIXELS, "archive").receipt
    assert receipt is not None
    assert dict(receipt.compared) == {"1.1": Compared.BYTES, "1.2": Compared.PIXELS}
    assert compared_words(compared_counts({"1.2": Compared.PIXELS})) == "pixels"

    mixed = {"a": Compared.PIXELS, "b": Compared.CONTENT, "c": Compared.PIXELS}
    assert compared_words(compared_counts(mixed)) == "2 by pixels, 1 by content"
