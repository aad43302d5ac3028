"""Planted bugs of transfers: each is one thing that the engine could have got wrong, for the length of a history."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from sim.invariants import Violation
from sim.transfer_world import TransferHistory
from xnatsync.core.transfer_decision import OfFact, OfFile
from xnatsync.core.transfer_filter import TransferFilter
from xnatsync.engine import attempts, progress
from xnatsync.routes.transfer import decide, decide_files, reading, step
from xnatsync.routes.transfer import run as running
from xnatsync.routes.transfer.decide_files import DecidingFiles
from xnatsync.routes.transfer.step import TransferStep
from xnatsync.routes.transfer.world import TransferWorld


def _answers(module: Any, name: str, wrong: dict[Any, Any]) -> list[Any]:
    real = getattr(module, name)

    def answer(*given: Any, **more: Any) -> Any:
        found = real(*given, **more)
        return wrong.get(found, found)

    return [patch.object(module, name, answer)]


def overwrites_the_files_of_others() -> list[Any]:
    """Another content at the destination is replaced by that of the source."""
    return _answers(decide_files, "decide_file", {OfFile.CHANGED: OfFile.REPLACE})


def overwrites_the_values_of_others() -> list[Any]:
    """Another value at the destination is replaced by that of the source."""
    return _answers(decide, "decide_fact", {OfFact.CHANGED: OfFact.SET})


def sends_again_what_was_deleted() -> list[Any]:
    """What somebody deleted at the destination is there again after the next run."""
    return _answers(decide_files, "decide_file", {OfFile.GONE: OfFile.SEND})


def takes_equal_sizes_for_equal_contents() -> list[Any]:
    """Where a side states no digest, nothing is fetched to compare."""
    return _answers(decide_files, "decide_file", {OfFile.COMPARE: OfFile.AGREED})


def takes_a_lost_reply_for_a_failure() -> list[Any]:
    """No answer is written down as "it failed"."""
    real = attempts.outcome_of

    def failed(failures: Any) -> str:
        outcome = real(failures)
        return "failed" if outcome == "unknown" else outcome

    return [patch.object(attempts, "outcome_of", failed)]


def believes_the_200() -> list[Any]:
    """What the destination acknowledged is written down as agreed, whatever its listing shows."""

    def believed(self: Any, key: Any, target: Any, name: str) -> OfFile:
        if (key, name) in self.passed and name in self.here.get(key, {}) and self.compare is not None:
            self.there.setdefault(target, {}).setdefault(name, self.here[key][name])
            self._follow(key, name, OfFile.AGREED, None)
            return OfFile.AGREED
        return real(self, key, target, name)

    real = DecidingFiles._file
    return [patch.object(DecidingFiles, "_file", believed)]


def concludes_from_an_incomplete_listing() -> list[Any]:
    """What the source's listing leaves out is taken for gone, even where it says that it is not whole."""
    real = running.survey

    def whole(world: Any, route: Any) -> Any:
        found = real(world, route)
        listed = {owner.key for owner in found.owners.values()}
        found.gone = [row for row in world.ledger.owners(route.name, ("known", "agreed")) if row.key not in listed]
        return found

    return [patch.object(running, "survey", whole)]


def forgets_the_filter() -> list[Any]:
    """Everything is sent."""
    return [
        patch.object(TransferFilter, "narrowed", lambda _, described: described),
        patch.object(TransferFilter, "takes_resource", lambda *_: True),
    ]


def overlooks_uploads_that_wait() -> list[Any]:
    """Nobody asks whether a session's place is taken in the prearchive, or its study is there already."""
    return [patch.object(TransferStep, "_refuse_strangers", lambda *_, **__: None)]


def merges_into_another_study() -> list[Any]:
    """A session of the same label is taken for the same session."""
    from xnatsync.core import transfer_decision

    return [patch.object(transfer_decision, "is_same_thing", lambda *_: True)]


def waits_for_the_day_of_a_clock_that_was_ahead() -> list[Any]:
    """When a write is certainly over is believed, whatever clock wrote it down."""

    def believed(self: Any, _: Any, owner_id: int, key: Any, name: str, *, taken: bool = False) -> Any:
        return (self.ledger.latest_taken if taken else self.ledger.latest_deed)(owner_id, key, name)

    return [patch.object(TransferWorld, "latest_deed", believed)]


def calls_what_it_never_saw_deleted() -> list[Any]:
    """What the destination said it made and did not was deleted there by somebody."""
    return [patch.object(decide, "_is_unseen", lambda _: False)]


def lets_one_lost_file_stop_the_rest() -> list[Any]:
    """A file that the source lists and cannot give, when it is to be compared, fails everything it belongs to."""
    return [patch.object(step, "ODD", ())]


def sends_without_comparing() -> list[Any]:
    """What the source gave is not compared with what it lists."""
    return [patch.object(reading, "compare", lambda *_: None)]


def does_more_than_the_plan() -> list[Any]:
    """A plan is to be done, and everything that is due is."""
    real = running.survey
    return [patch.object(running, "survey", lambda world, route: real(world, replace(route, only=None)))]


def names_in_the_diary() -> list[Any]:
    """The diary calls what it is about by its label."""
    real = TransferWorld.note

    def by_name(self: Any, route: str, code: str, text: str, level: str = "info", owner: int | None = None) -> None:
        row = self.ledger.owner(owner) if owner is not None else None
        real(self, route, code, f"{row.session or row.subject}: {text}" if row is not None else text, level, owner)

    return [patch.object(TransferWorld, "note", by_name)]


def looks_at_everything_again() -> list[Any]:
    """No listing is taken for proof that nothing changed."""
    from xnatsync.ledger.counterparts import Counterparts

    return [patch.object(Counterparts, "agreed_looks", lambda *_: {})]


def lets_watchers_fail_the_work() -> list[Any]:
    """What a screen or a log raises rises into the step that told it something."""

    def tell(observer: Callable[..., object], *given: Any, **more: Any) -> bool:
        observer(*given, **more)
        return True

    return [patch.object(progress, "tell", tell)]


def writes_while_a_write_may_land() -> list[Any]:
    """After a write without an answer the same is written again at once."""

    def at_once(self: Any, *given: Any, **more: Any) -> Any:
        deed = real(self, *given, **more)
        return replace(deed, quiet_at="") if deed is not None else None

    real = TransferWorld.latest_deed
    return [patch.object(TransferWorld, "latest_deed", at_once)]


BUGS: dict[str, Callable[[], list[Any]]] = {
    bug.__name__: bug
    for bug in (
        overwrites_the_files_of_others, overwrites_the_values_of_others, sends_again_what_was_deleted,
        takes_equal_sizes_for_equal_contents, takes_a_lost_reply_for_a_failure, believes_the_200,
        concludes_from_an_incomplete_listing, forgets_the_filter, overlooks_uploads_that_wait,
        merges_into_another_study, waits_for_the_day_of_a_clock_that_was_ahead, calls_what_it_never_saw_deleted,
        lets_one_lost_file_stop_the_rest,
        sends_without_comparing, does_more_than_the_plan,
        names_in_the_diary, looks_at_everything_again, lets_watchers_fail_the_work, writes_while_a_write_may_land,
    )
}  # fmt: skip


@contextmanager
def planted(bug: str | None) -> Iterator[None]:
    """Plants a bug for a while."""
    with ExitStack() as stack:
        for one in BUGS[bug]() if bug else ():
            stack.enter_context(one)
        yield


def fails(
    seed: int, bug: str | None, masked: frozenset[tuple[str, int]] = frozenset()
) -> tuple[str, TransferHistory] | None:
    """Plays a seed with a planted bug; gives the broken promise and the history, None when all is kept."""
    history = TransferHistory(seed, masked=masked)
    with planted(bug):
        try:
            history.play()
        except Violation as violation:
            return str(violation), history
        except Exception as error:
            return f"{type(error).__name__}: {error}", history
    return None


def caught_at(bug: str, seeds: Iterable[int]) -> tuple[int, str] | None:
    """The first seed that catches a bug."""
    for seed in seeds:
        found = fails(seed, bug)
        if found is not None:
            return seed, found[0]
    return None
