"""Who steps next: what is due waits for nobody, however sick another is."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ports_between import Shifted
from xnatsync.app.clock import SystemClock
from xnatsync.core.errors import Bug, Declined, DiskUnwell, ServerUnwell
from xnatsync.engine.dispatcher import After, Dispatcher, Key
from xnatsync.engine.result import Due, Paused, Rest, Result


class Still(Shifted):
    """Time passes only while somebody waits."""

    def __init__(self) -> None:
        self.s = 0.0

    def elapsed_s(self) -> float:
        return self.s

    def wait(self, seconds: float) -> bool:
        self.s += seconds
        return False


class World:
    """What a steps needs."""

    def __init__(self) -> None:
        self.clock = Still()

    def stopping(self) -> bool:
        return False


class Steps(Dispatcher):
    """Keys that need some steps each; some are sick."""

    def __init__(self, sick: dict[int, Callable[[], Result]], needs: dict[int, int], workers: int) -> None:
        super().__init__({"item": self}, World(), workers, 120.0, lambda trace: None)  # type: ignore[dict-item]
        self.sick, self.needs = sick, needs
        self.taken: Counter[int] = Counter()
        for number in (*sick, *needs):
            self.put(("item", number), 0.0)

    def step(self, number: int) -> Result:
        self.taken[number] += 1
        if number in self.sick:
            return self.sick[number]()
        return Due() if self.taken[number] < self.needs[number] else Rest()

    def aims(self, number: int) -> Iterable[str]:
        return ("route r",)

    def rivals(self, number: int, at_work: Collection[Key]) -> Iterable[Key]:
        return ()

    def hold(self, number: int, bug: Bug) -> None:
        raise bug

    def follow(self, number: int, *, due: bool) -> After:
        return After(("route r",))

    def rank(self, number: int, result: Result) -> int:
        return int(isinstance(result, Rest))


SICK: list[Callable[[], Any]] = [
    lambda: Paused("route r", DiskUnwell("x")),
    lambda: Paused("the ledger", DiskUnwell("x")),
    lambda: Paused("route r", ServerUnwell("x")),
    Due,
    lambda: Due(0.5, "waits"),
]


@given(
    sick=st.dictionaries(st.integers(0, 20), st.sampled_from(SICK), min_size=1, max_size=1),
    needs=st.dictionaries(st.integers(0, 20), st.integers(1, 6), min_size=1, max_size=9),
    workers=st.integers(1, 4),
)
def test_whatever_one_key_does_all_others_come_to_their_end(
    sick: dict[int, Callable[[], Result]], needs: dict[int, int], workers: int
) -> None:
    """Within the steps they need, whichever number the sick one has; it gets no more turns than the slowest, by one."""
    needs = {number: many for number, many in needs.items() if number not in sick}
    steps = Steps(sick, needs, workers)
    turns = 0
    while any(steps.taken[number] < many for number, many in needs.items()):
        ready = steps._ready()
        if not ready:
            wait_s = steps._next_s()
            assert wait_s is not None
            steps.context.clock.wait(wait_s)
            continue
        for key in ready:
            steps.busy.add(key)
        for key in ready:
            steps._take(key, steps.step(key[1]))
        turns += len(ready)
        assert turns <= 2 * sum(needs.values()) + 2 * max(needs.values(), default=0) + 4

    assert {number: steps.taken[number] for number in needs} == needs


@given(
    sick=st.dictionaries(st.integers(0, 20), st.sampled_from(SICK[:3] + SICK[4:]), min_size=1, max_size=5),
    needs=st.dictionaries(st.integers(0, 20), st.integers(1, 6), max_size=9),
    patience_s=st.sampled_from([0.0, 1.0, 5.0, 20.0, 120.0]),
)
def test_every_run_ends(sick: dict[int, Callable[[], Result]], needs: dict[int, int], patience_s: float) -> None:
    """Within its patience, all waits together, since something last came to its end; and about as late as it says."""
    needs = {number: many for number, many in needs.items() if number not in sick}
    steps = Steps(sick, needs, 1)
    steps.patience_s = patience_s

    steps.run()

    waited_s = steps.context.clock.elapsed_s()
    assert waited_s <= patience_s * (len(needs) + 1) + 0.1
    assert {number: steps.taken[number] for number in needs} == needs or waited_s >= patience_s - 0.5


@pytest.mark.parametrize("patience_s", [5.0, 20.0, 60.0])
def test_patience_is_about_what_was_said(patience_s: float) -> None:
    """What is paused is asked once more at the very end of it, and not for long after."""
    steps = Steps({1: SICK[2]}, {}, 1)
    steps.patience_s = patience_s

    steps.run()

    assert steps.context.clock.elapsed_s() == pytest.approx(patience_s, abs=0.6)


# --- for ever, and woken from outside ------------------------------------------------------------------------------


class Living:
    """A world that goes on until it is stopped."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.clock = SystemClock(self.stop)

    def stopping(self) -> bool:
        return self.stop.is_set()


class Counted:
    """A kind of which each step is counted; `act` is what a step does."""

    def __init__(self, act: Callable[[int], Result] = lambda number: Rest()) -> None:
        self.act = act
        self.taken: Counter[int] = Counter()
        self.stepped = threading.Condition()

    def step(self, number: int) -> Result:
        result = self.act(number)
        with self.stepped:
            self.taken[number] += 1
            self.stepped.notify_all()
        return result

    def wait_for(self, number: int, many: int) -> None:
        with self.stepped:
            assert self.stepped.wait_for(lambda: self.taken[number] >= many, timeout=20)

    def aims(self, number: int) -> Iterable[str]:
        return ()

    def rivals(self, number: int, at_work: Collection[Key]) -> Iterable[Key]:
        return ()

    def hold(self, number: int, bug: Bug) -> None:
        raise bug

    def follow(self, number: int, *, due: bool) -> After:
        return After()

    def rank(self, number: int, result: Result) -> int:
        return int(isinstance(result, Rest))


@contextmanager
def running(*kinds: Counted, workers: int = 2) -> Iterator[Dispatcher]:
    """A dispatcher that runs for ever in a thread of its own, with a kind of each: 0, 1…"""
    world = Living()
    table = {str(number): kind for number, kind in enumerate(kinds)}
    dispatcher = Dispatcher(table, world, workers, 0.0)
    thread = threading.Thread(target=lambda: dispatcher.run(forever=True))
    thread.start()
    try:
        yield dispatcher
    finally:
        world.stop.set()
        thread.join(timeout=20)
        assert not thread.is_alive(), "it does not end by its stop flag"


def test_one_that_sleeps_is_woken_by_another_thread_and_ends_by_its_flag() -> None:
    """Nothing is due, for longer than any patience; then something is, of either kind; then it is asked to stop."""
    one, other = Counted(), Counted()
    with running(one, other) as dispatcher:
        began = time.monotonic()
        dispatcher.wake(("0", 7))
        one.wait_for(7, 1)
        dispatcher.wake(("1", 7))
        other.wait_for(7, 1)
        assert time.monotonic() - began < 5.0

    assert (one.taken, other.taken) == (Counter({7: 1}), Counter({7: 1}))


def test_what_is_woken_while_it_is_at_work_is_stepped_once_more() -> None:
    """Its step may have looked before that happened of which it is told."""
    began, go_on = threading.Event(), threading.Event()

    def act(number: int) -> Result:
        began.set()
        assert go_on.wait(20)
        return Rest()

    kind = Counted(act)
    with running(kind) as dispatcher:
        dispatcher.wake(("0", 1))
        assert began.wait(20)
        dispatcher.wake(("0", 1))
        dispatcher.wake(("0", 1))
        go_on.set()
        kind.wait_for(1, 2)

    assert kind.taken == Counter({1: 2})


def test_what_waits_for_its_time_is_due_at_once_when_it_is_woken() -> None:
    """A day of waiting ends with what happens outside, and what is due by itself needs nobody."""
    waits = iter([Due(0.01), Due(86_400.0, "waits")])
    kind = Counted(lambda number: next(waits, Rest()))
    with running(kind) as dispatcher:
        dispatcher.wake(("0", 1))
        kind.wait_for(1, 2)
        dispatcher.wake(("0", 1))
        kind.wait_for(1, 3)


def test_no_wake_is_lost_among_many_threads() -> None:
    """Each is followed by a step that began after it."""
    seen: list[int] = [0] * 4
    happened: list[int] = [0] * 4

    def act(number: int) -> Result:
        seen[number] = happened[number]
        return Rest()

    kind = Counted(act)
    with running(kind, workers=3) as dispatcher:

        def tells(number: int) -> None:
            for _ in range(200):
                happened[number] += 1
                dispatcher.wake(("0", number))

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(tells, range(4)))
        until = time.monotonic() + 20
        while seen != happened and time.monotonic() < until:
            time.sleep(0.01)

    assert seen == [200] * 4


def test_a_run_that_ends_by_itself_takes_what_was_woken_before() -> None:
    """From outside, before it began; without `forever` it ends when nothing is due."""
    kind = Counted()
    dispatcher = Dispatcher({"0": kind}, Living(), 2, 0.0)
    dispatcher.wake(("0", 1))
    dispatcher.put(("0", 2), 0.0)

    dispatcher.run()

    assert kind.taken == Counter({1: 1, 2: 1})


def test_a_wait_is_told_once_however_long_it_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that sleeps looks often whether it is to stop, and says nothing new each time."""
    monkeypatch.setattr("xnatsync.engine.dispatcher.FLAG_S", 0.01)
    told: list[float] = []
    kind = Counted(lambda number: Due(60.0, "waits"))
    with running(kind) as dispatcher:
        dispatcher.on_wait = lambda seconds, why: told.append(seconds)
        dispatcher.wake(("0", 1))
        kind.wait_for(1, 1)
        time.sleep(0.1)

    assert len(told) == 1


def test_what_is_called_for_is_done_beside_nothing_that_it_is_about() -> None:
    """It waits for the key that is at work, and not for another one; meanwhile nothing begins."""
    began, go_on = threading.Event(), threading.Event()
    told: list[str] = []

    def act(number: int) -> Result:
        began.set()
        assert go_on.wait(20)
        told.append("step")
        return Rest()

    kind, other = Counted(act), Counted()
    done, free = threading.Event(), threading.Event()
    with running(kind, other) as dispatcher:
        dispatcher.wake(("0", 1))
        assert began.wait(20)
        dispatcher.call(lambda: (told.append("call"), done.set())[0], lambda: {("0", 1)})
        dispatcher.call(free.set, lambda: {("1", 9)})
        assert free.wait(20), "it is about something else"
        assert not done.is_set(), "it is done beside the step that it is about"
        go_on.set()
        assert done.wait(20)

    assert told == ["step", "call"]


def test_what_a_person_paused_is_stepped_again_only_when_it_is_taken_up() -> None:
    """No failure of a step that was at work replaces the pause, and what ends pauses of its own ends not this one."""
    kind = Counted(lambda number: Paused("route r", DiskUnwell("x")) if kind.taken[number] == 0 else Rest())
    kind.aims = lambda number: ("route r",)  # type: ignore[method-assign]
    with running(kind) as dispatcher:
        asked = threading.Event()
        dispatcher.wake(("0", 1))
        kind.wait_for(1, 1)
        dispatcher.call(lambda: (dispatcher.leave_alone("route r", Declined("paused")), asked.set())[0])
        assert asked.wait(20)
        for by_person, steps in ((False, 1), (True, 2)):
            tried = threading.Event()
            dispatcher.wake(("0", 1))

            def take_up(by_person: bool = by_person, tried: threading.Event = tried) -> None:
                dispatcher.take_up("route r", by_person=by_person)
                tried.set()

            dispatcher.call(take_up)
            assert tried.wait(20)
            kind.wait_for(1, steps)

    assert kind.taken[1] == 2
