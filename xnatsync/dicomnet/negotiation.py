"""The beginning of an association: what is proposed, and what the receiver makes of it (PS3.8 9.3.2, 9.3.3).

Encoded here, because importing pynetdicom takes longer than sending 200 objects; tests compare byte for byte.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from xnatsync.core.errors import PeerBusy, PeerLost, PeerRejected
from xnatsync.core.store_plan import CONTEXTS_MAX, Pair
from xnatsync.dicomnet.peer import Peer
from xnatsync.dicomnet.wire import ASSOCIATE_RQ

ROOM: Final = 1 << 17  # bytes of a unit that is sent, where the receiver sets no limit of its own
ROOM_BACK: Final = 1 << 14  # what we take: answers are small
_LEAST: Final = 64
_PASSING: Final = 2  # a result: later it may work
_APPLICATION: Final = "1.2.840.10008.3.1.1.1"
_MAKER: Final = "2.25.308137917561478120377436311547281846325"
_HEAD: Final = 68  # version, reserved, both titles, reserved: before the items of a request and of an acceptance
_TITLE: Final = 16
_CONTEXT_APPLICATION, _CONTEXT_RQ, _CONTEXT_AC, _ABSTRACT, _TRANSFER = 0x10, 0x20, 0x21, 0x30, 0x40
_USER, _LENGTH, _CLASS, _NAME = 0x50, 0x51, 0x52, 0x55


class _DamagedError(Exception):
    """What was received is not what it says it is."""


@dataclass(frozen=True, slots=True)
class Agreed:
    """What both sides agreed to: the number of each pair's context, and how long a unit may be."""

    contexts: dict[Pair, int]
    room: int


def proposal(peer: Peer, pairs: Sequence[Pair]) -> bytes:
    """Return the request for an association with one context for each pair."""
    assert len(pairs) <= CONTEXTS_MAX
    contexts = (
        _item(
            _CONTEXT_RQ,
            bytes((2 * number + 1, 0, 0, 0)),
            _item(_ABSTRACT, pair.sop_class.encode("ascii")),
            _item(_TRANSFER, pair.syntax.encode("ascii")),
        )
        for number, pair in enumerate(pairs)
    )
    user = _item(
        _USER,
        _item(_LENGTH, ROOM_BACK.to_bytes(4, "big")),
        _item(_CLASS, _MAKER.encode("ascii")),
        _item(_NAME, b"XNATSYNC"),
    )
    head = struct.pack(">H2x16s16s32x", 1, _title(peer.called), _title(peer.calling))
    content = b"".join((head, _item(_CONTEXT_APPLICATION, _APPLICATION.encode("ascii")), *contexts, user))
    return struct.pack(">BxL", ASSOCIATE_RQ, len(content)) + content


def agreement(peer: Peer, pairs: Sequence[Pair], content: bytes) -> Agreed:
    """Read an acceptance; PeerLost when it cannot be understood.  A pair that is not in it was refused."""
    try:
        results, said = _accepted(content)
    except _DamagedError as error:
        raise PeerLost(f"the acceptance of {peer} cannot be understood") from error
    if not results:
        raise PeerLost(f"the acceptance of {peer} answers no presentation context")
    room = min(said, ROOM) if said else ROOM
    if room < _LEAST:
        raise PeerLost(f"{peer} takes units of {room} bytes, and no object fits into such")
    contexts = {
        pair: 2 * number + 1 for number, pair in enumerate(pairs) if results.get(2 * number + 1) == (0, pair.syntax)
    }
    return Agreed(contexts, room)


def rejection(peer: Peer, content: bytes) -> PeerRejected | PeerBusy:
    """Say why a receiver rejected an association, and what to do (PS3.8 9.3.4)."""
    result, source, reason = (*content[1:4], 0, 0, 0)[:3]
    why = (source, reason)
    if why == (1, 7):
        return PeerRejected(
            f"{peer.address} knows no receiver called {peer.called!r} (called AE title not recognised)",
            advice="Ask its administrator for the AE title, and give it with --called-aet; capitals count.",
        )
    if why == (1, 3):
        return PeerRejected(
            f"{peer} does not accept {peer.calling!r} (calling AE title not recognised)",
            advice="Ask its administrator to add our AE title and address, or give a known one with --calling-aet.",
        )
    words = {
        (1, 1): "no reason given",
        (1, 2): "application context not supported",
        (2, 1): "no reason given",
        (2, 2): "protocol version not supported",
        (3, 1): "temporary congestion",
        (3, 2): "local limit exceeded",
    }.get(why, f"source {source}, reason {reason}")
    if result == _PASSING:
        return PeerBusy(f"{peer} rejected the association for now: {words}")
    return PeerRejected(f"{peer} rejected the association: {words}")


def _accepted(content: bytes) -> tuple[dict[int, tuple[int, str]], int]:
    """Return result and transfer syntax of each context, and how long a unit may be: 0 without a limit."""
    results: dict[int, tuple[int, str]] = {}
    room = 0
    if len(content) < _HEAD:
        raise _DamagedError
    for kind, inner in _items(content[_HEAD:]):
        if kind == _CONTEXT_AC:
            if len(inner) < 4 or inner[0] in results:
                raise _DamagedError
            syntaxes = [value for part, value in _items(inner[4:]) if part == _TRANSFER]
            syntax = syntaxes[0].rstrip(b"\0 ").decode("ascii", "replace") if len(syntaxes) == 1 else ""
            results[inner[0]] = (inner[2], syntax)
        elif kind == _USER:
            for part, value in _items(inner):
                if part == _LENGTH:
                    if len(value) != 4:
                        raise _DamagedError
                    room = int.from_bytes(value, "big")
    return results, room


def _items(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Take items apart: a type, a reserved byte, the length of what follows."""
    at = 0
    while at < len(content):
        if at + 4 > len(content):
            raise _DamagedError
        kind, length = struct.unpack_from(">BxH", content, at)
        at += 4
        if length > len(content) - at:
            raise _DamagedError
        yield kind, content[at : at + length]
        at += length


def _item(kind: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">BxH", kind, len(content)) + content


def _title(title: str) -> bytes:
    padded = title.encode("ascii").ljust(_TITLE)
    assert len(padded) == _TITLE
    return padded
