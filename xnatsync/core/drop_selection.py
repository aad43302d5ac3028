"""What of a dropped item a route's selection takes, before anything of it is on a server.

`files`, `scans` and `scan_types` are asked of each object.  What they take of a study is the session that would be
made, and of that the other keys are asked.  What is left out stays in the manifest with the key that left it out,
travels with no unit, and is told.  In doubt something is taken: what has no usable label is held for a person.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from xnatsync.core.group import (
    NOWHERE,
    Collision,
    Routing,
    Study,
    Surroundings,
    attach,
    dates_of,
    lead_modality,
    settle_collisions,
    studies_of,
)
from xnatsync.core.inventory import Owner, OwnerKind
from xnatsync.core.manifest import Kind, ManifestFile
from xnatsync.core.selection import Patterns, Selection

EVERYTHING = Selection()
RULES = "rules"  # the key that leaves a study out when a rule says so
_DATE = re.compile(r"(\d{4})\.?(\d\d)\.?(\d\d)")  # as DICOM writes it, and as ACR-NEMA did


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a drop route takes: the selection, and of its projects those that are named (none: all of them)."""

    selection: Selection = EVERYTHING
    projects: frozenset[str] = frozenset()

    @property
    def is_everything(self) -> bool:
        """Return whether nothing can be left out."""
        return not self.selection.said and not self.projects

    def on(self, dropped: date) -> Wanted:
        """Return the same with `last 30d` counted back from the day of the drop, whenever it is read.

        It has no other end: a scanner's day may have begun before ours.
        """
        return replace(self, selection=self.selection.on(dropped, ahead=True))


EVERY_DROP = Wanted()


@dataclass(frozen=True, slots=True)
class Chosen:
    """A manifest of which it is known what is delivered: its studies, and what each attached file goes with."""

    files: tuple[ManifestFile, ...]
    studies: tuple[Study, ...]
    attached: Mapping[str, str]  # path → Study Instance UID


def choose(
    files: Sequence[ManifestFile],
    routing: Routing,
    collision: Collision,
    wanted: Wanted,
    *,
    attaching: bool,
    around: Surroundings = NOWHERE,
) -> Chosen:
    """Group what is taken of an item by study and labels it; `attaching`: other files go with the study near them."""
    taken = list(files) if wanted.is_everything else _taken(files, wanted.selection)
    studies = studies_of(taken, routing, around)
    refused = {study.study_uid: key for study in studies if (key := _key_against(study, wanted)) is not None}
    taken = [_left_out(file, refused.get(_study_of(file), "")) for file in taken]
    studies = [study for study in studies if study.study_uid not in refused]
    settle_collisions(studies, collision)
    if not attaching:
        return Chosen(tuple(taken), tuple(studies), {})
    found, against = _attached(files, taken, studies, wanted.selection)
    taken = [_left_out(file, against.get(file.path, "")) for file in taken]
    return Chosen(tuple(taken), tuple(studies), found)


def _taken(files: Sequence[ManifestFile], selection: Selection) -> list[ManifestFile]:
    """Ask the keys that are about files and scans.

    Of twins, the first that is taken is the one that is delivered: the one that came first may be left out by its path.
    """
    found: list[ManifestFile] = []
    delivered: set[tuple[str, bytes]] = set()
    for file in files:
        if (key := _key_against_file(file, selection)) is not None:
            found.append(_left_out(file, key))
            continue
        if file.kind is Kind.DUPLICATE and (file.key, file.sha256) not in delivered:
            found.append(replace(file, kind=Kind.DICOM, reason=""))
        else:
            found.append(file)
        delivered.add((file.key, file.sha256))
    return found


def _key_against_file(file: ManifestFile, selection: Selection) -> str | None:
    # What is never sent by itself is asked once it is known what goes with what; what is in doubt holds its item.
    if file.kind is Kind.OTHER and not file.doubt:
        return None
    if not selection.wants_file(file.path):
        return "files"
    if file.identity is None:
        return None
    return selection.key_against_scan(file.identity.series_number, file.identity.description)


def _key_against(study: Study, wanted: Wanted) -> str | None:
    """Name the key that leaves a study out.  Labels that cannot be made are a matter for a person, not for a key."""
    selection = wanted.selection
    if study.is_ignored:
        return RULES
    if study.error is not None:
        selection = replace(selection, subjects=Patterns(), sessions=Patterns())
    elif wanted.projects and study.project not in wanted.projects:
        return "projects"
    owner = Owner(
        OwnerKind.SESSION,
        study.project,
        "",
        subject=study.subject,
        session=study.session,
        modality=_modality(study.files),
    )
    days = [_DATE.sub(r"\1-\2-\3", day) for day in dates_of(study.files)] or [""]
    keys = [selection.key_against_owner(replace(owner, date=day)) for day in days]
    return None if None in keys else keys[0]


def _modality(files: Sequence[ManifestFile]) -> str:
    """Return the modality of the session that XNAT would make: the leading one, but for PET with MR, which is both."""
    found = {file.identity.modality for file in files if file.identity is not None}
    return "PETMR" if {"PT", "MR"} <= found else lead_modality(files)


def _attached(
    files: Sequence[ManifestFile], taken: Sequence[ManifestFile], studies: Sequence[Study], selection: Selection
) -> tuple[dict[str, str], dict[str, str]]:
    """Find the study that each other file is attached to, and the key that leaves it out: by path.

    Whose it is, all objects tell: what lies beside a study that is left out is never taken for that of another one.
    """
    others = [file for file in files if file.kind is Kind.OTHER]
    delivered = {study.study_uid for study in studies}
    keys = {_study_of(file): file.left_by for file in reversed(taken) if file.left_by}
    found: dict[str, str] = {}
    against: dict[str, str] = {}
    for path, study_uid in attach(others, files).items():
        if not selection.wants_file(path):
            against[path] = "files"
        elif study_uid in delivered:
            found[path] = study_uid
        else:
            against[path] = keys[study_uid]
    return found, against


def _study_of(file: ManifestFile) -> str:
    return file.identity.study_uid if file.identity is not None else ""


def _left_out(file: ManifestFile, key: str) -> ManifestFile:
    """The same file, left out by a key of the selection; "" = as it is."""
    if not key or file.left_by:
        return file
    before = f"{file.reason}; " if file.kind in {Kind.OTHER, Kind.BROKEN} else ""
    whose = "by one of the route's `rules`" if key == RULES else f"by `{key}` of the route's selection"
    return replace(file, kind=Kind.OTHER, left_by=key, reason=f"{before}left out {whose}")
