"""The running agent, for people and for programs: in `status`, and what `pause` and `resume` answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from xnatsync.core.moment import clock_words, later
from xnatsync.core.pasting import command_line
from xnatsync.views.blocks import Block, Line, Tone

if TYPE_CHECKING:
    from xnatsync.app.health import Health
    from xnatsync.app.status import AgentStanding


def agent_blocks(seen: AgentStanding) -> Iterator[Block]:
    """Say whether the agent is at work, and what keeps it from being as one would think."""
    row = seen.row
    if not seen.alive:
        yield Line(f"no agent runs; the last one said at {clock_words(row.beat_at)} that it was at work", Tone.WARN)
        return
    word = "the agent ends what it has begun" if seen.told["state"] == "draining" else "the agent is at work"
    yield Line(f"{word} as process {row.pid} since {clock_words(row.since)}", Tone.GOOD)
    if not seen.healthy:
        yield Line(f"it has not gone forward lately (last sign of life {clock_words(row.beat_at)})", Tone.BAD, indent=2)
    if (refused := seen.told["refused"]) is not None:
        yield Line(
            f"a changed configuration was refused at {clock_words(refused['since'])}, and the former one is in force: "
            f"{refused['why']}",
            Tone.BAD,
            indent=2,
        )
        yield Line(f"what to do: `{command_line('config', 'check')}`, then reload the agent", Tone.DIM, indent=2)
    if (quiet_s := seen.told.get("quiet_s", 0.0)) > 0:
        until = clock_words(later(row.beat_at, quiet_s))
        yield Line(f"quiet hours until {until}: nothing new is sent, and no schedule begins anything", indent=2)
    for name, how in sorted(seen.told["watching"].items()):
        if how != "events":
            yield Line(f"{name} is looked at again and again: {how}", Tone.DIM, indent=2)
    for job in seen.jobs:
        if (due := seen.told["next"].get(job.name)) is not None:
            last = f"last {clock_words(job.began_at)}" if job.began_at else "not run yet"
            code = f" (exit code {job.exit_code})" if job.exit_code else ""
            yield Line(f"{job.name}: next {clock_words(due)}, {last}{code}", Tone.DIM, indent=2)


def agent_fields(seen: AgentStanding) -> dict[str, object]:
    """Give the same for programs."""
    row = seen.row
    return {
        "pid": row.pid,
        "alive": seen.alive,
        "healthy": seen.healthy,
        "since": row.since,
        "beat_at": row.beat_at,
        "state": seen.told["state"] if seen.alive else "gone",
        "refused": seen.told["refused"],
        "watching": dict(seen.told["watching"]),
        "quiet_until": later(row.beat_at, quiet_s) if (quiet_s := seen.told.get("quiet_s", 0.0)) > 0 else None,
        "jobs": [
            {
                "name": job.name,
                "began_at": job.began_at,
                "ended_at": job.ended_at,
                "exit_code": job.exit_code,
                "code": job.code,
                "next_at": seen.told["next"].get(job.name),
            }
            for job in seen.jobs
        ],
    }


def health_fields(seen: Health) -> dict[str, object]:
    """Give the same for programs."""
    agent = agent_fields(seen.agent) if seen.agent is not None else None
    return {"healthy": seen.healthy, "text": seen.text, "agent": agent}


def pause_blocks(names: Sequence[str], verb: str) -> Iterator[Block]:
    """Say what is paused, or is so no longer."""
    words = ", ".join(names) or "nothing"
    if verb == "pause":
        yield Line(f"paused: {words}", Tone.GOOD)
        yield Line("what runs now comes to its end; `xnatsync resume` goes on", Tone.DIM)
    else:
        yield Line(f"resumed: {words}", Tone.GOOD)


def pause_fields(names: Sequence[str]) -> dict[str, object]:
    """Give the same for programs."""
    return {"names": list(names)}
