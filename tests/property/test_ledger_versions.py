"""The ledger's history of a tree against a plain model: any changes, looked back at from any moment."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from draws import examples
from xnatsync.core.inventory import Owner, OwnerKind
from xnatsync.ledger.open import open_ledger
from xnatsync.ledger.tree_rows import NewVersion

FOLDERS, NAMES = ["S1", "S1x", "S2", "S1/M1"], ["a", "b", "ü%_"]
STEPS = st.one_of(
    st.tuples(st.just("put"), st.sampled_from(FOLDERS), st.sampled_from(NAMES), st.sampled_from("xyz")),
    st.tuples(st.just("remove"), st.sampled_from(FOLDERS), st.sampled_from(NAMES), st.just("")),
    st.tuples(st.just("move"), st.sampled_from(FOLDERS), st.sampled_from([*FOLDERS, "S3", "S3/M"]), st.just("")),
)


def moved(tree: dict[str, str], source: str, target: str) -> dict[str, str] | None:
    """What a rename makes of a tree; None where something is in its way."""
    taken = {path for path in tree if path.startswith(f"{source}/")}
    after = {path: content for path, content in tree.items() if path not in taken}
    if not taken or any(f"{target}{path[len(source) :]}" in tree for path in taken):
        return None
    return after | {f"{target}{path[len(source) :]}": tree[path] for path in taken}


@examples(60)
@given(st.lists(STEPS, max_size=25))
def test_every_moment_is_remembered_as_it_was(steps: list[tuple[str, str, str, str]]) -> None:
    """What was living then, what lies there now, and every difference between two moments."""
    with tempfile.TemporaryDirectory() as folder:
        ledger = open_ledger(Path(folder) / "ledger.db")
        ledger.remember_route("r", "mirror", "", moment(0))
        (owner,) = ledger.ensure_owners("r", [Owner(OwnerKind.SESSION, "P", "E")], moment(0))
        trees: list[dict[str, str]] = [{}]
        for number, (verb, first, second, content) in enumerate(steps, start=1):
            tree = dict(trees[-1])
            path = f"{first}/{second}"
            old = ledger.find_living("r", path)
            assert (old is None) == (path not in tree)
            if verb == "move":
                if (after := moved(tree, first, second)) is not None:
                    ledger.move_versions("r", first, second, moment(number), None)
                    tree = after
            else:
                begun = [version(owner.id, path, content)] if verb == "put" else []
                ended = [(old.id, "replaced" if begun else "removed")] if old is not None else []
                ledger.change_versions(begun, ended, moment(number), None)
                tree.pop(path, None)
                tree |= {path: content} if begun else {}
            trees.append(tree)

        assert {path for path, _ in ledger.living("r")} == trees[-1].keys()
        for number, tree in enumerate(trees):
            then = ledger.versions_at("r", moment(number))
            assert {found.version.path: found.version.sha256 for found in then} == {
                path: digest(content) for path, content in tree.items()
            }
            now = set(map(digest, trees[-1].values()))
            assert all((found.where == "tree") == (found.version.sha256 in now) for found in then)
            below = ledger.versions_at("r", moment(number), "S1")
            assert {found.version.path for found in below} == {path for path in tree if path.startswith("S1/")}
            different = ledger.differences("r", moment(number), moment(len(trees)))
            assert {found.path for found in different} == {
                path for path in tree.keys() | trees[-1].keys() if tree.get(path) != trees[-1].get(path)
            }
        ledger.close()


def moment(number: int) -> str:
    return f"2026-03-01T12:00:{number:02}.000Z"


def digest(content: str) -> bytes:
    return hashlib.sha256(content.encode()).digest()


def version(owner_id: int, path: str, content: str) -> NewVersion:
    return NewVersion(
        owner_id=owner_id,
        scan="",
        label="R",
        name=path,
        route="r",
        path=path,
        size=len(content),
        sha256=digest(content),
        md5="0" * 32,
        mtime_ns=1,
        origin="server",
    )
