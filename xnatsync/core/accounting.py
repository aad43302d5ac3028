"""Is every file of an item accounted for?  Delivered, left out by a setting, known to be harmless, or accepted.

Whatever is none of these holds its item for a person (`Kind.BROKEN`, with its doubt and its reason): an item is never
done with a file of which nobody knows what became of it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Literal

from xnatsync.core.clutter import PROGRAM, shape
from xnatsync.core.manifest import Doubt, Kind, ManifestFile, Reference
from xnatsync.core.wording import counted

Odd = Literal["hold", "deliver"]
Index = Literal["hold", "ignore"]
Other = Literal["keep", "attach", "ignore"]
Acceptance = tuple[str, bytes, str]  # path, sha256 and reason: another content, or another matter, is not accepted

_ENDINGS = ("", ".dcm", ".ima", ".gz", ".dcm.gz")  # that people give to what they copy from a CD
_VERSION = re.compile(r";[0-9]+$")  # of a file on a CD: `IM1.;1`
_STANDARD = "1.2.840.10008."
MARKER = "the marker by which the item is known to be complete"
_NAMED_MAX = 3  # paths in a reason
TWINS_MIN = 2  # so many objects of one size make it the size of objects


@dataclass(frozen=True, slots=True)
class Rules:
    """What a route says of files in doubt, and what a person has said of those of one item."""

    odd: Odd = "hold"
    dicomdir: Index = "hold"
    other: Other = "keep"
    accepted: Collection[Acceptance] = frozenset()
    is_marker: Callable[[str], bool] = lambda path: False  # tells a file by which the item is known to be complete
    everything: bool = False  # whatever is in doubt is accepted

    def accepts(self, file: ManifestFile) -> bool:
        """Tell whether a person has seen this very file, and the reason, and said that it is well."""
        return self.everything or (file.path, file.sha256, file.reason) in self.accepted


def examined(files: Sequence[ManifestFile], rules: Rules) -> list[ManifestFile]:
    """Look at the files of an item together, before it is chosen what is delivered.

    Odd objects become objects where the route or a person says so; what looks like the objects beside it, or is missing
    by the index of its medium, becomes doubtful.
    """
    found = [_odd(file, rules) for file in _beside_objects(files)]
    return [_indexed(file, found, rules) if file.references else file for file in found]


def accounted(files: Sequence[ManifestFile], attached: Collection[str], rules: Rules) -> tuple[ManifestFile, ...]:
    """Judge what is not delivered, after it was chosen: is each file accounted for, or does it hold the item?"""
    return tuple(_account(file, file.path in attached, rules) for file in files)


def _account(file: ManifestFile, attached: bool, rules: Rules) -> ManifestFile:
    if file.left_by or attached or file.kind in {Kind.DICOM, Kind.DUPLICATE}:
        return file if file.kind is Kind.DICOM else replace(file, doubt=Doubt.NONE)
    if file.identity is None and rules.is_marker(file.path):
        return replace(file, kind=Kind.OTHER, doubt=Doubt.NONE, reason=MARKER)
    if file.kind is Kind.OTHER and not file.doubt:
        return file
    if file.doubt is Doubt.STRANGE and rules.other == "ignore":
        return replace(file, doubt=Doubt.NONE)
    if rules.accepts(file):
        return replace(
            file, kind=Kind.OTHER, identity=None, doubt=Doubt.ACCEPTED, reason=f"{file.reason}; accepted: not delivered"
        )
    return replace(file, kind=Kind.BROKEN)


# --- odd objects -------------------------------------------------------------------------------------------------


def _odd(file: ManifestFile, rules: Rules) -> ManifestFile:
    if file.doubt is not Doubt.ODD or file.kind is not Kind.BROKEN:
        return file
    if rules.odd == "deliver":
        return replace(file, kind=Kind.DICOM, reason=f"{file.reason}; delivered as it is, as the route says")
    if rules.accepts(file):
        return replace(file, kind=Kind.DICOM, reason=f"{file.reason}; accepted: delivered as it is")
    return file


# --- what lies beside objects ------------------------------------------------------------------------------------


def _beside_objects(files: Sequence[ManifestFile]) -> list[ManifestFile]:
    objects = [file for file in files if file.identity is not None]
    shapes = {shape(file.path) for file in objects}
    sizes = Counter(file.size for file in objects)
    pictured = {_series(file) for file in objects if file.pixel_bytes}
    if len(files) == 1:
        return [_alone(files[0])]
    return [_compared(file, shapes, sizes, pictured) for file in files]


def _alone(file: ManifestFile) -> ManifestFile:
    """Doubt a program that is all of its item: it is nobody's viewer, and there are exams that unpack themselves."""
    if file.kind is not Kind.OTHER or file.reason != PROGRAM:
        return file
    why = "a program and nothing else: it may be an archive that unpacks itself; unpack it, and drop what is in it"
    return replace(file, kind=Kind.BROKEN, doubt=Doubt.CLOSED, reason=why)


def _compared(
    file: ManifestFile, shapes: Collection[str], sizes: Counter[int], pictured: Collection[tuple[str, str]]
) -> ManifestFile:
    if file.identity is not None:
        private = not file.identity.sop_class.startswith(_STANDARD)  # nobody knows whether pixel data is due
        if private and file.kind is Kind.DICOM and not file.pixel_bytes and _series(file) in pictured:
            why = "DICOM, but it has no pixel data, and the other objects of its series do: it may have been cut off"
            return replace(file, kind=Kind.BROKEN, doubt=Doubt.ODD, reason=why)
        return file
    if file.kind is not Kind.OTHER or file.references or file.doubt is Doubt.LOST:
        return file
    if shape(file.path) in shapes:
        why = "it is named like the objects beside it, and cannot be read as one"
        return replace(file, kind=Kind.BROKEN, doubt=Doubt.LOST, reason=why)
    if sizes[file.size] >= TWINS_MIN:
        why = "it has the very size of the objects beside it, and cannot be read as one"
        return replace(file, kind=Kind.BROKEN, doubt=Doubt.LOST, reason=why)
    return file


def _series(file: ManifestFile) -> tuple[str, str]:
    return (file.identity.series_uid, file.identity.sop_class) if file.identity is not None else ("", "")


# --- the index of a medium ---------------------------------------------------------------------------------------


def _indexed(file: ManifestFile, files: Iterable[ManifestFile], rules: Rules) -> ManifestFile:
    """Compare what an index names with what is there: by place, as CDs write names, or by UID, wherever it lies."""
    if file.kind is not Kind.OTHER:
        return file
    files = list(files)
    folder = PurePosixPath(file.path).parent
    places = {_plain(other.path): other.kind for other in files}
    objects = {other.key for other in files if other.kind in {Kind.DICOM, Kind.DUPLICATE}}
    missing = [one for one in file.references if one.sop_uid not in objects and not _is_there(one, folder, places)]
    if not missing:
        return file
    why = f"{file.reason}; it names {counted(len(file.references), 'file')}, of which {_named(missing)}"
    if rules.dicomdir == "ignore":
        return replace(file, reason=f"{why}; not asked for, as the route says")
    return replace(file, kind=Kind.BROKEN, doubt=Doubt.LOST, reason=why)


def _is_there(one: Reference, folder: PurePosixPath, places: Mapping[str, Kind]) -> bool:
    """Tell whether something lies in its place; of an object, something that can be one (or holds the item itself)."""
    wanted = _plain((folder / one.path.lstrip("/")).as_posix())
    found = {places[name] for ending in _ENDINGS if (name := wanted + ending) in places}
    return bool(found - {Kind.OTHER} if one.sop_uid else found)


def _plain(path: str) -> str:
    """Make names that one system after the other has changed alike: `DIR/IM1.;1`, `dir/im1`."""
    parts = path.casefold().split("/")
    return "/".join(_VERSION.sub("", part).rstrip(".") for part in parts)


def _named(missing: Sequence[Reference]) -> str:
    shown = ", ".join(one.path or one.sop_uid for one in missing[:_NAMED_MAX])
    more = f" and {len(missing) - _NAMED_MAX} more" if len(missing) > _NAMED_MAX else ""
    return f"{len(missing)} {'is' if len(missing) == 1 else 'are'} not there: {shown}{more}"
