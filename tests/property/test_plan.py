"""Planning converges: one tree, two people at it, and the decision carried out until nothing is left to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from property.strategies import CONTENTS, KEYS, node, perturbed, tree
from xnatsync.core.diff3 import Action, ActionKind, BaseNode, BaseState, Plan, Policy, diff3
from xnatsync.core.manifest import Level
from xnatsync.core.tree import Node, Problem, Tree

ROUNDS_MAX = 8
GARBAGE = 9  # what a write that was cut leaves behind


@dataclass
class World:
    """Both sides and what we remember, all as plain dictionaries from keys to contents."""

    source: dict[str, int]
    target: dict[str, int]
    base: dict[str, BaseNode]
    policy: Policy
    cuts: set[str]  # keys whose next write is cut
    written: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)

    def plan(self, *, source_complete: bool = True, target_complete: bool = True) -> Plan:
        source, target = tree(self.source, complete=source_complete), tree(self.target, complete=target_complete)
        return diff3(self.base, source, target, policy=self.policy, level=Level.BYTES)

    def carry_out(self, action: Action) -> None:
        """As the engine does: noted as sent before it is written, as verified only when it was seen to agree."""
        key = action.key
        match action.kind:
            case ActionKind.WRITE | ActionKind.REPAIR:
                self.base[key] = BaseNode(key, BaseState.SENT)
                self.target[key] = GARBAGE if key in self.cuts else self.source[key]
                self.cuts.discard(key)
                self.written.add(key)
            case ActionKind.REMOVE:
                del self.target[key]
                self.removed.add(key)
                self.base.pop(key)
            case ActionKind.AGREE:
                self.base[key] = BaseNode(key, BaseState.VERIFIED, "", node(key, self.target[key]))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A tree that was in agreement; then one side or both were changed, and some of it we never delivered."""
    agreed = draw(CONTENTS)
    delivered = draw(st.sets(KEYS)) & set(agreed)
    half_done = draw(st.sets(KEYS)) - delivered
    target = draw(perturbed(agreed))
    base = {key: BaseNode(key, BaseState.VERIFIED, "", node(key, agreed[key])) for key in delivered}
    base |= {key: BaseNode(key, BaseState.SENT) for key in half_done}
    policy: Policy = draw(st.sampled_from(["add", "replica"]))
    return World(draw(perturbed(agreed)), target, base, policy, draw(st.sets(KEYS)))


@given(worlds(), st.integers())
def test_it_ends_and_then_the_sides_agree_but_for_conflicts(world: World, seed: int) -> None:
    """In bounded rounds, whatever the order of actions, and cut writes are repaired; then the plan stays the same."""
    chance = Random(seed)
    for _ in range(ROUNDS_MAX):
        actions = [action for action in world.plan().actions if action.kind is not ActionKind.AGREE]
        for action in chance.sample(world.plan().actions, len(world.plan().actions)):
            world.carry_out(action)
        if not actions:
            break

    last = world.plan()
    assert {action.kind for action in last.actions} <= {ActionKind.AGREE}
    assert last.unproven == last.problems == ()
    conflicts = {conflict.key for conflict in last.conflicts}
    for key, content in world.source.items():
        assert (world.target.get(key) == content) is (key not in conflicts)
    assert set(last.extra) == set(world.target) - set(world.source)


@given(worlds(), st.integers())
def test_what_is_not_ours_is_never_touched_and_the_source_never(world: World, seed: int) -> None:
    """Foreign content, and what changed after we had verified it; under `add` all that was ever verified (S3)."""
    source, target, base = dict(world.source), dict(world.target), dict(world.base)
    chance = Random(seed)

    for _ in range(ROUNDS_MAX):
        for action in chance.sample(world.plan().actions, len(world.plan().actions)):
            world.carry_out(action)

    assert world.source == source
    for key, content in target.items():
        state = base[key].state if key in base else BaseState.NONE
        ours = state is BaseState.SENT
        if world.policy == "replica" and state is BaseState.VERIFIED:
            ours = base[key].target == node(key, content)
        if not ours:
            assert world.target.get(key) == content
    if world.policy == "add":
        assert not world.removed


@given(worlds(), st.booleans(), st.booleans())
def test_listings_that_are_cut_never_write_over_or_remove(world: World, source_cut: bool, target_cut: bool) -> None:
    """A plan on less knowledge does nothing that the plan on all knowledge would not do (S7)."""
    full = set(world.plan().actions)
    hidden = World(dict(world.source), dict(world.target), world.base, world.policy, set())
    if source_cut:
        hidden.source = dict(list(hidden.source.items())[::2])
    if target_cut:
        hidden.target = dict(list(hidden.target.items())[::2])

    plan = hidden.plan(source_complete=not source_cut, target_complete=not target_cut)

    assert set(plan.actions) <= full


NODES: st.SearchStrategy[Node | Problem] = st.one_of(
    st.builds(node, KEYS, st.integers(1, 3), told=st.booleans()),
    st.builds(Problem, KEYS, st.just("unreadable")),
    st.builds(Node, KEYS, st.one_of(st.none(), st.integers(0, 120))),
)
TREES = st.builds(lambda nodes, complete: Tree(nodes, complete=complete), st.lists(NODES), st.booleans())


@given(TREES, TREES, st.dictionaries(KEYS, st.sampled_from(BaseState)), st.sampled_from(["add", "replica"]))
def test_every_key_of_any_two_trees_has_one_answer(
    source: Tree, target: Tree, states: dict[str, BaseState], policy: Policy
) -> None:
    """Total, and nothing is invented."""
    base = {key: BaseNode(key, state) for key, state in states.items()}

    for level in Level:
        plan = diff3(base, source, target, policy=policy, level=level)
        answers = [action.key for action in plan.actions] + [conflict.key for conflict in plan.conflicts]
        answers += [problem.key for problem in plan.problems] + [*plan.unproven, *plan.extra]
        assert sorted(answers) == sorted({*source, *target})
