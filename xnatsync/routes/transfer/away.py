"""The same changes as in `acts`, done by a worker on another machine: all of a look are announced, and sent together.

The ledger is here alone.  What a worker does not answer for has an end that nobody knows, as after a kill: it is looked
at again when it is quiet.  What it did not begin left nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from xnatsync.core.errors import (
    Bug,
    ForeignContent,
    PlaceTaken,
    Stopped,
    WorkerLost,
    XnatsyncError,
)
from xnatsync.core.inventory import Owner, ResourceKey
from xnatsync.core.transfer_decision import FileFact
from xnatsync.engine.attempts import Deeds, OnResource, OnThing, outcome_of
from xnatsync.ledger.tree_rows import DeedRow
from xnatsync.routes.transfer.acts import CATALOGUE, Acting, ends
from xnatsync.routes.transfer.decide import CREATE, CUSTOM_FORMS, FIELDS, SHARES
from xnatsync.routes.transfer.decide_files import RESOURCE
from xnatsync.routes.transfer.errand import (
    Alter,
    Answer,
    Done,
    Errand,
    Fetch,
    How,
    Make,
    MakeResource,
    Order,
    Place,
    Send,
)
from xnatsync.routes.transfer.facts import CUSTOM, SHARE
from xnatsync.routes.transfer.load import UNABLE, Bytes
from xnatsync.routes.transfer.perform import carried_of
from xnatsync.routes.transfer.reading import ODD
from xnatsync.routes.transfer.wanted import CarryFiles, Change, Create, CreateResource, Effect

FILES_MAX: Final = 10_000  # in one errand, unless one resource has more
NOT_BEGUN: Final = Stopped("the worker did not come to it")
AFAR: Final = (Create, Change, CreateResource, CarryFiles)


class Announced(Protocol):
    """An effect that is announced, and what a worker is told of it."""

    @property
    def order(self) -> Order:
        """Return what a worker is told."""
        ...

    def record(self, done: Done | None, lost: XnatsyncError | None) -> XnatsyncError | None:
        """Write down how it ended, and return what failed."""
        ...


@dataclass(slots=True)
class Away:
    """The changes of one entity, at one worker."""

    acting: Acting
    place: Place

    def act(self, effects: Sequence[Effect], there: Owner | None) -> None:
        """Make them in their order; the first that fails ends it, and is raised when everything is written down."""
        for some in _shared_out(effects):
            self._send(some, there)

    def contents_of(self, there: Owner, files: Sequence[Fetch]) -> dict[Fetch, Bytes]:
        """Have files fetched where the worker is, to compare them; what it could not fetch of a file is missing."""
        answer = self.place.do(self._errand(self.acting.world.ids.request_id(), there, files))
        found = {}
        for order, done in zip(files, answer.done, strict=False):
            if done.fault is not None:
                error = done.fault.error()
                if not isinstance(error, ODD):
                    raise error
            elif done.fetched is None:
                raise WorkerLost("a worker answered something else than it was asked")
            else:
                found[order] = done.fetched
        if len(answer.done) != len(files):
            raise NOT_BEGUN
        return found

    def _errand(self, attempt: str, there: Owner | None, orders: Sequence[Order]) -> Errand:
        acting = self.acting
        return Errand(attempt, acting.survey.route.to_project, acting.owner, there, tuple(orders))

    def _send(self, effects: Sequence[Effect], there: Owner | None) -> None:
        world = self.acting.world
        if world.stopping():
            raise Stopped("asked to stop")
        attempt = world.ids.request_id()
        with world.ledger.write():
            announced = [self._announce(effect, f"{attempt}.{number}") for number, effect in enumerate(effects)]
        lost: XnatsyncError | None = None
        answer = Answer(attempt, ())
        try:
            answer = self.place.do(self._errand(attempt, there, [one.order for one in announced]))
            _check(answer, announced)
        except XnatsyncError as error:
            lost = error
        with world.ledger.write():
            failures = [
                one.record(answer.done[number] if number < len(answer.done) else None, lost)
                for number, one in enumerate(announced)
            ]
        if lost is not None:
            raise lost
        failure = next((one for one in failures if one is not None), None)
        if failure is not None:
            raise failure
        if len(answer.done) < len(announced):
            raise NOT_BEGUN

    def _announce(self, effect: Effect, request_id: str) -> Announced:
        match effect:
            case Create():
                return _Made.announce(self.acting, effect, request_id)
            case Change():
                return _Altered.announce(self.acting, effect, request_id)
            case CreateResource():
                return _Resource.announce(self.acting, effect, request_id)
            case CarryFiles():
                return _Carried.announce(self.acting, effect, request_id)
        raise Bug(f"no worker makes a {type(effect).__name__}")


def _check(answer: Answer, announced: Sequence[Announced]) -> None:
    """Refuse an answer that does not belong to what was asked: nothing of it is believed."""
    if len(answer.done) > len(announced):
        raise WorkerLost("a worker answered more than it was asked")
    for done, one in zip(answer.done, announced, strict=False):
        if isinstance(one.order, Send):
            asked = {file.name for file in one.order.files}
            told = [file.name for file in (*done.arrived, *done.occupied)]
            told += [file.name for file in (*done.lost, *done.changed, *done.refused)]
            if len(told) != len(set(told)) or not asked.issuperset(told):
                raise WorkerLost("a worker answered for files that it was not asked for")
            if done.fault is None and len(told) != len(asked):
                raise WorkerLost("a worker left out files that it was asked for")
        elif isinstance(one.order, Make) and done.fault is None and not done.there_id:
            raise WorkerLost("a worker did not say under which ID a thing was made")


def _shared_out(effects: Sequence[Effect]) -> Iterator[list[Effect]]:
    """Share effects out to errands that are not too long; their order stays."""
    some, files = list[Effect](), 0
    for effect in effects:
        many = len(effect.listed) if isinstance(effect, CarryFiles) else 1
        if some and files + many > FILES_MAX:
            yield some
            some, files = [], 0
        some.append(effect)
        files += many
    if some:
        yield some


# --- one effect ------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _OnThing:
    """An effect that stores no file."""

    acting: Acting
    thing: OnThing
    row: DeedRow
    order: Order

    def end(self, done: Done | None, lost: XnatsyncError | None) -> XnatsyncError | None:
        """Write down how it ended."""
        return _end(self.acting, self.thing, self.row, _failure(done), begun=done is not None, lost=lost)


@dataclass(slots=True)
class _Made(_OnThing):
    effect: Create

    @classmethod
    def announce(cls, acting: Acting, effect: Create, request_id: str) -> _Made:
        thing = OnThing(
            acting.row.id, ResourceKey(effect.part, ""), CREATE, effect.digest, lambda: acting.note(effect, "")
        )
        order = Make(effect.part, effect.thing, acting.subject_id)
        return cls(acting, thing, _open(acting, thing, request_id), order, effect)

    def record(self, done: Done | None, lost: XnatsyncError | None) -> XnatsyncError | None:
        failure = _failure(done)
        if isinstance(failure, PlaceTaken):  # it has come meanwhile: nothing was done
            failure = ForeignContent(str(failure))
        if done is not None and lost is None and failure is None:
            self.acting.note(self.effect, done.there_id)
            self.acting.world.count(self.acting.row.route, f"created {self.effect.thing.kind.value}s")
        return _end(self.acting, self.thing, self.row, failure, begun=done is not None, lost=lost)


@dataclass(slots=True)
class _Altered(_OnThing):
    @classmethod
    def announce(cls, acting: Acting, effect: Change, request_id: str) -> _Altered:
        first = next(iter(effect.paths))
        how, name, prefix = _how(first)
        thing = OnThing(acting.row.id, ResourceKey(effect.part, ""), name, effect.digest, lambda: acting.pend(effect))
        values = {path.removeprefix(prefix): value for path, value in effect.paths.items()}
        order = Alter(how, effect.thing, effect.there, values)
        return cls(acting, thing, _open(acting, thing, request_id), order)

    def record(self, done: Done | None, lost: XnatsyncError | None) -> XnatsyncError | None:
        failure = self.end(done, lost)
        self.acting.world.count(self.acting.row.route, "changed", int(done is not None and failure is None))
        return failure


@dataclass(slots=True)
class _Resource(_OnThing):
    @classmethod
    def announce(cls, acting: Acting, effect: CreateResource, request_id: str) -> _Resource:
        digest = hashlib.sha256(f"{effect.format}\n{effect.content}".encode()).digest()
        thing = OnThing(acting.row.id, effect.key, RESOURCE, digest)
        order = MakeResource(effect.target, effect.format, effect.content)
        return cls(acting, thing, _open(acting, thing, request_id), order)

    def record(self, done: Done | None, lost: XnatsyncError | None) -> XnatsyncError | None:
        return self.end(done, lost)


@dataclass(slots=True)
class _Carried:
    """Files of a resource, and the catalogue that is asked for after them."""

    acting: Acting
    order: Send
    deeds: OnResource
    rows: Deeds
    catalogue: OnThing
    catalogue_row: DeedRow
    failures: list[XnatsyncError] = field(default_factory=list)

    @classmethod
    def announce(cls, acting: Acting, effect: CarryFiles, request_id: str) -> _Carried:
        files = [(file.name, FileFact(file.size, file.digest).digest) for file in effect.files]
        deeds = OnResource(acting.row.id, effect.key, files)
        catalogue = OnThing(acting.row.id, effect.key, CATALOGUE, bytes(32))
        quiet_at = acting.world.in_seconds(acting.survey.route.quiet_s)
        rows = deeds.announce(acting.world, request_id, quiet_at)
        row = catalogue.announce(acting.world, f"{request_id}/catalogue", quiet_at)
        acting.world.progress.goal(effect.bytes)
        keeps_out = acting.survey.route.dicom == "import"
        order = Send(effect.key, effect.target, effect.files, effect.listed, effect.replaces, keeps_out, request_id)
        return cls(acting, order, deeds, rows, catalogue, row)

    def record(self, done: Done | None, lost: XnatsyncError | None) -> XnatsyncError | None:
        world = self.acting.world
        if done is None and lost is None:  # not begun: nothing of it is there, whoever asks later
            self.deeds.ended.update({name: ("refused", NOT_BEGUN.code) for name, _ in self.deeds.files})
        elif done is not None and lost is None:
            carried = carried_of(done)
            self.deeds.ended.update(ends(carried))
            self.acting.keep(self.order.key, carried)
            world.progress.fetched(carried.bytes)
        failure = _failure(done)
        quiet_at = world.in_seconds(self.acting.survey.route.quiet_s)
        failed = lost or failure
        outcome = "unknown" if lost is not None else outcome_of([failure] if failure is not None else [])
        self.deeds.record(world, self.rows, outcome, failed, quiet_at)
        unable = done.catalogue.error() if done is not None and done.catalogue is not None else None
        begun = done is not None and (done.catalogued or unable is not None)
        uncatalogued = _end(self.acting, self.catalogue, self.catalogue_row, unable, begun=begun, lost=lost)
        if failure is not None:
            failure.effect = self.deeds.name
            return failure
        if isinstance(uncatalogued, UNABLE):
            world.count(self.acting.row.route, "uncatalogued")
            return None
        return uncatalogued


def _open(acting: Acting, thing: OnThing, request_id: str) -> DeedRow:
    return thing.announce(acting.world, request_id, acting.world.in_seconds(acting.survey.route.quiet_s))


def _end(
    acting: Acting, thing: OnThing, row: DeedRow, failure: XnatsyncError | None, *, begun: bool,
    lost: XnatsyncError | None,
) -> XnatsyncError | None:  # fmt: skip
    """Close the deed of a thing, and return what failed; `lost`: nobody knows what was done."""
    world = acting.world
    if lost is not None:
        thing.record(world, row, "unknown", lost, world.in_seconds(acting.survey.route.quiet_s))
        return lost
    if not begun:
        thing.record(world, row, "refused", NOT_BEGUN, world.in_seconds(0))
        return None
    outcome = outcome_of([failure] if failure is not None else [])
    quiet_at = world.in_seconds(acting.survey.route.quiet_s) if outcome == "unknown" else None
    thing.record(world, row, outcome, failure, quiet_at)
    if failure is not None:
        failure.effect = thing.name
    return failure


def _failure(done: Done | None) -> XnatsyncError | None:
    return done.fault.error() if done is not None and done.fault is not None else None


def _how(path: str) -> tuple[How, str, str]:
    """Return how a fact is sent, the name of that effect, and what of its path is not sent."""
    if path.startswith(SHARE):
        return "share", f"{SHARES}/{path.removeprefix(SHARE)}", SHARE
    return ("custom", CUSTOM_FORMS, CUSTOM) if path.startswith(CUSTOM) else ("fields", FIELDS, "")
