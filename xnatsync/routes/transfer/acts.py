"""The changes that a transfer makes at its destination: each is announced, done once, and recorded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from xnatsync.core.described import Part, ThingKind
from xnatsync.core.errors import (
    ForeignContent,
    LostAtSource,
    PlaceTaken,
    Stopped,
    XnatsyncError,
)
from xnatsync.core.inventory import Owner, OwnerKind, ResourceKey
from xnatsync.core.transfer_decision import FileFact
from xnatsync.engine.attempts import Attempt, Deeds, OnResource, OnThing
from xnatsync.ledger.rows import Outcome
from xnatsync.ledger.tree_rows import DeedRow, OwnerRow
from xnatsync.routes.transfer.carry import carry, pack_bytes
from xnatsync.routes.transfer.decide import CREATE, CUSTOM_FORMS, FIELDS, SHARES
from xnatsync.routes.transfer.decide_files import RESOURCE
from xnatsync.routes.transfer.facts import CUSTOM, SHARE
from xnatsync.routes.transfer.load import UNABLE, Bytes, Carried, Load
from xnatsync.routes.transfer.survey import TransferSurvey
from xnatsync.routes.transfer.wanted import CarryFiles, Change, Create, CreateResource, Effect
from xnatsync.routes.transfer.world import TransferWorld

CATALOGUE: Final = "/catalogue"


@dataclass(slots=True)
class Acting:
    """The changes of one entity in one run."""

    world: TransferWorld
    survey: TransferSurvey
    row: OwnerRow
    owner: Owner  # of the source
    subject_id: str = ""  # at the destination, of a session
    passed: dict[tuple[ResourceKey, str], Bytes] = field(default_factory=dict)
    left: dict[tuple[ResourceKey, str], XnatsyncError] = field(default_factory=dict)
    came_back: dict[tuple[ResourceKey, str], Bytes] = field(default_factory=dict)  # of the destination, by a worker

    def act(self, effect: Effect, there: Owner | None) -> None:
        """Make one change; `there` is what stands for the entity at the destination."""
        if self.world.stopping():
            raise Stopped("asked to stop")
        if isinstance(effect, Create):
            self._create(effect, there)
            return
        assert there is not None
        match effect:
            case Change():
                self._change(effect, there)
            case CreateResource():
                self._resource(effect, there)
            case CarryFiles():
                self._carry(effect, there)

    # --- things ------------------------------------------------------------------------------------------------------

    def _create(self, effect: Create, there: Owner | None) -> None:
        route, thing = self.survey.route, effect.thing
        destination = self.world.server(route.to_server)

        def act(_: DeedRow) -> list[XnatsyncError]:
            try:
                self.note(effect, made_by(effect))
            except PlaceTaken as error:  # it has come meanwhile: nothing was done
                raise ForeignContent(str(error)) from error
            return []

        def made_by(effect: Create) -> str:
            if effect.part:
                assert there is not None
                if thing.kind is ThingKind.RECORD:
                    return destination.create_experiment(route.to_project, there.id, thing)
                return destination.create_part(there.id, thing)
            if thing.kind is ThingKind.PROJECT:
                destination.create_project(thing, route.to_project)
                return route.to_project
            if thing.kind is ThingKind.SUBJECT:
                return destination.create_subject(route.to_project, thing)
            return destination.create_experiment(route.to_project, self.subject_id, thing)

        self._attempt(ResourceKey(effect.part, ""), CREATE, effect.digest, act, lambda: self.note(effect, ""))
        self.world.count(self.row.route, f"created {thing.kind.value}s")

    def note(self, effect: Create, there_id: str) -> None:
        """Write down what is made, and under which ID once that is known."""
        self.world.ledger.note_counterpart(
            self.row.id, effect.part, source_id=effect.thing.id, there_id=there_id, there_label=effect.thing.name,
            facts=effect.pending,
        )  # fmt: skip

    def _change(self, effect: Change, there: Owner) -> None:
        route, thing, part = self.survey.route, effect.thing, effect.there
        destination = self.world.server(route.to_server)
        first = next(iter(effect.paths))
        key = ResourceKey(effect.part, "")

        def fields(_: DeedRow) -> list[XnatsyncError]:
            destination.overlay(there, part, thing, frozenset(effect.paths))
            return []

        def custom(_: DeedRow) -> list[XnatsyncError]:
            values = {path.removeprefix(CUSTOM): value for path, value in effect.paths.items()}
            destination.set_custom(there, part, values)
            return []

        def share(_: DeedRow) -> list[XnatsyncError]:
            destination.share(there, part, first.removeprefix(SHARE), effect.paths[first])
            return []

        act, name = fields, FIELDS
        if first.startswith(SHARE):
            act, name = share, f"{SHARES}/{first.removeprefix(SHARE)}"
        elif first.startswith(CUSTOM):
            act, name = custom, CUSTOM_FORMS
        self._attempt(key, name, effect.digest, act, lambda: self.pend(effect))
        self.world.count(self.row.route, "changed")

    def pend(self, effect: Change) -> None:
        """Write down that facts are sent."""
        known = self.world.ledger.counterparts(self.row.id).get(effect.part)
        facts = {**(known.facts if known is not None else {}), **effect.pending}
        self.world.ledger.note_counterpart(
            self.row.id, effect.part, source_id=effect.thing.id, facts=facts,
            there_id=known.there_id if known is not None else "",
            there_label=known.there_label if known is not None else effect.thing.name,
        )  # fmt: skip

    # --- resources and files -----------------------------------------------------------------------------------------

    def _resource(self, effect: CreateResource, there: Owner) -> None:
        def act(_: DeedRow) -> list[XnatsyncError]:
            self.world.server(self.survey.route.to_server).create_resource(
                there, Part.parse(effect.target.scan), effect.target.label, format_=effect.format,
                content=effect.content,
            )  # fmt: skip
            return []

        digest = hashlib.sha256(f"{effect.format}\n{effect.content}".encode()).digest()
        self._attempt(effect.key, RESOURCE, digest, act)

    def _carry(self, effect: CarryFiles, there: Owner) -> None:
        world, route = self.world, self.survey.route
        files = [(file.name, FileFact(file.size, file.digest).digest) for file in effect.files]
        deeds = OnResource(self.row.id, effect.key, files)
        keeps_out = route.dicom == "import"
        load = Load(effect.key, effect.target, effect.files, effect.listed, effect.replaces, keeps_out=keeps_out)

        def act(opened: Deeds) -> list[XnatsyncError]:
            world.progress.goal(effect.bytes)
            carried = carry(
                world.server(route.server), world.server(route.to_server), self.owner, there, load,
                request_id=opened[0].request_id, pack=pack_bytes(route.workers), threads=world.threads,
                stopping=world.stopping, moved=world.progress.fetched,
                line=world.lines.between(route.server, route.to_server),
            )  # fmt: skip
            deeds.ended.update(ends(carried))
            self.keep(effect.key, carried)
            return [carried.failure] if carried.failure is not None else []

        Attempt(world, deeds, route.quiet_s).carry_out(act)
        if any(ended[0] == "ok" for ended in deeds.ended.values()):
            self._catalogue(effect, there)

    def keep(self, key: ResourceKey, carried: Carried) -> None:
        """Remember for the rest of the run what went through, and what is not to be had."""
        for one in (*carried.arrived, *carried.occupied):
            self.passed[key, one.name] = Bytes(one.size, one.sha256, one.md5)
        for one in carried.occupied:  # by what no listing shows, if none does: that is no loss, and no other try helps
            why = "the destination says that a file of this name is there, and lists none"
            self.left[key, one.name] = ForeignContent(why)
        for left in carried.lost:
            self.left[key, left.name] = LostAtSource(f"the source lists it and cannot give it: {left.error}")
        for left in (*carried.changed, *carried.refused):
            self.left[key, left.name] = left.error
        self.world.count(self.row.route, "files", len(carried.arrived))
        self.world.count(self.row.route, "bytes", carried.bytes)
        self.world.count(self.row.route, "lost", len(carried.lost))

    def _catalogue(self, effect: CarryFiles, there: Owner) -> None:
        """Let the server count and digest what came; one that cannot leaves more to be fetched back."""

        def act(_: DeedRow) -> list[XnatsyncError]:
            self.world.server(self.survey.route.to_server).catalogue(
                there, Part.parse(effect.target.scan), effect.target.label
            )
            return []

        try:
            self._attempt(effect.key, CATALOGUE, bytes(32), act)
        except UNABLE:
            self.world.count(self.row.route, "uncatalogued")

    def _attempt(
        self,
        key: ResourceKey,
        name: str,
        digest: bytes,
        act: Callable[[DeedRow], list[XnatsyncError]],
        noted: Callable[[], None] = lambda: None,
    ) -> None:
        Attempt(self.world, OnThing(self.row.id, key, name, digest, noted), self.survey.route.quiet_s).carry_out(act)


def made(owner: Owner, route_project: str, there_id: str, subject_id: str) -> Owner:
    """Return what stands for an entity at the destination, before any listing shows it."""
    kind = owner.kind
    subject = "" if kind is OwnerKind.PROJECT else owner.subject
    return Owner(
        kind, route_project, there_id, subject=subject,
        subject_id=there_id if kind is OwnerKind.SUBJECT else subject_id,
        session=owner.session, xsi_type=owner.xsi_type,
    )  # fmt: skip


def ends(carried: Carried) -> Mapping[str, tuple[Outcome, str | None]]:
    """Return what became of each file by itself; those that are missing share the end of the whole."""
    ends: dict[str, tuple[Outcome, str | None]] = {one.name: ("ok", None) for one in carried.arrived}
    ends |= {one.name: ("refused", ForeignContent.code) for one in carried.occupied}
    ends |= {left.name: ("refused", LostAtSource.code) for left in carried.lost}
    ends |= {left.name: ("refused", left.error.code) for left in (*carried.changed, *carried.refused)}
    return ends | dict.fromkeys(carried.begun, ("unknown", None))  # a part may lie there
