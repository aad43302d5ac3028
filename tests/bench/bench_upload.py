"""How long does a session take from the drop folder to its receipt?  Against curl, on the same sandbox, in turn.

    python tests/bench/bench_upload.py [--objects 2000] [--rounds 5] [--mbit 1000] [--big-mb 2048] [--json]

*ours* is the whole process `xnatsync sync --settle 0s` (start, look, digests, upload, build, archive, proof, receipt),
*curl* posts one ready-made zip of the same objects, and *curl, archived* also asks for build and archiving, one after
the other, and looks at nothing.  Every run goes into a project of its own, which is deleted afterwards.

The sandbox takes 2 Gbit/s; `--mbit 1000` puts a line of 1 Gbit/s before it, for all three.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from processes import PASSWORD, USER, Run, Sandbox, environment, run, sandbox

HERE = Path(__file__).parent


@dataclass(slots=True)
class Figures:
    """The runs of one contestant."""

    runs: list[Run] = field(default_factory=list)
    phases: dict[str, list[float]] = field(default_factory=dict)
    requests: list[int] = field(default_factory=list)
    ledger_bytes: int = 0

    @property
    def wall_s(self) -> float:
        return statistics.median(run.wall_s for run in self.runs)


class Bench:
    """Objects, a zip of them, a sandbox, and a fresh project for every run."""

    def __init__(self, root: Path, server: Sandbox, drop: Path, archive: Path | None = None, url: str = "") -> None:
        self.root, self.server, self.drop, self.archive = root, server, drop, archive
        self.url = url or server.url  # by which the contestants reach the server
        self._count = 0

    @contextmanager
    def project(self) -> Iterator[str]:
        self._count += 1
        name = f"BENCH{self._count}"
        self.server.ask("PUT", f"/data/projects/{name}")
        try:
            yield name
        finally:
            waiting = json.loads(self.server.ask("GET", f"/data/prearchive/projects/{name}?format=json"))
            for row in waiting["ResultSet"]["Result"]:
                self.server.ask("DELETE", f"/data{row['url']}")
            self.server.ask("DELETE", f"/data/projects/{name}?removeFiles=true")

    # --- the contestants -----------------------------------------------------------------------------------------

    def ours(self, figures: Figures, after: str = "keep") -> None:
        with self.project() as project:
            config, ledger = self.configuration(project, after)
            empty = self.root / "tmp"
            empty.mkdir(exist_ok=True)
            env = environment(XNATSYNC_BENCH_PASSWORD=PASSWORD, TMPDIR=str(empty))
            command = [sys.executable, "-m", "xnatsync", "--config", str(config), "sync", "--settle", "0s", "--quiet"]
            done = run(command, env)
            figures.runs.append(done)
            figures.requests.append(len(self.server.requests(done.began)))
            for name, seconds in _phases(ledger, done).items():
                figures.phases.setdefault(name, []).append(seconds)
            figures.ledger_bytes = ledger.stat().st_size
            shutil.rmtree(ledger.parent)

    def configuration(self, project: str, after: str = "keep") -> tuple[Path, Path]:
        config, ledger = self.root / f"{project}.toml", self.root / "ledger" / "ledger.db"
        config.write_text(
            f'[ledger]\npath = "{ledger}"\n[servers.bench]\nurl = "{self.url}"\nuser = "{USER}"\n'
            f'[routes.r]\nkind = "drop"\nfolder = "{self.drop}"\nserver = "bench"\nproject = "{project}"\n'
            f'verify = "names"\nafter = "{after}"\n'
        )
        return config, ledger

    def curl(self, figures: Figures) -> None:
        with self.project() as project:
            figures.runs.append(self._post(project))

    def curl_archived(self, figures: Figures) -> None:
        with self.project() as project:
            done = [self._post(project, "&prevent_auto_commit=true&SOURCE=uploader")]
            uri = self.url + done[0].out.strip()
            done += [_curl("-X", "POST", f"{uri}?action=build")]
            done += [_curl("-X", "POST", f"{uri}?action=commit&AA=true&SOURCE=uploader", accept=(0, 22))]
            figures.runs.append(
                Run(
                    sum(one.wall_s for one in done), sum(one.cpu_s for one in done), done[0].peak_mb, -1,
                    done[0].began, done[-1].ended, done[-1].out,
                )
            )  # fmt: skip

    def _post(self, project: str, more: str = "") -> Run:
        assert self.archive is not None
        return _curl(
            "-T", str(self.archive), "-X", "POST", "-H", "Content-Type: application/zip", "-H", "Expect:",
            f"{self.url}/data/services/import?import-handler=DICOM-zip&inbody=true&PROJECT_ID={project}"
            f"&SUBJECT_ID=BENCH&EXPT_LABEL=BENCH_MR{more}",
        )  # fmt: skip


def _curl(*arguments: str, accept: tuple[int, ...] = (0,)) -> Run:
    return run(["curl", "-sS", "--fail", "-u", f"{USER}:{PASSWORD}", *arguments], accept=accept)


def _phases(ledger: Path, done: Run) -> dict[str, float]:
    """How long each part took, by the moments that the ledger holds (each to the millisecond)."""
    with closing(sqlite3.connect(f"{ledger.as_uri()}?mode=ro", uri=True)) as base:
        units = base.execute("select planned_at, phase from unit").fetchall()
        if [phase in {"verified", "closed"} for _, phase in units] != [True]:
            raise RuntimeError(f"not one verified session, but {units}:\n{done.out}")
        rows = base.execute("select effect, began_at, ended_at from attempt order by id").fetchall()
        proven = base.execute("select max(at) from receipt").fetchone()[0]
        started = base.execute("select min(started_at) from run").fetchone()[0]
    spans = {"import": "send", "build": "build", "commit": "archive"}
    found = {"start": _at(started) - done.began, "read": _at(units[0][0]) - _at(started)}
    last = _at(units[0][0])
    for effect, began, ended in rows:
        found[f"look before {spans[effect]}"] = _at(began) - last
        found[spans[effect]] = _at(ended) - _at(began)
        last = _at(ended)
    found["look and prove"] = _at(proven) - last
    found["end"] = done.ended - _at(proven)
    return found


def _at(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


def written_files(bench: Bench) -> list[str]:
    """Runs a sync under Python's audit hook and lists every file it opened for writing, but the ledger's own."""
    with bench.project() as project:
        config, ledger = bench.configuration(project)
        watched = run(
            [sys.executable, str(HERE / "audited.py"), "--config", str(config), "sync", "--settle", "0s", "--quiet"],
            environment(XNATSYNC_BENCH_PASSWORD=PASSWORD, TMPDIR=str(bench.root / "tmp")),
        )
        shutil.rmtree(ledger.parent)
        lines = [line.removeprefix("wrote ") for line in watched.out.splitlines() if line.startswith("wrote ")]
        return [line for line in lines if not line.startswith(str(ledger.parent))]


# --- the whole ---------------------------------------------------------------------------------------------------


def make(folder: Path, count: int, *more: str) -> int:
    """Makes the objects in another process; gives their bytes."""
    return int(run([sys.executable, str(HERE / "objects.py"), str(folder), str(count), *more], environment()).out)


def compare(root: Path, objects: int, rounds: int, mbit: float = 0.0) -> dict[str, Any]:
    """The three contestants in turn, after one warm-up of each."""
    drop, archive = root / "drop", root / "all.zip"
    size = make(drop / "exam", objects, "--zip", str(archive))
    with sandbox(root / "site") as server, slow_line(server, mbit) as url:
        bench = Bench(root, server, drop, archive, url)
        contestants: dict[str, Callable[[Figures], None]] = {
            "ours": bench.ours, "curl": bench.curl, "curl, archived": bench.curl_archived,
        }  # fmt: skip
        for contestant in contestants.values():
            contestant(Figures())
        found = {name: Figures() for name in contestants}
        for _ in range(rounds):
            for name, contestant in contestants.items():
                contestant(found[name])
        wrote = written_files(bench)
    ours = found["ours"]
    return {
        "objects": objects,
        "mbit": mbit,
        "bytes": size,
        "wall_s": {name: [round(run.wall_s, 3) for run in figures.runs] for name, figures in found.items()},
        "median_s": {name: round(figures.wall_s, 3) for name, figures in found.items()},
        "cpu_s": round(statistics.median(run.cpu_s for run in ours.runs), 3),
        "ratio_to_curl": _ratio(ours, found["curl"]),
        "ratio_to_curl_archived": _ratio(ours, found["curl, archived"]),
        "phases_s": {name: round(statistics.median(spans), 3) for name, spans in ours.phases.items()},
        "requests": ours.requests[-1],
        "peak_mb": round(max(run.peak_mb for run in ours.runs), 1),
        "disk_bytes": max(run.disk_bytes for run in ours.runs),
        "ledger_bytes": ours.ledger_bytes,
        "other_files_written": wrote,
        "left_in_tmpdir": sorted(path.name for path in (root / "tmp").rglob("*")),
    }


@contextmanager
def slow_line(server: Sandbox, mbit: float) -> Iterator[str]:
    """Puts a line of so many Mbit/s before the server, none for 0; gives the URL beyond it."""
    if not mbit:
        yield server.url
        return
    command = [sys.executable, str(HERE / "slowline.py"), server.url.rpartition(":")[2], str(mbit)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            yield f"http://127.0.0.1:{child.stdout.readline().strip()}"
        finally:
            child.terminate()


def _ratio(ours: Figures, other: Figures) -> float:
    """The median of the ratios of neighbours in time: it holds when the machine's speed drifts."""
    return round(statistics.median(a.wall_s / b.wall_s for a, b in zip(ours.runs, other.runs, strict=True)), 2)


def big(root: Path, megabytes: int) -> dict[str, Any]:
    """One session of so many MB, in objects of about 130 kB, moved to `done` in the end."""
    drop = root / "bigdrop"
    size = make(drop / "exam", max(1, megabytes * (1 << 20) // 132_500), "--series", "12")
    with sandbox(root / "bigsite") as server:
        figures = Figures()
        Bench(root, server, drop).ours(figures, after="move")
    done = figures.runs[0]
    return {
        "bytes": size,
        "wall_s": round(done.wall_s, 2),
        "cpu_s": round(done.cpu_s, 2),
        "mb_per_s": round(size / 1e6 / done.wall_s, 1),
        "peak_mb": round(done.peak_mb, 1),
        "disk_bytes": done.disk_bytes,
        "ledger_bytes": figures.ledger_bytes,
        "phases_s": {name: round(spans[0], 3) for name, spans in figures.phases.items()},
        "requests": figures.requests[0],
    }


def machine() -> str:
    """Names what was measured on."""
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), model)
    curl = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    return f"{os.cpu_count()} × {model}, {platform.system()}, Python {platform.python_version()}, curl {curl}"


def told(report: dict[str, Any]) -> str:
    """The report for people."""
    lines = [report["machine"]]
    if seen := report.get("compare"):
        line = f", over a line of {seen['mbit']:.0f} Mbit/s" if seen["mbit"] else ""
        rounds = len(seen["wall_s"]["ours"])
        lines.append(f"\n{seen['objects']} objects, {seen['bytes'] / 1e6:.0f} MB{line}; medians of {rounds}")
        for name, seconds in seen["median_s"].items():
            spread = seen["wall_s"][name]
            lines.append(f"  {name:16} {seconds:7.3f} s   ({min(spread):.3f} to {max(spread):.3f})")
        lines.append(f"  ours / curl            {seen['ratio_to_curl']:.2f}")
        lines.append(f"  ours / curl, archived  {seen['ratio_to_curl_archived']:.2f}")
        lines += [f"    {name:22} {seconds:7.3f} s" for name, seconds in seen["phases_s"].items()]
        lines.append(f"  {seen['requests']} requests, peak memory {seen['peak_mb']:.0f} MB")
        lines.append(_written(seen) + f"; other files opened for writing: {len(seen['other_files_written'])}")
    if seen := report.get("big"):
        lines.append(f"\none session of {seen['bytes'] / 1e6:.0f} MB")
        lines.append(f"  {seen['wall_s']:.1f} s, {seen['mb_per_s']:.0f} MB/s, peak memory {seen['peak_mb']:.0f} MB")
        lines += [f"    {name:22} {seconds:7.3f} s" for name, seconds in seen["phases_s"].items()]
        lines.append(_written(seen))
    return "\n".join(lines)


def _written(seen: dict[str, Any]) -> str:
    disk, ledger = seen["disk_bytes"] / 1e6, seen["ledger_bytes"] / 1e6
    return f"  CPU {seen['cpu_s']:.1f} s; written to disk {disk:.1f} MB, for a ledger of {ledger:.1f} MB and its log"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--objects", type=int, default=2000, help="0: skip the comparison")
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--mbit", type=float, default=0.0, help="put a line of this speed before the server")
    arguments.add_argument("--big-mb", type=int, default=2048, help="0: skip the big session")
    arguments.add_argument("--folder", type=Path, help="where to work; the default is the system's temporary folder")
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    report: dict[str, Any] = {"machine": machine()}
    with tempfile.TemporaryDirectory(prefix="xnatsync-bench-", dir=given.folder) as folder:
        if given.objects:
            report["compare"] = compare(Path(folder), given.objects, given.rounds, given.mbit)
        if given.big_mb:
            report["big"] = big(Path(folder), given.big_mb)
    print(json.dumps(report, indent=2) if given.json else told(report))


if __name__ == "__main__":
    main()
