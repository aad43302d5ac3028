"""How long does `session upload` take to its receipt?  Against curl with one ready zip, on the same sandbox, in turn.

    python tests/bench/bench_session_upload.py [--objects 2000] [--rounds 3] [--mbit 1000] [--workers 16] [--json]

*zip* is the whole process `xnatsync session upload FOLDER -P -S -E` (start, digests, upload, build, archive, proof,
receipt) and *gradual* the same with `--gradual --workers N`; *curl* posts one zip that was made before, and *curl,
archived* also asks for build and archiving, one after the other, and looks at nothing.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from bench_upload import HERE, Bench, Figures, machine, make, slow_line
from processes import PASSWORD, USER, Run, environment, run, sandbox


class Uploading(Bench):
    """The same contestants, and two of ours."""

    def named(self, figures: Figures, *options: str) -> None:
        """One upload into a project of its own, by the environment alone; its ledger is removed afterwards."""
        with self.project() as project:
            done = self.command(project, [sys.executable, "-m", "xnatsync"], *options)
            figures.runs.append(done)
            figures.requests.append(len(self.server.requests(done.began)))
            shutil.rmtree(self.root / "data")

    def command(self, project: str, program: list[str], *options: str) -> Run:
        """Run one upload; a run that is no success raises."""
        empty = self.root / "tmp"
        empty.mkdir(exist_ok=True)
        env = environment(
            XNAT_URL=self.url, XNAT_USER=USER, XNAT_PASS=PASSWORD, TMPDIR=str(empty),
            XDG_DATA_HOME=str(self.root / "data"), XDG_CONFIG_HOME=str(self.root / "none"),
        )  # fmt: skip
        words = ["session", "upload", str(self.drop / "exam"), "-P", project, "-S", "BENCH", "-E", "BENCH_MR", "-q"]
        return run([*program, *words, *options], env)

    def written(self) -> list[str]:
        """List every file that an upload opened for writing, but the ledger's own."""
        with self.project() as project:
            watched = self.command(project, [sys.executable, str(HERE / "audited.py")])
            shutil.rmtree(self.root / "data")
        lines = [line.removeprefix("wrote ") for line in watched.out.splitlines() if line.startswith("wrote ")]
        return [line for line in lines if not line.startswith(str(self.root / "data"))]


def compare(root: Path, objects: int, rounds: int, mbit: float, workers: int) -> dict[str, Any]:
    """The contestants in turn, after one warm-up of each."""
    archive = root / "all.zip"
    size = make(root / "drop" / "exam", objects, "--zip", str(archive))
    with sandbox(root / "site") as server, slow_line(server, mbit) as url:
        bench = Uploading(root, server, root / "drop", archive, url)
        contestants: dict[str, Callable[[Figures], None]] = {
            "zip": bench.named,
            "gradual": lambda figures: bench.named(figures, "--gradual", "--workers", str(workers)),
            "curl": bench.curl,
            "curl, archived": bench.curl_archived,
        }
        found = {name: Figures() for name in contestants}
        for number in range(rounds + 1):
            for name, contestant in contestants.items():
                contestant(found[name] if number else Figures())
        wrote = bench.written()
    ours = {name: found[name] for name in ("zip", "gradual")}
    return {
        "machine": machine(),
        "objects": objects,
        "bytes": size,
        "mbit": mbit,
        "workers": workers,
        "median_s": {name: round(figures.wall_s, 3) for name, figures in found.items()},
        "wall_s": {name: [round(one.wall_s, 3) for one in figures.runs] for name, figures in found.items()},
        "ratio_to_curl": {name: _ratio(figures, found["curl"]) for name, figures in ours.items()},
        "ratio_to_curl_archived": {name: _ratio(figures, found["curl, archived"]) for name, figures in ours.items()},
        "requests": {name: figures.requests[-1] for name, figures in ours.items()},
        "peak_mb": {name: round(max(one.peak_mb for one in figures.runs), 1) for name, figures in ours.items()},
        "other_files_written": wrote,
        "left_in_tmpdir": sorted(path.name for path in (root / "tmp").rglob("*")),
    }


def _ratio(ours: Figures, other: Figures) -> float:
    """The median of the ratios of neighbours in time: it holds when the machine's speed drifts."""
    return round(statistics.median(a.wall_s / b.wall_s for a, b in zip(ours.runs, other.runs, strict=True)), 2)


def main() -> None:
    """Measure, and print a report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--objects", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mbit", type=float, default=0.0)
    parser.add_argument("--workers", type=int, default=16)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    root = asked.folder or Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        found = compare(root, asked.objects, asked.rounds, asked.mbit, asked.workers)
    finally:
        if asked.folder is None:
            shutil.rmtree(root)
    if asked.json:
        print(json.dumps(found, indent=2))
        return
    for key, value in found.items():
        print(f"{key}: {value}")


if __name__ == "__main__":
    main()
