"""Which server a command that needs no route talks to, as whom, and which project it means.

In this order: the server named by `-p`; the one in the environment; that of `[defaults]`; the only one there is.
User and password of the environment belong to the URL beside them and are never sent anywhere else.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from xnatsync.app.connecting import connect
from xnatsync.config.edit import set_server
from xnatsync.config.load import default_path, load
from xnatsync.config.model import Config, ServerConfig
from xnatsync.config.secrets import Credentials, credentials, stored
from xnatsync.core.errors import ConfigError, CredentialsMissing, RouteUnknown, Usage
from xnatsync.xnat.server import XnatServer

Server = XnatServer
ENVIRONMENT = "environment"
ASKED = "asked for"
Ask = Callable[[str, str], str]  # the password of a user at an address
_FAMILIES = (("XNATSYNC_URL", "XNATSYNC_USER", "XNATSYNC_PASSWORD"), ("XNAT_URL", "XNAT_USER", "XNAT_PASS"))


@dataclass(frozen=True, slots=True)
class Profile:
    """One server as one user.  `name` is the server's in the configuration, or `environment`."""

    name: str
    server: ServerConfig
    login: Credentials
    project: str | None = None
    config: Config = field(default_factory=Config, repr=False)

    def project_or_default(self, project: str | None) -> str:
        """Return the project asked for, else the default; Usage when there is neither."""
        if found := project or self.project:
            return found
        table = "" if self.name == ENVIRONMENT else f"[servers.{self.name}] or "
        raise Usage(
            "no project was named",
            advice=f"Give -P PROJECT, or set `project` in {table}[defaults] of the configuration.",
        )


def choose(config_file: Path | None, name: str | None, ask: Ask | None = None) -> Profile:
    """Find the server that is meant, with its credentials; an error names every way to say it.

    `ask` is asked for the password of a configured server that has none.
    """
    if name is not None:
        return _configured(load(_path(config_file)), name, alone=False, ask=ask)
    for url, user, password in _FAMILIES:
        if os.environ.get(url):
            return _from_environment(_config_if_any(config_file), url, user, password)
    config = _config_if_any(config_file)
    if config.defaults.server is not None:
        return _configured(config, config.defaults.server, alone=len(config.servers) == 1, ask=ask)
    if len(config.servers) == 1:
        return _configured(config, next(iter(config.servers)), alone=True, ask=ask)
    if not config.servers:
        raise ConfigError(
            "no server was named: neither XNAT_URL is set, nor is there one in a configuration file",
            advice="Set XNAT_URL, XNAT_USER and XNAT_PASS, or write [servers.NAME] into the configuration file.",
        )
    raise Usage(
        f"the configuration has {len(config.servers)} servers, and none was named",
        advice=f"Say which one with -p: {', '.join(sorted(config.servers))}; or set `server` in [defaults].",
    )


def write_profile(path: Path, name: str, *, url: str | None, user: str | None, project: str | None) -> bool:
    """Write a server into the configuration file, or change what is given of one; True when it is new.

    A new one takes address and account from the environment when they are not given.
    """
    try:
        is_known = name in load(path).servers if path.exists() else False
    except ConfigError as error:
        refused = ConfigError(f"{error}\nnothing was changed", advice=error.remedy)
        refused.lines = (*error.lines, "nothing was changed")
        raise refused from error
    if not is_known:
        family = next((names for names in _FAMILIES if os.environ.get(names[0])), _FAMILIES[1])
        user = user or (os.environ.get(family[1]) if url is None else None)
        url = url or os.environ.get(family[0])
        if url is None:
            raise Usage(f"server {name} is new, and has no address", advice="Give --url, or set XNAT_URL.")
    given = {"url": url, "user": user, "project": project}
    values = {key: value for key, value in given.items() if value is not None}
    if not values:
        raise Usage("there is nothing to change", advice="Give --url, --user or --project.")
    return set_server(path, name, values)


@contextmanager
def connected(profile: Profile, stop: threading.Event | None = None, workers: int = 1) -> Iterator[XnatServer]:
    """Open a connection, and logs out at the end."""
    server = profile.server
    stop = stop or threading.Event()
    connections = max(server.connections, workers + 1)
    with connect(profile.name, server, profile.login, stopping=stop.is_set, connections=connections) as connection:
        yield connection


def _configured(config: Config, name: str, *, alone: bool, ask: Ask | None = None) -> Profile:
    server = config.servers.get(name)
    if server is None:
        known = ", ".join(sorted(config.servers)) or "none"
        raise RouteUnknown(f"no server is called {name}; configured: {known}")
    return Profile(name, server, _login(name, server, alone=alone, ask=ask), _project(config, server), config)


def _login(name: str, server: ServerConfig, *, alone: bool, ask: Ask | None) -> Credentials:
    """Find a configured server's credentials; XNAT_USER and XNAT_PASS serve where only one server can be meant."""
    try:
        return credentials(name, server)
    except CredentialsMissing:
        user, password = os.environ.get("XNAT_USER") or server.user, os.environ.get("XNAT_PASS")
        if alone and user and password:
            return Credentials(server.base_url, user, password, ENVIRONMENT)
        if ask is not None and server.user and (password := ask(server.base_url, server.user)):
            return Credentials(server.base_url, server.user, password, ASKED)
        raise


def _from_environment(config: Config, url_name: str, user_name: str, password_name: str) -> Profile:
    """Take address and credentials from the environment, and what the file says about the very same address."""
    url = os.environ[url_name].rstrip("/")
    alike = [server for server in config.servers.values() if server.base_url == url]
    server = alike[0] if alike else _server(url, url_name)
    user = os.environ.get(user_name)
    if not user:
        raise CredentialsMissing(f"{url_name} is set and {user_name} is not", advice=f"Set {user_name} too.")
    password = os.environ.get(password_name) or stored(url, user)
    if not password:
        raise CredentialsMissing(
            f"{url_name} is set and {password_name} is not, and no keyring has a password for that address",
            advice=f"Set {password_name} too. A password is never given on the command line, where others can see it.",
        )
    return Profile(ENVIRONMENT, server, Credentials(url, user, password, ENVIRONMENT), _project(config, server), config)


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
