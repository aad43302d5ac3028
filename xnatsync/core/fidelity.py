"""What of the source is at the destination as it was: field by field, part by part, file by file, and nothing assumed.

Fields are compared as canonical texts, files by name, size and digest, DICOM that was imported by what it shows.
Labels, order and dates of insertion never decide: a thing is found by what stands for it, and a new label is told as
such.  What cannot be compared is said to be so; nothing is called the same for want of evidence.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal

from xnatsync.core.described import Described, Part, Stored, ThingKind
from xnatsync.core.imported import MENDED, goes_by_import, identifies, is_filled_in
from xnatsync.core.remote import RemoteFile
from xnatsync.core.transfer_filter import TransferFilter
from xnatsync.core.wording import counted

What = Literal["thing", "part", "field", "custom", "share", "resource", "file", "listing"]
Place = tuple[str, str]  # the text of a part, and the label of a resource
FilePlace = tuple[str, str, str]  # the same, and the name of the file


class Fate(StrEnum):
    """What became of something of the source."""

    MISSING = "missing"
    DIFFERS = "differs"
    LOST = "lost at the source"  # the source lists it, and cannot give it
    UNVERIFIABLE = "unverifiable"  # neither the same nor different: why is said
    NOT_CARRIED = "not carried"  # nobody can carry it, or nothing over there can show it
    EXTRA = "extra"  # at the destination alone, and not of the transfer
    RELABELLED = "relabelled"  # it is there, and has another label
    FILLED = "filled by the import"  # the destination took it from the headers, after its anonymisation
    BY_UID = "known by its UID alone"  # no pixel data, and the destination changed what else it says


GRAVE: Final = frozenset({Fate.MISSING, Fate.DIFFERS, Fate.LOST, Fate.UNVERIFIABLE})


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not simply the same.  It names places and fields; no value of any field is repeated (S8)."""

    fate: Fate
    what: What
    part: str  # "" for the thing itself, else the text of a `core.described.Part`
    name: str  # of the field, share, resource or file; "" for the thing or part itself
    detail: str = ""
    count: int = 1  # files that are meant

    @property
    def is_grave(self) -> bool:
        """Return whether the transfer is not complete with it."""
        return self.fate in GRAVE


@dataclass(frozen=True, slots=True)
class Contents:
    """The files of a thing and all its parts, as one side lists them."""

    files: tuple[RemoteFile, ...] = ()
    complete: bool = True
    refused: tuple[FilePlace, ...] = ()  # the place of a name that nobody may use, and why


@dataclass(frozen=True, slots=True)
class Arrival:
    """What became of an object that went by import."""

    fate: Fate | None = None  # None: the destination shows what was sent
    detail: str = ""
    there: FilePlace | None = None  # where it is at the destination


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What was agreed on for the transfer, and what is known of it."""

    filter: TransferFilter = field(default_factory=TransferFilter)
    dicom: Literal["copy", "import"] = "copy"
    projects: Mapping[str, str]  # of the source, and what each is at the destination
    label: str | None = None  # under which it was delivered; None: that of the source
    parts: Mapping[str, str]  # parts of the source that are called otherwise at the destination
    lost: frozenset[FilePlace] = frozenset()  # listed by the source, and not given when it was asked
    proven: Mapping[FilePlace, str]  # MD5 of what was delivered, where the source tells none
    objects: Mapping[FilePlace, Arrival] = field(default_factory=dict)  # what went by import
    made: frozenset[str] = frozenset()  # the session ("") and the scans that an import made


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was compared, and what is not the same."""

    differences: tuple[Difference, ...] = ()
    fields: int = 0
    files: int = 0  # that are the same
    size: int = 0  # bytes of them
    digests: int = 0  # files of them that were compared by digest, or as DICOM by UID

    @property
    def is_complete(self) -> bool:
        """Return whether everything that was to be carried is there as it was."""
        return not any(difference.is_grave for difference in self.differences)


def compare(
    source: Described, there: Described | None, terms: Terms, here_files: Contents, there_files: Contents
) -> Comparison:
    """Compare a project, a subject or a session with what stands for it at the destination; None: it is not there."""
    if there is None:
        return Comparison((Difference(Fate.MISSING, "thing", "", ""),))
    wanted = terms.filter.narrowed(source)
    pairs = dict(_pairs(wanted, there, terms))
    found = list(_label(source, there, terms))
    compared = 0
    for text, (mine, theirs) in pairs.items():
        if theirs is None:
            found.append(Difference(Fate.MISSING, "part", text, ""))
            continue
        compared += len(mine.fields) + len(mine.custom)
        found += _fields(mine, theirs, text, terms)
        found += _shares(mine, theirs, text, terms.projects)
    known = {id(theirs) for _, theirs in pairs.values()}
    found += [Difference(Fate.EXTRA, "part", _text(part), "") for part in there.parts if id(part) not in known]
    names = {text: _text(theirs) for text, (_, theirs) in pairs.items() if text and theirs is not None}
    files = _Files(source, there, terms, names).compared(here_files, there_files)
    return Comparison((*found, *files.differences), compared, files.files, files.size, files.digests)


# --- things and fields -------------------------------------------------------------------------------------------


def _pairs(
    source: Described, there: Described, terms: Terms
) -> Iterator[tuple[str, tuple[Described, Described | None]]]:
    yield "", (source, there)
    by_text = {_text(part): part for part in there.parts}
    by_uid = {uid: part for part in there.parts if part.kind is ThingKind.SCAN and (uid := _uid(part))}
    taken = set[int]()
    for part in source.parts:
        text = _text(part)
        found = by_text.get(terms.parts.get(text, text))
        if part.kind is ThingKind.SCAN and terms.dicom == "import" and _uid(part) in by_uid:
            found = by_uid[_uid(part)]  # scans get their IDs anew
        if found is not None and id(found) in taken:
            found = None
        if found is not None:
            taken.add(id(found))
        yield text, (part, found)


def _uid(scan: Described) -> str:
    return dict(scan.fields).get("UID", "")


def _text(part: Described) -> str:
    return str(Part(part.kind, part.name))


def _label(source: Described, there: Described, terms: Terms) -> Iterator[Difference]:
    expected = source.label if terms.label is None else terms.label
    if source.kind is not ThingKind.PROJECT and there.label != expected:
        yield Difference(Fate.RELABELLED, "thing", "", "label", "it has another label at the destination")


def _fields(source: Described, there: Described, part: str, terms: Terms) -> Iterator[Difference]:
    is_made = terms.dicom == "import" and part in terms.made
    if source.xsi_type != there.xsi_type:
        fate = Fate.FILLED if is_made else Fate.DIFFERS
        yield Difference(fate, "field", part, "xsi:type", f"{source.xsi_type} became {there.xsi_type}")
    what: What
    for what, mine, theirs, same in (
        ("field", dict(source.fields), dict(there.fields), canonical),
        ("custom", dict(source.custom), dict(there.custom), canonical_json),
    ):
        for name in dict.fromkeys([*mine, *theirs]):
            if name in mine and name in theirs and same(mine[name]) == same(theirs[name]):
                continue
            why = "" if name in mine else "the source has none"
            if what == "field" and _is_filled(source, name, terms, is_made=is_made, is_here=name in mine):
                yield Difference(Fate.FILLED, what, part, name, why)
            else:
                fate = Fate.DIFFERS if name in theirs else Fate.MISSING
                yield Difference(fate, what, part, name, why)


def _is_filled(source: Described, name: str, terms: Terms, *, is_made: bool, is_here: bool) -> bool:
    if terms.dicom == "copy":
        return False
    filled = is_filled_in(source.kind, name) or (name in MENDED and not is_here)
    return identifies(source.kind, name) or (is_made and filled)


def _shares(source: Described, there: Described, part: str, projects: Mapping[str, str]) -> Iterator[Difference]:
    shown = {share.project: share.label for share in there.shares}
    expected = dict[str, str]()
    for share in source.shares:
        if (project := projects.get(share.project)) is None:
            words = "the project was not transferred to this destination"
            yield Difference(Fate.NOT_CARRIED, "share", part, share.project, words)
            continue
        expected[project] = share.label
        if project not in shown:
            yield Difference(Fate.MISSING, "share", part, share.project)
        elif share.label and shown[project] != share.label:
            yield Difference(Fate.DIFFERS, "share", part, share.project, "it has another label there")
    for project in shown.keys() - expected.keys():
        yield Difference(Fate.EXTRA, "share", part, project)


_DECIMAL: Final = re.compile(r"(-?(?:0|[1-9]\d*))\.(\d+)")
_TIME: Final = re.compile(r"((?:\d{4}-\d\d-\d\d[ T])?\d\d:\d\d:\d\d)(?:\.(\d+))?")


def canonical(text: str) -> str:
    """Return a text so that two ways of writing the same value are equal; IDs and their zeros are kept."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if (number := _DECIMAL.fullmatch(text)) is not None:
        return _without_zeros(number[1], number[2])
    if (moment := _TIME.fullmatch(text)) is not None:
        return _without_zeros(moment[1].replace("T", " "), moment[2] or "")
    return text


def _without_zeros(whole: str, part: str) -> str:
    part = part.rstrip("0")
    return f"{whole}.{part}" if part else whole


def canonical_json(text: str) -> str:
    """Return a JSON text without what makes no difference: blanks, and the order of keys."""
    try:
        return json.dumps(json.loads(text), sort_keys=True, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


# --- files -------------------------------------------------------------------------------------------------------


class _Files:
    """Compares the files of one thing."""

    def __init__(self, source: Described, there: Described, terms: Terms, names: Mapping[str, str]) -> None:
        self.source, self.terms, self.names = source, terms, names
        self.mine, self.theirs = dict(_stored(source)), dict(_stored(there))
        self.differences: list[Difference] = []
        self.same = self.size = self.digests = 0

    def compared(self, here: Contents, there: Contents) -> Comparison:
        """Compare resource by resource."""
        mine, theirs = self._sorted(here.files), self._sorted(there.files)
        places = self._wanted({*mine, *self.mine})
        expected = {self._there(place) for place in places}
        imported = {place for place in places if mine.get(place) and self._is_imported(place)}
        for place in sorted(imported):
            self._imported(place, mine[place])
        for place in sorted(places - imported):
            at = self._there(place)
            self._resource(place, mine.get(place, []), theirs.get(at), exists=at in self.theirs)
            self._kept(place, self.mine.get(place), self.theirs.get(at))
        for side, contents in (("source", here), ("destination", there)):
            self._doubts(side, contents)
        extra = {*theirs, *self.theirs} - expected
        for part, label in sorted(extra):
            many = len(theirs.get((part, label), []))
            if imported and self._is_imported((part, label)):
                continue  # judged object by object
            self.differences.append(Difference(Fate.EXTRA, "resource", part, label, count=many))
        if imported:
            self._more(theirs)
        return Comparison(tuple(self.differences), 0, self.same, self.size, self.digests)

    def _sorted(self, files: Iterable[RemoteFile]) -> dict[Place, list[RemoteFile]]:
        found = defaultdict[Place, list[RemoteFile]](list)
        for file in files:
            found[file.scan, file.resource].append(file)
        return dict(found)

    def _wanted(self, places: Iterable[Place]) -> set[Place]:
        return {
            place for place in places if self.terms.filter.takes_resource(self.source, Part.parse(place[0]), place[1])
        }

    def _there(self, place: Place) -> Place:
        part = Part.parse(place[0])
        bare = str(Part(part.kind, part.name))
        if (name := self.names.get(bare, bare)) == bare:
            return place
        other = Part.parse(name)
        return str(Part(other.kind, other.name, part.side)), place[1]

    def _is_imported(self, place: Place) -> bool:
        return self.terms.dicom == "import" and goes_by_import(Part.parse(place[0]), place[1])

    def _resource(self, place: Place, mine: list[RemoteFile], theirs: list[RemoteFile] | None, *, exists: bool) -> None:
        part, label = place
        lost = [file for file in mine if (part, label, file.name) in self.terms.lost]
        if theirs is None and len(lost) == len(mine) and mine:
            self._tell(Fate.LOST, "resource", part, label, count=len(mine))
            return
        if theirs is None and (mine or not exists):
            self._tell(Fate.MISSING, "resource", part, label, count=len(mine))
            return
        there = {file.name: file for file in theirs or ()}
        for file in mine:
            self._file(place, file, there.pop(file.name, None))
        for name in sorted(there):
            self._tell(Fate.EXTRA, "file", part, f"{label}/{name}")

    def _kept(self, place: Place, mine: Stored | None, theirs: Stored | None) -> None:
        """Compare what the two sides say of a resource itself."""
        if mine is None or theirs is None:
            return
        for name, one, other in (("format", mine.format, theirs.format), ("content", mine.content, theirs.content)):
            if one != other and not one:  # the first of a scan gets RAW (§5.1)
                self._tell(Fate.EXTRA, "resource", *place, f"its {name} is given there alone", count=0)
            elif one != other:
                self._tell(Fate.DIFFERS, "resource", *place, f"its {name} differs", count=0)

    def _file(self, place: Place, mine: RemoteFile, theirs: RemoteFile | None) -> None:
        part, label = place
        name = f"{label}/{mine.name}"
        if theirs is None:
            fate = Fate.LOST if (part, label, mine.name) in self.terms.lost else Fate.MISSING
            self._tell(fate, "file", part, name)
            return
        digest = mine.digest or self.terms.proven.get((part, label, mine.name), "")
        if mine.size is not None and theirs.size is not None and mine.size != theirs.size:
            self._tell(Fate.DIFFERS, "file", part, name, f"{mine.size} bytes became {theirs.size}")
        elif digest and theirs.digest and digest.lower() != theirs.digest.lower():
            self._tell(Fate.DIFFERS, "file", part, name, "another MD5 digest")
        elif not (digest and theirs.digest):
            side = "destination" if digest else "source"
            self._tell(Fate.UNVERIFIABLE, "file", part, name, f"the {side} lists no digest")
        else:
            self.same, self.size, self.digests = self.same + 1, self.size + (mine.size or 0), self.digests + 1

    def _imported(self, place: Place, mine: Iterable[RemoteFile]) -> None:
        """Compare by what the objects show: the destination's anonymisation changes bytes, and it names scans anew."""
        unknown = Arrival(Fate.UNVERIFIABLE, "no run has read which object it is")
        for file in mine:
            arrival = self.terms.objects.get((*place, file.name), unknown)
            if arrival.fate is not None:
                self._tell(arrival.fate, "file", place[0], f"{place[1]}/{file.name}", arrival.detail)
            if arrival.fate in {None, Fate.BY_UID}:
                self.same, self.size = self.same + 1, self.size + (file.size or 0)
                self.digests += arrival.fate is None

    def _more(self, theirs: Mapping[Place, list[RemoteFile]]) -> None:
        """Count the objects of each series that the source has not."""
        known = {arrival.there for arrival in self.terms.objects.values()}
        for place, files in sorted(theirs.items()):
            many = sum((*place, file.name) not in known for file in files)
            if many and self._is_imported(place):
                self._tell(Fate.EXTRA, "resource", *place, f"{counted(many, 'object')} of {len(files)}", count=many)

    def _doubts(self, side: str, contents: Contents) -> None:
        if not contents.complete:
            self._tell(Fate.UNVERIFIABLE, "listing", "", "", f"the {side} did not list everything")
        for part, label, why in contents.refused:
            if not label or (part, label) in self._wanted([(part, label)]):
                self._tell(Fate.UNVERIFIABLE, "file", part, label, f"a file of the {side} has no usable name: {why}")

    def _tell(self, fate: Fate, what: What, part: str, name: str, detail: str = "", *, count: int = 1) -> None:
        self.differences.append(Difference(fate, what, part, name, detail, count))


def _stored(thing: Described) -> Iterator[tuple[Place, Stored]]:
    for stored in thing.resources:
        yield ("", stored.label), stored
    for part in thing.parts:
        for stored in part.resources:
            yield (str(Part(part.kind, part.name, stored.side)), stored.label), stored


NEVER_CARRIED: Final[Mapping[str, str]] = {
    "users": "accounts, roles and groups: they belong to a server",
    "history": "workflows, the audit trail and the history of pipelines and containers",
    "accession IDs": "each server gives its own; the map of source and destination is in the ledger",
    "dates of insertion": "who inserted what, and when",
    "prearchive": "sessions that are not archived yet",
}
