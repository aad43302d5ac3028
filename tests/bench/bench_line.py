"""Is a line of 1 Gbit/s full?  Uploads and pulls, whole processes, against curl over the same line in the same run.

    python tests/bench/bench_line.py [--mbit 1000] [--objects 2000 8000] [--files 5000] [--big-mb 1000] [--rounds 3]

The line is the kernel's (see `netline`); without it nothing is measured, and why is said.  *sync* and *session upload*
go from start to receipt, *curl* posts a zip that is ready, and *curl, archived* also asks for build and archiving.
*resource upload* of many small files stands against curl with a ready zip of them, of a large file against curl with
that file.  *pull* is `sync` of a mirror against curl with the same files one by one, and `sync` of the file system.
Contestants take turns after a warm-up; a ratio is the median over neighbours in time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import bench_mirror
import bench_resource_upload
from bench_session_upload import Uploading
from bench_upload import Figures, machine, make
from netline import entered
from processes import Run, sandbox


def sessions(root: Path, objects: int, rounds: int) -> dict[str, Any]:
    """One session, from the drop folder and by name."""
    archive = root / f"{objects}.zip"
    size = make(root / f"drop{objects}" / "exam", objects, "--zip", str(archive))
    with sandbox(root / f"site{objects}") as server:
        bench = Uploading(root, server, root / f"drop{objects}", archive)
        contestants: dict[str, Callable[[Figures], None]] = {
            "curl": bench.curl, "sync": bench.ours, "session upload": bench.named,
            "curl, archived": bench.curl_archived,
        }  # fmt: skip
        runs: dict[str, list[Run]] = {name: [] for name in contestants}
        for number in range(rounds + 1):
            for name, contestant in contestants.items():
                figures = Figures()
                contestant(figures)
                if number:
                    runs[name] += figures.runs
    return told(size, runs, ["sync", "session upload"], ["curl", "curl, archived"])


def resources(root: Path, files: int, big_mb: int, rounds: int) -> dict[str, Any]:
    """Small files, and a large one, into a resource."""
    found: dict[str, Any] = {}
    with sandbox(root / "resources") as server:
        bench = bench_resource_upload.Bench(root, server)
        given: dict[str, tuple[Path, Path]] = {}
        if files:
            given["small files"] = bench_resource_upload.many(root, files, 10_000)
        if big_mb:
            place = bench_resource_upload.big(root, big_mb)
            given["large file"] = (place, place)
        for name, (source, ready) in given.items():
            runs: dict[str, list[Run]] = {"curl": [], "resource upload": []}
            for _ in range(rounds):
                runs["curl"].append(bench.curl(ready, extract=source != ready))
                runs["resource upload"].append(bench.ours(source)[0])
            found[name] = told(ready.stat().st_size, runs, ["resource upload"], ["curl"])
    return found


def told(size: int, runs: dict[str, list[Run]], ours: list[str], others: list[str]) -> dict[str, Any]:
    """Times, and ratios of neighbours."""
    return {
        "bytes": size,
        "wall_s": {name: [round(one.wall_s, 2) for one in done] for name, done in runs.items()},
        "cpu_s": {name: round(statistics.median(one.cpu_s for one in runs[name]), 2) for name in ours},
        "peak_mb": {name: round(max(one.peak_mb for one in runs[name])) for name in ours},
        "ratio": {
            f"{name} to {other}": round(
                statistics.median(a.wall_s / b.wall_s for a, b in zip(runs[name], runs[other], strict=True)), 3
            )
            for name in ours
            for other in others
        },
    }


def main() -> None:
    """Measures what was asked for."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--mbit", type=float, default=1000.0)
    asked.add_argument("--objects", type=int, nargs="*", default=[2000, 8000])
    asked.add_argument("--files", type=int, default=5000)
    asked.add_argument("--big-mb", type=int, default=1000)
    asked.add_argument("--pull-files", type=int, default=4000)
    asked.add_argument("--pull-big", type=int, default=10, help="files of 100 MB")
    asked.add_argument("--rounds", type=int, default=3)
    asked.add_argument("--folder", type=Path, help="where to work; else a temporary folder")
    asked.add_argument("--json", action="store_true")
    given = asked.parse_args()
    report: dict[str, Any] = {"machine": machine(), "mbit": given.mbit, "skipped": entered(given.mbit)}
    if not report["skipped"]:
        parts: dict[str, Callable[[Path], dict[str, Any]]] = {
            f"{count} objects": lambda root, count=count: sessions(root, count, given.rounds)  # type: ignore[misc]
            for count in given.objects
        }
        if given.files or given.big_mb:
            parts["resources"] = lambda root: resources(root, given.files, given.big_mb, given.rounds)
        if given.pull_files:
            parts["pull, small files"] = lambda root: bench_mirror.pull(
                root, given.pull_files, 130_000, given.rounds, alone=False
            )
        if given.pull_big:
            parts["pull, large files"] = lambda root: bench_mirror.pull(
                root, given.pull_big, 100_000_000, given.rounds, alone=True
            )
        for name, part in parts.items():
            with tempfile.TemporaryDirectory(prefix="bench-", dir=given.folder) as root:
                report[name] = part(Path(root))
            if not given.json:
                print(name, json.dumps(report[name], indent=2), flush=True)
    print(json.dumps(report) if given.json else report["skipped"] or report["machine"])


if __name__ == "__main__":
    main()
