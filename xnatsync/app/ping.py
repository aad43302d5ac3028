"""Whether an XNAT answers at an address: its version and how long it took, without a login and without a secret.

Where none answers, the places nearby are asked the same: an XNAT is often below a path, or not below one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from xnatsync.config.model import ServerConfig
from xnatsync.core.errors import ReplyStrange, XnatsyncError
from xnatsync.xnat.about import answers
from xnatsync.xnat.pace import Timeouts

NEARBY_S = 5.0


@dataclass(frozen=True, slots=True)
class Ping:
    """What answered: the version, "" where it does not say, and the milliseconds."""

    url: str
    version: str
    took_ms: int


def ping(server: ServerConfig) -> Ping:
    """Ask an XNAT for its version, and nothing else; ReplyStrange where something else answers."""
    began = time.monotonic()
    try:
        version = _asked(server.base_url, server, server.timeout)
    except ReplyStrange as error:
        raise located(error, server) from error
    return Ping(server.base_url, version, round((time.monotonic() - began) * 1000))


def located(error: ReplyStrange, server: ServerConfig) -> ReplyStrange:
    """Return an error that there is no XNAT at this address, which says where one is, when that can be found."""
    for url in _nearby(server.base_url):
        try:
            _asked(url, server, NEARBY_S)
        except XnatsyncError:
            continue
        return ReplyStrange(str(error), http=error.http, advice=f'An XNAT answers at {url}: write `url = "{url}"`.')
    return error


def _asked(url: str, server: ServerConfig, wait_s: float) -> str:
    verify = False if server.tls == "insecure" else server.ca_file or True
    return answers(url, verify=verify, timeouts=Timeouts(read_s=wait_s, connect_s=min(15.0, wait_s)))


def _nearby(url: str) -> Iterator[str]:
    parts = urlsplit(url)
    root = f"{parts.scheme}://{parts.netloc}"
    steps = [step for step in parts.path.split("/") if step]
    for number in range(len(steps) - 1, -1, -1):
        yield "/".join([root, *steps[:number]])
    if not steps:
        yield f"{root}/xnat"
