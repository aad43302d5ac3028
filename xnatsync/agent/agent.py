"""`xnatsync run`: one ledger, one life after the other, until it is asked to stop."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from xnatsync.agent.life import Life
from xnatsync.agent.service import Service
from xnatsync.agent.watching import Watcher
from xnatsync.app.app import App
from xnatsync.config.model import Config
from xnatsync.core.errors import ConfigError, Exit
from xnatsync.core.moment import stamp
from xnatsync.engine.progress import Happening
from xnatsync.ledger.lock import hold

TICK_S = 0.5
EXTEND_S = 60.0  # a drain that goes forward has always so much more time
FEED_SHARE = 3  # the watchdog is fed so many times within its time


class Agent:
    """Runs until `stop`; `reload` asks for the configuration to be read anew.  Both may be set from anywhere."""

    def __init__(
        self,
        load: Callable[[], Config],
        *,
        make: Callable[[Config, threading.Event], App] = App,
        watcher: Callable[[], Watcher],
        observe: Callable[[Happening], object] = lambda happening: None,
        on_bug: Callable[[str], None] = lambda trace: None,
        service: Service | None = None,
    ) -> None:
        self._load = load
        self._make, self._watcher = make, watcher
        self._observe, self._on_bug = observe, on_bug
        self.service = service or Service()
        self.stop = threading.Event()
        self.reload = threading.Event()
        self.wake = threading.Event()  # of the loop: something was asked for
        self.life: Life | None = None
        self._refused: dict[str, str] | None = None
        self._fed = float("-inf")
        self._extended = float("-inf")

    def run(self) -> int:
        """Work until a stop is asked for; ConfigError, LedgerHeld and what opening a ledger raises come before that."""
        config = self._load()
        with hold(config.ledger.path):
            while True:
                life = self.life = self._begin(config)
                self.service.tell(READY="1", STATUS=f"{len(config.routes)} routes")
                code, following = self._live(life, config)
                if following is None:
                    self.service.tell(STOPPING="1")
                life.end(code, partial(self._drains, life))
                if following is None:
                    return code
                config = following

    def _begin(self, config: Config) -> Life:
        life = Life(self._make(config, threading.Event()), self._watcher(), self._observe, self._on_bug)
        life.begin()
        life.mail.on_bug = lambda error: self._on_bug("".join(traceback.format_exception(error)))
        life.refused = self._refused
        return life

    def _live(self, life: Life, config: Config) -> tuple[int, Config | None]:
        """Tick until the life is over: the exit code, and the configuration of the next one where there is one."""
        while not self.stop.is_set():
            if (code := life.failure) is not None:
                return code, None
            if self.reload.is_set():
                self.reload.clear()
                if (following := self._checked(life, config)) is not None:
                    return Exit.OK, following
            if life.is_old_and_idle:
                return Exit.OK, config
            life.tick()
            self._feed(life)
            self.wake.wait(TICK_S)
            self.wake.clear()
        return Exit.OK, None

    def _checked(self, life: Life, config: Config) -> Config | None:
        """Return the new configuration; None when it cannot be put in force: the old one stays, and `status` tells."""
        self.service.reloading()
        try:
            found = self._load()
            _refuse_other_ledger(found, config)
        except ConfigError as error:
            self._refused = {"since": (self._refused or {}).get("since", stamp(datetime.now(UTC))), "why": str(error)}
            life.refused = self._refused
            life.world.diary.note("agent.refused", "a new configuration was refused: the old one stays", level="error")
            life.say()
            self.service.tell(READY="1", STATUS="the new configuration was refused")
            return None
        self._refused = None
        life.world.diary.note("agent.reloads", "the configuration is read again")
        return found

    def _feed(self, life: Life) -> None:
        now = life.world.clock.elapsed_s()
        if self.service.watchdog_s and now - self._fed >= self.service.watchdog_s / FEED_SHARE and life.is_well:
            self._fed = now
            self.service.tell(WATCHDOG="1")

    def _drains(self, life: Life) -> None:
        """While what runs comes to its end: alive, and given more time, for as long as that goes forward."""
        self._feed(life)
        now = life.world.clock.elapsed_s()
        if now - self._extended >= EXTEND_S / FEED_SHARE and life.is_well:
            self._extended = now
            self.service.tell(EXTEND_TIMEOUT_USEC=str(int(EXTEND_S * 1e6)))


def _refuse_other_ledger(found: Config, config: Config) -> None:
    if found.ledger.path != config.ledger.path:
        raise ConfigError("[ledger] path is another one: that takes a restart")
