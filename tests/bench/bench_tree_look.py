"""How long a mirror needs to see that nothing changed in its tree, compared with `find` over the same tree.

Both list every file with size and time.  Ours also reads what the ledger expects and compares.  `--digests` measures
instead how fast one big file is hashed, with both digests in one thread and in two.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from xnatsync.core.inventory import Owner, OwnerKind
from xnatsync.disk import digests
from xnatsync.disk.tree import LocalTree
from xnatsync.ledger.ledger import Ledger
from xnatsync.ledger.open import open_ledger
from xnatsync.ledger.tree_rows import NewVersion

NOW = "2026-03-01T12:00:00.000Z"
PER_RESOURCE, SCANS = 20, 10


def main() -> None:
    """Measures in turn, so that a machine that grows slower is slow for both."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--files", type=int, default=200_000)
    words.add_argument("--rounds", type=int, default=5)
    words.add_argument("--folder", type=Path, default=None, help="where the tree is made (a fast local disk)")
    words.add_argument("--digests", action="store_true")
    words.add_argument("--json", action="store_true")
    given = words.parse_args()
    place = Path(tempfile.mkdtemp(dir=given.folder))
    try:
        seen = digested(given.rounds) if given.digests else looked(place, given.files, given.rounds)
    finally:
        shutil.rmtree(place)
    print(json.dumps(seen) if given.json else "\n".join(f"{name}: {value}" for name, value in seen.items()))


def looked(place: Path, files: int, rounds: int) -> dict[str, Any]:
    """Compares looks at one tree."""
    root = place / "tree"
    disk = LocalTree()
    disk.mark(root, "bench\n")
    paths = made(root, files)
    ledger = known(place, disk, root, paths)
    took: dict[str, list[float]] = {"find": [], "look": [], "living": [], "all of it": []}
    for _ in range(rounds):
        took["find"].append(timed(lambda: find(root)))
        took["look"].append(timed(lambda: disk.look_tree(root)))
        took["living"].append(timed(lambda: ledger.living("bench")))
        took["all of it"].append(timed(lambda: unchanged(disk, root, ledger)))
    ledger.close()
    medians = {name: round(statistics.median(times), 4) for name, times in took.items()}
    return {
        "files": files,
        "found_by_find": find(root),
        "median_s": medians,
        "look_to_find": round(medians["look"] / medians["find"], 2),
        "all_to_find": round(medians["all of it"] / medians["find"], 2),
    }


def made(root: Path, files: int) -> list[str]:
    """A tree as a mirror lays it out."""
    paths = []
    for number in range(files):
        scan, file = divmod(number, PER_RESOURCE)
        session, scan = divmod(scan, SCANS)
        folder = f"P/S{session:04}/S{session:04}_MR1/scans/{scan}/resources/DICOM/files"
        if file == 0:
            (root / folder).mkdir(parents=True)
        paths.append(f"{folder}/1.2.840.113619.2.{session}.{scan}.{file}.dcm")
        os.close(os.open(root / paths[-1], os.O_CREAT | os.O_WRONLY))
    return paths


def known(place: Path, disk: LocalTree, root: Path, paths: list[str]) -> Ledger:
    """A ledger that expects exactly this tree."""
    ledger = open_ledger(place / "ledger.db")
    ledger.remember_route("bench", "mirror", "", NOW)
    (owner,) = ledger.ensure_owners("bench", [Owner(OwnerKind.SESSION, "P", "XNAT_E1")], NOW)
    seen = disk.look_tree(root).files
    rows = [
        NewVersion(
            owner_id=owner.id,
            scan="1",
            label="DICOM",
            name=path,
            route="bench",
            path=path,
            size=size,
            sha256=bytes(32),
            md5="0" * 32,
            mtime_ns=mtime_ns,
            origin="server",
        )
        for path in paths
        for size, mtime_ns in [seen[path]]
    ]
    ledger.change_versions(rows, (), NOW, None)
    return ledger


def find(root: Path) -> int:
    """What `find` finds, our own folder left out."""
    line = ["find", str(root), "-path", f"{root}/.xnatsync", "-prune", "-o", "-type", "f", "-printf", "%p %s %T@\\n"]
    return subprocess.run(line, check=True, capture_output=True).stdout.count(b"\n")


def unchanged(disk: LocalTree, root: Path, ledger: Ledger) -> None:
    """What a run does before it knows that nothing changed."""
    seen = disk.look_tree(root).files
    changed = [path for path, facts in ledger.living("bench") if seen.get(path) != facts]
    assert not changed, changed[:3]


def timed(act: Callable[[], object]) -> float:
    """Seconds."""
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def digested(rounds: int, size_mb: int = 64) -> dict[str, Any]:
    """Both digests of one stream; the best of each, because only an idle machine has a second core to offer."""
    piece = os.urandom(1 << 20)

    def one_thread() -> None:
        sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        for _ in range(size_mb):
            sha256.update(piece)
            md5.update(piece)

    def two_threads() -> None:
        with digests.Digests() as both:
            for _ in range(size_mb):
                both.update(piece)
            both.finish()

    took: dict[str, list[float]] = {"one thread": [], "two threads": []}
    for _ in range(rounds):
        took["one thread"].append(timed(one_thread))
        took["two threads"].append(timed(two_threads))
    return {f"MB/s, {name}": round(size_mb / min(times)) for name, times in took.items()}


if __name__ == "__main__":
    if sys.platform == "win32":
        sys.exit("find is what everything is compared with")
    main()
