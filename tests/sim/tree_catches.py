"""Planted bugs: each is one thing that mirrors or pushes could have got wrong, done so for the length of a history."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from sim.invariants import Violation
from sim.tree_disk import SimTreeDisk
from sim.tree_world import TreeHistory
from xnatsync.core import layout
from xnatsync.core import mirror_decision as agreement
from xnatsync.core.errors import NameHostile, PlaceTaken
from xnatsync.core.moment import later
from xnatsync.core.push_decision import Agreed, Put, Refuse
from xnatsync.core.sides import ServerFile
from xnatsync.engine import progress
from xnatsync.fetch import fetcher as fetch
from xnatsync.fetch.store import Staging
from xnatsync.ledger import lock
from xnatsync.routes.tree import (
    holds as holding,
)
from xnatsync.routes.tree import (
    landing as land,
)
from xnatsync.routes.tree import (
    mirror_step as step,
)
from xnatsync.routes.tree import (
    push_step,
    push_survey,
)
from xnatsync.routes.tree import (
    trash as trashing,
)
from xnatsync.routes.tree.landing import Landing
from xnatsync.routes.tree.push_step import PushStep
from xnatsync.xnat import names


def lands_without_flushing() -> list[Any]:
    """Staged files are renamed to their places before their bytes are on the disk."""
    return [patch.object(SimTreeDisk, "flush", lambda *_: None)]


def replaces_without_keeping_the_old() -> list[Any]:
    """What is replaced gets no second name in the trash and no copy."""

    def careless(self: Landing, replacing: Sequence[Any]) -> frozenset[str]:
        return frozenset(one.file.path for one in replacing)

    return [patch.object(Landing, "_keep_old", careless)]


def removes_on_an_incomplete_listing() -> list[Any]:
    """What a listing does not show is taken for deleted, even where it says that it is not whole."""
    real = step.agree

    def hasty(sides: Any, **more: Any) -> Any:
        return real(replace(sides, complete=True), **more)

    return [patch.object(step, "agree", hasty)]


def believes_the_200() -> list[Any]:
    """What the server acknowledged is taken for stored: no listing is looked at."""

    def believing(self: PushStep, row: Any, owner: Any, file: Any, here: Any, base: Any, listed: Any) -> None:
        self._agree(row, file, here, base)

    return [patch.object(PushStep, "_prove", believing)]


def overwrites_without_a_base() -> list[Any]:
    """A push replaces whatever lies on the server under the name."""
    real = push_step.decide_sending

    def bold(*given: Any, **more: Any) -> Any:
        answer = real(*given, **more)
        return Put(overwrite=True) if isinstance(answer, Refuse) and given[2] is not None else answer

    return [patch.object(push_step, "decide_sending", bold)]


def agrees_although_it_changed_meanwhile() -> list[Any]:
    """Nobody looks whether what is about to be replaced is still what was compared."""

    def blind(self: Landing, replacing: Sequence[Any]) -> frozenset[str]:
        world, root = self._world, self._route.folder
        self._tree = {
            one.file.path: seen for one in replacing if (seen := world.disk.stat(root, one.file.path)) is not None
        }
        return real(self, replacing)

    real = Landing._keep_old
    return [patch.object(Landing, "_keep_old", blind), patch.object(SimTreeDisk, "land", _land_blindly)]


def resumes_another_version() -> list[Any]:
    """A partial is gone on with whatever the file has become, and what came of it is not compared."""

    def name(self: Staging, file: ServerFile) -> str:
        return f"{self.prefix}{file.key.scan}-{file.key.label}-{file.name.replace('/', '-')}"

    real = fetch.compare

    def uncompared(file: ServerFile, size: int, md5: str, called: str) -> None:
        real(replace(file, md5=""), size, md5, called)

    return [patch.object(Staging, "name", name), patch.object(fetch, "compare", uncompared)]


def agrees_without_looking_back() -> list[Any]:
    """A push takes what has the right size on the server for the same."""
    real = push_step.decide_sending

    def lazy(here: Any, base: Any, there: Any, *given: Any, **more: Any) -> Any:
        if there is not None and there.size == here.size:
            return Agreed()
        return real(here, base, there, *given, **more)

    return [patch.object(push_step, "decide_sending", lazy)]


def writes_whatever_name_it_is_given() -> list[Any]:
    """No name that a server tells is looked at, neither when it is read nor when it becomes a path."""

    def believed(text: Any, *_: Any, **__: Any) -> str:
        return str(text)

    return [
        *(patch.object(names, each, believed) for each in ("segment", "relative_path")),
        *(patch.object(layout, each, believed) for each in ("check_segment", "check_path")),
    ]


def takes_no_notice_of_case() -> list[Any]:
    """Files are put beside each other whose names some disks take for one."""
    return [patch.object(agreement, "clashes", lambda _: ())]


def goes_through_folders_of_another_spelling() -> list[Any]:
    """On a disk that folds case, nobody looks how what lies there is spelled."""

    def careless(self: SimTreeDisk, path: str, *, exact: bool = False) -> str:
        return self.spelled(path)

    return [patch.object(SimTreeDisk, "_place", careless), patch.object(SimTreeDisk, "land", _land_anywhere)]


def knows_sessions_by_their_labels_alone() -> list[Any]:
    """A push in a layout whose folders are called by accession IDs asks for labels all the same."""

    def located(world: Any, found: Any, inventory: Any, fresh: Any) -> None:
        find(world, found, inventory, [(replace(place, session_id=""), file) for place, file in fresh])

    find = push_survey._find_owners
    return [patch.object(push_survey, "_find_owners", located)]


def believes_a_clock_that_is_ahead() -> list[Any]:
    """One run whose clock is ahead is enough to find everything in the trash over its time."""
    return [patch.object(trashing, "older_than", lambda now, _runs, keep_s: later(now, -keep_s))]


def waits_for_the_day_of_a_clock_that_was_ahead() -> list[Any]:
    """When a store is certainly over is believed, whatever clock wrote it down."""

    def believed(world: Any, _: Any, row: Any, file: Any) -> Any:
        return world.ledger.latest_deed(row.id, file.key, file.name)

    return [patch.object(push_step, "latest_deed", believed)]


def gives_up_a_session_for_one_file() -> list[Any]:
    """What the disk refuses of one file ends the step of its owner."""
    return [patch.object(land, "OF_ONE_FILE", (PlaceTaken, NameHostile))]


def repeats_what_was_refused() -> list[Any]:
    """Each failure is taken for the first: the waits do not grow."""
    real = holding.hold_after

    def first(row: Any, *given: Any, **more: Any) -> Any:
        return real(replace(row, tries=0), *given, **more)

    return [patch.object(holding, "hold_after", first)]


def lets_watchers_fail_the_work() -> list[Any]:
    """What a screen or a log raises rises into the step that told it something."""

    def tell(observer: Callable[..., object], *given: Any, **more: Any) -> bool:
        observer(*given, **more)
        return True

    return [patch.object(progress, "tell", tell)]


def takes_no_lock() -> list[Any]:
    """A second run begins while another works with the ledger."""
    return [patch.object(lock, "hold", lambda _: nullcontext())]


def _land_anywhere(self: SimTreeDisk, root: Any, name: str, path: str, *, replace: bool, seen: Any = None) -> int:
    return _LAND(self, root, name, self.spelled(path), replace=replace, seen=seen)


def _land_blindly(self: SimTreeDisk, root: Any, name: str, path: str, *, replace: bool, seen: Any = None) -> int:
    return _LAND(self, root, name, path, replace=replace)


_LAND = SimTreeDisk.land
BUGS: dict[str, Callable[[], list[Any]]] = {
    bug.__name__: bug
    for bug in (
        lands_without_flushing, replaces_without_keeping_the_old, removes_on_an_incomplete_listing, believes_the_200,
        overwrites_without_a_base, agrees_although_it_changed_meanwhile, resumes_another_version,
        agrees_without_looking_back, writes_whatever_name_it_is_given, takes_no_notice_of_case,
        goes_through_folders_of_another_spelling, knows_sessions_by_their_labels_alone,
        believes_a_clock_that_is_ahead, waits_for_the_day_of_a_clock_that_was_ahead,
        gives_up_a_session_for_one_file, repeats_what_was_refused, lets_watchers_fail_the_work, takes_no_lock,
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
) -> tuple[str, TreeHistory] | None:
    """Plays a seed with a planted bug; gives the broken promise and the history, None when all is kept."""
    history = TreeHistory(seed, masked=masked)
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
