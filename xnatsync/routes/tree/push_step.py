"""One step of a push: what the tree has of an owner and the server has not goes up, and is proven byte for byte."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from xnatsync.core.errors import (
    ContentDiffers,
    ListingShort,
    NameHostile,
    NameRefused,
    NotThere,
    ReadFailed,
    SourceChanged,
    SourceError,
    Stopped,
    XnatsyncError,
)
from xnatsync.core.inventory import Owner, ResourceKey
from xnatsync.core.mirror_decision import Trouble
from xnatsync.core.moment import clock_words, later, seconds_between
from xnatsync.core.push_decision import Agreed, Compare, Later, Put, Refuse, Sending, decide_sending
from xnatsync.core.sides import BaseFile, ContentLike, ServerFile
from xnatsync.core.streams import closed_after
from xnatsync.engine.holds import LOOK_AGAIN_S, still_waits
from xnatsync.engine.result import Due, Rest, Result
from xnatsync.ledger.tree_rows import NewVersion, OwnerRow, VersionRow
from xnatsync.ports.tree import Content
from xnatsync.routes.tree.holds import fail, hold_by, name_of
from xnatsync.routes.tree.landing import outlived
from xnatsync.routes.tree.push_past import followed, is_unstored, last_deed, latest_deed, was_there
from xnatsync.routes.tree.push_stores import REFUSALS, PushStores, Sent, refusal
from xnatsync.routes.tree.push_survey import LocalFile, PushSurvey
from xnatsync.routes.tree.world import TreeWorld
from xnatsync.xnat.resource_names import check_storable

_Listed = dict[tuple[str, str, str], ServerFile]


@dataclass(frozen=True, slots=True)
class _Listing:
    """What the server has of an owner.  Of `hidden` resources some files have names that nobody may write."""

    files: _Listed
    complete: bool  # but for those
    hidden: frozenset[ResourceKey]


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a run would do with the files of one owner."""

    store: tuple[LocalFile, ...] = ()
    compare: tuple[LocalFile, ...] = ()  # the server tells no digest: fetched first, and stored only if they are ours
    troubles: tuple[Trouble, ...] = ()
    waits: str = ""  # the file that still settles


@dataclass(slots=True)
class PushStep:
    """Steps the owners of one push in one run."""

    world: TreeWorld
    survey: PushSurvey

    def step(self, number: int) -> Result:
        """Send what is missing of one owner; never raises an XnatsyncError."""
        row = self.world.ledger.owner(number)
        if (held := still_waits(row, self.world.now())) is not None:
            return held
        try:
            return self._send(row, self.survey.owners[number])
        except XnatsyncError as error:
            return fail(self.world, self.survey.route, row, error)

    def _send(self, row: OwnerRow, owner: Owner) -> Result:
        """Settle, then decides file by file; a proof by a new listing ends it."""
        world = self.world
        files = self.survey.files[row.id]
        if (waits := self._unsettled(files)) is not None:
            wait_s, youngest = waits
            why = f"{youngest.path} settles after {clock_words(later(world.now(), wait_s))}"
            world.progress.owner(row.id, name_of(owner), why)
            return Due(wait_s, why)
        world.progress.owner(row.id, name_of(owner), "looked at")
        listing = self._listing(owner)
        base = {version.path: version for version in world.ledger.living_of(row.id)}
        troubles: list[Trouble] = []
        due: list[Sent] = []
        wait_until = ""
        for file in files:
            if world.stopping():
                raise Stopped("asked to stop")
            try:
                here = world.disk.read(self.survey.route.folder, file.path, stop=world.stopping)
                answer = self._decide(row, owner, file, here, base.get(file.path), listing)
                match answer:
                    case Agreed():
                        self._agree(row, file, here, base.get(file.path))
                    case Later(until):
                        wait_until = max(wait_until, until)
                    case Refuse(error, person):
                        troubles.append(Trouble(file.path, error.code, str(error), person))
                    case Put(overwrite):
                        due.append(Sent(file, here, overwrite))
                    case Compare():
                        raise AssertionError("compared already")
            except REFUSALS as error:
                troubles.append(refusal(file, error))
        sent, refused = PushStores(self.world, self.survey.route).store(row, owner, due)
        troubles += refused
        found, whole = self._look_again(row, owner, {file.path for file in files}, listing)
        troubles += found
        listed = self._listing(owner).files if sent else {}
        for one in sent:
            self._prove(row, owner, one.file, one.here, base.get(one.file.path), listed)
        self._let_go(row, owner)
        put_off = {trouble.path for trouble in troubles if not trouble.person}
        unstored = any(is_unstored(world, row, file) for file in files if file.path in put_off)
        hold_by(world, row, troubles, keeps_tries=unstored or bool(wait_until))  # only a store ends a store's waits
        if whole and not (troubles or wait_until or sent):
            self._note_counts(row)
        world.tally(row.route).add("incomplete", sum(not trouble.person for trouble in troubles))  # not sent this time
        if wait_until:
            wait_s = seconds_between(world.now(), wait_until)
            return Due(max(wait_s, LOOK_AGAIN_S), "an earlier store may still land")
        return Rest()

    def _look_again(
        self, row: OwnerRow, owner: Owner, fresh: set[str], listing: _Listing, *, fetches: bool = True
    ) -> tuple[list[Trouble], bool]:
        """Tell of files that are here as they were agreed, and not so on the server any more.  Nothing is sent.

        True when all of them are there.
        """
        troubles: list[Trouble] = []
        whole = listing.complete and row.id in self.survey.seen
        living = self.world.ledger.living_of(row.id) if row.id in self.survey.seen else []
        ended = {*self.survey.ended, *followed(living, self.survey.route.layout, owner)}
        for version in living:
            if version.path in fresh or version.id in ended:
                continue
            file = LocalFile(version.path, version.key, version.name, version.size, version.mtime_ns)
            answer = self._decide(row, owner, file, version, version, listing, fetches=fetches)
            if isinstance(answer, Refuse):
                troubles.append(Trouble(version.path, answer.error.code, str(answer.error), answer.person))
            whole = whole and isinstance(answer, Agreed)
        return troubles, whole

    def _let_go(self, row: OwnerRow, owner: Owner) -> None:
        """End what both sides agreed on at a path that is not the entity's any more: the file is sent from another."""
        world = self.world
        if older := followed(world.ledger.living_of(row.id), self.survey.route.layout, owner):
            world.ledger.change_versions([], [(number, "moved") for number in sorted(older)], world.now(), world.run_id)

    def foresee(self, number: int) -> Foreseen:
        """Decide as `step` does, from the same looks, and do nothing; what would be fetched to compare is not."""
        row, owner = self.world.ledger.owner(number), self.survey.owners[number]
        files = self.survey.files[number]
        waits = self._unsettled(files)
        listing = self._listing(owner)
        base = {version.path: version for version in self.world.ledger.living_of(number)}
        store, compare, troubles = [], [], list[Trouble]()
        for file in files:
            try:
                here = self.world.disk.read(self.survey.route.folder, file.path, stop=self.world.stopping)
                answer = self._decide(row, owner, file, here, base.get(file.path), listing, fetches=False)
                if isinstance(answer, Put):
                    check_storable(file.key, file.name)
            except (NotThere, NameRefused, SourceError) as refused:
                answer = Refuse(refused, person=not isinstance(refused, SourceError))
            match answer:
                case Put():
                    store.append(file)
                case Compare():
                    compare.append(file)
                case Refuse(error, person):
                    troubles.append(Trouble(file.path, error.code, str(error), person))
                case Agreed() | Later():
                    pass
        found, _ = self._look_again(row, owner, {file.path for file in files}, listing, fetches=False)
        return Foreseen(tuple(store), tuple(compare), (*troubles, *found), waits[1].path if waits else "")

    def _note_counts(self, row: OwnerRow) -> None:
        """Write down what the server counts while both sides agree: when it counts otherwise, the owner is due."""
        ours = {version.key for version in self.world.ledger.living_of(row.id)}
        counts = {
            seen.key: (seen.stamp, seen.files or 0, seen.size or 0)
            for seen in self.survey.seen[row.id]
            if seen.key in ours
        }
        self.world.ledger.note_resources(row.id, counts, self.world.now())

    # --- looking -------------------------------------------------------------------------------------------------

    def _unsettled(self, files: list[LocalFile]) -> tuple[float, LocalFile] | None:
        """Return how long until the newest file was left alone long enough, and which it is; None when all were.

        A time in the future is believed old.
        """
        now_s = self.world.clock.now().timestamp()
        ages = [(now_s - file.mtime_ns / 1e9, file) for file in files]
        young = [
            (self.survey.route.settle_s - age, file) for age, file in ages if 0 <= age < self.survey.route.settle_s
        ]
        return max(young, key=lambda waits: waits[0], default=None)

    def _listing(self, owner: Owner) -> _Listing:
        listing = self.world.archive(self.survey.route.server).owner_files([owner]).get(owner)
        if listing is None:
            raise ReadFailed("it was there just now and is gone: looked at again in the next run")
        files = {
            (file.scan, file.resource, file.name): ServerFile(
                ResourceKey(file.scan, file.resource), file.name, "", file.size, file.digest
            )
            for file in listing.files
        }
        hidden = frozenset(ResourceKey(scan, label) for scan, label, _ in listing.refused)
        known = bool(hidden) and not listing.is_of_unknown_place  # else what is refused may be in any resource
        return _Listing(files, listing.complete or known, hidden)

    def _decide(
        self,
        row: OwnerRow,
        owner: Owner,
        file: LocalFile,
        here: ContentLike,
        base: VersionRow | None,
        listing: _Listing,
        *,
        fetches: bool = True,
    ) -> Sending:
        """Ask the pure core; where it wants to compare, what lies there is fetched and hashed."""
        route = self.survey.route
        if base is None and not route.create_resources and file.key not in self.survey.counted[row.id]:
            error = NotThere(
                f"there is no resource {file.key.label} there yet",
                advice="Create it on the server, or set `create_resources = true`.",
            )
            return Refuse(error)
        there = listing.files.get((file.key.scan, file.key.label, file.name))
        deed = latest_deed(self.world, route, row, file)
        last = last_deed(deed)
        known = _base(base) if base is not None else None
        ours = base is not None and base.origin == "tree"
        now = self.world.now()
        if deed is not None and deed.outcome != "ok" and now >= deed.quiet_at:
            last = None if was_there(self.world, route, file, deed) else last  # it proves nothing to be ours
        complete = listing.complete
        if known is not None or last is not None:  # else all that follows is a store that may be refused
            if there is None and file.key in listing.hidden:
                return Refuse(NameHostile("the server has names in its resource that no file may have: is it there?"))
            complete = complete and not self._is_short(row, file.key, listing.files)
        answer = decide_sending(here, known, there, last, ours=ours, complete=complete, now=now)
        if isinstance(answer, Compare) and fetches:
            longest = max(file.size, base.size if base is not None else 0)
            stated = there.size if there is not None else None
            fetched = self._digest_there(owner, file, longest if stated is None else stated)
            answer = decide_sending(here, known, there, last, ours=ours, complete=complete, now=now, fetched=fetched)
        if isinstance(answer, Put) and answer.overwrite and there is None and fetches and self._is_there(owner, file):
            short = ListingShort("the server has a file of this name that it does not list, so nothing was sent")
            return Refuse(short, person=False)
        return answer

    def _is_there(self, owner: Owner, file: LocalFile) -> bool:
        """Tell whether the server gives a file by its name: then a catalogue names it, whatever the listing showed.

        What an interrupted store left is in no catalogue, and answered by 404 (hierarchy.md §6.1, §6.5).
        """
        archive = self.world.archive(self.survey.route.server)
        try:
            with closed_after(archive.fetch_file(owner, file.key, file.name)) as pieces:
                next(iter(pieces), b"")
        except NotThere:
            return False
        return True

    def _is_short(self, row: OwnerRow, key: ResourceKey, listed: _Listed) -> bool:
        """Return whether fewer files of a resource are listed than the server counts: then no absence is certain."""
        counted = self.survey.counted[row.id].get(key)
        many = sum((scan, label) == (key.scan, key.label) for scan, label, _ in listed)
        return counted is not None and many < counted

    def _digest_there(self, owner: Owner, file: LocalFile, most: int) -> bytes:
        """Return the digest of what is there, b"" when it is longer than `most`: then it is another.

        `most` is the size that the server states: an earlier content of ours may be longer than what lies here now.
        """
        digest, size = hashlib.sha256(), 0
        with closed_after(
            self.world.archive(self.survey.route.server).fetch_file(owner, file.key, file.name)
        ) as pieces:
            for piece in pieces:
                size += len(piece)
                if size > most:
                    return b""
                digest.update(piece)
        return digest.digest()

    # --- proving -------------------------------------------------------------------------------------------------

    def _prove(
        self,
        row: OwnerRow,
        owner: Owner,
        file: LocalFile,
        here: Content,
        base: VersionRow | None,
        listed: _Listed,
    ) -> None:
        """A 200 proves nothing (hierarchy.md §6.1): the listing must show it, by digest, or it is fetched back."""
        there = listed.get((file.key.scan, file.key.label, file.name))
        if there is None or (there.size is not None and there.size != here.size):
            raise ContentDiffers(f"a file of o{row.id} was accepted, and the server does not list it as it is here")
        same = there.md5 == here.md5 if there.md5 else self._digest_there(owner, file, here.size) == here.sha256
        if not same:
            raise ContentDiffers(f"a file of o{row.id} was accepted, and the server holds other bytes")
        self._agree(row, file, here, base)

    def _agree(self, row: OwnerRow, file: LocalFile, here: Content, base: VersionRow | None) -> None:
        """Write down that both sides hold the same; who had it first stays so."""
        world = self.world
        if world.disk.stat(self.survey.route.folder, file.path) != (here.size, here.mtime_ns):
            raise SourceChanged(f"{file.path} changed while it was sent")
        if base is not None and base.sha256 == here.sha256:
            world.ledger.touch_versions({base.id: here.mtime_ns})
            return
        mine = world.ledger.latest_deed(row.id, file.key, file.name)
        ours = mine is not None and mine.sha256 == here.sha256  # not what a mirror brought in the place of ours
        if mine is not None and mine.outcome == "refused":
            ours = False  # it put nothing there: what is there, equal or not, was there before
        elif mine is not None and mine.outcome != "ok":  # nor what a mirror had brought before ours was sent
            ours = ours and not was_there(world, self.survey.route, file, mine)
        version = NewVersion(
            owner_id=row.id, scan=file.key.scan, label=file.key.label, name=file.name, route=row.route, path=file.path,
            size=here.size, sha256=here.sha256, md5=here.md5, mtime_ns=here.mtime_ns,
            origin="tree" if ours else "server",
        )  # fmt: skip
        ended = [(base.id, "replaced")] if base is not None else []
        with world.ledger.write():
            ended += outlived(world, row.route, row.id, [version])  # of a session that was made anew under its label
            world.ledger.change_versions([version], ended, world.now(), world.run_id)
        world.tally(row.route).add("proven")


def _base(row: VersionRow) -> BaseFile:
    return BaseFile(row.path, row.key, row.name, row.size, row.sha256, row.md5, row.mtime_ns, version_id=row.id)
