"""One request and its answer, under limits that the server cannot set back; every failure becomes one of ours.

No answer stays open: what is read at once is closed before it is given, and a stream is known until somebody closed it.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import httpx

from xnatsync.core.errors import (
    ConnectionsTaken,
    OutcomeUnknown,
    ReadFailed,
    ReplyStrange,
    Stopped,
    TlsRefused,
    XnatsyncError,
)
from xnatsync.xnat import certificates, connection, failures, redirects, unpacking
from xnatsync.xnat.bandwidth import Meter
from xnatsync.xnat.failures import Verb
from xnatsync.xnat.pace import Pace, Timeouts
from xnatsync.xnat.replies import Reply
from xnatsync.xnat.wire import Call, Due

# Unpacked.  A listing has some 380 bytes for a file: 350,000 files of one session fit (docs/security.md).
REPLY_MAX_BYTES: Final = {Due.JSON: 128 << 20, Due.XML: 128 << 20, Due.TEXT: 4 << 20, Due.ZIP: 0, Due.FILE: 0}
REFUSAL_MAX_BYTES: Final = 256 << 10  # the page of a refusal: what follows is left unread
POOL_SLICE_S: Final = 1.0  # how soon who waits for a connection of ours notices that we are to stop


@dataclass(frozen=True, slots=True)
class Body:
    """What a write sends.  `size` is exact; the pieces are read once and never again."""

    pieces: Iterator[bytes]
    size: int
    content_type: str


@dataclass(frozen=True, slots=True)
class Opened:
    """A stream whose beginning has been read."""

    response: httpx.Response
    start: bytes
    rest: Generator[bytes, None, None]
    among: set[httpx.Response]

    def close(self) -> None:
        """Let go of the connection, whatever is still to come on it."""
        self.rest.close()
        self.response.close()
        self.among.discard(self.response)


class Exchanges:
    """Requests to one address, without any idea of a login."""

    def __init__(
        self,
        root: str,
        *,
        verify: bool | str | Path,
        timeouts: Timeouts,
        stop: Callable[[], bool],
        user_agent: str,
        pool: int,
        meter: Meter | None = None,
    ) -> None:
        self._root, self._timeouts, self._stop, self._pool, self._meter = root, timeouts, stop, pool, meter
        self._http = connection.http_client(root, verify=verify, user_agent=user_agent, pool=pool)
        self._trust = connection.trust(root, verify)
        self._streams: set[httpx.Response] = set()  # that somebody reads
        self._closed = False

    @property
    def streams(self) -> int:
        """How many answers are being read piece by piece: none, when nobody reads."""
        return len(self._streams)

    def close_streams(self) -> None:
        """Close the answers that somebody left open."""
        for response in list(self._streams):
            response.close()
        self._streams.clear()

    def close(self) -> None:
        """Close all connections; whoever waits for an answer in another thread is told."""
        self._closed = True
        self._http.close()

    def _refuse_closed(self, call: Call, cause: BaseException | None = None) -> None:
        if self._closed:
            raise Stopped(
                f"{call.what}: the client was closed", advice="Make a new client: one that was closed stays so."
            ) from cause

    def opened(self, call: Call, cookie: str, offset: int) -> Opened:
        """Begin to read an answer, from an offset on; whoever gets it closes it."""
        ranged = {"Range": f"bytes={offset}-"} if offset else {}
        pace = self._pace(call, self._timeouts.read_s, whole=False)
        headers = {"Cookie": cookie, "Accept-Encoding": "identity", **ranged}
        request = self._request(call, headers, pace)
        with self.translated(call):
            response = self._sent(request, call, pace)
            try:
                whole = response.status_code not in {200, 206}
                pieces = _nothing() if whole else self._pieces(response, pace)
                start = self._drained(response, call, pace) if whole else next(pieces, b"")
            except BaseException:
                response.close()
                raise
        self._streams.add(response)
        return Opened(response, start, pieces, self._streams)

    def plain(self, call: Call, headers: Mapping[str, str]) -> Reply:
        """Read an answer at once, whatever its status is."""
        return self.exchange(call, headers, body=None, read_s=self._timeouts.read_s)

    def farewell(self, call: Call, headers: Mapping[str, str]) -> Reply:
        """Exchange what nobody waits for: a moment for each step, and none for a connection."""
        hasty = self._timeouts.leave_s
        times = replace(self._timeouts, connect_s=hasty, send_s=hasty, read_s=hasty, reply_s=hasty, window_s=hasty)
        pace = Pace(call, times, head_s=hasty, stop=lambda: False, whole=True)
        with self.translated(call):
            response = self._http.send(self._request(call, headers, pace, times=times, pool_s=0.05), stream=True)
            try:
                pace.head_came()
                return Reply(call, response.status_code, self._drained(response, call, pace), response.headers)
            finally:
                response.close()

    def _pace(self, call: Call, head_s: float, *, whole: bool) -> Pace:
        return Pace(call, self._timeouts, head_s=head_s, stop=self._stop, whole=whole)

    def exchange(self, call: Call, headers: Mapping[str, str], *, body: Body | None, read_s: float) -> Reply:
        """Send a request once and read the answer at once, whatever its status is; `read_s` is for its head."""
        pace = self._pace(call, read_s, whole=True)
        request = self._request(call, headers, pace, body=body)
        with self.translated(call):
            response = self._sent(request, call, pace)
            try:
                return Reply(call, response.status_code, self._drained(response, call, pace), response.headers)
            finally:
                response.close()

    def _sent(self, request: httpx.Request, call: Call, pace: Pace) -> httpx.Response:
        """Send a request as soon as one of our connections is free, and read the head of the answer."""
        until = time.monotonic() + self._timeouts.pool_s
        while True:
            self._refuse_closed(call)
            pace.begin()
            try:
                response = self._http.send(request, stream=True)
            except httpx.PoolTimeout as error:  # nothing of the request was touched
                if self._stop():
                    raise Stopped(f"{call.what}: interrupted by a request to stop") from error
                if time.monotonic() > until:
                    raise ConnectionsTaken(
                        f"{call.what}: all {self._pool} connections of ours to the server were in use "
                        f"for {self._timeouts.pool_s:g} seconds"
                    ) from error
                continue
            pace.head_came()
            return response

    def _request(
        self,
        call: Call,
        headers: Mapping[str, str],
        pace: Pace,
        *,
        body: Body | None = None,
        times: Timeouts | None = None,
        pool_s: float = POOL_SLICE_S,
    ) -> httpx.Request:
        given = {"X-Request-ID": str(uuid.uuid4()), "Accept-Encoding": unpacking.ACCEPTED, **headers}
        content = None
        if body is not None:
            given |= {"Content-Type": body.content_type, "Content-Length": str(body.size)}
            content = self._leaving(body.pieces, call, pace)
        connect_s = (times or self._timeouts).connect_s
        return self._http.build_request(
            call.method,
            self._root + call.target,
            headers=given,
            content=content,
            extensions={"timeout": {"connect": connect_s, "pool": pool_s, "write": pace, "read": pace}},
        )

    def _drained(self, response: httpx.Response, call: Call, pace: Pace) -> bytes:
        """Read a body to its end; of a refusal only as much as its words may take."""
        refused = response.status_code >= 400
        most = REFUSAL_MAX_BYTES if refused else REPLY_MAX_BYTES[call.due] or REFUSAL_MAX_BYTES
        held = bytearray()
        try:
            for piece in self._pieces(response, pace):
                held += piece
                if len(held) <= most:
                    continue
                if not refused:
                    failure = OutcomeUnknown if call.verb.writes else ReplyStrange
                    raise failure(f"{call.what}: the answer is longer than {most >> 10} KiB")
                break
        except (httpx.HTTPError, ReadFailed, OutcomeUnknown):
            if not refused:
                raise  # the status of a refusal says enough, even when its page is cut
        return bytes(held)

    def _pieces(self, response: httpx.Response, pace: Pace) -> Generator[bytes, None, None]:
        """Pass the pieces of a body on, unpacked and none of them large, as long as they make progress."""
        pieces = unpacking.unpacked(response, unpacking.packing(response))
        while True:
            pace.resume()
            try:
                piece = next(pieces, None)
            finally:
                pace.rest()
            if piece is None:
                return
            pace.delivered(len(piece))
            if not pace.whole:
                pace.check_stop()
                if self._meter is not None:
                    self._meter.take(len(piece), pace.check_stop)
            yield piece

    def _leaving(self, pieces: Iterator[bytes], call: Call, pace: Pace) -> Iterator[bytes]:
        """Pass the pieces of an upload on; the time that our disk takes, or a limit of ours, is not the server's."""
        check = pace.check_stop if call.verb in {Verb.IMPORT, Verb.STORE} else _no_stop
        metered = self._metered(pieces, check)
        while True:
            pace.rest()
            try:
                piece = next(metered, None)
            finally:
                pace.resume()
            if piece is None:
                return
            check()
            yield piece

    def _metered(self, pieces: Iterator[bytes], check: Callable[[], None]) -> Iterator[bytes]:
        """Pass pieces on no faster than they may leave."""
        meter = self._meter
        for piece in pieces:
            for step in meter.steps(piece) if meter is not None else (piece,):
                if meter is not None:
                    meter.take(len(step), check)
                yield step

    @contextmanager
    def translated(self, call: Call) -> Iterator[None]:
        """Raise every failure of a request as one of ours."""
        try:
            yield
        except RuntimeError as error:  # as the library says that it was closed
            self._refuse_closed(call, error)
            raise
        except failures.HTTPX_FAILURES as error:
            if not call.verb.writes:
                self._refuse_closed(call, error)
            told = failures.from_transport(error, call.verb, call.what)
            if isinstance(told, TlsRefused):
                told = certificates.refused(error, call.what, self._root, self._trust) or told
            raise told from error

    def refusal(self, reply: Reply) -> XnatsyncError:
        """Say what an answer means that is not the one asked for."""
        moved = redirects.moved(reply, self._root)
        if moved is not None:
            return moved
        call = reply.call
        return failures.from_status(reply.status, reply.text, call.verb, call.what, headers=reply.headers)


def _no_stop() -> None:
    """Go on: what is nearly done is better ended."""


def _nothing() -> Generator[bytes, None, None]:
    yield from ()
