"""Seeded histories of transfers: faults, kills, people and two coordinators; and a judge that sees what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from transfer.history import History, Violation
from xnatsync.core.inventory import Owner
from xnatsync.core.remote import FileListing, RemoteFile

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


def lies(history: History) -> None:
    """The destination goes on listing what it once had, and holds other bytes of the parts of things."""
    listed, first = history.there.all_files, dict[object, RemoteFile]()

    def all_files(owners: Sequence[Owner]) -> Mapping[Owner, FileListing]:
        found = {}
        for owner, listing in listed(owners).items():
            files = [first.setdefault((owner.id, one.scan, one.resource, one.name), one) for one in listing.files]
            found[owner] = replace(listing, files=tuple(files))
        parts = [part for thing in history.there.things.values() for part in thing.parts]
        for res in [res for part in parts for res in part.resources.values()]:
            res.files = dict.fromkeys(res.files, b"spoilt")
        return found

    history.there.all_files = all_files  # type: ignore[method-assign]


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
