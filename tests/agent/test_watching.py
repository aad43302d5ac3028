"""Events are hints: of what kind a drive is, what limits say, and what is done where none come."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from xnatsync.agent.watching import MISSED_MAX, Events, Watching
from xnatsync.disk.mounts import kind_in

MOUNTS = """\
22 1 8:1 / / rw - ext4 /dev/sda1 rw
30 22 0:40 / /mnt/nas rw shared:1 - nfs4 nas:/export rw
31 30 8:2 / /mnt/nas/local rw - xfs /dev/sdb rw
32 22 0:41 / /mnt/with\\040space rw - cifs //server/share rw
33 22 0:42 / /mnt/odd rw - fuse.rclone remote: rw
34 22 0:43 / /mnt/stick rw - fuse.exfat /dev/sdc rw
35 22 0:44 / /mnt/twice rw - ext4 /dev/sdd rw
36 35 0:45 / /mnt/twice rw - nfs nas:/other rw
garbage
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/data/drop", None), ("/mnt/nas/drop", "nfs4"), ("/mnt/nas", "nfs4"), ("/mnt/nas2/drop", None),
        ("/mnt/nas/local/drop", None), ("/mnt/with space/a", "cifs"), ("/mnt/odd/x", "fuse.rclone"),
        ("/mnt/stick/x", None), ("/mnt/twice/x", "nfs"),
    ],
)  # fmt: skip
def test_the_longest_mount_point_tells_the_kind_of_drive(folder: str, kind: str | None) -> None:
    """An unknown file system in user space counts as remote; of two at one place the later one counts."""
    assert kind_in(MOUNTS, folder) == kind


class Watcher:
    """Notes who is watched; may refuse."""

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self.watched: list[Path] = []
        self.ended = 0

    def watch(self, folder: Path, changed: Callable[[str], None]) -> Callable[[], None]:
        if self.number:
            raise OSError(self.number, "no more")
        self.watched.append(folder)
        return self._end

    def _end(self) -> None:
        self.ended += 1

    def close(self) -> None:
        """Nothing."""


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "max_user_watches"), (errno.EMFILE, "max_user_instances"), (errno.EPERM, "no more")],
)
def test_a_limit_is_explained_and_the_folder_only_looked_at(tmp_path: Path, number: int, words: str) -> None:
    watching = Watching(Watcher(number), lambda route, name: None)
    watching.see("r", tmp_path)

    assert words in watching.told()["r"]


def test_a_folder_that_was_replaced_is_watched_anew_and_one_that_stands_is_not(tmp_path: Path) -> None:
    watcher = Watcher()
    watching = Watching(watcher, lambda route, name: None)
    folder = tmp_path / "drop"
    folder.mkdir()
    for _ in range(3):
        watching.see("r", folder)
    folder.rename(tmp_path / "away")
    folder.mkdir()
    watching.see("r", folder)

    assert (len(watcher.watched), watcher.ended, watching.told()) == (2, 1, {"r": "events"})


def test_events_that_do_not_come_are_noticed_and_told(tmp_path: Path) -> None:
    watcher = Watcher()
    watching = Watching(watcher, lambda route, name: None)
    watching.see("r", tmp_path, MISSED_MAX - 1)
    watching.see("r", tmp_path, MISSED_MAX - 1)
    assert watching.told() == {"r": "events"}
    watching.see("r", tmp_path, MISSED_MAX)
    watching.see("r", tmp_path, 0)

    assert "without events" in watching.told()["r"]
    assert (len(watcher.watched), watcher.ended) == (1, 1)


def test_a_burst_of_files_that_are_written_and_renamed_is_seen_whole(tmp_path: Path) -> None:
    """The pinned version of watchdog: each name once they have theirs, of plain files, moved ones and folders."""
    seen: set[str] = set()
    events = Events()
    events.watch(tmp_path, seen.add)
    try:
        for number in range(1_000):
            part = tmp_path / f".{number}.part"
            part.write_bytes(b"x")
            part.rename(tmp_path / f"{number}.dcm")
        (tmp_path / "folder").mkdir()
        wanted = {"folder", *(f"{number}.dcm" for number in range(1_000))}
        until = time.monotonic() + 20
        while not wanted <= seen and time.monotonic() < until:
            time.sleep(0.01)
    finally:
        events.close()

    assert wanted - seen == set()
