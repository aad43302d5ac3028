"""What systemd is told, on a real socket: in its order, and alive only while all that is at work goes forward."""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_world import AgentWorld
from xnatsync.agent.life import STUCK_S
from xnatsync.agent.pulse import Pulse
from xnatsync.agent.service import Service
from xnatsync.app.app import App
from xnatsync.app.clock import SystemClock
from xnatsync.engine.progress import Fetched, Happening, OwnerAt, Sent, Waiting
from xnatsync.ports.drop import Clock
from xnatsync.report.log import open_lasting_log

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no such socket")
WATCHDOG_S = 60.0


class Systemd:
    """The other end of `NOTIFY_SOCKET`."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.setblocking(False)
        self.environment = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6))}
        self.words: list[dict[str, str]] = []

    def read(self) -> list[dict[str, str]]:
        """All that was told so far."""
        while True:
            try:
                data = self.socket.recv(65_536)
            except BlockingIOError:
                return self.words
            self.words.append(dict(line.split("=", 1) for line in data.decode().splitlines()))

    def many(self, word: str) -> int:
        return sum(word in words for words in self.read())


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Systemd]:
    if request.param == "abstract" and sys.platform != "linux":
        pytest.skip("only Linux has such addresses")
    found = Systemd(str(tmp_path / "notify") if request.param == "path" else f"@xnatsync-test-{tmp_path.name}")
    yield found
    found.socket.close()


def test_it_is_ready_reads_again_and_ends(world: AgentWorld, systemd: Systemd) -> None:
    """A reload is told with the clock that systemd compares, whether it was taken or refused; the end comes last."""
    world.service = Service(systemd.environment)  # type: ignore[assignment]
    world.is_begun = lambda: systemd.many("READY") > 0
    begun = time.monotonic()
    with world.agent() as agent:
        text, world.sound = world.config.read_text(), None
        world.tell(agent, reload=True)
        world.until(lambda: systemd.many("READY") == 2)
        world.config.write_text("[routes.r]\n")
        world.tell(agent, reload=True)
        world.until(lambda: systemd.many("READY") == 3)
        world.config.write_text(text)

    told = [next(iter(words)) for words in systemd.read() if not {"WATCHDOG", "EXTEND_TIMEOUT_USEC"} & set(words)]
    assert told == ["READY", "RELOADING", "READY", "RELOADING", "READY", "STOPPING"]
    assert [words["STATUS"] for words in systemd.words if "READY" in words][-1] == "the new configuration was refused"
    for words in systemd.words:
        if "RELOADING" in words:
            assert begun * 1e6 <= int(words["MONOTONIC_USEC"]) <= time.monotonic() * 1e6


class Fast(SystemClock):
    """A clock of which a test lets time pass."""

    by_s = 0.0

    def elapsed_s(self) -> float:
        return super().elapsed_s() + type(self).by_s


def test_a_stuck_worker_stops_the_watchdog_whatever_else_goes_on(world: AgentWorld, tmp_path: Path) -> None:
    """Looks and the hand-out go on, and hide nothing; a drain that goes forward is given more time."""

    class Clocks(Fast):
        by_s = 0.0

    class Own(App):
        def make_clock(self) -> Clock:
            return Clocks(self.stop)

    systemd = Systemd(str(tmp_path / "notify"))
    world.service, world.make = Service(systemd.environment), Own  # type: ignore[assignment]
    world.is_begun = lambda: systemd.many("READY") > 0
    sending, go_on = threading.Event(), threading.Event()
    world.after("POST", "/data/services/import", lambda: (sending.set(), go_on.wait(30))[0])

    def passes(seconds: float) -> None:
        """Let time pass, and the agent tick."""
        Clocks.by_s += seconds
        turned = agent.life._turned if agent.life is not None else 0.0
        world.until(lambda: agent.life is not None and agent.life._turned > turned + seconds / 2)
        agent.wake.set()
        time.sleep(0.05)

    with world.agent() as agent:
        world.until(lambda: systemd.many("WATCHDOG"))
        world.study("exam")
        world.until(sending.is_set)
        fed = systemd.many("WATCHDOG")
        passes(WATCHDOG_S / 2)
        world.until(lambda: systemd.many("WATCHDOG") > fed)  # it may take long to answer

        passes(3600.0 + STUCK_S)
        passes(WATCHDOG_S)
        fed = systemd.many("WATCHDOG")
        passes(WATCHDOG_S)
        passes(WATCHDOG_S)
        assert systemd.many("WATCHDOG") == fed
        world.until(lambda: world.seen.agent is not None and not world.seen.agent.healthy)

        go_on.set()
        world.until(lambda: world.phases() == {"done": 1})
        world.until(lambda: systemd.many("WATCHDOG") > fed)

        go_on.clear()
        sending.clear()
        world.after("POST", "/data/services/import", lambda: (sending.set(), go_on.wait(30))[0])
        world.study("second", patient="SUB2", seed=2)
        world.until(sending.is_set)
        world.tell(agent)
        world.until(lambda: systemd.many("EXTEND_TIMEOUT_USEC"))
        go_on.set()
    assert not any("EXTEND_TIMEOUT_USEC" in one for one in systemd.words[: systemd.words.index({"STOPPING": "1"})])
    systemd.socket.close()


@pytest.mark.parametrize(
    ("happening", "lively"),
    [
        (Sent(7, 1000), ("unit", 7)),
        (Fetched(1000), None),  # nobody knows for which: all that is at work
        (OwnerAt(3, "S1", "compared"), ("job", 0)),
    ],
)
def test_what_goes_forward_hides_nothing_that_does_not(happening: Happening, lively: tuple[str, int] | None) -> None:
    """A unit of an upload, an item, and a job with workers of its own, each in a thread; told by yet another thread."""
    now = 0.0
    pulse, keys = Pulse(lambda: now), [("unit", 7), ("item", 1), ("job", 0)]
    for key in keys:
        thread = threading.Thread(target=pulse.step, args=(key, True))
        thread.start()
        thread.join()
        pulse._threads.clear()  # numbers of threads are given again
    assert pulse.silent_s() == 0.0
    now = 1200.0
    pulse.hear(happening)
    pulse.hear(Waiting(5.0, "a server"))
    assert pulse.silent_s() == (0.0 if lively is None else 1200.0)
    for key in keys:
        if key != lively:
            pulse.step(key, False)
    assert pulse.silent_s() == 0.0


def test_what_a_worker_says_is_about_what_it_steps() -> None:
    """Whatever the happening names; and waiting is no progress."""
    now = 0.0
    pulse = Pulse(lambda: now)
    pulse.step(("item", 1), True)
    now = 100.0
    pulse.hear(Waiting(5.0, "a server"))
    assert pulse.silent_s() == 100.0
    pulse.hear(Sent(7, 10))
    assert pulse.silent_s() == 0.0


def test_the_log_of_the_agent_names_nobody_however_hostile_the_names_are(world: AgentWorld, tmp_path: Path) -> None:
    """Folders and patients whose names would be lines of a log, or codes of ours: each line is one of ours."""
    names = ['Doe^Eva"}\n{"code": "XS-FORGED', "XS-DISK-FULL Doe^Eva", "\x1b[31mDoe^Eva"]
    for number, name in enumerate(names, 1):
        world.study(name, patient="" if number == 2 else f"Eva{number}", seed=number)
    world.fault("POST", "/data/services/import", "status", status=403, times=1)
    with world.agent():
        world.until(lambda: sum(world.phases().values()) == len(names))
        world.until(lambda: world.phases().get("done"))
    with open_lasting_log(str(tmp_path / "agent.log"), "info", 2_000, 50) as log:
        for happening in world.happened:
            log.hear(happening)  # type: ignore[arg-type]
        log.bug('Traceback\n  File "x.py", line 1, in f\nKeyError: Doe^Eva')

    texts = [path.read_text("utf-8") for path in tmp_path.glob("agent.log*")]
    assert len(texts) > 1
    lines = [json.loads(line) for text in texts for line in text.splitlines()]
    assert {"item.seen", "unit.verified"} <= {line["code"] for line in lines}
    assert not [word for word in ("Doe", "Eva", "FORGED", "Nomen", str(world.root)) if word in " ".join(texts)]
