"""One writer at a time, whatever is removed, moved or replaced beside a process that works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from unit.ledger_example import fresh, seen
from xnatsync.core.errors import LedgerHeld, LedgerMoved, LinkInOurWay
from xnatsync.ledger.ledger import Ledger
from xnatsync.ledger.lock import hold
from xnatsync.ledger.open import open_ledger

ROOT = Path(__file__).parents[2]
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere the lock is on the file beside it")
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows lets nobody remove or move an open file")

HOLDER = """
import sys
from pathlib import Path
from xnatsync.ledger.ledger import Ledger
from xnatsync.ledger.lock import hold
from xnatsync.ledger.open import open_ledger
with hold(Path(sys.argv[1])):
    ledger = open_ledger(Path(sys.argv[1]))
    print("held", flush=True)
    sys.stdin.read()
    ledger.close()
"""


@contextmanager
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds a ledger and has it open."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        yield child
    finally:
        child.communicate(timeout=30)
    assert child.returncode == 0


@LINUX
@pytest.mark.parametrize("how", ["removed", "replaced", "moved"])
def test_removing_the_lock_lets_nobody_in(tmp_path: Path, how: str) -> None:
    """The lock is on the ledger itself: the file beside it only tells who has it."""
    path = tmp_path / "ledger.db"
    with holder(path) as child:
        lock = tmp_path / "ledger.db.lock"
        if how == "moved":
            lock.rename(tmp_path / "away")
        else:
            lock.unlink()
        if how == "replaced":
            lock.touch()
        for _ in range(3):  # a failed try must not have given the lock up
            with pytest.raises(LedgerHeld), hold(path):
                pass
        assert child.poll() is None
    with hold(path):
        pass


@LINUX
def test_a_ledger_that_was_never_opened_is_held_too(tmp_path: Path) -> None:
    """The very first run is as alone as any other."""
    with hold(tmp_path / "ledger.db"):
        (tmp_path / "ledger.db.lock").unlink()
        with pytest.raises(LedgerHeld), hold(tmp_path / "ledger.db"):
            pass


@POSIX
@pytest.mark.parametrize("how", ["moved", "removed", "replaced by a copy", "exchanged between begin and commit"])
def test_a_ledger_that_lies_elsewhere_is_not_written_to(tmp_path: Path, how: str) -> None:
    """What is written there would be known to nobody: the process stops, and says so."""
    path, away = tmp_path / "ledger.db", tmp_path / "away.db"
    ledger = fresh(tmp_path)
    seen(ledger, "before")
    if how.startswith("exchanged"):
        with pytest.raises(LedgerMoved):
            _moved_within(ledger, path, away)
    else:
        shutil.copy(path, tmp_path / "copy.db")
        path.rename(away)
        if how == "replaced by a copy":
            (tmp_path / "copy.db").rename(path)
    with pytest.raises(LedgerMoved, match="moved, removed or replaced"):
        seen(ledger, "after")

    path.unlink(missing_ok=True)
    away.rename(path)
    assert [item.path for item in ledger.items()] == ["before"]
    seen(ledger, "again")
    ledger.close()
    with pytest.raises(LinkInOurWay):
        _held_through_a_link(tmp_path)


@POSIX
@pytest.mark.parametrize("names", [["-wal"], ["-shm", "-wal"]])
@pytest.mark.parametrize("how", ["removed", "moved", "replaced"])
def test_a_log_that_lost_its_name_is_noticed_before_more_is_written(tmp_path: Path, names: list[str], how: str) -> None:
    """A kill would take along what it holds; ending in order brings all of it into the ledger."""
    ledger = fresh(tmp_path)
    seen(ledger, "before")
    for name in names:
        file = tmp_path / f"ledger.db{name}"
        file.rename(tmp_path / f"away{name}")
        if how == "removed":
            (tmp_path / f"away{name}").unlink()
        elif how == "replaced":
            shutil.copy(tmp_path / f"away{name}", file)

    with pytest.raises(LedgerMoved, match="-wal was moved"):
        seen(ledger, "after")

    ledger.close()
    for name in names:
        (tmp_path / f"ledger.db{name}").unlink(missing_ok=True)
    again = open_ledger(tmp_path / "ledger.db")
    assert [item.path for item in again.items()] == ["before"]
    again.examine()
    again.close()


def test_a_log_of_our_own_is_no_other(tmp_path: Path) -> None:
    """Neither a checkpoint nor another process that reads and writes beside us makes it another file."""
    ledger = fresh(tmp_path)
    seen(ledger, "one")
    beside = open_ledger(tmp_path / "ledger.db")
    seen(beside, "two")
    beside.close()
    ledger.database.execute("pragma wal_checkpoint(truncate)")
    seen(ledger, "three")
    assert len(ledger.items()) == 3
    ledger.close()


def _moved_within(ledger: Ledger, path: Path, away: Path) -> None:
    with ledger.write():
        seen(ledger, "within")
        path.rename(away)


def _held_through_a_link(folder: Path) -> None:
    other = folder / "precious"
    other.write_text("precious")
    lock = folder / "ledger.db.lock"
    lock.unlink(missing_ok=True)
    lock.symlink_to(other)
    try:
        with hold(folder / "ledger.db"):
            pass
    finally:
        assert other.read_text() == "precious"


@POSIX
def test_a_ledger_opened_beside_keeps_the_locks_of_sqlite(tmp_path: Path) -> None:
    """Giving up a file's handle gives up every lock of the process on it: no handle is closed while SQLite works."""
    fresh(tmp_path).close()
    first = open_ledger(tmp_path / "ledger.db")
    second = open_ledger(tmp_path / "ledger.db", beside=True)
    seen(first, "one")
    code = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=0)\n"
        "c.execute('pragma locking_mode = exclusive')\n"
        "try:\n    c.execute('select count(*) from item').fetchone()\n    c.execute('begin exclusive')\n"
        "    c.execute('commit')\n    c.execute('pragma journal_mode = delete')\n"
        "except sqlite3.OperationalError: print('locked')\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "ledger.db")], capture_output=True, text=True, check=True
    ).stdout
    assert told == "locked\n"
    seen(second, "two")
    assert {item.path for item in first.items()} == {"one", "two"}
    second.close()
    first.close()


def test_a_transaction_that_only_reads_at_first_is_a_writer_from_its_beginning(tmp_path: Path) -> None:
    """Else another one's write in between would make it fail at its own, whatever the patience."""
    first = fresh(tmp_path)
    second = open_ledger(tmp_path / "ledger.db")
    second.database.execute("pragma busy_timeout = 20")

    with first.write():
        assert first.items() == []
        with pytest.raises(LedgerHeld):
            seen(second, "between")
        seen(first, "mine")

    seen(second, "then")
    assert [item.path for item in first.items()] == ["mine", "then"]
    second.close()
    first.close()
