"""An exam of many objects written flat, against the same in a folder: requests and seconds.

python tests/bench/bench_flat.py [OBJECTS]
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from drop_world import DropWorld


def measured(root: Path, objects: int, *, flat: bool) -> tuple[int, float]:
    """Delivers one series of so many objects; gives the requests and the seconds that it took."""
    root.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        world = DropWorld(root, patch)
        try:
            made = world.study(series=(objects,))
            if flat:
                for number, path in enumerate(made):
                    path.rename(world.folder / f"IM{number:05}")
                made[0].parent.rmdir()
                made[0].parent.parent.rmdir()
            begun, at = len(world.server.log), time.perf_counter()
            assert world.sync().exit_code == 0
            return len(world.server.log) - begun, time.perf_counter() - at
        finally:
            world.close()


def main() -> None:
    """Prints both, three rounds in turn."""
    objects = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory() as folder:
        for number in range(3):
            for name, flat in (("folder", False), ("flat", True)):
                requests, seconds = measured(Path(folder) / f"{name}{number}", objects, flat=flat)
                print(f"{objects} objects, {name}: {requests} requests, {seconds:.2f} s")


if __name__ == "__main__":
    main()
