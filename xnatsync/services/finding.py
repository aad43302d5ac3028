"""Finding what is meant before anything is done: a project, a subject, a session, by what a person calls it.

A name that is not there is one error with the nearest that are, and nothing was sent.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from xnatsync.core.errors import AccessDenied, AlreadyThere, NotThere, Usage
from xnatsync.core.labels import MAX_LABEL, is_valid_label
from xnatsync.core.nouns import ProjectHeld, SessionHeld, not_empty
from xnatsync.core.pasting import command_line
from xnatsync.services.client import XNATClient
from xnatsync.xnat import asked, edits, projects, sessions
from xnatsync.xnat.asked import Place

NEAREST = 3  # names that are told, of what is there
_COLUMNS = ("ID", "label", "project")


class Accession(str):
    """An accession ID that was found already: it is looked up as nothing else, whatever labels there are.

    A label wins over an ID where a person writes a name, and somebody's label may look like another's accession ID.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class SubjectFound:
    """A subject that is there.  `project` and `label` are those of the project in which it was looked for."""

    id: str
    label: str
    project: str
    held_by: str  # the project that it belongs to; another one than `project` where it is shared

    @property
    def is_shared(self) -> bool:
        """Return whether the project in which it was looked for only shows it."""
        return self.project != self.held_by


def project(client: XNATClient, name: str) -> ProjectHeld:
    """Find a project by its ID or alias; NotThere with the nearest that this account can read."""
    if not name or name in {".", ".."} or "/" in name:
        raise Usage(f"{name!r} is no ID of a project")
    try:
        return projects.one(client.low, name)
    except NotThere as error:
        near = nearest(name, _readable(client))
        others = f"; the nearest: {', '.join(near)}" if near else ""
        raise NotThere(
            f"there is no project {name}, or it is hidden from this account{others}",
            http=error.http,
            advice=f"`{command_line('project', 'list')}` lists the projects of this account.",
        ) from None


def subject(client: XNATClient, name: str, project_id: str | None) -> SubjectFound:
    """Find a subject by label or accession ID in a project, or, without one, by its accession ID; a label wins.

    The client's default project is looked into first where none is named.
    """
    home = not_empty(project_id) or client.default_project
    if home is None or isinstance(name, Accession):
        return subject_by_id(client, name)
    try:
        return _subject_in(client, name, project(client, home).id)
    except NotThere:
        if project_id is not None:
            raise
        return subject_by_id(client, name)


def subject_by_id(client: XNATClient, subject_id: str) -> SubjectFound:
    """Find a subject by its accession ID, in whatever project it is."""
    if not subject_id or subject_id in {".", ".."}:
        raise Usage("no subject was named")
    try:
        found = asked.item(client.low, edits.held(edits.SUBJECT, subject_id))
    except NotThere as error:
        raise NotThere(
            f"there is no subject {subject_id}, or it is hidden from this account",
            http=error.http,
            advice="Name its project too: without one, only accession IDs (XNAT_S00001) are found, not labels.",
        ) from None
    held_by = found.text("project")
    return SubjectFound(found.text("ID"), found.text("label"), held_by, held_by)


def _subject_in(client: XNATClient, name: str, project_id: str) -> SubjectFound:
    rows = asked.subjects(client.low, project_id, _COLUMNS)
    for key in ("label", "ID"):
        for row in rows:
            if row[key] == name:
                return SubjectFound(row["ID"], row["label"], project_id, row.get("project") or project_id)
    near = nearest(name, (row["label"] for row in rows))
    others = f"; the nearest: {', '.join(near)}" if near else ""
    raise NotThere(
        f"project {project_id} has no subject {name}{others}",
        advice=f"`{command_line('subject', 'list', '-P', project_id)}` lists its subjects.",
    )


def session(client: XNATClient, name: str, project_id: str | None) -> SessionHeld:
    """Find an imaging session by label or accession ID in a project, or by its accession ID; a label wins."""
    if not name or name in {".", ".."}:
        raise Usage("no session was named")
    home = not_empty(project_id) or client.default_project
    if home is None or isinstance(name, Accession):
        return sessions.by_id(client.low, name)
    try:
        return sessions.one(client.low, name, project(client, home).id)
    except NotThere:
        if project_id is not None:
            raise
        return sessions.by_id(client.low, name)


def new_label(label: str, taken: Iterable[str], what: str) -> str:
    """Return a label that XNAT keeps as it is and nobody has; Usage and AlreadyThere otherwise.

    One that differs from another in case alone counts as taken: an import finds subjects without looking at case.
    """
    if not is_valid_label(label):
        raise Usage(
            f"XNAT would not keep the label {label!r} as it is",
            advice=f"Use letters, digits, `_` and `-`, at most {MAX_LABEL} of them.",
        )
    for other in taken:
        if other.casefold() == label.casefold():
            alike = "" if other == label else f", as {other}: they differ in case alone"
            raise AlreadyThere(f"{what} {label} is already there{alike}")
    return label


def refuse_at_its_project(places: Iterable[Place], project_id: str, held_by: str, what: str) -> bool:
    """Return whether something is shared into a project; Usage where the project holds it: XNAT would delete it."""
    if project_id == held_by:
        raise Usage(
            f"{what} belongs to project {project_id}: taking it out there would delete it",
            advice="To delete it, say so with the command for that.",
        )
    return any(place.project == project_id for place in places)


def _readable(client: XNATClient) -> list[str]:
    try:
        return [held.id for held in projects.listed(client.low)]
    except AccessDenied:
        return []


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Return the names that are most like another, whatever their case."""
    by_case = {other.casefold(): other for other in known}
    return [by_case[each] for each in difflib.get_close_matches(name.casefold(), list(by_case), n=NEAREST, cutoff=0.6)]
