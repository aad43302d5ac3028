"""A tree that is only rehearsed shows after any renames what the real one shows after the same."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from draws import examples
from xnatsync.core.errors import XnatsyncError
from xnatsync.disk.tree import LocalTree
from xnatsync.ports.tree import TreeDisk
from xnatsync.routes.tree.rehearsal import rehearsed

NAMES = st.sampled_from(["a", "b", "c"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)


def made(root: Path, paths: list[str]) -> Path:
    """A tree of files, each with a content of its own; a path that cannot be made beside the others is left out."""
    (root / ".xnatsync").mkdir(parents=True)  # without it, it is the place of a disk that is not mounted
    for number, path in enumerate(paths):
        place = root / path
        if any(parent.is_file() for parent in place.parents) or place.exists():
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(bytes([number + 1]) * (number + 1))
    return root


def renamed(disk: TreeDisk, root: Path, source: str, target: str) -> str:
    """What came of it."""
    try:
        disk.rename(root, source, target)
    except XnatsyncError as error:
        return error.code
    return ""


def sizes(disk: TreeDisk, root: Path, below: list[str] | None = None) -> dict[str, int]:
    """Every file with its size."""
    return {path: size for path, (size, _) in disk.look_tree(root, below).files.items()}


@given(st.lists(PATHS, min_size=1, max_size=6, unique=True), st.lists(st.tuples(PATHS, PATHS), max_size=5), PATHS)
@examples(150)
def test_it_shows_what_the_real_one_would(paths: list[str], renames: list[tuple[str, str]], folder: str) -> None:
    """The same files at the same places, as a whole, below a folder, one by one and read through; nothing is moved."""
    with tempfile.TemporaryDirectory() as where:
        real, mine = made(Path(where) / "real", paths), made(Path(where) / "mine", paths)
        truth, played = LocalTree(), rehearsed(LocalTree())
        before = sizes(truth, mine)

        for source, target in renames:
            assert renamed(played, mine, source, target) == renamed(truth, real, source, target)

        assert sizes(truth, mine) == before
        shown = sizes(truth, real)
        assert sizes(played, mine) == shown
        assert sizes(played, mine, [folder]) == sizes(truth, real, [folder])
        for path in {*shown, *before, folder}:
            assert (played.stat(mine, path) or (None,))[0] == (truth.stat(real, path) or (None,))[0]
        for path, size in shown.items():
            assert played.read(mine, path).sha256 == truth.read(real, path).sha256
            assert size == played.read(mine, path).size
