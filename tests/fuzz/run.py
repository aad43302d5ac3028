"""Drives one target with the coverage-guided fuzzer.  Needs `pip install atheris`; nothing else does.

    python tests/fuzz/run.py TARGET [--minutes 5] [--work FOLDER]

Begins from the good inputs of `seeds.py` and from `corpus/TARGET`, and keeps what it learns in FOLDER.  The first input
of each kind that gets the better of the program is told and put into FOLDER/found; it belongs into `corpus/TARGET`
together with the change that mends it.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
CORPUS = Path(__file__).parent / "corpus"
INSTRUMENTED = ["xnatsync", "zipfile", "tarfile", "tomllib", "json", "email"]


def main() -> None:
    parser = argparse.ArgumentParser(description="Fuzzes one target; see the head of this file.")
    parser.add_argument("target")
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "xnatsync-fuzzing")
    asked = parser.parse_args()

    import atheris

    sys.path[:0] = [str(TESTS), str(TESTS.parent)]
    with atheris.instrument_imports(include=INSTRUMENTED):
        from fuzz import sandbox_target, targets
        from hostile.oracle import Caught

    learnt, found = asked.work / asked.target, asked.work / "found"
    learnt.mkdir(parents=True, exist_ok=True)
    found.mkdir(exist_ok=True)
    for number, seed in enumerate(targets.seeds(asked.target)):
        (learnt / f"seed-{number}").write_bytes(seed)
    kept = CORPUS / asked.target
    folders = [str(folder) for folder in (learnt, kept) if folder.is_dir()]
    limits = [f"-max_total_time={asked.minutes * 60:.0f}", "-timeout=30", "-rss_limit_mb=3000", "-max_len=65536"]
    prefix = f"-artifact_prefix={found}/{asked.target}-"
    target, kinds = targets.TARGETS[asked.target], set[str]()

    def one(data: bytes) -> None:
        try:
            target(bytes(data))
        except Caught as caught:
            kind = re.sub(r"[0-9]+|b?'.*", "#", str(caught))[:80]
            if kind not in kinds:
                kinds.add(kind)
                place = found / f"{asked.target}-{hashlib.sha256(data).hexdigest()[:12]}"
                place.write_bytes(data)
                print(f"FOUND {place}: {caught}", flush=True)

    assert sandbox_target  # imported above, because what is imported later is not followed
    atheris.Setup([sys.argv[0], *limits, prefix, "-print_final_stats=1", *folders], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
