"""One run of one transfer, and its plan: survey, step what is due, and look once more at what was written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from xnatsync.core.errors import GoneAtSource, XnatsyncError
from xnatsync.core.inventory import Owner, OwnerKind
from xnatsync.core.mirror_decision import Trouble
from xnatsync.engine.attempts import close_cut_deeds
from xnatsync.engine.dispatcher import Dispatcher
from xnatsync.engine.standing import write_down
from xnatsync.engine.troubles import told
from xnatsync.routes.transfer.holds import Failures, Group
from xnatsync.routes.transfer.kinds import Entities
from xnatsync.routes.transfer.settings import TransferRoute
from xnatsync.routes.transfer.step import TransferStep
from xnatsync.routes.transfer.survey import TransferSurvey, survey
from xnatsync.routes.transfer.wanted import CarryFiles, ImportFiles, Wanted
from xnatsync.routes.transfer.world import TransferWorld

PASSES_MAX: Final = 3  # surveys of one run: what was written is looked at by new listings


@dataclass(slots=True)
class TransferRun:
    """What a run of a transfer did and what it left."""

    route: TransferRoute
    owners: int = 0  # of the source, that go
    due: int = 0  # that were looked at file by file
    owner_kinds: Counter[str] = field(default_factory=Counter)
    due_kinds: Counter[str] = field(default_factory=Counter)
    synced: Counter[str] = field(default_factory=Counter)  # by kind: of which something was written
    failed: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)  # in agreement, as the listings show
    counts: dict[str, int] = field(default_factory=dict)
    errors: list[XnatsyncError] = field(default_factory=list)
    unfinished: int = 0
    waiting: dict[int, str] = field(default_factory=dict)
    interrupted: bool = False

    @property
    def outcome(self) -> str:
        """Say in one word how it ended; what is held is not known here."""
        if self.interrupted:
            return "interrupted"
        if self.errors:
            return "stopped"
        return "partial" if self.unfinished or self.failed or self.counts.get("held") else "complete"


@dataclass(slots=True)
class TransferPlan:
    """What a run would do.  Nothing was changed."""

    route: TransferRoute
    steps: list[tuple[Owner, Wanted]] = field(default_factory=list)  # of entities that are due
    agreed: int = 0  # entities that the listings show to be in agreement
    gone: int = 0
    unselected: int = 0
    troubles: tuple[Trouble, ...] = ()
    errors: list[XnatsyncError] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        """Return how much would be sent, as far as the source tells."""
        effects = (effect for _, wanted in self.steps for effect in wanted.effects)
        return sum(effect.bytes for effect in effects if isinstance(effect, CarryFiles | ImportFiles))

    @property
    def files(self) -> int:
        """Return how many files would be sent."""
        effects = (effect for _, wanted in self.steps for effect in wanted.effects)
        return sum(len(effect.files) for effect in effects if isinstance(effect, CarryFiles | ImportFiles))


def run(
    world: TransferWorld,
    route: TransferRoute,
    *,
    workers: int,
    patience_s: float,
    on_bug: Callable[[str], None],
) -> TransferRun:
    """Bring to the destination what the source has and it has not, as far as can be done now."""
    done = TransferRun(route)
    world.ledger.begin_transfer_run(
        world.run_id, route.name, server=route.server, project=route.project, to_server=route.to_server,
        to_project=route.to_project, now=world.now(),
    )  # fmt: skip
    try:
        _passes(world, done, workers, patience_s, on_bug)
    except XnatsyncError as error:
        done.errors.append(error)
    done.interrupted = world.stopping()
    done.counts = {**done.counts, **world.counted(route.name)}
    counts = {**done.counts, "owners": done.owners, "due": done.due, "unfinished": done.unfinished}
    for what, kinds in (("synced", done.synced), ("failed", done.failed), ("skipped", done.skipped)):
        counts |= {f"{what} {kind}s": many for kind, many in kinds.items()}
    world.ledger.end_transfer_run(world.run_id, route.name, done.outcome, counts, world.now())
    return done


def _passes(
    world: TransferWorld, done: TransferRun, workers: int, patience_s: float, on_bug: Callable[[str], None]
) -> None:
    route = done.route
    close_cut_deeds(world)
    before: TransferStep | None = None
    for number in range(PASSES_MAX if route.verify else 1):
        found = survey(world, route)
        due = [one for one in found.due if before is None or one in before.written]
        steps = TransferStep(world, found, failures(world, found, due))
        if before is None:
            _first(world, done, found)
        else:
            steps.left = before.left
        step_all = Dispatcher({"owner": Entities(world, steps.step)}, world, max(workers, 1), patience_s, on_bug)
        for one in steps.failures.first():
            step_all.put(("owner", one), 0.0)
        write_down(world, step_all)
        step_all.run()
        _note(done, found, steps, step_all, is_first=number == 0)
        if done.errors or done.unfinished or not steps.written or world.stopping():
            return
        before = steps


def failures(world: TransferWorld, found: TransferSurvey, due: Iterable[int]) -> Failures:
    """Sort what is due by subject."""
    project, heads, members = None, dict[str, int](), dict[str, list[int]]()
    for number in due:
        kind, group = found.owners[number].kind, found.group_of(number)
        if kind is OwnerKind.PROJECT:
            project = number
            continue
        members.setdefault(group, [])
        if kind is OwnerKind.SUBJECT:
            heads[group] = number
        else:
            members[group].append(number)
    groups = [Group(heads.get(name), tuple(numbers)) for name, numbers in members.items()]
    return Failures(world, found.route, project, groups)


def _first(world: TransferWorld, done: TransferRun, found: TransferSurvey) -> None:
    """Note what the first survey shows, and what the source no longer has."""
    done.owners, done.due = len(found.owners), len(found.due)
    done.owner_kinds = Counter(owner.kind.value for owner in found.owners.values())
    done.due_kinds = Counter(found.owners[number].kind.value for number in found.due)
    done.skipped = done.owner_kinds - done.due_kinds
    if found.unselected:
        done.counts["unselected"] = found.unselected
    for row in found.gone:
        trouble = Trouble("", GoneAtSource.code, "the source no longer has it", person=False)
        with world.ledger.write():
            world.ledger.owner_gone(row.id, world.now())
            world.ledger.set_troubles(row.id, told([trouble]), world.now())


def _note(
    done: TransferRun, found: TransferSurvey, steps: TransferStep, stepped: Dispatcher, *, is_first: bool
) -> None:
    """Note how a pass ended."""
    over, failed = steps.failures.over, steps.failures.failed
    kinds = {number: owner.kind.value for number, owner in found.owners.items()}
    if is_first:
        done.synced = Counter(kinds[number] for number in steps.written - failed)
    done.failed += Counter(kinds[number] for number in failed)
    due = {number for group in steps.failures.groups for number in group.all}
    if steps.failures.project is not None:
        due.add(steps.failures.project)
    done.unfinished = len((due - over) | failed)
    done.waiting = {key[1]: stepped.waiting[key] for key in sorted(stepped.due) if key in stepped.waiting}
    done.errors += [pause.error for pause in stepped.pauses.values()]
    if steps.failures.tripped is not None:
        done.errors.append(steps.failures.tripped)


def plan(world: TransferWorld, route: TransferRoute) -> TransferPlan:
    """Plan a transfer: the same looks and decisions as a run, and no effect; on a copy of the ledger."""
    planned = TransferPlan(route)
    try:
        found = survey(world, route)
        steps = TransferStep(world, found, failures(world, found, found.due))
        planned.agreed = len(found.owners) - len(found.due)
        planned.gone, planned.unselected = len(found.gone), found.unselected
        planned.troubles = tuple(found.troubles())
        for number in found.due:
            planned.steps.append((found.owners[number], steps.foresee(number)))
    except XnatsyncError as error:
        planned.errors.append(error)
    return planned
