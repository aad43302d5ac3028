"""An association: one connection, one object outstanding, and the answer read by whoever waits for it."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Final, Self

from xnatsync.core.errors import PeerLost, XnatsyncError
from xnatsync.core.store_plan import Pair
from xnatsync.dicomnet import messages, wire
from xnatsync.dicomnet.negotiation import Agreed, agreement, proposal, rejection
from xnatsync.dicomnet.peer import Patience, Peer, connect
from xnatsync.dicomnet.wire import Line

VERIFICATION: Final = Pair("1.2.840.10008.1.1", "1.2.840.10008.1.2")
_RELEASE: Final = b"\x05\0\0\0\0\x04\0\0\0\0"
_RELEASED: Final = b"\x06\0\0\0\0\x04\0\0\0\0"
_ABORT: Final = b"\x07\0\0\0\0\x04\0\0\0\0"
_IDS: Final = 0xFFFF
_ABORTED_BY: Final = {0: "by its own wish", 2: "because of what it received"}


class Association:
    """An open association; to be used by one thread.  Left without an error it is released, else aborted."""

    def __init__(self, line: Line, agreed: Agreed) -> None:
        self.agreed = agreed
        self._line = line
        self._message = 0

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say goodbye."""
        if error is None:
            self.release()
        else:
            self.abort()

    def echo(self) -> int | None:
        """Ask whether the receiver is there: its status, None when it does not offer that."""
        context = self.agreed.contexts.get(VERIFICATION)
        if context is None:
            return None
        number = self._next()
        command = messages.units(
            messages.echo(number, VERIFICATION.sop_class), context, self.agreed.room, command=True, last=True
        )
        self._send(command)
        return self._answer(context, number, messages.ECHO_RSP)

    def store(self, pair: Pair, sop_uid: str, pieces: Iterator[tuple[bytes, bool]]) -> int:
        """Send an object and return the receiver's status.  `pieces` are its data set: bytes, and whether they end it.

        PeerLost when no answer came: the object may have arrived.  What `pieces` raises is raised, and the association
        cannot be used any more.
        """
        context, number, room = self.agreed.contexts[pair], self._next(), self.agreed.room
        waiting = messages.units(
            messages.store(number, pair.sop_class, sop_uid), context, room, command=True, last=True
        )
        for piece, last in pieces:
            self._send([*waiting, *messages.units(piece, context, room, last=last)])
            waiting = []
        return self._answer(context, number, messages.STORE_RSP)

    def release(self) -> None:
        """End it in order; a receiver that does not answer is left."""
        try:
            self._line.send(_RELEASE)
            while self._line.unit(self._line.patience.part_s)[0] == wire.DATA:
                pass  # what is late
        except XnatsyncError:
            pass  # every object has its answer already
        finally:
            self._line.close()

    def abort(self) -> None:
        """End it at once."""
        try:
            self._line.send(_ABORT)
        except XnatsyncError:
            pass
        finally:
            self._line.close()

    # --- inner parts ---------------------------------------------------------------------------------------------

    def _next(self) -> int:
        self._message = self._message % _IDS + 1
        return self._message

    def _send(self, pieces: list[bytes]) -> None:
        """Send; where the receiver has hung up, what it said before is the reason."""
        try:
            self._line.send(b"".join(pieces))
        except PeerLost as lost:
            raise self._said_before(lost) from lost

    def _said_before(self, lost: PeerLost) -> PeerLost:
        try:
            kind, content = self._line.unit(self._line.patience.look_s)
        except XnatsyncError:
            return lost
        return _ended(self._line.peer, content) if kind == wire.ABORT else lost

    def _answer(self, context: int, number: int, field: int) -> int:
        command = b""
        while True:
            kind, content = self._line.unit(self._line.patience.answer_s)
            if kind != wire.DATA:
                raise self._no_answer(kind, content)
            for got, flags, piece in messages.fragments(content) or [(0, 0, b"")]:
                if got != context or not messages.is_command(flags) or len(command) > wire.LONGEST:
                    raise self._strange()
                command += piece
                if messages.is_last(flags):
                    found = messages.answer(command)
                    if found is None or (found.field, found.message) != (field, number):
                        raise self._strange()
                    return found.status

    def _no_answer(self, kind: int, content: bytes) -> PeerLost:
        if kind == wire.ABORT:
            return _ended(self._line.peer, content)
        if kind == wire.RELEASE_RQ:
            self._line.send(_RELEASED)
            return PeerLost(f"{self._line.peer} ended the association instead of answering")
        return self._strange()

    def _strange(self) -> PeerLost:
        return PeerLost(f"the answer of {self._line.peer} cannot be understood")


def associate(
    peer: Peer,
    pairs: Sequence[Pair],
    patience: Patience,
    trusted: ssl.SSLContext | None,
    stopping: Callable[[], bool] = lambda: False,
) -> Association:
    """Open an association with a context for each pair.

    PeerUnreachable, TlsRefused, PeerRejected or PeerBusy (with the reason), or PeerLost when no usable answer came.
    """
    line = Line(connect(peer, patience, trusted), peer, patience, stopping)
    try:
        line.send(proposal(peer, pairs))
        return Association(line, _agreed(line, pairs))
    except BaseException:
        line.close()
        raise


def _agreed(line: Line, pairs: Sequence[Pair]) -> Agreed:
    kind, content = line.unit(line.patience.answer_s)
    if kind == wire.ASSOCIATE_AC:
        return agreement(line.peer, pairs, content)
    if kind == wire.ASSOCIATE_RJ:
        raise rejection(line.peer, content)
    if kind == wire.ABORT:
        raise _ended(line.peer, content)
    raise PeerLost(f"the answer of {line.peer} cannot be understood")


def _ended(peer: Peer, content: bytes) -> PeerLost:
    source = content[2] if len(content) > 2 else 0
    return PeerLost(f"{peer} aborted the association {_ABORTED_BY.get(source, 'without a reason')}")
