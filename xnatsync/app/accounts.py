"""As whom a server is asked: user, password or session, each from the places where it may be, and for one address."""

from __future__ import annotations

from dataclasses import dataclass, field

from xnatsync.app import kept_sessions
from xnatsync.app.environment import Environment
from xnatsync.config.asking import Asking
from xnatsync.config.model import Config, ServerConfig
from xnatsync.config.secrets import Credentials, configured_user, credentials, stored
from xnatsync.core.errors import CredentialsMissing

ENVIRONMENT = "environment"  # the name of a server that only the environment knows, and where its password is from
ASKED = "asked for"
GIVEN = "command line"
CACHED = "cached"
TOKEN = "token"  # noqa: S105 - a word, not one


@dataclass(frozen=True, slots=True)
class Given:
    """A user and a password that were given to one command."""

    user: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Choice:
    """A server that was chosen; `is_bound`: the credentials of the environment are for it."""

    name: str
    server: ServerConfig
    config: Config
    around: Environment
    is_bound: bool

    @property
    def user(self) -> str | None:
        """Return whom its configuration, or the environment, names."""
        named = None if self.name == ENVIRONMENT else configured_user(self.name, self.server)
        around = self.around.user if self.is_bound else ""
        return ((around or named) if self.around.url else (named or around)) or self.server.user


def account(
    chosen: Choice, ask: Asking | None = None, given: Given | None = None, *, by_password: bool = False
) -> Credentials:
    """Find the account of a chosen server; CredentialsMissing says where was looked and what to do.

    `by_password`: a session, given or kept, will not do.

    In this order: what was given to the command; the environment, when it names this address; what is configured; the
    environment, when this is the only server; a session that is kept; the person at the terminal.
    """
    given = given or Given()
    url, only = chosen.server.base_url, chosen.server.password_source
    if given.password is not None:
        user = given.user or chosen.user or (ask.user(url) if ask is not None else "")
        if not user:
            raise CredentialsMissing("a password was given, and no user", advice="Give --username, or set `user`.")
        return Credentials(url, user, given.password, GIVEN, is_fresh=True)
    if chosen.around.url and (found := _around(chosen, given.user, by_password)) is not None:
        return found
    try:
        return _configured(chosen, given.user)
    except CredentialsMissing as error:
        missing = error
    if (found := _around(chosen, given.user, by_password)) is not None:
        return found
    user = given.user or chosen.user or ""
    if not by_password and (found := _kept(url, user)) is not None:
        return found
    may_ask = by_password or only in {None, "prompt"}
    if ask is not None and may_ask and (found := _asked(url, user, ask)) is not None:
        return found
    if by_password:
        remedy = f"{missing.remedy}  Or give it by `xnatsync auth login --password-stdin`."
        raise CredentialsMissing(str(missing), advice=remedy)
    raise kept_sessions.missing(url, user, missing)


def _around(chosen: Choice, user: str | None, by_password: bool) -> Credentials | None:
    """Return the credentials of the environment, when they are for this server and this user."""
    around, url = chosen.around, chosen.server.base_url
    if not chosen.is_bound or chosen.server.password_source not in {None, "environment"}:
        return None
    own = around.user or (chosen.user if not around.url else chosen.server.user) or ""
    if user is not None and user != own:
        return None
    if around.token and not by_password:
        return Credentials(url, own, around.password if own and around.password else None, TOKEN, token=around.token)
    return Credentials(url, own, around.password, ENVIRONMENT) if own and around.password else None


def _configured(chosen: Choice, user: str | None) -> Credentials:
    """Return the configured credentials of a server; of one that only the environment knows, the keyring's."""
    around, url = chosen.around, chosen.server.base_url
    if chosen.name != ENVIRONMENT:
        try:
            return credentials(chosen.name, chosen.server, user or (around.user if chosen.is_bound else None) or None)
        except CredentialsMissing as error:
            if around.has_credentials and not chosen.is_bound:
                words = f"{around.user_name} and {around.password_name} were not used: "
                words += "they belong to another address" if around.url else "several servers are configured"
                raise CredentialsMissing(f"{error}; {words}", advice=error.remedy) from None
            raise
    own = user or around.user or chosen.server.user
    if not own:
        raise CredentialsMissing(
            f"{around.url_name} is set and {around.user_name} is not", advice=f"Set {around.user_name} too."
        )
    if password := stored(url, own):
        return Credentials(url, own, password, "keyring")
    raise CredentialsMissing(
        f"{around.url_name} is set and {around.password_name} is not, and no keyring has a password for that address",
        advice=f"Set {around.password_name} too, or log in with `xnatsync auth login`.",
    )


def _kept(url: str, user: str) -> Credentials | None:
    """Return an account whose session is kept; where no user is named, the one that was kept last."""
    if not user:
        found = kept_sessions.newest(url)
        return Credentials(url, found.user, None, CACHED) if found is not None else None
    found = kept_sessions.usable(url, user)
    return Credentials(url, user, None, CACHED) if found is not None else None


def _asked(url: str, user: str, ask: Asking) -> Credentials | None:
    user = user or ask.user(url)
    password = ask.password(url, user) if user else ""
    return Credentials(url, user, password, ASKED) if password else None
