"""Is every byte of a zip archive a part of something that its directory names?

A zip archive is read from its end, and programs pass over what no entry leads to: the first of two archives that were
joined, an object before or behind the archive, a member that a broken writer left out of the directory.  None of that
would be listed, so none of it would be missed.
"""

from __future__ import annotations

import struct
import zipfile
from itertools import chain, pairwise
from typing import BinaryIO, NoReturn

from xnatsync.core.clutter import is_text
from xnatsync.disk.archive import Guard

PIECE = 1 << 20
HIDDEN = (
    "Have it packed or exported again: something is in it that programs leave out when they unpack it, such as the "
    "first of two archives that were joined. If you know that it is nothing, unpack it and drop the folder."
)
_LOCAL = struct.Struct("<26xHH")  # lengths of name and extra field, at the end of a member's head
_ENTRY = struct.Struct("<4s24xHHH12x")  # mark, lengths of name, extra field and comment
_END = struct.Struct("<4s16xH")  # mark, length of the comment
_MARK, _SIGNED, _END64, _LOCATOR, _LAST = b"PK\x01\x02", b"PK\x05\x05", b"PK\x06\x06", b"PK\x06\x07", b"PK\x05\x06"
_LOCATOR_SIZE, _END64_HEAD = 20, 12  # of the second: mark and size, which does not count them
_DESCRIBED = 0x8  # sizes and checksum follow the content
_DESCRIPTORS = (b"", b"PK\x07\x08")
_DESCRIPTOR_MAX = 24


def refuse_gaps(file: BinaryIO, archive: zipfile.ZipFile, guard: Guard) -> None:
    """Read what lies between, before and behind the members of an archive: nothing but zeros may."""
    infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
    first = infos[0].header_offset if infos else archive.start_dir
    _zeros(file, 0, first, guard, "before its first member")
    starts = chain((info.header_offset for info in infos), [archive.start_dir])
    for info, (_, following) in zip(infos, pairwise(starts), strict=True):
        _zeros(file, _end_of(file, info), following, guard, f"behind {info.orig_filename!r}")
    _refuse_behind(file, archive.start_dir, guard)


def _end_of(file: BinaryIO, info: zipfile.ZipInfo) -> int:
    file.seek(info.header_offset)
    name, extra = _LOCAL.unpack(file.read(_LOCAL.size))
    end: int = info.header_offset + _LOCAL.size + name + extra + info.compress_size
    if not info.flag_bits & _DESCRIBED:
        return end
    file.seek(end)
    found = file.read(_DESCRIPTOR_MAX)
    for mark in _DESCRIPTORS:
        for sizes in ("<LQQ", "<LLL"):
            descriptor = mark + _described(sizes, info)
            if found.startswith(descriptor):
                return end + len(descriptor)
    return end


def _described(sizes: str, info: zipfile.ZipInfo) -> bytes:
    wide = 1 << (64 if "Q" in sizes else 32)
    return struct.pack(sizes, info.CRC, info.compress_size % wide, info.file_size % wide)


def _refuse_behind(file: BinaryIO, directory: int, guard: Guard) -> None:
    """Walk over the directory, its end and the archive's comment; nothing but zeros may follow."""
    at = directory
    while (head := _read(file, at, _ENTRY.size))[:4] == _MARK:
        at += _ENTRY.size + sum(_ENTRY.unpack(head)[1:])
    if head[:4] == _SIGNED:
        at += 6 + int.from_bytes(head[4:6], "little")
    if (head := _read(file, at, _END64_HEAD))[:4] == _END64:
        at += _END64_HEAD + int.from_bytes(head[4:12], "little")
        at += _LOCATOR_SIZE if _read(file, at, 4) == _LOCATOR else 0
    head = _read(file, at, _END.size)
    if head[:4] != _LAST:
        _refuse(guard, at, "behind its directory")
    length: int = _END.unpack(head)[1]
    if not is_text(_read(file, at + _END.size, length)):
        _refuse(guard, at + _END.size, "in its comment")
    _zeros(file, at + _END.size + length, guard.packed_bytes, guard, "behind its end")


def _read(file: BinaryIO, at: int, size: int) -> bytes:
    file.seek(at)
    return file.read(size).ljust(min(size, _ENTRY.size), b"\0")


def _zeros(file: BinaryIO, start: int, end: int, guard: Guard, where: str) -> None:
    file.seek(start)
    while start < end and (piece := file.read(min(PIECE, end - start))):
        if piece.count(0) != len(piece):
            _refuse(guard, start, where)
        start += len(piece)


def _refuse(guard: Guard, at: int, where: str) -> NoReturn:
    raise guard.closed("", f"something that its directory does not name is {where}, at byte {at}", HIDDEN)
