"""The one place where a connection to a server is made, and where an insecure one is warned of.

A session that `auth login` keeps for this address and user is begun with, and is not ended.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable

from xnatsync.app.accounts import CACHED
from xnatsync.app.clock import SystemClock
from xnatsync.app.kept_sessions import SessionStore, missing, newest, usable
from xnatsync.config.model import ServerConfig
from xnatsync.config.secrets import Credentials, configured_user, credentials
from xnatsync.core.errors import CredentialsMissing
from xnatsync.xnat.bandwidth import Meters
from xnatsync.xnat.login import GivenSession, Kept
from xnatsync.xnat.pace import Timeouts
from xnatsync.xnat.server import XnatServer

METERS = Meters(SystemClock(threading.Event()))  # of this process: every connection to an address shares one


class InsecureConnection(UserWarning):
    """A server's certificate is not verified: whoever is on the way may read and change everything."""


def connect(
    name: str, config: ServerConfig, login: Credentials, *, stopping: Callable[[], bool], connections: int
) -> XnatServer:
    """Return a client of a server; nothing is asked of it yet.  Warns each time of one that is not verified."""
    insecure = config.tls == "insecure"
    if insecure and login.url.startswith("https:"):
        words = f'server {name} has tls = "insecure": its certificate is not verified, and anybody may read and change '
        warnings.warn(words + "what is sent, the password too", InsecureConnection, stacklevel=2)
    return XnatServer(
        login.url,
        login.user,
        login.password,
        server_name=name,
        kept=_kept(login),
        verify=False if insecure else config.ca_file or True,
        timeouts=Timeouts(read_s=config.timeout, import_s=config.long_timeout, work_s=config.long_timeout),
        stop=stopping,
        pool=connections,
        meter=METERS.of(login.url, config.limit),
    )


def login_of(name: str, server: ServerConfig) -> Credentials:
    """Find the account of a route's server: what is configured, else a session that is kept for it."""
    user = configured_user(name, server) or ""
    try:
        return credentials(name, server)
    except CredentialsMissing as error:
        found = usable(server.base_url, user) if user else newest(server.base_url)
        if found is None:
            raise missing(server.base_url, user, error) from None
        return Credentials(server.base_url, found.user, None, CACHED)


def _kept(login: Credentials) -> Kept | None:
    """Return the session to begin with; one that is given by a person is used for this alone."""
    if login.token is not None:
        return GivenSession(login.token, login.user)
    return None if login.is_fresh or not login.user else SessionStore(login.url, login.user)
