"""The servers of a configuration file, written by commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from xnatsync.app.environment import ORDINARY_MOST_S, environment, wait
from xnatsync.app.kept_sessions import KeptSession, every
from xnatsync.app.written_down import note_edit
from xnatsync.config.edit import remove_server, set_default, set_server
from xnatsync.config.load import load
from xnatsync.config.model import ServerConfig
from xnatsync.config.secrets import configured_user, store
from xnatsync.config.words import duration
from xnatsync.core.errors import ConfigError, RouteUnknown, Usage


@dataclass(frozen=True, slots=True)
class ServerWishes:
    """What is to be written of a server; None: it stays as it is.  `timeout` is seconds, or a duration such as 10m."""

    url: str | None = None
    user: str | None = None
    project: str | None = None
    timeout: str | None = None
    verify: bool | None = None
    ca_bundle: Path | None = None

    @property
    def values(self) -> dict[str, str]:
        """Return the keys of the configuration for it."""
        found = {"url": self.url, "user": self.user, "project": self.project}
        if self.timeout is not None:
            wait_s = wait("--timeout", self.timeout)
            found |= {"timeout": duration(min(wait_s, ORDINARY_MOST_S)), "long_timeout": duration(wait_s)}
        if self.verify is not None:
            found["tls"] = "verified" if self.verify else "insecure"
        if self.ca_bundle is not None:
            found["ca_file"] = str(self.ca_bundle.expanduser().absolute())
        return {key: value for key, value in found.items() if value is not None}


def write_profile(path: Path, name: str, wishes: ServerWishes) -> bool:
    """Write a server into the configuration file, or change what is given of one; True when it is new.

    A new one takes address and account from the environment when they are not given.
    """
    try:
        is_known = name in load(path).servers if path.exists() else False
    except ConfigError as error:
        refused = ConfigError(f"{error}\nnothing was changed", advice=error.remedy)
        refused.lines = (*error.lines, "nothing was changed")
        raise refused from error
    values = wishes.values
    if not is_known:
        around = environment()
        if not wishes.url and not around.url:
            raise Usage(f"server {name} is new, and has no address", advice="Give --url, or set XNAT_URL.")
        if not wishes.url:
            given = {"url": around.url} | ({"user": around.user} if around.user else {})
            values = given | values
    if not values:
        raise Usage("there is nothing to change", advice="Give --url, --user or --project.")
    return put_server(path, name, values)


def put_server(path: Path, name: str, values: Mapping[str, str]) -> bool:
    """Write keys of a server into the configuration, and that they were into the diary; True when it is new."""
    is_new = set_server(path, name, values)
    deed = f"{'add' if is_new else 'change'} server {name}"
    note_edit(path, f"config.server-{'added' if is_new else 'changed'}", deed, server=name, fields=sorted(values))
    return is_new


@dataclass(frozen=True, slots=True)
class Removal:
    """What goes with a server: whether it is the default, and the users whose sessions are kept for its address."""

    name: str
    server: ServerConfig
    is_default: bool
    users: tuple[str, ...]


def removal(path: Path, name: str) -> Removal:
    """Say what would be removed; ConfigError where a route needs the server."""
    config = load(path)
    server = server_named(path, name)
    if routes := sorted(route for route in config.routes if name in config.servers_of([route])):
        raise ConfigError(
            f"server {name} is needed by {', '.join(routes)}; nothing was changed",
            advice="Remove these routes from the configuration first.",
        )
    others = [one for other, one in config.servers.items() if other != name and one.base_url == server.base_url]
    kept = [one.user for one in every() if isinstance(one, KeptSession) and one.url == server.base_url]
    return Removal(name, server, config.defaults.server == name, () if others else tuple(kept))


def remove(path: Path, planned: Removal) -> None:
    """Remove a server from the configuration."""
    remove_server(path, planned.name)
    note_edit(path, "config.server-removed", f"remove server {planned.name}", server=planned.name)


def use(path: Path, name: str) -> None:
    """Make a server the default of commands."""
    server_named(path, name)
    set_default(path, "server", name)
    note_edit(path, "config.default-server", f"make server {name} the default", server=name)


def keep_password(path: Path, name: str, user: str | None, password: str) -> str:
    """Store a password in the keyring, for a server's address and user; return the user."""
    server = server_named(path, name)
    who = user or configured_user(name, server)
    if not who:
        raise Usage(f"no user is configured for server {name}", advice="Give --username, or set `user`.")
    store(server.base_url, who, password)
    return who


def server_named(path: Path, name: str) -> ServerConfig:
    """Return a server of a configuration; RouteUnknown where there is none of that name."""
    servers = load(path).servers
    if name not in servers:
        raise RouteUnknown(f"no server is called {name}; configured: {', '.join(sorted(servers)) or 'none'}")
    return servers[name]
