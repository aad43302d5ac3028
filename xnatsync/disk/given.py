"""The files that a person names to be uploaded: a file under its own name, a folder by what lies in it.

A link to a file is read as the file, as copying does; a link to a folder, and what is no file, is refused: nothing is
passed over in silence.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from xnatsync.core.errors import NotFollowed, SourceChanged, SourceError, SourceGone, SourceUnreadable, Usage
from xnatsync.disk.failures import why

PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class GivenFile:
    """A file as it was when it was looked at."""

    name: str  # its path in the resource
    path: Path
    size: int
    mtime_ns: int

    def whole(self) -> bytes:
        """Return its content; SourceChanged when it has another length by now."""
        return b"".join(self.pieces())

    def pieces(self, seen: Callable[[bytes], object] = lambda piece: None) -> Iterator[bytes]:
        """Stream its content, and show each piece to `seen`; SourceChanged when it has another length by now."""
        left = self.size
        try:
            with self.path.open("rb", buffering=0) as file:
                while piece := file.read(min(PIECE_BYTES, left + 1)):
                    left -= len(piece)
                    if left < 0:
                        raise SourceChanged(f"{self.name} grew while it was read")
                    seen(piece)
                    yield piece
        except OSError as error:
            raise _failure(self.name, error) from error
        if left:
            raise SourceChanged(f"{self.name} is {left} bytes shorter than it was")

    def md5(self) -> str:
        """Return its MD5 in lower-case hex."""
        digest = hashlib.md5(usedforsecurity=False)
        for piece in self.pieces():
            digest.update(piece)
        return digest.hexdigest()


def given_files(paths: Iterable[Path]) -> list[GivenFile]:
    """Look at everything that was named, in the order of names; Usage when two files would have one name there."""
    found: dict[str, GivenFile] = {}
    for path in paths:
        for file in _below(path):
            if file.name in found:
                raise Usage(
                    f"{found[file.name].path} and {file.path} would have the same name in the resource: {file.name}",
                    advice="Upload the folder that both are in, or rename one.",
                )
            found[file.name] = file
    return [found[name] for name in sorted(found)]


def _below(path: Path) -> Iterator[GivenFile]:
    try:
        facts = path.stat()
    except OSError as error:
        raise _failure(str(path), error) from error
    if not stat.S_ISDIR(facts.st_mode):
        yield _file(path.name, path, facts)
        return
    waiting = [("", path)]
    while waiting:
        prefix, folder = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                listed = list(entries)
        except OSError as error:
            raise _failure(str(folder), error) from error
        for entry in listed:
            name = f"{prefix}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                waiting.append((f"{name}/", Path(entry.path)))
                continue
            try:
                yield _file(name, Path(entry.path), entry.stat())
            except OSError as error:
                raise _failure(name, error) from error


def _file(name: str, path: Path, facts: os.stat_result) -> GivenFile:
    if stat.S_ISDIR(facts.st_mode):
        raise NotFollowed(f"{name} is a link to a folder", advice="Upload that folder itself, or take the link away.")
    if not stat.S_ISREG(facts.st_mode):
        raise NotFollowed(f"{name} is no file", advice="Take it away, or upload the other files by name.")
    return GivenFile(name, path, facts.st_size, facts.st_mtime_ns)


def _failure(name: str, error: OSError) -> SourceError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return SourceGone(f"{name} is not there")
    return SourceUnreadable(f"{name} cannot be read: {why(error)}")
