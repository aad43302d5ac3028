"""Members of a tar archive, plain or packed by gzip, bzip2 or xz, in one pass.

Python's tarfile takes a damaged or missing head in mid-archive for its end and drops the rest without a word, and a
megabyte of extended head can keep it busy for hours (CVE-2024-6232).  So the few fields that matter are read here: an
archive ends with its end mark, nothing but zeros follow it, and a packed stream must fit its own checksum.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from xnatsync.disk.archive import Guard, Part
from xnatsync.disk.handles import opened
from xnatsync.disk.packed import PackingError, Readable, packing, unpacked
from xnatsync.disk.scan import MOST_NS

PIECE = 1 << 20
BLOCK = 512
RECORD = 20 * BLOCK  # bytes that an archive of nothing has, as tar writes it
MAX_HEAD = 1 << 20  # bytes of a long name or an extended head, which are read into memory
MAX_HEADS = 16  # extended heads before one member
JOINED = "Unpack each of the joined archives by itself (tar stops at the end of the first), and drop what comes out."
_DAMAGE = (gzip.BadGzipFile, EOFError, zlib.error, PackingError)
_END = bytes(BLOCK)
_FILES, _FOLDER, _LINKS, _SPARSE = frozenset(b"0\x007"), ord("5"), frozenset(b"12"), ord("S")
_LONG_NAME, _LONG_LINK, _EXTENDED, _GLOBAL = ord("L"), ord("K"), frozenset(b"xX"), ord("g")
_RECORD = re.compile(rb"([1-9][0-9]{0,6}) ")
_TIME = re.compile(r"-?[0-9]{1,18}")


class _DamagedError(Exception):
    """The archive is not as it should be; the text says why."""


@dataclass(frozen=True, slots=True)
class _Head:
    """What the heads before one member's content say of it."""

    name: str = ""
    kind: int = 0
    size: int = 0
    mtime_s: int = 0
    given: frozenset[str] = field(default_factory=frozenset)  # what an extended head has said, and so stays
    is_sparse: bool = False


def tar_members(path: Path, guard: Guard) -> Iterator[Part]:
    """List the files; names, kinds and sizes are checked as they come by."""
    member = ""
    with opened(path) as raw:
        source = _Source(raw, guard)
        try:
            while (head := _next_head(source)) is not None:
                member = head.name
                content = _Content(source, guard, head) if not _is_folder(head, guard) else None
                if content is not None:
                    mtime_ns = max(-MOST_NS, min(head.mtime_s * 1_000_000_000, MOST_NS))
                    yield Part(guard.admit(head.name), head.size, mtime_ns, content.pieces)
                    content.finish()
            member = ""
            source.refuse_what_follows()
        except (*_DAMAGE, _DamagedError) as error:
            where = f"after {member!r}: " if member else ""
            raise guard.damaged(
                "", f"{where}it is no whole tar archive ({str(error) or type(error).__name__})"
            ) from None


def _is_folder(head: _Head, guard: Guard) -> bool:
    if head.kind in _LINKS:
        raise guard.closed(head.name, "it is a link")
    if head.is_sparse:
        raise guard.closed(head.name, "it is a sparse file, of which an archive holds parts only")
    if head.kind != _FOLDER and head.kind not in _FILES:
        raise guard.closed(head.name, "it is neither a file nor a folder")
    return head.kind == _FOLDER or (head.kind == 0 and head.name.endswith("/"))


# --- bytes -------------------------------------------------------------------------------------------------------


class _Source:
    """The plain bytes of the archive, each counted as it comes out of its packing."""

    def __init__(self, raw: IO[bytes], guard: Guard) -> None:
        how = packing(raw.read(8))
        raw.seek(0)
        self._stream: IO[bytes] | gzip.GzipFile | Readable = raw
        if how == "gzip":
            self._stream = gzip.GzipFile(fileobj=raw, mode="rb")
        elif how:
            pieces = iter(lambda: raw.read(PIECE), b"")
            self._stream = Readable(unpacked(pieces, how, packed_bytes=guard.packed_bytes))
        self._archive = guard
        self._guard = guard if how else None

    def some(self, most: int) -> bytes:
        """Return between 1 and `most` bytes; none at the end."""
        piece = self._stream.read(most)
        if self._guard is not None:
            self._guard.count("", len(piece))
        return piece

    def exactly(self, count: int) -> bytes:
        """Return `count` bytes, fewer only when the archive ends before."""
        found = self.some(count)
        while len(found) < count and (piece := self.some(count - len(found))):
            found += piece
        return found

    def refuse_what_follows(self) -> None:
        """Read to the very end, which also checks a packed stream's own checksum."""
        zeros = BLOCK
        while rest := self.some(PIECE):
            zeros += len(rest)
            if rest.strip(b"\0"):
                reason = "something follows its end mark: joined archives are not read"
                raise self._archive.closed("", f"it is no whole tar archive ({reason})", JOINED)
        if zeros == self._archive.packed_bytes > RECORD:
            raise _DamagedError("nothing is in it but zeros")


class _Content:
    """The bytes of one member, to be read once; what is left of them is passed over."""

    def __init__(self, source: _Source, guard: Guard, head: _Head) -> None:
        self._source, self._guard, self._name = source, guard, head.name
        self._left, self._padding = head.size, -head.size % BLOCK

    def pieces(self) -> Iterator[bytes]:
        """Return the bytes; SourceDamaged when the archive ends before them."""
        try:
            while self._left:
                piece = self._source.some(min(self._left, PIECE))
                if not piece:
                    raise EOFError("unexpected end of data")
                self._left -= len(piece)
                yield piece
        except _DAMAGE as error:
            raise self._guard.damaged(
                self._name, f"it cannot be unpacked ({str(error) or type(error).__name__})"
            ) from None

    def finish(self) -> None:
        """Go to the next head."""
        for _ in self.pieces():
            pass
        if len(self._source.exactly(self._padding)) < self._padding:
            raise EOFError("unexpected end of data")


# --- heads -------------------------------------------------------------------------------------------------------


def _next_head(source: _Source) -> _Head | None:
    """Read on to the next member; None at the end mark."""
    said = _Head()
    for number in range(MAX_HEADS + 1):
        block = source.exactly(BLOCK)
        if block == _END and not number:
            return None
        if len(block) < BLOCK or block == _END:
            raise _DamagedError("it ends without its end mark" if not number else "it ends inside the head of a member")
        head = _plain_head(block)
        if head.kind in {_LONG_NAME, _LONG_LINK, _GLOBAL} or head.kind in _EXTENDED:
            said = _extended(said, head, source)
            continue
        stated = {key: getattr(said, key) for key in said.given}
        return replace(head, is_sparse=said.is_sparse or head.kind == _SPARSE, **stated)
    raise _DamagedError(f"more than {MAX_HEADS} extended heads stand before one member")


def _plain_head(block: bytes) -> _Head:
    """Read a head of any of the formats: v7, ustar and pax, GNU, star."""
    blank, checksum = block[:148] + b" " * 8 + block[156:], _number(block[148:156])
    if checksum != sum(blank) and checksum != sum(memoryview(blank).cast("b")):  # old ones count bytes as signed
        raise _DamagedError("the head of a member is damaged: its checksum is wrong")
    name = _text(block[:100])
    if block[257:263] == b"ustar\0" and (prefix := _text(block[345 : 476 if block[508:] == b"tar\0" else 500])):
        name = f"{prefix}/{name}"
    return _Head(name, block[156], _number(block[124:136]), _number(block[136:148], signed=True))


def _number(raw: bytes, *, signed: bool = False) -> int:
    """Read octal digits, or, where the first byte says so, the number itself."""
    if raw[0] == 0x80 or (signed and raw[0] == 0xFF):
        return int.from_bytes(raw[1:], "big") - (256 ** (len(raw) - 1) if raw[0] == 0xFF else 0)
    digits = raw.partition(b"\0")[0].strip(b" ")
    if digits.strip(b"01234567"):
        raise _DamagedError("the header of a member is damaged: invalid number")
    return int(digits or b"0", 8)


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _extended(said: _Head, head: _Head, source: _Source) -> _Head:
    """Read what stands in a head of its own because it does not fit into the plain one."""
    if head.size > MAX_HEAD:
        raise _DamagedError(f"an extended head of {head.size} bytes")
    content = source.exactly(head.size + -head.size % BLOCK)[: head.size]
    if len(content) < head.size:
        raise _DamagedError("it ends inside an extended head")
    if head.kind == _LONG_NAME:
        return replace(said, name=_text(content), given=said.given | {"name"})
    if head.kind == _LONG_LINK:
        return said
    for key, value in _records(content):
        said = _stated(said, key, value, everywhere=head.kind == _GLOBAL)
    return said


def _records(content: bytes) -> Iterator[tuple[str, str]]:
    """Read `LENGTH KEY=VALUE` and a line end, again and again."""
    at = 0
    while at < len(content) and content[at]:
        found = _RECORD.match(content, at)
        end = at + int(found[1]) if found is not None else 0
        record = content[found.end() : end] if found is not None else b""
        if end > len(content) or not record.endswith(b"\n") or b"=" not in record:
            raise _DamagedError("the extended head of a member is damaged")
        key, _, value = record[:-1].partition(b"=")
        yield key.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape")
        at = end


def _stated(said: _Head, key: str, value: str, *, everywhere: bool) -> _Head:
    """Take over one record; those that are not about name, size and time are for others."""
    if key.startswith("GNU.sparse."):
        return replace(said, is_sparse=True)
    if key not in {"path", "size", "mtime"}:
        return said
    if everywhere:
        raise _DamagedError(f"an extended head states the same {key} for all members")
    if key == "path":
        return replace(said, name=value, given=said.given | {"name"})
    whole = value.partition(".")[0]
    if not _TIME.fullmatch(whole) or (key == "size" and int(whole) < 0):
        raise _DamagedError("the header of a member is damaged: invalid number")
    if key == "size":
        return replace(said, size=int(whole), given=said.given | {"size"})
    return replace(said, mtime_s=int(whole), given=said.given | {"mtime_s"})
