"""The three-way decision: by table, and by every combination there is for one key."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from property.strategies import node
from xnatsync.core.compare import Same, same
from xnatsync.core.diff3 import Action, ActionKind, BaseNode, BaseState, Plan, Policy, diff3
from xnatsync.core.manifest import Level
from xnatsync.core.tree import EMPTY, Node, Problem, Tree

W, R, X, A = ActionKind.WRITE, ActionKind.REPAIR, ActionKind.REMOVE, ActionKind.AGREE
ONE, TWO = node("k", 1), node("k", 2)
PROBLEM = Problem("k", "unreadable")
NONE = BaseNode("k", BaseState.NONE)
SENT = BaseNode("k", BaseState.SENT)
ON_ONE = BaseNode("k", BaseState.VERIFIED, "", ONE)
ON_TWO = BaseNode("k", BaseState.VERIFIED, "", TWO)
UNSEEN = BaseNode("k", BaseState.VERIFIED)  # verified, and the target told no digests then


def side(content: Node | Problem | None, *, complete: bool = True) -> Tree:
    return Tree([content] if content is not None else [], complete=complete)


def answer(plan: Plan) -> Any:
    """The one answer for the one key."""
    found: list[Any] = [action.kind for action in plan.actions]
    found += ["conflict"] * len(plan.conflicts) + ["problem"] * len(plan.problems)
    found += ["unproven"] * len(plan.unproven) + ["extra"] * len(plan.extra)
    (one,) = found
    return one


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "add", "replica"),
    [
        (NONE, ONE, ONE, A, A),
        (SENT, ONE, ONE, A, A),
        (ON_TWO, ONE, ONE, A, A),
        (NONE, ONE, None, W, W),
        (SENT, ONE, None, W, W),
        (ON_ONE, ONE, None, W, W),
        (SENT, ONE, TWO, R, R),
        (ON_TWO, ONE, TWO, "conflict", R),
        (ON_ONE, ONE, TWO, "conflict", "conflict"),
        (UNSEEN, ONE, TWO, "conflict", "conflict"),
        (NONE, ONE, TWO, "conflict", "conflict"),
        (ON_ONE, None, ONE, "extra", X),
        (ON_TWO, None, ONE, "extra", "extra"),
        (UNSEEN, None, ONE, "extra", "extra"),
        (SENT, None, ONE, "extra", "extra"),
        (NONE, None, ONE, "extra", "extra"),
        (NONE, PROBLEM, ONE, "problem", "problem"),
        (NONE, ONE, PROBLEM, "problem", "problem"),
        (NONE, PROBLEM, None, "problem", "problem"),
        (ON_ONE, None, PROBLEM, "problem", "problem"),
        (SENT, ONE, node("k", 1, told=False), "unproven", "unproven"),
    ],
)
def test_the_table(base: BaseNode, ours: Any, theirs: Any, add: Any, replica: Any) -> None:
    """What each side holds, what we last knew, and what follows under either policy, all listings whole."""
    for policy, expected in (("add", add), ("replica", replica)):
        plan = diff3({"k": base}, side(ours), side(theirs), policy=policy, level=Level.BYTES)  # type: ignore[arg-type]
        assert answer(plan) == expected, policy


SIDES = [None, ONE, TWO, node("k", 1, told=False), Node("k", None), Node("k", 0), PROBLEM]
BASES = [NONE, SENT, ON_ONE, ON_TWO, UNSEEN]
POLICIES: list[Policy] = ["add", "replica"]
COMBINATIONS = [
    combination
    for combination in itertools.product(SIDES, SIDES, BASES, POLICIES, Level, [True, False], [True, False])
    if combination[0] is not None or combination[1] is not None
]


def test_every_combination_has_one_answer_and_the_forbidden_ones_never_occur() -> None:
    """Nothing is written where a listing may hide it, nothing removed unasked, nothing foreign overwritten (S3, S7)."""
    for ours, theirs, base, policy, level, source_complete, target_complete in COMBINATIONS:
        source, target = side(ours, complete=source_complete), side(theirs, complete=target_complete)
        plan = diff3({"k": base}, source, target, policy=policy, level=level)

        said = answer(plan)
        case = (ours, theirs, base, policy, level, source_complete, target_complete, said)
        if isinstance(ours, Problem) or isinstance(theirs, Problem):
            assert said == "problem", case
            continue
        if said is W:
            assert ours is not None, case
            assert theirs is None, case
            assert target_complete, case
        if said is X:
            assert policy == "replica", case
            assert source_complete, case
            assert ours is None, case
            assert base.state is BaseState.VERIFIED, case
        if said is R:
            assert ours is not None, case
            assert theirs is not None, case
            assert same(ours, theirs, level) is Same.NO, case
            assert base.state is BaseState.SENT or (policy == "replica" and base.target == theirs), case
        if said is A:
            assert ours is not None, case
            assert theirs is not None, case
            assert same(ours, theirs, level) is Same.YES, case
        if said == "extra":
            assert ours is None, case
        if said == "conflict":
            assert base.state is not BaseState.SENT, case
            assert ours is not None, case
            assert theirs is not None, case


def test_what_is_not_listed_is_missing_only_where_the_listing_is_whole() -> None:
    """An incomplete listing of the target proves presence, never absence."""
    assert diff3({}, side(ONE), side(None, complete=False)).unproven == ("k",)
    assert diff3({}, side(ONE), side(None)).keys(W) == ("k",)


def test_an_incomplete_source_removes_nothing() -> None:
    """An unmounted disk must not empty a mirror."""
    plan = diff3({"k": ON_ONE}, side(None, complete=False), side(ONE), policy="replica", level=Level.BYTES)

    assert plan == Plan(extra=("k",))


def test_a_node_is_compared_at_its_own_level_where_that_asks_for_more() -> None:
    """An attached file agrees when its bytes do, not when it has a plausible size."""
    strict = Node("k", ONE.size, 0, ONE.digests, level=Level.BYTES)

    assert answer(diff3({}, side(strict), side(ONE))) is A
    assert answer(diff3({}, side(strict), side(node("k", 1, told=False)))) == "unproven"
    assert answer(diff3({"k": SENT}, side(strict), side(TWO))) is R


def test_the_answers_come_in_the_order_of_keys() -> None:
    """Plans can be compared and printed; two runs say the same."""
    source = Tree([node("b", 1), node("a", 1), node("c", 1)], complete=True)

    assert diff3({}, source, EMPTY).actions == (Action(W, "a"), Action(W, "b"), Action(W, "c"))


def test_nothing_on_both_sides_is_nothing_to_do() -> None:
    """What only the ledger remembers is no reason to act."""
    assert diff3({"k": ON_ONE}, EMPTY, EMPTY) == Plan()


@pytest.mark.parametrize("state", [BaseState.SENT, BaseState.VERIFIED])
@pytest.mark.parametrize("level", [Level.NAMES, Level.PIXELS])
def test_another_version_of_what_we_sent_is_not_what_is_there(state: BaseState, level: Level) -> None:
    """Names, sizes and pixels agree, and the header that somebody corrected in between is nowhere on the target."""
    base = {"k": BaseNode("k", state, "digest of the former version", ONE)}
    same_version = {"k": BaseNode("k", state, ONE.digests["sha256"], ONE)}

    assert answer(diff3(base, side(ONE), side(ONE), level=level)) == "conflict"
    assert answer(diff3(same_version, side(ONE), side(ONE), level=level)) is A
    assert answer(diff3(base, side(ONE), side(None), level=level)) is W
    assert answer(diff3(base, side(ONE), side(ONE), level=Level.BYTES)) is A
