"""Bugs on purpose: what a careless hand might write, and the judge of the crash tests must see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from xnatsync.core.receipt import examine
from xnatsync.core.tree import Tree
from xnatsync.disk.local import LocalDisk
from xnatsync.engine.result import Due
from xnatsync.routes.drop import filing, units
from xnatsync.routes.drop import proof as prove

engine: Any = units


def files_before_proof() -> None:
    """The drop is filed before its session is archived and proven."""
    commit = engine.commit

    def filed_and_committed(world: Any, route: Any, unit: Any, uri: str) -> Any:
        item = world.ledger.item(unit.item_id)
        source = route.source_path(item.place, item.path)
        if world.disk.exists(source):
            world.disk.move(source, route.done / item.moved_at[:10] / item.path)
        return commit(world, route, unit, uri)

    engine.commit = filed_and_committed


def records_before_acting() -> None:
    """The receipt is written first, and the session is archived afterwards."""

    def concluded_and_committed(world: Any, route: Any, unit: Any, uri: str) -> Any:
        files = world.ledger.files(unit.item_id, unit_id=unit.id)
        source = engine.source_tree(files)
        receipt = examine(source, Tree(source.values(), complete=True), route.level, "archive").receipt
        assert receipt is not None
        with world.ledger.write():
            world.ledger.move_unit(unit.id, "landed", world.now())
            prove._conclude(world, world.ledger.unit(unit.id), files, receipt, frozenset())
        world.server(unit.server).commit(uri, request_id=world.ids.request_id())
        return Due()

    engine.commit = concluded_and_committed


def sends_without_a_look() -> None:
    """What a former life began is sent again from the start, whatever the server holds."""
    observe = engine.observe

    def saw_nothing(world: Any, unit: Any, files: Sequence[Any]) -> Any:
        view = observe(world, unit, files)
        attempts = world.ledger.attempts(unit.id)
        if not attempts or any(attempt.run_id == world.run_id for attempt in attempts):
            return view
        return replace(view, row=None, archive=None, sessions=(), strangers=(), staged=None)

    engine.observe = saw_nothing


def vouches_for_whatever_is_there() -> None:
    """Custody is not looked through: what came after the proof is filed with what was proven."""
    module: Any = filing
    module._judge = lambda world, item, place, look: (("",), ())


def copies_into_done() -> None:
    """Filing copies and removes instead of renaming: between the two everything is there twice."""
    disk: Any = LocalDisk

    def copied(self: Any, source: Any, target: Any) -> None:
        import os
        import shutil
        import signal

        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, target)
        if "/done/" in target.as_posix():
            os.kill(os.getpid(), signal.SIGKILL)
        (shutil.rmtree if source.is_dir() else os.unlink)(source)

    disk.move = copied


PLANTS: dict[str, Callable[[], None]] = {
    plant.__name__: plant
    for plant in (
        files_before_proof,
        records_before_acting,
        sends_without_a_look,
        vouches_for_whatever_is_there,
        copies_into_done,
    )
}
