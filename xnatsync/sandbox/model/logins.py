"""Login sessions: the cookie, its idle limit, the number one user may have (hierarchy.md §2.1, §2.2)."""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass, field


@dataclass(slots=True)
class Login:
    """One HTTP session; `user` is "guest" for an anonymous one."""

    id: str
    user: str
    used: float  # epoch seconds of the last request
    csrf: str = field(default_factory=lambda: str(uuid.uuid4()))


class Logins:
    """All live sessions; they do not survive a restart, as a redeployed XNAT's do not."""

    def __init__(self) -> None:
        self._by_id: dict[str, Login] = {}

    def open(self, user: str, now: float) -> Login:
        """Start a session with an id nobody knows yet."""
        login = Login(secrets.token_hex(16).upper(), user, now)
        self._by_id[login.id] = login
        return login

    def find(self, session_id: str, now: float, idle_limit: float) -> Login | None:
        """Find a live session and renews it; an idle one is dropped."""
        login = self._by_id.get(session_id)
        if login is None:
            return None
        if now - login.used > idle_limit:
            del self._by_id[session_id]
            return None
        login.used = now
        return login

    def of(self, user: str, now: float, idle_limit: float) -> list[Login]:
        """List the live sessions of a user."""
        return [login for login in list(self._by_id.values()) if login.user == user and now - login.used <= idle_limit]

    def users(self) -> list[str]:
        """Name the users with sessions."""
        return sorted({login.user for login in list(self._by_id.values())} - {"guest"})

    def close(self, session_id: str) -> None:
        """End one session, if it exists."""
        self._by_id.pop(session_id, None)

    def close_all(self, user: str) -> list[str]:
        """End every session of a user and names them."""
        ended = [login.id for login in list(self._by_id.values()) if login.user == user]
        for session_id in ended:
            self.close(session_id)
        return ended

    def expire_all(self) -> None:
        """End every session: what a restart of the server does."""
        self._by_id.clear()
