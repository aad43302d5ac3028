"""The real plan: the production steps on a copy of the ledger, up to the first outside effect of each unit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from xnatsync.app.app import App
from xnatsync.app.transfer_routes import plan_transfers
from xnatsync.app.trees import plan_mirrors, plan_pushes
from xnatsync.core.drop_decision import Send, Step, Stop, Wait, decide
from xnatsync.core.errors import SessionCollision, XnatsyncError
from xnatsync.core.manifest import Kind
from xnatsync.core.phases import ItemPhase, UnitPhase
from xnatsync.engine.progress import Progress
from xnatsync.ledger.rows import FileRow, ItemRow, UnitRow
from xnatsync.routes.drop.discovery import discover
from xnatsync.routes.drop.holds import speaks_of_the_server
from xnatsync.routes.drop.items import step_item
from xnatsync.routes.drop.observation import observe
from xnatsync.routes.drop.settings import DropRoute, source_tree
from xnatsync.routes.drop.unaccounted import refusal
from xnatsync.routes.drop.units import base_of, wish_of
from xnatsync.routes.drop.world import World, last_attempt
from xnatsync.routes.tree.mirror_plan import MirrorPlan
from xnatsync.routes.tree.push_plan import PushPlan

if TYPE_CHECKING:
    from xnatsync.app.transfer import Transfers
    from xnatsync.routes.transfer.run import TransferPlan


@dataclass(frozen=True, slots=True)
class UnitPlan:
    """What would happen to one session next."""

    unit: UnitRow
    step: Step | None  # None: it waits for a person already
    send_files: int
    send_bytes: int
    held_files: int  # objects the server holds already


@dataclass(frozen=True, slots=True)
class ItemPlan:
    """What would happen to one item."""

    item: ItemRow
    units: tuple[UnitPlan, ...]
    others: tuple[FileRow, ...]
    left_out: Mapping[str, int]  # by the route's selection: how many files by which key
    stop: XnatsyncError | None = None  # why it would be held for a person when its sessions are delivered
    is_new: bool = False  # the ledger does not know it yet: its numbers are of this rehearsal alone


@dataclass(slots=True)
class PlanReport:
    """The plan of a run.  Nothing was changed, neither here nor on a server."""

    items: list[ItemPlan] = field(default_factory=list)
    mirrors: list[MirrorPlan] = field(default_factory=list)
    pushes: list[PushPlan] = field(default_factory=list)
    transfers: list[tuple[Transfers, TransferPlan]] = field(default_factory=list)
    errors: list[XnatsyncError] = field(default_factory=list)  # about whole drop routes and transfers

    @property
    def all_errors(self) -> list[XnatsyncError]:
        """What concerns whole routes, of every kind."""
        mirrors = [error for part in self.mirrors for error in part.errors]
        pushes = [error for part in self.pushes for error in part.errors]
        return [*self.errors, *mirrors, *pushes, *(error for _, part in self.transfers for error in part.errors)]


def plan(app: App, names: Sequence[str], *, progress: Progress) -> PlanReport:
    """Plan the named routes (all, if none is named); settling is taken as over."""
    routes = {name: _without_waiting(route) for name, route in app.routes(names).items()}
    report = PlanReport()
    with app.rehearsal(routes, progress) as world:
        world.ledger.disbelieve_the_future(world.now())  # as a run does when it begins
        known = {item.id for item in world.ledger.items(living=False)}
        for route in routes.values():
            try:
                discover(world, route)
                planned = list(_plan_items(world, route))
            except XnatsyncError as error:
                report.errors.append(error)
                continue
            planned = [replace(part, is_new=part.item.id not in known) for part in planned]
            planned = _without_rivals(route, planned)
            report.items += [_without_server(part, report.errors) for part in planned]
        report.mirrors = plan_mirrors(app, world.ledger, world.run_id, names, progress)
        report.pushes = plan_pushes(app, world.ledger, world.run_id, names, progress)
        report.transfers, errors = plan_transfers(app, world.ledger, world.run_id, names, progress)
        report.errors += errors
    return report


def _without_waiting(route: DropRoute) -> DropRoute:
    return replace(route, settle_s=0.0, settle_min_s=None, missing_s=0.0, heeds_markers=False)


def _without_server(part: ItemPlan, errors: list[XnatsyncError]) -> ItemPlan:
    """Tell of a server that does not answer once, as a run does, and hold nothing for it."""
    units = []
    for unit in part.units:
        error = unit.step.error if isinstance(unit.step, Stop) else None
        if error is not None and speaks_of_the_server(error):
            if not any((told.code, str(told)) == (error.code, str(error)) for told in errors):
                errors.append(error)
            units.append(replace(unit, step=Wait(0.0, "the server could not be looked at")))
        else:
            units.append(unit)
    return replace(part, units=tuple(units))


def _plan_items(world: World, route: DropRoute) -> Iterator[ItemPlan]:
    """Plan every living item, also one that comes to be when a file turns out to belong to a study."""
    seen: set[int] = set()
    while items := [item for item in world.ledger.items(route=route.name) if item.id not in seen]:
        for item in items:
            seen.add(item.id)
            if (planned := _plan_item(world, item)) is not None:
                yield planned


def _plan_item(world: World, item: ItemRow) -> ItemPlan | None:
    """Plan an item; None when it is gone, or has become a part of another."""
    if item.phase in {ItemPhase.SEEN, ItemPhase.LEFT} and item.hold != "person":
        step_item(world, item)
        if world.ledger.has_item(item.id) and world.ledger.item(item.id).phase is ItemPhase.SEEN:
            step_item(world, world.ledger.item(item.id))
    if not world.ledger.has_item(item.id):
        return None
    item = world.ledger.item(item.id)
    if item.phase is ItemPhase.SETTLED and item.hold is None:  # what is not accounted for holds it at once
        step_item(world, item)
        item = world.ledger.item(item.id)
    units = tuple(_plan_unit(world, unit) for unit in world.ledger.units(item_id=item.id))
    others = tuple(world.ledger.aside(item.id))
    return ItemPlan(item, units, others, world.ledger.left_out(item.id), _stop(item, others))


def _stop(item: ItemRow, others: Sequence[FileRow]) -> XnatsyncError | None:
    """Return why an item would wait for a person though its sessions are delivered."""
    broken = [file for file in others if file.kind == Kind.BROKEN.value]
    if item.hold == "person" or item.phase is ItemPhase.LEFT or not broken:
        return None
    return refusal(broken)


def _without_rivals(route: DropRoute, items: Sequence[ItemPlan]) -> list[ItemPlan]:
    """Of two studies that are to be sent to one session one will be held: the plan says so before anything is sent."""
    first: dict[str, tuple[ItemRow, UnitRow]] = {}
    return [
        replace(part, units=tuple(_or_held(route, unit, part.item, first) for unit in part.units)) for part in items
    ]


def _or_held(route: DropRoute, part: UnitPlan, item: ItemRow, first: dict[str, tuple[ItemRow, UnitRow]]) -> UnitPlan:
    unit = part.unit
    if not isinstance(part.step, Send) or route.collision_of(unit) != "hold":
        return part
    other, rival = first.setdefault(unit.target, (item, unit))
    if rival.study_uid == unit.study_uid:
        return part
    error = SessionCollision(
        f"study {unit.study_uid} (in {item.path}) and study {rival.study_uid} (in {other.path}) both want the session "
        f"{rival.session}; the one that comes second is held"
    )
    return UnitPlan(unit, Stop(error), 0, 0, 0)


def _plan_unit(world: World, unit: UnitRow) -> UnitPlan:
    files = world.ledger.files(unit.item_id, unit_id=unit.id)
    if unit.hold == "person" or unit.phase not in {UnitPhase.PLANNED, UnitPhase.SENT}:
        return UnitPlan(unit, None, 0, 0, 0)
    route = world.routes[unit.route]
    source = source_tree(file for file in files if file.kind == Kind.DICOM)
    try:
        view = observe(world, unit, files)
        last = last_attempt(world.ledger.attempts(unit.id))
        step: Step = decide(
            wish_of(world, route, unit),
            unit.phase,
            unit.sends,
            last,
            view,
            source,
            base_of(world, route, unit, view),
            world.now(),
        )
    except XnatsyncError as error:
        step = Stop(error)
    keys = set(step.keys) if isinstance(step, Send) else set()
    sending = [file for file in files if file.kind == Kind.DICOM and file.key in keys]
    held = len(source) - len(sending) if isinstance(step, Send) else 0
    return UnitPlan(unit, step, len(sending), sum(file.size for file in sending), held)
