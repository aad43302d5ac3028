"""Seeded histories of transfers: faults, kills, people and two coordinators; and a judge that sees what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from transfer.history import History, Violation

SEEDS = 16  # many more by hand: `python -m transfer.history 0-1000` from tests/


def test_every_history_keeps_the_promises(tmp_path: Path) -> None:
    """Whatever goes wrong in it, and wherever the process dies."""
    kills = 0
    for seed in range(SEEDS):
        history = History(seed, tmp_path / str(seed))
        history.play()
        kills += history.kills
        history.close()

    assert kills > 5


def spoilt(content: bytes) -> bytes:
    return b"?" + content[1:]


def lies(history: History) -> None:
    """The destination holds other bytes than it lists digests of."""
    put = history.there.put_resource_file

    def other(*given: object, **more: object) -> None:
        put(*given, **more)  # type: ignore[arg-type]
        parts = [part for thing in history.there.things.values() for part in thing.parts]
        for thing in parts:
            for res in thing.resources.values():
                history.there.told |= dict.fromkeys(res.files.values(), b"?")
                res.files = dict.fromkeys(res.files, b"?")

    history.there.put_resource_file = other  # type: ignore[method-assign]


def writes_to_the_source(history: History) -> None:
    before = history.there.before

    def also(call: str) -> None:
        before(call)
        if call == "create_experiment":
            next(iter(history.source.things.values())).fields.update(note="ours")
            history.source.before("overlay")

    history.there.before = also


def replaces(history: History) -> None:
    """What somebody put there is gone after the next write."""
    before = history.there.before

    def also(call: str) -> None:
        before(call)
        for thing in history.there.things.values():
            if "note" in thing.fields:
                history.theirs.setdefault((thing.id, "field", "note"), ("somebody's", -1))

    history.there.before = also


def verdict(history: History) -> str:
    try:
        history.play()
    except Violation as found:
        return str(found)
    return ""


@pytest.mark.parametrize(("wrong", "promise"), [(lies, "S5"), (writes_to_the_source, "S3"), (replaces, "S4")])
def test_the_judge_sees_what_is_wrong(tmp_path: Path, wrong: Callable[[History], None], promise: str) -> None:
    """Bytes that are not there, a write to the source, a value of others that is another."""
    for seed in range(20):
        history = History(seed, tmp_path / str(seed), plant=wrong)
        found = verdict(history)
        history.close()
        if found.startswith(promise):
            break
    assert found.startswith(promise)
