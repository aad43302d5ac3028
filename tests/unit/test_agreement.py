"""What a mirror does about each file: the table of ADR 10, row by row, and what lies between its rows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agreement_model import agreed, here, on_server
from xnatsync.core.conflict import conflict_path, is_conflict_copy
from xnatsync.core.diff3 import Policy
from xnatsync.core.inventory import ResourceKey
from xnatsync.core.mirror_decision import (
    Agreement,
    BaseFile,
    ServerFile,
    Sides,
    TreeFile,
    Trouble,
    agree,
    max_delete,
    needs_reading,
)
from xnatsync.core.removal_limit import removals_allowed

BOTH: tuple[Policy, ...] = ("add", "replica")


def answer(
    server: str | None, base: str | None, tree: str | None, policy: Policy, *, complete: bool = True
) -> Agreement:
    return agree(
        Sides(
            (on_server("f", server),) if server is not None else (),
            (agreed("f", base),) if base is not None else (),
            (here("f", tree, 1 if tree == base else 2),) if tree is not None else (),
            complete,
        ),
        policy=policy,
    )


def said(found: Agreement) -> set[str]:
    """What an agreement does about the one path, in words."""
    words = {f"fetch {step.why}{' copy' if step.copy else ''}" for step in found.fetch}
    words |= {f"{trouble.code}{' person' if trouble.person else ''}" for trouble in found.troubles}
    words |= {name for name in ("adopt", "touched", "trash", "end", "probe", "left", "own", "unknown", "unverified")
              if getattr(found, name)}  # fmt: skip
    return words


EDITED, FOREIGN = "XS-TREE-EDITED person", "XS-TREE-FOREIGN person"
TABLE: list[tuple[str | None, str | None, str | None, set[str], set[str]]] = [
    # server, base, tree, add, replica
    ("s", None, None, {"fetch new"}, {"fetch new"}),
    ("s", "s", None, {"fetch restored"}, {"fetch restored"}),
    ("s", "b", None, {"fetch restored"}, {"fetch restored"}),
    ("s", None, "s", {"adopt"}, {"adopt"}),
    ("s", None, "t", {FOREIGN}, {"fetch new copy", EDITED}),
    ("s", "s", "s", set(), set()),
    ("s", "b", "b", {"XS-MIRROR-REPLACED person"}, {"fetch replaced"}),
    ("s", "s", "t", {EDITED}, {EDITED}),
    ("s", "b", "t", {EDITED}, {"fetch replaced copy", EDITED}),
    ("s", "b", "s", {"adopt"}, {"adopt"}),
    (None, "b", "b", {"XS-MIRROR-GONE"}, {"trash"}),
    (None, "b", "t", {EDITED}, {EDITED}),
    (None, "b", None, {"end"}, {"end"}),
    (None, None, "t", {"own"}, {"own"}),
    (None, None, None, set(), set()),
]


@pytest.mark.parametrize(("server", "base", "tree", "add", "replica"), TABLE)
def test_each_row_of_the_decision_is_what_happens(
    server: str | None, base: str | None, tree: str | None, add: set[str], replica: set[str]
) -> None:
    """Under both policies."""
    assert said(answer(server, base, tree, "add")) == add
    assert said(answer(server, base, tree, "replica")) == replica


@pytest.mark.parametrize("policy", BOTH)
@pytest.mark.parametrize(
    ("base", "tree", "words"),
    [("b", "b", {"unknown"}), ("b", None, {"unknown"}), (None, "t", {"unknown"}), ("b", "t", {EDITED})],
)
def test_an_incomplete_listing_concludes_nothing(
    policy: Policy, base: str | None, tree: str | None, words: set[str]
) -> None:
    """S7: what it does not show is not gone; a local edit is one all the same."""
    assert said(answer(None, base, tree, policy, complete=False)) == words


@pytest.mark.parametrize("policy", BOTH)
def test_an_incomplete_listing_still_brings_what_it_shows(policy: Policy) -> None:
    """Presence is proven."""
    assert said(answer("s", None, None, policy, complete=False)) == {"fetch new"}


@pytest.mark.parametrize("policy", BOTH)
def test_a_folder_that_could_not_be_looked_into_proves_no_absence(policy: Policy) -> None:
    """Neither is the file fetched over what may lie there, nor its version ended."""
    blind = Sides((on_server("f", "s"),), (agreed("g", "b"),), (), tree_complete=False)

    found = agree(blind, policy=policy)

    assert (found.idle, found.unknown) == (True, ("f", "g"))


@pytest.mark.parametrize("policy", BOTH)
@pytest.mark.parametrize("tree", ["b", "t", None])
def test_what_the_selection_leaves_out_is_left_alone(policy: Policy, tree: str | None) -> None:
    """On the server or gone from it: never fetched, never removed, never ended, no trouble."""
    lying = (here("f", tree),) if tree else ()
    for server in ((), (on_server("f", "s", wanted=False),)):
        found = agree(Sides(server, (agreed("f", "b", wanted=False),), lying), policy=policy)
        assert (said(found), found.left) == ({"left"}, ("f",))


# --- a server without digests ------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", BOTH)
def test_without_a_digest_equal_size_is_believed_and_said(policy: Policy) -> None:
    """The report can tell what was not verified; another size is a change."""
    believed = agree(Sides((on_server("f", "x", digest=False),), (agreed("f", "b"),), (here("f", "b"),)), policy=policy)
    changed = agree(Sides((on_server("f", "xx", digest=False),), (agreed("f", "b"),), (here("f", "b"),)), policy=policy)

    assert said(believed) == {"unverified"}
    assert said(changed) == ({"fetch replaced"} if policy == "replica" else {"XS-MIRROR-REPLACED person"})


@pytest.mark.parametrize("policy", BOTH)
@pytest.mark.parametrize("base", [None, "before"])
def test_without_a_digest_a_landing_that_was_cut_off_is_probed(policy: Policy, base: str | None) -> None:
    """Renamed into its place, and not written down: the content is fetched once more, and then both are known equal."""
    rows = (agreed("f", base),) if base else ()
    sides = Sides((on_server("f", "s", digest=False),), rows, (here("f", "s", 2),))

    assert said(agree(sides, policy=policy)) == {"probe"}
    assert said(agree(replace(sides, server=(on_server("f", "s"),)), policy=policy)) == {"adopt"}


@pytest.mark.parametrize("policy", BOTH)
def test_an_edit_of_equal_size_is_one_though_the_server_says_nothing(policy: Policy) -> None:
    """Nothing says that the server changed, so nothing is fetched over it."""
    sides = Sides((on_server("f", "x", digest=False),), (agreed("f", "b"),), (here("f", "t", 2),))

    assert said(agree(sides, policy=policy)) == {EDITED}


@pytest.mark.parametrize("policy", BOTH)
def test_a_size_that_was_never_told_is_unverified_or_probed(policy: Policy) -> None:
    """A listing may lack even that."""
    told = (on_server("f", "s", digest=False, size=False),)

    assert said(agree(Sides(told, (agreed("f", "b"),), (here("f", "b"),)), policy=policy)) == {"unverified"}
    assert said(agree(Sides(told, (agreed("f", "b"),), (here("f", "t", 2),)), policy=policy)) == {"probe"}
    assert said(agree(Sides(told, (), (here("f", "t", 2),)), policy=policy)) == {"probe"}


# --- looking and reading -----------------------------------------------------------------------------------------


def test_only_what_may_differ_is_read() -> None:
    """Same size and time as agreed: not read.  In the tree alone: not read.  Outside the selection: not read."""
    sides = Sides(
        (on_server("same", "s"), on_server("new", "s"), on_server("out", "s", wanted=False), on_server("absent", "s")),
        (agreed("same", "s"), agreed("touched", "s"), agreed("longer", "s")),
        tuple(
            here(path, text, mtime, read=False)
            for path, text, mtime in [
                ("same", "s", 1), ("touched", "s", 2), ("longer", "ss", 1), ("new", "s", 1), ("out", "x", 1),
                ("own", "x", 1),
            ]
        ),
    )  # fmt: skip

    assert needs_reading(sides) == ("longer", "new", "touched")


def test_what_was_read_or_cannot_be_read_is_not_asked_for_again() -> None:
    """Reading ends."""
    sides = Sides(
        (on_server("f", "s"), on_server("g", "s")), (), (here("f", "s"), here("g", "s", read=False, problem="?"))
    )

    assert needs_reading(sides) == ()


@pytest.mark.parametrize("policy", BOTH)
@pytest.mark.parametrize("base", [(), (agreed("f", "b"),)])
@pytest.mark.parametrize("server", [(), (on_server("f", "s"),)])
@pytest.mark.parametrize("problem", ["", "permission denied"])
def test_what_was_not_read_is_trouble_and_never_guessed(
    policy: Policy, base: tuple[BaseFile, ...], server: tuple[ServerFile, ...], problem: str
) -> None:
    """Nothing is done about it; it is looked at again, and no person is called."""
    if not base and not server:
        return
    found = agree(Sides(server, base, (here("f", "t", 9, read=False, problem=problem),)), policy=policy)

    assert said(found) == {"XS-SOURCE-UNREADABLE"}
    assert found.idle


@pytest.mark.parametrize("policy", BOTH)
def test_a_file_that_was_only_touched_is_unchanged(policy: Policy) -> None:
    """Its time is noted, so that it is not read in every run."""
    found = agree(Sides((on_server("f", "s"),), (agreed("f", "s", 1),), (here("f", "s", 7),)), policy=policy)

    assert [(version.path, mtime) for version, mtime in found.touched] == [("f", 7)]
    assert said(found) == {"touched"}


def test_a_file_under_another_name_of_the_same_place_is_written_down_anew() -> None:
    """A resource whose label changed under a layout that does not show it."""
    base = replace(agreed("f", "s"), key=ResourceKey("4", "OTHER"))

    (found,) = agree(Sides((on_server("f", "s"),), (base,), (here("f", "s", read=False),)), policy="add").adopt

    assert (found.base, found.file.key.label, found.content.sha256) == (base, "DICOM", base.sha256)


# --- names -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", BOTH)
@pytest.mark.parametrize("pair", [("a", "A"), ("d/x", "D/y"), ("\u00e9", "e\u0301"), ("d", "d/x")])
def test_names_that_some_disk_takes_for_one_are_held(policy: Policy, pair: tuple[str, str]) -> None:
    """Which of the two came would depend on the disk; the other files of the owner arrive."""
    found = agree(Sides((*(on_server(name, "s") for name in pair), on_server("z", "s"))), policy=policy)

    assert [step.file.path for step in found.fetch] == ["z"]
    assert {(trouble.path, trouble.code, trouble.person) for trouble in found.troubles} == {
        (name, "XS-NAME-CLASH", True) for name in pair
    }


@pytest.mark.parametrize("policy", BOTH)
def test_a_name_that_meets_a_file_of_the_tree_is_held(policy: Policy) -> None:
    """Even one that was agreed and deleted here; without such a file it comes again."""
    meets = agree(Sides((on_server("a", "s"),), (agreed("a", "s"),), (here("A", "mine"),)), policy=policy)
    free = agree(Sides((on_server("a", "s"), on_server("A", "s")), (agreed("a", "s"),), ()), policy=policy)

    assert said(meets) == {"XS-NAME-CLASH person", "own"}
    assert [step.file.path for step in free.fetch] == ["a"]


@pytest.mark.parametrize("policy", BOTH)
def test_a_name_listed_twice_and_not_the_same_is_held(policy: Policy) -> None:
    """Which of the two would be fetched?  Twice the same is once."""
    twice = agree(Sides((on_server("a", "s"), on_server("a", "t"))), policy=policy)
    same = agree(Sides((on_server("a", "s"), on_server("a", "s"))), policy=policy)

    assert said(twice) == {"XS-NAME-CLASH person"}
    assert said(same) == {"fetch new"}


def test_a_copy_of_an_edit_waits_for_a_person_as_long_as_it_is_there() -> None:
    """Made in this step or found from an earlier one: the same trouble; gone, there is none."""
    sides = Sides((on_server("d/f", "s"),), (agreed("d/f", "b"),), (here("d/f", "t", 2),))
    made = agree(sides, policy="replica")
    copy = made.fetch[0].copy
    after = Sides((on_server("d/f", "s"),), (agreed("d/f", "s"),), (here("d/f", "s"), here(copy, "t", read=False)))

    assert copy == conflict_path("d/f", here("d/f", "t").content.sha256)  # type: ignore[union-attr]
    assert made.troubles == agree(after, policy="replica").troubles != ()
    assert agree(after, policy="replica").troubles[0].path == copy
    assert agree(replace(after, tree=after.tree[:1]), policy="replica").troubles == ()
    assert agree(after, policy="replica").own == ()


@pytest.mark.parametrize("name", ["a", "d/e/a.nii.gz", "d/" + "x" * 255, "é" * 127, ".hidden"])
def test_the_copy_of_a_file_lies_beside_it_and_is_known(name: str) -> None:
    """Short enough for a disk, recognised, and another for another content."""
    one, other = (conflict_path(name, digest * 32) for digest in (b"a", b"b"))

    assert one != other
    assert is_conflict_copy(one)
    assert not is_conflict_copy(name)
    assert not is_conflict_copy(one + "x")
    assert one.rpartition("/")[0] == name.rpartition("/")[0]
    assert len(one.rpartition("/")[2].encode()) <= 255


# --- the rail ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "rule", "most"),
    [(0, "10%", 10), (99, "10%", 10), (109, "10%", 10), (110, "10%", 11), (200_000, "10%", 20_000), (1000, "0.5%", 10),
     (10_000, "0.5%", 50), (50, "100%", 50), (5, "100%", 10), (1000, "0%", 0), (1000, 0, 0), (1000, 3, 3),
     (1, 500, 500), (1000, " 33.333 % ", 333), (10, "0.001%", 10)],
)  # fmt: skip
def test_so_many_files_one_run_may_remove(files: int, rule: int | str, most: int) -> None:
    """A percentage never means fewer than ten; a number is a number."""
    assert removals_allowed(files, rule) == most
    assert max_delete(most, files, rule)
    assert not max_delete(most + 1, files, rule)


@pytest.mark.parametrize("rule", ["", "10", "x%", "-1%", "101%", "1e1%", "%", -1])
def test_a_rule_that_is_none_is_refused(rule: int | str) -> None:
    """Never read as no limit."""
    with pytest.raises(ValueError, match=r"not a rule|fewer than none"):
        removals_allowed(100, rule)


def test_what_goes_to_the_trash_is_counted() -> None:
    """Removed and replaced files; an edit that is kept beside is not in the trash."""
    sides = Sides(
        (on_server("r", "s"), on_server("e", "s"), on_server("n", "s")),
        (agreed("r", "b"), agreed("e", "b"), agreed("g", "b")),
        (here("r", "b"), here("e", "t", 2), here("g", "b")),
    )

    found = agree(sides, policy="replica")

    assert (found.to_trash, len(found.fetch), len(found.trash)) == (2, 3, 1)
    assert agree(sides, policy="add").to_trash == 0
    assert not found.idle


def test_the_order_of_what_is_given_does_not_matter() -> None:
    """O1."""
    server = tuple(on_server(name, "s") for name in "cab")
    tree = (here("x", "t"), here("a", "t"))

    assert agree(Sides(server, (), tree), policy="replica") == agree(
        Sides(server[::-1], (), tree[::-1]), policy="replica"
    )
    assert isinstance(agree(Sides(tree=tree), policy="add").own, tuple)
    assert Trouble("a", "b", "c", person=True) != Trouble("a", "b", "c", person=False)
    assert TreeFile("a", 1, 1).content is None
