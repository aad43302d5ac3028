"""Reads every file of an item once: digests, and what it is."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from xnatsync.core.errors import SourceChanged, Stopped
from xnatsync.core.manifest import Kind, ManifestFile
from xnatsync.dicom.classify import Classifier
from xnatsync.disk.archive import Part
from xnatsync.disk.item import is_archive, parts
from xnatsync.disk.scan import look, look_at, named_archive
from xnatsync.ports import ItemLook

_INDEX = b"1.2.840.10008.1.3.10"  # the media class of a DICOMDIR, which is no imaging object
PROGRESS_BYTES = 32 << 20  # within a large file, progress is told this often


def read_manifest(
    path: Path,
    *,
    tags: frozenset[str],
    pixels: bool,
    on_progress: Callable[[int, int], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
    only: Sequence[str] | None = None,
) -> tuple[ManifestFile, ...]:
    """Reads an item; see `ports.Disk.read_manifest`.  ValueError when `tags` holds what is no DICOM keyword."""
    classifier = Classifier(tags, pixels=pixels)
    before = _look(path, only)
    inside = "an archive" if is_archive(path) else "a folder"
    tally = _Tally(on_progress)
    files = []
    with closing(parts(path, only)) as found:
        for part in found:
            if stop():
                raise Stopped(f"reading {path.name} was interrupted")
            files.append(_read(part, classifier, tally, inside))
            tally.file()
    if _look(path, only) != before:
        raise SourceChanged(f"{path.name} changed while it was read")
    return _mark_duplicates(files)


def _look(path: Path, only: Sequence[str] | None) -> ItemLook | None:
    return look(path) if only is None else look_at(path, only)


class _Tally:
    """Counts files and bytes for whoever watches."""

    def __init__(self, on_progress: Callable[[int, int], None] | None) -> None:
        self._tell = on_progress
        self._files = self._bytes = self._told = 0

    def file(self) -> None:
        self._files += 1
        self._say()

    def add(self, count: int) -> None:
        self._bytes += count
        if self._bytes - self._told >= PROGRESS_BYTES:
            self._say()

    def _say(self) -> None:
        self._told = self._bytes
        if self._tell is not None:
            self._tell(self._files, self._bytes)


def _read(part: Part, classifier: Classifier, tally: _Tally, inside: str) -> ManifestFile:
    sha256, md5, crc32, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0, 0
    attachable = True

    def digested() -> Iterator[bytes]:
        nonlocal crc32, size, attachable
        for piece in part.open():
            if not size:
                attachable = piece[128:132] != b"DICM" or _INDEX in piece[:1024]
            sha256.update(piece)
            if attachable:
                md5.update(piece)
            crc32 = zlib.crc32(piece, crc32)
            size += len(piece)
            tally.add(len(piece))
            yield piece

    reading = classifier.read(digested())
    if size != part.size:
        raise SourceChanged(f"{part.path} has {size} bytes, and should have {part.size}")
    reason = reading.reason
    if reason == "not DICOM" and named_archive(part.path):
        reason = f"archive inside {inside}: not opened; drop it at the top level to have it delivered"
    return ManifestFile(
        path=part.path,
        size=size,
        mtime_ns=part.mtime_ns,
        sha256=sha256.digest(),
        crc32=crc32,
        md5=md5.digest() if attachable else b"",
        kind=reading.kind,
        reason=reason,
        identity=reading.identity,
        pixels=reading.pixels,
        pixel_bytes=reading.pixel_bytes,
        tags=reading.tags,
    )


def _mark_duplicates(files: list[ManifestFile]) -> tuple[ManifestFile, ...]:
    """The same bytes of the same object are delivered once; different bytes under one UID are for the core to judge."""
    first: dict[tuple[str, bytes], str] = {}
    marked = []
    for file in files:
        if file.kind is Kind.DICOM:
            twin = first.setdefault((file.key, file.sha256), file.path)
            if twin != file.path:
                marked.append(replace(file, kind=Kind.DUPLICATE, reason=f"the same object as {twin}, byte for byte"))
                continue
        marked.append(file)
    return tuple(marked)
