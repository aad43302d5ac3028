"""How long does C-STORE of a study take?  Against dcmtk's storescu, to the same receiver, in turn.

    python tests/bench/bench_cstore.py [--objects 2000] [--rounds 3] [--workers 4] [--json]

*ours* is the whole process `xnatsync session upload-dicom` (start, look, digests, C-ECHO, transfer, ledger), each time
with a ledger of its own; *storescu* sends the same folder over one association.  The receiver is `storescp --fork +B`,
once as it is installed (it waits for an acknowledgement in the middle of each answer: one round), once with
TCP_NODELAY=1, for both sides.  Without dcmtk a plain pynetdicom receiver and sender stand in.  What arrived is
counted after each run.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from processes import Run, environment, run

TITLE = "KEEPER"
PLAIN_SENDER = """
import sys
from pathlib import Path
from pydicom import dcmread
from pynetdicom import AE
from pynetdicom.sop_class import MRImageStorage
entity = AE("PLAIN")
entity.add_requested_context(MRImageStorage, "1.2.840.10008.1.2.1")
association = entity.associate("127.0.0.1", int(sys.argv[1]), ae_title=sys.argv[2])
for path in sorted(Path(sys.argv[3]).rglob("*.dcm")):
    assert association.send_c_store(dcmread(path)).Status == 0
association.release()
"""
PLAIN_RECEIVER = """
import sys, uuid
from pathlib import Path
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.sop_class import Verification
folder = Path(sys.argv[3])
def store(event):
    (folder / uuid.uuid4().hex).write_bytes(event.encoded_dataset())
    return 0
entity = AE(sys.argv[2])
entity.supported_contexts = AllStoragePresentationContexts
entity.add_supported_context(Verification)
entity.start_server(("127.0.0.1", int(sys.argv[1])), evt_handlers=[(evt.EVT_C_STORE, store)])
"""


def make(folder: Path, objects: int) -> None:
    """Objects of about 130 kB in series of 200."""
    from xnatsync.dicom.make import SeriesPlan, StudyPlan, make_study

    counts = [min(200, objects - done) for done in range(0, objects, 200)]
    series = tuple(SeriesPlan(number, f"s{number}", count) for number, count in enumerate(counts, 1))
    make_study(folder, StudyPlan("P1", "P^1", "20260101", series, size=(256, 256)), seed=1)


@contextmanager
def receiver(held: Path, env: dict[str, str]) -> Iterator[int]:
    """A receiver that writes what it is sent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    command = [sys.executable, "-c", PLAIN_RECEIVER, str(port), TITLE, str(held)]
    if shutil.which("storescp"):
        command = ["storescp", "--fork", "+B", "+xa", "-aet", TITLE, "-od", str(held), str(port)]
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(400):
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    time.sleep(0.05)
            yield port
        finally:
            process.terminate()


def ours(study: Path, port: int, root: Path, workers: int, env: dict[str, str]) -> Run:
    """The command, with a ledger of its own."""
    settings = root / "xnatsync.toml"
    settings.write_text(f'[ledger]\npath = "{root}/ledger-{time.monotonic_ns()}.db"\n')
    command = [sys.executable, "-m", "xnatsync", "--config", str(settings), "session", "upload-dicom", str(study)]
    where = ["--host", "127.0.0.1", "--port", str(port), "--called-aet", TITLE, "--workers", str(workers), "-q"]
    return run([*command, *where], env)


def theirs(study: Path, port: int, env: dict[str, str]) -> Run:
    """storescu, or a plain loop over one association."""
    if shutil.which("storescu"):
        return run(["storescu", "-R", "-aec", TITLE, "127.0.0.1", str(port), "+sd", "+r", str(study)], env)
    return run([sys.executable, "-c", PLAIN_SENDER, str(port), TITLE, str(study)], env)


def measure(
    study: Path, root: Path, objects: int, rounds: int, workers: Sequence[int], nodelay: bool
) -> dict[str, object]:
    """All contestants in turn, to a receiver that was begun for this."""
    env = environment(**({"TCP_NODELAY": "1"} if nodelay else {}))
    held = root / f"held-{nodelay}"
    held.mkdir()
    runs: dict[str, list[Run]] = {}
    with receiver(held, env) as port:
        for _ in range(rounds):
            for name in ("theirs", *(f"ours, {count} at once" for count in workers)):
                count = int(name.split()[1]) if name != "theirs" else 0
                did = ours(study, port, root, count, env) if count else theirs(study, port, env)
                arrived = sum(1 for path in held.iterdir() if path.stat().st_size > 100_000 or objects < 10)
                assert arrived == objects, (name, arrived)
                shutil.rmtree(held)
                held.mkdir()
                runs.setdefault(name, []).append(did)
    return {
        name: {
            "wall_s": round(statistics.median(one.wall_s for one in found), 2),
            "cpu_s": round(statistics.median(one.cpu_s for one in found), 2),
            "peak_mb": round(max(one.peak_mb for one in found), 1),
            "objects_a_second": round(objects / statistics.median(one.wall_s for one in found)),
        }
        for name, found in runs.items()
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        make(root / "study", given.objects)
        found = {
            "objects": given.objects,
            "receiver": "storescp" if shutil.which("storescp") else "pynetdicom",
            "sender": "storescu" if shutil.which("storescu") else "pynetdicom, one association",
            "load": round(os.getloadavg()[0], 1),
            "as installed": measure(root / "study", root, given.objects, 1, given.workers, nodelay=False),
            "TCP_NODELAY": measure(root / "study", root, given.objects, given.rounds, given.workers, nodelay=True),
        }
    if given.json:
        print(json.dumps(found, indent=2))
        return
    print(f"{found['objects']} objects from {found['sender']} to {found['receiver']}, load {found['load']}")
    for name in ("as installed", "TCP_NODELAY"):
        print(name)
        for who, figures in found[name].items():  # type: ignore[attr-defined]
            print(f"  {who:<20} {figures}")


if __name__ == "__main__":
    main()
