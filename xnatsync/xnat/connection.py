"""The connections to one server: certificates, proxy, pool.  Nothing here knows what is asked."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import urllib.parse
import urllib.request
from collections.abc import Callable
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Final

import httpcore
import httpx

from xnatsync.core.errors import ConfigError
from xnatsync.xnat.sockets import PacedBackend

PIECE_BYTES: Final = 256 << 10  # read from a socket at once: pieces of 64 KiB, the default, cost half as much again

httpcore.HTTP11Connection.READ_NUM_BYTES = PIECE_BYTES  # of the whole process; there is no setting for one connection


def http_client(root: str, *, verify: bool | str | Path, user_agent: str, pool: int) -> httpx.Client:
    """Open a pool of connections that follows no redirect, keeps no cookie and send no password by itself."""
    proxy = proxy_for(root)
    encrypted = "https" in {urllib.parse.urlsplit(url).scheme for url in (root, proxy or "")}
    transport = httpx.HTTPTransport(
        verify=_tls(verify) if encrypted else False,  # reading all authorities takes longer than a login
        limits=httpx.Limits(max_connections=pool, max_keepalive_connections=pool, keepalive_expiry=10.0),
        proxy=proxy,
        socket_options=_socket_options(),
    )
    transport._pool._network_backend = PacedBackend()  # httpx has no parameter for it
    return httpx.Client(
        transport=transport,
        # The session travels in a header of our own: a jar would add the server's cookie as a second one.
        cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
        headers={"User-Agent": user_agent, "Accept": "*/*"},
        trust_env=False,
        follow_redirects=False,
    )


def checked_url(url: str) -> str:
    """Return a server's address without a slash at its end; ConfigError when it is none."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ConfigError("a server's url is written https://host[:port][/path]")
    if parts.username is not None or parts.password is not None:
        raise ConfigError(
            "a server's url holds no user and no password",
            advice="Write them as `user` and by XNATSYNC_<SERVER>_PASSWORD.",
        )
    return url.rstrip("/")


def trust(root: str, verify: bool | str | Path) -> Callable[[], ssl.SSLContext] | None:
    """Return what makes a context like that of the connections; None behind a proxy, or where nothing is checked."""
    if verify is False or urllib.parse.urlsplit(root).scheme != "https" or proxy_for(root) is not None:
        return None
    return lambda: _tls(verify)


def _tls(verify: bool | str | Path) -> ssl.SSLContext:
    """Trust what the system trusts and what certifi brings; or the one authority named; or, if told so, anybody."""
    if isinstance(verify, bool):
        context = httpx.create_ssl_context(verify=verify)
        if verify:
            context.load_default_certs()
        return context
    try:
        return ssl.create_default_context(cafile=str(verify))
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(f"`ca_file` cannot be read ({error.strerror or error})") from error


def proxy_for(root: str) -> str | None:
    """Return the proxy the environment names for this server; None for a direct connection."""
    parts = urllib.parse.urlsplit(root)
    host = parts.hostname or ""
    if _is_loopback(host) or urllib.request.proxy_bypass(host):
        return None
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy is not None and not proxy.startswith(("http://", "https://")):
        raise ConfigError(f"proxies of the kind {proxy.partition(':')[0]} are not supported")
    return proxy


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _socket_options() -> list[tuple[int, int, int]]:
    """Notice a peer that is gone while we wait an hour for its answer."""
    options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 30), ("TCP_KEEPCNT", 6)):
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options
