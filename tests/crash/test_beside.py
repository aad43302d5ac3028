"""Commands and signals beside a running `sync`: it is seen at work, undisturbed, and what would is refused: exit 8."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from crash.crash_world import Arena, CrashWorld
from crash.real_world import PATIENCE_S, started
from xnatsync.sandbox.http.faults import Fault

LOOKING = [("status",), ("why", "exam"), ("history",), ("plan",), ("doctor",), ("sync", "--dry-run")]
CHANGING = [("sync",), ("retry", "--all"), ("retry", "#1"), ("dismiss", "#1", "--yes")]
MOMENTS = {"an upload": "import-handler", "the building": "action=build", "the archiving": "action=commit"}


@contextmanager
def held(arena: Arena, where: str) -> Iterator[threading.Event]:
    """Lets the first such request wait as long as the block lasts; the event tells that it has come."""
    came, go_on = threading.Event(), threading.Event()

    def hold(*_: object) -> None:
        came.set()
        assert go_on.wait(PATIENCE_S)

    fault = arena.server.faults.add(Fault("POST", where, "call", times=1, before=hold))
    try:
        yield came
    finally:
        fault.times = 0
        go_on.set()


def ended(world: CrashWorld, *command: str) -> tuple[int, str, str]:
    with started(world, *command) as process:
        out, err = process.communicate(timeout=PATIENCE_S)
    assert "Traceback" not in err, err
    assert "XS-BUG" not in out + err
    return process.returncode, out, err


def story(world: CrashWorld) -> list[Any]:
    """Everything that the ledger says, but for when this was."""
    with world.ledger_copy() as ask:
        tables = ("item", "unit", "attempt", "entry", "receipt", "event", "run", "file")
        return [ask(f"select * from {table}") for table in tables]


@pytest.mark.parametrize("moment", MOMENTS)
def test_commands_beside_a_running_sync_only_look(arena: Arena, moment: str) -> None:
    """Status, why, history, plan and doctor answer; a second sync, retry and dismiss are refused; nothing changes."""
    with arena.world("plain") as world:
        world.drop()
        with held(arena, MOMENTS[moment]) as came:
            running = world.start()
            assert came.wait(PATIENCE_S)
            before, since = story(world), len(world.log())

            looks = {command: ended(world, *command) for command in LOOKING}
            changes = {command: ended(world, *command) for command in CHANGING}

            assert {command: look[0] for command, look in looks.items()} == dict.fromkeys(LOOKING, 0), looks
            assert {command: change[0] for command, change in changes.items()} == dict.fromkeys(CHANGING, 8), changes
            assert all(f"process {running.pid} on " in change[2] for change in changes.values())
            assert story(world) == before
            writes = [entry for entry in world.requests(since) if entry["method"] != "GET"]
            assert writes == []
        assert running.wait() == 0, arena.messages()
        assert world.complaints_at_the_end() == []
        assert world.complaints_about_another_run() == []


def test_status_shows_what_is_under_way(arena: Arena) -> None:
    """Not what was before, and not what will be."""
    with arena.world("plain") as world:
        world.drop()
        with held(arena, "action=commit") as came:
            running = world.start()
            assert came.wait(PATIENCE_S)
            code, out, _ = ended(world, "status", "--output", "json")
            found = json.loads(out)
        assert running.wait() == 0, arena.messages()

        assert code == 0
        assert "exam" in json.dumps(found)
        assert "sent" in json.dumps(found)
        after = json.loads(ended(world, "status", "--output", "json")[1])
        assert after != found


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM to be caught")
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_second_wish_to_stop_ends_the_process_at_once(arena: Arena, moment: str) -> None:
    """It does not wait for an answer that does not come; the next run looks at what the server has done since."""
    with arena.world("plain") as world:
        world.configure(quiet="3s")
        world.drop()
        with held(arena, MOMENTS[moment]) as came, started(world) as process:
            assert came.wait(PATIENCE_S)
            pause = threading.Event()
            while process.poll() is None:  # two that come at once are one to the kernel
                process.send_signal(signal.SIGTERM)
                pause.wait(0.02)
            _, err = process.communicate(timeout=PATIENCE_S)

        assert process.returncode == -signal.SIGTERM
        assert "Traceback" not in err
        with world.ledger_copy() as ask:
            # Signals that come while the process is busy are one to Python: then it was the first that ended the run.
            assert ask("select outcome from run order by id desc limit 1") in ([(None,)], [("interrupted",)])
        assert world.complaints_after_a_kill() == []
        assert world.run().code == 0, arena.messages()
        assert world.complaints_at_the_end() == []
        assert world.complaints_about_another_run() == []


def test_readers_that_never_stop_do_not_keep_a_run_from_its_end(arena: Arena) -> None:
    """Somebody watches: the ledger is read all the time, by another process each time, while it is written."""
    with arena.world("plain") as world:
        world.drop()
        running = world.start(workers=2)
        over, codes = threading.Event(), list[int]()

        def watch() -> None:
            while not over.is_set() or not codes:
                codes.append(ended(world, "status")[0])

        watchers = [threading.Thread(target=watch) for _ in range(2)]
        for watcher in watchers:
            watcher.start()
        code = running.wait()
        over.set()
        for watcher in watchers:
            watcher.join()

        assert code == 0, arena.messages()
        assert set(codes) <= {0, 2}  # there is no ledger before the run has made one
        assert world.complaints_at_the_end() == []


def test_a_run_that_was_disturbed_would_be_seen(arena: Arena) -> None:
    """What these tests look at shows a change of the ledger made beside the run."""
    with arena.world("plain") as world:
        world.drop()
        assert world.run(until="after xnat.import_zip").code == -9
        before = story(world)
        assert ended(world, "retry", "--all")[0] == 0
        assert ended(world, "dismiss", "#1", "--yes")[0] == 0
        assert story(world) != before
