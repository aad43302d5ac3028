"""What does a mirror ask, and how fast does it pull?  Against curl for the same bytes from the same server, in one run.

    python tests/bench/bench_mirror.py [--sessions 1000] [--rounds 3] [--files 5000] [--big 20] [--json]

*agreement*: a project of so many sessions with 10 scans of 2 resources each: the first pull, a run with nothing
changed, a run after one file was added, one scan deleted and one session renamed; one file replaced by another of
equal size, which only `recheck` sees; requests, bytes and what was done.
*pull*: the whole process `xnatsync sync` of one session (start, inventory, zip, digests, comparison, flush, ledger)
and `xnatsync session download --unzip` of the same, against `curl` that fetches the same files one by one on one
connection, and (small ones) as one zip into one file, each followed by `sync` of the file system, because a mirror is
on the disk when it ends.  *digested* is that curl and then `md5sum` and `sha256sum` side by side: what a script needs
to know as much.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from processes import PASSWORD, USER, Run, Sandbox, environment, run, sandbox  # noqa: E402

import big_project  # noqa: E402
from xnatsync.sandbox.model.site import Site  # noqa: E402

BINARY = "Content-Type: application/octet-stream"


@dataclass(slots=True)
class Mirror:
    """A configuration with one mirror of one project, and everything of it in one folder."""

    root: Path
    server: Sandbox
    project: str
    more: list[str] = field(default_factory=list)

    @property
    def tree(self) -> Path:
        return self.root / "tree"

    def pull(self) -> tuple[Run, dict[str, Any]]:
        """Runs `xnatsync sync` as a process; gives it with its report."""
        self.tree.mkdir(parents=True, exist_ok=True)
        config = self.root / "xnatsync.toml"
        config.write_text(
            f'[ledger]\npath = "{self.root}/ledger.db"\n[servers.bench]\nurl = "{self.server.url}"\nuser = "{USER}"\n'
            f'[routes.m]\nkind = "mirror"\nfolder = "{self.tree}"\nserver = "bench"\nproject = "{self.project}"\n'
            + "".join(f"{line}\n" for line in self.more)
        )
        done = run(
            [sys.executable, "-m", "xnatsync", "--config", str(config), "sync", "--output", "json", "--quiet"],
            environment(XNATSYNC_BENCH_PASSWORD=PASSWORD),
        )
        return done, json.loads(done.out)


def asked(server: Sandbox, done: Run) -> dict[str, Any]:
    """The requests of one run, without logging in and out."""
    entries = [one for one in server.requests(done.began - 0.001) if one["at"] <= done.ended + 0.5]
    login = [one for one in entries if one["path"] in {"/data/JSESSION", "/data/auth"}]
    rest = [one for one in entries if one not in login]
    return {
        "requests": len(rest),
        "login": len(login),
        "bytes_out": sum(one["bytes_out"] for one in rest),
        "wall_s": round(done.wall_s, 2),
        "peak_mb": round(done.peak_mb),
    }


def agreement(root: Path, sessions: int) -> dict[str, Any]:
    """The life of a mirror of a big project."""
    site = Site.on_disk(root / "site")
    site.accounts.add(USER, PASSWORD, admin=True)
    size = big_project.Size(sessions, 10, ("DICOM", "NIFTI"), 1, 100)
    made = big_project.fill(site, "BIG", size)
    site.close()
    found: dict[str, Any] = {}
    with sandbox(root / "site") as server:
        mirror = Mirror(root, server, "BIG", ['policy = "replica"'])

        def step(name: str) -> None:
            done, report = mirror.pull()
            found[name] = {**asked(server, done), **_told(report)}

        step("first pull")
        step("nothing changed")
        first, second, third = made[0], made[1], made[2]
        _put(server, f"experiments/{first.id}/scans/1/resources/NIFTI/files/added.txt", b"added")
        _delete(server, f"experiments/{second.id}/scans/2?removeFiles=true")
        server.ask("PUT", f"/data/experiments/{third.id}?label=RENAMED_MR")
        step("added, deleted, renamed")
        entry = f"experiments/{made[3].id}/scans/1/resources/NIFTI/files/00000.nifti"
        _put(server, f"{entry}?overwrite=true", b"y" * 100)
        step("replaced by equal size, not seen")
        mirror.more.append('recheck = "0s"')
        step("everything listed again")
        mirror.more.pop()
        step("everything listed again: the settings changed")
        step("nothing changed, at the end")
    return found


def pull(root: Path, files: int, file_bytes: int, rounds: int, *, alone: bool) -> dict[str, Any]:
    """One session against curl, in turn."""
    command = [sys.executable, __file__, "--seed", str(root / "site"), "--files", str(files)]
    session = subprocess.run([*command, "--bytes", str(file_bytes)], check=True, stdout=subprocess.PIPE, text=True)
    ours: list[Run] = []
    times: dict[str, list[float]] = {"curl": [], "curl_digested": [], "curl_zip": [], "download": []}
    requests = 0
    with sandbox(root / "site") as server:
        for number in range(rounds + 1):  # the first of each warms the page cache and does not count
            place = root / f"ours{number}"
            done, report = Mirror(place, server, "PULL", ["metadata = false"]).pull()
            got = sum(1 for path in (place / "tree").rglob("*.dicom"))
            assert got == files, (got, report)
            requests = asked(server, done)["requests"]
            number_id = session.stdout.strip()
            seconds = _curl(server, number_id, root / f"curl{number}", files, alone=True)
            taken = {
                "curl": seconds,
                "curl_digested": seconds + _digest(root / f"curl{number}"),
                "curl_zip": 0.0 if alone else _curl(server, number_id, root / f"zip{number}", files, alone=False),
                "download": _download(server, number_id, root / f"down{number}", files),
            }
            if number:
                ours.append(done)
                for name, one in taken.items():
                    times[name].append(one)
            if alone:  # many files stay to the end: ext4 passes over inodes deleted in the last minute, one by one,
                for folder in (place, *(root / f"{kind}{number}" for kind in ("curl", "down"))):
                    shutil.rmtree(folder, ignore_errors=True)  # which costs whoever makes the next ones a second
    mine = statistics.median(done.wall_s for done in ours)
    middle = {name: statistics.median(found) for name, found in times.items()}
    return {
        "files": files,
        "bytes": files * file_bytes,
        "ours_s": round(mine, 2),
        "ours_all_s": [round(done.wall_s, 2) for done in ours],
        "curl_all_s": [round(one, 2) for one in times["curl"]],
        **{f"{name}_s": round(one, 2) for name, one in middle.items() if one},
        "ratio": round(mine / middle["curl"], 2),
        "ratio_digested": round(mine / middle["curl_digested"], 2),
        "ratio_download": round(middle["download"] / middle["curl"], 2),
        "requests": requests,
        "peak_mb": round(max(done.peak_mb for done in ours)),
        "cpu_s": round(statistics.median(done.cpu_s for done in ours), 2),
    }


def seed(folder: Path, files: int, file_bytes: int) -> str:
    """Makes one session, in a process of its own: a child's peak memory begins with that of its parent."""
    site = Site.on_disk(folder)
    site.accounts.add(USER, PASSWORD, admin=True)
    made = big_project.fill(site, "PULL", big_project.Size(1, 1, ("DICOM",), files, file_bytes))
    site.close()
    return made[0].id


def _curl(server: Sandbox, session: str, place: Path, files: int, *, alone: bool) -> float:
    place.mkdir()
    where = f"{server.url}/data/experiments/{session}/scans/1/resources/DICOM/files"
    auth = ["-sS", "--fail", "-b", "", "-u", f"{USER}:{PASSWORD}"]  # with cookies: one login, as ours
    if alone:
        command = ["curl", *auth, f"{where}/[00000-{files - 1:05d}].dicom", "-o", f"{place}/#1.dicom"]
    else:
        command = ["curl", *auth, f"{where}?format=zip", "-o", f"{place}/all.zip"]
    start = time.perf_counter()
    subprocess.run(command, check=True)
    subprocess.run(["sync", "-f", str(place)], check=True)
    return time.perf_counter() - start


def _digest(place: Path) -> float:
    """Both digests of everything, one process each."""
    start = time.perf_counter()
    command = "find . -type f -exec md5sum {} + >../md5 & find . -type f -exec sha256sum {} + >../sha256; wait"
    subprocess.run(["sh", "-c", command], check=True, cwd=place)
    return time.perf_counter() - start


def _download(server: Sandbox, session: str, place: Path, files: int) -> float:
    """The one-shot form, without configuration and ledger."""
    login = environment(XNAT_URL=server.url, XNAT_USER=USER, XNAT_PASS=PASSWORD)
    done = run(
        [sys.executable, "-m", "xnatsync", "session", "download", "-E", session, "--out", str(place), "--unzip"], login
    )
    assert sum(1 for path in place.rglob("*.dicom")) == files, done.out
    return done.wall_s


def _put(server: Sandbox, path: str, content: bytes) -> None:
    url = f"{server.url}/data/{path}"
    url += ("&" if "?" in url else "?") + "inbody=true"
    subprocess.run(
        ["curl", "-sS", "--fail", "-u", f"{USER}:{PASSWORD}", "-X", "PUT", "-H", BINARY, "--data-binary", "@-", url],
        input=content,
        check=True,
    )


def _delete(server: Sandbox, path: str) -> None:
    server.ask("DELETE", f"/data/{path}")


def _told(report: dict[str, Any]) -> dict[str, Any]:
    return {"did": report["mirrors"][0]["counts"]} if report.get("mirrors") else {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--big", type=int, default=20)
    parser.add_argument("--big-mb", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seed", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--bytes", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.seed is not None:
        print(seed(given.seed, given.files, given.bytes))
        return
    found: dict[str, Any] = {"machine": f"{platform.machine()}, {os.cpu_count()} cores", "load": os.getloadavg()}
    parts = {
        "agreement": lambda root: agreement(root, given.sessions),
        "small files": lambda root: pull(root, given.files, 130_000, given.rounds, alone=False),
        "big files": lambda root: pull(root, given.big, given.big_mb * 10**6, given.rounds, alone=True),
    }
    wanted = {"agreement": given.sessions, "small files": given.files, "big files": given.big}
    for name, part in parts.items():
        if wanted[name]:
            with tempfile.TemporaryDirectory(prefix="bench-") as root:
                found[name] = part(Path(root))
            if not given.json:
                print(name, json.dumps(found[name], indent=2), flush=True)
    if given.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
