"""From two listings of files to what is wanted: each file of each resource that goes has exactly one answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from xnatsync.core.described import Described, Part, Stored
from xnatsync.core.errors import (
    ChangedThere,
    GoneAtSource,
    GoneThere,
    LostAtSource,
    NameHostile,
    PastAnonymisation,
    XnatsyncError,
)
from xnatsync.core.imported import goes_by_import, passes_by
from xnatsync.core.inventory import ResourceKey
from xnatsync.core.remote import FileListing, RemoteFile
from xnatsync.core.transfer_decision import FileFact, FileSides, LastStore, OfFile, decide_file, equal
from xnatsync.ledger.tree_rows import NewVersion, VersionRow
from xnatsync.routes.transfer.decide import Deciding
from xnatsync.routes.transfer.decide_objects import UNREAD, DecidingObjects, place_of
from xnatsync.routes.transfer.facts import text_of
from xnatsync.routes.transfer.load import Bytes
from xnatsync.routes.transfer.wanted import CarryFiles, CreateResource

RESOURCE = "/resource"


@dataclass(frozen=True, slots=True)
class Compared:
    """What a file was found to hold on both sides."""

    here: Bytes
    there: Bytes

    @property
    def same(self) -> bool:
        """Return whether it is one content."""
        return self.here.sha256 == self.there.sha256


Compare = Callable[[ResourceKey, ResourceKey, RemoteFile, RemoteFile], Compared | None]  # None: it is fetched later


@dataclass(slots=True)
class DecidingFiles:
    """The files of one look."""

    deciding: Deciding
    passed: Mapping[tuple[ResourceKey, str], Bytes]  # what went through in this run
    left: Mapping[tuple[ResourceKey, str], XnatsyncError]  # what was asked for in this run, and not to be had
    compare: Compare | None  # None: only counted, for a plan
    here: dict[ResourceKey, dict[str, RemoteFile]] = field(default_factory=dict)
    there: dict[ResourceKey, dict[str, RemoteFile]] = field(default_factory=dict)
    base: dict[ResourceKey, dict[str, VersionRow]] = field(default_factory=dict)

    def decide(self) -> None:
        """Decide about every resource that goes."""
        deciding, look = self.deciding, self.deciding.look
        self.here, self.there = _by_resource(look.here_files), _by_resource(look.there_files)
        for version in deciding.world.ledger.living_of(look.row.id):
            self.base.setdefault(version.key, {})[version.name] = version
        for scan, label, why in look.here_files.refused:
            deciding.wanted.tell(place_of(ResourceKey(scan, label)), NameHostile.code, why, person=True)
        deciding.wanted.cut = not (look.here_files.complete or look.here_files.refused)
        for key, stored in sorted(self._wanted().items()):
            self._resource(key, stored)
        if deciding.objects is not None:
            DecidingObjects(deciding, deciding.objects, self.base, self.left).decide()

    def _wanted(self) -> dict[ResourceKey, Stored]:
        """Return the resources that are copied, also those without a file and those that the source had once."""
        look, filters = self.deciding.look, self.deciding.survey.route.filters
        told = {
            ResourceKey(_with_side(text, part, stored), stored.label): stored
            for text, part in [("", look.here), *((text_of(part), part) for part in look.here.parts)]
            for stored in part.resources
        }
        keys = {*told, *self.here, *self.base}
        parts = {text_of(part) for part in look.here.parts}
        found = {
            key: told.get(key, Stored(key.label))
            for key in keys
            if self._goes(key, parts) and filters.takes_resource(look.here, Part.parse(key.scan), key.label)
        }
        if self.deciding.survey.route.dicom == "copy":
            return found
        return {key: stored for key, stored in found.items() if self._is_copied(key, stored)}

    def _is_copied(self, key: ResourceKey, stored: Stored) -> bool:
        """Return whether a resource goes by copy in a transfer by import; what would pass by a script is named."""
        part = Part.parse(key.scan)
        if goes_by_import(part, key.label):
            return not self.here.get(key) and key not in self.base
        if not passes_by(part, key.label, stored.format) or not self.here.get(key):
            return True
        why = (
            "it holds DICOM, which no import takes from here, and a copy would pass by the destination's anonymisation"
        )
        self.deciding.wanted.tell(place_of(key), PastAnonymisation.code, why, person=True)
        return False

    def _goes(self, key: ResourceKey, parts: set[str]) -> bool:
        text = _without_side(key.scan)
        return (text == "" or text in parts or key in self.base) and text not in self.deciding.barred

    def _resource(self, key: ResourceKey, stored: Stored) -> None:
        wanted = self.deciding.wanted
        target = self._target(key)
        mine, theirs, base = self.here.get(key, {}), self.there.get(target, {}), self.base.get(key, {})
        due: dict[OfFile, list[RemoteFile]] = {OfFile.SEND: [], OfFile.REPLACE: []}
        for name in sorted({*mine, *base}):
            answer = self._file(key, target, name)
            if answer in due:
                due[answer].append(mine[name])
        if not theirs and (due[OfFile.SEND] or due[OfFile.REPLACE] or not mine) and self._is_new(key, target, base):
            wanted.effects.append(CreateResource(key, target, stored.format, stored.content))
        for answer, files in due.items():
            if files:
                replaces = answer is OfFile.REPLACE
                wanted.effects.append(CarryFiles(key, target, tuple(files), tuple(mine.values()), replaces))

    def _is_new(self, key: ResourceKey, target: ResourceKey, base: Mapping[str, VersionRow]) -> bool:
        """Return whether the destination has no such resource, and never had it of us."""
        there = self.deciding.look.there
        known = {
            ResourceKey(_with_side(text, part, stored), stored.label)
            for text, part in _things(there)
            for stored in part.resources
        }
        if target in known:
            return False
        if self.deciding.survey.route.repair:
            return True
        if base:
            return False
        row = self.deciding.look.row
        deed = self.deciding.world.ledger.latest_deed(row.id, key, RESOURCE)
        if deed is not None and deed.outcome == "ok":
            if not self.here.get(key):
                self.deciding.wanted.tell(
                    place_of(key), GoneThere.code, "the resource was deleted at the destination", person=True
                )
            return False
        return True

    def _target(self, key: ResourceKey) -> ResourceKey:
        """Return where a resource belongs at the destination: its part may be called otherwise there."""
        part = Part.parse(key.scan)
        found = self.deciding.present.get(_without_side(key.scan))
        if found is None or found.kind is None:
            return key
        return ResourceKey(str(Part(found.kind, found.name, part.side)), key.label)

    # --- one file ----------------------------------------------------------------------------------------------------

    def _file(self, key: ResourceKey, target: ResourceKey, name: str) -> OfFile:
        wanted, look = self.deciding.wanted, self.deciding.look
        here, there = self.here.get(key, {}).get(name), self.there.get(target, {}).get(name)
        version = self.base.get(key, {}).get(name)
        mine, theirs = _fact(here), _fact(there)
        base = FileFact(version.size, version.md5) if version is not None else None
        if here is not None and (key, name) in self.left and there is None:
            error = self.left[key, name]
            wanted.tell(f"{place_of(key)}/{name}", error.code, str(error), person=not isinstance(error, LostAtSource))
            return OfFile.CUT
        settled = mine is not None and theirs is not None and equal(mine, theirs) is True
        sides = FileSides(
            mine, theirs, base,
            last=None if settled else self._last(key, name),
            here_whole=_is_whole(look.here_files, key), there_whole=_is_whole(look.there_files, target),
        )  # fmt: skip
        repair = self.deciding.survey.route.repair
        answer = decide_file(sides, repair=repair)
        found: Bytes | None = None
        if answer is OfFile.COMPARE:
            assert here is not None and there is not None  # noqa: PT018
            wanted.compared += 1
            if self.compare is None:
                return answer
            try:
                read = self.compare(key, target, here, there)
            except (LostAtSource, ChangedThere) as error:  # one side lists it and cannot give it
                wanted.tell(f"{place_of(key)}/{name}", error.code, str(error), person=isinstance(error, ChangedThere))
                wanted.cut = True
                return OfFile.CUT
            if read is None:
                return answer
            found = read.here if read.same else None
            sides = replace(sides, there=FileFact(read.there.size, read.there.md5))
            answer = decide_file(sides, repair=repair, same=read.same)
        self._follow(key, name, answer, found)
        return answer

    def _follow(self, key: ResourceKey, name: str, answer: OfFile, found: Bytes | None) -> None:
        """Note what is written down, or told, of an answer."""
        wanted, place = self.deciding.wanted, f"{place_of(key)}/{name}"
        version = self.base.get(key, {}).get(name)
        match answer:
            case OfFile.AGREED:
                wanted.agreed += 1
                self._agree(key, name, version, found or self.passed.get((key, name)))
            case OfFile.ENDED:
                assert version is not None
                wanted.ended.append((version.id, "removed"))
            case OfFile.CHANGED:
                wanted.tell(place, ChangedThere.code, "the destination holds other bytes under this name", person=True)
            case OfFile.GONE:
                wanted.tell(place, GoneThere.code, "it was deleted at the destination", person=True)
            case OfFile.STALE:
                wanted.tell(place, GoneAtSource.code, "the source no longer has it", person=False)
            case OfFile.CUT:
                wanted.cut = True
            case OfFile.SEND | OfFile.REPLACE | OfFile.COMPARE | OfFile.NOT_OURS | OfFile.LATER:
                pass

    def _agree(self, key: ResourceKey, name: str, version: VersionRow | None, found: Bytes | None) -> None:
        """Note that both hold the same; what passed through is known by its bytes, else by what both list."""
        row = self.deciding.look.row
        here = self.here[key][name]
        there = self.there[self._target(key)][name]
        size = (
            found.size if found is not None else next(size for size in (here.size, there.size, 0) if size is not None)
        )
        md5 = found.md5 if found is not None else here.digest or there.digest
        if version is not None and version.size == size and md5 in {version.md5, ""}:
            return
        if not md5:
            return  # sizes alone: looked at again, nothing is written down
        if version is not None:
            self.deciding.wanted.ended.append((version.id, "replaced"))
        self.deciding.wanted.begun.append(
            NewVersion(
                owner_id=row.id,
                scan=key.scan,
                label=key.label,
                name=name,
                route=row.route,
                path=f"{row.kind}s/{row.server_id}/{place_of(key)}/{name}",
                size=size,
                sha256=found.sha256 if found is not None else UNREAD,
                md5=md5,
                mtime_ns=0,
                origin="server",
            )
        )

    def _last(self, key: ResourceKey, name: str) -> LastStore | None:
        """Return what was last stored under a name; what was refused left nothing."""
        world = self.deciding.world
        deed = world.latest_deed(self.deciding.survey.route, self.deciding.look.row.id, key, name, taken=True)
        if deed is None:
            return None
        is_quiet = world.now() >= deed.quiet_at
        if deed.outcome in {None, "unknown"} and not is_quiet:
            self.deciding.wanted.later = max(self.deciding.wanted.later, deed.quiet_at)
        return LastStore(deed.sha256, deed.outcome in {None, "unknown"}, is_quiet, failed=deed.outcome == "failed")


def _by_resource(listing: FileListing) -> dict[ResourceKey, dict[str, RemoteFile]]:
    found: dict[ResourceKey, dict[str, RemoteFile]] = {}
    for file in listing.files:
        found.setdefault(ResourceKey(file.scan, file.resource), {})[file.name] = file
    return found


def _is_whole(listing: FileListing, key: ResourceKey) -> bool:
    """Return whether everything of a resource is listed; names that nobody may use hide those of their resource."""
    if listing.complete:
        return True
    hidden = {ResourceKey(scan, label) for scan, label, _ in listing.refused}
    return bool(hidden) and not listing.is_of_unknown_place and key not in hidden


def _fact(file: RemoteFile | None) -> FileFact | None:
    return FileFact(file.size, file.digest) if file is not None else None


def _things(thing: Described | None) -> list[tuple[str, Described]]:
    return [("", thing), *((text_of(part), part) for part in thing.parts)] if thing is not None else []


def _with_side(text: str, part: Described, stored: Stored) -> str:
    return str(Part(part.kind, part.name, stored.side)) if text and stored.side else text


def _without_side(text: str) -> str:
    part = Part.parse(text)
    return str(Part(part.kind, part.name)) if part.kind is not None else ""
