"""One step of a transfer: an entity of the source is at the destination with everything in it, or it is said why not.

Look at both sides, decide, change, look again: until nothing is to be changed any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Final

from xnatsync.core.described import Described, Part
from xnatsync.core.errors import (
    ChangedThere,
    ContentDiffers,
    EffectMissing,
    ForeignContent,
    GoneThere,
    LabelTaken,
    LostAtSource,
    NotThere,
    PrearchiveOccupied,
    ReadFailed,
    XnatsyncError,
)
from xnatsync.core.inventory import Owner, OwnerKind, ResourceKey
from xnatsync.core.mirror_decision import Trouble
from xnatsync.core.moment import seconds_between
from xnatsync.core.remote import FileListing, RemoteFile
from xnatsync.core.transfer_decision import study_uid
from xnatsync.engine.holds import LOOK_AGAIN_S, still_waits
from xnatsync.engine.result import Due, Rest, Result
from xnatsync.ledger.tree_rows import OwnerRow
from xnatsync.routes.transfer.acts import Acting, made
from xnatsync.routes.transfer.away import AFAR, Away
from xnatsync.routes.transfer.decide import CREATE, Deciding
from xnatsync.routes.transfer.decide_files import Compared, DecidingFiles
from xnatsync.routes.transfer.decide_objects import DecidingObjects
from xnatsync.routes.transfer.errand import Fetch, Place
from xnatsync.routes.transfer.facts import beside
from xnatsync.routes.transfer.holds import Failures, hold_by
from xnatsync.routes.transfer.images import Images
from xnatsync.routes.transfer.load import Bytes
from xnatsync.routes.transfer.objects import Objects
from xnatsync.routes.transfer.perform import fetched
from xnatsync.routes.transfer.reading import ODD
from xnatsync.routes.transfer.survey import TransferSurvey, label_of
from xnatsync.routes.transfer.wanted import Create, Effect, Look, Wanted
from xnatsync.routes.transfer.world import TransferWorld

ROUNDS_MAX: Final = 6  # looks at one entity in one step; what is wanted still then, the server does not do


@dataclass(slots=True)
class TransferStep:
    """Steps the entities of one transfer in one run."""

    world: TransferWorld
    survey: TransferSurvey
    failures: Failures
    written: set[int] = field(default_factory=set)  # of which something was changed: they are looked at once more
    created: set[int] = field(default_factory=set)  # in this run: no listing shows them yet
    left: dict[int, dict[tuple[ResourceKey, str], XnatsyncError]] = field(default_factory=dict)  # asked for in vain

    def step(self, number: int) -> Result:
        """Bring one entity to its end; never raises an XnatsyncError."""
        if self.failures.tripped:
            return Rest()
        row = self.world.ledger.owner(number)
        if (held := still_waits(row, self.world.now())) is not None:
            return held
        try:
            with self.world.cluster.place() if self.world.cluster is not None else nullcontext() as place:
                if self.failures.tripped:  # while this one waited for a worker
                    return Rest()
                return self._bring(row, self.survey.owners[number], place)
        except XnatsyncError as error:
            return self.failures.fail(row, error)

    def foresee(self, number: int) -> Wanted:
        """Decide as `step` does, from the same looks, and do nothing; what would be fetched to compare is not."""
        row, owner = self.world.ledger.owner(number), self.survey.owners[number]
        look = self._look(row, owner, None)
        acting = Acting(self.world, self.survey, row, owner, self._subject_id(owner))
        if self._imports(owner):
            objects, effects = self._images(acting).foresee(look)
            return self._decide(look, acting, dry=True, objects=objects, foreseen=effects)
        return self._decide(look, acting, dry=True)

    def _bring(self, row: OwnerRow, owner: Owner, place: Place | None) -> Result:
        world = self.world
        acting = Acting(world, self.survey, row, owner, self._subject_id(owner), left=self.left.setdefault(row.id, {}))
        if owner.kind is OwnerKind.SESSION and not acting.subject_id:
            raise NotThere("the subject of this session is not at the destination")
        world.progress.owner(row.id, label_of(owner), "looked at")
        with world.looking:
            look = self._look(row, owner, None)
        objects = self._imported(look, acting) if self._imports(owner) else None
        if isinstance(objects, Due):
            return objects
        for number in range(ROUNDS_MAX):
            if number or objects is not None:
                with world.looking:
                    look = self._look(row, owner, look)
            if place is not None:
                self._fetch_afar(look, acting, place)
            with world.looking:
                wanted = self._decide(look, acting, dry=False, objects=objects)
            if wanted.later and not wanted.effects:
                self._write_down(row, look, wanted)
                wait_s = max(seconds_between(world.now(), wanted.later), LOOK_AGAIN_S)
                return Due(wait_s, "an earlier write may still land")
            if not wanted.effects:
                return self._end(row, owner, look, wanted)
            self._write_down(row, look, wanted)
            self.written.add(row.id)
            self._act(acting, wanted.effects, look.there_owner, place)
            world.progress.owner(row.id, label_of(owner), "transferred")
        raise EffectMissing("the destination said yes, and shows again and again that it was not done")

    def _act(self, acting: Acting, effects: Sequence[Effect], there: Owner | None, place: Place | None) -> None:
        """Make the changes of a look in their order, here or at a worker."""
        if place is not None:
            effects = self._away(acting, effects, there, place)
        for effect in effects:
            try:
                acting.act(effect, there)
            except ForeignContent:
                if not isinstance(effect, Create):
                    raise
                break  # it is there by now, by whomever: that is seen in the next look
            self._made(acting.row, effect)

    def _made(self, row: OwnerRow, effect: Effect) -> None:
        if isinstance(effect, Create) and not effect.part:
            self.created.add(row.id)

    def _away(self, acting: Acting, effects: Sequence[Effect], there: Owner | None, place: Place) -> Sequence[Effect]:
        """Have a worker make what it can; return what is made here."""
        afar = [effect for effect in effects if type(effect) in AFAR]
        try:
            Away(acting, place).act(afar, there)
        except ForeignContent as error:
            if error.effect != CREATE:
                raise
            return ()  # it is there by now, by whomever: that is seen in the next look
        for effect in afar:
            self._made(acting.row, effect)
        return [effect for effect in effects if type(effect) not in AFAR]

    # --- images that go by import ------------------------------------------------------------------------------------

    def _imports(self, owner: Owner) -> bool:
        return owner.kind is OwnerKind.SESSION and self.survey.route.dicom == "import"

    def _images(self, acting: Acting) -> Images:
        row = acting.row
        return Images(
            self.world, self.survey, row, acting.owner, acting.subject_id, acting.left, is_made=row.id in self.created
        )

    def _imported(self, look: Look, acting: Acting) -> Objects | Due:
        """Do what can be done for the images of a session before anything else of it is looked at."""
        images = self._images(acting)
        try:
            return images.bring(look)
        finally:
            if images.changed:
                self.written.add(acting.row.id)
            if images.is_made:
                self.created.add(acting.row.id)

    def _subject_id(self, owner: Owner) -> str:
        """Return the subject at the destination that a session belongs to; "" while it is not there."""
        if owner.kind is not OwnerKind.SESSION:
            return ""
        number = self.survey.subjects.get(owner.subject_id)
        known = self.world.ledger.counterparts(number).get("") if number is not None else None
        return known.there_id if known is not None else ""

    # --- looking -----------------------------------------------------------------------------------------------------

    def _look(self, row: OwnerRow, owner: Owner, before: Look | None) -> Look:
        """Look at both sides; the source is described once a step."""
        route, world = self.survey.route, self.world
        source, destination = world.server(route.server), world.server(route.to_server)
        if before is None:
            listing = source.all_files([owner]).get(owner)
            if listing is None:
                raise ReadFailed("it was at the source just now and is gone: looked at again in the next run")
            here = route.filters.narrowed(source.describe(owner))
            able = beside(here) if route.server == route.to_server else here
            left = tuple(Part(part.kind, part.name) for part in here.parts if part not in able.parts)
            before = Look(row, owner, able, listing, left=left)
        there_owner = self._there(row, owner)
        if there_owner is None:
            return replace(before, there=None, there_owner=None, there_files=FileListing(()))
        try:
            there: Described | None = destination.describe(there_owner)
            files = destination.all_files([there_owner]).get(there_owner)
        except NotThere:
            there, files = None, None
        if there is None or files is None:
            raise ReadFailed("it was at the destination just now and is gone: looked at again in the next run")
        return replace(before, there=there, there_owner=there_owner, there_files=files)

    def _there(self, row: OwnerRow, owner: Owner) -> Owner | None:
        """Return what stands for an entity: as the listing of this run shows it, or as it was made since."""
        known = self.world.ledger.counterparts(row.id).get("")
        if known is not None and known.there_id:
            listed = self.survey.there.get((owner.kind, known.there_id))
            if listed is not None:
                return listed
            if row.id in self.created:
                return made(owner, self.survey.route.to_project, known.there_id, self._subject_id(owner))
            if not self.survey.there_whole:
                raise ReadFailed("the destination's listing is not whole: nothing is concluded from what it leaves out")
            return None
        found = self.survey.stand_in(row.id)
        if found is not None or known is None:
            return found
        return self._listed_anew(owner)

    def _listed_anew(self, owner: Owner) -> Owner | None:
        """Look for what was made without an answer, or by another coordinator meanwhile."""
        route = self.survey.route
        try:
            listing = self.world.server(route.to_server).inventory(route.to_project, frozenset({owner.kind}))
        except NotThere:
            return None
        for other in listing.owners:
            is_it = other.kind is OwnerKind.PROJECT or label_of(other) == label_of(owner)
            if other.kind is owner.kind and not other.home and is_it:
                self.survey.there[other.kind, other.id] = other  # the listings of this run began before it
                return other
        if not listing.complete:
            raise ReadFailed("the destination's listing is not whole: nothing is concluded from what it leaves out")
        return None

    # --- deciding ----------------------------------------------------------------------------------------------------

    def _decide(
        self, look: Look, acting: Acting, *, dry: bool, objects: Objects | None = None, foreseen: Iterable[Effect] = ()
    ) -> Wanted:
        known = self.world.ledger.counterparts(look.row.id)
        deciding = Deciding(self.world, self.survey, look, known, dry, objects)
        deciding.wanted.effects += foreseen
        deciding.things()
        if "" in deciding.present:
            compare = None if dry else lambda *sides: self._compare(look, acting, *sides)
            DecidingFiles(deciding, acting.passed, acting.left, compare).decide()
        elif deciding.wanted.effects:
            if any(isinstance(effect, Create) and not effect.part for effect in deciding.wanted.effects):
                self._refuse_strangers(look, deciding.wanted, dry=dry)
            if dry:
                DecidingFiles(deciding, acting.passed, acting.left, None).decide()
        elif objects is not None:
            DecidingObjects(deciding, objects, {}, acting.left).decide()
        return deciding.wanted

    def _refuse_strangers(self, look: Look, wanted: Wanted, *, dry: bool) -> None:
        """Create no session that is there under another label, or whose place somebody's upload waits for."""
        if look.owner.kind is not OwnerKind.SESSION or (dry and not self.survey.there):
            return  # a plan: the project is not there yet
        route, label, uid = self.survey.route, look.here.name, study_uid(look.here)
        destination = self.world.server(route.to_server)
        others = destination.sessions(route.to_project, study_uid=uid) if uid else ()
        is_taken = bool(others)
        for other in others:
            why = f"the study of session {label} is at the destination as session {other.label} of {other.subject}"
            wanted.tell("", LabelTaken.code, why, person=True)
        for upload in destination.prearchive(route.to_project):
            if upload.name == label or (uid and upload.study_uid == uid):
                why = (
                    f"session {upload.name} of {upload.subject} waits in the prearchive, where session {label} belongs"
                )
                wanted.tell("", PrearchiveOccupied.code, why, person=True)
                is_taken = True
        if is_taken:
            wanted.effects.clear()

    def _compare(
        self, look: Look, acting: Acting, key: ResourceKey, target: ResourceKey, here: RemoteFile, there: RemoteFile
    ) -> Compared:
        """Fetch a file from both sides, but for what passed through in this run.

        LostAtSource or ChangedThere when a side lists it and cannot give it: that concerns this file alone.
        """
        assert look.there_owner is not None
        route = self.survey.route
        mine = acting.passed.get((key, here.name))
        try:
            if mine is None:
                mine = self._twice(route.server, look.owner, key, here.name)
        except ODD as error:
            raise LostAtSource(f"the source lists it and cannot give it: {error}") from error
        theirs = acting.came_back.pop((target, there.name), None)  # as it was fetched after this look
        try:
            if theirs is None:
                theirs = self._twice(route.to_server, look.there_owner, target, there.name)
        except NotThere as error:
            raise ChangedThere("the destination lists it and cannot give it") from error
        read = Compared(mine, theirs)
        if read.same and here.digest not in {"", mine.md5}:
            raise ContentDiffers("the source gave other bytes than it lists")
        return read

    def _twice(self, server: str, owner: Owner, key: ResourceKey, name: str) -> Bytes:
        """Fetch a file, once more where that may help."""
        try:
            return self._bytes(server, owner, key, name)
        except ODD:
            return self._bytes(server, owner, key, name)

    def _fetch_afar(self, look: Look, acting: Acting, place: Place) -> None:
        """Have a worker fetch what is to be compared by its bytes; deciding finds it in `acting`."""
        asked: list[Fetch] = []
        acting.came_back.clear()

        def ask(key: ResourceKey, target: ResourceKey, here: RemoteFile, there: RemoteFile) -> None:
            if (key, here.name) not in acting.passed:
                asked.append(Fetch("source", key, here.name))
            asked.append(Fetch("destination", target, there.name))

        deciding = Deciding(self.world, self.survey, look, self.world.ledger.counterparts(look.row.id))
        deciding.things()
        if "" in deciding.present:
            DecidingFiles(deciding, acting.passed, acting.left, ask).decide()
        if not asked or look.there_owner is None:
            return
        for order, found in Away(acting, place).contents_of(look.there_owner, asked).items():
            if order.side == "source":
                acting.passed[order.key, order.name] = found
            else:
                acting.came_back[order.key, order.name] = found

    def _bytes(self, server: str, owner: Owner, key: ResourceKey, name: str) -> Bytes:
        return fetched(self.world.server(server), owner, key, name)

    # --- writing down ------------------------------------------------------------------------------------------------

    def _write_down(self, row: OwnerRow, look: Look, wanted: Wanted) -> None:
        """Write down what is known from this look."""
        ledger = self.world.ledger
        with ledger.write():
            known = ledger.counterparts(row.id)
            for part, noted in wanted.noted.items():
                old = known.get(part)
                if old is None or (old.there_id, old.there_label, dict(old.facts)) != (
                    noted.there_id, noted.there_label, noted.facts,
                ):  # fmt: skip
                    ledger.note_counterpart(
                        row.id, part, source_id=noted.source_id, there_id=noted.there_id,
                        there_label=noted.there_label, facts=noted.facts,
                    )  # fmt: skip
            ledger.change_versions(wanted.begun, wanted.ended, self.world.now(), self.world.run_id)

    def _end(self, row: OwnerRow, owner: Owner, look: Look, wanted: Wanted) -> Result:
        """Write down that nothing is to be done any more, and what is not in agreement."""
        world = self.world
        troubles = [*wanted.troubles, *self._of_the_survey(owner)]
        is_told = self._imports(owner) or any(trouble.person for trouble in troubles)
        if look.there is None and not is_told:
            raise EffectMissing("it is not at the destination, and nothing was found to be done about that")
        is_open = wanted.cut or bool(self.left.get(row.id))  # asked for again in the next run
        with world.ledger.write():
            self._write_down(row, look, wanted)
            is_held = hold_by(world, row, troubles)
            if not is_held:
                world.ledger.agree_owner(row.id, owner, {}, world.now())
                world.note(row.route, "agreed", f"o{row.id} agrees", owner=row.id)
            here, there = self.survey.looks[row.id]
            if not (is_held or is_open or row.id in self.written) and here and there:
                world.ledger.note_look(row.id, here, there)
        world.count(row.route, "held" if is_held else "agreed")
        world.count(row.route, "incomplete", int(wanted.cut))
        barred = any(trouble.code in {LabelTaken.code, GoneThere.code} and not trouble.path for trouble in troubles)
        is_there = look.there is not None and not barred
        self.failures.went(row.id, is_held=is_held and not is_there)
        return Rest(self.failures.freed(row.id) if is_there else ())

    def _of_the_survey(self, owner: Owner) -> list[Trouble]:
        if owner.kind is not OwnerKind.PROJECT:
            return []
        return self.survey.troubles()
