"""Reads a zip as it comes over the wire: no file is written, no member ends unless its CRC was right.

Swapped members look right to a reader of members alone, and so does a zip that was cut behind the last one: so the
directory at its end is read too.  It must name every member that came, once, with the same CRC and size, and no other.

Stored members cost one look at each byte (the CRC) and at most one copy.  Java writes them with their sizes in front,
and deflated ones with a descriptor behind, which is how XNAT's come (hierarchy.md §7).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

from xnatsync.core.errors import ReadFailed, ReplyStrange
from xnatsync.core.streams import UNKNOWN_MAX
from xnatsync.xnat.bounds import Allowance

PIECE_MAX: Final = 1 << 20  # bytes of one inflated piece: a bomb is counted piece by piece, and never held
MEMBERS_MAX: Final = 2_000_000  # each is remembered until the directory at the end was read
NAMES_MAX_BYTES: Final = 128 << 20  # together: each is remembered until the directory at the end was read

_LOCAL_SIGN: Final = b"PK\x03\x04"
_CENTRAL_SIGN: Final = b"PK\x01\x02"
_END_SIGN: Final = b"PK\x05\x06"
_END64_SIGN: Final = b"PK\x06\x06"
_LOCATOR64_SIGN: Final = b"PK\x06\x07"
_DESCRIPTOR_SIGN: Final = b"PK\x07\x08"
_SIGNS: Final = frozenset({_LOCAL_SIGN, _CENTRAL_SIGN, _END_SIGN, _END64_SIGN})

_LOCAL: Final = struct.Struct("<5H3L2H")  # all without their signs
_CENTRAL: Final = struct.Struct("<6H3L5H2L")
_END: Final = struct.Struct("<4H2LH")
_END64: Final = struct.Struct("<Q2H2L4Q")
_LOCATOR64: Final = struct.Struct("<LQL")
_DESCRIPTOR: Final = struct.Struct("<3L")
_DESCRIPTOR64: Final = struct.Struct("<LQQ")

_FULL_2: Final = 0xFFFF
_FULL_4: Final = 0xFFFFFFFF
_ENCRYPTED: Final = 0x0001 | 0x0040 | 0x2000
_LATE: Final = 0x0008
_STORED: Final = 0
_DEFLATED: Final = 8
_UNIX: Final = 3
_LINK: Final = 0o120000
_KIND: Final = 0o170000


def members(
    pieces: Iterator[bytes], what: str, allowed: Callable[[str], Allowance] | None = None
) -> Generator[tuple[str, Iterator[bytes]], None, None]:
    """Return (name, content) of each member; what the reader leaves of a content is read and checked all the same.

    ReadFailed when the stream ends early or is damaged, ReplyStrange when it is no zip or one that no XNAT writes, or
    when more comes of a member than is `allowed`.  Names are as they came: hostile until looked at.  `what` begins
    every message.
    """
    source = _Source(pieces, what)
    seen: dict[bytes, _Member] = {}
    remembered = 0
    sign = source.sign()
    if sign not in _SIGNS:
        raise ReplyStrange(f"{what}: the answer is not a zip")
    while sign == _LOCAL_SIGN:
        member = _header(source)
        if member.name in seen:
            raise ReplyStrange(f"{what}: the zip holds the same file twice")
        seen[member.name] = member
        remembered += len(member.name)
        if len(seen) > MEMBERS_MAX or remembered > NAMES_MAX_BYTES:
            raise ReplyStrange(f"{what}: the zip holds more files than any session has")
        name = _decoded(member.name, what)
        content = _content(source, member, allowed(name) if allowed else Allowance(UNKNOWN_MAX, what))
        yield name, chain(content)  # a reader that closes what it got does not close ours
        for _ in content:
            pass
        sign = source.sign()
    _check_directory(source, sign, seen)


@dataclass(slots=True)
class _Member:
    """What is known of a member: for one with a descriptor, CRC and sizes only after it was read."""

    name: bytes
    method: int
    late: bool
    offset: int
    crc32: int
    packed: int
    size: int


class _Source:
    """The stream, read exactly or passed on in the pieces it comes in."""

    def __init__(self, pieces: Iterator[bytes], what: str) -> None:
        self.what = what
        self.offset = 0
        self._pieces = pieces
        self._piece = b""
        self._at = 0

    def take(self, count: int) -> bytes:
        """Return exactly so many bytes."""
        end = self._at + count
        if end > len(self._piece):
            self._fill(count)
            end = self._at + count
        taken = self._piece[self._at : end]
        self._at = end
        self.offset += count
        return taken

    def peek(self, count: int) -> bytes:
        """Return the next bytes without taking them; fewer at the end."""
        self._fill(count, may_end=True)
        return self._piece[self._at : self._at + count]

    def sign(self) -> bytes:
        """Take the sign of the next record."""
        return self.take(4)

    def some(self) -> bytes:
        """Take whatever has come."""
        while self._at >= len(self._piece):
            self._piece, self._at = self._next(), 0
        taken = self._piece[self._at :] if self._at else self._piece
        self._piece, self._at = b"", 0
        self.offset += len(taken)
        return taken

    def give_back(self, unused: bytes) -> None:
        """Put back the end of what `some` gave."""
        self._piece = unused + self._piece[self._at :]
        self._at = 0
        self.offset -= len(unused)

    def exactly(self, count: int) -> Iterator[bytes]:
        """Pass so many bytes on; a whole piece is not copied, a part of one once."""
        while count:
            while self._at >= len(self._piece):
                self._piece, self._at = self._next(), 0
            end = min(self._at + count, len(self._piece))
            taken = self._piece if end - self._at == len(self._piece) else self._piece[self._at : end]
            self._at = end
            self.offset += len(taken)
            count -= len(taken)
            yield taken

    def at_end(self) -> bool:
        """Return whether nothing follows."""
        return not self.peek(1)

    def _fill(self, count: int, *, may_end: bool = False) -> None:
        if self._at + count <= len(self._piece):
            return
        parts = [self._piece[self._at :]]
        have = len(parts[0])
        while have < count:
            piece = next(self._pieces, None)
            if piece is None:
                if may_end:
                    break
                raise self._cut()
            parts.append(piece)
            have += len(piece)
        self._piece, self._at = b"".join(parts), 0

    def _next(self) -> bytes:
        piece = next(self._pieces, None)
        if piece is None:
            raise self._cut()
        return piece

    def _cut(self) -> ReadFailed:
        return ReadFailed(f"{self.what}: the zip ends in the middle")


# --- members -----------------------------------------------------------------------------------------------------


def _header(source: _Source) -> _Member:
    offset = source.offset - 4
    _, flags, method, _, _, crc32, packed, size, name_size, extra_size = _LOCAL.unpack(source.take(_LOCAL.size))
    name = source.take(name_size)
    extra = source.take(extra_size)
    if flags & _ENCRYPTED:
        raise ReplyStrange(f"{source.what}: the zip is encrypted")
    if method not in {_STORED, _DEFLATED}:
        raise ReplyStrange(f"{source.what}: the zip is packed in a way that no XNAT uses ({method})")
    late = bool(flags & _LATE)
    if late and method == _STORED:
        raise ReplyStrange(f"{source.what}: the zip holds a stored file of unknown length")
    if not late and _FULL_4 in {packed, size}:
        size, packed = _wide(extra, (size, packed), source.what)
    return _Member(name, method, late, offset, crc32, packed, size)


def _content(source: _Source, member: _Member, allowance: Allowance) -> Iterator[bytes]:
    """Return the content; raise before its end unless length and CRC are what the header or descriptor says."""
    if member.method == _STORED:
        if member.packed != member.size:
            raise ReplyStrange(f"{source.what}: the zip holds a stored file of two lengths")
        crc32 = 0
        allowance.take(member.size)
        for piece in source.exactly(member.size):
            crc32 = zlib.crc32(piece, crc32)
            yield piece
        if crc32 != member.crc32:
            raise _damaged(source.what)
        return
    yield from _inflated(source, member, allowance)


def _inflated(source: _Source, member: _Member, allowance: Allowance) -> Iterator[bytes]:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    crc32 = size = 0
    begin = source.offset
    while not inflater.eof:
        given = source.some()
        while given and not inflater.eof:
            try:
                piece = inflater.decompress(given, PIECE_MAX)
            except zlib.error as error:
                raise _damaged(source.what) from error
            given = inflater.unconsumed_tail
            if piece:
                crc32 = zlib.crc32(piece, crc32)
                size += len(piece)
                allowance.take(len(piece))
                yield piece
    source.give_back(inflater.unused_data)
    packed = source.offset - begin
    if member.late:
        _read_descriptor(source, (crc32, packed, size))
        member.crc32, member.packed, member.size = crc32, packed, size
    elif (crc32, packed, size) != (member.crc32, member.packed, member.size):
        raise _damaged(source.what)


def _read_descriptor(source: _Source, seen: tuple[int, int, int]) -> None:
    """Take the descriptor, which has a sign or not and short numbers or long ones: the one that is right tells."""
    crc32, packed, size = seen
    wide = _DESCRIPTOR64.pack(crc32, packed, size)
    shapes = [_DESCRIPTOR_SIGN + wide, wide]
    if max(packed, size) <= _FULL_4:
        short = _DESCRIPTOR.pack(crc32, packed, size)
        shapes += [_DESCRIPTOR_SIGN + short, short]
    ahead = source.peek(max(len(shape) for shape in shapes) + 4)
    for shape in shapes:
        if ahead.startswith(shape) and ahead[len(shape) : len(shape) + 4] in _SIGNS:
            source.take(len(shape))
            return
    if len(ahead) < min(len(shape) for shape in shapes) + 4:
        raise ReadFailed(f"{source.what}: the zip ends in the middle")
    raise _damaged(source.what)


# --- the directory at the end ------------------------------------------------------------------------------------


def _check_directory(source: _Source, sign: bytes, seen: dict[bytes, _Member]) -> None:
    start = source.offset - 4
    named: set[bytes] = set()
    while sign == _CENTRAL_SIGN:
        name = _check_entry(source, seen)
        if name in named:
            raise ReplyStrange(f"{source.what}: the zip's directory names a file twice")
        named.add(name)
        sign = source.sign()
    length = source.offset - 4 - start
    if len(named) != len(seen):
        raise ReplyStrange(f"{source.what}: the zip holds files that its directory does not name")
    _check_end(source, sign, (len(seen), length, start))
    if not source.at_end():
        raise ReplyStrange(f"{source.what}: something follows the end of the zip")


def _check_entry(source: _Source, seen: dict[bytes, _Member]) -> bytes:
    what = source.what
    fields = _CENTRAL.unpack(source.take(_CENTRAL.size))
    made_by, _, _, method, _, _, crc32, packed, size, name_size, extra_size, note_size, _, _, outer, offset = fields
    name = source.take(name_size)
    extra = source.take(extra_size)
    source.take(note_size)
    size, packed, offset = _wide(extra, (size, packed, offset), what)
    member = seen.get(name)
    if member is None:
        raise ReplyStrange(f"{what}: the zip's directory names a file that did not come")
    if made_by >> 8 == _UNIX and outer >> 16 & _KIND == _LINK:
        raise ReplyStrange(f"{what}: the zip holds a link")
    if (method, crc32, packed, size, offset) != (
        member.method,
        member.crc32,
        member.packed,
        member.size,
        member.offset,
    ):
        raise ReplyStrange(f"{what}: the zip's directory contradicts what came")
    return name


def _check_end(source: _Source, sign: bytes, seen: tuple[int, int, int]) -> None:
    counted: tuple[int, int, int] | None = None
    if sign == _END64_SIGN:
        record_size, _, _, _, _, here, count, length, start = _END64.unpack(source.take(_END64.size))
        if not _END64.size - 8 <= record_size <= _FULL_2:
            raise ReplyStrange(f"{source.what}: the zip's end is not one")
        source.take(record_size - (_END64.size - 8))
        if here != count or source.sign() != _LOCATOR64_SIGN:
            raise ReplyStrange(f"{source.what}: the zip's end is not one")
        source.take(_LOCATOR64.size)
        counted = count, length, start
        sign = source.sign()
    if sign != _END_SIGN:
        raise ReplyStrange(f"{source.what}: the zip's end is not one")
    _, _, here, total, length, start, note_size = _END.unpack(source.take(_END.size))
    source.take(note_size)
    short = total, length, start
    for said, found, full in zip(short, seen, (_FULL_2, _FULL_4, _FULL_4), strict=True):
        if said != found and not (said == full and counted is not None):
            raise ReplyStrange(f"{source.what}: the zip's end contradicts what came")
    if here != total or (counted is not None and counted != seen):
        raise ReplyStrange(f"{source.what}: the zip's end contradicts what came")


def _wide(extra: bytes, numbers: tuple[int, ...], what: str) -> tuple[int, ...]:
    """Fill in the numbers that do not fit into four bytes from the extra field where they are then."""
    if _FULL_4 not in numbers:
        return numbers
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        body = extra[at + 4 : at + 4 + length]
        if kind == 1:
            found = list(numbers)
            for index, number in enumerate(numbers):
                if number == _FULL_4:
                    if len(body) < 8:
                        raise ReplyStrange(f"{what}: the zip holds a file of unknown length")
                    found[index] = int.from_bytes(body[:8], "little")
                    body = body[8:]
            return tuple(found)
        at += 4 + length
    return numbers  # exactly 2^32-1 bytes: what follows will tell


def _decoded(name: bytes, what: str) -> str:
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ReplyStrange(f"{what}: the zip holds a name that is not UTF-8") from error


def _damaged(what: str) -> ReadFailed:
    return ReadFailed(f"{what}: a file in the zip is damaged")
