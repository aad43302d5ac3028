"""One of our own folders is a link: the run says which, touches nothing behind it, and goes on once it is mended."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from drop_world import DropWorld

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links of POSIX")


def everything(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("after", ["move", "delete"])
@pytest.mark.parametrize("which", [".xnatsync", "custody", "day"])
def test_a_linked_folder_of_ours_halts_its_route_and_is_named(world: DropWorld, after: str, which: str) -> None:
    """An administrator moved it to a bigger disk; mending it is all that is needed."""
    world.configure(after=after)
    world.study("first", patient="SUB1")
    assert world.sync().exit_code == 0
    bigger = world.root / "bigger disk"
    bigger.mkdir()
    (bigger / "precious").write_bytes(b"precious")
    done = next((path for path in world.folder.rglob("done") if path.is_dir()), world.folder / ".xnatsync/done")
    if which == "day":
        day = next(iter(sorted(done.iterdir())), None) if done.exists() else None
        if day is None:
            pytest.skip("nothing is filed under `delete`")
        link = day
    else:
        link = world.folder / ".xnatsync" / ("" if which == ".xnatsync" else which)
    if link.exists():
        shutil.move(link, bigger / "moved")
    link.symlink_to(bigger)
    before = everything(bigger)
    world.study("second", patient="SUB2", seed=2)

    report = world.sync(patience_s=2.0)

    told = " ".join(str(error) for error in report.errors)
    assert report.exit_code == 7
    assert f"{link} is a link" in told
    assert all("mount" in error.remedy for error in report.errors if "is a link" in str(error))
    assert everything(bigger) == before

    link.unlink()
    if (bigger / "moved").exists():
        shutil.move(bigger / "moved", link)
    report = world.sync()
    assert report.exit_code == 0, report.errors
    assert "second" not in {path.name for path in world.folder.iterdir()}
    assert (bigger / "precious").read_bytes() == b"precious"
