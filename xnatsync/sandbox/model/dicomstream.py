"""DICOM objects as streams: the head is looked at, the rest runs through (deflated objects are inflated on the way)."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from xnatsync.sandbox.model import dicomhead
from xnatsync.sandbox.model.dicomhead import Head, NeedMore, NotDicomError
from xnatsync.sandbox.model.dicomrewrite import Changes, rewrite
from xnatsync.sandbox.model.pieces import Pieces

_FIRST: Final = 1 << 18  # most heads, and most whole objects, are shorter
_LONGEST_HEAD: Final = 256 << 20
_META_FIRST: Final = 4096


@dataclass(slots=True)
class Opened:
    """An object of which the head has been read; `rest` are the bytes behind `head.data`, inflated if need be."""

    head: Head
    rest: Iterator[bytes]

    def written(self, changes: Changes) -> Iterator[bytes]:
        """Return the object's bytes as they are to be stored."""
        prefix, parts = rewrite(self.head, changes)
        if self.head.syntax == dicomhead.DEFLATED:
            yield prefix
            yield from _deflate(_chain(parts, self.rest))
            return
        yield b"".join([prefix, *parts])  # one write instead of five: most heads are small
        yield from self.rest


def opened(chunks: Iterable[bytes], stop: int = dicomhead.STOP) -> Opened:
    """Read the head of an object; raise NotDicomError."""
    pieces = Pieces(chunks)
    data = pieces.upto(_FIRST)
    final = len(data) < _FIRST
    if _is_deflated(data):
        data, pieces = _inflated_start(data, pieces)
        final = len(data) < _FIRST
    while True:
        try:
            head = dicomhead.parse(data, final=final, stop=stop)
            break
        except NeedMore as more:
            if more.until > _LONGEST_HEAD:
                raise NotDicomError("the head is longer than anything") from None
            wanted = max(more.until, 2 * len(data)) - len(data)
            further = pieces.upto(wanted)
            final = len(further) < wanted
            data += further
    return Opened(head, pieces.rest())


def _is_deflated(data: bytes) -> bool:
    return data[128:132] == b"DICM" and dicomhead.DEFLATED.encode() in data[132:_META_FIRST]


def _inflated_start(data: bytes, pieces: Pieces) -> tuple[bytes, Pieces]:
    """Put the inflated data set in place of the deflated one."""
    _, dataset = dicomhead.file_meta(data, 132, final=True)
    inflated = Pieces(_inflate(_chain([data[dataset:]], pieces.rest())))
    return data[:dataset] + inflated.upto(_FIRST), inflated


def _chain(first: Iterable[bytes | memoryview], then: Iterable[bytes]) -> Iterator[bytes]:
    for part in first:
        yield bytes(part)
    yield from then


def _inflate(source: Iterable[bytes]) -> Iterator[bytes]:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for piece in source:
            rest = piece
            while rest and not inflater.eof:
                yield inflater.decompress(rest, 1 << 20)
                rest = inflater.unconsumed_tail
        yield inflater.flush()
    except zlib.error as error:
        raise NotDicomError("the deflated data set is damaged") from error


def _deflate(source: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    for piece in source:
        if packed := deflater.compress(piece):
            yield packed
    yield deflater.flush()
