"""`auth login` and `auth logout`: a session that is kept for every command, and its end at the server and here."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from xnatsync.app.connecting import connect
from xnatsync.app.kept_sessions import KeptSession, NotUsable, SessionStore, every, folder, ours
from xnatsync.app.profile import Profile
from xnatsync.config.load import default_path, load
from xnatsync.config.model import ServerConfig
from xnatsync.config.secrets import Credentials
from xnatsync.core.errors import XnatsyncError


@dataclass(frozen=True, slots=True)
class Ended:
    """A session that is no longer kept; `problem`: why the server could not be told that it has ended."""

    url: str
    user: str
    problem: XnatsyncError | None


def log_in(profile: Profile) -> str:
    """Log in with the password, keep the session, and return the name that the server knows; the old one is ended."""
    login = profile.login
    given = Credentials(login.url, login.user, login.password, login.source, is_fresh=True)
    with connect(profile.name, profile.server, given, stopping=lambda: False, connections=2) as server:
        ticket = server.client.login.ticket()
        store = SessionStore(login.url, login.user)
        with store.alone():
            old = store.load()
            store.put(ticket)
        server.client.login.keep()
        if old is not None and old.session != ticket.session:
            with suppress(XnatsyncError):  # it ends by itself when it has been idle
                server.client.login.end(old)
        return ticket.user


def log_out(url: str | None, user: str | None, config_file: Path | None) -> list[Ended]:
    """End the sessions that are kept: of one address, or of all; of one user, or of all."""
    servers = {server.base_url: server for server in _servers(config_file).values()}
    found = []
    for kept in list(every()):
        if isinstance(kept, NotUsable) or url not in {None, kept.url} or user not in {None, kept.user}:
            continue
        SessionStore(kept.url, kept.user).forget()  # first: what is here may not outlive it
        found.append(Ended(kept.url, kept.user, _end(kept, servers.get(kept.url))))
    for name in ours(folder()) if url is None and user is None else ():
        folder().remove(name)  # of all that is left nothing may be used
    return found


@dataclass(frozen=True, slots=True)
class KeptNow:
    """One session that is kept, for people: nothing of the session itself; `problem`: why it is not used."""

    url: str
    user: str
    profile: str  # "" where no configured server has this address
    created: float
    used: float
    problem: str = ""
    remedy: str = ""


def kept_now(url: str | None, config_file: Path | None) -> list[KeptNow]:
    """List the sessions that are kept, those of one address or all; no server is asked."""
    names = {server.base_url: name for name, server in _servers(config_file).items()}
    found = []
    for kept in every():
        if isinstance(kept, NotUsable):
            found.append(KeptNow("", "", "", 0.0, 0.0, kept.words, kept.remedy))
        elif url in {None, kept.url}:
            found.append(KeptNow(kept.url, kept.user, names.get(kept.url, ""), kept.created, kept.used))
    return found


def _end(kept: KeptSession, server: ServerConfig | None) -> XnatsyncError | None:
    """End a session at its server; return why that failed."""
    login = Credentials(kept.url, kept.user, None, "cached", token=kept.ticket.session)
    try:
        config = server or ServerConfig(url=kept.url)
        with connect(kept.url, config, login, stopping=lambda: False, connections=1) as connection:
            connection.client.login.end(kept.ticket)
    except XnatsyncError as error:
        return error
    return None


def _servers(config_file: Path | None) -> Mapping[str, ServerConfig]:
    """Return the configured servers; none where there is no configuration."""
    return load(config_file or default_path()).servers if config_file or default_path().exists() else {}
