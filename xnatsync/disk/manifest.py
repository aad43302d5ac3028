"""Reads every file of an item once: digests, and what it is."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import chain
from pathlib import Path

from xnatsync.core.errors import SourceChanged, Stopped
from xnatsync.core.labels import unpacked_name
from xnatsync.core.manifest import Doubt, Kind, ManifestFile
from xnatsync.dicom.classify import Classifier, Reading
from xnatsync.disk.archive import Part
from xnatsync.disk.item import archive_kind, parts
from xnatsync.disk.packed import PackingError, packing, unpacked
from xnatsync.disk.scan import look, look_at, named_archive
from xnatsync.ports.drop import ItemLook

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
    """Read an item; see `ports.Disk.read_manifest`.  ValueError when `tags` holds what is no DICOM keyword."""
    classifier = Classifier(tags, pixels=pixels)
    before = _look(path, only)
    inside = "a folder" if archive_kind(path) is None else "an archive"
    tally = _Tally(on_progress)
    files = []
    with closing(parts(path, only, seen=before)) as found:
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

    def over(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._bytes += len(piece)
            if self._bytes - self._told >= PROGRESS_BYTES:
                self._say()
            yield piece

    def _say(self) -> None:
        self._told = self._bytes
        if self._tell is not None:
            self._tell(self._files, self._bytes)


class _Digests:
    """What is known of bytes that pass by."""

    def __init__(self) -> None:
        self._sha256, self._md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        self._attachable = True
        self.size = self.crc32 = 0

    def over(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Pass pieces on."""
        for piece in pieces:
            if not self.size:
                self._attachable = piece[128:132] != b"DICM" or _INDEX in piece[:1024]
            self._sha256.update(piece)
            if self._attachable:
                self._md5.update(piece)
            self.crc32 = zlib.crc32(piece, self.crc32)
            self.size += len(piece)
            yield piece

    def file(self, part: Part, reading: Reading, packed: int | None = None) -> ManifestFile:
        """Make the file that these bytes are."""
        return ManifestFile(
            path=part.path,
            size=self.size,
            mtime_ns=part.mtime_ns,
            sha256=self._sha256.digest(),
            crc32=self.crc32,
            md5=self._md5.digest() if self._attachable else b"",
            kind=reading.kind,
            reason=reading.reason,
            identity=reading.identity,
            pixels=reading.pixels,
            pixel_bytes=reading.pixel_bytes,
            tags=reading.tags,
            doubt=reading.doubt,
            packed=packed,
            references=reading.references,
        )


def _read(part: Part, classifier: Classifier, tally: _Tally, inside: str) -> ManifestFile:
    stored = _Digests()
    pieces = stored.over(tally.over(part.open()))
    first = next(pieces, b"")
    how = packing(first)
    if how:
        file = _packed(part, classifier, chain([first], pieces), how, stored, inside)
    else:
        file = stored.file(part, _inside(classifier.read(chain([first], pieces), part.path), part.path, inside))
    if stored.size != part.size:
        raise SourceChanged(f"{part.path} has {stored.size} bytes, and should have {part.size}")
    return file


def _inside(reading: Reading, path: str, inside: str) -> Reading:
    """Say of an archive that could be opened elsewhere where that is."""
    if reading.doubt is Doubt.CLOSED and named_archive(path):
        why = f"archive inside {inside}: not opened; drop it at the top level to have it delivered"
        return replace(reading, reason=why)
    return reading


def _packed(
    part: Part, classifier: Classifier, pieces: Iterator[bytes], how: str, stored: _Digests, inside: str
) -> ManifestFile:
    """Read what is packed by itself: an object is known by its own bytes, and anything else is not opened."""
    inner, problem = _Digests(), ""

    def content() -> Iterator[bytes]:
        nonlocal problem
        try:
            yield from inner.over(unpacked(pieces, how, packed_bytes=part.size))
        except PackingError as error:
            problem = str(error)

    reading = classifier.read(content(), unpacked_name(part.path))
    for _ in pieces:
        pass
    if problem:
        return stored.file(part, Reading(Kind.BROKEN, f"{how}: it cannot be unpacked ({problem})", doubt=Doubt.LOST))
    if reading.identity is not None:
        return inner.file(part, reading, packed=part.size)
    if reading.kind is Kind.BROKEN:
        return stored.file(part, replace(reading, reason=f"{how}, and in it: {reading.reason}"))
    closed = Reading(
        Kind.OTHER,
        f"a {how} file, and what is in it is not DICOM: not opened any further; unpack it, and drop what is in it",
        doubt=Doubt.CLOSED,
    )
    return stored.file(part, _inside(closed, part.path, inside))


def _mark_duplicates(files: list[ManifestFile]) -> tuple[ManifestFile, ...]:
    """The same bytes of the same object are delivered once; different bytes under one UID are for the core to judge."""
    first: dict[tuple[str, bytes], str] = {}
    marked = []
    for file in files:
        if file.identity is not None:
            twin = first.setdefault((file.key, file.sha256), file.path)
            if twin != file.path:
                reason = f"the same object as {twin}, byte for byte"
                marked.append(replace(file, kind=Kind.DUPLICATE, doubt=Doubt.NONE, reason=reason))
                continue
        marked.append(file)
    return tuple(marked)
