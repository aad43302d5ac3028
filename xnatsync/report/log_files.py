"""Files that lines of a log are appended to.

None of them ever fails whoever writes: what cannot be written is lost, and how many lines that were is told first when
one can be written again.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from xnatsync.core.moment import stamp

BEGIN = b'{"at": "2'  # of each line
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)

if sys.platform == "win32":

    @contextmanager
    def _alone(handle: int) -> Iterator[bool]:
        """Nobody may rename a file there that is open, so that nobody has to be kept out."""
        yield True

else:
    import fcntl

    @contextmanager
    def _alone(handle: int) -> Iterator[bool]:
        """Keep others of us from renaming the same file; False while one of them does."""
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        try:
            yield True
        finally:
            fcntl.flock(handle, fcntl.LOCK_UN)


def open_file(file: Path) -> int:
    """Open a log for appending, and make it if there is none; OSError where somebody else's file lies there."""
    file.parent.mkdir(parents=True, exist_ok=True)
    _refuse_no_log(file)
    return os.open(file, _FLAGS, 0o600)


class LogFile:
    """A file that is open."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._torn = False  # the last line is there in part
        self._lost = 0  # lines since one could be written

    def write(self, text: str) -> int:
        """Append lines at once, so that those of two processes do not mix."""
        data = ("\n" * self._torn + self._about_lost() + text).encode("utf-8", "backslashreplace")
        try:
            written = os.write(self._handle, data)
        except OSError:  # the disk is full: nobody stops working because nobody can say so
            written = 0
        if written == len(data):
            self._lost, self._torn = 0, False
        else:
            self._lost += text.count("\n")
            self._torn = self._torn or bool(written)
        return len(text) if written else 0

    def _about_lost(self) -> str:
        if not self._lost:
            return ""
        told = {"at": stamp(datetime.now(UTC)), "code": "log.lost", "level": "error", "lines": self._lost}
        return json.dumps(told) + "\n"

    def flush(self) -> None:
        """Nothing is kept back."""

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)


class RotatingFile(LogFile):
    """A file that gets the name `FILE.1` when it is large, and so on up to `FILE.keep`; the last one is removed.

    Others may write to it, rename it and rotate it meanwhile: whose file has another name by now, or none, goes on in
    the one that has the name.
    """

    def __init__(self, file: Path, size_max: int, keep: int) -> None:
        super().__init__(open_file(file))
        self._file = file
        self._keep = max(1, keep)
        self._step = self._limit = size_max

    def write(self, text: str) -> int:
        """Append lines at once to the file that has the name, once it is not too large for them."""
        self._follow()
        if self._is_large(len(text)):
            self._rotate(len(text))
            self._follow()
        if not os.fstat(self._handle).st_nlink:  # it was removed, and somebody else's lies there now
            self._lost += text.count("\n")
            return 0
        return super().write(text)

    def _is_large(self, more: int) -> bool:
        size = os.fstat(self._handle).st_size
        return size > 0 and size + more > self._limit

    def _is_current(self) -> bool:
        mine = os.fstat(self._handle)
        try:
            named = self._file.stat()
        except OSError:
            return False
        return (mine.st_dev, mine.st_ino) == (named.st_dev, named.st_ino)

    def _follow(self) -> None:
        """Open what has the name now; where that cannot be, the file that is open is better than none."""
        if self._is_current():
            return
        try:
            handle = open_file(self._file)
        except OSError:
            return
        former, self._handle, self._torn, self._limit = self._handle, handle, False, self._step
        os.close(former)

    def _rotate(self, more: int) -> None:
        with _alone(self._handle) as alone:
            if not alone or not self._is_current() or not self._is_large(more):  # somebody else has done it
                return
            try:
                self._remove_old()
                for number in range(self._keep - 1, -1, -1):
                    if os.path.lexists(self._named(number)):
                        self._named(number).replace(self._named(number + 1))
            except OSError:  # it grows on, and is tried again when it has grown as much once more
                self._limit += self._step

    def _remove_old(self) -> None:
        number = self._keep
        while os.path.lexists(self._named(number)):
            self._named(number).unlink()
            number += 1

    def _named(self, number: int) -> Path:
        return self._file.with_name(f"{self._file.name}.{number}") if number else self._file


def _refuse_no_log(file: Path) -> None:
    """Raise FileExistsError when a plain file of somebody else's lies there: lines are added to a log of ours alone."""
    if not file.is_file() or not file.stat().st_size:
        return
    with file.open("rb") as stream:
        begin = stream.read(len(BEGIN))
    if not BEGIN.startswith(begin):  # a full disk may have cut the first line
        raise FileExistsError(errno.EEXIST, "it is no log of xnatsync, and nothing was added to it", str(file))
