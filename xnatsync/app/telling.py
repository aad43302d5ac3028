"""Messages about what needs a person: looked for, written into the outbox in one transaction, then sent.

A message that is in the outbox is sent until it is taken, in the order in which it came, with growing waits.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field

from xnatsync.app.causes import OfAgent, causes_now
from xnatsync.app.messages import Message, Sender, send
from xnatsync.config.model import Config, NotifyConfig
from xnatsync.config.secrets import address_of
from xnatsync.core.causes import Cause
from xnatsync.core.errors import CredentialsMissing, NotifyFailed
from xnatsync.core.moment import later, seconds_between
from xnatsync.core.notices import Draft, Settings, plan
from xnatsync.ledger.ledger import Ledger
from xnatsync.ledger.outbox import NotificationRow

GONE_S = 300.0  # a cause that comes back sooner is the same one
LATELY_S = 86_400.0
WAITS_S = (30.0, 120.0, 600.0, 1800.0, 3600.0)
TIDY_S = 86_400.0


@dataclass(slots=True)
class Teller:
    """Looks, and sends, for one configuration; `now` is the time as the ledger writes it."""

    config: Config
    ledger: Ledger
    now: Callable[[], str]
    new_id: Callable[[], str]
    sender: Sender = send
    agent: Callable[[], OfAgent] = OfAgent
    more: Callable[[str], list[Cause]] = lambda now: []  # causes that the ledger's rows do not show by themselves
    stopping: Callable[[], bool] = lambda: False
    _tidied: str = field(default="", init=False)

    def step(self) -> None:
        """Look once, and send what is due."""
        self.look()
        for name, target in self.config.notify.items():
            self._send_waiting(name, target)

    def look(self) -> None:
        """Write down what is the matter, and which messages that makes."""
        now = self.now()
        found = causes_now(self.config, self.ledger, self.agent()) + self.more(now)
        with self.ledger.write() if found or self.ledger.open_causes() else nullcontext():
            details = self.ledger.note_causes(found, now, GONE_S)
            for name, target in self.config.notify.items():
                self._post(name, target, now, details)
        if not self._tidied or seconds_between(self._tidied, now) >= TIDY_S:
            self._tidied = now
            self.ledger.tidy_outbox(self.config.notify, now)

    def _post(self, name: str, target: NotifyConfig, now: str, details: dict[int, str]) -> None:
        ledger = self.ledger
        episodes = ledger.causes(name, later(now, -LATELY_S))
        if not episodes:
            return
        drafts = plan(
            now, self._settings(target), episodes, ledger.before(name), ledger.made_since(name, later(now, -LATELY_S)),
            is_behind=ledger.first_waiting(name) is not None, details=details,
        )  # fmt: skip
        for draft in drafts:
            number = self.new_id()
            ledger.post(name, number, Draft(draft.title, f"{draft.body}\n\n{signature(number)}", draft.parts), now)

    def _settings(self, target: NotifyConfig) -> Settings:
        places = None
        if target.routes:
            servers = self.config.servers_of([name for name in target.routes if name in self.config.routes])
            places = frozenset(
                [*(f"route {name}" for name in target.routes), *(f"job {name}" for name in target.routes)]
                + [f"server {name}" for name in servers]
            )
        return Settings(
            target.wanted, places, target.grace, target.remind, target.per_hour, target.resolved, target.details
        )

    # --- sending ---------------------------------------------------------------------------------------------------

    def _send_waiting(self, name: str, target: NotifyConfig) -> None:
        while not self.stopping():
            row = self.ledger.first_waiting(name)
            if row is None or row.next_at is None or not _is_due(row, self.now()):
                return
            try:
                address = address_for(name, target)
                self.sender(address, Message(row.title, row.body, bool(row.good)))
            except NotifyFailed as error:
                wait_s = WAITS_S[min(row.tries, len(WAITS_S) - 1)]
                self.ledger.not_sent(row.id, str(error), wait_s, self.now())
                return
            self.ledger.sent(row.id, self.now())


def address_for(name: str, target: NotifyConfig) -> str:
    """Return the address of a target; NotifyFailed, which repeats none of it, when there is none."""
    try:
        return address_of(name, target.url_source, target.url_file)
    except CredentialsMissing as error:
        raise NotifyFailed(str(error), advice=error.remedy) from None


def signature(number: str) -> str:
    """Return the last line of a message: which one it is, and of which machine."""
    return f"{number}, xnatsync on {platform.node() or 'this machine'}. The same number twice is the same message."


def _is_due(row: NotificationRow, now: str) -> bool:
    """Tell whether a message is to be tried; a wait that a clock which was ahead wrote down is none."""
    assert row.next_at is not None
    return not 0 < seconds_between(now, row.next_at) <= WAITS_S[-1]
