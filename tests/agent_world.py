"""The agent in a thread of this process, on a drop folder and a stand-in XNAT on a real socket."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from drop_world import DropWorld
from xnatsync.agent.agent import Agent
from xnatsync.agent.service import Service
from xnatsync.agent.watching import Events
from xnatsync.app.app import App
from xnatsync.app.clock import SystemClock
from xnatsync.app.status import Overview, overview
from xnatsync.config.load import load
from xnatsync.config.model import Config
from xnatsync.ports.drop import Clock

PATIENCE_S = 30.0


class Deaf:
    """Events that never come."""

    def watch(self, folder: Path, changed: Callable[[str], None]) -> Callable[[], None]:
        return lambda: None

    def close(self) -> None:
        """Nothing was begun."""


class Heard(Service):
    """What systemd would be told."""

    def __init__(self) -> None:
        super().__init__({})
        self.words: list[dict[str, str]] = []

    def tell(self, **words: str) -> None:
        self.words.append(words)


class Hurried(App):
    """Waits are shorter than they say: nobody has to see them pass."""

    def __init__(self, config: Config, world: AgentWorld, stop: threading.Event) -> None:
        super().__init__(config, stop)
        self.outside = world

    def make_clock(self) -> Clock:
        world = self.outside

        class Ahead(SystemClock):
            def elapsed_s(self) -> float:
                return super().elapsed_s() + world.ahead_s

        return Ahead(self.stop)


class AgentWorld(DropWorld):
    """Its route `r` is watched by an agent."""

    def __init__(self, root: Path, monkeypatch: Any) -> None:
        super().__init__(root, monkeypatch)
        self.agent_lines = '[agent]\npoll = "1s"\n'
        self.ahead_s = 0.0  # so much more time has passed than in truth
        self.hurry_s = 0.2  # and so much more passes with each look of `until`
        self.running: Agent | None = None
        self.make: Callable[[Config, threading.Event], App] = lambda config, stop: Hurried(config, self, stop)
        self.watcher: Callable[[], Any] = Events
        self.happened: list[object] = []
        self.service = Heard()
        self.is_begun: Callable[[], object] = lambda: any("READY" in words for words in self.service.words)
        self._read: tuple[str, Config] | None = None
        self.sound: Config | None = None  # one that `status` is asked with, while the file is broken

    def configure(self, **route: object) -> None:
        super().configure(**route)
        lines = getattr(self, "agent_lines", '[agent]\npoll = "1s"\n')
        self.config.write_text(self.config.read_text() + lines)

    @contextmanager
    def agent(self) -> Iterator[Agent]:
        """Runs it in the block, and drains it at the end."""
        agent = Agent(
            lambda: load(self.config), make=self.make, watcher=self.watcher, observe=self.happened.append,
            on_bug=self.bugs.append, service=self.service,
        )  # fmt: skip
        self.running = agent
        ended: list[int | BaseException] = []

        def work() -> None:
            try:
                ended.append(agent.run())
            except BaseException as error:
                ended.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        self.ended = ended
        try:
            self.until(lambda: bool(ended) or self.is_begun())
            yield agent
        finally:
            agent.stop.set()
            agent.wake.set()
            thread.join(PATIENCE_S)
            assert not thread.is_alive(), "the agent does not end"
        assert not self.bugs, self.bugs

    def until(self, holds: Callable[[], object]) -> None:
        """Waits until something holds."""
        until = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < until, f"it did not come to pass; bugs: {self.bugs}"
            self._pass()
            time.sleep(0.02)

    def _pass(self) -> None:
        self.ahead_s += self.hurry_s
        life = self.running.life if self.running is not None else None
        if life is not None and self.hurry_s and hasattr(life, "side"):
            for dispatcher in (life.drops, life.side):
                dispatcher.call(lambda: None)

    @property
    def seen(self) -> Overview:
        return overview(self.sound or self._loaded())

    def _loaded(self) -> Config:
        """The configuration, read once as long as its text stays: `until` asks often."""
        text = self.config.read_text()
        if self._read is None or self._read[0] != text:
            self._read = text, load(self.config)
        return self._read[1]

    @property
    def told(self) -> dict[str, Any]:
        """What the agent last said of itself."""
        assert self.seen.agent is not None
        return dict(self.seen.agent.told)

    def receipts(self) -> list[str]:
        """The targets of all receipts."""
        with self.ledger() as ledger:
            units = [unit for item in ledger.history(1000) for unit in ledger.units(item_id=item.id, living=False)]
            return [unit.target for unit in units if ledger.receipt(unit.id) is not None]

    def imports(self) -> int:
        """How many uploads the server has seen."""
        return sum(path.startswith("/data/services/import") for _, path in self.writes())

    def tell(self, agent: Agent, *, reload: bool = False) -> None:
        """What a signal does."""
        (agent.reload if reload else agent.stop).set()
        agent.wake.set()

    def phases(self) -> dict[str, int]:
        """So many items in each phase."""
        (route,) = (route for route in self.seen.routes if route.name == "r")
        return {part.phase: part.items for part in route.counts}
