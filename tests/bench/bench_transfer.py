"""How fast are resources carried from server to server?  Against curl that downloads and then uploads the same bytes.

    python tests/bench/bench_transfer.py [--sessions 50] [--scans 10] [--files 100] [--big 10] [--big-mb 2000]
        [--workers 1 2] [--mbit 1000] [--rounds 1] [--json]

*small*: so many sessions of so many scans of so many files of 130 kB; *big*: so many sessions of one file.  Ours is a
whole process: it lists the source, carries every resource and proves it by a listing of the destination.  curl gets
each resource as a zip into a file and puts the zip with `extract=true`; a big file as it is; one process each, the
connection is kept, and the disk is not waited for.  The destination has the sessions and scans, and no resources.
With --mbit the kernel lets what the source sends, and what the destination gets, each have a line of its own (see
`netline`).  *temporary bytes* are what the process wrote to files, as the kernel counts them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from netline import entered  # noqa: E402
from processes import PASSWORD, USER, Sandbox, environment, run, sandbox  # noqa: E402

PROJECT, FILE_BYTES = "MOVE", 130_000


@dataclass(frozen=True, slots=True)
class Shape:
    """What is to be carried."""

    sessions: int
    scans: int
    files: int
    file_bytes: int

    @property
    def bytes(self) -> int:
        return self.sessions * self.scans * self.files * self.file_bytes

    @property
    def words(self) -> list[str]:
        return [str(one) for one in (self.sessions, self.scans, self.files, self.file_bytes)]


def seed(root: Path, shape: Shape) -> None:
    """Makes both sites, in a process of its own: a child's peak memory begins with that of its parent."""
    import big_project
    from xnatsync.sandbox.model.site import Site

    for name, labels in (("source", ("DICOM",)), ("destination", ())):
        site = Site.on_disk(root / name)
        site.accounts.add(USER, PASSWORD, admin=True)
        size = big_project.Size(shape.sessions, shape.scans, labels, shape.files, shape.file_bytes)
        big_project.fill(site, PROJECT, size)
        site.close()


def carried(here: str, there: str, workers: int) -> dict[str, Any]:
    """Carries the project; this is the process that is measured."""
    from xnatsync.core.inventory import Owner, OwnerKind, ResourceKey
    from xnatsync.core.remote import RemoteFile
    from xnatsync.routes.transfer.carry import Carrier, Reading, pack_bytes
    from xnatsync.routes.transfer.load import Load
    from xnatsync.routes.transfer.proof import prove
    from xnatsync.xnat.server import XnatServer

    class Half(XnatServer):
        all_files = XnatServer.owner_files

    found = {"files": 0, "bytes": 0, "proven": 0, "problems": 0}
    with (
        Half(here, USER, PASSWORD, server_name="here") as source,
        Half(there, USER, PASSWORD, server_name="there") as destination,
    ):
        known = {
            owner.session: owner for owner in destination.inventory(PROJECT, frozenset({OwnerKind.SESSION})).owners
        }

        def session(owner: Owner) -> None:
            of_key: dict[ResourceKey, list[RemoteFile]] = {}
            for file in source.all_files([owner])[owner].files:
                of_key.setdefault(ResourceKey(file.scan, file.resource), []).append(file)
            loads = [Load(key, key, tuple(files), tuple(files)) for key, files in of_key.items()]
            target, results = known[owner.session], []
            with Reading(source, owner, loads, pack=pack_bytes(workers)) as reading:
                for load in loads:
                    carrier = Carrier(destination, target, load, f"bench-{owner.id}-{load.target.scan}")
                    results.append((load, carrier.carry(reading.of(load))))
            listing = destination.all_files([target])[target]
            for load, result in results:
                proof = prove(destination, target, load.target, result.arrived, listing=listing)
                found["files"] += len(result.arrived)
                found["bytes"] += result.bytes
                found["proven"] += len(proof.proven)
                found["problems"] += not result.complete

        owners = list(source.inventory(PROJECT, frozenset({OwnerKind.SESSION})).owners)
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(session, owners))
    return found


def shaped(source: Sandbox, destination: Sandbox, mbit: float) -> None:
    """Gives each direction that matters a line of its own, in the network that is this script's alone."""
    here, there = (server.url.rpartition(":")[2] for server in (source, destination))
    lines = [
        "tc qdisc del dev lo root",
        "tc qdisc add dev lo root handle 1: htb default 1",
        "tc class add dev lo parent 1: classid 1:1 htb rate 100gbit",
        f"tc class add dev lo parent 1: classid 1:10 htb rate {mbit:g}mbit burst 256kb cburst 256kb",
        f"tc class add dev lo parent 1: classid 1:20 htb rate {mbit:g}mbit burst 256kb cburst 256kb",
        f"tc filter add dev lo protocol ip parent 1: u32 match ip sport {here} 0xffff flowid 1:10",
        f"tc filter add dev lo protocol ip parent 1: u32 match ip dport {there} 0xffff flowid 1:20",
    ]
    for line in lines:
        subprocess.run(line.split(), check=True)


def curl(source: Sandbox, destination: Sandbox, root: Path, shape: Shape) -> tuple[float, float]:
    """Downloads everything, and then uploads it; gives the seconds of each."""
    asked = f"/data/projects/{PROJECT}/experiments?format=json"
    ids = [json.loads(server.ask("GET", asked))["ResultSet"]["Result"] for server in (source, destination)]
    there = {row["label"]: row["ID"] for row in ids[1]}
    down, up = [], []
    for row in ids[0]:
        for scan in range(1, shape.scans + 1):
            place = root / f"{row['ID']}-{scan}"
            of_scan = f"scans/{scan}/resources/DICOM/files"
            name = "?format=zip" if shape.files > 1 else "/00000.dicom"
            down.append(f'url = "{source.url}/data/experiments/{row["ID"]}/{of_scan}{name}"\noutput = "{place}"')
            name = "/all.zip?extract=true&inbody=true" if shape.files > 1 else "/00000.dicom?inbody=true"
            target = f"{destination.url}/data/experiments/{there[row['label']]}/{of_scan}{name}"
            up.append(f'url = "{target}"\nupload-file = "{place}"\noutput = "/dev/null"')
    took = []
    for number, parts in enumerate((down, up)):
        config = root / f"curl{number}.txt"
        config.write_text(
            "\nnext\n".join(f'silent\nshow-error\nfail\nuser = "{USER}:{PASSWORD}"\n{part}' for part in parts)
        )
        start = time.perf_counter()
        subprocess.run(["curl", "-b", "", "-K", str(config)], check=True)
        took.append(time.perf_counter() - start)
    return took[0], took[1]


def measured(shape: Shape, workers: int, mbit: float, *, ours: bool) -> dict[str, Any]:
    """One contestant against sites of its own."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        root = Path(folder)
        subprocess.run([sys.executable, __file__, "--seed", folder, *shape.words], check=True)
        with sandbox(root / "source") as source, sandbox(root / "destination") as destination:
            if mbit:
                shaped(source, destination, mbit)
            if not ours:
                down, up = curl(source, destination, root, shape)
                return {"down_s": round(down, 2), "up_s": round(up, 2), "wall_s": down + up}
            command = [sys.executable, __file__, "--carry", source.url, destination.url, str(workers)]
            done = run(command, environment())
            told = json.loads(done.out)
            assert told["proven"] == shape.sessions * shape.scans * shape.files, told
            return {
                **told,
                "wall_s": done.wall_s,
                "cpu_s": round(done.cpu_s, 2),
                "peak_mb": round(done.peak_mb),
                "temporary_bytes": done.disk_bytes,
                "source_requests": _requests(source, done.began),
                "destination_requests": _requests(destination, done.began),
            }


def _requests(server: Sandbox, since: float) -> dict[str, int]:
    counts: dict[str, int] = {}
    for entry in server.requests(since - 0.001):
        if entry["path"] not in {"/data/JSESSION", "/data/auth"}:
            counts[entry["method"]] = counts.get(entry["method"], 0) + 1
    return counts


def compared(shape: Shape, workers: list[int], mbit: float, rounds: int) -> dict[str, Any]:
    """Ours with each number of workers against curl, in turn."""
    found: dict[str, Any] = {"bytes": shape.bytes, "files": shape.sessions * shape.scans * shape.files}
    times: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, many in [("curl", 0), *((f"{many} workers", many) for many in workers)]:
            one = measured(shape, many, mbit, ours=bool(many))
            times.setdefault(name, []).append(one.pop("wall_s"))
            found[name] = one
    for name, took in times.items():
        found[name]["wall_s"] = round(statistics.median(took), 2)
        if name != "curl":
            ratios = [ours / theirs for ours, theirs in zip(took, times["curl"], strict=True)]
            found[name]["ratio"] = round(statistics.median(ratios), 2)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--scans", type=int, default=10)
    parser.add_argument("--files", type=int, default=100)
    parser.add_argument("--big", type=int, default=10)
    parser.add_argument("--big-mb", type=int, default=2000)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--mbit", type=float, default=0.0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seed", nargs=5, help=argparse.SUPPRESS)
    parser.add_argument("--carry", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.seed:
        seed(Path(given.seed[0]), Shape(*map(int, given.seed[1:])))
        return
    if given.carry:
        print(json.dumps(carried(given.carry[0], given.carry[1], int(given.carry[2]))))
        return
    why = entered(given.mbit) if given.mbit else ""
    mbit = 0.0 if why else given.mbit
    found: dict[str, Any] = {"machine": f"{platform.machine()}, {os.cpu_count()} cores", "load": os.getloadavg()}
    found["mbit"] = mbit or why
    shapes = {
        "small": Shape(given.sessions, given.scans, given.files, FILE_BYTES),
        "big": Shape(given.big, 1, 1, given.big_mb * 10**6),
    }
    for name, shape in shapes.items():
        if shape.bytes:
            found[name] = compared(shape, given.workers, mbit, given.rounds)
            if not given.json:
                print(name, json.dumps(found[name], indent=2), flush=True)
    if given.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
