"""Writes a tar as it goes over the wire: known length, constant memory, plain headers that every reader knows."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator
from typing import Final

from xnatsync.core.manifest import ManifestFile
from xnatsync.xnat.zipstream import exactly, gathered

_BLOCK: Final = 512
_END: Final = bytes(2 * _BLOCK)


def tar_size(members: Iterable[tuple[str, int]]) -> int:
    """Return the exact size in bytes of the tar of these (name, size)."""
    return sum(len(_header(name, size)) + size + _gap(size) for name, size in members) + len(_END)


def tar_pieces(members: Iterable[tuple[str, ManifestFile, Iterator[bytes]]]) -> Iterator[bytes]:
    """Write the tar of (name, file, content); SourceChanged for a content of another length than promised."""
    return gathered(_written(members))


def _written(members: Iterable[tuple[str, ManifestFile, Iterator[bytes]]]) -> Iterator[bytes]:
    for name, file, content in members:
        yield _header(name, file.size)
        yield from exactly(file, content)
        yield bytes(_gap(file.size))
    yield _END


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def _gap(size: int) -> int:
    return -size % _BLOCK
