"""Which part of a project a transfer takes: one function for each question, the same for sending and for verifying.

A level takes `all`, `none`, `include` (what it names) or `exclude` (all but what it names).  A name is meant exactly,
capitals included; where things have a type, an item with a colon is a type and any other a label.  Types that are
listed have filters of their own for what is inside: scans, their resources, the session's resources, its assessors.
A filter that is written for all types counts as well as that of the type: something goes when both take it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from xnatsync.core.described import Described, Part, ThingKind


class SyncType(StrEnum):
    """What a level takes."""

    ALL = "all"
    NONE = "none"
    INCLUDE = "include"
    EXCLUDE = "exclude"

    def takes(self, *, named: bool) -> bool:
        """Return whether something goes that is, or is not, among what the level names."""
        return self is SyncType.ALL or (self is SyncType.INCLUDE and named) or (self is SyncType.EXCLUDE and not named)


@dataclass(frozen=True, slots=True)
class Names:
    """A level whose members are known by one name: resources by their label, scans by their type."""

    sync_type: SyncType = SyncType.ALL
    items: frozenset[str] = frozenset()

    def takes(self, *names: str) -> bool:
        """Return whether something goes that has these names."""
        return self.sync_type.takes(named=not self.items.isdisjoint(names))


@dataclass(frozen=True, slots=True)
class Inside:
    """What goes of the inside of a thing: of a session, of a subject assessor, of a session's assessor."""

    scan_types: Names = Names()
    scan_resources: Names = Names()
    resources: Names = Names()
    assessors: Things | None = None  # None: all of them


@dataclass(frozen=True, slots=True)
class Things:
    """A level whose members have a type and a label, and things inside."""

    sync_type: SyncType = SyncType.ALL
    items: frozenset[str] = frozenset()
    types: tuple[tuple[str, Inside], ...] = ()  # a type that is named by this, and what goes of its inside
    inside: Inside = Inside()  # of every type

    def takes(self, xsi_type: str, label: str) -> bool:
        """Return whether something of this type and label goes."""
        names = {name for name in self.items if name == (xsi_type if ":" in name else label)}
        listed = any(name == xsi_type for name, _ in self.types)
        return self.sync_type.takes(named=bool(names) or listed)

    def insides(self, xsi_type: str) -> tuple[Inside, ...]:
        """Return the filters that something inside a thing of this type must pass."""
        return (self.inside, *(inside for name, inside in self.types if name == xsi_type))


@dataclass(frozen=True, slots=True)
class TransferFilter:
    """What of a project goes."""

    project_resources: Names = Names()
    subject_resources: Names = Names()
    records: Things = Things()  # of subjects: what XNAT calls subject assessors
    sessions: Things = Things()
    inside: Inside = Inside()  # of every session

    @property
    def is_everything(self) -> bool:
        """Return whether nothing is left out."""
        return self == TransferFilter()

    def takes_project_resource(self, label: str) -> bool:
        """Return whether a resource of the project goes."""
        return self.project_resources.takes(label)

    def takes_subject_resource(self, label: str) -> bool:
        """Return whether a resource of a subject goes."""
        return self.subject_resources.takes(label)

    def takes_record(self, xsi_type: str, label: str) -> bool:
        """Return whether a subject assessor goes."""
        return self.records.takes(xsi_type, label)

    def takes_record_resource(self, xsi_type: str, label: str) -> bool:
        """Return whether a resource of a subject assessor that goes does so too."""
        return all(inside.resources.takes(label) for inside in self.records.insides(xsi_type))

    def takes_session(self, xsi_type: str, label: str) -> bool:
        """Return whether a session goes."""
        return self.sessions.takes(xsi_type, label)

    def takes_scan(self, session_type: str, scan_type: str) -> bool:
        """Return whether a scan of a session that goes does so too; it is known by its type, such as T1."""
        return all(inside.scan_types.takes(scan_type) for inside in self._insides(session_type))

    def takes_scan_resource(self, session_type: str, label: str) -> bool:
        """Return whether a resource of a scan that goes does so too."""
        return all(inside.scan_resources.takes(label) for inside in self._insides(session_type))

    def takes_session_resource(self, session_type: str, label: str) -> bool:
        """Return whether a resource of a session that goes does so too."""
        return all(inside.resources.takes(label) for inside in self._insides(session_type))

    def takes_assessor(self, session_type: str, xsi_type: str, label: str) -> bool:
        """Return whether an assessor of a session that goes does so too."""
        return all(level.takes(xsi_type, label) for level in self._assessors(session_type))

    def takes_assessor_resource(self, session_type: str, xsi_type: str, label: str) -> bool:
        """Return whether a resource of an assessor that goes does so too."""
        insides = (inside for level in self._assessors(session_type) for inside in level.insides(xsi_type))
        return all(inside.resources.takes(label) for inside in insides)

    def _insides(self, session_type: str) -> tuple[Inside, ...]:
        return (self.inside, *self.sessions.insides(session_type))

    def _assessors(self, session_type: str) -> Iterable[Things]:
        return (found for inside in self._insides(session_type) if (found := inside.assessors) is not None)

    # --- descriptions and listings -----------------------------------------------------------------------------

    def narrowed(self, described: Described) -> Described:
        """Return a project, subject or session with those of its parts that go; itself is not asked about."""
        if not described.parts:
            return described
        return replace(described, parts=tuple(part for part in described.parts if self.takes_part(described, part)))

    def takes_part(self, described: Described, part: Described) -> bool:
        """Return whether a part of a subject or a session goes."""
        if part.kind is ThingKind.RECORD:
            return self.takes_record(part.xsi_type, part.label)
        if part.kind is ThingKind.SCAN:
            return self.takes_scan(described.xsi_type, _scan_type(part))
        if part.kind is ThingKind.ASSESSOR:
            return self.takes_assessor(described.xsi_type, part.xsi_type, part.label)
        return True

    def takes_resource(self, described: Described, part: Part, label: str) -> bool:
        """Return whether a resource of something described goes; `part` says where in it.

        A resource of a part that the description does not have is judged by its label alone: nothing that lies
        somewhere is left out because its place is not told.
        """
        if part.kind is None:
            if described.kind is ThingKind.PROJECT:
                return self.takes_project_resource(label)
            if described.kind is ThingKind.SUBJECT:
                return self.takes_subject_resource(label)
            return self.takes_session_resource(described.xsi_type, label)
        found = next((one for one in described.parts if one.kind is part.kind and one.name == part.name), None)
        if found is not None and not self.takes_part(described, found):
            return False
        xsi_type = found.xsi_type if found is not None else ""
        if part.kind is ThingKind.RECORD:
            return self.takes_record_resource(xsi_type, label)
        if part.kind is ThingKind.SCAN:
            return self.takes_scan_resource(described.xsi_type, label)
        if part.kind is ThingKind.ASSESSOR:
            return self.takes_assessor_resource(described.xsi_type, xsi_type, label)
        return True


def _scan_type(scan: Described) -> str:
    return dict(scan.fields).get("type", "")
