"""The beginning of an association: what is proposed, and what the receiver makes of it; encoded by pynetdicom."""

from __future__ import annotations

import logging
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
)
from pynetdicom.presentation import build_context

from xnatsync.core.errors import PeerBusy, PeerLost, PeerRejected
from xnatsync.core.store_plan import CONTEXTS_MAX, Pair
from xnatsync.dicomnet.peer import Peer

ROOM: Final = 1 << 17  # bytes of a unit that is sent, where the receiver sets no limit of its own
ROOM_BACK: Final = 1 << 14  # what we take: answers are small
_LEAST: Final = 64
_PASSING: Final = 2  # a result: later it may work
_APPLICATION: Final = "1.2.840.10008.3.1.1.1"
_MAKER: Final = "2.25.308137917561478120377436311547281846325"
_DAMAGED: Final = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, struct.error)

logging.getLogger("pynetdicom").addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True)
class Agreed:
    """What both sides agreed to: the number of each pair's context, and how long a unit may be."""

    contexts: dict[Pair, int]
    room: int


def proposal(peer: Peer, pairs: Sequence[Pair]) -> bytes:
    """Return the request for an association with one context for each pair."""
    assert len(pairs) <= CONTEXTS_MAX
    asked = A_ASSOCIATE()
    asked.application_context_name = _APPLICATION
    asked.calling_ae_title, asked.called_ae_title = peer.calling, peer.called
    contexts = []
    for number, pair in enumerate(pairs):
        context = build_context(pair.sop_class, pair.syntax)
        context.context_id = 2 * number + 1
        contexts.append(context)
    asked.presentation_context_definition_list = contexts
    length, maker, version = (
        MaximumLengthNotification(),
        ImplementationClassUIDNotification(),
        ImplementationVersionNameNotification(),
    )
    length.maximum_length_received = ROOM_BACK
    maker.implementation_class_uid = _MAKER
    version.implementation_version_name = "XNATSYNC"
    asked.user_information = [length, maker, version]
    return A_ASSOCIATE_RQ(asked).encode()


def agreement(peer: Peer, pairs: Sequence[Pair], content: bytes) -> Agreed:
    """Read an acceptance; PeerLost when it cannot be understood.  A pair that is not in it was refused."""
    try:
        accepted = A_ASSOCIATE_AC()
        accepted.decode(b"\x02\0" + len(content).to_bytes(4, "big") + content)
        results = {item.context_id: (item.result, str(item.transfer_syntax)) for item in accepted.presentation_context}
        said = accepted.user_information.maximum_length if accepted.user_information is not None else None
    except _DAMAGED as error:
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
