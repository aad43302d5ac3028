"""Cheap looks at a drop folder: names, sizes and times, never contents.

Links are never followed, and nothing is left out: what is not a plain file or folder is reported with its reason.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from xnatsync.core.errors import FolderMissing
from xnatsync.disk.failures import why
from xnatsync.disk.spelling import real, shown
from xnatsync.ports.drop import DropEntry, FileSeen, ItemLook, ProblemSeen

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tbz", ".tar.xz", ".txz")
MOST_NS = (1 << 63) - 1
_MOUNT_POINT = 0xA0000003  # Windows: a junction, which is a link in all but name
_SPECIAL = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


def named_archive(name: str) -> bool:
    """Return whether a name ends like an archive's."""
    return name.lower().endswith(ARCHIVE_SUFFIXES)


def entries(folder: Path) -> list[DropEntry]:
    """List a folder's top level, sorted by name; FolderMissing when it is not there, not a folder, or not readable."""
    try:
        with os.scandir(real(folder)) as found:
            listed = [_entry(entry) for entry in found]
    except (FileNotFoundError, NotADirectoryError):
        raise FolderMissing(f"{folder} is not there, or is not a folder") from None
    except OSError as error:
        raise FolderMissing(
            f"{folder} cannot be listed: {why(error)}", advice="Give this account the right to list the folder."
        ) from error
    return sorted((entry for entry in listed if entry.kind), key=lambda entry: entry.name)


def _entry(entry: os.DirEntry[str]) -> DropEntry:
    """Return a top-level entry, of the kind "" when it vanished under our eyes."""
    name = shown(entry.name)
    try:
        seen = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return DropEntry(name, "")
    except OSError:
        return DropEntry(name, "special")
    if special(seen):
        return DropEntry(name, "special")
    if stat.S_ISDIR(seen.st_mode):
        return DropEntry(name, "folder")
    if named_archive(entry.name):
        return DropEntry(name, "archive")
    return DropEntry(name, "file", seen.st_size, changed_ns(seen))


def special(seen: os.stat_result) -> str:
    """Say what a thing is that is neither a file nor a folder, "" for those."""
    if stat.S_ISLNK(seen.st_mode) or getattr(seen, "st_reparse_tag", 0) == _MOUNT_POINT:
        return "a link"
    return _SPECIAL.get(stat.S_IFMT(seen.st_mode), "")


def changed_ns(seen: os.stat_result) -> int:
    """Return the time of a file's last change; one beyond what a ledger can hold (the year 2262) is the last of these.

    File systems hold such times, and broken clocks and tools write them.
    """
    return max(-MOST_NS, min(seen.st_mtime_ns, MOST_NS))


def look(path: Path) -> ItemLook | None:
    """Look at a file or a folder of any depth, sorted by path; None when it is absent."""
    root = real(path)
    if (seen := _one(path)) is not None or not root.is_dir():
        return seen
    files: list[FileSeen] = []
    problems: list[ProblemSeen] = []
    folders = [(str(root), "")]
    while folders:
        folder, prefix = folders.pop()
        try:
            with os.scandir(folder) as found:
                for entry in found:
                    _sort_in(entry, prefix + shown(entry.name), files, problems, folders)
        except FileNotFoundError:
            continue
        except OSError as error:
            name = prefix.rstrip("/") or path.name
            problems.append(ProblemSeen(name, f"the folder cannot be listed: {why(error)}", unreadable=True))
    return ItemLook(
        tuple(sorted(files, key=lambda file: file.path)), tuple(sorted(problems, key=lambda problem: problem.path))
    )


def look_at(folder: Path, names: Iterable[str]) -> ItemLook:
    """Look at some files of a folder, sorted by name; one that is absent, or is a folder now, is not in it."""
    looks = [seen for name in sorted(names) if (seen := _one(folder / name, name)) is not None]
    return ItemLook(
        tuple(file for seen in looks for file in seen.files), tuple(part for seen in looks for part in seen.problems)
    )


def _one(path: Path, called: str | None = None) -> ItemLook | None:
    root, name = real(path), called or path.name
    try:
        seen = root.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return ItemLook((), (ProblemSeen(name, f"it cannot be looked at: {why(error)}", unreadable=True),))
    if what := special(seen):
        return ItemLook((), (_never_followed(name, what),))
    return None if stat.S_ISDIR(seen.st_mode) else ItemLook((FileSeen(name, seen.st_size, changed_ns(seen)),))


def _sort_in(
    entry: os.DirEntry[str],
    path: str,
    files: list[FileSeen],
    problems: list[ProblemSeen],
    folders: list[tuple[str, str]],
) -> None:
    try:
        seen = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return
    except OSError as error:
        problems.append(ProblemSeen(path, f"it cannot be looked at: {why(error)}", unreadable=True))
        return
    if what := special(seen):
        problems.append(_never_followed(path, what))
    elif stat.S_ISDIR(seen.st_mode):
        folders.append((entry.path, path + "/"))
    else:
        files.append(FileSeen(path, seen.st_size, changed_ns(seen)))


def _never_followed(path: str, what: str) -> ProblemSeen:
    advice = "links are never followed; drop what it points to" if what == "a link" else "it holds no file content"
    return ProblemSeen(path, f"it is {what}: {advice}")
