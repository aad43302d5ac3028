"""`notify test` and `notify list`: whether each target takes a message, and what is in the outbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xnatsync.app.clock import RandomIds
from xnatsync.app.messages import Message, Sender, send
from xnatsync.app.status import reading
from xnatsync.app.telling import address_for, signature
from xnatsync.config.model import Config
from xnatsync.core.errors import NotifyFailed, RouteUnknown
from xnatsync.ledger.outbox import NotificationRow

LISTED_MAX = 1000


@dataclass(frozen=True, slots=True)
class Tried:
    """What a target did with a message."""

    target: str
    id: str
    error: NotifyFailed | None


def try_targets(config: Config, names: Sequence[str], sender: Sender = send) -> list[Tried]:
    """Send a test message to targets, or to all; RouteUnknown for a name that none has."""
    if unknown := [name for name in names if name not in config.notify]:
        there = f"configured: {', '.join(sorted(config.notify))}" if config.notify else "none is configured"
        raise RouteUnknown(
            f"no target is called {', '.join(unknown)}; {there}", advice="Add a `[notify.NAME]` to the configuration."
        )
    if not config.notify:
        raise RouteUnknown("no target is configured", advice="Add a `[notify.NAME]` to the configuration.")
    found = []
    for name in names or list(config.notify):
        number = RandomIds().request_id()
        body = f"This is a test: notifications of xnatsync arrive here.\n\n{signature(number)}"
        failure = None
        try:
            sender(address_for(name, config.notify[name]), Message("xnatsync: test", body, good=True))
        except NotifyFailed as error:
            failure = error
        found.append(Tried(name, number, failure))
    return found


def outbox(config: Config, limit: int = LISTED_MAX) -> list[NotificationRow]:
    """List the newest messages; those that wait come first."""
    with reading(config) as ledger:
        return ledger.notifications(limit) if ledger is not None else []
