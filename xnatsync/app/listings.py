"""What a server holds, as the nouns ask for it: one connection, one question."""

from __future__ import annotations

from dataclasses import dataclass

from xnatsync.app.profile import Profile
from xnatsync.core.errors import NotThere, Usage
from xnatsync.core.modality import is_called
from xnatsync.core.nouns import ProjectHeld, ResourceHeld, ScanHeld, SessionHeld, SubjectHeld
from xnatsync.core.pasting import command_line
from xnatsync.xnat import projects, resources, scans, sessions, subjects
from xnatsync.xnat.server import XnatServer


@dataclass(frozen=True, slots=True)
class ProjectView:
    """A project and how much is in it."""

    project: ProjectHeld
    subjects: int
    sessions: int


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session with what is in it."""

    session: SessionHeld
    scans: tuple[ScanHeld, ...]
    resources: tuple[ResourceHeld, ...]


def projects_of(server: XnatServer) -> tuple[ProjectHeld, ...]:
    """List the projects that this account can read."""
    return projects.listed(server.client)


def scans_of(server: XnatServer, session: SessionHeld) -> tuple[ScanHeld, ...]:
    """List the scans of a session."""
    return scans.listed(server.client, session.id)


def resources_of(server: XnatServer, session: SessionHeld, scan: str | None) -> tuple[ResourceHeld, ...]:
    """List a session's own resources, or those of one scan; NotThere when there is no such scan."""
    if scan is None:
        return resources.of_session(server.client, session.id)
    return resources.of_scan(server.client, session.id, scan)


def scans_named(server: XnatServer, session: SessionHeld, text: str) -> frozenset[str] | None:
    """Read `1,2,3`; None for `*`, which means all.  NotThere when one of them is not in the session."""
    wanted = frozenset(part.strip() for part in text.split(",") if part.strip())
    if wanted == {"*"}:
        return None
    if not wanted:
        raise Usage("no scan was named", advice="Give -s 1,2,3, or -s '*' for all.")
    if strangers := wanted - {scan.id for scan in scans.listed(server.client, session.id)}:
        raise NotThere(
            f"session {session.id} has no scan {', '.join(sorted(strangers))}",
            advice=f"`{command_line('scan', 'list', '-E', session.id)}` lists its scans.",
        )
    return wanted


def session_named(server: XnatServer, profile: Profile, name: str, project: str | None) -> SessionHeld:
    """Find a session.  Without `-P` the default project is searched first, and then accession IDs everywhere."""
    if project is not None or profile.project is None:
        return sessions.one(server.client, name, project)
    try:
        return sessions.one(server.client, name, profile.project)
    except NotThere as missing:
        try:
            return sessions.by_id(server.client, name)
        except NotThere:
            raise missing from None


def sessions_of(server: XnatServer, project: str, subject: str | None, modality: str | None) -> list[SessionHeld]:
    """List the sessions of a project, of one subject (by label or accession ID), of one modality."""
    return [
        held
        for held in sessions.listed(server.client, project)
        if (subject is None or subject in {held.subject, held.subject_id})
        and (modality is None or is_called(held.modality, modality))
    ]


def subjects_of(server: XnatServer, project: str) -> list[tuple[SubjectHeld, int]]:
    """List the subjects of a project, each with the number of its imaging sessions there, in two requests."""
    held = subjects.listed(server.client, project)
    counts: dict[str, int] = {}
    for session in sessions.listed(server.client, project):
        counts[session.subject_id] = counts.get(session.subject_id, 0) + 1
    return [(subject, counts.get(subject.id, 0)) for subject in held]


def session_view(server: XnatServer, session: SessionHeld) -> SessionView:
    """Look into a session; one found by its accession ID alone gets the label of its subject from its project."""
    if not session.subject and session.project:
        alike = (held for held in sessions.listed(server.client, session.project) if held.id == session.id)
        session = next(alike, session)
    return SessionView(
        session, scans.listed(server.client, session.id), resources.of_session(server.client, session.id)
    )


def project_view(server: XnatServer, project: str) -> ProjectView:
    """Look into a project; NotThere when it is absent or hidden."""
    held = projects.one(server.client, project)
    return ProjectView(held, len(subjects.listed(server.client, held.id)), len(sessions.listed(server.client, held.id)))
