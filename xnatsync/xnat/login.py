"""The one login of a server and user: opened, proven, renewed and ended under one lock.

Every login without a cookie makes a new session on the server, and too many of them lock the account out (hierarchy.md
§2.1).  So all threads share one, a thread that finds it dead renews it only if no other thread has done so meanwhile,
and refused credentials are not tried again for a while.
"""

from __future__ import annotations

import base64
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Final, Protocol

import httpx

from xnatsync.core.errors import (
    ConfigError,
    CredentialsMissing,
    CredentialsRefused,
    LoginLost,
    ReplyStrange,
    ServerMoved,
    XnatsyncError,
)
from xnatsync.xnat import failures, replies, wire
from xnatsync.xnat.replies import Reply
from xnatsync.xnat.wire import Call

REFUSAL_REST_S: Final = 60.0  # XNAT locks an account after 20 failures; 8 workers must not use them up in a second

SESSION: Final = re.compile(r"[A-Za-z0-9._!~*-]{1,256}")
_COOKIE: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,128})=([\x21-\x3a\x3c-\x7e]{0,2048})(?:;|$)")
_OWN_COOKIES: Final = frozenset({"JSESSIONID", "SESSION_EXPIRATION_TIME"})


class Exchange(Protocol):
    """Sends one request as it is and reads the answer, without any judgement on the status."""

    def __call__(self, call: Call, headers: Mapping[str, str]) -> Reply:
        """Exchange; transport failures are raised as classes of `core.errors`."""
        ...


@dataclass(frozen=True, slots=True)
class Ticket:
    """One login.  `cookie` is the whole Cookie header: one JSESSIONID, and what a load balancer set beside it."""

    session: str
    cookie: str
    user: str

    def __repr__(self) -> str:
        """Hide the session: it is as good as the password."""
        return f"Ticket(user={self.user!r})"


class Kept(Protocol):
    """A session that outlives this process, and where a new one is kept in its stead."""

    def load(self) -> Ticket | None:
        """Return the session that is kept; its `user` is "" where that is not known."""
        ...

    def save(self, ticket: Ticket) -> bool:
        """Keep a session; False where none is kept, so that it has to be ended."""
        ...

    def drop(self, ticket: Ticket) -> None:
        """Forget this session, which has ended; another one that was kept meanwhile stays."""
        ...

    def alone(self) -> AbstractContextManager[object]:
        """Keep other processes from logging in while this one does."""
        ...


class GivenSession:
    """The session that somebody else opened and gave to us: it is used as it is, and never ended."""

    def __init__(self, token: str, user: str = "") -> None:
        if not SESSION.fullmatch(token):
            raise CredentialsMissing(
                "the session token holds characters that no session of an XNAT has",
                advice="Give the JSESSIONID alone, as `POST /data/JSESSION` answers it.",
            )
        self._ticket: Ticket | None = Ticket(token, f"JSESSIONID={token}", user)

    def load(self) -> Ticket | None:
        """Return it until it has ended."""
        return self._ticket

    def save(self, ticket: Ticket) -> bool:
        """Keep nothing."""
        return False

    def drop(self, ticket: Ticket) -> None:
        """Forget it."""
        self._ticket = None

    def alone(self) -> AbstractContextManager[object]:
        """Exclude nobody."""
        return nullcontext()


class Login:
    """Holds the ticket.  All methods may be called from any thread."""

    def __init__(
        self,
        user: str,
        password: str | None,
        exchange: Exchange,
        farewell: Exchange | None = None,
        refusal: Callable[[Reply], XnatsyncError] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        kept: Kept | None = None,
        encrypted: bool = True,
    ) -> None:
        """`farewell` exchanges what nobody waits for; `refusal` says what an unexpected answer means.

        Without a password there is `kept`, a session to begin with; and it is begun with where there are both.
        """
        if ":" in user:
            raise ConfigError("a user name cannot hold a colon")
        self._user = user
        self._basic = None if password is None else _basic(user, password)
        self._kept, self._stays, self._encrypted = kept, False, encrypted
        self._exchange = exchange
        self._farewell = farewell or exchange
        self._refusal = refusal or _refusal
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._ticket: Ticket | None = None
        self._proven_at = 0.0
        self._ended = 0
        self._failed: tuple[float, XnatsyncError] | None = None
        self._sets_cookies = False

    def ticket(self) -> Ticket:
        """Return the ticket, logging in when there is none; CredentialsRefused when the server will not have us."""
        before = self._ended
        with self._lock:
            return self._ticket or self._sign_in(before)

    def renew(self, spent: Ticket) -> Ticket:
        """Return a ticket that is not `spent`: the one another thread has got meanwhile, or a new one."""
        before = self._ended
        with self._lock:
            if self._ticket is not None and self._ticket is not spent:
                return self._ticket
            self._ticket = None
            return self._sign_in(before)

    def forget(self, spent: Ticket) -> None:
        """Drop a dead ticket, so that whoever comes next logs in again."""
        with self._lock:
            if self._ticket is spent:
                self._ticket = None

    def proven(self, ticket: Ticket) -> None:
        """Note that the server just knew us by this ticket."""
        with self._lock:
            if self._ticket is ticket:
                self._proven_at = self._monotonic()

    def is_fresh(self, ticket: Ticket, age_s: float) -> bool:
        """Return whether the server knew us by this ticket within the last `age_s` seconds."""
        with self._lock:
            return self._ticket is ticket and self._monotonic() - self._proven_at < age_s

    def is_alive(self, ticket: Ticket) -> bool:
        """Ask the server whether it still knows us by this ticket; an open site would answer as guest (§2.1)."""
        reply = self._exchange(wire.auth(), {"Cookie": ticket.cookie})
        if is_lost(reply):
            return False
        if reply.status != 200:
            raise self._refusal(reply)
        alive = replies.user(reply) == ticket.user
        if alive:
            self.proven(ticket)
        return alive

    def is_doubtful(self, ticket: Ticket, reply: Reply) -> bool:
        """Return whether the server opened another session for us: it does that when it no longer knows ours.

        Then an open site serves us as guest, with less than we may see.  A server that sets the cookie at every answer
        is found out once and believed from then on.
        """
        fresh = _cookies(reply.headers).get("JSESSIONID")
        if fresh is None or fresh == ticket.session or self._sets_cookies:
            return False
        if self.is_alive(ticket):
            self._sets_cookies = True
            return False
        return True

    @property
    def is_kept(self) -> bool:
        """Return whether the session outlives this process."""
        return self._stays

    def keep(self) -> Ticket:
        """Return the ticket, whose session is from now on not ended by `leave`."""
        ticket = self.ticket()
        self._stays = True
        return ticket

    def end(self, ticket: Ticket) -> None:
        """End a session on the server; failures are raised."""
        self._exchange(wire.sign_out(), {"Cookie": ticket.cookie})

    def leave(self) -> None:
        """End the session on the server, as well as that can be done; not one that is kept."""
        if not self._lock.acquire(timeout=1.0):
            return  # somebody logs in on a server that does not answer
        try:
            ticket, self._ticket = self._ticket, None
        finally:
            self._lock.release()
        if ticket is not None and not self._stays:
            with suppress(XnatsyncError):  # it ends by itself when it has been idle
                self._farewell(wire.sign_out(), {"Cookie": ticket.cookie})

    def _sign_in(self, before: int) -> Ticket:
        """Log in; `before` counts the attempts that had ended when the caller began to wait.

        Who waited while another attempt failed shares its failure: a dead server would keep each thread in turn.
        """
        if self._failed is not None:
            at, failure = self._failed
            resting = isinstance(failure, CredentialsRefused) and self._monotonic() - at < REFUSAL_REST_S
            if resting or self._ended > before:
                raise failures.again(failure)
        try:
            self._ticket = self._fresh_ticket()
        except XnatsyncError as error:
            self._failed = (self._monotonic(), error)
            raise
        finally:
            self._ended += 1
        self._failed = None
        self._proven_at = self._monotonic()
        return self._ticket

    def _fresh_ticket(self) -> Ticket:
        """Return the session that is kept, if the server still knows it; else log in, and keep that one instead."""
        self._stays = False
        if self._kept is None:
            return self._by_password()
        found = self._kept.load()
        if found is not None and (ticket := self._proved(found)) is not None:
            return ticket
        with self._kept.alone():
            later = self._kept.load()
            if later is not None and later != found and (ticket := self._proved(later)) is not None:
                return ticket  # another process logged in meanwhile
            if later is not None:
                self._kept.drop(later)
            ticket = self._by_password()
            self._stays = found is not None and self._kept.save(ticket)
        return ticket

    def _proved(self, found: Ticket) -> Ticket | None:
        """Ask the server whose session it is; None when it has ended, or is another's."""
        reply = self._exchange(wire.auth(), {"Cookie": found.cookie})
        if is_lost(reply):
            return None
        if reply.status != 200:
            raise self._refusal(reply)
        known = replies.user(reply)
        if known != (found.user or self._user or known) or (known == "guest" and self._user != "guest"):
            return None
        self._stays = True
        return Ticket(found.session, found.cookie, known)

    def _by_password(self) -> Ticket:
        if self._basic is None:
            raise CredentialsMissing(
                "the session of this server has ended, or is another user's, and no password is known",
                advice="`xnatsync auth login` logs in again.",
            )
        reply = self._exchange(wire.sign_in(), {"Authorization": self._basic})
        if reply.status == 401:
            raise CredentialsRefused("the server refused user and password", http=401)
        if reply.status in {404, 405} or (reply.status == 200 and failures.is_page(reply.text)):
            raise ReplyStrange(
                f"there is no XNAT at this address (it answered {reply.status})",
                http=reply.status,
                advice="Check `url` of this server.  If the XNAT's address has a path, such as https://host/xnat, that "
                "path belongs into it; a slash at its end does not matter.",
            )
        if reply.status != 200:
            raise self._refusal(reply)
        cookies = _cookies(reply.headers)
        session = cookies.get("JSESSIONID") or reply.text.strip()
        if not SESSION.fullmatch(session):
            raise ReplyStrange("logging in: the server named no session")
        others = [f"{name}={value}" for name, value in cookies.items() if name not in _OWN_COOKIES]
        cookie = "; ".join([f"JSESSIONID={session}", *others])
        if not self._encrypted and _is_secure(reply.headers):
            with self._blaming_the_address():
                return Ticket(session, cookie, self._known_as(cookie))
        return Ticket(session, cookie, self._known_as(cookie))

    @contextmanager
    def _blaming_the_address(self) -> Iterator[None]:
        """Say what is the matter where a session that is for https alone does not last on http."""
        try:
            yield
        except (CredentialsRefused, LoginLost) as error:
            raise ServerMoved(
                "user and password are right, and the session does not last: the server marks its cookie `Secure`, "
                "for https alone, and the address is http://",
                http=error.http,
                advice="Write `url` of this server with https://; where a proxy ends the encryption, name the proxy.",
            ) from error

    def _known_as(self, cookie: str) -> str:
        """Ask who we are: a site or a proxy that drops the credentials opens an anonymous session with 200."""
        reply = self._exchange(wire.auth(), {"Cookie": cookie})
        if is_lost(reply):
            raise LoginLost("the server ends our session right after login", http=reply.status)
        if reply.status != 200:
            raise self._refusal(reply)
        known = replies.user(reply)
        if known == "guest" and self._user != "guest":
            raise CredentialsRefused(
                "the server took us for a guest although we gave user and password",
                advice="Check that no proxy removes the Authorization header.",
            )
        return known


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


def _is_secure(headers: httpx.Headers) -> bool:
    """Return whether the session's cookie is for https alone."""
    lines = [line for line in headers.get_list("set-cookie") if line.strip().startswith("JSESSIONID=")]
    return any("secure" in {part.strip().lower() for part in line.split(";")[1:]} for line in lines)


def _refusal(reply: Reply) -> XnatsyncError:
    return failures.from_status(reply.status, reply.text, reply.call.verb, reply.call.what, headers=reply.headers)


def is_lost(reply: Reply) -> bool:
    """Return whether an answer says that nobody is logged in: 401, the way to the login page, or the page (§2.2)."""
    if reply.status == 401:
        return True
    if 300 <= reply.status <= 399:
        return "login.vm" in reply.headers.get("location", "").lower()
    if "content-disposition" in reply.headers:
        return False  # a stored web page: XNAT names every file it sends (§6.5), and no login page
    return reply.status == 200 and failures.is_page(reply.start)


def _cookies(headers: httpx.Headers) -> dict[str, str]:
    return dict(_each_cookie(headers))


def _each_cookie(headers: httpx.Headers) -> Iterator[tuple[str, str]]:
    for line in headers.get_list("set-cookie"):
        if (found := _COOKIE.match(line)) is not None:
            yield found.group(1), found.group(2)
