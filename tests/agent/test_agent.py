"""The agent brings what is dropped to its end while it runs, and what was dropped before it began."""

from __future__ import annotations

import json
import shutil
import threading
from contextlib import closing
from typing import Any

import pytest

from agent_world import AgentWorld, Deaf
from drop_world import uids
from xnatsync.app.app import App
from xnatsync.app.clock import SystemClock
from xnatsync.app.mailbox import agent_of
from xnatsync.config.load import load
from xnatsync.core.errors import ConfigError, FolderMissing, LedgerHeld
from xnatsync.ledger.open import open_ledger
from xnatsync.ports.drop import Clock


@pytest.mark.parametrize("deaf", [False, True])
def test_what_is_dropped_before_and_while_it_runs_is_archived_once(world: AgentWorld, deaf: bool) -> None:
    """With events, and without any: then the looks alone find it."""
    if deaf:
        world.watcher = Deaf
    world.study("early")
    with world.agent():
        world.until(lambda: world.phases() == {"done": 1})
        world.study("late", patient="SUB2", seed=2)
        world.until(lambda: world.phases() == {"done": 2})

    assert world.ended == [0]
    assert len(world.receipts()) == 2
    assert agent_of(load(world.config)) is None or not world.seen.alive


def test_a_stop_lets_the_upload_end_and_begins_nothing_new(world: AgentWorld) -> None:
    """What was being sent is sent once; what came behind it is done by the next life."""
    asked = threading.Event()
    with world.agent() as agent:
        world.after("POST", "/data/services/import", lambda: (world.tell(agent), asked.set())[0], times=2)
        objects = uids(world.study("exam"))
        world.until(asked.is_set)
    assert world.ended == [0]
    assert not world.receipts()
    with world.agent():
        world.until(lambda: world.phases() == {"done": 1})

    assert world.archived("SUB1_MR_20260301") == objects
    assert len(world.receipts()) == 1


def test_a_changed_configuration_is_put_in_force_and_a_broken_one_is_not(world: AgentWorld) -> None:
    """The old one stays, `status` says so for as long as it lasts, and a mended one ends that."""
    with world.agent() as agent:
        text, world.sound = world.config.read_text(), load(world.config)
        world.config.write_text(text.replace('kind = "drop"', 'kind = "drip"'))
        world.tell(agent, reload=True)
        world.until(lambda: world.told["refused"] is not None)
        world.study("exam")
        world.until(lambda: world.phases() == {"done": 1})
        assert world.told["refused"] is not None

        other = world.root / "other"
        other.mkdir()
        world.config.write_text(text.replace(f'"{world.folder}"', f'"{other}"'))
        world.tell(agent, reload=True)
        world.until(lambda: world.told["refused"] is None)
        shutil.copytree(world.folder / "done", other / "again")
        world.until(lambda: world.phases() == {"done": 2})


def test_another_ledger_takes_a_restart(world: AgentWorld) -> None:
    with world.agent() as agent:
        world.config.write_text(world.config.read_text().replace("/ledger.db", "/other.db"))
        world.tell(agent, reload=True)
        world.until(lambda: agent.life is not None and agent.life.refused is not None)
        assert agent.life is not None
        assert "restart" in (agent.life.refused or {})["why"]


def test_a_broken_configuration_or_a_held_ledger_ends_before_anything_begins(world: AgentWorld) -> None:
    """With the exit codes after which a service is not started again."""
    with world.agent():
        other = AgentWorld.__new__(AgentWorld)
        other.__dict__ |= {**world.__dict__, "service": type(world.service)(), "bugs": []}
        with other.agent():
            world.until(lambda: other.ended)
        (held,) = other.ended
    world.config.write_text("[routes.r]\n")
    world.service.words.clear()
    with world.agent():
        world.until(lambda: world.ended)
    (broken,) = world.ended

    assert isinstance(held, LedgerHeld)
    assert isinstance(broken, ConfigError)
    assert (held.exit_code, broken.exit_code) == (8, 2)


def test_a_drive_that_goes_and_comes_back_loses_nothing(world: AgentWorld) -> None:
    """While it is away the route is left alone, which `status` says; nothing is taken for deleted."""
    world.configure(settle="1s")
    with world.agent() as agent:
        world.study("exam")
        world.until(lambda: world.phases())
        away = world.root / "away"
        world.folder.rename(away)
        world.until(lambda: any(row.code == FolderMissing.code for row in world.seen.pauses))
        away.rename(world.folder)
        world.until(lambda: world.phases() == {"done": 1})
        world.until(lambda: not world.seen.pauses)
        assert agent.life is not None
        world.study("second", patient="SUB2", seed=2)
        world.until(lambda: world.phases() == {"done": 2})

    assert len(world.receipts()) == 2


def test_a_server_that_is_away_for_a_moment_delays_and_loses_nothing(world: AgentWorld) -> None:
    world.fault("POST", "/data/services/import", "status", status=503, times=1)
    with world.agent():
        world.study("exam")
        world.until(lambda: world.phases() == {"done": 1})

    assert len(world.receipts()) == 1


class Jumping(SystemClock):
    """A wall clock that somebody sets."""

    by: float = 0.0

    def now(self) -> Any:
        from datetime import timedelta

        return super().now() + timedelta(seconds=type(self).by)


@pytest.mark.parametrize("by_s", [-86_400.0, 86_400.0])
def test_a_clock_that_jumps_neither_stalls_nor_hurries_an_item(world: AgentWorld, by_s: float) -> None:
    class Clocks(Jumping):
        by = 0.0

    class Own(App):
        def make_clock(self) -> Clock:
            return Clocks(self.stop)

    world.make = Own
    world.configure(settle="1s")
    with world.agent():
        world.study("exam")
        world.until(lambda: world.phases())
        Clocks.by = by_s
        world.until(lambda: world.phases() == {"done": 1})

    assert len(world.receipts()) == 1


def test_what_a_killed_agent_left_the_next_one_takes_up(world: AgentWorld) -> None:
    """A request that was taken and not answered is served; what was sent is looked for first."""
    world.study("exam")
    with world.agent():
        world.until(lambda: world.phases() == {"done": 1})
    with closing(open_ledger(world.root / "ledger.db")) as ledger:
        number = ledger.ask("pause", json.dumps({"names": ["r"]}), "2026-01-01T00:00:00.000Z")
        assert ledger.take_request(number, "2026-01-01T00:00:00.000Z")
    world.service.words.clear()
    with world.agent():
        world.until(lambda: "paused" in " ".join(world.seen.routes[0].notes))


def test_a_late_file_deep_inside_what_stays_is_found_by_the_next_rescan(world: AgentWorld) -> None:
    """No event tells of it: one watch a folder would be one for each that was ever filed (ADR 19)."""
    world.agent_lines = '[agent]\npoll = "1s"\nrescan = "60s"\n'
    world.configure(after="keep")
    inner = world.folder / "exam" / "inner"
    objects = uids(world.study("exam/inner", uid="2.25.7"))
    with world.agent():
        world.until(lambda: world.phases() == {"done": 1})
        objects |= uids(world.study("../late", uid="2.25.7", seed=3, series=(2,), first=7))
        (world.root / "late").rename(inner / "late")
        world.until(lambda: world.archived("SUB1_MR_20260301") == objects)
