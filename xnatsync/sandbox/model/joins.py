"""The rows behind a listing: one item with what is joined to it, as a left join gives them (hierarchy.md §3.5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from xnatsync.sandbox.model.objects import Experiment, Part, Project, Resource, Scan, Subject
from xnatsync.sandbox.model.schema import is_a

T = TypeVar("T")


@dataclass(slots=True)
class Joined:
    """One row of the join.  Parts that have no match are None; their columns are empty."""

    project: Project | None = None
    subject: Subject | None = None
    session: Experiment | None = None  # of an image assessor
    experiment: Experiment | None = None
    scan: Scan | None = None
    file: Resource | None = None  # a resource of the scan
    assessor: Experiment | None = None  # an assessor of the experiment
    resource: Resource | None = None  # a resource of the row's own item, or of its experiment
    variable: tuple[str, str] | None = None
    share: tuple[str, str] | None = None  # project, label there
    alias: str | None = None  # of the project
    part: Part | None = None  # a member that is only kept, e.g. a step of provenance
    shown_project: str = ""  # of a shared item listed in another project
    shown_label: str = ""
    shown_item: Subject | Experiment | None = None  # whose label that is
    uri: str = ""


@dataclass(slots=True)
class Plan:
    """Which tables the columns and filters of a query join, and with which types."""

    scans: set[str] = field(default_factory=set)  # types of scan columns; empty = not joined
    experiments: set[str] = field(default_factory=set)  # below a subject
    implied: set[str] = field(default_factory=set)  # sessions of a subject that only their scans ask for
    assessors: set[str] = field(default_factory=set)
    files: bool = False
    resource_of: str = ""  # "project", "subject", "experiment"; "" = not joined
    variable_of: str = ""
    share_of: str = ""
    aliases: bool = False  # of the project
    part_of: tuple[str, str] | None = None  # whose members, and their path; one collection in a query
    below: dict[str, list[Experiment]] = field(default_factory=dict)  # a subject's experiments, by its accession ID

    @property
    def sessions(self) -> set[str]:
        """The types of experiments that are joined to a subject: those named, else those of the scans."""
        return self.experiments or self.implied


def joined_rows(root: Joined, plan: Plan) -> Iterator[Joined]:
    """Return the product rows of one item; the same object is given each time, with other parts filled in."""
    for _ in _experiments(root, plan):
        for _ in _scans(root, plan):
            for _ in _assessors(root, plan):
                yield from _details(root, plan)


def _experiments(row: Joined, plan: Plan) -> Iterator[None]:
    if not plan.sessions:
        yield None
        return
    kept = plan.below.get(row.subject.id, []) if row.subject is not None else []
    for row.experiment in _or_none([item for item in kept if _fits(item.xsi_type, plan.sessions)]):
        yield None


def _scans(row: Joined, plan: Plan) -> Iterator[None]:
    if not plan.scans or row.experiment is None:
        yield None
        return
    scans = [scan for scan in row.experiment.scans.values() if _fits(scan.xsi_type, plan.scans)]
    for row.scan in _or_none(scans):
        if not plan.files:
            yield None
            continue
        for file in _or_none(list(row.scan.resources.values()) if row.scan else ()):
            row.file = file
            yield None


def _assessors(row: Joined, plan: Plan) -> Iterator[None]:
    if not plan.assessors or row.experiment is None:
        yield None
        return
    found = [item for item in row.experiment.assessors.values() if _fits(item.xsi_type, plan.assessors)]
    for row.assessor in _or_none(found):
        yield None


def _details(row: Joined, plan: Plan) -> Iterator[Joined]:
    for resource in _or_none(list(_resources(row, plan.resource_of))):
        for variable in _or_none(list(_variables(row, plan.variable_of))):
            for share in _or_none(list(_shares(row, plan.share_of))):
                row.resource, row.variable, row.share = resource, variable, share
                yield from _aliases(row, plan)


def _aliases(row: Joined, plan: Plan) -> Iterator[Joined]:
    aliases = list(row.project.aliases) if plan.aliases and row.project else ()
    for row.alias in _or_none(aliases):
        parts = _or_none(_parts(row, plan.part_of))
        for row.part in parts:
            yield row


def _parts(row: Joined, wanted: tuple[str, str] | None) -> Sequence[Part]:
    if wanted is None:
        return ()
    owner, path = wanted
    item = row.scan if owner == "scan" else row.assessor if owner == "assessor" else _owner(row, owner)
    return item.parts.get(path, ()) if item is not None else ()


def _resources(row: Joined, owner: str) -> Iterable[Resource]:
    item = _owner(row, owner)
    return item.resources.values() if item is not None else ()


def _variables(row: Joined, owner: str) -> Iterable[tuple[str, str]]:
    item = _owner(row, owner)
    return item.variables.items() if isinstance(item, (Subject, Experiment, Project)) else ()


def _shares(row: Joined, owner: str) -> Iterable[tuple[str, str]]:
    item = _owner(row, owner)
    if isinstance(item, Scan):
        return [(project, "") for project in item.shares]
    return item.shares.items() if isinstance(item, (Subject, Experiment)) else ()


def _owner(row: Joined, owner: str) -> Project | Subject | Experiment | Scan | None:
    if owner == "scan":
        return row.scan
    if owner == "experiment":
        return row.experiment
    if owner == "subject":
        return row.subject
    return row.project if owner == "project" else None


def _fits(xsi_type: str, wanted: set[str]) -> bool:
    return any(is_a(xsi_type, name) for name in wanted)


def _or_none(items: Sequence[T]) -> Sequence[T | None]:
    return items or (None,)
