"""Metrics for Prometheus, read from the ledger when they are asked for: nothing is counted in memory.

Labels are names of the configuration and words of ours, so their number is bounded and no data is in them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from xnatsync import __version__
from xnatsync.app.causes import OfAgent, causes_now
from xnatsync.app.silence import Silences
from xnatsync.app.status import agent_standing
from xnatsync.core.causes import ASKING
from xnatsync.core.errors import PlaceTaken, XnatsyncError
from xnatsync.core.exposition import FIRST, Family, Sample, exposition
from xnatsync.core.moment import parse, stamp
from xnatsync.core.phases import ItemPhase
from xnatsync.disk import drafts
from xnatsync.disk.failures import our_disk
from xnatsync.disk.space import free_bytes

if TYPE_CHECKING:
    from xnatsync.config.model import Config
    from xnatsync.ledger.ledger import Ledger


def metrics(config: Config, ledger: Ledger | None) -> str:
    """Write all metrics as text."""
    return exposition(families(config, ledger))


def families(config: Config, ledger: Ledger | None) -> list[Family]:
    """Return all metrics; without a ledger those alone that need none."""
    found = [Family("xnatsync_build_info", "gauge", "Version of xnatsync.", [Sample({"version": __version__}, 1)])]
    if ledger is not None:
        found += [*_items(config, ledger), *_asking(config, ledger), *_agent(config, ledger)]
    found.append(_free(config))
    return found


def _items(config: Config, ledger: Ledger) -> Iterator[Family]:
    counts: dict[tuple[str, str], int] = {(name, str(phase)): 0 for name in config.drop_routes for phase in ItemPhase}
    for (route, phase, _), (many, _size) in ledger.phase_counts().items():
        if (route, phase) in counts:
            counts[route, phase] += many
    yield Family(
        "xnatsync_items", "gauge", "Items of a drop route by state.",
        [Sample({"route": route, "state": phase}, many) for (route, phase), many in counts.items()],
    )  # fmt: skip
    delivered = [row for row in ledger.delivered() if row[0] in config.routes and row[1] in config.servers]
    for what, unit, place in (("sessions", "Imaging sessions", 2), ("bytes", "Bytes of imaging sessions", 3)):
        yield Family(
            f"xnatsync_delivered_{what}_total", "counter", f"{unit} that were proven to be on a server.",
            [Sample({"route": str(row[0]), "server": str(row[1])}, float(row[place])) for row in delivered],
        )  # fmt: skip
    yield Family(
        "xnatsync_last_verified_timestamp_seconds", "gauge", "When a session of a route was last proven.",
        [Sample({"route": name}, _seconds(at)) for name, at in ledger.last_proofs().items() if name in config.routes],
    )  # fmt: skip
    arrived = {name: ledger.last_arrival(name) for name in config.drop_routes}
    yield Family(
        "xnatsync_last_arrival_timestamp_seconds", "gauge", "When something last arrived at a drop route.",
        [Sample({"route": name}, _seconds(at)) for name, at in arrived.items() if at is not None],
    )  # fmt: skip


def _asking(config: Config, ledger: Ledger) -> Iterator[Family]:
    """Count what needs a person now, and which servers are left alone."""
    standing = agent_standing(ledger)
    now = stamp(datetime.now(UTC))
    causes = causes_now(config, ledger, _of_agent(ledger)) + Silences(config, ledger).now(now)
    states = [state for state, asking in ASKING.items() if asking.person and not asking.passing]
    yield Family(
        "xnatsync_causes", "gauge", "Causes that need a person now, by state.",
        [Sample({"state": str(state)}, sum(cause.state is state for cause in causes)) for state in states],
    )  # fmt: skip
    waiting = dict.fromkeys(config.routes, 0)
    for asked in ledger.asked():
        if asked.route in waiting:
            waiting[asked.route] += asked.many
    yield Family(
        "xnatsync_held", "gauge", "Items, sessions and entities of a route that wait for a person.",
        [Sample({"route": name}, many) for name, many in waiting.items()],
    )  # fmt: skip
    down = {row.what for row in ledger.pauses()}
    yield Family(
        "xnatsync_server_up", "gauge", "1 unless a server is paused because it failed.",
        [Sample({"server": name}, float(f"server {name}" not in down)) for name in config.servers],
    )  # fmt: skip
    yield Family(
        "xnatsync_agent_up", "gauge", "1 while the agent runs.",
        [Sample({}, float(standing is not None and standing.alive))],
    )  # fmt: skip
    yield Family(
        "xnatsync_agent_healthy", "gauge", "1 while the agent runs and makes progress.",
        [Sample({}, float(standing is not None and standing.healthy))],
    )  # fmt: skip


def _agent(config: Config, ledger: Ledger) -> Iterator[Family]:
    row = ledger.agent()
    yield Family(
        "xnatsync_agent_last_beat_timestamp_seconds", "gauge", "When the agent last reported that it is at work.",
        [Sample({}, _seconds(row.beat_at))] if row is not None else [],
    )  # fmt: skip
    jobs = [job for job in ledger.jobs().values() if job.name in config.routes or job.name in config.jobs]
    ended = [(job.name, job.ended_at, job.exit_code) for job in jobs if job.ended_at is not None]
    yield Family(
        "xnatsync_job_last_end_timestamp_seconds", "gauge", "When the last run of a job or route ended.",
        [Sample({"job": name}, _seconds(at)) for name, at, _ in ended],
    )  # fmt: skip
    yield Family(
        "xnatsync_job_last_exit_code", "gauge", "Exit code of the last run of a job or route.",
        [Sample({"job": name}, float(code or 0)) for name, _, code in ended],
    )  # fmt: skip
    waiting = dict.fromkeys(config.notify, 0)
    for target, many in ledger.unsent().items():
        if target in waiting:
            waiting[target] = many
    yield Family(
        "xnatsync_notifications_waiting", "gauge", "Notifications that a target has not taken yet.",
        [Sample({"target": name}, many) for name, many in waiting.items()],
    )  # fmt: skip


def _of_agent(ledger: Ledger) -> OfAgent:
    standing = agent_standing(ledger)
    if standing is None or not standing.alive:
        return OfAgent()
    refused = standing.told.get("refused")
    return OfAgent(standing.healthy, refused["since"] if refused is not None else None)


def _free(config: Config) -> Family:
    places: dict[str, Path] = {"ledger": config.ledger.path}
    places |= {f"route {name}": folder for name, folder in config.folders.items()}
    samples = []
    for name, path in places.items():
        with suppress(XnatsyncError):
            samples.append(Sample({"place": name}, free_bytes(path)))
    return Family(
        "xnatsync_disk_free_bytes",
        "gauge",
        "Bytes that may still be written where the ledger, or a route, is.",
        samples,
    )


def _seconds(at: str) -> float:
    return parse(at).timestamp()


def write_metrics(path: Path, text: str) -> None:
    """Write the file whole or not at all, for everybody to read; PlaceTaken where something else is in its place."""
    try:
        with suppress(FileNotFoundError):
            is_ours = not path.is_symlink() and path.is_file() and path.read_bytes().startswith(FIRST.encode())
            if not is_ours and (path.is_symlink() or path.exists()):
                raise PlaceTaken(f"{path} holds something else than metrics of xnatsync: it was not replaced")
        drafts.write(path, text.encode(), replace=True, mode=0o644)
    except OSError as error:
        raise our_disk(error, f"writing {path}") from error
