"""Accounts of the site: users, passwords, lock-out, alias tokens (hierarchy.md §2)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import string
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ADMIN_EMAIL = "admin@example.org"
_FIRST = {"admin": 1, "guest": 2}
_ALPHANUMERIC = string.ascii_letters + string.digits


@dataclass(slots=True)
class User:
    """One account; `admin` is the site administrator role."""

    login: str
    admin: bool = False
    enabled: bool = True
    firstname: str = ""
    lastname: str = ""
    email: str = ""
    id: int = 0
    verified: bool = True
    salt: str = ""
    secret: str = ""  # salted digest of the password
    failures: int = 0
    locked_until: float = 0.0
    roles: list[str] = field(default_factory=list)  # beside that of the administrator
    groups: list[str] = field(default_factory=list)  # of the whole site: ALL_DATA_ADMIN, ALL_DATA_ACCESS
    favorites: list[str] = field(default_factory=list)  # type/id
    accessed: dict[str, str] = field(default_factory=dict)  # project -> when its page was last read

    @property
    def guest(self) -> bool:
        """Return whether this is nobody in particular."""
        return self.login == "guest"


@dataclass(slots=True)
class Token:
    """An alias token: a user name and a password that stand for somebody for two days (§2.3)."""

    alias: str
    secret: str
    login: str
    id: int
    created: float


@dataclass(slots=True)
class AccountBook:
    """What is kept over a restart."""

    users: dict[str, User] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    next_id: int = 3  # a fresh site has two accounts: admin is 1, guest is 2 (import.md §6.5)


class Accounts:
    """All accounts.  Methods expect the site's lock to be held by callers that change things in parallel."""

    def __init__(self, book: AccountBook | None = None) -> None:
        self.book = book or AccountBook()
        self.guest = self.book.users.get("guest") or self.add(
            "guest", "", firstname="XNAT", lastname="Guest", email=ADMIN_EMAIL
        )

    def __iter__(self) -> Iterator[User]:
        return iter(self.book.users.values())

    def get(self, login: str) -> User | None:
        """Find an account by name."""
        return self.book.users.get(login)

    def add(
        self,
        login: str,
        password: str,
        *,
        admin: bool = False,
        firstname: str = "",
        lastname: str = "",
        email: str = "",
    ) -> User:
        """Create an account, or return an existing one a new password."""
        user = self.book.users.get(login)
        if user is None:
            names = (firstname or login, lastname or login) if login != "admin" else ("Admin", "Admin")
            user = User(login, firstname=names[0], lastname=names[1], id=_FIRST.get(login) or self._next_id())
            user.email = email or (ADMIN_EMAIL if login == "admin" else f"{login}@example.org")
            self.book.users[login] = user
        user.admin = user.admin or admin
        self.set_password(user, password)
        return user

    def set_password(self, user: User, password: str) -> None:
        """Replace a password; an empty one never lets anybody in."""
        user.salt = secrets.token_hex(8)
        user.secret = _digest(user.salt, password) if password else ""

    def check(
        self, name: str, password: str, now: float, *, most_failures: int, lockout: float, token_life: float
    ) -> User | None:
        """Return the user a name and password let in: an account, `provider/account` or an alias token (§2.1)."""
        token = self.book.tokens.get(name)
        if token is not None:
            alive = now - token.created < token_life and hmac.compare_digest(token.secret.encode(), password.encode())
            owner = self.book.users.get(token.login)
            return owner if alive and owner is not None and owner.enabled else None
        user = self.book.users.get(name) or self.book.users.get(name.partition("/")[2])
        if user is None or not user.enabled or not user.verified or user.locked_until > now:
            return None
        if user.secret and hmac.compare_digest(user.secret, _digest(user.salt, password)):
            user.failures = 0
            return user
        user.failures += 1
        if most_failures > 0 and user.failures >= most_failures:
            user.failures, user.locked_until = 0, now + lockout
        return None

    def owner_of(self, name: str) -> str:
        """Return the account a basic user name stands for, without any check (§2.1: cookie and basic together)."""
        token = self.book.tokens.get(name)
        return token.login if token else name if name in self.book.users else name.partition("/")[2] or name

    def issue(self, user: User, now: float) -> Token:
        """Issue an alias token."""
        secret = "".join(secrets.choice(_ALPHANUMERIC) for _ in range(64))
        token = Token(str(uuid.uuid4()), secret, user.login, self._next_id(), now)
        self.book.tokens[token.alias] = token
        return token

    def _next_id(self) -> int:
        self.book.next_id += 1
        return self.book.next_id - 1


def _digest(salt: str, password: str) -> str:
    return hashlib.sha256(f"{salt}:{password}".encode()).hexdigest()
