"""Many objects over several associations at once: each ends with exactly one outcome, and every wait has an end."""

from __future__ import annotations

import hashlib
import ssl
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from xnatsync.core.errors import (
    DiskError,
    PeerBusy,
    PeerFull,
    PeerLost,
    PeerRejected,
    PeerUnreachable,
    SourceChanged,
    SourceError,
    Stopped,
    TlsRefused,
    XnatsyncError,
)
from xnatsync.core.store_plan import Pair, Sendable, groups_of
from xnatsync.core.store_status import Outcome, outcome_of, status_words
from xnatsync.dicomnet.association import Association, associate
from xnatsync.dicomnet.peer import Patience, Peer

TRIES: Final = 3  # of one object, or of opening an association
LOST_MAX: Final = 6  # associations that end one after the other without one object confirmed in between
FULL_MAX: Final = 3  # objects one after the other for which there was no room
_PASSING: Final = (PeerUnreachable, PeerBusy, PeerLost)

Content = Callable[[Sendable], Iterator[bytes]]  # a file from its first byte to its last


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one object; `status` is the receiver's, None without an answer."""

    object: Sendable
    outcome: Outcome
    words: str
    status: int | None = None


class Sending:
    """One transfer.  `told` is called once for each object, by one thread at a time; `ended` says why it was cut short.

    Nothing that a receiver does is raised.
    """

    def __init__(
        self,
        peer: Peer,
        content: Content,
        told: Callable[[Sent], None],
        *,
        trusted: ssl.SSLContext | None = None,
        workers: int = 4,
        patience: Patience | None = None,
        stopping: Callable[[], bool] = lambda: False,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        self.peer = peer
        self.ended: XnatsyncError | None = None
        self.associations = 0
        self._content, self._told, self._trusted = content, told, trusted
        self._workers, self._patience, self._stopping = workers, patience or Patience(), stopping
        self._wait = wait or threading.Event().wait
        self._lock, self._opening = threading.Lock(), threading.Lock()
        self._queue: deque[Sendable] = deque()
        self._open = 0  # associations that are open
        self._losses: Counter[Sendable] = Counter()  # of each object
        self._why: dict[Sendable, str] = {}
        self._lost = self._full = 0  # in a row

    def send(self, objects: Sequence[Sendable]) -> None:
        """Send them all: those of one group of contexts after the other, each group over several associations."""
        waiting = deque(groups_of(one.pair for one in objects))
        by_pair: dict[Pair, list[Sendable]] = {}
        for one in objects:
            by_pair.setdefault(one.pair, []).append(one)
        while waiting:
            pairs = waiting.popleft()
            self._queue = deque(one for pair in pairs for one in by_pair[pair])
            if not self._is_over:
                self._group(pairs)
            for one in self._queue:
                self._left(one)

    @property
    def _is_over(self) -> bool:
        return self.ended is not None or self._stopping()

    def _group(self, pairs: tuple[Pair, ...]) -> None:
        count = max(1, min(self._workers, len(self._queue)))
        if count == 1:
            self._work(pairs)
            return
        with ThreadPoolExecutor(count, thread_name_prefix="c-store") as pool:
            for done in [pool.submit(self._work, pairs) for _ in range(count)]:
                done.result()

    def _left(self, one: Sendable) -> None:
        """Conclude about an object that was not answered before the end: one that was on its way may have arrived."""
        if self._losses[one]:
            self._tell(Sent(one, Outcome.UNKNOWN, self._why[one]))
        else:
            self._tell(Sent(one, Outcome.NOT_SENT, "the transfer ended before its turn"))

    # --- one association after the other -------------------------------------------------------------------------

    def _work(self, pairs: tuple[Pair, ...]) -> None:
        """Send until nothing is left; a failure of ours ends the other workers too."""
        try:
            while not self._is_over and self._queue:
                association = self._opened(pairs)
                if association is None:
                    return
                self._over(association)
        except BaseException as error:
            self._end(error if isinstance(error, XnatsyncError) else Stopped("the transfer was broken off"))
            raise

    def _opened(self, pairs: tuple[Pair, ...]) -> Association | None:
        """Open an association; None when there is none to be had: others go on, or it is over."""
        for tried in range(1, TRIES + 1):
            try:
                with self._opening:  # one at a time: all at once may be more than a receiver allows, each time anew
                    if self._is_over:
                        return None
                    found = associate(self.peer, pairs, self._patience, self._trusted, self._stopping)
                    with self._lock:
                        self._open += 1
                        self.associations += 1
            except (TlsRefused, PeerRejected) as error:
                self._end(error)
                return None
            except Stopped:
                return None
            except _PASSING as error:
                with self._lock:
                    alone = self._open == 0
                if not alone:
                    return None
                if tried == TRIES or self._wait(self._patience.again_s * tried) or self._is_over:
                    self._end(error)
                    return None
            else:
                return found
        return None

    def _over(self, association: Association) -> None:
        """Send over one association until nothing is left, or it has ended."""
        whole = False
        try:
            whole = self._all_over(association)
        finally:
            with self._lock:
                self._open -= 1
            if whole:
                association.release()
            else:
                association.abort()

    def _all_over(self, association: Association) -> bool:
        """Return whether the association is as it should be at the end."""
        while not self._is_over:
            with self._lock:
                one = self._queue.popleft() if self._queue else None
            if one is None:
                return True
            if one.pair not in association.agreed.contexts:
                self._tell(Sent(one, Outcome.NOT_ACCEPTED, "the receiver does not take its class in its syntax"))
                continue
            try:
                status = association.store(one.pair, one.sop_uid, self._data_set(one))
            except (SourceError, DiskError) as error:
                self._tell(Sent(one, Outcome.CHANGED, str(error)))
                return False
            except Stopped as error:
                self._back(one, str(error))
                return False
            except (PeerLost, TlsRefused) as error:
                self._lose(one, error)
                return False
            self._conclude(one, status)
        return True

    def _data_set(self, one: Sendable) -> Iterator[tuple[bytes, bool]]:
        """Give the data set; the last piece only once the file has proved to be what was looked at."""
        digest, size, left, held = hashlib.sha256(), 0, one.starts_at, b""
        for piece in self._content(one):
            digest.update(piece)
            size += len(piece)
            if size > one.size:
                break
            kept = piece[left:] if left else piece
            left = max(0, left - len(piece))
            if held and kept:
                yield held, False
            held = kept or held
        if size != one.size or digest.digest() != one.sha256 or not held:
            raise SourceChanged(f"{one.path} changed after it had been looked at")
        yield held, True

    # --- outcomes ------------------------------------------------------------------------------------------------

    def _conclude(self, one: Sendable, status: int) -> None:
        outcome = outcome_of(status)
        with self._lock:
            self._lost = 0
            self._full = self._full + 1 if outcome is Outcome.NO_ROOM else 0
            full = self._full >= FULL_MAX
        self._tell(Sent(one, outcome, status_words(status), status))
        if full:
            self._end(PeerFull(f"{self.peer} had no room for {FULL_MAX} objects in a row: {status_words(status)}"))

    def _lose(self, one: Sendable, error: XnatsyncError) -> None:
        """Send an object again whose answer did not come, unless it is the one that ends associations."""
        with self._lock:
            self._lost += 1
            hopeless = self._lost >= LOST_MAX
            given_up = self._losses[one] + 1 >= TRIES
        if given_up:
            self._tell(Sent(one, Outcome.UNKNOWN, f"{error}; so it was {TRIES} times"))
        else:
            self._back(one, str(error))
        if hopeless or isinstance(error, TlsRefused):
            self._end(error)

    def _back(self, one: Sendable, words: str) -> None:
        with self._lock:
            self._losses[one] += 1
            self._why[one] = words
            self._queue.appendleft(one)

    def _tell(self, sent: Sent) -> None:
        with self._lock:
            self._told(sent)

    def _end(self, error: XnatsyncError) -> None:
        with self._lock:
            self.ended = self.ended or error
