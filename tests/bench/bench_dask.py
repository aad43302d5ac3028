"""Does a second worker of a Dask cluster halve the time of a transfer?

    python tests/bench/bench_dask.py [--sessions 8] [--scans 4] [--files 40] [--delay-ms 100] [--rounds 1] [--json]

A project goes from one sandbox to another (processes of their own, on disk) by `project transfer --engine dask`, with
one worker of one thread, with two such workers, and with the local engine, in turn.  Every request waits so long before
it is answered, as a busy XNAT lets it: then the servers' processor is not what is measured.  The whole command counts,
with its start and its certificate.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from bench_transfer import PROJECT, Shape, seed  # noqa: E402
from processes import PASSWORD, USER, environment, sandbox  # noqa: E402

from dask_processes import Processes, processes  # noqa: E402

KNOWN = {"XNATSYNC_HERE_PASSWORD": PASSWORD, "XNATSYNC_THERE_PASSWORD": PASSWORD}
COMMAND = ["project", "transfer", "-p", "here", "-P", PROJECT, "--dest-profile", "there", "--dest-project", "COPY"]


def measured(shape: Shape, workers: int, delay_s: float, cluster: Processes) -> dict[str, Any]:
    """Transfer once between sites that are new; no worker: the local engine with one."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        root = Path(folder)
        subprocess.run([sys.executable, __file__, "--seed", folder, *shape.words], check=True)
        with sandbox(root / "source") as source, sandbox(root / "destination") as destination:
            for side in (source, destination):
                fault = {"method": "ANY", "path_regex": ".", "kind": "delay", "seconds": delay_s, "times": 10**6}
                (side.root / "faults.json").write_text(json.dumps([fault]))
            config = root / "xnatsync.toml"
            lines = [f"[ledger]\npath = {str(root / 'state' / 'ledger.db')!r}"]
            for name, side in (("here", source), ("there", destination)):
                lines.append(f'[servers.{name}]\nurl = "{side.url}"\nuser = "{USER}"')
            config.write_text("\n".join(lines))
            names = [f"w{time.monotonic_ns()}-{number}" for number in range(workers)]
            for name in names:
                cluster.worker(name, **KNOWN)
            engine = ["--engine", "dask", "--scheduler", cluster.address] if workers else []
            words = ["--config", str(config), *COMMAND, "--workers", "1" if not workers else "4", *engine, "--yes"]
            began = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-m", "xnatsync", *words, "-o", "json"], env=environment(**KNOWN), check=False,
                capture_output=True, text=True,
            )  # fmt: skip
            wall_s = time.perf_counter() - began
            for name in names:
                cluster.kill(name)
            told = json.loads(done.stdout)
            assert told["outcome"] == "complete", done.stdout[:4000]
            assert told["counts"]["files"] == shape.sessions * shape.scans * shape.files, done.stdout[:4000]
            return {"wall_s": wall_s}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=8)
    parser.add_argument("--scans", type=int, default=4)
    parser.add_argument("--files", type=int, default=40)
    parser.add_argument("--delay-ms", type=float, default=100.0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seed", nargs=5, help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.seed:
        seed(Path(words.seed[0]), Shape(*map(int, words.seed[1:])))
        return
    shape = Shape(words.sessions, words.scans, words.files, 130_000)
    took: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="dask-") as folder, processes(Path(folder)) as cluster:
        cluster.scheduler()
        for _ in range(words.rounds):
            for name, many in (("local", 0), ("1 worker", 1), ("2 workers", 2)):
                one = measured(shape, many, words.delay_ms / 1000, cluster)
                took.setdefault(name, []).append(one["wall_s"])
    found = {name: round(statistics.median(times), 1) for name, times in took.items()}
    found["ratio"] = round(
        statistics.median(b / a for a, b in zip(took["1 worker"], took["2 workers"], strict=True)), 2
    )
    print(json.dumps(found) if words.json else "\n".join(f"{name:10} {value}" for name, value in found.items()))


if __name__ == "__main__":
    main()
