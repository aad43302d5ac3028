"""What a server says of itself: its version and its clock.  For `doctor`; nothing the engine decides depends on it."""

from __future__ import annotations

import json
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path

from xnatsync import __version__
from xnatsync.core.errors import ReplyStrange
from xnatsync.core.remote import ServerAbout
from xnatsync.xnat import connection, wire
from xnatsync.xnat.client import Client
from xnatsync.xnat.exchange import Exchanges
from xnatsync.xnat.pace import Timeouts
from xnatsync.xnat.replies import Reply


def about(client: Client) -> ServerAbout:
    """Ask for the build information, which is open to everybody (hierarchy.md §2.3)."""
    reply = client.get(wire.build_info())
    return ServerAbout(_version(reply), _clock(reply))


def answers(url: str, *, verify: bool | str | Path, timeouts: Timeouts) -> str:
    """Return the version of the XNAT at an address, asked without a login; ReplyStrange where there is no XNAT."""
    exchanges = Exchanges(
        connection.checked_url(url),
        verify=verify,
        timeouts=timeouts,
        stop=lambda: False,
        user_agent=f"xnatsync/{__version__}",
        pool=1,
    )
    try:
        reply = exchanges.plain(wire.build_info(), {})
        version = _version(reply) if reply.status == 200 else ""
        if not version:
            if reply.status not in {200, 404, 405}:
                raise exchanges.refusal(reply)
            raise ReplyStrange(f"there is no XNAT at this address (it answered {reply.status})", http=reply.status)
        return version
    finally:
        exchanges.close()


def _version(reply: Reply) -> str:
    try:
        said = json.loads(reply.text)
    except (ValueError, RecursionError):
        return ""
    version = said.get("version") if isinstance(said, dict) else None
    return version if isinstance(version, str) and version.isprintable() else ""


def _clock(reply: Reply) -> float | None:
    """Read the `Date` header, which is in GMT whatever the server's own zone."""
    try:
        moment = parsedate_to_datetime(reply.headers.get("date", ""))
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    except (ValueError, OverflowError):  # no date, or none that a clock can show
        return None
