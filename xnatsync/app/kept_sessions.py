"""Sessions that `auth login` keeps: one file for each address and user, which only this account can have written.

A file is named by a digest of address and user and repeats both: a session is never sent to another address, nor used
for another user, whatever a file is called.  What does not fit is removed; what others can have read is refused.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

from xnatsync.core.errors import ConfigError, CredentialsMissing, DiskError
from xnatsync.disk.failures import our_disk
from xnatsync.disk.private import NotPrivate, PrivateFolder
from xnatsync.xnat.login import SESSION, Ticket

UNUSED_S = 24 * 3600.0  # XNAT ends a session long before: what is older is not even asked about
_MOST_BYTES = 16 << 10
_OURS = re.compile(r"[0-9a-f]{32}\.json")
_VERSION = 1
_FAR_S = 4e9  # the year 2096: a later timestamp is no timestamp


class SessionIgnored(UserWarning):
    """A kept session was not used, because another account can have read or written it."""


@dataclass(frozen=True, slots=True)
class KeptSession:
    """One session that is kept; `repr` shows nothing of the session."""

    url: str
    user: str
    ticket: Ticket = field(repr=False)
    created: float
    used: float


def folder() -> PrivateFolder:
    """Return where sessions are kept: in the user's folder for state."""
    return PrivateFolder(Path(platformdirs.user_state_dir("xnatsync", appauthor=False)) / "sessions")


@dataclass(slots=True)
class SessionStore:
    """The session of one address and user; implements `xnat.login.Kept`."""

    url: str
    user: str
    place: PrivateFolder = field(default_factory=folder)
    now: Callable[[], float] = time.time
    is_told: bool = False  # that it is not used

    @property
    def _name(self) -> str:
        return _name(self.url, self.user)

    def find(self) -> KeptSession | None:
        """Return the session that is kept; None where there is none, NotPrivate where it may not be used."""
        found = _read(self.place, self._name, self.now())
        if found is None or (found.url, found.user) != (self.url, self.user):
            return None
        return found

    def load(self) -> Ticket | None:
        """Return the session, and note that it is used; warns of one that may not be."""
        try:
            found = self.find()
        except (NotPrivate, DiskError) as error:
            if not self.is_told:
                warnings.warn(f"the kept session is not used: {error}.  {error.remedy}", SessionIgnored, stacklevel=2)
            self.is_told = True
            return None
        if found is None:
            return None
        self.place.touch(self._name)
        return found.ticket

    def save(self, ticket: Ticket) -> bool:
        """Keep a session, over an older one; where that fails, warn, and let it end with the command."""
        try:
            self.put(ticket)
        except (ConfigError, DiskError) as error:
            warnings.warn(f"{error}.  {error.remedy}", SessionIgnored, stacklevel=2)
            return False
        return True

    def put(self, ticket: Ticket) -> None:
        """Keep a session, over an older one; ConfigError where something else is in its place."""
        content = {
            "version": _VERSION,
            "url": self.url,
            "user": self.user,
            "session": ticket.session,
            "cookie": ticket.cookie,
            "known_as": ticket.user,
            "created": self.now(),
        }
        try:
            self.place.write(self._name, json.dumps(content).encode())
        except NotPrivate as error:
            raise ConfigError(f"the session cannot be kept: {error}", advice=error.remedy) from error
        except OSError as error:
            raise our_disk(error, f"keeping a session in {self.place.path}") from error

    def drop(self, ticket: Ticket) -> None:
        """Forget this session; one that another process kept meanwhile stays."""
        try:
            found = self.find()
        except (NotPrivate, DiskError):
            return
        if found is not None and found.ticket.session == ticket.session:
            self.forget()

    def forget(self) -> bool:
        """Remove whatever is kept for this address and user."""
        try:
            return self.place.remove(self._name)
        except OSError as error:
            raise our_disk(error, f"removing a session from {self.place.path}") from error

    def alone(self) -> AbstractContextManager[object]:
        """Keep other processes of this account from logging in while this one does."""
        return self.place.alone()


@dataclass(frozen=True, slots=True)
class NotUsable:
    """A file among the kept sessions that may not be used, and why."""

    words: str
    remedy: str


def every(place: PrivateFolder | None = None, now: float | None = None) -> Iterator[KeptSession | NotUsable]:
    """Give all sessions that are kept."""
    place = place or folder()
    for name in ours(place):
        try:
            found = _read(place, name, time.time() if now is None else now)
        except (NotPrivate, DiskError) as error:
            yield NotUsable(str(error), error.remedy)
            continue
        if found is not None:
            yield found


def ours(place: PrivateFolder) -> list[str]:
    """List the files that are named as sessions are: nothing else in the folder concerns us."""
    return [name for name in place.names() if _OURS.fullmatch(name)]


def newest(url: str) -> KeptSession | None:
    """Return the session of an address that was kept last, for whichever user."""
    found = [one for one in every() if isinstance(one, KeptSession) and one.url == url]
    return max(found, key=lambda one: one.created, default=None)


def usable(url: str, user: str) -> KeptSession | None:
    """Return the session of an address and user; None where there is none that may be used."""
    try:
        return SessionStore(url, user).find()
    except (NotPrivate, DiskError):
        return None


def missing(url: str, user: str, otherwise: CredentialsMissing) -> CredentialsMissing:
    """Return the error for an account without password; it says so where a kept session may not be used."""
    try:
        SessionStore(url, user).find()
    except (NotPrivate, DiskError) as error:
        return CredentialsMissing(f"{otherwise}; the kept session is not used: {error}", advice=error.remedy)
    return otherwise


def _read(place: PrivateFolder, name: str, now: float) -> KeptSession | None:
    """Read a file; what is no session of the address and user that it is named by is removed, and so is an old one."""
    try:
        raw = place.read(name, _MOST_BYTES)
        used = place.used_at(name) if raw is not None else 0.0
    except FileNotFoundError:
        return None
    except OSError as error:
        raise our_disk(error, f"reading a session in {place.path}") from error
    if raw is None:
        return None
    found = _parsed(raw, used)
    if found is None or _name(found.url, found.user) != name or now - used > UNUSED_S:
        place.remove(name)
        return None
    return found


def _parsed(raw: bytes, used: float) -> KeptSession | None:
    try:
        read = json.loads(raw) if len(raw) <= _MOST_BYTES else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(read, dict) or read.get("version") != _VERSION:
        return None
    url, user, session, cookie, known_as = (read.get(key) for key in ("url", "user", "session", "cookie", "known_as"))
    created = read.get("created")
    texts = (url, user, session, cookie, known_as)
    if not all(isinstance(text, str) and text.isprintable() for text in texts):
        return None
    if not isinstance(created, int | float) or not 0 < created < _FAR_S:
        return None
    is_a_cookie = str(cookie).isascii() and f"JSESSIONID={session}" in str(cookie).split("; ")
    if not SESSION.fullmatch(str(session)) or not is_a_cookie:
        return None
    ticket = Ticket(str(session), str(cookie), str(known_as))
    return KeptSession(str(url), str(user), ticket, float(created), used)


def _name(url: str, user: str) -> str:
    return hashlib.sha256(f"{url}\0{user}".encode()).hexdigest()[:32] + ".json"
