"""Files that are handed out into somebody's folder: proven while they are written, and never over anything."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from xnatsync.core.errors import ContentDiffers, PlaceTaken
from xnatsync.disk import drafts
from xnatsync.disk.durable import sync_written
from xnatsync.disk.failures import Operation, one_thing, our_disk, their_file
from xnatsync.disk.handles import Spot
from xnatsync.disk.item import pieces_at
from xnatsync.disk.tree_paths import Ways


def hand_out(ways: Ways, folder: Path, path: str, pieces: Iterator[bytes], sha256: bytes) -> None:
    """Write a file below a folder, with the folders on the way; it has its name only when it is whole and on the disk.

    ContentDiffers when the pieces are not what the digest says: then nothing is left of it.  PlaceTaken when something
    lies there, or a link is on the way.
    """
    doing = f"writing {path}"
    try:
        place = ways.make(folder, path)
        with drafts.begin_at(place, 0o666) as draft:
            if digested(draft.file, pieces) != sha256:
                raise ContentDiffers(f"what is kept of {path} is no longer what was agreed")
            draft.land(replace=False)
        ways.sync(folder, map(str, PurePosixPath(path).parents))
    except FileExistsError:
        raise PlaceTaken(f"{path}: something exists there already; nothing was overwritten") from None
    except OSError as error:
        raise one_thing(error, doing, Operation.WRITE) from error


def handed_out(ways: Ways, folder: Path, path: str, size: int, sha256: bytes) -> bool | None:
    """Return whether exactly this lies there already; None when nothing does."""
    try:
        place = ways.find(folder, path)
        seen = place.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise their_file(error, path) from error
    if not stat.S_ISREG(seen.st_mode) or seen.st_size != size:
        return False
    digest = hashlib.sha256()
    for piece in pieces_at(lambda: place, path):
        digest.update(piece)
    return digest.digest() == sha256


def write_new(place: Spot, pieces: Iterable[bytes], mode: int = 0o666) -> bytes:
    """Write a new file and bring it to the disk; give its SHA-256.  LinkOnTheWay when a link lies there."""
    with os.fdopen(place.open_new(mode), "wb") as file:
        sha256 = digested(file, pieces)
        file.flush()
        sync_written(file.fileno())
    return sha256


def digested(file: BinaryIO, pieces: Iterable[bytes]) -> bytes:
    """Write pieces to an open file; give their SHA-256."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
        file.write(piece)
    return digest.digest()


def write_whole(place: Path, content: bytes) -> bool:
    """Write a new file that we alone may read, at once and durably; False when exactly this lies there already.

    PlaceTaken when anything else lies there.
    """
    try:
        if place.is_file() and place.read_bytes() == content:
            return False
        drafts.write(place, content, replace=False)
    except FileExistsError:
        raise PlaceTaken(
            f"{place} holds something else; nothing was overwritten", advice="Name another file, or remove that one."
        ) from None
    except OSError as error:
        raise our_disk(error, f"writing {place}") from error
    return True
