"""Requests to one server as one user: login, retries of reads, timeouts, and one translation of every failure.

Three promises.  A write is sent once, or not at all: it is never repeated here, because only somebody who looks at the
server can tell whether it happened.  A read is repeated a few times, with growing and jittered waits.  No redirect is
followed, so no password and no data goes to an address that was not configured.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Generator
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
from xnatsync.xnat.bandwidth import Meter
from xnatsync.xnat.exchange import Body, Exchanges, Opened
from xnatsync.xnat.login import Kept, Login, Ticket, is_lost
from xnatsync.xnat.pace import Timeouts
from xnatsync.xnat.replies import Reply
from xnatsync.xnat.wire import Call

PROOF_AGE_S: Final = 60.0  # before a write, the login must have been seen alive within this time

_CONTENT_RANGE: Final = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
_FORGETFUL: Final = "the server forgets a login as soon as it is made"

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a read is tried, and how long we wait between: doubled each time, jittered, at most `most_s`."""

    tries: int = 4
    first_s: float = 0.5
    most_s: float = 8.0
    retry_after_most_s: float = 30.0  # a server that wants more is left to the engine


class Client:
    """One server seen as one user.  Thread-safe; close it to log out."""

    def __init__(
        self,
        url: str,
        user: str,
        password: str | None,
        *,
        kept: Kept | None = None,
        verify: bool | str | Path = True,
        timeouts: Timeouts,
        retries: Retries,
        stop: Callable[[], bool],
        user_agent: str,
        pool: int,
        meter: Meter | None = None,
    ) -> None:
        self._retries, self._stop = retries, stop
        self._read_s, self.work_s = timeouts.read_s, timeouts.work_s
        self.exchanges = Exchanges(
            connection.checked_url(url),
            verify=verify,
            timeouts=timeouts,
            stop=stop,
            user_agent=user_agent,
            pool=pool,
            meter=meter,
        )
        ours = self.exchanges
        encrypted = url.lower().startswith("https:")
        self.login = Login(user, password, ours.plain, ours.farewell, ours.refusal, kept=kept, encrypted=encrypted)

    def close(self) -> None:
        """Close what somebody left open, log out as far as that takes no time, and close the connections."""
        self.exchanges.close_streams()
        self.login.leave()
        self.exchanges.close()

    def get(self, call: Call) -> Reply:
        """Read, and return the answer when it is 200; everything else is raised."""
        assert not call.verb.writes
        return self._patiently(lambda: self._read(call))

    def stream(self, call: Call, *, offset: int = 0) -> Generator[bytes, None, None]:
        """Read an answer piece by piece; a cut or stalled one raises ReadFailed in the middle.

        With an offset, only what is behind it is asked for: ReplyStrange when the server sends anything else.  Whoever
        does not read it to its end closes it: until then it keeps a connection.
        """
        assert not call.verb.writes
        opened = self._patiently(lambda: self._opened(call, offset))
        try:
            with self.exchanges.translated(call):
                yield opened.start
                yield from opened.rest
        finally:
            opened.close()

    def write(
        self, call: Call, *, request_id: str, body: Body | None = None, timeout_s: float, done: frozenset[int]
    ) -> Reply:
        """Do an effect once and return the answer when its status is among `done`.

        The login is seen to be alive first, because a streamed body cannot be sent a second time.  An answer that
        arrives before the body has gone is read and translated like any other.
        """
        assert call.verb.writes
        ticket = self._patiently(self._live_ticket)
        headers = {"Cookie": ticket.cookie, "X-Request-ID": request_id}
        reply = self.exchanges.exchange(call, headers, body=body, read_s=timeout_s)
        if is_lost(reply):
            self.login.forget(ticket)
            raise _lost_in_a_write(reply)
        if reply.status not in done:
            raise self.exchanges.refusal(reply)
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
                silent = isinstance(error.__cause__, httpx.ConnectTimeout)  # waited for long enough already
                if silent or error.http == 500 or self._waits_in_vain(error, tries):
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
            return self.exchanges.plain(call, {"Cookie": ticket.cookie})

        ticket = self.login.ticket()
        reply = once(ticket)
        if is_lost(reply) or self.login.is_doubtful(ticket, reply):
            ticket = self.login.renew(ticket)
            reply = once(ticket)
            if is_lost(reply) or self.login.is_doubtful(ticket, reply):
                self.login.forget(ticket)
                raise LoginLost(f"{call.what}: {_FORGETFUL}", http=reply.status)
        if reply.status != 200:
            raise self.exchanges.refusal(reply)
        self.login.proven(ticket)
        return reply

    def _opened(self, call: Call, offset: int) -> Opened:
        """Open a stream and looks at its beginning: a login page with 200 must not be taken for a file."""
        ticket = self.login.ticket()
        for is_last in (False, True):
            opened = self.exchanges.opened(call, ticket.cookie, offset)
            reply = Reply(call, opened.response.status_code, opened.start, opened.response.headers)
            if reply.status == (206 if offset else 200) and not is_lost(reply):
                try:
                    if offset:
                        _check_range(opened.response, call, offset)
                except BaseException:
                    opened.close()
                    raise
                self.login.proven(ticket)
                return opened
            opened.close()
            if offset and reply.status in {200, 416} and not is_lost(reply):
                raise ReplyStrange(f"{call.what}: the server does not go on where we were", http=reply.status)
            if not is_lost(reply):
                raise self.exchanges.refusal(reply)
            if not is_last:
                ticket = self.login.renew(ticket)
        self.login.forget(ticket)
        raise LoginLost(f"{call.what}: {_FORGETFUL}", http=reply.status)

    def _live_ticket(self) -> Ticket:
        ticket = self.login.ticket()
        if self.login.is_fresh(ticket, PROOF_AGE_S) or self.login.is_alive(ticket):
            return ticket
        return self.login.renew(ticket)


def _check_range(response: httpx.Response, call: Call, offset: int) -> None:
    """Let through exactly what was asked for: everything from the offset to the end."""
    found = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
    if found is None or int(found[1]) != offset or (found[3] != "*" and int(found[2]) + 1 != int(found[3])):
        response.close()
        raise ReplyStrange(f"{call.what}: the server sent another part than the one asked for", http=206)


def _lost_in_a_write(reply: Reply) -> XnatsyncError:
    """Say what an ended login means for a write: nothing was done, unless a page came from who knows where."""
    if reply.status == 200:
        return OutcomeUnknown(f"{reply.call.what}: a web page came instead of an answer", http=200)
    return failures.from_status(401, "", reply.call.verb, reply.call.what)
