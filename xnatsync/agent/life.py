"""One life of the agent: a configuration in force, its dispatchers, and what it says of itself.

A reload begins a new life, and so does a long idle time: nothing that matters is in memory.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from xnatsync.agent.deeds import jobs_of
from xnatsync.agent.heartbeat import Heartbeat
from xnatsync.agent.jobs import Jobs
from xnatsync.agent.looks import Looks
from xnatsync.agent.mail import Mail
from xnatsync.agent.notifier import Notifier, Seldom, note_absence
from xnatsync.agent.pulse import Pulse
from xnatsync.agent.watching import Watcher, Watching
from xnatsync.app.app import App
from xnatsync.app.causes import OfAgent
from xnatsync.app.running import boot
from xnatsync.app.silence import Silences
from xnatsync.app.telling import Teller
from xnatsync.config.secrets import heartbeat_of
from xnatsync.core.errors import Exit, XnatsyncError
from xnatsync.core.quiet_hours import seconds_left, span
from xnatsync.engine.blame import LEDGER
from xnatsync.engine.dispatcher import Dispatcher
from xnatsync.engine.holds import OF_THE_SERVER
from xnatsync.engine.progress import Happening, Progress
from xnatsync.engine.standing import write_down
from xnatsync.ledger.agents import AgentRow
from xnatsync.routes.drop.kinds import drop_kinds
from xnatsync.routes.drop.recovery import recover
from xnatsync.routes.drop.settings import DropRoute

BEAT_S = 20.0
METRICS_S = 60.0
ASK_AGAIN_S = 3600.0  # so often a server that refused us is asked once more, though nobody says that it was mended
STUCK_S = 900.0  # without any progress a worker is stuck, beyond the longest wait for a server
TURN_S = 60.0  # so long the hand-out may take between two looks at what is due
IDLE_S = 6 * 3600.0  # an idle agent begins a new life after that: what a life remembers has an end


class Life:
    """A configuration in force."""

    def __init__(
        self,
        app: App,
        watcher: Watcher,
        observe: Callable[[Happening], object],
        on_bug: Callable[[str], None],
    ) -> None:
        self.app, self.on_bug = app, on_bug
        self._watcher = watcher
        self._turned = 0.0
        self._observe = observe
        self._stack = ExitStack()
        self._threads: list[threading.Thread] = []
        self._failed: BaseException | None = None
        self._beaten: float | None = None
        self._asked_again = 0.0
        self.refused: dict[str, str] | None = None  # a configuration that could not be put in force, and since when

    # --- beginning and end -----------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Open the ledger, and start to work.  Whoever calls holds the ledger."""
        app, agent = self.app, self.app.config.agent
        self.pulse = Pulse(self._elapsed_s)
        self.progress = Progress(self._observe, self.pulse.hear)
        self.world = self._stack.enter_context(app.world(app.routes(), self.progress, cause="watch", held=True))
        world = self.world
        recover(world)
        self.since = world.now()
        self._turned = self._asked_again = self._began = world.clock.elapsed_s()
        world.quiet_s = self._quiet_s
        kinds = drop_kinds(world)
        self.drops = Dispatcher(kinds, world, agent.workers, 0.0, self.on_bug)
        self.looks = Looks(world, self.drops, agent.rescan, agent.poll)
        kinds["look"] = self.looks
        self.jobs = Jobs(world, jobs_of(app, world, self.progress, self.on_bug), self._quiet_s)
        self.side = Dispatcher({"job": self.jobs}, world, 2, 0.0, self.on_bug)
        for dispatcher in (self.drops, self.side):
            write_down(world, dispatcher)
            dispatcher.on_step = self.pulse.step
        self.drops.on_turn = self._turn
        self.watching = Watching(self._watcher, self.looks.hint)
        self.looks.on_seen = self._seen
        self.mail = Mail(app, world, self.drops, self.side, self.looks, self.jobs)
        self.mail.begin()
        self.looks.begin()
        self.jobs.begin(self.side)
        self.world.diary.note("agent.began", "the agent is at work", data={"routes": len(app.config.routes)})
        note_absence(world.ledger, world.now(), app.config.notify)
        self._beat()
        self.notifier = Notifier(self._chores(), self.on_bug)
        self.notifier.begin()
        self.heartbeat = Heartbeat(lambda: heartbeat_of(agent.heartbeat, agent.heartbeat_file), lambda: self.is_well)
        if agent.heartbeat is not None or agent.heartbeat_file is not None:
            self.heartbeat.begin()
        self._start("drops", self.drops)
        self._start("side", self.side)

    def _chores(self) -> list[Callable[[], object]]:
        config, chores = self.app.config, list[Callable[[], object]]()
        if config.notify:
            chores.append(self._teller().step)
        if (path := config.agent.metrics_file) is not None:
            chores.append(Seldom(lambda: self._write_metrics(path), METRICS_S, self.world.clock.elapsed_s))
        return chores

    def _write_metrics(self, path: Path) -> None:
        from xnatsync.app.metrics import metrics, write_metrics

        write_metrics(path, metrics(self.app.config, self.world.ledger))

    def _teller(self) -> Teller:
        world = self.world

        def of_agent() -> OfAgent:
            return OfAgent(self.is_well, self.refused["since"] if self.refused is not None else None)

        return Teller(
            self.app.config, world.ledger, world.now, world.ids.request_id, sender=self.app.make_sender(),
            agent=of_agent, more=Silences(self.app.config, world.ledger).now, stopping=self.app.stop.is_set,
        )  # fmt: skip

    def _start(self, name: str, dispatcher: Dispatcher) -> None:
        def work() -> None:
            try:
                dispatcher.run(forever=True)
            except BaseException as error:
                self._failed = error
                raise

        thread = threading.Thread(target=work, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def end(self, exit_code: int = Exit.OK, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Begin nothing new, let what runs come to its end, and write down how it ended; `meanwhile`: each second."""
        self.app.stop.set()
        for dispatcher in (self.drops, self.side):
            dispatcher.call(lambda: None)  # one that sleeps looks at once
        for thread in self._threads:
            while thread.is_alive():
                thread.join(1.0)
                self._beat(draining=True)
                meanwhile()
        self.heartbeat.end()
        self.notifier.end()
        world, names = self.world, list(self.app.config.routes)
        try:
            self.say(draining=True)
            servers = self.app.config.servers_of(names)
            used = [LEDGER, *(f"route {name}" for name in names)]
            used += [what for name in servers for what in (f"server {name}", f"writes to {name}")]
            world.ledger.outlive_pauses(world.run_id, used)
            outcome = "ok" if exit_code == Exit.OK else "partial"
            world.ledger.end_run(world.run_id, outcome, {}, world.now(), exit_code=exit_code)
        finally:
            self.watching.close()
            self._stack.close()

    # --- while it lasts --------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Do what is to be done from time to time: requests, hints, a sign of life."""
        self.mail.poll()
        self.looks.tick()
        now = self.world.clock.elapsed_s()
        if now - self._asked_again >= ASK_AGAIN_S:
            self._asked_again = now
            self.drops.call(self._ask_again)
        self._beat()

    def _quiet_s(self) -> float:
        spans = map(span, self.app.config.agent.quiet_hours)
        return seconds_left(spans, self.world.clock.now().astimezone())

    def _ask_again(self) -> None:
        for what, pause in list(self.drops.pauses.items()):
            if pause.for_good and isinstance(pause.error, OF_THE_SERVER):
                self.drops.take_up(what, by_person=False)

    @property
    def failure(self) -> int | None:
        """Return the exit code with which the agent has to end; None while it can go on."""
        if self._failed is not None:
            return Exit.INTERNAL
        for dispatcher in (self.drops, self.side):
            pause = dispatcher.pauses.get(LEDGER)
            if pause is not None and pause.for_good:
                return pause.error.exit_code
        return None

    @property
    def is_well(self) -> bool:
        """Return whether all that is at work goes forward, and what is due is looked at: a stuck agent is not alive."""
        longest_s = max((server.long_timeout for server in self.app.config.servers.values()), default=0.0) + STUCK_S
        is_busy = self.drops.busy or self.side.busy or self.drops.calling
        turned_s = self.world.clock.elapsed_s() - self._turned
        return self.pulse.silent_s() < longest_s and turned_s < (longest_s if is_busy else TURN_S)

    @property
    def is_old_and_idle(self) -> bool:
        """Return whether a new life costs nobody anything, and this one has lasted long."""
        now = self.world.clock.elapsed_s()
        soonest = min((moment for key, moment in list(self.drops.due.items()) if key[0] != "look"), default=now + 3600)
        return now - self._began > IDLE_S and not (self.drops.busy or self.side.busy) and soonest > now + 60

    def _elapsed_s(self) -> float:
        return self.world.clock.elapsed_s()

    def _turn(self) -> None:
        self._turned = self.world.clock.elapsed_s()

    def _seen(self, route: DropRoute) -> None:
        number = self.looks.names.index(route.name)
        self.watching.see(route.name, route.folder, self.looks.known[number].missed)

    def _beat(self, *, draining: bool = False) -> None:
        now = self.world.clock.elapsed_s()
        if self._beaten is not None and now - self._beaten < BEAT_S and not draining:
            return
        self._beaten = now
        self.say(draining=draining)

    def say(self, *, draining: bool = False) -> None:
        """Write down what the agent is at, for `status`."""
        told = {
            "state": "draining" if draining else "at work",
            "well": self.is_well,
            "watching": self.watching.told(),
            "refused": self.refused,
            "quiet_s": self._quiet_s(),
            "next": {job.name: self.jobs.next_at(job.name) for job in self.jobs.jobs},
        }
        try:
            self.world.ledger.beat(AgentRow(os.getpid(), boot(), self.since, self.world.now(), json.dumps(told)))
        except XnatsyncError:  # the ledger is unwell, which the dispatchers find out
            return
