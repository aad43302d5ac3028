"""Pausing what the agent does: a route, a job, or everything; kept in the ledger until somebody resumes it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from xnatsync.app.mailbox import either
from xnatsync.core.moment import stamp
from xnatsync.engine.diary import Diary

if TYPE_CHECKING:
    from xnatsync.config.model import Config
    from xnatsync.ledger.ledger import Ledger


def pause(config: Config, names: Sequence[str]) -> tuple[str, ...]:
    """Pause routes and jobs (all, if none is named); gives them.  RouteUnknown for a name that is not configured."""
    return _either(config, "pause", names)


def resume(config: Config, names: Sequence[str]) -> tuple[str, ...]:
    """Let them go on."""
    return _either(config, "resume", names)


def _either(config: Config, verb: str, names: Sequence[str]) -> tuple[str, ...]:
    config.refuse_unknown(names, config.jobs)
    return either(
        config, verb, {"names": list(names)}, lambda: _alone(config, verb, names),
        lambda answer: tuple(answer["names"]),
    )  # fmt: skip


def _alone(config: Config, verb: str, names: Sequence[str]) -> tuple[str, ...]:
    from xnatsync.ledger.lock import hold
    from xnatsync.ledger.open import open_ledger

    with hold(config.ledger.path), closing(open_ledger(config.ledger.path)) as ledger:
        now = stamp(datetime.now(UTC))
        return (pause_in if verb == "pause" else resume_in)(ledger, there_of(config), names, Diary(ledger, lambda: now))


def there_of(config: Config) -> list[str]:
    """Return what can be paused."""
    return [*config.routes, *config.jobs]


def pause_in(ledger: Ledger, there: Sequence[str], names: Sequence[str], diary: Diary) -> tuple[str, ...]:
    """Note what is paused, in a ledger that is ours."""
    with ledger.write():
        for name in names or [""]:
            ledger.stand_by(name, diary.now())
        found = tuple(name for name in there if not names or name in names)
        diary.note("agent.paused", "a person paused routes", level="warning", data={"routes": len(found)})
    return found


def resume_in(ledger: Ledger, there: Sequence[str], names: Sequence[str], diary: Diary) -> tuple[str, ...]:
    """Note what goes on; where everything was paused, all but what is named stays so."""
    with ledger.write():
        everything = "" in ledger.standby()
        for name in names or ["", *ledger.standby()]:
            ledger.stand_up(name)
        if everything and names:
            ledger.stand_up("")
            for name in there:
                if name not in names:
                    ledger.stand_by(name, diary.now())
        found = tuple(name for name in there if not names or name in names)
        diary.note("agent.resumed", "a person resumed routes", data={"routes": len(found)})
    return found
