"""Opening a ledger: is it ours, is it intact, can SQLite keep its promises there?"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from importlib import resources
from pathlib import Path

from xnatsync.core.errors import LedgerDamaged, LedgerError, LedgerNewer, LedgerRemote, NothingFound
from xnatsync.ledger.connection import FAILURES, NO_ROOM_TO_SHARE, translated
from xnatsync.ledger.ledger import Ledger
from xnatsync.ledger.lock import hold
from xnatsync.ledger.place import beside_it, create, refuse_place, unnamed

APPLICATION_ID = 0x584E5359  # "XNSY"
BUSY_MS = 15_000
IN_MEMORY_MAX = 32 << 20  # bytes: larger ledgers are not copied into memory
MINIMUM_SQLITE = (3, 27)  # `vacuum into`
STRICT_SQLITE = (3, 37)  # strict tables; RHEL 9 has an older one, and keeps every promise but the types
SHARED_MIN = 32 << 10  # bytes of shared memory that whoever works with a ledger has
_UNSHARED = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY})  # no shared memory beside the file


def open_ledger(path: Path, *, read_only: bool = False, beside: bool = False) -> Ledger:
    """Open a ledger, creating it when it is not there; a reader gets NothingFound then, and can never write.

    `beside` is for a writer that does not hold the ledger: LedgerHeld when it is of an older version and somebody
    works with it, who would find other tables under their hands.

    LedgerDamaged: not an intact ledger of ours (nothing is repaired or deleted).  LedgerNewer, LedgerRemote, DiskFull,
    DiskUnwell as their names say.  Only a writer examines every page: a reader meets damage where it reads.
    """
    _refuse_old_sqlite()
    refuse_place(path)
    if read_only:
        raw = _reader(path)
        if _is_current(raw):
            return Ledger(raw)
        raw.close()
        return copy_apart(path)  # of an older version: only a writer brings the file itself up to date
    create(path)
    if beside and not _is_current_at(path):
        with hold(path):
            open_ledger(path).close()  # and opened anew: giving up the lock would take SQLite's own along
    with _translated():
        raw = _connect(path, "mode=rw")
        with _closed_on_failure(raw):
            _examine(raw, path, thoroughly=True)
            _configure(raw, path)
            _migrate(raw, path)
    return Ledger(raw, path)


def copy_apart(path: Path, *, memory_max: int = IN_MEMORY_MAX) -> Ledger:
    """Copy a ledger, or begin an empty one; whatever is written to the copy is forgotten when it is closed.

    The original is only read, and fails as for a reader.  A small one is copied into memory; one of more than
    `memory_max` bytes into a file without a name, beside it or in the system's temporary folder: DiskFull when there is
    no room for it.
    """
    _refuse_old_sqlite()
    refuse_place(path)
    with _translated():
        if not path.exists():
            return _apart(sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False), path)
        with closing(_reader(path)) as original:
            size = original.execute("select page_count * page_size from pragma_page_count, pragma_page_size").fetchone()
            with unnamed(path) if size[0] > memory_max else nullcontext(":memory:") as place:
                raw = sqlite3.connect(place, isolation_level=None, check_same_thread=False)
                with _closed_on_failure(raw):
                    _copy(original, raw)
            return _apart(raw, path)


def _copy(original: sqlite3.Connection, raw: sqlite3.Connection) -> None:
    """Copy page by page, without a journal beside it: the file loses its name soon."""
    for setting in ("locking_mode = exclusive", "synchronous = off", "journal_mode = memory"):
        raw.execute(f"pragma {setting}")
    original.backup(raw)
    raw.execute("pragma journal_mode = memory")  # what was copied says that it has a log


def _apart(raw: sqlite3.Connection, path: Path) -> Ledger:
    with _closed_on_failure(raw):
        raw.execute("pragma foreign_keys = on")
        _migrate(raw, path)
    return Ledger(raw)


def _reader(path: Path) -> sqlite3.Connection:
    """Open a ledger for reading.

    SQLite wants shared memory beside the file even to read it.  Where it can make none (a read-only disk, a backup, a
    full disk) and no log waits to be read, nobody can be writing, and the file alone is the whole ledger.
    """
    if not path.exists():
        raise NothingFound(f"there is no ledger {path} yet: nothing was ever synchronised")
    with _translated():
        raw = _connect(path, "mode=ro")
        with _closed_on_failure(raw):
            try:
                _examine(raw, path, thoroughly=False)
            except sqlite3.OperationalError as error:
                if not _is_whole_alone(path, error.sqlite_errorcode):
                    raise
                raw.close()
                raw = _connect(path, "mode=ro&immutable=1")
                _examine(raw, path, thoroughly=False)
            raw.execute("pragma query_only = on")
    return raw


def _is_whole_alone(path: Path, code: int) -> bool:
    """Tell whether the file alone is the whole ledger: nobody shares it, and no log waits to be read.

    On a full disk SQLite begins an empty log and shared memory that is too short to be anybody's.
    """
    log, shared = beside_it(path, "-wal"), beside_it(path, "-shm")
    if code == NO_ROOM_TO_SHARE:
        return _size(log) == 0 and _size(shared) < SHARED_MIN
    return code & 0xFF in _UNSHARED and not log.exists()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


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


def _examine(raw: sqlite3.Connection, path: Path, *, thoroughly: bool) -> None:
    """Refuse what is not an intact ledger of ours, before anything is written to it."""
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
    """Bring the ledger to this version, all or nothing; one that has it is not written to.

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
    """List the tables, indices and triggers that are there."""
    return set(raw.execute("select type, name from sqlite_master where sql is not null"))


def _names_of(version: int) -> set[tuple[str, str]]:
    """List those of an intact ledger of a version."""
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
    """Split a script into statements; `executescript` would commit in the middle."""
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
