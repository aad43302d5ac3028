"""Opening a ledger: ours, intact, on a disk that can keep it; and what survives a kill -9."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from unit.ledger_example import NOW, fresh, proven, raw, seen, settled
from xnatsync.core.errors import (
    Bug,
    DiskError,
    DiskFull,
    DiskUnwell,
    LedgerDamaged,
    LedgerError,
    LedgerHeld,
    LedgerNewer,
    LedgerRemote,
    NothingFound,
    PlaceTaken,
)
from xnatsync.ledger import open as opening
from xnatsync.ledger import place
from xnatsync.ledger.connection import translated
from xnatsync.ledger.ledger import Ledger
from xnatsync.ledger.lock import hold
from xnatsync.ledger.open import copy_apart, open_ledger

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX")
ROOT = Path(__file__).parents[2]


def test_a_new_ledger_is_durable_and_ours(tmp_path: Path) -> None:
    """WAL, full synchronisation, foreign keys, our mark and version: asked of SQLite, not of us."""
    ledger = fresh(tmp_path / "new" / "folder")
    ask = ledger.database.execute
    steps = sorted(path.stem for path in (Path(opening.__file__).parent / "migrations").glob("*.sql"))

    found = {name: ask(f"pragma {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "foreign_keys")}
    found |= {name: ask(f"pragma {name}").fetchone()[0] for name in ("application_id", "user_version")}

    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "application_id": 0x584E5359,
        "user_version": len(steps),
    }
    assert steps == [f"{number:03}" for number in range(1, len(steps) + 1)], "each step of the format has its number"
    ledger.close()


@POSIX
def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    """Folder 0700, file 0600, also the log beside it, whatever the umask allows."""
    former = os.umask(0)
    try:
        ledger = fresh(tmp_path / "private")
        files = list((tmp_path / "private").iterdir())
    finally:
        os.umask(former)

    assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert len(files) == 3
    ledger.close()


def test_it_opens_again_as_it_was(tmp_path: Path) -> None:
    """What was committed is there in the next life, and the schema is not written twice."""
    ledger = fresh(tmp_path)
    item = seen(ledger)
    ledger.close()

    again = open_ledger(tmp_path / "ledger.db")

    assert item == again.item(item.id)
    again.close()


def test_a_text_file_is_no_ledger_and_stays_as_it_is(tmp_path: Path) -> None:
    """Something else in the ledger's place is refused and left alone."""
    path = tmp_path / "ledger.db"
    path.write_bytes(b"dear diary\n" * 500)

    with pytest.raises(LedgerDamaged):
        open_ledger(path)

    assert path.read_bytes() == b"dear diary\n" * 500


def test_another_programs_database_is_no_ledger(tmp_path: Path) -> None:
    """A sound SQLite file of somebody else is refused, and nothing is written to it."""
    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("create table theirs (x)")
        other.commit()
    before = path.read_bytes()

    with pytest.raises(LedgerDamaged, match="not an xnatsync ledger"):
        open_ledger(path)

    assert before == path.read_bytes()


def test_a_newer_ledger_is_refused(tmp_path: Path) -> None:
    """An older program would misread it: nothing is written."""
    fresh(tmp_path).close()
    with closing(raw(tmp_path)) as connection:
        connection.execute("pragma user_version = 99")

    for read_only in (False, True):
        with pytest.raises(LedgerNewer, match="version 99"):
            open_ledger(tmp_path / "ledger.db", read_only=read_only)


def test_a_damaged_page_is_found_at_the_start(tmp_path: Path) -> None:
    """Bytes overwritten in the middle of the file stop the program, and the file is kept as it is."""
    ledger = fresh(tmp_path)
    for number in range(200):
        seen(ledger, f"item {number} " + "x" * 200)
    ledger.close()
    path = tmp_path / "ledger.db"
    damaged = bytearray(path.read_bytes())
    page = len(damaged) // 2 // 4096 * 4096
    damaged[page : page + 4096] = b"\xff" * 4096
    path.write_bytes(damaged)

    with pytest.raises(LedgerDamaged):
        open_ledger(path)

    assert bytes(damaged) == path.read_bytes()


def test_a_cut_off_ledger_is_found_at_the_start(tmp_path: Path) -> None:
    """Half a file is not a ledger."""
    ledger = fresh(tmp_path)
    for number in range(200):
        seen(ledger, f"item {number} " + "x" * 200)
    ledger.close()
    path = tmp_path / "ledger.db"
    os.truncate(path, path.stat().st_size // 2)

    with pytest.raises(LedgerDamaged):
        open_ledger(path)


def test_a_creation_that_was_cut_short_is_done_anew(tmp_path: Path) -> None:
    """An empty file is a ledger about to begin."""
    (tmp_path / "ledger.db").touch()

    fresh(tmp_path).close()


def test_a_migration_happens_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that fails in the middle leaves the version and the tables as they were."""
    fresh(tmp_path).close()
    scripts = opening._scripts()
    monkeypatch.setattr(opening, "_scripts", lambda: [*scripts, "create table half (x);\ncreate table item (again);\n"])

    with pytest.raises(Bug):
        open_ledger(tmp_path / "ledger.db")

    with closing(raw(tmp_path)) as connection:
        assert connection.execute("pragma user_version").fetchone()[0] == len(scripts)
        assert connection.execute("select count(*) from sqlite_master where name = 'half'").fetchone()[0] == 0


def test_an_older_ledger_is_brought_to_this_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A further step keeps what is there and counts the version up; the step is done once."""
    ledger = fresh(tmp_path)
    item = seen(ledger)
    ledger.close()
    scripts = opening._scripts()
    step = "create table extra (x text); -- one more\ninsert into extra values ('a;b');\n"
    monkeypatch.setattr(opening, "_scripts", lambda: [*scripts, step])

    for _ in range(2):
        ledger = open_ledger(tmp_path / "ledger.db")
        assert item == ledger.item(item.id)
        assert ledger.database.execute("select x from extra").fetchall() == [("a;b",)]
        assert ledger.database.execute("pragma user_version").fetchone()[0] == len(scripts) + 1
        ledger.close()


def test_without_strict_tables_every_other_promise_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older SQLite gets the same tables, triggers and indexes without the word it does not know."""
    monkeypatch.setattr(opening, "_is_strict", lambda: False)
    ledger = fresh(tmp_path)
    (unit,) = settled(ledger)
    proven(ledger, unit)

    schema = [row[0] for row in ledger.database.execute("select sql from sqlite_master where type = 'table'")]

    assert not [sql for sql in schema if "strict" in sql.lower().splitlines()[-1]]
    assert any("without rowid" in sql.lower() for sql in schema)
    with pytest.raises(Bug, match="append-only"):
        ledger._run("delete from receipt")
    ledger.close()


def test_a_hopelessly_old_sqlite_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what is too old instead of a syntax error."""
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 7, 17))

    with pytest.raises(LedgerError, match=r"SQLite .* needs"):
        open_ledger(tmp_path / "ledger.db")


# --- readers -----------------------------------------------------------------------------------------------------


def test_a_reader_sees_what_a_writer_commits_meanwhile(tmp_path: Path) -> None:
    """`status` works beside a running service."""
    writer = fresh(tmp_path)
    reader = open_ledger(tmp_path / "ledger.db", read_only=True)

    with writer.write():
        item = seen(writer)
        assert reader.items() == []

    assert [item] == reader.items()
    reader.close()
    writer.close()


def test_a_reader_never_writes(tmp_path: Path) -> None:
    """Not even by mistake."""
    fresh(tmp_path).close()
    reader = open_ledger(tmp_path / "ledger.db", read_only=True)

    with pytest.raises(DiskUnwell):
        seen(reader)
    reader.close()


def test_a_reader_creates_nothing(tmp_path: Path) -> None:
    """Looking at a ledger that is not there says so and leaves no trace."""
    with pytest.raises(NothingFound, match="no ledger"):
        open_ledger(tmp_path / "none" / "ledger.db", read_only=True)

    assert list(tmp_path.iterdir()) == []


def _undone(ledger: Ledger, number: int) -> None:
    with ledger.write():
        ledger.settle_item(number, [], [], NOW)
        ledger.forget_item(number)  # what has settled is not forgotten


@pytest.mark.parametrize("writable", [True, False])
def test_a_large_ledger_is_copied_into_a_file_without_a_name(tmp_path: Path, writable: bool) -> None:
    """Beside the ledger, or in the temporary folder of the system; nothing of it is left, also after a kill."""
    path = tmp_path / "own" / "ledger.db"
    path.parent.mkdir()
    ledger = open_ledger(path)
    ledger.remember_route("scanner", "drop", "digest", NOW)
    ledger.close()
    path.parent.chmod(0o755 if writable else 0o555)
    try:
        copy = copy_apart(path, memory_max=0)
        assert not list(path.parent.glob(".*"))
        item = copy.new_item("scanner", "drop", "visit", "looks", 1, 100, NOW)
        with pytest.raises(Bug):
            _undone(copy, item.id)
        assert copy.item(item.id) == item
        copy.close()
        assert not list(path.parent.glob(".*"))
    finally:
        path.parent.chmod(0o755)
    reader = open_ledger(path, read_only=True)
    assert reader.items() == []
    reader.close()


GROWN = """
import resource, sys
from pathlib import Path
from xnatsync.ledger.open import copy_apart
copy_apart(Path("nowhere")).close()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
copy_apart(Path(sys.argv[1])).close()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_copy_of_a_large_ledger_needs_no_memory(tmp_path: Path) -> None:
    """Copied apart, manifests of many megabytes cost a few of them; in memory they cost as much as they are."""
    path = tmp_path / "ledger.db"
    open_ledger(path).close()
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("insert into route values ('r', 'drop', '', 't')")
        raw.execute(
            "insert into item (id, route, place, path, fingerprint, phase, files, bytes, seen_at, steady_at, moved_at) "
            "values (1, 'r', 'drop', 'p', '', 'seen', 1, 1, 't', 't', 't')"
        )
        raw.executemany(
            "insert into file (item_id, position, path, size, mtime_ns, sha256, crc32, md5, kind, reason, key, member) "
            "values (1, ?, ?, 1, 1, zeroblob(32), 1, x'', 'other', 'x', ?, '')",
            ((n, f"series/{n:08}.dcm", f"1.2.3.{'9' * 40}{n}") for n in range(250_000)),
        )
    assert path.stat().st_size > 60 << 20
    done = subprocess.run([sys.executable, "-c", GROWN, str(path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 16_000  # kB


def test_a_copy_apart_changes_nothing_on_disk(tmp_path: Path) -> None:
    """A plan writes to its copy alone; the copy keeps the same promises."""
    ledger = fresh(tmp_path)
    (unit,) = settled(ledger)
    copy = copy_apart(tmp_path / "ledger.db")

    seen(copy, "only in the copy")

    assert unit == copy.unit(unit.id)
    assert len(ledger.items()) == 1
    copy.database.execute("update unit set phase = 'landed'")
    with pytest.raises(Bug, match="no receipt"):
        copy._run("update unit set phase = 'verified'")
    copy.close()
    ledger.close()
    copy_apart(tmp_path / "none.db").close()
    assert not (tmp_path / "none.db").exists()


# --- backups -----------------------------------------------------------------------------------------------------


@POSIX
def test_a_backup_is_a_whole_ledger_that_nobody_else_reads(tmp_path: Path) -> None:
    """It opens as a ledger, even while somebody is writing to the first."""
    ledger = fresh(tmp_path)
    item = seen(ledger)

    ledger.backup(tmp_path / "copy.db")

    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600
    copy = open_ledger(tmp_path / "copy.db")
    assert item == copy.item(item.id)
    copy.close()
    ledger.close()


def test_a_backup_is_never_put_over_another(tmp_path: Path) -> None:
    """What lies there stays, and no unfinished copy is left behind."""
    ledger = fresh(tmp_path)
    (tmp_path / "copy.db").write_text("precious")

    with pytest.raises(PlaceTaken):
        ledger.backup(tmp_path / "copy.db")

    assert (tmp_path / "copy.db").read_text() == "precious"
    ledger.close()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["copy.db", "ledger.db"]


# --- where it lies -----------------------------------------------------------------------------------------------


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc/mounts is Linux")
@pytest.mark.parametrize(("kind", "refused"), [("nfs4", True), ("cifs", True), ("fuse.sshfs", True), ("ext4", False)])
def test_a_network_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, refused: bool) -> None:
    """SQLite cannot keep its promises there; the deepest mount that holds the path decides."""
    share = tmp_path / "a share"
    mounts = tmp_path / "mounts"
    escaped = str(share).replace(" ", "\\040")
    mounts.write_text(f"root / ext4 rw 0 0\nserver:/x {escaped} {kind} rw 0 0\ntmpfs {escaped}x nfs rw 0 0\n")
    monkeypatch.setattr(place, "MOUNTS", mounts)

    if refused:
        with pytest.raises(LedgerRemote, match=kind):
            open_ledger(share / "ledger.db")
        assert not share.exists()
    else:
        open_ledger(share / "ledger.db").close()


@POSIX
def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """A file where the folder should be, a folder where the file should be: the disk's fault, in words."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()

    for path in (tmp_path / "file" / "ledger.db", tmp_path / "folder"):
        with pytest.raises(DiskError):
            open_ledger(path)


def test_a_full_disk_is_told_and_nothing_is_half_written(tmp_path: Path) -> None:
    """SQLite's own limit stands in for the disk's: the write is undone, and the ledger works on."""
    ledger = fresh(tmp_path)
    pages = ledger.database.execute("pragma page_count").fetchone()[0]
    ledger.database.execute(f"pragma max_page_count = {pages + 2}")

    with pytest.raises(DiskFull):
        _write_much(ledger)

    assert ledger.items() == []
    ledger.database.execute("pragma max_page_count = 100000")
    seen(ledger)
    ledger.close()


def _write_much(ledger: Ledger) -> None:
    with ledger.write():
        for number in range(1000):
            seen(ledger, f"{number} " + "x" * 500)


@pytest.mark.parametrize(
    ("number", "ours"),
    [
        (sqlite3.SQLITE_FULL, DiskFull),
        (sqlite3.SQLITE_READONLY, DiskUnwell),
        (sqlite3.SQLITE_IOERR_FSYNC, DiskUnwell),
        (sqlite3.SQLITE_CANTOPEN, DiskUnwell),
        (sqlite3.SQLITE_BUSY, LedgerHeld),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, LedgerHeld),
        (sqlite3.SQLITE_LOCKED, LedgerHeld),
        (sqlite3.SQLITE_CORRUPT, LedgerDamaged),
        (sqlite3.SQLITE_NOTADB, LedgerDamaged),
        (sqlite3.SQLITE_CONSTRAINT_UNIQUE, Bug),
        (sqlite3.SQLITE_MISUSE, Bug),
        (None, Bug),
    ],
)
def test_every_failure_of_sqlite_is_one_of_ours(number: int | None, ours: type[Exception]) -> None:
    """The mapping is total: what we do not know is our mistake."""
    error = sqlite3.OperationalError("words")
    if number is not None:
        error.sqlite_errorcode = number

    assert type(translated(error)) is ours


# --- one instance ------------------------------------------------------------------------------------------------


def test_another_writer_is_waited_for_and_then_named(tmp_path: Path) -> None:
    """A write lock that stays held is an error that says so, not a half-written row."""
    ledger = fresh(tmp_path)
    ledger.database.execute("pragma busy_timeout = 50")
    with closing(raw(tmp_path)) as other:
        other.execute("begin immediate")
        with pytest.raises(LedgerHeld):
            seen(ledger)
        other.execute("rollback")

    seen(ledger)
    ledger.close()


def test_the_lock_names_who_has_it(tmp_path: Path) -> None:
    """A second holder is told process, machine and time; afterwards the lock is free."""
    path = tmp_path / "ledger.db"
    with hold(path), pytest.raises(LedgerHeld, match=f"process {os.getpid()} on .* since 2"), hold(path):
        pass

    with hold(path):
        pass


def _child(code: str, *arguments: str) -> subprocess.Popen[str]:
    """Starts another Python that prints a line when it is ready."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


HOLDER = """
import sys
from pathlib import Path
from xnatsync.ledger.lock import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""

WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, "tests")
from unit.ledger_example import fresh, seen, settled, proven, NOW
ledger = fresh(Path(sys.argv[1]))
number = 0
while True:
    with ledger.write():
        first, second = settled(ledger, f"visit{number}", studies=2)
        ledger.event("test", "a pair", level="info", now=NOW, item_id=first.item_id)
    proven(ledger, first)
    proven(ledger, second)
    ledger.move_item(first.item_id, "verified", NOW)
    ledger.move_item(first.item_id, "done", NOW)
    number += 1
    print(first.item_id, flush=True)
"""


@pytest.fixture
def killed() -> Iterator[list[subprocess.Popen[str]]]:
    children: list[subprocess.Popen[str]] = []
    yield children
    for child in children:
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()


@POSIX
def test_kill_9_gives_the_lock_back(tmp_path: Path, killed: list[subprocess.Popen[str]]) -> None:
    """The operating system releases it: no stale lock file has to be removed by hand."""
    path = tmp_path / "ledger.db"
    child = _child(HOLDER, str(path))
    killed.append(child)
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    with pytest.raises(LedgerHeld, match=f"process {child.pid} "), hold(path):
        pass

    child.send_signal(signal.SIGKILL)
    child.wait()

    with hold(path):
        pass


@POSIX
@pytest.mark.parametrize("after", [1, 3, 8])
def test_kill_9_of_a_writer_leaves_an_intact_ledger(
    tmp_path: Path, killed: list[subprocess.Popen[str]], after: int
) -> None:
    """L4: whole transactions only; whatever had been acknowledged is there, and every promise still holds."""
    child = _child(WRITER, str(tmp_path))
    killed.append(child)
    assert child.stdout is not None
    acknowledged = [int(child.stdout.readline()) for _ in range(after)]
    child.send_signal(signal.SIGKILL)
    child.wait()

    ledger = open_ledger(tmp_path / "ledger.db")

    assert ledger.database.execute("pragma integrity_check").fetchone()[0] == "ok"
    assert ledger.database.execute("pragma foreign_key_check").fetchall() == []
    assert {"done"} == {ledger.item(number).phase for number in acknowledged}
    for item in ledger.items(living=False):
        units = ledger.units(item_id=item.id, living=False)
        assert len(units) == 2
        assert len(ledger.files(item.id)) == 2
        assert len(ledger.events(item_id=item.id)) == 1
        proofs = len(ledger.receipts(item.id))
        assert proofs == sum(unit.phase == "verified" for unit in units)
        assert proofs == 2 or item.phase == "settled"
    ledger.close()


def _write_and_raise(ledger: Ledger, path: str, error: BaseException) -> None:
    with ledger.write():
        seen(ledger, path)
        raise error


# --- transactions ------------------------------------------------------------------------------------------------


def test_what_fails_undoes_the_whole_transaction(tmp_path: Path) -> None:
    """An exception of any kind leaves nothing of what was written before it."""
    ledger = fresh(tmp_path)

    with pytest.raises(KeyboardInterrupt):
        _write_and_raise(ledger, "undone", KeyboardInterrupt())

    assert ledger.items() == []
    ledger.close()


def test_an_inner_failure_that_is_caught_leaves_nothing_half_done(tmp_path: Path) -> None:
    """The outer transaction goes on without any trace of the inner one."""
    ledger = fresh(tmp_path)

    with ledger.write():
        kept = seen(ledger, "kept")
        with pytest.raises(ValueError, match="inner"):
            _write_and_raise(ledger, "undone", ValueError("inner"))

    assert [kept] == ledger.items()
    ledger.close()


def test_threads_take_turns(tmp_path: Path) -> None:
    """Many threads write through one connection, and every write arrives."""
    ledger = fresh(tmp_path)

    def work(name: int) -> None:
        for number in range(20):
            with ledger.write():
                item = seen(ledger, f"{name}/{number}")
                ledger.event("test", "seen", level="info", now=NOW, item_id=item.id)

    threads = [threading.Thread(target=work, args=[name]) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(ledger.items()) == 160
    assert len(ledger.events()) == 160
    ledger.close()


OLD_ITEM = (
    "insert into item (id, route, place, path, fingerprint, phase, files, bytes, seen_at, steady_at, moved_at) "
    "values (1, 'scanner', 'drop', 'visit', 'looks', 'seen', 1, 100, ?, ?, ?)"
)


def test_a_ledger_of_version_2_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its manifests stay what they were: nothing of them was left out; a reader sees them in the new form."""
    scripts = opening._scripts()
    with monkeypatch.context() as patch:
        patch.setattr(opening, "_scripts", lambda: scripts[:2])
        old = fresh(tmp_path)
        old._run(OLD_ITEM, [NOW, NOW, NOW])
        old._run(
            "insert into file (item_id, position, path, size, mtime_ns, sha256, crc32, md5, kind, reason, key, member) "
            "values (1, 0, 'a', 1, 1, zeroblob(32), 1, x'', 'other', 'not DICOM', 'a', '')"
        )
        old.close()
    path = tmp_path / "ledger.db"
    before = path.read_bytes()

    for ledger in (open_ledger(path, read_only=True), copy_apart(path)):
        assert [file.left_by for file in ledger.files(1)] == [""]
        ledger.close()
    assert path.read_bytes() == before

    ledger = open_ledger(path)
    assert (ledger.left_out(1), [file.path for file in ledger.aside(1)]) == ({}, ["a"])
    assert ledger.database.execute("pragma user_version").fetchone()[0] == len(scripts)
    ledger.close()
