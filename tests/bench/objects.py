"""Makes the objects that are uploaded: run as a process of its own, so that whoever measures stays small.

`python objects.py FOLDER COUNT [--size BYTES] [--series N] [--zip FILE]`
"""

from __future__ import annotations

import argparse
import os
import random
import time
import zipfile
from pathlib import Path

from xnatsync.dicom.make import SeriesPlan, StudyPlan, make_study

ROWS = 256  # 256 × 256 × 2 bytes make objects of about 130 kB
UID_START = b"2.25."


def make_objects(folder: Path, count: int, series: int = 8, rows: int = ROWS) -> int:
    """Writes `count` valid MR objects of one study; gives their bytes.

    One object of each series is made properly; the others are it with another SOP Instance UID of the same length, in
    the head and in the meta group: drawing a picture takes longer than uploading one.
    """
    plans = tuple(SeriesPlan(n + 1, f"series {n + 1}", 1) for n in range(series))
    plan = StudyPlan("BENCH", "Nobody^Nomen", "20260301", plans, None, (rows, rows))
    chance, total = random.Random(1), 0
    for number, first in enumerate(make_study(folder, plan, seed=1)):
        content = first.read_bytes()
        own = _sop_uid(content)
        first.unlink()
        for index in range(number, count, series):
            other = UID_START + str(chance.randrange(10 ** (len(own) - 6), 10 ** (len(own) - 5))).encode()
            changed = content.replace(own, other)
            place = first.with_name(f"{index:06d}.dcm")
            place.write_bytes(changed)
            total += len(changed)
    return total


def _sop_uid(content: bytes) -> bytes:
    at = content.index(b"\x08\x00\x18\x00UI")
    length = int.from_bytes(content[at + 6 : at + 8], "little")
    return content[at + 8 : at + 8 + length].rstrip(b"\0")


def age(folder: Path, seconds: float = 60.0) -> None:
    """Sets the time of every file back: what was written a moment ago is read once more before it is filed."""
    then = time.time() - seconds
    for path in folder.rglob("*"):
        os.utime(path, (then, then))


def ready_made_zip(folder: Path, target: Path) -> None:
    """Packs the objects, stored, as somebody who uploads by hand would have them ready."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(folder.rglob("*.dcm")):
            archive.write(path, path.name)


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("count", type=int)
    arguments.add_argument("--series", type=int, default=8)
    arguments.add_argument("--rows", type=int, default=ROWS)
    arguments.add_argument("--zip", type=Path)
    given = arguments.parse_args()
    total = make_objects(given.folder, given.count, given.series, given.rows)
    age(given.folder)
    if given.zip is not None:
        ready_made_zip(given.folder, given.zip)
    print(total)


if __name__ == "__main__":
    main()
