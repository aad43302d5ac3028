"""The messages of C-ECHO and C-STORE (PS3.7 9.1, 9.3), as bytes: command sets are few elements in implicit VR."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from xnatsync.dicomnet.wire import DATA

STORE_RQ, STORE_RSP, ECHO_RQ, ECHO_RSP = 0x0001, 0x8001, 0x0030, 0x8030
NO_DATA: Final = 0x0101
_COMMAND, _LAST = 1, 2  # of the byte before a fragment
_LENGTH, _CLASS, _FIELD, _ID, _ANSWERED, _PRIORITY, _DATA_SET, _STATUS, _UID = (
    *(0x0000, 0x0002, 0x0100, 0x0110, 0x0120, 0x0700, 0x0800, 0x0900, 0x1000),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What matters of a response."""

    field: int
    message: int
    status: int


def echo(message: int, sop_class: str) -> bytes:
    """Return the command of a C-ECHO."""
    return _command(
        _text(_CLASS, sop_class), _number(_FIELD, ECHO_RQ), _number(_ID, message), _number(_DATA_SET, NO_DATA)
    )


def store(message: int, sop_class: str, sop_uid: str) -> bytes:
    """Return the command of a C-STORE, of medium priority; its data set follows."""
    return _command(
        _text(_CLASS, sop_class),
        _number(_FIELD, STORE_RQ),
        _number(_ID, message),
        _number(_PRIORITY, 0),
        _number(_DATA_SET, 1),
        _text(_UID, sop_uid),
    )


def answer(command: bytes) -> Answer | None:
    """Read the command set of a response; None when it is none that can be understood."""
    found: dict[int, int] = {}
    at = 0
    while at + 8 <= len(command):
        group, number, length = struct.unpack_from("<HHL", command, at)
        at += 8
        if group or length > len(command) - at:
            return None
        if length == 2:
            found[number] = int.from_bytes(command[at : at + 2], "little")
        at += length
    if at != len(command) or not {_FIELD, _ANSWERED, _STATUS} <= found.keys():
        return None
    if found.get(_DATA_SET, NO_DATA) != NO_DATA:  # neither answer has a data set
        return None
    return Answer(found[_FIELD], found[_ANSWERED], found[_STATUS])


def units(content: memoryview | bytes, context: int, room: int, *, command: bool = False, last: bool) -> list[bytes]:
    """Cut content into fragments, each a unit of at most `room` bytes: the pieces of them, to be joined.

    `last` says that the message's command, or its data set, ends here.
    """
    step = fragment(room)
    pieces: list[bytes] = []
    view = memoryview(content)
    for at in range(0, len(view), step):
        piece = view[at : at + step]
        flags = (_COMMAND if command else 0) | (_LAST if last and at + step >= len(view) else 0)
        pieces += (struct.pack(">BxLLBB", DATA, len(piece) + 6, len(piece) + 2, context, flags), piece)  # type: ignore[arg-type]
    return pieces


def fragment(room: int) -> int:
    """Return how many bytes of content a unit has room for: an even number."""
    return max(2, (room - 6) & ~1)


def fragments(unit: bytes) -> list[tuple[int, int, bytes]] | None:
    """Return the fragments of a data unit: context, flags and content; None when it is damaged."""
    found, at = [], 0
    while at + 6 <= len(unit):
        length, context, flags = struct.unpack_from(">LBB", unit, at)
        if length < 2 or length - 2 > len(unit) - at - 6:
            return None
        found.append((context, flags, unit[at + 6 : at + 4 + length]))
        at += 4 + length
    return found if at == len(unit) else None


def is_command(flags: int) -> bool:
    """Return whether a fragment belongs to a command."""
    return bool(flags & _COMMAND)


def is_last(flags: int) -> bool:
    """Return whether a fragment is the last of its command or data set."""
    return bool(flags & _LAST)


def _command(*elements: bytes) -> bytes:
    joined = b"".join(elements)
    return struct.pack("<HHLL", 0, _LENGTH, 4, len(joined)) + joined


def _number(element: int, value: int) -> bytes:
    return struct.pack("<HHLH", 0, element, 2, value)


def _text(element: int, uid: str) -> bytes:
    value = uid.encode("ascii")
    value += b"\0" * (len(value) % 2)
    return struct.pack("<HHL", 0, element, len(value)) + value
