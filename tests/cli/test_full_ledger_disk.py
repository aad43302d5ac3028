"""A real disk without room under the ledger: it is named, what only tells goes on telling, nothing is lost."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli_world import World
from xnatsync.core.errors import DiskFull
from xnatsync.ledger.open import open_ledger


@pytest.fixture
def full(box: World) -> Iterator[Path]:
    """A disk of 2 MB for the ledger."""
    mount, umount = shutil.which("mount"), shutil.which("umount")
    place = box.root / "small"
    place.mkdir()
    command = [mount or "", "-t", "tmpfs", "-o", "size=2m", "none", str(place)]
    if sys.platform != "linux" or not mount or not umount or subprocess.run(command, check=False).returncode:
        pytest.skip("mounting a small disk is not allowed here")
    try:
        text = box.config.read_text("utf-8").replace(str(box.root / "ledger.db"), str(place / "ledger.db"))
        box.config.write_text(text, encoding="utf-8")
        yield place
    finally:
        subprocess.run([umount, "-l", str(place)], check=True)


def fill(place: Path) -> Path:
    """Take every byte that is left."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    return filler


def test_a_disk_without_room_is_named_and_loses_nothing(box: World, full: Path) -> None:
    """What writes ends with its code and touches nothing; what tells goes on; with room again all goes its way."""
    box.study("one")
    assert box.run("sync").code == 0
    box.study("two", "P2", seed=2)
    filler = fill(full)
    dropped = sorted((path, path.stat().st_mtime_ns) for path in (box.drop / "two").rglob("*"))
    asked = len(box.server.log)

    for words in (["sync"], ["retry", "--all"], ["verify"], ["verify", "--repair"]):
        ran = box.run(*words, "-o", "json")
        assert (ran.code, ran.document["error"]["code"]) == (5, "XS-DISK-FULL"), words
        assert "no space left on its disk" in ran.err
    for words in (["status"], ["history"], ["why", "one"]):
        ran = box.run(*words)
        assert ran.code == 0, ran.err
        assert "one" in ran.out or words == ["status"]
    assert "only 0 B are free where the ledger is" in " ".join(box.run("doctor").out.split())
    assert dropped == sorted((path, path.stat().st_mtime_ns) for path in (box.drop / "two").rglob("*"))
    assert not [entry for entry in box.server.log[asked:] if entry["method"] == "POST" and "import" in entry["path"]]
    filler.unlink()
    assert box.run("sync").code == 0
    assert box.run("verify").code == 0


def test_a_disk_that_fills_up_while_a_run_writes_is_named(box: World, full: Path) -> None:
    """The ledger has its log and its shared memory already: the failure comes from a write."""
    ledger = open_ledger(full / "ledger.db")
    filler = fill(full)

    def write() -> None:
        for number in range(5000):
            ledger.event("test", "x" * 1000, level="info", now=f"2026-03-01T12:00:{number % 60:02}.000Z")

    with pytest.raises(DiskFull):
        write()

    filler.unlink()
    ledger.event("test", "room again", level="info", now="2026-03-01T12:00:00.000Z")
    ledger.close()
    assert "room again" in box.run("history").out


def test_a_log_that_waits_is_never_passed_over(box: World, full: Path) -> None:
    """With receipts in a log that cannot be read without room, the file alone would be an older truth."""
    ledger = open_ledger(full / "ledger.db")
    ledger.event("test", "in the log", level="info", now="2026-03-01T12:00:00.000Z")
    copy = box.root / "killed"
    copy.mkdir()
    for name in ("ledger.db", "ledger.db-wal"):
        shutil.copy(full / name, copy)
    ledger.close()
    for name in ("ledger.db", "ledger.db-wal"):
        shutil.copy(copy / name, full)
    filler = fill(full)

    ran = box.run("history", "-o", "json")

    assert (ran.code, ran.document["error"]["code"]) == (5, "XS-DISK-FULL")
    filler.unlink()
    assert "in the log" in box.run("history").out
