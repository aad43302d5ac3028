"""The ledger's file among real disks, other processes and damage: nothing is thrown away, nothing is guessed."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from unit.ledger_example import NOW, a_file, a_study, fresh, proven, raw, seen, settled
from xnatsync.core.errors import DiskFull, DiskUnwell, LedgerDamaged, LedgerNewer, LedgerOpen
from xnatsync.ledger.ledger import Ledger
from xnatsync.ledger.open import copy_apart, open_ledger

ROOT = Path(__file__).parents[2]
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")


def contents(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}


def saved(folder: Path) -> dict[str, str]:
    """Everything but the shared memory, in which readers note where they are."""
    return {name: digest for name, digest in contents(folder).items() if not name.endswith("-shm")}


# --- a log without its ledger ------------------------------------------------------------------------------------


def torn(tmp_path: Path, how: str) -> Path:
    """A ledger that was killed with receipts in its log, and whose file then went away."""
    folder = tmp_path / "live"
    ledger = fresh(folder)
    (unit,) = settled(ledger)
    proven(ledger, unit)
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(folder / "ledger.db-wal", copy)
    ledger.close()
    if how == "empty":
        (copy / "ledger.db").touch()
    return copy / "ledger.db"


@pytest.mark.parametrize("how", ["missing", "empty"])
@pytest.mark.parametrize("opened", ["writer", "reader", "copy"])
def test_a_log_without_its_ledger_is_never_thrown_away(tmp_path: Path, how: str, opened: str) -> None:
    """SQLite would delete it to begin anew, with every receipt in it."""
    path = torn(tmp_path, how)
    before = contents(path.parent)
    assert path.with_name("ledger.db-wal").stat().st_size > 0

    with pytest.raises(LedgerDamaged, match="still holds a part"):
        {"writer": open_ledger, "reader": lambda p: open_ledger(p, read_only=True), "copy": copy_apart}[opened](path)

    assert contents(path.parent) == before


def test_a_creation_killed_at_any_moment_is_done_anew(tmp_path: Path) -> None:
    """A new file in WAL mode that has no tables yet is about to begin, not damaged."""
    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path)) as begun:
        begun.execute("pragma journal_mode = wal")

    fresh(tmp_path).close()

    open_ledger(path, read_only=True).close()


def test_opening_again_writes_nothing(tmp_path: Path) -> None:
    """A ledger of this version is not touched by being opened."""
    fresh(tmp_path).close()
    before = contents(tmp_path)

    open_ledger(tmp_path / "ledger.db").close()

    assert contents(tmp_path) == before


# --- damage ------------------------------------------------------------------------------------------------------


def full(tmp_path: Path) -> Path:
    """A closed ledger of many pages."""
    ledger = fresh(tmp_path)
    item = seen(ledger)
    ledger.settle_item(item.id, [a_file(number) for number in range(2000)], [a_study()], NOW)
    ledger.close()
    return tmp_path / "ledger.db"


@pytest.mark.parametrize("header", [bytes(100), bytes(16), b"SQLite format 4\0"])
def test_a_destroyed_header_is_no_ledger_for_anybody(tmp_path: Path, header: bytes) -> None:
    """Writer, reader and plan all refuse, and leave it as evidence."""
    path = full(tmp_path)
    path.write_bytes(header + path.read_bytes()[len(header) :])
    before = path.read_bytes()

    for opened in (open_ledger, lambda p: open_ledger(p, read_only=True), copy_apart):
        with pytest.raises(LedgerDamaged):
            opened(path)

    assert path.read_bytes() == before


def test_damage_that_a_reader_meets_is_told_as_damage(tmp_path: Path) -> None:
    """A reader does not examine every page; it meets the bad one while rows are coming, and says what it is."""
    path = full(tmp_path)
    with closing(sqlite3.connect(path)) as connection:
        root = connection.execute("select rootpage from sqlite_master where name = 'file'").fetchone()[0]
        size = connection.execute("pragma page_size").fetchone()[0]
    data = bytearray(path.read_bytes())
    inner = data[(root - 1) * size : root * size]
    assert inner[0] in {2, 5}, "the table has inner pages"
    last = int.from_bytes(inner[8:12], "big")  # the child with the last rows: found after the first were read
    data[(last - 1) * size : last * size] = b"\xff" * size
    path.write_bytes(data)
    reader = open_ledger(path, read_only=True)

    with pytest.raises(LedgerDamaged):
        reader.files(1)
    with pytest.raises(LedgerDamaged):
        open_ledger(path)
    reader.close()


def test_another_programs_empty_database_is_not_taken_over(tmp_path: Path) -> None:
    """It has its owner's mark, and no tables yet."""
    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("pragma application_id = 1234")
    before = path.read_bytes()

    with pytest.raises(LedgerDamaged, match="not an xnatsync ledger"):
        open_ledger(path)

    assert path.read_bytes() == before


def test_a_ledger_that_lost_its_tables_is_not_begun_anew(tmp_path: Path) -> None:
    """It says that it is one of ours with a version, and everything is gone."""
    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path)) as emptied:
        emptied.execute("pragma application_id = 0x584e5359")
        emptied.execute("pragma user_version = 1")

    with pytest.raises(LedgerDamaged, match="holds no tables"):
        open_ledger(path)


@pytest.mark.parametrize("what", ["another", "newer"])
def test_a_plan_refuses_what_a_run_would_refuse(tmp_path: Path, what: str) -> None:
    """It must not show a plan on an empty copy of something it cannot read."""
    fresh(tmp_path).close()
    with closing(raw(tmp_path)) as connection:
        connection.execute("pragma application_id = 7" if what == "another" else "pragma user_version = 99")

    with pytest.raises(LedgerDamaged if what == "another" else LedgerNewer):
        copy_apart(tmp_path / "ledger.db")


def test_a_copy_leaves_the_bytes_of_the_ledger_alone(tmp_path: Path) -> None:
    """Closed, or in the middle of somebody's work: file and log are the same bytes before and after."""
    ledger = fresh(tmp_path)
    settled(ledger)
    for _ in ("at work", "closed"):
        before = saved(tmp_path)
        copy = copy_apart(tmp_path / "ledger.db")
        seen(copy, "only in the copy")
        copy.close()
        after = saved(tmp_path)
        assert {name: digest for name, digest in after.items() if name in before} == before
        assert set(after.values()) - set(before.values()) <= {hashlib.sha256(b"").hexdigest()}
        ledger.close()


# --- a disk that cannot be written -------------------------------------------------------------------------------


@pytest.fixture
def shelf() -> Iterator[Path]:
    """A folder that an unprivileged account can reach, made unwritable by the test."""
    folder = Path(tempfile.mkdtemp()).resolve()
    folder.chmod(0o755)
    if not all(parent.stat().st_mode & stat.S_IXOTH for parent in folder.parents):
        folder.rmdir()
        pytest.skip("other accounts cannot reach the temporary folders of this machine")
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


UNPRIVILEGED = """
import os, sys
from pathlib import Path
import xnatsync.ledger.open as opening
from xnatsync.core.errors import XnatsyncError
opening.copy_apart(Path("nowhere")).close()  # everything is imported and read while we still may
scripts = opening._scripts()
opening._scripts = lambda: scripts
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
path = Path(sys.argv[2])
try:
    ledger = {"writer": opening.open_ledger, "copy": opening.copy_apart,
              "reader": lambda p: opening.open_ledger(p, read_only=True)}[sys.argv[1]](path)
    print(len(ledger.items(living=False)))
    ledger.close()
except XnatsyncError as error:
    print(error.code)
"""


def as_anybody(how: str, path: Path) -> str:
    """Opens a ledger as an account that file permissions apply to."""
    done = subprocess.run(
        [sys.executable, "-c", UNPRIVILEGED, how, str(path)],
        cwd=ROOT, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def shelve(shelf: Path, *, closed: bool) -> Path:
    ledger = fresh(shelf)
    seen(ledger)
    if not closed:
        for name in ("ledger.db", "ledger.db-wal"):
            shutil.copy(shelf / name, shelf / f"kept-{name}")
    ledger.close()
    if not closed:
        for name in ("ledger.db", "ledger.db-wal"):
            (shelf / f"kept-{name}").rename(shelf / name)
    for file in shelf.iterdir():
        file.chmod(0o444)
    shelf.chmod(0o555)
    return shelf / "ledger.db"


@POSIX
@pytest.mark.parametrize("how", ["reader", "copy"])
def test_a_ledger_on_a_read_only_disk_can_be_read(shelf: Path, how: str) -> None:
    """A backup on a snapshot answers `status` and `why`, though SQLite can make no shared memory beside it."""
    assert as_anybody(how, shelve(shelf, closed=True)) == "1"


@POSIX
@pytest.mark.parametrize("how", ["reader", "copy"])
def test_a_log_that_cannot_be_read_is_never_left_out(shelf: Path, how: str) -> None:
    """With a log beside it the file alone is not the whole ledger: better no answer than an old one."""
    assert as_anybody(how, shelve(shelf, closed=False)) in {DiskUnwell.code, "1"}


@POSIX
def test_a_writer_says_that_the_disk_is_read_only(shelf: Path) -> None:
    """It does not fall back to anything."""
    assert as_anybody("writer", shelve(shelf, closed=True)) == DiskUnwell.code


@POSIX
def test_a_folder_that_takes_no_log_is_told(shelf: Path) -> None:
    """The file could be written, but nothing beside it."""
    path = shelve(shelf, closed=True)
    if os.getuid() == 0:
        os.chown(path, 65534, 65534)
    path.chmod(0o600)

    assert as_anybody("writer", path) == DiskUnwell.code


@POSIX
def test_a_ledger_that_anybody_may_write_is_refused_first(shelf: Path) -> None:
    """Whatever else is wrong beside it: nothing in such a ledger is evidence."""
    path = shelve(shelf, closed=True)
    path.chmod(0o666)

    assert as_anybody("writer", path) == LedgerOpen.code


@POSIX
def test_log_and_shared_memory_are_as_private_as_the_ledger(tmp_path: Path) -> None:
    """Whatever the umask, and also when the file was made by a former life."""
    fresh(tmp_path).close()
    former = os.umask(0)
    try:
        ledger = open_ledger(tmp_path / "ledger.db")
        seen_modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
        ledger.close()
    finally:
        os.umask(former)

    assert seen_modes == dict.fromkeys(["ledger.db", "ledger.db-wal", "ledger.db-shm"], 0o600)


def test_what_follows_a_full_disk_is_not_saved_alone(tmp_path: Path) -> None:
    """SQLite undoes the whole transaction; whoever catches the error and goes on must not save the second half."""
    ledger = fresh(tmp_path)
    pages = ledger.database.execute("pragma page_count").fetchone()[0]
    ledger.database.execute(f"pragma max_page_count = {pages + 2}")

    with pytest.raises((DiskFull, DiskUnwell)):
        go_on_regardless(ledger)

    assert ledger.items() == []
    ledger.database.execute("pragma max_page_count = 100000")
    seen(ledger)
    ledger.close()


def go_on_regardless(ledger: Ledger) -> None:
    with ledger.write():
        seen(ledger, "first half")
        with pytest.raises(DiskFull):
            fill(ledger)
        seen(ledger, "second half " + "x" * 9000)


def fill(ledger: Ledger) -> None:
    with ledger.write():
        for number in range(2000):
            seen(ledger, f"{number} " + "x" * 500)


def test_a_collapsed_transaction_is_told_by_the_next_statement(tmp_path: Path) -> None:
    """As when SQLite rolled back by itself in the middle."""
    ledger = fresh(tmp_path)

    with pytest.raises(DiskUnwell, match="undone"):
        collapse(ledger, then=lambda: ledger.event("test", "never alone", level="info", now=NOW))
    with pytest.raises(DiskUnwell, match="undone"):
        collapse(ledger, then=lambda: None)

    assert ledger.items() == []
    assert ledger.events() == []
    ledger.close()


def collapse(ledger: Ledger, then: Callable[[], None]) -> None:
    with ledger.write():
        seen(ledger, "lost")
        ledger.database.conn.execute("rollback")
        then()
