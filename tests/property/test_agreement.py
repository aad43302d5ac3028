"""Agreeing, by every combination there is for one path, and until nothing is left to do for any tree."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agreement_model import Bytes, Model, agreed, here, on_server
from xnatsync.core.conflict import is_conflict_copy
from xnatsync.core.diff3 import Policy
from xnatsync.core.mirror_decision import Agreement, ServerFile, Sides, TreeFile, agree

ROUNDS_MAX = 4
TEXTS = ("a", "b", "cc")  # two of equal size
BOTH: tuple[Policy, ...] = ("add", "replica")

SERVERS: list[ServerFile | None] = [
    None,
    *(
        on_server("f", text, digest=digest, size=size, wanted=wanted)
        for text, digest, size, wanted in product(TEXTS, (True, False), (True, False), (True, False))
    ),
]
BASES = [None, *(agreed("f", text, wanted=wanted) for text in TEXTS for wanted in (True, False))]
TREES: list[TreeFile | None] = [
    None,
    *(here("f", text, mtime, read=read) for text in TEXTS for mtime in (1, 2) for read in (True, False)),
    *(here("f", text, 2, read=False, problem="denied") for text in TEXTS),
]


def every_situation() -> list[tuple[Sides, Policy]]:
    found = []
    for server, base, tree, complete, whole, policy in product(
        SERVERS, BASES, TREES, (True, False), (True, False), BOTH
    ):
        sides = Sides(*((side,) if side else () for side in (server, base, tree)), complete, whole)  # type: ignore[arg-type]
        found.append((sides, policy))
    return found


def answers(found: Agreement) -> list[str]:
    """Every path that an agreement says something about, as often as it does."""
    return [
        *(step.file.path for step in found.fetch),
        *(one.file.path for one in found.adopt),
        *(version.path for version in (*found.trash, *found.end)),
        *(file.path for file in found.probe),
        *found.unverified,
        *found.left,
        *found.own,
        *found.unknown,
        *(trouble.path for trouble in found.troubles if not is_conflict_copy(trouble.path)),
    ]


def test_every_combination_there_is_for_one_path_destroys_nothing() -> None:
    """S3, S6, S7: the invariants of the decision, by enumeration."""
    situations = every_situation()
    assert len(situations) > 20_000
    for sides, policy in situations:
        found = agree(sides, policy=policy)
        (server,), (base,), (tree,) = (side or (None,) for side in (sides.server, sides.base, sides.tree))
        content = tree.content.text if tree is not None and isinstance(tree.content, Bytes) else None
        looks_agreed = (
            tree is not None
            and base is not None
            and not tree.problem
            and (
                Bytes(content).sha256 == base.sha256
                if content is not None
                else tree.mtime_ns == 1 and tree.size == base.size
            )
        )
        case = (sides, policy, found)
        # one answer, and for what agrees none at all
        assert len(answers(found)) <= 1, case
        # nothing is written over but under `replica`, and then what was agreed, or what is kept in a copy
        for step in found.fetch:
            assert server is not None, case
            assert server.wanted, case
            assert sides.tree_complete or tree is not None, case
            assert tree is None or policy == "replica", case
            assert tree is None or step.copy or (looks_agreed and step.base == base), case
            assert not step.copy or content is not None, case
            assert bool(step.copy) == (tree is not None and not looks_agreed), case
        # nothing is removed but under `replica`, by a complete listing, and what was agreed
        if found.trash:
            assert policy == "replica", case
            assert sides.complete, case
            assert server is None, case
            assert looks_agreed, case
            assert base.wanted, case  # type: ignore[union-attr]
        if found.end:
            assert sides.complete, case
            assert sides.tree_complete, case
            assert server is None, case
            assert tree is None, case
        # nothing is believed equal that is not known to be
        for one in found.adopt:
            assert server is not None, case
            assert server.md5 == one.content.md5, case
            assert one.content.size == tree.size, case  # type: ignore[union-attr]
        # what the route does not want is not touched
        if (server is not None and not server.wanted) or (server is None and base is not None and not base.wanted):
            assert found.idle, case
            assert not found.troubles, case
        # an edit is never passed over in silence
        edited = content is not None and base is not None and base.wanted and not looks_agreed
        if (
            edited
            and (server is None or server.wanted)
            and not (server is not None and server.md5 == Bytes(content or "").md5)
        ):
            assert found.troubles or found.probe, case


@pytest.mark.parametrize("policy", BOTH)
def test_a_planted_forgetfulness_would_be_caught(policy: Policy) -> None:
    """The enumeration holds the situations in which a decision that overwrites would overwrite."""
    edits = [
        sides
        for sides, one in every_situation()
        if one == policy and sides.server and sides.base and sides.tree and sides.server[0].wanted
        and isinstance(sides.tree[0].content, Bytes) and sides.tree[0].content.sha256 != sides.base[0].sha256
    ]  # fmt: skip
    kinds = Counter(bool(agree(sides, policy=policy).fetch) for sides in edits)

    assert kinds[False] > 0
    assert (kinds[True] > 0) is (policy == "replica")


# --- convergence -------------------------------------------------------------------------------------------------

PATHS = st.sampled_from(["a", "b", "A", "d/x", "d/y", "D/x", "e\u0301", "\u00e9"])
CONTENTS = st.dictionaries(PATHS, st.sampled_from(TEXTS), max_size=6)


@st.composite
def models(draw: st.DrawFn) -> Model:
    """A tree that agreed once; then the server was changed, the tree edited, and some versions never written."""
    before = draw(CONTENTS)
    base = {path: agreed(path, text) for path, text in before.items()}
    server = {path: text for path, text in before.items() if draw(st.booleans())} | draw(CONTENTS)
    tree = {path: (text, 1) for path, text in before.items() if draw(st.booleans())}
    tree |= {path: (text, 2) for path, text in draw(CONTENTS).items()}
    silent, unwanted = draw(st.frozensets(PATHS, max_size=3)), draw(st.frozensets(PATHS, max_size=2))
    return Model(server, base, tree, draw(st.sampled_from(BOTH)), silent, unwanted)


def settled(model: Model) -> Agreement:
    """Agrees and carries out until there is nothing to do."""
    for _ in range(ROUNDS_MAX):
        found = model.ask()
        if found.idle:
            return found
        model.carry_out(found)
    raise AssertionError(("it does not end", model.ask()))


@given(models())
def test_it_ends_and_what_is_left_is_told(model: Model) -> None:
    """Nothing to do, and each file that is not as on the server has its trouble, or is said to be out of sight."""
    found = settled(model)

    told = {trouble.path for trouble in found.troubles} | set(found.left) | set(found.own) | set(found.unverified)
    for path in {*model.server, *model.tree, *model.base}:
        alike = path in model.tree and model.tree[path][0] == model.server.get(path)
        assert alike or path in told, path
        assert path not in model.base or path in told or model.base[path].md5 == Bytes(model.server[path]).md5
    assert model.ask() == found


@given(models(), st.integers(0, 8))
def test_no_byte_of_the_tree_is_ever_lost(model: Model, cut: int) -> None:
    """All that lay in the tree lies in it still, or in the trash; and under `add` at its own path (S3).

    Also when a run is cut off anywhere, and nothing after that was written down.
    """
    before = dict(model.tree)
    found = model.ask()
    done = replace(found, fetch=found.fetch[:cut], trash=found.trash[: max(0, cut - 4)], adopt=(), end=(), touched=())
    written = dict(model.base)
    model.carry_out(done)
    model.base = written if cut % 2 else model.base  # landed, and not written down
    settled(model)

    kept = [text for text, _ in model.tree.values()] + model.trash
    assert all(text in kept for text, _ in before.values())
    if model.policy == "add":
        assert not model.trash
        assert all(model.tree[path][0] == text for path, (text, _) in before.items())


@given(models())
def test_once_a_person_has_acted_it_proceeds_by_itself(model: Model) -> None:
    """L5: whatever there was trouble about is moved away; then both sides agree in all that is wanted."""
    model.server = {path: text for path, text in model.server.items() if path not in {"A", "D/x", "e\u0301"}}
    for _ in range(3):
        for trouble in settled(model).troubles:
            model.tree.pop(trouble.path, None)
            for path in list(model.tree):
                if path.casefold() == trouble.path.casefold() or path in {"e\u0301", "\u00e9"}:
                    model.tree.pop(path)

    found = settled(model)
    assert found.troubles == ()
    for path, text in model.server.items():
        assert path in {*model.unwanted, *found.unverified} or model.tree[path][0] == text


@given(models(), st.sets(PATHS))
def test_a_listing_that_is_cut_removes_nothing(model: Model, hidden: set[str]) -> None:
    """S7: and does nothing that the whole listing would not do, or would do otherwise than fetch."""
    whole = model.ask()
    cut = Model(
        {path: text for path, text in model.server.items() if path not in hidden},
        dict(model.base), dict(model.tree), model.policy, model.silent, model.unwanted, complete=False,
    )  # fmt: skip

    found = cut.ask()

    assert found.trash == found.end == ()
    clashing = {trouble.path for trouble in whole.troubles if trouble.code == "XS-NAME-CLASH"}
    assert {step for step in found.fetch if step.file.path not in clashing} <= set(whole.fetch)
    assert set(found.adopt) <= set(whole.adopt)
