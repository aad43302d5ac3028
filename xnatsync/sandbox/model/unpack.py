"""Archives as they arrive, archives within archives too, one member at a time (import.md §1.4, §1.8)."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Final, cast

from xnatsync.sandbox.model import zipstream
from xnatsync.sandbox.model.pieces import Pieces

_SUFFIXES: Final = (
    (".tar.gz", "tgz"),
    (".tgz", "tgz"),
    (".tar", "tar"),
    (".xar", "tar"),
    (".zip", "zip"),
    (".zar", "zip"),
    (".gz", "gz"),
)
_ENDINGS: Final = tuple(suffix for suffix, _ in _SUFFIXES)


class FormatError(ValueError):
    """A name whose ending says nothing."""


class BrokenArchiveError(ValueError):
    """An archive that cannot be read to its end."""


@dataclass(slots=True)
class Member:
    """A file in an archive; `content` must be read before the next member is asked for."""

    name: str
    content: Iterator[bytes]


def format_of(name: str) -> str:
    """Return "zip", "tar", "tgz", "gz" or "" by the name alone, case-sensitively, as XNAT does (import.md §1.4)."""
    if not name.endswith(_ENDINGS):
        return ""
    return next(kind for suffix, kind in _SUFFIXES if name.endswith(suffix))


def members(name: str, source: Iterable[bytes], *, nested: bool = True) -> Iterator[Member]:
    """Return the files of an archive, and those of archives within it; raise FormatError for an unknown ending."""
    kind = format_of(name)
    if kind in {"", "gz"}:
        raise FormatError("Unsupported format UNKNOWN")
    try:
        for member in _zip(source) if kind == "zip" else _tar(source, compressed=kind == "tgz"):
            if nested and format_of(member.name) not in {"", "gz"}:
                yield from members(member.name, member.content)
            else:
                yield member
    except (zipstream.ZipError, tarfile.TarError, zlib.error, EOFError) as error:
        raise BrokenArchiveError(str(error)) from error


def _zip(source: Iterable[bytes]) -> Iterator[Member]:
    for member in zipstream.members(source):
        if not member.name.endswith("/"):
            yield Member(member.name, iter(member))


def _tar(source: Iterable[bytes], *, compressed: bool) -> Iterator[Member]:
    stream = Pieces(_inflated(source) if compressed else source)
    with tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r|", bufsize=1 << 18) as archive:
        for entry in archive:
            if entry.isfile() and (content := archive.extractfile(entry)) is not None:
                yield Member(entry.name, _read(content))
            archive.members = []  # type: ignore[attr-defined]  # tarfile would remember every member it has seen
    for _ in stream.rest():
        pass


def _read(content: IO[bytes]) -> Iterator[bytes]:
    while piece := content.read(1 << 18):
        yield piece


def _inflated(source: Iterable[bytes]) -> Iterator[bytes]:
    inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)
    for piece in source:
        rest = piece
        while rest:
            if inflater.eof:  # several gzip members in a row are one stream
                inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)
            yield inflater.decompress(rest, 1 << 20)
            rest = inflater.unconsumed_tail or inflater.unused_data
            if inflater.eof and not rest.strip(b"\0"):
                rest = b""
    yield inflater.flush()
    if not inflater.eof:
        raise EOFError("the gzip stream is cut")
