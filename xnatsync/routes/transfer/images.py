"""The images of a session on their way as a DICOM import: announced, sent, built, archived and proven, step by step.

The ledger knows our row in the prearchive before each upload and after it, so that a run that is killed anywhere goes
on: a row that may hold a cut object is deleted, and nothing is archived that was not listed whole a moment before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from xnatsync.core.errors import (
    Disposition,
    EffectMissing,
    LabelUnusable,
    LostAtSource,
    PrearchiveOccupied,
    XnatsyncError,
)
from xnatsync.core.import_decision import (
    Build,
    Commit,
    Discard,
    Hold,
    ImportView,
    ImportWish,
    OurRow,
    Send,
    Step,
    There,
    Wait,
    decide_import,
)
from xnatsync.core.inventory import Owner, ResourceKey
from xnatsync.core.labels import is_valid_label
from xnatsync.core.moment import seconds_between
from xnatsync.core.remote import ImportTarget, RemoteFile, SessionSeen
from xnatsync.core.transfer_decision import study_uid
from xnatsync.dicom.identity import study_in
from xnatsync.engine.attempts import Attempt, OnThing
from xnatsync.engine.holds import LOOK_AGAIN_S
from xnatsync.engine.result import Due
from xnatsync.ledger.imports import ObjectRow
from xnatsync.ledger.tree_rows import DeedRow, OwnerRow
from xnatsync.routes.transfer import importing
from xnatsync.routes.transfer.acts import made
from xnatsync.routes.transfer.carry import Reading, pack_bytes
from xnatsync.routes.transfer.importing import Imported, Importer, LeftObject, Place, SentObject
from xnatsync.routes.transfer.load import Load
from xnatsync.routes.transfer.objects import Learning, Objects, goes
from xnatsync.routes.transfer.proving import prove
from xnatsync.routes.transfer.survey import TransferSurvey
from xnatsync.routes.transfer.wanted import Effect, ImportFiles, Look
from xnatsync.routes.transfer.world import TransferWorld

IMPORT, BUILD, COMMIT, DISCARD = "/import", "/build", "/commit", "/discard"
STEPS_MAX: Final = 16  # in one go: what the server still does not do then, it does not do
_WHOLE: Final = ResourceKey("", "")
_AGAIN: Final = frozenset({Disposition.RETRY, Disposition.LOOK, Disposition.PAUSE})


@dataclass(slots=True)
class Images:
    """Brings the images of one session to the destination, in one run."""

    world: TransferWorld
    survey: TransferSurvey
    row: OwnerRow
    owner: Owner  # of the source
    subject_id: str  # at the destination
    left: dict[Place, XnatsyncError]
    is_made: bool = False  # in this run: no listing of the survey shows it
    changed: bool = field(default=False)  # something was written

    def bring(self, look: Look) -> Objects | Due:
        """Do all that can be done now; what is due later waits for the server, or for an earlier write to land."""
        files = goes(look)
        if self.row.hold is None:
            self._ask_again()
        for _ in range(STEPS_MAX):
            if (waits := self._waits()) is not None:
                return waits
            found = self._known(look, files, read=True)
            ours = self.world.ledger.import_row(self.row.id) or OurRow()
            if self._is_gone(look) or not (found.uids or ours.uri or ours.broken):
                return found
            if (error := self._odd_label(look)) is not None:
                found.held = error
                return found
            wish, view = self._looked(look, found, ours, dry=False)
            step = decide_import(wish, ours, view)
            found.there = view.there
            if isinstance(step, There):
                self._concluded(look, step.session_id, found)
                return found
            if isinstance(step, Wait):
                return Due(LOOK_AGAIN_S, step.why)
            if isinstance(step, Hold):
                return self._held(look, found, step.error)
            self._act(look, step, found, ours, wish, view)
        raise EffectMissing("the destination said yes, and shows again and again that it was not done")

    def foresee(self, look: Look) -> tuple[Objects, list[Effect]]:
        """Say what would be sent, from the same looks; nothing of the source is read, and nothing is done."""
        files = goes(look)
        found = self._known(look, files, read=False)
        ours = self.world.ledger.import_row(self.row.id) or OurRow()
        unknown = [place for place in files if place not in found.rows]
        found.unread = frozenset(unknown)
        if self._is_gone(look) or not (found.uids or unknown or ours.uri):
            return found, []
        if (error := self._odd_label(look)) is not None:
            found.held = error
            return found, []
        wish, view = self._looked(look, found, ours, dry=True)
        step = decide_import(wish, ours, view)
        found.there = view.there
        if isinstance(step, Hold):
            return self._held(look, found, step.error), []
        if isinstance(step, There):
            found.session_id = step.session_id
        due = [found.uids[uid] for uid in wish.objects - view.archived]
        effects: list[Effect] = []
        for key, listed in _by_key([*due, *unknown]).items():
            chosen = tuple(files[key, name] for name in listed)
            effects.append(ImportFiles(key, key, chosen, _of_resource(files, key)))
        return found, effects

    def _ask_again(self) -> None:
        """Forget what was refused, where a person released what waited for one: each is tried once more."""
        ledger = self.world.ledger
        refused = [row for row in ledger.import_objects(self.row.id).values() if row.code]
        with ledger.write():
            ledger.note_objects([replace(row, seen=bytes(32)) for row in refused])
            ours = ledger.import_row(self.row.id)
            if ours is not None and ours.sends:
                ledger.note_import(self.row.id, replace(ours, sends=0))

    # --- looking -----------------------------------------------------------------------------------------------------

    def _known(self, look: Look, files: Mapping[Place, RemoteFile], *, read: bool) -> Objects:
        source = self.world.server(self.survey.route.server)
        learning = Learning(self.world.ledger, source, self.owner, self.row.id, self.left)
        rows = learning.learn(files, read=read)
        arrived = {row.scan for row in self.world.ledger.import_objects(self.row.id).values() if row.there is not None}
        asked = {place: file for place, file in files.items() if place not in self.left}
        return Objects(asked, rows, once=frozenset(arrived))

    def _is_gone(self, look: Look) -> bool:
        """Return whether it was at the destination and is not any more: sent again only when that is asked for."""
        known = self.world.ledger.counterparts(self.row.id).get("")
        is_known = known is not None and bool(known.there_id)
        return is_known and look.there_owner is None and not (self.is_made or self.survey.route.repair)

    def _odd_label(self, look: Look) -> LabelUnusable | None:
        """Return why nothing is sent under labels that an import would change (import.md §4.4)."""
        for label in (self._subject(), look.here.name):
            if not is_valid_label(label):
                return LabelUnusable(
                    f"an import would change the label {label}",
                    advice="Give it a label of letters, digits, `_` and `-` at the source.",
                )
        return None

    def _subject(self) -> str:
        number = self.survey.subjects.get(self.owner.subject_id)
        known = self.world.ledger.counterparts(number).get("") if number is not None else None
        return known.there_label if known is not None and known.there_label else self.owner.subject

    def _looked(self, look: Look, found: Objects, ours: OurRow, *, dry: bool) -> tuple[ImportWish, ImportView]:
        route, there = self.survey.route, look.there_owner
        known = self.world.ledger.counterparts(self.row.id).get("")
        accession = known.there_id if known is not None and there is not None else ""
        wish = ImportWish(
            route.to_project, self._subject(), look.here.name, self._study(look, found), frozenset(found.uids),
            accession,
        )  # fmt: skip
        session = None
        if there is not None and accession:
            uid = study_uid(look.there) if look.there is not None else ""
            session = SessionSeen(there.id, route.to_project, there.session, there.subject, uid, there.xsi_type)
        if dry and not self.survey.there:  # the project is not there yet
            return wish, ImportView()
        with self.world.looking:
            view = importing.look(self.world.server(route.to_server), wish, ours, session)
        return replace(wish, objects=wish.objects - self._deleted(found, view)), view

    def _study(self, look: Look, found: Objects) -> str:
        """Return the study of the session: as the source says, else as its first object does."""
        if (uid := study_uid(look.here)) or not found.uids:
            return uid
        key, name = min(found.uids.values())
        content = self.world.server(self.survey.route.server).fetch_file(self.owner, key, name)
        try:
            return study_in(content)
        finally:
            if (close := getattr(content, "close", None)) is not None:
                close()

    def _deleted(self, found: Objects, view: ImportView) -> frozenset[str]:
        """Return the objects that had arrived and were deleted there."""
        if self.survey.route.repair:
            return frozenset()
        living = {(one.key, one.name) for one in self.world.ledger.living_of(self.row.id)}
        arrived = {row.sop_uid for place, row in found.rows.items() if place in living}
        return frozenset(arrived) & frozenset(found.uids) - view.archived

    def _waits(self) -> Due | None:
        """Return how long an earlier change without an answer may still land."""
        ledger, now = self.world.ledger, self.world.now()
        deeds = [ledger.latest_deed(self.row.id, _WHOLE, name) for name in (IMPORT, BUILD, COMMIT, DISCARD)]
        quiet = [deed.quiet_at for deed in deeds if deed is not None and deed.outcome == "unknown"]
        if not quiet or now >= max(quiet):
            return None
        return Due(max(seconds_between(now, max(quiet)), LOOK_AGAIN_S), "an earlier upload may still land")

    def _held(self, look: Look, found: Objects, error: XnatsyncError) -> Objects:
        if error.disposition in _AGAIN and not isinstance(error, PrearchiveOccupied):
            raise error
        found.held = error
        found.session_id = look.there_owner.id if look.there_owner is not None else ""
        return found

    # --- doing -------------------------------------------------------------------------------------------------------

    def _act(self, look: Look, step: Step, found: Objects, ours: OurRow, wish: ImportWish, view: ImportView) -> None:
        self.changed = True
        destination, ledger = self.world.server(self.survey.route.to_server), self.world.ledger
        if isinstance(step, Send):
            self._send(look, step, found, ours, wish, view)
            return
        assert isinstance(step, Build | Commit | Discard)
        name = {Build: BUILD, Commit: COMMIT, Discard: DISCARD}[type(step)]

        def act(deed: DeedRow) -> list[XnatsyncError]:
            importing.act(destination, step, deed.request_id)
            if isinstance(step, Discard):
                ledger.note_import(self.row.id, OurRow(sends=ours.sends))
            return []

        self._attempt(name, [step.uri], lambda: None, act)

    def _send(self, look: Look, step: Send, found: Objects, ours: OurRow, wish: ImportWish, view: ImportView) -> None:
        world, route = self.world, self.survey.route
        is_there = any(one.uri == ours.uri for one in view.rows)
        before = ours.before if is_there else frozenset(one.uri for one in view.rows)
        row = OurRow(ours.uri if is_there else "", ours.sends, before=before)
        places = [found.uids[uid] for uid in sorted(step.objects)]
        loads = [
            Load(key, key, tuple(found.files[key, name] for name in names), _of_resource(found.files, key),
                 keeps_names=False)
            for key, names in sorted(_by_key(places).items())
        ]  # fmt: skip
        line = world.lines.between(route.server, route.to_server)
        importer = Importer(
            world.server(route.to_server), ImportTarget(wish.project, wish.subject, wish.session), wish.study_uid, "",
            expected={place: found.rows[place].sop_uid for place in places},
            moved=world.progress.fetched, result=Imported(uri=row.uri),
            opening=lambda: world.ledger.note_import(self.row.id, replace(row, uri=importer.result.uri, broken=True)),
            taken=lambda result, sent: self._taken(row, found, result, sent),
        )  # fmt: skip

        def act(deed: DeedRow) -> list[XnatsyncError]:
            world.progress.goal(sum(file.size or 0 for load in loads for file in load.files))
            importer.request_id = deed.request_id
            with Reading(
                world.server(route.server), self.owner, loads, pack=pack_bytes(route.workers), line=line,
                threads=world.threads, stopping=world.stopping,
            ) as reading:  # fmt: skip
                result = importer.send((load.source, reading.of(load)) for load in loads)
            self._keep(row, found, result)
            return [result.failure] if result.failure is not None else []

        self._attempt(IMPORT, sorted(step.objects), lambda: world.ledger.note_import(self.row.id, row), act)

    def _attempt(
        self, name: str, of: Iterable[str], noted: Callable[[], None],
        act: Callable[[DeedRow], list[XnatsyncError]],
    ) -> None:  # fmt: skip
        digest = hashlib.sha256("\n".join(of).encode()).digest()
        Attempt(self.world, OnThing(self.row.id, _WHOLE, name, digest, noted), self.survey.route.quiet_s).carry_out(act)

    def _taken(self, row: OurRow, found: Objects, result: Imported, sent: Sequence[SentObject]) -> None:
        """Write down what an upload took: what was sent of each object, and that our row is whole again."""
        ledger = self.world.ledger
        with ledger.write():
            ledger.note_import(self.row.id, replace(row, uri=result.uri, broken=result.broken))
            ledger.note_objects(
                [
                    replace(
                        found.rows[one.place], sha256=one.sha256, md5=one.md5, pixels=one.pixels, content=one.content,
                        syntax=one.syntax, proof="", there=None,
                    )
                    for one in sent
                ]
            )  # fmt: skip
        self.world.count(self.row.route, "files", len(sent))
        self.world.count(self.row.route, "bytes", sum(one.size for one in sent))

    def _keep(self, row: OurRow, found: Objects, result: Imported) -> None:
        """Write down what became of the others, and how the whole ended."""
        ledger = self.world.ledger
        for lost in result.lost:
            self.left[lost.place] = LostAtSource(f"the source lists it and cannot give it: {lost.error}")
        for other in result.changed:
            self.left[other.place] = other.error
        self.world.count(self.row.route, "lost", len(result.lost))
        rows = [self._unfit(found, one) for one in result.unfit]
        rows += [
            replace(found.rows[place], sop_uid=uid, origin="bytes", sha256=None, proof="", there=None)
            for place, uid in result.others.items()
        ]
        with ledger.write():
            ledger.note_objects(rows)
            whole = result.failure is None and bool(result.sent)
            sends = row.sends + int(whole)
            ledger.note_import(self.row.id, replace(row, uri=result.uri, broken=result.broken, sends=sends))

    def _unfit(self, found: Objects, one: LeftObject) -> ObjectRow:
        return replace(
            found.rows[one.place], sop_uid="", origin="bytes", code=one.error.code, detail=str(one.error), sha256=None,
            proof="", there=None,
        )  # fmt: skip

    # --- concluding --------------------------------------------------------------------------------------------------

    def _concluded(self, look: Look, session_id: str, found: Objects) -> None:
        """Note that the session holds every object, and prove it of those that were not proven before."""
        ledger = self.world.ledger
        found.session_id = session_id
        known = ledger.counterparts(self.row.id).get("")
        with ledger.write():
            if known is None or known.there_id != session_id:
                ledger.note_counterpart(
                    self.row.id, "", source_id=look.here.id, there_id=session_id, there_label=look.here.name,
                    facts=known.facts if known is not None else {},
                )  # fmt: skip
                self.is_made = True
            ledger.note_import(self.row.id, None)
        there = made(self.owner, self.survey.route.to_project, session_id, self.subject_id)
        prove(self.world, self.survey.route, self.owner, there, found)


def _by_key(places: Iterable[Place]) -> dict[ResourceKey, list[str]]:
    found: dict[ResourceKey, list[str]] = {}
    for key, name in sorted(places):
        found.setdefault(key, []).append(name)
    return found


def _of_resource(files: Mapping[Place, RemoteFile], key: ResourceKey) -> tuple[RemoteFile, ...]:
    return tuple(file for (other, _), file in files.items() if other == key)
