"""What a redirect means: the XNAT has another address than the one configured.  It is told, and never followed.

The address told is made of the server's Location without what was asked for: that may hold labels, and a query may
hold a token.
"""

from __future__ import annotations

import re
import urllib.parse
from typing import Final

from xnatsync.core.errors import ServerMoved
from xnatsync.xnat import names
from xnatsync.xnat.replies import Reply

_MOVED: Final = frozenset({301, 302, 307, 308})
_SEE_THERE: Final = 303  # to a write it is an answer: what came of it is there
_PORTS: Final = {"http": 80, "https": 443}
_HOST: Final = re.compile(r"[\w.:%-]+")
_PLAIN: Final = re.compile(r"[A-Za-z0-9._~/%+-]*")  # of a path: what can be written between quotation marks as it is
_LOGIN: Final = frozenset({"/data/JSESSION", "/data/auth", "/xapi/siteConfig/buildInfo"})  # hold nobody's name


def moved(reply: Reply, root: str) -> ServerMoved | None:
    """Return the error for an answer that redirects to another address; None for any other answer."""
    if reply.status not in _MOVED and (reply.status != _SEE_THERE or reply.call.verb.writes):
        return None
    asked = root + reply.call.path
    try:
        there = urllib.parse.urlsplit(urllib.parse.urljoin(asked, reply.headers.get("location", "").strip()))
        site = _site(there)
    except ValueError:
        return None
    if there.scheme not in _PORTS or not _HOST.fullmatch(there.hostname or "") or "login.vm" in there.path.lower():
        return None
    said = f"{reply.call.what}: the server answered {reply.status}, which redirects"
    if (prefix := _prefix(there.path, reply.call.path)) is not None:
        url = names.words(site + prefix)
        if url == _site(urllib.parse.urlsplit(root)) + urllib.parse.urlsplit(root).path.rstrip("/"):
            return ServerMoved(
                f"{said} to the address it was asked at",
                http=reply.status,
                advice="A proxy before the XNAT redirects in a circle: its administrator must mend that.",
            )
        return ServerMoved(
            f"{said} to {url}; it was not followed",
            http=reply.status,
            advice=f'Write `url = "{url}"` for this server{_why(root, url)}, then `xnatsync doctor`.',
        )
    if site == _site(urllib.parse.urlsplit(root)) and reply.call.path not in _LOGIN:
        return None  # the address is right: somebody logged in there
    shown = names.words(site + (there.path.rstrip("/") if reply.call.path in _LOGIN else ""))
    return ServerMoved(
        f"{said} to {shown}; it was not followed",
        http=reply.status,
        advice=(
            f"If {shown} is your XNAT, write that as `url` of this server, with its path if it has one (such as "
            "/xnat), then `xnatsync doctor`.  If it is a page to log in at, ask for an account that may log in "
            "without it."
        ),
    )


def _prefix(path: str, asked: str) -> str | None:
    """Return the path of the XNAT, when the redirect leads to what was asked for at another address."""
    trimmed = path.rstrip("/")
    found = trimmed[: -len(asked)].rstrip("/") if trimmed.endswith(asked) else None
    return found if found is not None and _PLAIN.fullmatch(found) else None


def _site(address: urllib.parse.SplitResult) -> str:
    """Write a site in one way: letters small, no port where it is the usual one; ValueError for no port at all."""
    host = address.hostname or ""
    host = f"[{host}]" if ":" in host else host
    usual = address.port in {None, _PORTS.get(address.scheme)}
    return f"{address.scheme}://{host}" + ("" if usual else f":{address.port}")


def _why(old: str, new: str) -> str:
    before, after = urllib.parse.urlsplit(old), urllib.parse.urlsplit(new)
    if before.scheme == "http" and after.scheme == "https" and before.hostname == after.hostname:
        return " (https instead of http)"
    if before.hostname != after.hostname:
        return " if that host is yours"
    return ""
