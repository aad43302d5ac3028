"""Opening a ledger: is it ours, is it intact, can SQLite keep its promises there?"""

from __future__ import annotations

import os
import re
import sqlite3
import stat
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib import resources
from pathlib import Path

from xnatsync.core.errors import LedgerDamaged, LedgerError, LedgerNewer, LedgerRemote, NothingFound
from xnatsync.disk.atomic import make_folder, sync_folder
from xnatsync.disk.failures import our_disk
from xnatsync.ledger.connection import FAILURES, translated
from xnatsync.ledger.ledger import Ledger
from xnatsync.ledger.lock import hold

APPLICATION_ID = 0x584E5359  # "XNSY"
BUSY_MS = 15_000
MOUNTS = Path("/proc/self/mounts")
MINIMUM_SQLITE = (3, 27)  # `vacuum into`
STRICT_SQLITE = (3, 37)  # strict tables; RHEL 9 has an older one, and keeps every promise but the types
REMOTE = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "fuse.ceph", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs",
     "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "smb2", "smb3", "smbfs"}
)  # fmt: skip
_UNSHARED = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY})  # no shared memory beside the file


def open_ledger(path: Path, *, read_only: bool = False, beside: bool = False) -> Ledger:
    """Opens a ledger, creating it when it is not there; a reader gets NothingFound then, and can never write.

    `beside` is for a writer that does not hold the ledger: LedgerHeld when it is of an older version and somebody
    works with it, who would find other tables under their hands.

    LedgerDamaged: not an intact ledger of ours (nothing is repaired or deleted).  LedgerNewer, LedgerRemote, DiskFull,
    DiskUnwell as their names say.  Only a writer examines every page: a reader meets damage where it reads.
    """
    _refuse_old_sqlite()
    _refuse_no_file(path)
    _refuse_remote(path)
    _refuse_orphaned_log(path)
    if read_only:
        raw = _reader(path)
        if _is_current(raw):
            return Ledger(raw)
        raw.close()
        return copy_in_memory(path)  # of an older version: only a writer brings the file itself up to date
    _create(path)
    if beside and not _is_current_at(path):
        with hold(path):
            return open_ledger(path)
    with _translated():
        raw = _connect(path, "mode=rw")
        with _closed_on_failure(raw):
            _examine(raw, path, thoroughly=True)
            _configure(raw, path)
            _migrate(raw, path)
    return Ledger(raw)


def copy_in_memory(path: Path) -> Ledger:
    """Copies a ledger into memory, or begins an empty one; the file is only read, and fails as for a reader."""
    _refuse_old_sqlite()
    _refuse_no_file(path)
    _refuse_remote(path)
    _refuse_orphaned_log(path)
    with _translated():
        raw = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        with _closed_on_failure(raw):
            if path.exists():
                with closing(_reader(path)) as original:
                    original.backup(raw)
            raw.execute("pragma foreign_keys = on")
            _migrate(raw, path)
    return Ledger(raw)


def _reader(path: Path) -> sqlite3.Connection:
    """Opens a ledger for reading.

    SQLite wants shared memory beside the file even to read it.  Where it can make none (a read-only disk, a backup)
    and no log waits to be read, nobody can be writing, and the file alone is the whole ledger.
    """
    if not path.exists():
        raise NothingFound(f"there is no ledger {path} yet: nothing was ever synchronised")
    with _translated():
        raw = _connect(path, "mode=ro")
        with _closed_on_failure(raw):
            try:
                _examine(raw, path, thoroughly=False)
            except sqlite3.OperationalError as error:
                if (error.sqlite_errorcode & 0xFF) not in _UNSHARED or _beside(path, "-wal").exists():
                    raise
                raw.close()
                raw = _connect(path, "mode=ro&immutable=1")
                _examine(raw, path, thoroughly=False)
            raw.execute("pragma query_only = on")
    return raw


def _connect(path: Path, how: str) -> sqlite3.Connection:
    uri = f"{path.resolve().as_uri()}?{how}"
    raw = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=BUSY_MS / 1000)
    with _closed_on_failure(raw):
        raw.execute(f"pragma busy_timeout = {BUSY_MS}")
    return raw


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except FAILURES as error:
        raise translated(error) from error


@contextmanager
def _closed_on_failure(raw: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        raw.close()
        raise


def _create(path: Path) -> None:
    """Makes the folder and an empty file that nobody else may read; an existing file is left as it is.

    Both names are on the disk when this returns: SQLite takes care of what is in the file, not of the way to it.
    """
    try:
        if not path.parent.is_dir():
            make_folder(path.parent.parent)
            path.parent.mkdir(exist_ok=True, mode=0o700)
            sync_folder(path.parent.parent)
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            sync_folder(path.parent)
        os.close(os.open(path, os.O_RDWR))
    except OSError as error:
        raise our_disk(error, f"opening {path}") from error


def _refuse_no_file(path: Path) -> None:
    """SQLite would wait for ever for somebody to write into a pipe."""
    try:
        path.resolve()
        kind = path.stat().st_mode if path.exists() else stat.S_IFREG
    except (OSError, RuntimeError) as error:  # Python up to 3.12 calls links in a circle a RuntimeError
        raise LedgerDamaged(f"{path} leads nowhere: {error}") from error
    if not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):
        raise LedgerDamaged(f"{path} is no file")


def _beside(path: Path, suffix: str) -> Path:
    own = path.resolve()
    return own.with_name(own.name + suffix)


def _refuse_orphaned_log(path: Path) -> None:
    """A log without its ledger holds receipts, and SQLite would throw it away to begin anew."""
    log = _beside(path, "-wal")
    try:
        lost = log.exists() and log.stat().st_size > 0 and (not path.exists() or path.stat().st_size == 0)
    except OSError as error:
        raise our_disk(error, f"looking at {log}") from error
    if lost:
        raise LedgerDamaged(f"{path} is missing or empty, and {log} still holds a part of it")


def _examine(raw: sqlite3.Connection, path: Path, *, thoroughly: bool) -> None:
    """Refuses what is not an intact ledger of ours, before anything is written to it."""
    try:
        _refuse_foreign(raw, path, thoroughly=thoroughly)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
            raise
        raise LedgerDamaged(f"{path} is damaged: {error}") from error  # these statements are never wrong themselves


def _refuse_foreign(raw: sqlite3.Connection, path: Path, *, thoroughly: bool) -> None:
    version = raw.execute("pragma user_version").fetchone()[0]
    owner = raw.execute("pragma application_id").fetchone()[0]
    empty = raw.execute("select count(*) from sqlite_master").fetchone()[0] == 0
    if owner != APPLICATION_ID and not (empty and version == 0 and owner == 0):
        raise LedgerDamaged(f"{path} is a database, but not an xnatsync ledger")
    if version > len(_scripts()):
        raise LedgerNewer(f"{path} has version {version}; this xnatsync knows {len(_scripts())}")
    if version < 0 or empty != (version == 0):
        raise LedgerDamaged(f"{path} says that it has version {version}, and holds {'no' if empty else 'other'} tables")
    found = raw.execute("pragma quick_check(1)").fetchone()[0] if thoroughly else "ok"
    if found != "ok":
        raise LedgerDamaged(f"{path} is damaged: {found}")


def _configure(raw: sqlite3.Connection, path: Path) -> None:
    if raw.execute("pragma journal_mode = wal").fetchone()[0] != "wal":
        raise LedgerRemote(f"the disk of {path} has no shared memory for SQLite: it must be a local one")
    raw.execute("pragma synchronous = full")
    raw.execute("pragma fullfsync = on")  # macOS: a plain fsync leaves the data in the drive's cache
    raw.execute("pragma foreign_keys = on")


def _migrate(raw: sqlite3.Connection, path: Path) -> None:
    """Brings the ledger to this version, all or nothing; one that has it is not written to.

    LedgerDamaged when its tables are not those of the version that it says it has.
    """
    if _is_current(raw):
        return
    raw.execute("begin immediate")
    version = raw.execute("pragma user_version").fetchone()[0]  # another process may have been faster
    try:
        for number, script in enumerate(_scripts(), start=1):
            if number > version:
                for statement in _statements(script):
                    raw.execute(statement)
                raw.execute(f"pragma user_version = {number}")
        raw.execute(f"pragma application_id = {APPLICATION_ID}")
        raw.execute("commit")
    except BaseException as error:
        if raw.in_transaction:
            raw.execute("rollback")
        if isinstance(error, sqlite3.OperationalError) and _names(raw) != _names_of(version):
            raise LedgerDamaged(f"{path} does not hold the tables of its version {version}: {error}") from error
        raise


def _names(raw: sqlite3.Connection) -> set[tuple[str, str]]:
    """Lists the tables, indices and triggers that are there."""
    return set(raw.execute("select type, name from sqlite_master where sql is not null"))


def _names_of(version: int) -> set[tuple[str, str]]:
    """Lists those of an intact ledger of a version."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as raw:
        for statement in _statements("".join(_scripts()[:version])):
            raw.execute(statement)
        return _names(raw)


def _is_current_at(path: Path) -> bool:
    with _translated(), closing(_reader(path)) as raw:
        return _is_current(raw)


def _is_current(raw: sqlite3.Connection) -> bool:
    return bool(
        raw.execute("pragma user_version").fetchone()[0] == len(_scripts())
        and raw.execute("pragma application_id").fetchone()[0] == APPLICATION_ID
    )


def _scripts() -> list[str]:
    folder = resources.files("xnatsync.ledger") / "migrations"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [(folder / name).read_text(encoding="utf-8") for name in names]


def _statements(script: str) -> list[str]:
    """Splits a script into statements; `executescript` would commit in the middle."""
    statements, current = list[str](), ""
    for line in script.splitlines(keepends=True):
        current += line
        if sqlite3.complete_statement(current):
            statements.append(current if _is_strict() else _LAX.sub(")", current))
            current = ""
    return statements


_LAX = re.compile(r"\) strict\b,?(?= without rowid;|;)")


def _is_strict() -> bool:
    return sqlite3.sqlite_version_info >= STRICT_SQLITE


def _refuse_old_sqlite() -> None:
    if sqlite3.sqlite_version_info < MINIMUM_SQLITE:
        raise LedgerError(
            f"this Python has SQLite {sqlite3.sqlite_version}, and the ledger needs 3.27 or newer",
            advice="Use a Python with a newer SQLite, such as the one from python.org.",
        )


def _refuse_remote(path: Path) -> None:
    """WAL needs memory that all processes share: a network disk has none.  Known on Linux and Windows only."""
    own = path.resolve()
    if own.drive.startswith("\\\\"):
        raise LedgerRemote(f"{path} lies on a network disk ({own.drive})")
    if sys.platform.startswith("linux") and MOUNTS.exists():
        kind = mounted_as(own, MOUNTS.read_text(encoding="utf-8", errors="surrogateescape"))
        if kind in REMOTE:
            raise LedgerRemote(f"{path} lies on a network disk ({kind})")


def mounted_as(path: Path, mounts: str) -> str:
    """Gives the kind of file system that a resolved path lies on, by a text like that of /proc/self/mounts."""
    best, kind = "", ""
    for line in filter(None, mounts.split("\n")):
        _, point, found, *_ = line.split(" ")
        point = _OCTAL.sub(lambda match: chr(int(match.group(1), 8)), point)
        if path.is_relative_to(point) and len(point) >= len(best):
            best, kind = point, found
    return kind


_OCTAL = re.compile(r"\\([0-7]{3})")  # how blanks, tabs, line ends and backslashes are written there
