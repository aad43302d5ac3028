"""Requests to one server as one user: login, retries of reads, timeouts, and one translation of every failure.

Three promises.  A write is sent once, or not at all: it is never repeated here, because only somebody who looks at the
server can tell whether it happened.  A read is repeated a few times, with growing and jittered waits.  No redirect is
followed, so no password and no data goes to an address that was not configured.
"""

from __future__ import annotations

import random
import re
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import httpx

from xnatsync.core.errors import (
    LoginLost,
    OutcomeUnknown,
    ReadFailed,
    ReplyStrange,
    ServerUnreachable,
    ServerUnwell,
    XnatsyncError,
)
from xnatsync.xnat import connection, failures
from xnatsync.xnat.failures import Verb
from xnatsync.xnat.login import Login, Ticket, is_lost
from xnatsync.xnat.replies import Reply
from xnatsync.xnat.wire import Call, Due

REPLY_MAX_BYTES: Final = 512 << 20
PROOF_AGE_S: Final = 60.0  # before a write, the login must have been seen alive within this time
STALL_WINDOW_S: Final = 300.0
STALL_BYTES: Final = 64 << 10  # fewer bytes than this in a window is no progress

_CONTENT_RANGE: Final = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
_FORGETFUL: Final = "the server forgets a login as soon as it is made"

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long nothing may happen, in seconds.  Read and write times start anew with every piece that moves."""

    connect_s: float = 15.0
    pool_s: float = 300.0  # for one of our own connections to become free
    send_s: float = 120.0  # for a piece to leave
    read_s: float = 180.0  # for the next piece of a listing or a download
    import_s: float = 3600.0  # for the answer to an upload: a proxy that buffers imports after the last byte
    work_s: float = 1800.0  # for building, archiving, deleting: longer than XNAT's own 600 s (import.md §2.5)


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a read is tried, and how long we wait between: doubled each time, jittered, at most `most_s`."""

    tries: int = 4
    first_s: float = 0.5
    most_s: float = 8.0
    retry_after_most_s: float = 30.0  # a server that wants more is left to the engine


@dataclass(frozen=True, slots=True)
class Body:
    """What a write sends.  `size` is exact; the pieces are read once and never again."""

    pieces: Iterator[bytes]
    size: int
    content_type: str


@dataclass(frozen=True, slots=True)
class _Opened:
    """A stream whose beginning has been read."""

    response: httpx.Response
    start: bytes
    rest: Iterator[bytes]


class Client:
    """One server seen as one user.  Thread-safe; close it to log out."""

    def __init__(
        self,
        url: str,
        user: str,
        password: str,
        *,
        verify: bool | str | Path = True,
        timeouts: Timeouts,
        retries: Retries,
        stop: Callable[[], bool],
        user_agent: str,
        pool: int,
    ) -> None:
        self._root = connection.checked_url(url)
        self._timeouts = timeouts
        self._retries = retries
        self._stop = stop
        self._http = connection.http_client(self._root, verify=verify, user_agent=user_agent, pool=pool)
        self.login = Login(user, password, self._plain)

    def close(self) -> None:
        """Logs out and closes the connections."""
        self.login.leave()
        self._http.close()

    def get(self, call: Call) -> Reply:
        """Reads, and gives the answer when it is 200; everything else is raised."""
        assert not call.verb.writes
        return self._patiently(lambda: self._read(call))

    def stream(self, call: Call, *, offset: int = 0) -> Generator[bytes, None, None]:
        """Reads an answer piece by piece; a cut or stalled one raises ReadFailed in the middle.

        With an offset, only what is behind it is asked for: ReplyStrange when the server sends anything else.
        """
        assert not call.verb.writes
        opened = self._patiently(lambda: self._opened(call, offset))
        try:
            with _translated(call):
                yield opened.start
                yield from self._watched(opened.rest, call)
        finally:
            opened.response.close()

    def write(
        self, call: Call, *, request_id: str, body: Body | None = None, timeout_s: float, done: frozenset[int]
    ) -> Reply:
        """Does an effect once and gives the answer when its status is among `done`.

        The login is seen to be alive first, because a streamed body cannot be sent a second time.  An answer that
        arrives before the body has gone is read and translated like any other.
        """
        assert call.verb.writes
        ticket = self._patiently(self._live_ticket)
        headers = {"Cookie": ticket.cookie, "X-Request-ID": request_id}
        reply = self._exchange(call, headers, body=body, read_s=timeout_s)
        if is_lost(reply):
            self.login.forget(ticket)
            raise _lost_in_a_write(reply)
        if reply.status not in done:
            raise _refusal(reply)
        self.login.proven(ticket)
        return reply

    # --- reads -------------------------------------------------------------------------------------------------

    def _patiently(self, action: Callable[[], Answer]) -> Answer:
        tries = 0
        while True:
            tries += 1
            try:
                return action()
            except (ServerUnreachable, ServerUnwell, ReadFailed) as error:
                if error.http == 500 or self._waits_in_vain(error, tries):
                    raise  # XNAT's 500 is a mistake of its own that comes again (hierarchy.md §3.8)

    def _waits_in_vain(self, error: XnatsyncError, tries: int) -> bool:
        asked_s = error.retry_after_s or 0.0
        if tries >= self._retries.tries or asked_s > self._retries.retry_after_most_s:
            return True
        longest = min(self._retries.first_s * 2 ** (tries - 1), self._retries.most_s)
        until = time.monotonic() + max(asked_s, longest * random.uniform(0.5, 1.0))  # noqa: S311 - spreads requests
        while (left_s := until - time.monotonic()) > 0:
            if self._stop():
                return True
            time.sleep(min(left_s, 0.1))
        return self._stop()

    def _read(self, call: Call) -> Reply:
        def once(ticket: Ticket) -> Reply:
            return self._plain(call, {"Cookie": ticket.cookie})

        ticket = self.login.ticket()
        reply = once(ticket)
        if is_lost(reply) or self.login.is_doubtful(ticket, reply):
            ticket = self.login.renew(ticket)
            reply = once(ticket)
            if is_lost(reply) or self.login.is_doubtful(ticket, reply):
                self.login.forget(ticket)
                raise LoginLost(f"{call.what}: {_FORGETFUL}", http=reply.status)
        if reply.status != 200:
            raise _refusal(reply)
        self.login.proven(ticket)
        return reply

    def _opened(self, call: Call, offset: int) -> _Opened:
        """Opens a stream and looks at its beginning: a login page with 200 must not be taken for a file."""
        ticket = self.login.ticket()
        for is_last in (False, True):
            opened = self._begin(call, ticket, offset)
            reply = Reply(call, opened.response.status_code, opened.start, opened.response.headers)
            if reply.status == (206 if offset else 200) and not is_lost(reply):
                if offset:
                    _check_range(opened.response, call, offset)
                self.login.proven(ticket)
                return opened
            opened.response.close()
            if offset and reply.status in {200, 416} and not is_lost(reply):
                raise ReplyStrange(f"{call.what}: the server does not go on where we were", http=reply.status)
            if not is_lost(reply):
                raise _refusal(reply)
            if not is_last:
                ticket = self.login.renew(ticket)
        self.login.forget(ticket)
        raise LoginLost(f"{call.what}: {_FORGETFUL}", http=reply.status)

    def _begin(self, call: Call, ticket: Ticket, offset: int) -> _Opened:
        ranged = {"Range": f"bytes={offset}-"} if offset else {}
        request = self._request(call, {"Cookie": ticket.cookie, "Accept-Encoding": "identity", **ranged})
        with _translated(call):
            response = self._sent(request)
            try:
                if response.status_code not in {200, 206}:
                    return _Opened(response, self._drained(response, call), iter(()))
                pieces = response.iter_bytes()
                return _Opened(response, next(pieces, b""), pieces)
            except BaseException:
                response.close()
                raise

    def _live_ticket(self) -> Ticket:
        ticket = self.login.ticket()
        if self.login.is_fresh(ticket, PROOF_AGE_S) or self.login.is_alive(ticket):
            return ticket
        return self.login.renew(ticket)

    # --- one exchange ------------------------------------------------------------------------------------------

    def _plain(self, call: Call, headers: Mapping[str, str]) -> Reply:
        return self._exchange(call, headers, body=None, read_s=self._timeouts.read_s)

    def _exchange(self, call: Call, headers: Mapping[str, str], *, body: Body | None, read_s: float) -> Reply:
        request = self._request(call, headers, body=body, read_s=read_s)
        with _translated(call):
            response = self._sent(request)
            try:
                return Reply(call, response.status_code, self._drained(response, call), response.headers)
            finally:
                response.close()

    def _sent(self, request: httpx.Request) -> httpx.Response:
        """Sends a request and reads the head of its answer.

        One packing swells a thousandfold at most; several in each other would swell in memory without bound.
        """
        response = self._http.send(request, stream=True)
        packings = response.headers.get_list("content-encoding", split_commas=True)
        if len(packings) > 1:
            response.close()
            raise httpx.DecodingError(f"the answer is packed {len(packings)} times")
        return response

    def _request(
        self, call: Call, headers: Mapping[str, str], *, body: Body | None = None, read_s: float | None = None
    ) -> httpx.Request:
        times = self._timeouts
        given = {"X-Request-ID": str(uuid.uuid4()), **headers}
        content = None
        if body is not None:
            given |= {"Content-Type": body.content_type, "Content-Length": str(body.size)}
            content = self._watched(body.pieces, call)
        return self._http.build_request(
            call.method,
            self._root + call.target,
            headers=given,
            content=content,
            timeout=httpx.Timeout(
                connect=times.connect_s, pool=times.pool_s, write=times.send_s, read=read_s or times.read_s
            ),
        )

    def _drained(self, response: httpx.Response, call: Call) -> bytes:
        pieces: list[bytes] = []
        size = 0
        try:
            for piece in self._watched(response.iter_bytes(), call):
                pieces.append(piece)
                size += len(piece)
                if size > REPLY_MAX_BYTES:
                    raise ReplyStrange(f"{call.what}: the answer does not end")
        except httpx.HTTPError:
            if response.status_code < 400:
                raise  # the status of a refusal says enough, even when its page is cut
        return b"".join(pieces)

    def _watched(self, pieces: Iterator[bytes], call: Call) -> Iterator[bytes]:
        """Passes pieces on as long as they make progress: httpx alone would wait for ever on one byte a minute."""
        stalled = OutcomeUnknown if call.verb.writes else ReadFailed
        since, moved = time.monotonic(), 0
        for piece in pieces:
            if self._stop() and (call.due in {Due.ZIP, Due.FILE} or call.verb in {Verb.IMPORT, Verb.STORE}):
                raise stalled(f"{call.what}: interrupted by a request to stop")
            yield piece
            moved += len(piece)
            if (now := time.monotonic()) - since > STALL_WINDOW_S:
                if moved < STALL_BYTES:
                    raise stalled(f"{call.what}: only {moved} bytes moved in {now - since:.0f} seconds")
                since, moved = now, 0


@contextmanager
def _translated(call: Call) -> Iterator[None]:
    try:
        yield
    except failures.HTTPX_FAILURES as error:
        raise failures.from_transport(error, call.verb, call.what) from error


def _check_range(response: httpx.Response, call: Call, offset: int) -> None:
    """Lets through exactly what was asked for: everything from the offset to the end."""
    found = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
    if found is None or int(found[1]) != offset or (found[3] != "*" and int(found[2]) + 1 != int(found[3])):
        response.close()
        raise ReplyStrange(f"{call.what}: the server sent another part than the one asked for", http=206)


def _refusal(reply: Reply) -> XnatsyncError:
    return failures.from_status(reply.status, reply.text, reply.call.verb, reply.call.what, headers=reply.headers)


def _lost_in_a_write(reply: Reply) -> XnatsyncError:
    """Says what an ended login means for a write: nothing was done, unless a page came from who knows where."""
    if reply.status == 200:
        return OutcomeUnknown(f"{reply.call.what}: a web page came instead of an answer", http=200)
    return failures.from_status(401, "", reply.call.verb, reply.call.what)
