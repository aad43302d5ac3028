"""Makes a failing history small: masks fired faults until only those are left without which it would not fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sim import catches
from sim.faults import Fired

Draw = tuple[str, int]
Fails = Callable[[int, str | None, frozenset[Draw]], tuple[str, Any] | None]  # plays a seed: the broken promise


def shrink(seed: int, bug: str | None = None, fails: Fails = catches.fails) -> tuple[list[Fired], list[Fired], str]:
    """Gives the faults of a failing seed, those that matter, and the promise that is broken with these alone.

    Delta debugging: halves, quarters, ... of what still fires are masked as long as the same promise stays broken.
    """
    first = fails(seed, bug, frozenset())
    assert first is not None, f"seed {seed} does not fail"
    promise = first[0].split(":")[0]
    masked: frozenset[Draw] = frozenset()
    fired, story = list(first[1].faults.fired), first[0]
    parts = 2
    while fired:
        size = max(1, len(fired) // parts)
        smaller = _smaller(lambda mask: fails(seed, bug, mask), promise, masked, fired, size)
        if smaller is not None:
            masked, fired, story = smaller
            parts = max(2, parts - 1)
        elif size == 1:
            break
        else:
            parts = min(len(fired), parts * 2)
    return list(first[1].faults.fired), fired, story


def _smaller(
    play: Callable[[frozenset[Draw]], object], promise: str, masked: frozenset[Draw], fired: list[Fired], size: int
) -> tuple[frozenset[Draw], list[Fired], str] | None:
    for start in range(0, len(fired), size):
        tried = masked | {(kind, number) for kind, number, _ in fired[start : start + size]}
        found = play(tried)
        if isinstance(found, tuple) and found[0].split(":")[0] == promise:
            left = list(found[1].faults.fired)
            if len(left) < len(fired):
                return tried, left, found[0]
    return None
