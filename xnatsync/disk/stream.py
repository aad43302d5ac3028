"""Streams files of an item as the manifest froze them: what is not that any more is never handed out whole."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import chain
from pathlib import Path

from xnatsync.core.errors import SourceChanged, SourceDamaged
from xnatsync.core.manifest import ManifestFile
from xnatsync.disk.item import Way, archive_kind, parts, pieces_at
from xnatsync.disk.packed import PackingError, packing, unpacked
from xnatsync.disk.spelling import real


def stream(
    path: Path, files: Sequence[ManifestFile], *, top: bool = False
) -> Iterator[tuple[ManifestFile, Iterator[bytes]]]:
    """Stream files in the manifest's order, each to be read before the next is asked for; see `ports.Disk.stream`.

    The last piece of a file is held back until its size and CRC have proved right, so a reader that is given everything
    was given the right thing.  `top`: the path is the drop folder itself, and the files lie there without one.
    """
    if archive_kind(path) is not None:
        yield from _from_archive(path, files)
        return
    single, way = real(path).is_file(), Way(path)
    for file in files:
        find = way.itself if single else Way(path / file.path).itself if top else partial(way.to, file.path)
        yield file, _proved(file, pieces_at(find, file.path))


def _from_archive(path: Path, files: Sequence[ManifestFile]) -> Iterator[tuple[ManifestFile, Iterator[bytes]]]:
    """Go through the archive once.  It was whole when the manifest was made: damage means that it has changed."""
    wanted = iter(files)
    file = next(wanted, None)
    try:
        with closing(parts(path)) as found:
            for part in found:
                if file is None:
                    return
                if part.path == file.path:
                    yield file, _proved(file, part.open())
                    file = next(wanted, None)
    except SourceDamaged as error:
        raise SourceChanged(f"{path.name} is no longer what it was: {error}") from error
    if file is not None:
        raise SourceChanged(f"{path.name} no longer holds {file.path} at its place")


def _proved(file: ManifestFile, pieces: Iterator[bytes]) -> Iterator[bytes]:
    size, crc32, held = 0, 0, b""
    try:
        for piece in pieces if file.packed is None else _unpacked(file, pieces):
            size += len(piece)
            crc32 = zlib.crc32(piece, crc32)
            if size > file.size:
                break
            if held:
                yield held
            held = piece
    except (SourceDamaged, PackingError) as error:
        raise SourceChanged(f"{file.path} is no longer what it was: {error}") from error
    if size != file.size or crc32 != file.crc32:
        raise SourceChanged(f"{file.path} is no longer what it was when the item had settled")
    if held:
        yield held


def _unpacked(file: ManifestFile, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Unpack an object that lies there packed: what is delivered is the object."""
    first = next(pieces, b"")
    how = packing(first)
    if not how or file.packed is None:
        raise PackingError("it is not packed any more")
    yield from unpacked(chain([first], pieces), how, packed_bytes=file.packed)
