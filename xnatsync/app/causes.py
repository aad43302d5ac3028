"""What is the matter now, read from the ledger and from what the agent knows of itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xnatsync.core.causes import Cause, State, state_of_hold, state_of_pause
from xnatsync.core.errors import Exit
from xnatsync.core.wording import counted

if TYPE_CHECKING:
    from xnatsync.config.model import Config
    from xnatsync.ledger.agents import JobRow
    from xnatsync.ledger.ledger import Ledger

WRITES = "writes to "
# Of a job: what its exit code says beyond a failure is a state of its own, with a cause for each route.
_OWN_STATE = {"trees": {Exit.HELD}, "verify": {Exit.DIFFERENT, Exit.HELD}, "audit": set[int]()}


@dataclass(frozen=True, slots=True)
class OfAgent:
    """What only the running agent knows."""

    well: bool = True
    refused_since: str | None = None  # a configuration that was not put in force


def causes_now(config: Config, ledger: Ledger, agent: OfAgent | None = None) -> list[Cause]:
    """List what is the matter, each cause once; of what is no longer configured nothing."""
    found: dict[tuple[State, str, str], Cause] = {}
    for cause in _all(config, ledger, agent or OfAgent()):
        known = found.get(cause.key)
        found[cause.key] = cause if known is None else _both(known, cause)
    return list(found.values())


def _both(one: Cause, other: Cause) -> Cause:
    return Cause(
        state=one.state, place=one.place, code=one.code, many=one.many + other.many,
        since=min(filter(None, (one.since, other.since)), default=""), note=one.note or other.note,
        detail=one.detail or other.detail,
    )  # fmt: skip


def _all(config: Config, ledger: Ledger, agent: OfAgent) -> Iterator[Cause]:
    for asked in ledger.asked():
        if asked.route in config.routes:
            yield Cause(
                state=state_of_hold(asked.code), place=f"route {asked.route}", code=asked.code, many=asked.many,
                since=asked.since, detail=asked.detail,
            )  # fmt: skip
    yield from _paused(config, ledger)
    for name in config.drop_routes:
        refused = [row for row in ledger.lookups(name).values() if row.refused]
        if refused:
            yield Cause(
                state=State.TABLE, place=f"route {name}", many=len(refused), since=min(row.at for row in refused),
                detail="; ".join(row.refused for row in refused),
            )  # fmt: skip
    for route, many, since in ledger.lost():
        if route in config.routes:
            yield Cause(state=State.VERIFY, place=f"route {route}", many=many, since=since)
    for job in ledger.jobs().values():
        if (cause := _of_job(config, job)) is not None:
            yield cause
    if agent.refused_since is not None:
        yield Cause(state=State.CONFIGURATION, place="agent", since=agent.refused_since)
    if not agent.well:
        yield Cause(state=State.STUCK, place="agent")


def _paused(config: Config, ledger: Ledger) -> Iterator[Cause]:
    by_person = ledger.standby()
    for row in ledger.pauses():
        word, _, name = row.what.removeprefix(WRITES).rpartition(" ")
        kind = "server" if row.what.startswith(WRITES) else word
        if kind == "route" and (name not in config.routes or name in by_person or "" in by_person):
            continue
        if kind == "server" and name not in config.servers:
            continue
        place = f"{kind} {name}" if kind in {"route", "server"} else "ledger"
        yield Cause(
            state=state_of_pause(row.code), place=place, code=row.code, since=row.since, detail=row.detail,
            note=counted(row.failures, "failure") + " in a row",
        )  # fmt: skip


def _of_job(config: Config, job: JobRow) -> Cause | None:
    if job.exit_code in {None, Exit.OK}:
        return None
    if job.name in config.routes:
        kind, place = "trees", f"route {job.name}"
    elif job.name in config.jobs:
        kind, place = config.jobs[job.name].run, f"job {job.name}"
    elif " " in job.name:  # the agent's own, such as that of filed copies
        kind, place = "audit", f"job {job.name}"
    else:
        return None
    if job.exit_code in _OWN_STATE[kind]:
        return None
    return Cause(
        state=State.JOB, place=place, code=job.code or "", since=job.ended_at or "",
        note=f"exit code {job.exit_code}",
    )  # fmt: skip
