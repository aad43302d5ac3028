"""How long does `resource upload` take, against curl with one ready zip, and with one large file?

    python tests/bench/bench_resource_upload.py [--files 5000] [--kb 10] [--big-mb 256] [--rounds 3] [--json]

*ours* is the whole process `xnatsync resource upload` (start, looks, reading, upload, proof of every file); *curl*
stores a zip of the same files that is ready, with `extract=true`, or the one file, and looks at nothing.  Each run goes
into a resource of its own, which is deleted afterwards.  `--big-mb 2048` is the size that the target is about.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from processes import PASSWORD, USER, Run, Sandbox, environment, run, sandbox

PROJECT = "BENCH"


class Bench:
    """A sandbox with one project, and a fresh resource of it for every run."""

    def __init__(self, root: Path, server: Sandbox) -> None:
        self.root, self.server = root, server
        self.tmp = root / "tmp"
        self.tmp.mkdir()
        self._count = 0
        server.ask("PUT", f"/data/projects/{PROJECT}")

    def resource(self) -> str:
        self._count += 1
        return f"R{self._count}"

    def place(self, label: str) -> str:
        return f"/data/projects/{PROJECT}/resources/{label}"

    def ours(self, path: Path) -> tuple[Run, int]:
        """One upload by us; gives also how many requests it took."""
        label = self.resource()
        env = environment(XNAT_URL=self.server.url, XNAT_USER=USER, XNAT_PASS=PASSWORD, TMPDIR=str(self.tmp))
        words = ["resource", "upload", "-P", PROJECT, label, str(path), "-o", "json"]
        done = run([sys.executable, "-m", "xnatsync", *words], env)
        told = json.loads(done.out)
        if told["errors"] or told["sent_files"] != told["files"]:
            raise RuntimeError(done.out)
        asked = len(self.server.requests(done.began))
        self.server.ask("DELETE", self.place(label))
        return done, asked

    def curl(self, path: Path, *, extract: bool) -> Run:
        """One upload by curl."""
        label = self.resource()
        kind = "application/zip" if extract else "application/octet-stream"
        query = "extract=true" if extract else "inbody=true"
        url = f"{self.server.url}{self.place(label)}/files/{path.name}?{query}"
        login = ["-u", f"{USER}:{PASSWORD}"]
        done = run(
            ["curl", "-sS", "--fail", *login, "-T", str(path), "-H", f"Content-Type: {kind}", "-H", "Expect:", url]
        )
        self.server.ask("DELETE", self.place(label))
        return done

    def compare(self, path: Path, ready: Path, *, extract: bool, rounds: int) -> dict[str, Any]:
        """Both in turn."""
        ours, curl, asked = [], [], 0
        for _ in range(rounds):
            one, asked = self.ours(path)
            ours.append(one)
            curl.append(self.curl(ready, extract=extract))
        medians = [statistics.median(each.wall_s for each in runs) for runs in (ours, curl)]
        return {
            "median_s": {"ours": round(medians[0], 3), "curl": round(medians[1], 3)},
            "ratio": round(medians[0] / medians[1], 2),
            "requests": asked,
            "peak_mb": round(max(each.peak_mb for each in ours), 1),
            "disk_bytes": max(each.disk_bytes for each in ours),
            "left_in_tmpdir": sorted(each.name for each in self.tmp.rglob("*")),
        }


def many(root: Path, count: int, size: int) -> tuple[Path, Path]:
    """Small files in folders, and a zip of them."""
    folder, ready = root / "small", root / "small.zip"
    chance = random.Random(1)
    with zipfile.ZipFile(ready, "w") as archive:
        for number in range(count):
            place = folder / f"sub-{number // 100:03}" / f"{number:05}.json"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(chance.randbytes(size))
            archive.write(place, place.relative_to(folder).as_posix())
    return folder, ready


def big(root: Path, megabytes: int) -> Path:
    """One large file."""
    place, piece = root / "volume.bin", random.Random(2).randbytes(1 << 20)
    with place.open("wb") as file:
        for number in range(megabytes):
            file.write(number.to_bytes(8, "big") + piece[8:])
    return place


def main() -> int:
    """Measures what was asked for."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--files", type=int, default=5000)
    asked.add_argument("--kb", type=int, default=10, help="kilobytes of each")
    asked.add_argument("--big-mb", type=int, default=256)
    asked.add_argument("--rounds", type=int, default=3)
    asked.add_argument("--folder", type=Path, help="where to work; else a temporary folder")
    asked.add_argument("--json", action="store_true")
    given = asked.parse_args()
    seen: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        root = Path(name)
        with sandbox(root / "xnat") as server:
            bench = Bench(root, server)
            if given.files:
                folder, ready = many(root, given.files, given.kb * 1000)
                seen["many"] = {
                    "files": given.files, "bytes": given.files * given.kb * 1000,
                    **bench.compare(folder, ready, extract=True, rounds=given.rounds),
                }  # fmt: skip
            if given.big_mb:
                place = big(root, given.big_mb)
                seen["big"] = {
                    "bytes": place.stat().st_size, **bench.compare(place, place, extract=False, rounds=given.rounds),
                }  # fmt: skip
    print(json.dumps(seen, indent=None if given.json else 2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
