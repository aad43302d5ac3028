"""Where a resource hangs: the project, subject, session or scan that a person means, looked up before anything is done.

A mistyped project is one error that names the nearest ones this account can read, and no other request follows it.
"""

from __future__ import annotations

from dataclasses import dataclass

from xnatsync.core.errors import AccessDenied, NotThere, Usage
from xnatsync.core.inventory import Owner, OwnerKind, ResourceKey
from xnatsync.core.nouns import not_empty
from xnatsync.core.pasting import command_line
from xnatsync.services import finding
from xnatsync.services.client import XNATClient
from xnatsync.xnat import listing


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
    wanted = not_empty(project) or client.default_project
    if subject is None:
        if wanted is None:
            raise Usage(
                "neither a session, a subject nor a project was named",
                advice="Name the session, or give -P PROJECT, and -S SUBJECT for a subject's own.",
            )
        seen = finding.project(client, wanted).id
        return Place(Owner(OwnerKind.PROJECT, seen, seen))
    if wanted is None:
        raise Usage("a subject was named and no project", advice="Give its project too.")
    return _subject(client, subject, finding.project(client, wanted).id)


def refuse_read_only(client: XNATClient, place: Place) -> None:
    """AccessDenied where XNAT would answer 200 to a store and store nothing (hierarchy.md §6.1)."""
    if listing.may_edit(client.low, place.home) is False:
        raise AccessDenied(
            f"this account may read project {place.home}, and not change it: XNAT would take files and store none",
            advice="Ask an owner of the project to make this account a member of it.",
        )


def _session(client: XNATClient, name: str, scan: str | None, project: str | None) -> Place:
    held = finding.session(client, name, project)
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
    found = finding.subject(client, name, project)
    return Place(Owner(OwnerKind.SUBJECT, project, found.id, subject=found.label, subject_id=found.id))
