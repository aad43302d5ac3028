"""Is the agent well?  One sentence for health checks and monitoring; it reads nothing but the ledger.

A configuration that is broken by now says nothing about the agent, which goes on with the one that it has.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from xnatsync.app.status import SILENT_S, AgentStanding, agent_standing, reading
from xnatsync.config.load import default_path, load
from xnatsync.config.model import Config, LedgerConfig
from xnatsync.core.errors import ConfigError
from xnatsync.core.moment import clock_words, seconds_between, stamp


@dataclass(frozen=True, slots=True)
class Health:
    """What was seen."""

    healthy: bool
    text: str
    agent: AgentStanding | None


def health(config_file: Path | None) -> Health:
    """Say whether an agent is at work and goes forward."""
    config = _config(config_file if config_file is not None else default_path())
    with reading(config) as ledger:
        seen = agent_standing(ledger)
    if seen is None:
        return Health(False, f"no agent runs, and none ever worked with {config.ledger.path}", None)
    pid, beat = f"process {seen.row.pid}", clock_words(seen.row.beat_at)
    if not seen.alive:
        return Health(False, f"no agent runs: the last one, {pid}, said at {beat} that it was at work", seen)
    if abs(seconds_between(seen.row.beat_at, stamp(datetime.now(UTC)))) >= SILENT_S:
        return Health(False, f"the agent, {pid}, has not said since {beat} that it is at work", seen)
    if not seen.healthy:
        return Health(False, f"the agent, {pid}, is at work on something that has not gone forward", seen)
    refused = "; a changed configuration was refused" if seen.told["refused"] is not None else ""
    return Health(True, f"the agent is at work as {pid} since {clock_words(seen.row.since)}{refused}", seen)


def _config(path: Path) -> Config:
    """Read the configuration; of one that is broken, or is not there, only where the ledger is."""
    try:
        return load(path)
    except ConfigError as error:
        if (found := _ledger_in(path)) is not None or Config().ledger.path.exists():
            return Config(ledger=LedgerConfig(path=found)) if found is not None else Config()
        raise error from None


def _ledger_in(path: Path) -> Path | None:
    try:
        named = tomllib.loads(path.read_bytes().decode("utf-8-sig"))["ledger"]["path"]
        return LedgerConfig(path=named).path
    except (OSError, ValueError, LookupError, TypeError):
        return None
