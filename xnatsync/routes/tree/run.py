"""One run of one mirror or push: survey, step what is due; what is to be removed goes at the very end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from xnatsync.core.errors import NameHostile, XnatsyncError
from xnatsync.core.inventory import Owner
from xnatsync.engine.dispatcher import Dispatcher
from xnatsync.engine.standing import write_down
from xnatsync.engine.troubles import told
from xnatsync.fetch.listings import Listings
from xnatsync.routes.tree.holds import gone_whole, hold_by
from xnatsync.routes.tree.kinds import Owners
from xnatsync.routes.tree.mirror_settings import MirrorRoute
from xnatsync.routes.tree.mirror_step import OwnerStep
from xnatsync.routes.tree.mirror_survey import Survey, survey
from xnatsync.routes.tree.push_settings import PushRoute
from xnatsync.routes.tree.push_step import PushStep
from xnatsync.routes.tree.push_survey import push_survey, troubles_of
from xnatsync.routes.tree.removal import remove
from xnatsync.routes.tree.renames import follow
from xnatsync.routes.tree.trash import empty_old_trash
from xnatsync.routes.tree.world import TreeWorld


@dataclass(slots=True)
class TreeRun:
    """What a run of a mirror or a push did and what it left."""

    route: MirrorRoute | PushRoute
    owners: int = 0  # that the route has on the server, as far as it was asked
    due: int = 0  # that were looked at file by file
    owner_kinds: Counter[str] = field(default_factory=Counter)  # the same by kind: sessions, subjects, projects
    due_kinds: Counter[str] = field(default_factory=Counter)
    unplaced: tuple[tuple[str, str], ...] = ()  # files of a push that belong to nothing on the server, and why
    counts: dict[str, int] = field(default_factory=dict)
    errors: list[XnatsyncError] = field(default_factory=list)
    unfinished: int = 0  # owners that are still due
    waiting: dict[int, str] = field(default_factory=dict)  # what they wait for, by number
    interrupted: bool = False


def run(
    world: TreeWorld,
    route: MirrorRoute,
    *,
    workers: int,
    patience_s: float,
    on_bug: Callable[[str], None],
) -> TreeRun:
    """Bring a tree into agreement with its projects, as far as can be done now."""
    done = TreeRun(route)
    hostile: list[XnatsyncError] = []  # told however the run ends
    unselected = 0
    try:
        found = survey(world, route)
        hostile += [NameHostile(f"{number or 'an entry without a name'}: {why}") for number, why in found.refused]
        follow(world, found)
        done.owners, done.due = len(found.owners), len(found.due) + len(found.gone)
        done.owner_kinds = _kinds(found.owners.values())
        done.due_kinds = _kinds(found.owners[number] for number in found.due) + Counter(row.kind for row in found.gone)
        unselected = found.unselected
        steps = OwnerStep(world, found, Listings(world.archive(route.server), _weights(found)))
        numbers = [*found.due, *(row.id for row in found.gone)]
        owners = Owners(world, dict.fromkeys(numbers, steps.step))
        whole = _step_all(world, done, Dispatcher({"owner": owners}, world, workers, patience_s, on_bug), numbers)
        if whole:
            world.disk.clear_staging(route.folder)
        empty_old_trash(world, route)
        if whole:
            remove(world, found, steps.removals, steps.ends)
    except XnatsyncError as error:
        done.errors.append(error)
    done.errors += hostile
    done.counts = dict(world.tally(route.name).counts)
    if unselected:
        done.counts["unselected"] = unselected
    return done


def push(
    world: TreeWorld,
    route: PushRoute,
    *,
    workers: int,
    patience_s: float,
    on_bug: Callable[[str], None],
) -> TreeRun:
    """Bring to the server what the tree has and it has not, as far as can be done now."""
    done = TreeRun(route)
    try:
        found = push_survey(world, route)
        done.owners = done.due = len(found.owners)
        done.owner_kinds = done.due_kinds = _kinds(found.owners.values())
        done.unplaced = tuple(found.unplaced)
        world.ledger.set_unplaced(route.name, told(troubles_of(found)), world.now())
        with world.ledger.write():
            world.ledger.change_versions([], [(number, "removed") for number in found.ended], world.now(), world.run_id)
        for row in found.lost:
            hold_by(world, row, [gone_whole(world, row)])
        steps = PushStep(world, found)
        owners = Owners(world, dict.fromkeys(found.owners, steps.step))
        _step_all(world, done, Dispatcher({"owner": owners}, world, workers, patience_s, on_bug), list(found.owners))
    except XnatsyncError as error:
        done.errors.append(error)
    done.counts = dict(world.tally(route.name).counts)
    return done


def _step_all(world: TreeWorld, done: TreeRun, dispatcher: Dispatcher, numbers: Sequence[int]) -> bool:
    """Step what is due; True when everything came to its end."""
    for number in numbers:
        dispatcher.put(("owner", number), 0.0)
    write_down(world, dispatcher)
    dispatcher.run()
    done.unfinished = len(dispatcher.due)
    done.waiting = {key[1]: dispatcher.waiting[key] for key in sorted(dispatcher.due) if key in dispatcher.waiting}
    done.errors += [pause.error for pause in dispatcher.pauses.values()]
    done.interrupted = world.stopping()
    return not (dispatcher.due or done.errors or done.interrupted)


def _kinds(owners: Iterable[Owner]) -> Counter[str]:
    return Counter(owner.kind.value for owner in owners)


def _weights(found: Survey) -> dict[Owner, int]:
    return {
        found.owners[number]: sum(seen.files or 0 for seen in wanted.values())
        for number in found.due
        if (wanted := found.wanted[number])
    }
