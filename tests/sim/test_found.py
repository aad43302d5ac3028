"""What the simulation found, each told again as a short story that needs no luck (docs/guarantees.md has the seeds)."""

from __future__ import annotations

from pathlib import Path

from sim import content, places
from sim.world import History
from xnatsync.core.manifest import Level

SETTINGS = {
    "settle_s": 5.0, "collision": "suffix", "member_names": "uid", "destination": "archive", "after": "move",
    "level": Level.NAMES, "done": Path("/filed"), "other": "keep",
}  # fmt: skip


def test_a_file_that_was_attached_twice_is_our_own() -> None:
    """Something on the way repeats the request; the second is refused, and nobody else had anything to do with it."""

    def drops(history: History) -> None:
        for thing in content.studies()[0]:
            history.later(0, Path("exam1") / thing.path, thing.data, None)
        history.later(0, Path("exam1/notes.txt"), b"notes", None)

    history = _told(drops, {"other": "attach"}, {("twice", "xnat.put_file"): 1})

    assert [fired[0] for fired in history.faults.fired] == ["twice"]
    assert history.outcome()["filed"]


def test_a_damaged_object_of_ours_is_not_somebody_elses_under_another_label() -> None:
    """The archive cut an object; later the study comes again in an item that wants another label for it."""

    def drops(history: History) -> None:
        first, _, rival = content.studies()
        for thing in first[:2]:
            history.later(0, Path("exam1") / thing.path, thing.data, None)
        for thing in (*rival[:1], *first):  # two studies of one item want the same label
            history.later(100_000, Path("exam2") / f"{thing.study}" / thing.path, thing.data, None)

    history = _told(drops, {}, {("truncated", "xnat.commit"): 1})

    assert [fired[0] for fired in history.faults.fired] == ["truncated"]
    assert history.held["XS-OBJECTS-DIFFER"]
    assert not history.held["XS-FOREIGN-CONTENT"]


def _told(drops: object, settings: dict[str, object], forced: dict[places.Cell, int]) -> History:
    kinds = frozenset(fault for fault, _ in forced)
    return History(
        0, only=kinds, script=drops, settings={**SETTINGS, **settings}, forced=forced, ticks=120,  # type: ignore[arg-type]
    ).play()  # fmt: skip
