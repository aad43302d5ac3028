"""Who steps next: what is due waits for nobody, however sick another is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ports_between import Shifted
from xnatsync.core.errors import Bug, DiskUnwell, ServerUnwell
from xnatsync.engine.result import Due, Paused, Rest, Result
from xnatsync.engine.rota import Key, Rota


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
    """What a rota needs."""

    def __init__(self) -> None:
        self.clock = Still()

    def stopping(self) -> bool:
        return False


class Steps(Rota):
    """Keys that need some steps each; some are sick."""

    def __init__(self, sick: dict[int, Callable[[], Result]], needs: dict[int, int], workers: int) -> None:
        super().__init__(World(), workers, 120.0, lambda trace: None)  # type: ignore[arg-type]
        self.sick, self.needs = sick, needs
        self.taken: Counter[int] = Counter()
        for number in (*sick, *needs):
            self.put(("item", number), 0.0)

    def step(self, key: Key) -> Result:
        self.taken[key[1]] += 1
        if key[1] in self.sick:
            return self.sick[key[1]]()
        return Due() if self.taken[key[1]] < self.needs[key[1]] else Rest()

    def aims(self, key: Key) -> Iterable[str]:
        return ("route r",)

    def rivals(self, key: Key) -> Iterable[Key]:
        return ()

    def hold_bug(self, key: Key, bug: Bug) -> None:
        raise bug

    def follow(self, key: Key) -> None:
        self.well("route r")


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
    rota = Steps(sick, needs, workers)
    turns = 0
    while any(rota.taken[number] < many for number, many in needs.items()):
        ready = rota._ready()
        if not ready:
            wait_s = rota._next_s()
            assert wait_s is not None
            rota.running.clock.wait(wait_s)
            continue
        for key in ready:
            rota.busy.add(key)
        for key in ready:
            rota._take(key, rota.step(key))
        turns += len(ready)
        assert turns <= 2 * sum(needs.values()) + 2 * max(needs.values(), default=0) + 4

    assert {number: rota.taken[number] for number in needs} == needs


@given(
    sick=st.dictionaries(st.integers(0, 20), st.sampled_from(SICK[:3] + SICK[4:]), min_size=1, max_size=5),
    needs=st.dictionaries(st.integers(0, 20), st.integers(1, 6), max_size=9),
    patience_s=st.sampled_from([0.0, 1.0, 5.0, 20.0, 120.0]),
)
def test_every_run_ends(sick: dict[int, Callable[[], Result]], needs: dict[int, int], patience_s: float) -> None:
    """Within its patience, all waits together, since something last came to its end; and about as late as it says."""
    needs = {number: many for number, many in needs.items() if number not in sick}
    rota = Steps(sick, needs, 1)
    rota.patience_s = patience_s

    rota.run()

    waited_s = rota.running.clock.elapsed_s()
    assert waited_s <= patience_s * (len(needs) + 1) + 0.1
    assert {number: rota.taken[number] for number in needs} == needs or waited_s >= patience_s - 0.5


@pytest.mark.parametrize("patience_s", [5.0, 20.0, 60.0])
def test_patience_is_about_what_was_said(patience_s: float) -> None:
    """What is paused is asked once more at the very end of it, and not for long after."""
    rota = Steps({1: SICK[2]}, {}, 1)
    rota.patience_s = patience_s

    rota.run()

    assert rota.running.clock.elapsed_s() == pytest.approx(patience_s, abs=0.6)
