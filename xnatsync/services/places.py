"""Where a resource hangs: the project, subject, session or scan that a person means, looked up before anything is done.

A mistyped project is one error that names the nearest ones this account can read, and no other request follows it.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from xnatsync.core.errors import AccessDenied, NotThere, Usage
from xnatsync.core.inventory import Owner, OwnerKind, ResourceKey
from xnatsync.core.pasting import command_line
from xnatsync.services.client import XNATClient
from xnatsync.xnat import listing, projects, sessions, subjects

_NEAR = 0.6  # of 1: below, a suggestion would mislead
_NEAR_MAX = 3


@dataclass(frozen=True, slots=True)
class Place:
    """The parent of resources."""

    owner: Owner
    scan: str = ""

    def key(self, label: str) -> ResourceKey:
        """Return a resource of it."""
        return ResourceKey(self.scan, label)

    @property
    def home(self) -> str:
        """The project whose rights count."""
        return self.owner.home or self.owner.project

    @property
    def words(self) -> str:
        """Say what it is: `scan 4 of session XNAT_E00001`."""
        whole = f"{self.owner.kind.value} {self.owner.id}"
        return f"scan {self.scan} of {whole}" if self.scan else whole

    @property
    def listing(self) -> str:
        """Return the command that lists its resources."""
        match self.owner.kind:
            case OwnerKind.SESSION if self.scan:
                return command_line("resource", "list", self.owner.id, "--scan", self.scan)
            case OwnerKind.SESSION:
                return command_line("resource", "list", self.owner.id)
            case OwnerKind.SUBJECT:
                return command_line("resource", "list", "-P", self.owner.project, "-S", self.owner.id)
            case OwnerKind.PROJECT:
                return command_line("resource", "list", "-P", self.owner.id)


def find_place(
    client: XNATClient,
    session: str | None = None,
    *,
    scan: str | None = None,
    project: str | None = None,
    subject: str | None = None,
) -> Place:
    """Find the parent; NotThere with what is there instead, Usage when nothing was named."""
    if scan is not None and session is None:
        raise Usage("a scan was named and no session", advice="Name the session that it belongs to.")
    if session is not None:
        return _session(client, session, scan, project)
    wanted = project or client.default_project
    if subject is None:
        if wanted is None:
            raise Usage(
                "neither a session, a subject nor a project was named",
                advice="Name the session, or give -P PROJECT, and -S SUBJECT for a subject's own.",
            )
        seen = find_project(client, wanted)
        return Place(Owner(OwnerKind.PROJECT, seen, seen))
    if wanted is None:
        raise Usage("a subject was named and no project", advice="Give its project too.")
    return _subject(client, subject, find_project(client, wanted))


def find_project(client: XNATClient, name: str) -> str:
    """Return the ID of a project by ID or alias; NotThere with the nearest readable ones."""
    if (seen := listing.project(client.low, name)) is not None:
        return seen.id
    known = [held.id for held in projects.listed(client.low)]
    near = difflib.get_close_matches(name, known, n=_NEAR_MAX, cutoff=_NEAR)
    if not near:
        small = {each.lower(): each for each in known}
        near = [small[each] for each in difflib.get_close_matches(name.lower(), list(small), n=_NEAR_MAX, cutoff=_NEAR)]
    meant = f"; did you mean {' or '.join(near)}?" if near else ""
    raise NotThere(
        f"there is no project {name}, or it is hidden from this account{meant}",
        advice=f"`{command_line('project', 'list')}` lists the projects that this account can read.",
    )


def refuse_read_only(client: XNATClient, place: Place) -> None:
    """AccessDenied where XNAT would answer 200 to a store and store nothing (hierarchy.md §6.1)."""
    if listing.may_edit(client.low, place.home) is False:
        raise AccessDenied(
            f"this account may read project {place.home}, and not change it: XNAT would take files and store none",
            advice="Ask an owner of the project to make this account a member of it.",
        )


def _session(client: XNATClient, name: str, scan: str | None, project: str | None) -> Place:
    wanted = project or client.default_project
    if project is not None:
        wanted = find_project(client, project)
    try:
        held = sessions.one(client.low, name, wanted)
    except NotThere:
        if project is not None or wanted is None:
            raise
        held = sessions.by_id(client.low, name)  # the default project does not hide what has an ID of its own
    if scan is not None and scan not in listing.scans(client.low, held.id):
        raise NotThere(
            f"session {held.id} has no scan {scan}",
            advice=f"`{command_line('scan', 'list', '-E', held.id)}` lists its scans.",
        )
    owner = Owner(
        OwnerKind.SESSION,
        held.project,
        held.id,
        subject=held.subject,
        subject_id=held.subject_id,
        session=held.label,
        xsi_type=held.xsi_type,
    )
    return Place(owner, scan or "")


def _subject(client: XNATClient, name: str, project: str) -> Place:
    held = subjects.listed(client.low, project)
    for found in [*(one for one in held if one.label == name), *(one for one in held if one.id == name)]:
        return Place(Owner(OwnerKind.SUBJECT, project, found.id, subject=found.label, subject_id=found.id))
    raise NotThere(
        f"project {project} has no subject {name}",
        advice=f"`{command_line('subject', 'list', '-P', project)}` lists its subjects.",
    )
