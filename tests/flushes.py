"""Notes what a whole run really asks of the operating system: names that change, flushes, and commits of the ledger.

Only the functions of `os` and SQLite are listened to; nothing of the product is replaced but the two calls that go
around `os` (a rename that replaces nothing, and the flush of a whole file system).  Afterwards the notes are judged:
each name that changed was on the disk before the same thread's next commit, and at the end.  The judge can be deaf to
the flushes of one line of the product: that is a planted bug, and must be heard.
"""

from __future__ import annotations

import linecache
import os
import sqlite3
import stat
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from xnatsync.disk import durable, renaming

Key = tuple[int, int]
PRODUCT = str(Path(durable.__file__).parents[1])
# Names that only wait to become others, or that nobody misses after a power cut.
PASSING = (".part", ".new", ".lock", "-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True)
class Note:
    """One thing that happened."""

    what: str  # "changed", "gone" (a folder), "flushed", "all", "commit", "written", "named"
    thread: int
    key: Key = (0, 0)
    text: str = ""
    site: str = ""


@dataclass
class Flushes:
    """Listens from `start` on, to what happens below some folders."""

    roots: tuple[Path, ...]
    notes: list[Note] = field(default_factory=list)

    def start(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("mkdir", "rmdir", "unlink", "remove", "rename", "replace", "link", "open", "fsync"):
            monkeypatch.setattr(os, name, self._listening(name, getattr(os, name)))
        call = renaming._kernel_call()
        assert call is not None
        monkeypatch.setattr(renaming, "_kernel_call", lambda: self._kernel(call))
        together = durable._syncfs()
        if together is not None:
            monkeypatch.setattr(durable, "_syncfs", lambda: self._together(together))
        connect = sqlite3.connect

        def connected(*given: Any, **more: Any) -> sqlite3.Connection:
            made = connect(*given, **more)
            made.set_trace_callback(self._statement)
            return made

        monkeypatch.setattr(sqlite3, "connect", connected)

    # --- listening -----------------------------------------------------------------------------------------------

    def _note(self, what: str, key: Key = (0, 0), text: str = "") -> None:
        self.notes.append(Note(what, threading.get_ident(), key, text, _site()))

    def _statement(self, sql: str) -> None:
        if sql.strip().casefold().startswith("commit"):
            self._note("commit")

    def _listening(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def heard(*given: Any, **more: Any) -> Any:
            before = _before(name, given, more)
            result = real(*given, **more)
            self._after(name, given, more, result, before)
            return result

        return heard

    def _after(self, name: str, given: tuple[Any, ...], more: dict[str, Any], result: Any, before: Any) -> None:
        match name:
            case "fsync":
                self._note("flushed", before)
            case "open":
                flags = given[1] if len(given) > 1 else more.get("flags", 0)
                if flags & os.O_CREAT and (place := self._place(given[0], more.get("dir_fd"))):
                    seen = os.fstat(result)
                    self._note("written", (seen.st_dev, seen.st_ino), place)
                    if before is None:
                        self._changed(place)
            case "mkdir" | "unlink" | "remove":
                self._changed(self._place(given[0], more.get("dir_fd")))
            case "rmdir":
                if place := self._place(given[0], more.get("dir_fd")):
                    self._note("gone", before or (0, 0), place)
                    self._changed(place)
            case _:
                start = self._place(given[0], more.get("src_dir_fd"))
                self._named(start if name != "link" else "", self._place(given[1], more.get("dst_dir_fd")))

    def _kernel(self, call: Callable[[int, bytes, int, bytes], int]) -> Callable[[int, bytes, int, bytes], int]:
        def heard(start: int, source: bytes, end: int, target: bytes) -> int:
            result = call(start, source, end, target)
            if result == 0:
                self._named(self._place(source, start), self._place(target, end))
            return result

        return heard

    def _together(self, call: Callable[[int], int]) -> Callable[[int], int]:
        def heard(handle: int) -> int:
            result = call(handle)
            self._note("all")
            return result

        return heard

    def _named(self, start: str, end: str) -> None:
        if end:
            seen = os.lstat(end)
            if stat.S_ISREG(seen.st_mode) and not _passing(end):
                self._note("named", (seen.st_dev, seen.st_ino), end)
        self._changed(start)
        self._changed(end)

    def _changed(self, place: str) -> None:
        if place and not _passing(place):
            folder = os.stat(os.path.dirname(place))
            self._note("changed", (folder.st_dev, folder.st_ino), place)

    def _place(self, name: Any, folder: int | None) -> str:
        """Gives the path of a name below the folders that are listened to, else ""."""
        text = os.fsdecode(name)
        if folder is not None and folder >= 0:
            text = os.path.join(os.readlink(f"/proc/self/fd/{folder}"), text)
        text = os.path.abspath(text)
        return text if any(text.startswith(f"{root}{os.sep}") for root in self.roots) else ""

    # --- judging -------------------------------------------------------------------------------------------------

    def unflushed(self, deaf_to: str = "") -> list[str]:
        """Lists what was not on the disk when something relied on it."""
        found: list[str] = []
        pending: dict[int, dict[Key, str]] = {}
        dirty: dict[Key, str] = {}
        for note in self.notes:
            mine = pending.setdefault(note.thread, {})
            heard = note.site != deaf_to
            match note.what:
                case "changed":
                    mine[note.key] = f"{note.text} ({note.site})"
                case "written":
                    dirty[note.key] = note.text
                case "named" if note.key in dirty:
                    found.append(f"{note.text}: it has its name before its bytes are on the disk")
                case "gone":
                    for other in pending.values():
                        other.pop(note.key, None)
                case "flushed" if heard:
                    dirty.pop(note.key, None)
                    for other in pending.values():
                        other.pop(note.key, None)
                case "all" if heard:
                    dirty.clear()
                    pending.clear()
                case "commit":
                    found += [f"{text}: the ledger relies on it" for text in mine.values()]
                    mine.clear()
        found += [f"{text}: at the end" for one in pending.values() for text in one.values()]
        return found

    def sites(self) -> set[str]:
        """Lists the lines of the product that flushed something."""
        return {note.site for note in self.notes if note.what in {"flushed", "all"} and note.site}


def _before(name: str, given: tuple[Any, ...], more: dict[str, Any]) -> Any:
    """What has to be known before: which file is flushed, whether something is there, which folder goes."""
    if name == "fsync":
        seen = os.fstat(given[0])
        return seen.st_dev, seen.st_ino
    if name in {"open", "rmdir"}:
        try:
            seen = os.stat(given[0], dir_fd=more.get("dir_fd"), follow_symlinks=False)
        except OSError:
            return None
        return seen.st_dev, seen.st_ino
    return None


def _passing(place: str) -> bool:
    name = os.path.basename(place)
    waits = f"{place}/".find("/.xnatsync/staging/") >= 0 or place.endswith("/.xnatsync/written")  # a help, no promise
    return waits or name.endswith(PASSING) or name.startswith(("probe-", "ledger.db"))


def _site() -> str:
    """Names the line of the product that asked, by what stands there: the first outside the mechanism itself."""
    frame = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(PRODUCT) and frame.f_code.co_name not in _MECHANISM:
            line = linecache.getline(file, frame.f_lineno).strip()
            return f"{os.path.relpath(file, PRODUCT)}:{frame.f_code.co_name}: {line}"
        frame = frame.f_back  # type: ignore[assignment]
    return ""


_MECHANISM = frozenset(
    {"sync", "sync_opened", "sync_written", "sync_folder", "sync_folders", "_sync_file", "sync_files", "_sync_together",
     "rename_exclusively", "_kernel_rename", "_rename_by_hand", "unlink", "replace", "mkdir", "rmdir", "link"}
)  # fmt: skip
