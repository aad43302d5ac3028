"""Staging: where files are written before they are renamed into their places in a tree."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from xnatsync.core.paths import OWN_FOLDER
from xnatsync.disk.digests import Digests
from xnatsync.disk.durable import sync_files
from xnatsync.disk.failures import LinkOnTheWay
from xnatsync.disk.handles import Spot, reach
from xnatsync.disk.scan import changed_ns, special
from xnatsync.disk.space import check_room
from xnatsync.disk.tree_paths import STAGING, Ways, failed
from xnatsync.ports.tree import Content

PIECE = 1 << 20  # bytes written at a time, and all that is held of a file
_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NONBLOCK", 0)


def stage(ways: Ways, root: Path, name: str, pieces: Iterator[bytes], *, append: bool) -> Content:
    """Write a new file, or go on where an interrupted one ended; see `tree_ports.TreeDisk.stage`."""
    try:
        handle = _open(ways.own(root, STAGING, name, make=True), append=append)
        try:
            with Digests() as digests:
                _again(handle, digests)
                _write(handle, pieces, digests)
                sha256, md5 = digests.finish()
                return Content(digests.size, sha256, md5, changed_ns(os.fstat(handle)))
        finally:
            os.close(handle)
    except OSError as error:
        raise failed(root, error, f"writing {name} into staging") from error


def staged_size(ways: Ways, root: Path, name: str) -> int:
    """Say how many bytes of an interrupted staging can be gone on with."""
    try:
        seen = ways.own(root, STAGING, name).lstat()
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except OSError as error:
        raise failed(root, error, f"looking at {name} in staging") from error
    return seen.st_size if _is_ours_alone(seen) else 0


def flush(ways: Ways, root: Path, names: Sequence[str]) -> None:
    """Bring staged files to the disk."""
    try:
        sync_files((ways.own(root, STAGING, name) for name in names), len(names))
    except OSError as error:
        raise failed(root, error, "flushing staged files") from error


def clear_staging(ways: Ways, root: Path, prefix: str) -> None:
    """Remove staged files whose names begin so; folders that are empty then go too."""
    try:
        top = reach(root, (OWN_FOLDER, STAGING))
        if special(top.lstat()) == "a link":
            raise LinkOnTheWay(str(top))
        _clear(top, "", prefix)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise failed(root, error, "clearing staging") from error
    finally:
        ways.forget()


def _clear(folder: Spot, before: str, prefix: str) -> None:
    here = folder.enter("")
    for name, is_folder in here.listing():
        inner, called = here.beside(name), f"{before}{name}"
        if is_folder:
            _clear(inner, f"{called}/", prefix)
            with suppress(OSError):  # one that is not empty stays, and one that cannot be removed is no harm
                inner.rmdir()
        elif called.startswith(prefix):
            inner.unlink()


def _open(place: Spot, *, append: bool) -> int:
    """Open a file of which nobody else holds a name; mostly nothing is there.

    One that has a second name is in the tree already (a rename by hand was cut short there): writing to it would
    change what lies in the tree.
    """
    try:
        return place.open(_FLAGS | os.O_EXCL)
    except FileExistsError:
        if append and _is_ours_alone(place.lstat()):
            return place.open(_FLAGS)
        place.unlink()
    return place.open(_FLAGS | os.O_EXCL)


def _is_ours_alone(seen: os.stat_result) -> bool:
    return stat.S_ISREG(seen.st_mode) and seen.st_nlink == 1


def _again(handle: int, digests: Digests) -> None:
    """Read what is there already, and leave the file at its end."""
    while piece := os.read(handle, PIECE):
        digests.update(piece)


def _write(handle: int, pieces: Iterator[bytes], digests: Digests) -> None:
    """Write everything that came, also when what comes ends with an error: a later try goes on from there."""
    held: list[bytes] = []
    size = 0
    try:
        for piece in pieces:
            held.append(piece)
            size += len(piece)
            if size >= PIECE:
                check_room(handle)
                block, held, size = b"".join(held), [], 0
                _put(handle, block, digests)
    finally:
        if held:
            _put(handle, b"".join(held), digests)


def _put(handle: int, block: bytes, digests: Digests) -> None:
    written = os.write(handle, block)
    while written < len(block):
        written += os.write(handle, memoryview(block)[written:])
    digests.update(block)
