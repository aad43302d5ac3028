"""Planted bugs: each is one thing that the engine could have got wrong, done wrong for the length of a history."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from sim.invariants import Violation
from sim.world import History
from xnatsync.core import compare as comparing
from xnatsync.core import drop_decision as deciding
from xnatsync.core import hold as holding
from xnatsync.core.drop_selection import EVERY_DROP
from xnatsync.core.errors import Disposition
from xnatsync.core.hold import Hold
from xnatsync.core.manifest import Kind, Level
from xnatsync.core.moment import parse
from xnatsync.core.tree import Node, Tree
from xnatsync.engine import attempts, progress
from xnatsync.engine.result import Rest
from xnatsync.ledger.standstill import Standstill
from xnatsync.ledger.units import Units
from xnatsync.routes.drop import (
    attachments,
    filing,
    gradual,
    items,
    loose,
    units,
    waiting,
)
from xnatsync.routes.drop import discovery as discovering
from xnatsync.routes.drop import (
    effects as perform,
)
from xnatsync.routes.drop import (
    holds as failing,
)
from xnatsync.routes.drop import (
    observation as observe,
)
from xnatsync.routes.drop import (
    proof as prove,
)
from xnatsync.routes.drop import (
    recognition as recognise,
)


def believes_the_200() -> list[Any]:
    """What the server acknowledged is taken for stored: nothing is looked for in its listings."""
    real = prove.target_tree

    def believing(listing: Any, members: Mapping[str, str]) -> Tree:
        seen = real(listing, members)
        claimed = [Node(key, 1 << 30, 0, {}) for key in members.values() if key not in seen]
        return Tree([*seen.values(), *claimed], complete=True)

    return [patch.object(prove, "target_tree", believing), patch.object(observe, "target_tree", believing)]


def compares_names_only() -> list[Any]:
    """Pixels were asked for, names are compared, and the receipt says pixels."""
    real = prove.examine

    def by_name(source: Tree, target: Tree, level: Level, place: Any) -> Any:
        found = real(source, target, Level.NAMES, place)
        if found.receipt is not None:
            object.__setattr__(found.receipt, "level", level)
        return found

    return [patch.object(prove, "examine", by_name)]


def files_without_looking_again() -> list[Any]:
    """Whatever is in the custody box is taken for what was proven."""
    return [patch.object(filing, "_judge", lambda *_: ("",))]


def has_no_merge_base() -> list[Any]:
    """Nothing is known of what was sent before: two trees are compared instead of three."""
    return [patch.object(units, "base_of", lambda *_: {})]


def takes_every_row_for_its_own() -> list[Any]:
    """What lay in the prearchive before we sent anything is forgotten."""
    return [patch.object(Units, "strangers_before", lambda *_: frozenset())]


def takes_no_lease() -> list[Any]:
    """Nobody asks whether another unit writes to this target."""
    return [patch.object(units, "lease_taken", lambda *_: None), patch.object(perform, "lease_taken", lambda *_: None)]


def takes_a_lost_reply_for_a_failure() -> list[Any]:
    """No answer is written down as "it failed"."""
    real = attempts.outcome_of

    def failed(failures: Any) -> str:
        outcome = real(failures)
        return "failed" if outcome == "unknown" else outcome

    return [patch.object(attempts, "outcome_of", failed)]


def takes_unknown_for_final() -> list[Any]:
    """What got no answer is given to a person at once."""
    real = failing.fail_unit

    def given_up(world: Any, unit: Any, error: Any) -> Any:
        if error.disposition is Disposition.LOOK:
            world.ledger.hold_unit(
                unit.id, Hold(kind="person", code=error.code, detail=str(error), advice=error.remedy, tries=1)
            )
            return Rest()
        return real(world, unit, error)

    return [patch.object(units, "fail_unit", given_up)]


def has_no_quiet_time() -> list[Any]:
    """After a request without an answer the target is written to again at once."""
    return [patch.object(deciding, "quiet_s", lambda *_: 0.0)]


def resets_early() -> list[Any]:
    """A changed item is planned anew while an upload of its former content may still land."""
    patches = [patch.object(items, "unsure_s", lambda *_: 0.0)]
    if hasattr(perform, "_former_upload"):
        patches.append(patch.object(perform, "_former_upload", lambda *_: None))
    return patches


def judges_on_an_incomplete_listing() -> list[Any]:
    """What a listing does not show is taken for missing, even where it says that it is not whole."""
    real = observe.target_tree

    def whole(listing: Any, members: Mapping[str, str]) -> Tree:
        return real(replace(listing, complete=True), members)

    return [patch.object(observe, "target_tree", whole), patch.object(prove, "target_tree", whole)]


def forgets_the_selection() -> list[Any]:
    """Everything that was dropped is sent."""
    real = items.choose
    return [patch.object(items, "choose", lambda *given, **more: real(*given[:3], EVERY_DROP, **more))]


def removes_what_was_left_out() -> list[Any]:
    """What the selection left out is taken for delivered with the rest of its item, by Python and by SQLite."""
    real = Units.removable

    def delivered(ledger: Any, item_id: int) -> dict[str, int]:
        left = {file.path: file.position for file in ledger.files(item_id) if file.left_by}
        return real(ledger, item_id) | left

    return [patch.object(Units, "removable", delivered), patch.object(Units, "announce_removals", lambda *_: None)]


def forgets_what_was_left_out() -> list[Any]:
    """The selection becomes wider, and what it had left out is not looked at again."""
    return [patch.object(Units, "items_with_left_out", lambda *_: [])]


def blames_the_whole_route() -> list[Any]:
    """What the disk refuses of one thing is taken for a disk that is unwell."""
    return [patch.object(failing, "of_everything", lambda _world, _route, error: error)]


def repeats_what_was_refused() -> list[Any]:
    """A write that failed is tried again as soon as the server can be read; each failure is taken for the first."""
    real = failing.hold_after

    def first(row: Any, key: str, error: Any, now: str, _at_least_s: float = 0.0) -> Any:
        return real(replace(row, tries=0), key, error, now)

    return [
        patch.object(units, "held_back", lambda *_: None),
        patch.object(attachments, "held_back", lambda *_: None),
        patch.object(failing, "hold_after", first),
    ]


def believes_every_timestamp() -> list[Any]:
    """A moment that a clock which was ahead wrote down is waited for."""

    def left_s(until: str, now: str) -> float:
        return (parse(until) - parse(now)).total_seconds()

    return [
        patch.object(failing, "left_s", left_s),
        patch.object(holding, "left_s", left_s),
        patch.object(Standstill, "disbelieve_the_future", lambda *_: None),
    ]


def lets_watchers_fail_the_work() -> list[Any]:
    """What a screen or a log raises rises into the step that told it something."""

    def tell(observer: Callable[..., object], *given: Any, **more: Any) -> bool:
        observer(*given, **more)
        return True

    return [patch.object(progress, "tell", tell)]


def looks_into_no_custody() -> list[Any]:
    """What lies in custody is known by the ledger alone."""
    return [patch.object(discovering, "unclaimed", lambda *_: iter(()))]


def knows_a_flat_file_by_its_name() -> list[Any]:
    """A file at the top that comes again under a known name is taken for the one that was there."""
    return [patch.object(loose, "_stands", lambda _, item, *more: item is not None)]


def knows_sessions_by_their_uid_alone() -> list[Any]:
    """What a script gave another UID is somebody else's, wherever it landed and whatever it holds."""

    def by_header(world: Any, unit: Any, _members: Mapping[str, str]) -> tuple[Any, ...]:
        server = world.server(unit.server)
        found = {one.id: one for one in server.sessions(unit.project, study_uid=unit.study_uid)}
        found |= {one.id: one for one in server.sessions(unit.project, label=unit.session)}
        return tuple(found.values())

    return [patch.object(recognise, "sessions", by_header)]


def foresees_nothing() -> list[Any]:
    """A late part of another type is sent, though the server says that it refuses such."""
    return [patch.object(units, "refuse_what_is_refused", lambda *_: None)]


def takes_no_pixels_for_equal_pixels() -> list[Any]:
    """What both sides lack counts as evidence."""
    real = comparing._by_digest

    def lacking(ours: Any, theirs: Any, name: str) -> Any:
        both = ours.digests.get(name), theirs.digests.get(name)
        return comparing.Same.YES if both == (comparing.NO_PIXELS,) * 2 else real(ours, theirs, name)

    return [patch.object(comparing, "_by_digest", lacking)]


def takes_what_it_cannot_read_for_clutter() -> list[Any]:
    """Whatever is no object is nobody's business."""
    real = items.accounted

    def careless(files: Any, attached: Any, rules: Any) -> Any:
        judged = real(files, attached, rules)
        return tuple(
            replace(file, kind=Kind.OTHER, identity=None) if file.kind is Kind.BROKEN and file.doubt else file
            for file in judged
        )

    return [patch.object(items, "accounted", careless)]


def takes_a_lock_for_nothing() -> list[Any]:
    """What lies beside an item says nothing of it."""
    return [patch.object(waiting, "_entries", lambda world, route, parent: set())]


def goes_on_past_an_object_without_an_answer() -> list[Any]:
    """What goes wrong with one object of many that go one by one is nobody's matter."""
    real = gradual._send_part
    return [patch.object(gradual, "_send_part", lambda *given: real(*given[:-1], []))]


def acknowledges_before_the_answer() -> list[Any]:
    """An object that goes by itself counts as stored when it is sent."""
    real = gradual._send_part

    def early(world: Any, route: Any, unit: Any, attempt: Any, part: Any, *more: Any) -> None:
        world.acknowledge(unit, [file.key for _, file in part])
        real(world, route, unit, attempt, part, *more)

    return [patch.object(gradual, "_send_part", early)]


def reads_no_answer_of_an_object() -> list[Any]:
    """Where an object came out that went by itself is not looked at: 200 is 200."""
    return [patch.object(gradual.Landing, "note", lambda *_: None)]


def goes_where_the_study_is() -> list[Any]:
    """A session that a command named is looked for by its study: its objects go where that lies."""
    real = units.wish_of
    return [patch.object(units, "wish_of", lambda *given: replace(real(*given), exact=False))]


def files_what_a_command_named() -> list[Any]:
    """The source of a command is filed as a thing that was dropped."""
    real = items.file_away
    return [
        patch.object(items, "file_away", lambda world, route, item: real(world, replace(route, after="move"), item))
    ]


BUGS: dict[str, Callable[[], list[Any]]] = {
    bug.__name__: bug
    for bug in (
        believes_the_200, compares_names_only, files_without_looking_again, has_no_merge_base,
        takes_every_row_for_its_own, takes_no_lease, takes_a_lost_reply_for_a_failure, takes_unknown_for_final,
        has_no_quiet_time, resets_early, judges_on_an_incomplete_listing, forgets_the_selection,
        removes_what_was_left_out, forgets_what_was_left_out, takes_what_it_cannot_read_for_clutter,
        blames_the_whole_route, repeats_what_was_refused,
        believes_every_timestamp, lets_watchers_fail_the_work,
        foresees_nothing, takes_no_pixels_for_equal_pixels,
        looks_into_no_custody, knows_a_flat_file_by_its_name, knows_sessions_by_their_uid_alone,
        takes_a_lock_for_nothing, goes_on_past_an_object_without_an_answer, acknowledges_before_the_answer,
        reads_no_answer_of_an_object, goes_where_the_study_is, files_what_a_command_named,
    )
}  # fmt: skip


@contextmanager
def planted(bug: str) -> Iterator[None]:
    """Plants a bug, and takes it out again."""
    patches = BUGS[bug]()
    for one in patches:
        one.start()
    try:
        yield
    finally:
        for one in patches:
            one.stop()


def fails(seed: int, bug: str | None, masked: frozenset[tuple[str, int]] = frozenset()) -> tuple[str, History] | None:
    """Plays a seed, with a bug or without; tells the broken promise, None when all are kept."""
    history = History(seed, masked=masked)
    try:
        with planted(bug) if bug is not None else nullcontext():
            history.play()
    except Violation as violation:
        return str(violation), history
    return None


def caught_at(bug: str, seeds: range) -> tuple[int, str, History] | None:
    """The first seed that catches a bug, and by which promise."""
    for seed in seeds:
        if (found := fails(seed, bug)) is not None:
            return seed, *found
    return None
