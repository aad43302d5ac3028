"""What the simulation found, each told again as a short story that needs no luck (docs/guarantees.md has the seeds)."""

from __future__ import annotations

from pathlib import Path

from sim import content, people, places
from sim.server import PROJECT
from sim.world import History
from xnatsync.core.manifest import Level
from xnatsync.core.remote import ImportTarget

SETTINGS = {
    "settle_s": 5.0, "collision": "suffix", "member_names": "uid", "destination": "archive", "after": "move",
    "level": Level.NAMES, "done": Path("/filed"), "other": "keep",
}  # fmt: skip
HIDES_THE_FIRST = 1  # a seed with which a listing that is cut does not show its first object


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


def test_our_half_of_an_attached_file_is_our_own_when_the_item_has_changed_since() -> None:
    """The store was cut, and another unit was planned before anybody could look: seed 1360."""

    def drops(history: History) -> None:
        first = content.studies()[0]
        for thing in first[:2]:
            history.later(0, Path("exam1") / thing.path, thing.data, None)
        history.later(0, Path("exam1/notes.txt"), b"notes", None)
        history.later(30_000, Path("exam1") / first[2].path, first[2].data, None)

    history = _told(drops, {"other": "attach"}, {("cut", "xnat.put_file"): 1})

    assert [fired[0] for fired in history.faults.fired] == ["cut"]
    assert not history.held
    assert history.outcome()["filed"]


def test_a_session_that_is_not_listed_whole_is_no_rival_of_our_study() -> None:
    """A script of the site rewrote its UID: what names it ours are its objects, and they did not show: seed 675."""

    def drops(history: History) -> None:
        first = content.studies()[0]
        history.server.scripted = True
        target = ImportTarget(PROJECT, "SUB1", content.LABELS[0])
        for row in history.server.receive(people.PERSON, target, [("IM0000.dcm", first[0].data)]):
            history.server.archive(row, people.PERSON)
        for thing in first:
            history.later(0, Path("exam1") / thing.path, thing.data, None)

    history = _told(drops, {}, {("short", "xnat.session_files"): 1}, seed=HIDES_THE_FIRST)

    assert [fired[0] for fired in history.faults.fired] == ["short"]
    assert not history.held
    assert [session.label for session in history.server.sessions()] == [content.LABELS[0]]


def _told(drops: object, settings: dict[str, object], forced: dict[places.Cell, int], seed: int = 0) -> History:
    kinds = frozenset(fault for fault, _ in forced)
    return History(
        seed, only=kinds, script=drops, settings={**SETTINGS, **settings}, forced=forced, ticks=120,  # type: ignore[arg-type]
    ).play()  # fmt: skip
