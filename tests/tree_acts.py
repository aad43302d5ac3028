"""What can be done at a path of our own folder in a tree."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from xnatsync.ports.tree import TreeDisk


def own_acts(tree: TreeDisk, root: Path, path: str) -> list[Callable[[], object]]:
    """Each call of the port that takes a path in staging or in the trash; a file `there` lies in the tree."""
    return [
        lambda: tree.stage(root, path, iter([b"1"])),
        lambda: tree.staged_size(root, path),
        lambda: tree.flush(root, [path]),
        lambda: tree.land(root, path, "a", replace=False),
        lambda: tree.keep(root, "there", path),
        lambda: tree.discard(root, "there", path),
        lambda: tree.empty_trash(root, [path]),
    ]
