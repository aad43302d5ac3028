"""Asking the running agent: what another process may not do to a ledger that is held, it does itself.

A command tries alone first.  Where an agent holds the ledger it leaves a request there, and waits for the answer; both
survive a kill of either side: a request that was taken is served again by the next agent, which looks first.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from xnatsync.app.running import boot, is_alive
from xnatsync.core.errors import AgentSilent, LedgerHeld, XnatsyncError
from xnatsync.core.moment import stamp
from xnatsync.ledger.rows import RunRow

if TYPE_CHECKING:
    from xnatsync.config.model import Config
    from xnatsync.ledger.agents import AgentRow
    from xnatsync.ledger.ledger import Ledger

ANSWER_S = 60.0  # so long an answer is waited for
LOOK_S = 0.1

Told = TypeVar("Told")


def is_at_work(row: AgentRow) -> bool:
    """Return whether the agent that a ledger tells of is there."""
    if row.boot_id != boot():
        return False
    return is_alive(RunRow(0, "watch", row.pid, row.since, None, None, "{}", row.boot_id))


def agent_of(config: Config) -> AgentRow | None:
    """Return the agent that works with the ledger of a configuration; None where none does."""
    from xnatsync.app.status import reading

    with reading(config) as ledger:
        row = ledger.agent() if ledger is not None else None
    return row if row is not None and is_at_work(row) else None


def either(
    config: Config,
    verb: str,
    args: Mapping[str, object],
    alone: Callable[[], Told],
    told: Callable[[Mapping[str, Any]], Told],
    *,
    patience_s: float = ANSWER_S,
    stopping: Callable[[], bool] = lambda: False,
) -> Told:
    """Do something alone; where an agent holds the ledger, have it done there, and say what it answered.

    LedgerHeld where somebody else holds it; whatever the agent raised is raised here; AgentSilent: no answer in time.
    """
    try:
        return alone()
    except LedgerHeld:
        if agent_of(config) is None:
            raise
    return told(ask(config, verb, args, patience_s=patience_s, stopping=stopping))


def ask(
    config: Config,
    verb: str,
    args: Mapping[str, object],
    *,
    patience_s: float = ANSWER_S,
    stopping: Callable[[], bool] = lambda: False,
) -> Mapping[str, Any]:
    """Leave a request for the running agent, and give its answer."""
    with _beside(config) as ledger:
        number = ledger.ask(verb, json.dumps(dict(args)), _now())
        until = time.monotonic() + patience_s
        while time.monotonic() < until and not stopping():
            row = ledger.request(number)
            if row is not None and row.reply is not None:
                return _read(row.reply)
            time.sleep(LOOK_S)
        if ledger.take_back(number):
            raise AgentSilent(f"the agent did not take `{verb}` in time: it was taken back, and nothing was done")
    raise AgentSilent(f"the agent has begun `{verb}` (request {number}), and goes on with it: no answer came in time")


@contextmanager
def _beside(config: Config) -> Iterator[Ledger]:
    from xnatsync.ledger.open import open_ledger

    with closing(open_ledger(config.ledger.path, beside=True)) as ledger:
        yield ledger


def refusal(error: XnatsyncError) -> str:
    """Write a failure as an answer."""
    return json.dumps({"refused": {"code": error.code, "text": str(error), "advice": error.remedy}})


def reply(answer: Mapping[str, object]) -> str:
    """Write an answer."""
    return json.dumps({"answer": dict(answer)})


def _read(text: str) -> Mapping[str, Any]:
    found = json.loads(text)
    if "refused" not in found:
        answer: Mapping[str, Any] = found["answer"]
        return answer
    told = found["refused"]
    raise _classes().get(told["code"], XnatsyncError)(told["text"], advice=told["advice"])


def _classes() -> dict[str, type[XnatsyncError]]:
    found, left = dict[str, type[XnatsyncError]](), [XnatsyncError]
    while left:
        kind = left.pop()
        found.setdefault(kind.code, kind)
        left += kind.__subclasses__()
    return found


def _now() -> str:
    return stamp(datetime.now(UTC))
