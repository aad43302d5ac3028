"""Names that may become files and folders of a tree: what a server or a disk supplies is hostile until looked at.

Refused everywhere: what climbs, starts at a root, is empty, holds control or direction characters, is longer than file
systems take, or is our own.  What only Windows refuses is refused where a tree is to be carried there.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final

SEGMENT_MAX: Final = 255  # bytes in UTF-8
PATH_MAX: Final = 3000  # bytes in UTF-8, so that the folder it lies in has room too
OWN_FOLDER: Final = ".xnatsync"

_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_ORDINARY: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,200}")  # what no check below refuses, but Windows' own
_ORDINARY_PATH: Final = re.compile(rf"{_ORDINARY.pattern}(?:/{_ORDINARY.pattern}){{0,13}}")  # nor is it too long
_DRIVE: Final = re.compile(r"[A-Za-z]:")
_WINDOWS: Final = re.compile(r'[<>:"|?*]')
_DEVICE: Final = re.compile(r"(?i)(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3]) *(\..*)?")


class HostileName(ValueError):
    """A name that must not become a file or folder; the text says why, without repeating the name."""


def check_segment(text: str, *, windows: bool = False) -> str:
    """Return a name back that may be one file or folder; HostileName otherwise."""
    if not windows and _ORDINARY.fullmatch(text):
        return text
    if text in {"", ".", ".."}:
        raise HostileName("a part of it is empty, `.` or `..`")
    if "/" in text or "\\" in text:
        raise HostileName("a part of it holds a slash or a backslash")
    if _CONTROL.search(text):
        raise HostileName("it holds control characters")
    if len(text.encode()) > SEGMENT_MAX:
        raise HostileName(f"a part of it has {len(text.encode())} bytes, and a name on disk may have {SEGMENT_MAX}")
    if text.casefold() == OWN_FOLDER:
        raise HostileName(f"{OWN_FOLDER} is the folder of this program")
    if windows:
        _check_windows(text)
    return text


def _check_windows(text: str) -> None:
    if _WINDOWS.search(text):
        raise HostileName('Windows refuses < > : " | ? * in a name')
    if text[-1] in ". ":
        raise HostileName("Windows drops the dot or blank at the end of a part of it")
    if _DEVICE.fullmatch(text):
        raise HostileName("a part of it is the name of a device on Windows")


def check_path(path: str, *, windows: bool = False) -> str:
    """Return a relative POSIX path back that may lie in a tree; HostileName otherwise."""
    if not windows and _ORDINARY_PATH.fullmatch(path):
        return path
    if path.startswith("/") or _DRIVE.match(path):
        raise HostileName("it begins at a root or with a drive letter")
    for part in path.split("/"):
        check_segment(part, windows=windows)
    if len(path.encode()) > PATH_MAX:
        raise HostileName(f"it has {len(path.encode())} bytes, and a path here may have {PATH_MAX}")
    return path


def folded(path: str) -> str:
    """Return what two paths share that some disk takes for one: letter case and Unicode form do not count."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def clashes(paths: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Group paths that some disk cannot hold beside each other; a path given twice clashes with itself.

    Two spellings of one name, of a file or of a folder on the way to it, and a file where another path has a folder.
    A group holds all paths below what clashes.
    """
    listed = sorted(paths)
    spelling: dict[str, str] = {}  # folded -> as first met
    is_folder: dict[str, bool] = {}
    bad: set[str] = set()
    previous = None
    for path in listed:
        short = folded(path)
        if path == previous or spelling.setdefault(short, path) != path or is_folder.setdefault(short, False):
            bad.add(short)
        previous = path
        for folder in _above(path):
            below = folded(folder)
            if is_folder.get(below) and spelling[below] == folder:
                break  # and all above it too
            if spelling.setdefault(below, folder) != folder or not is_folder.setdefault(below, True):
                bad.add(below)
    groups: dict[str, list[str]] = {}
    for path in listed if bad else ():
        names = [folded(name) for name in (path, *_above(path))]
        if found := [name for name in names if name in bad]:
            groups.setdefault(found[-1], []).append(path)
    return tuple(tuple(groups[name]) for name in sorted(groups))


def _above(path: str) -> Iterator[str]:
    """The folders on the way to a path, the innermost first."""
    while (cut := path.rfind("/")) > 0:
        path = path[:cut]
        yield path
