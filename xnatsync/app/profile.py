"""Which server a command that needs no route talks to, as whom, and which project it means.

In this order: the server named by `-p`, or by XNAT_PROFILE; the one in the environment; that of `[defaults]`; the only
one there is; the one called `default`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from xnatsync.app.accounts import ENVIRONMENT, Choice, Given, account
from xnatsync.app.connecting import connect
from xnatsync.app.environment import adjusted, environment, named_profile
from xnatsync.config.asking import PERSON, Asking
from xnatsync.config.load import default_path, load
from xnatsync.config.model import Config, ServerConfig
from xnatsync.config.secrets import Credentials
from xnatsync.core.errors import ConfigError, RouteUnknown, Usage
from xnatsync.core.nouns import not_empty
from xnatsync.xnat.server import XnatServer

Server = XnatServer


@dataclass(frozen=True, slots=True)
class Profile:
    """One server as one user.  `name` is the server's in the configuration, or `environment`."""

    name: str
    server: ServerConfig
    login: Credentials
    project: str | None = None
    config: Config = field(default_factory=Config, repr=False)
    user: str | None = None  # whom the configuration or the environment names

    def project_or_default(self, project: str | None) -> str:
        """Return the project asked for, else the default; Usage when there is neither."""
        if found := not_empty(project) or self.project:
            return found
        table = "" if self.name == ENVIRONMENT else f"[servers.{self.name}] or "
        raise Usage(
            "no project was named",
            advice=f"Give -P PROJECT, or set `project` in {table}[defaults] of the configuration.",
        )


def choose(
    config_file: Path | None,
    name: str | None = None,
    ask: Asking | None = None,
    given: Given | None = None,
    *,
    by_password: bool = False,
) -> Profile:
    """Find the server that is meant, with its credentials; an error names every way to say it.

    `ask` is asked for what is not configured, else the person at the terminal; `given` was given to this command.
    `by_password`: a session, given or kept, will not do.
    """
    chosen = choose_server(config_file, name)
    login = account(chosen, ask or PERSON.get(), given or Given(), by_password=by_password)
    project = _project(chosen.config, chosen.server)
    return Profile(chosen.name, chosen.server, login, project, chosen.config, chosen.user)


def at_address(config_file: Path | None, url: str, given: Given) -> Profile:
    """Return the server at an address, with what was given or is known for that address alone."""
    config, around = _config_if_any(config_file), environment()
    base = url.rstrip("/")
    alike = [name for name, server in config.servers.items() if server.base_url == base]
    name = alike[0] if alike else ENVIRONMENT
    server = config.servers[name] if alike else _server(base, "--dest-url")
    is_bound = around.belongs_to(server, alone=False)
    unbound = around if is_bound else replace(around, url="", user="", password="", token="")
    chosen = Choice(name, adjusted(server, is_bound=is_bound), config, unbound, is_bound)
    login = account(chosen, PERSON.get(), given)
    return Profile(name, chosen.server, login, _project(config, server), config, chosen.user)


def choose_server(config_file: Path | None, name: str | None = None) -> Choice:
    """Find the server that is meant, whoever may log in there."""
    around, named = environment(), name or named_profile()
    if named is not None:
        config = load(_path(config_file))
        server = _configured(config, named)
        if name is None and around.url and around.url != server.base_url:
            raise Usage(
                f"XNAT_PROFILE names server {named}, and {around.url_name} is the address of another",
                advice=f"Unset one of them, or name the server with -p {named}.",
            )
        return _chosen(config, named, server, is_alone=len(config.servers) == 1)
    config = _config_if_any(config_file)
    if around.url:
        alike = [server for server in config.servers.values() if server.base_url == around.url]
        server = alike[0] if alike else _server(around.url, around.url_name)
        return _chosen(config, ENVIRONMENT, server, is_alone=False)
    if config.defaults.server is not None:
        server = _configured(config, config.defaults.server)
        return _chosen(config, config.defaults.server, server, is_alone=len(config.servers) == 1)
    if len(config.servers) == 1:
        return _chosen(config, *next(iter(config.servers.items())), is_alone=True)
    if "default" in config.servers:
        return _chosen(config, "default", config.servers["default"], is_alone=False)
    if not config.servers:
        raise ConfigError(
            "no server was named: neither XNAT_URL is set, nor is there one in a configuration file",
            advice="Set XNAT_URL, XNAT_USER and XNAT_PASS, or write [servers.NAME] into the configuration file.",
        )
    raise Usage(
        f"the configuration has {len(config.servers)} servers, and none was named",
        advice=f"Say which one with -p: {', '.join(sorted(config.servers))}; or set `server` in [defaults].",
    )


def _chosen(config: Config, name: str, server: ServerConfig, *, is_alone: bool) -> Choice:
    around = environment()
    is_bound = around.belongs_to(server, alone=is_alone)
    return Choice(name, adjusted(server, is_bound=is_bound), config, around, is_bound)


@contextmanager
def connected(profile: Profile, stop: threading.Event | None = None, workers: int = 1) -> Iterator[XnatServer]:
    """Open a connection, and logs out at the end."""
    server = profile.server
    stop = stop or threading.Event()
    connections = max(server.connections, workers + 1)
    with connect(profile.name, server, profile.login, stopping=stop.is_set, connections=connections) as connection:
        yield connection


def _configured(config: Config, name: str) -> ServerConfig:
    server = config.servers.get(name)
    if server is None:
        known = ", ".join(sorted(config.servers)) or "none"
        raise RouteUnknown(f"no server is called {name}; configured: {known}")
    return server


def _server(url: str, url_name: str) -> ServerConfig:
    try:
        return ServerConfig(url=url)
    except ValueError:
        raise ConfigError(
            f"{url_name} is no address of a server", advice=f"Write {url_name}=https://host[:port][/path], no password."
        ) from None


def _project(config: Config, server: ServerConfig) -> str | None:
    return server.project or config.defaults.project


def _path(config_file: Path | None) -> Path:
    return config_file if config_file is not None else default_path()


def _config_if_any(config_file: Path | None) -> Config:
    """Read the configuration if there is one; a file that was named must be there."""
    path = _path(config_file)
    return load(path) if config_file is not None or path.exists() else Config()
