"""Commands beside a running agent: what they ask is done by it, answered, and kept."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from datetime import datetime, timedelta

import pytest

from agent_world import AgentWorld
from drop_world import uids
from verify_world import LABEL, filed, lose
from xnatsync.agent.deeds import RETENTION
from xnatsync.app import accept, assign, dismiss, pausing, resolve
from xnatsync.app.app import App
from xnatsync.app.mailbox import ask
from xnatsync.cli.program import run
from xnatsync.config.load import load
from xnatsync.core.errors import AgentSilent, NothingFound, RouteUnknown, Usage
from xnatsync.core.group import Assigned
from xnatsync.ledger.open import open_ledger
from xnatsync.ledger.rows import UnitRow


def held(world: AgentWorld) -> None:
    """An item that waits for a person: its header names no subject."""
    world.study("unnamed", patient="")
    world.until(lambda: any(part.is_held for route in world.seen.routes for part in route.standing))


def test_retry_and_dismiss_are_served_while_it_runs(world: AgentWorld) -> None:
    """With the answers that they have alone; a second dismissal is refused with its own words."""
    with world.agent():
        held(world)
        config = load(world.config)
        released = resolve.release(config, ["unnamed"])
        assert [part.code for part in released.released] == ["XS-LABEL-UNUSABLE"]
        held(world)
        done = dismiss.dismiss(App(config), 1)
        assert (done.item.id, done.item.phase) == (1, "dismissed")
        with pytest.raises(Usage, match="nothing to give up"):
            dismiss.dismiss(App(config), 1)
        with pytest.raises(NothingFound):
            resolve.release(config, ["nobody"])


def test_what_is_accepted_is_delivered_by_the_agent(world: AgentWorld) -> None:
    """It steps the item at once, and asks nobody again."""
    files = world.study("cut")
    files[0].write_bytes(files[0].read_bytes()[:200])
    with world.agent():
        world.until(lambda: any(part.is_held for route in world.seen.routes for part in route.standing))
        found = accept.accept(load(world.config), ["cut"])
        assert [len(part.undelivered) for part in found] == [1]
        world.until(lambda: world.phases() == {"done": 1})


def test_a_paused_route_begins_nothing_until_it_is_resumed_and_a_restart_keeps_that(world: AgentWorld) -> None:
    """`sync` of it says so, a name that is not there is refused, and `status` shows it."""
    config = load(world.config)
    with world.agent():
        assert pausing.pause(config, ["r"]) == ("r",)
        with pytest.raises(Usage, match="paused by a person"):
            ask(config, "sync", {"names": ["r"]})
        with pytest.raises(RouteUnknown):
            pausing.pause(config, ["nowhere"])
        world.study("exam")
    world.service.words.clear()
    with world.agent() as agent:
        life = agent.life
        assert life is not None
        turned = life._turned
        world.until(lambda: life._turned > turned)
        assert world.phases() == {}
        assert "paused in the agent" in world.seen.routes[0].notes[0]
        assert pausing.resume(config, []) == ("r",)
        world.until(lambda: world.phases() == {"done": 1})
    assert world.seen.routes[0].notes == ()


def test_sync_beside_an_agent_waits_for_it_and_shows_how_it_stands(
    world: AgentWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 0 when everything is done; a tree without a schedule runs because it was named."""
    tree = world.root / "tree"
    tree.mkdir()
    world.config.write_text(
        world.config.read_text()
        + f'[routes.m]\nkind = "mirror"\nfolder = "{tree}"\nserver = "s"\nproject = "P1"\nmetadata = false\n'
    )
    with world.agent():
        world.study("exam")
        capsys.readouterr()
        code = run(["--config", str(world.config), "sync", "-o", "json"])
        document = json.loads(capsys.readouterr().out)

    assert (code, document["schema"]) == (0, "xnatsync/status/1")
    assert {route["name"]: route["phases"].keys() for route in document["routes"]}["r"] == {"done"}
    assert [(job["name"], job["exit_code"]) for job in document["agent"]["jobs"]] == [("m", 0)]
    assert list(tree.rglob("*.dcm"))


def test_what_is_due_by_schedule_runs_and_a_check_is_kept_with_its_exit_code(world: AgentWorld) -> None:
    """Due since a minute ago: it runs at the start, once."""
    world.study("exam")
    with world.agent():
        world.until(lambda: world.phases() == {"done": 1})
    world.agent_lines += '[jobs.weekly]\nrun = "verify"\nschedule = "every 1h"\n'
    world.configure()
    with closing(open_ledger(world.root / "ledger.db")) as ledger:
        ledger.know_job("weekly", "2026-01-01T00:00:00.000Z")
    world.service.words.clear()
    with world.agent():
        world.until(lambda: world.seen.agent is not None and any(job.ended_at for job in world.seen.agent.jobs))
        with world.ledger() as reader:
            (job,) = reader.jobs().values()
            began = [event for event in reader.events() if event.code == "job.began"]

    assert (job.name, job.exit_code, len(began)) == ("weekly", 0, 1)


def test_what_nobody_takes_is_taken_back(world: AgentWorld) -> None:
    """Nobody is surprised by it later."""
    world.study("exam")
    world.sync()
    with pytest.raises(AgentSilent, match="taken back"):
        ask(load(world.config), "pause", {"names": []}, patience_s=0.2)
    with world.ledger() as ledger:
        assert ledger.open_requests() == []


def test_a_command_while_an_upload_runs_waits_for_it_and_for_nothing_else(world: AgentWorld) -> None:
    """A pause is served at once; a dismissal of what is being sent comes after the step."""
    sending, go_on = threading.Event(), threading.Event()
    world.after("POST", "/data/services/import", lambda: (sending.set(), go_on.wait(20))[0])
    with world.agent():
        world.study("exam")
        world.until(sending.is_set)
        config = load(world.config)
        assert pausing.pause(config, []) == ("r",)
        with pytest.raises(AgentSilent, match="taken back"):
            ask(config, "dismiss", {"item": 1, "prearchive": False}, patience_s=0.8)
        go_on.set()
        pausing.resume(config, [])
        world.until(lambda: world.phases() == {"done": 1})


def test_what_the_agent_does_not_understand_is_refused_and_it_goes_on(world: AgentWorld) -> None:
    """A verb of another version, and arguments that make no sense."""
    with world.agent() as agent:
        config = load(world.config)
        with pytest.raises(Usage, match="does not know"):
            ask(config, "dance", {})
        life = agent.life
        assert life is not None
        life.mail.on_bug = lambda error: None
        with pytest.raises(Exception, match="while `dismiss` was served"):
            ask(config, "dismiss", {})
        world.study("exam")
        world.until(lambda: world.phases() == {"done": 1})


def test_filed_copies_go_when_their_time_is_over(world: AgentWorld) -> None:
    """The agent lets them go by itself, and what the server has lost stays."""
    world.study()
    world.study("other", patient="SUB2", seed=2)
    assert world.sync().exit_code == 0
    lost = world.stored("SUB2_MR_20260301")[0]
    lose(world, lost, "SUB2_MR_20260301")
    world.configure(keep_done="0s")

    with world.agent() as agent:
        world.until(lambda: agent.life is not None)
        agent.life.jobs.ask([RETENTION])
        world.until(lambda: any(job.name == RETENTION and job.ended_at for job in world.seen.agent.jobs))
        (job,) = (job for job in world.seen.agent.jobs if job.name == RETENTION)

    assert job.exit_code == 4
    assert {path.relative_to(world.folder / "done").parts[1] for path in filed(world)} == {"other"}
    assert len(filed(world)) == 5


def test_in_quiet_hours_what_is_dropped_is_planned_and_not_sent(world: AgentWorld) -> None:
    """`status` says until when; without them it goes."""
    now = datetime.now()
    begin, end = now - timedelta(hours=1), now + timedelta(hours=2)
    world.agent_lines = f'[agent]\npoll = "1s"\nquiet_hours = ["{begin:%H:%M}-{end:%H:%M}"]\n'
    world.configure()
    sent = uids(world.study())

    with world.agent():
        world.until(lambda: any(unit.phase == "planned" for unit in units(world)))
        assert world.seen.agent.told["quiet_s"] > 3600
        assert [path for method, path in world.writes() if method == "POST"] == []
    assert world.session(LABEL) is None
    world.agent_lines = '[agent]\npoll = "1s"\n'
    world.configure()
    with world.agent():
        world.until(lambda: world.session(LABEL) is not None and world.archived(LABEL) == sent)


def units(world: AgentWorld) -> list[UnitRow]:
    with closing(open_ledger(load(world.config).ledger.path, beside=True)) as ledger:
        return ledger.units(route="r")


def test_what_is_assigned_is_delivered_by_the_agent_where_a_person_said(world: AgentWorld) -> None:
    """At once; what no person has to assign is refused with the words that it has alone."""
    objects = uids(world.study("unnamed", patient=""))
    with world.agent():
        world.until(lambda: any(part.is_held for route in world.seen.routes for part in route.standing))
        config = load(world.config)
        done = assign.assign(config, "unnamed", Assigned("P1", "SUB9", "SUB9_MR"))
        assert (done.item.id, len(done.units)) == (1, 1)
        world.until(lambda: world.phases() == {"done": 1})
        with pytest.raises(Usage, match="waits to be assigned"):
            assign.assign(config, "1", Assigned("P1", "SUB9", None))

    assert world.archived("SUB9_MR") == objects


@pytest.mark.parametrize(("expected", "code"), [("SUB1_MR_20260301", 0), ("SUB2_MR_20260301", 4), (None, 2)])
def test_an_audit_by_schedule_keeps_its_exit_code(world: AgentWorld, expected: str | None, code: int) -> None:
    """Everything is there, something is missing, and the manifest cannot be read."""
    world.study("exam")
    world.sync()
    manifest = world.root / "expected.json"
    if expected is not None:
        manifest.write_text(json.dumps({expected: 2}))
    world.agent_lines += (
        f'[jobs.weekly]\nrun = "audit"\nschedule = "every 1h"\nserver = "s"\nproject = "P1"\nmanifest = "{manifest}"\n'
    )
    world.configure()
    with closing(open_ledger(world.root / "ledger.db")) as ledger:
        ledger.know_job("weekly", "2026-01-01T00:00:00.000Z")
    with world.agent():
        world.until(lambda: world.seen.agent is not None and any(job.ended_at for job in world.seen.agent.jobs))
    with world.ledger() as reader:
        assert {name: row.exit_code for name, row in reader.jobs().items()} == {"weekly": code}
