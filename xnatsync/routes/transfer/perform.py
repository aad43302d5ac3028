"""What a worker does for an errand, with nothing but two servers: order after order, up to the first that fails."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from xnatsync.core.described import Part, ThingKind
from xnatsync.core.errors import Bug, XnatsyncError
from xnatsync.core.inventory import Owner, ResourceKey
from xnatsync.core.streams import closed_after
from xnatsync.ports.transfer import TransferServer
from xnatsync.routes.transfer.carry import PACK_MAX, carry
from xnatsync.routes.transfer.errand import (
    Alter,
    Answer,
    Done,
    Errand,
    Fault,
    Fetch,
    LeftBehind,
    Make,
    MakeResource,
    Order,
    Send,
)
from xnatsync.routes.transfer.limits import UNLIMITED, Line
from xnatsync.routes.transfer.load import UNABLE, Bytes, Carried, Left, Load
from xnatsync.routes.transfer.reading import ODD


@dataclass(slots=True)
class Performing:
    """One errand at work."""

    errand: Errand
    source: TransferServer
    destination: TransferServer
    line: Line = UNLIMITED
    pack: int = PACK_MAX
    threads: bool = True
    stopping: Callable[[], bool] = lambda: False

    def perform(self) -> Answer:
        """Do what is asked; what is not begun because we are to stop, or something failed, has no answer."""
        found: list[Done] = []
        for order in self.errand.orders:
            if self.stopping():
                break
            try:
                done = self._do(order)
            except XnatsyncError as error:
                done = Done(Fault.of(error))
            found.append(done)
            if done.fault is not None or (
                done.catalogue is not None and not isinstance(done.catalogue.error(), UNABLE)
            ):
                break
        return Answer(self.errand.attempt, tuple(found))

    def _do(self, order: Order) -> Done:
        match order:
            case Make():
                return Done(there_id=self._make(order))
            case Send():
                return self._send(order)
            case Fetch():
                return Done(fetched=self._fetch(order))
            case Alter():
                self._alter(order)
            case MakeResource():
                place = Part.parse(order.target.scan)
                self.destination.create_resource(
                    self._there, place, order.target.label, format_=order.format, content=order.content
                )
        return Done()

    @property
    def _there(self) -> Owner:
        if self.errand.there is None:
            raise Bug("an errand for what is not at the destination yet")
        return self.errand.there

    def _make(self, order: Make) -> str:
        thing, destination, project = order.thing, self.destination, self.errand.to_project
        if order.part:
            if thing.kind is ThingKind.RECORD:
                return destination.create_experiment(project, self._there.id, thing)
            return destination.create_part(self._there.id, thing)
        if thing.kind is ThingKind.PROJECT:
            destination.create_project(thing, project)
            return project
        if thing.kind is ThingKind.SUBJECT:
            return destination.create_subject(project, thing)
        return destination.create_experiment(project, order.subject_id, thing)

    def _alter(self, order: Alter) -> None:
        destination, there = self.destination, self._there
        if order.how == "fields":
            destination.overlay(there, order.part, order.thing, frozenset(order.values))
        elif order.how == "custom":
            destination.set_custom(there, order.part, order.values)
        else:
            for project, label in order.values.items():
                destination.share(there, order.part, project, label)

    def _send(self, order: Send) -> Done:
        load = Load(order.key, order.target, order.files, order.listed, order.replaces, keeps_out=order.keeps_out)
        carried = carry(
            self.source, self.destination, self.errand.owner, self._there, load, request_id=order.request_id,
            line=self.line, pack=self.pack, threads=self.threads, stopping=self.stopping,
        )  # fmt: skip
        if not carried.arrived or carried.failure is not None:
            return _told(carried)
        try:
            self.destination.catalogue(self._there, Part.parse(order.target.scan), order.target.label)
        except XnatsyncError as error:
            return _told(carried, catalogue=Fault.of(error))
        return _told(carried, catalogued=True)

    def _fetch(self, order: Fetch) -> Bytes:
        server, owner = self.source, self.errand.owner
        if order.side == "destination":
            server, owner = self.destination, self._there
        return fetched(server, owner, order.key, order.name)


def fetched(server: TransferServer, owner: Owner, key: ResourceKey, name: str) -> Bytes:
    """Fetch a file, and return what it holds."""
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    with closed_after(server.fetch_file(owner, key, name)) as pieces:
        for piece in pieces:
            sha256.update(piece)
            md5.update(piece)
            size += len(piece)
    return Bytes(size, sha256.digest(), md5.hexdigest())


def _told(carried: Carried, *, catalogued: bool = False, catalogue: Fault | None = None) -> Done:
    failure = Fault.of(carried.failure) if carried.failure is not None else None
    return Done(
        failure, "", tuple(carried.arrived), tuple(carried.occupied), _left(carried.lost), _left(carried.changed),
        _left(carried.refused), tuple(carried.begun), carried.requests, catalogued, catalogue,
    )  # fmt: skip


def _ends(order: Order, done: Done) -> bool:
    """Return whether what became of an order ends the errand: not what concerns one file that is only compared."""
    if done.fault is not None:
        return not (isinstance(order, Fetch) and isinstance(done.fault.error(), ODD))
    return done.catalogue is not None and not isinstance(done.catalogue.error(), UNABLE)


def _left(files: list[Left]) -> tuple[LeftBehind, ...]:
    return tuple(LeftBehind(one.name, Fault.of(one.error)) for one in files)


def carried_of(done: Done) -> Carried:
    """Return what a carried load came to, from what a worker told of it."""
    return Carried(
        list(done.arrived), list(done.occupied), _behind(done.lost), _behind(done.changed), _behind(done.refused),
        list(done.begun), done.fault.error() if done.fault is not None else None, done.requests,
        sum(one.size for one in done.arrived),
    )  # fmt: skip


def _behind(files: tuple[LeftBehind, ...]) -> list[Left]:
    return [Left(one.name, one.why.error()) for one in files]
