"""The one place where a connection to a server is made, and where an insecure one is warned of."""

from __future__ import annotations

import warnings
from collections.abc import Callable

from xnatsync.config.model import ServerConfig
from xnatsync.config.secrets import Credentials
from xnatsync.xnat.pace import Timeouts
from xnatsync.xnat.server import XnatServer


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
        verify=False if insecure else config.ca_file or True,
        timeouts=Timeouts(read_s=config.timeout, import_s=config.long_timeout, work_s=config.long_timeout),
        stop=stopping,
        pool=connections,
    )
