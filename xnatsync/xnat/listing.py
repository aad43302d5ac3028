"""Looks at the archive: projects, sessions, files.  An absence is reported only where the parent was seen (§3.8)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from xnatsync.core.errors import AccessDenied, NotThere, ReadFailed, ReplyStrange
from xnatsync.core.remote import FileListing, ProjectSeen, RemoteFile, SessionSeen
from xnatsync.xnat import catalog, names, replies, wire
from xnatsync.xnat.client import Client
from xnatsync.xnat.replies import Reply
from xnatsync.xnat.wire import Call

DICOM_RESOURCES: Final = frozenset({"DICOM", "secondary"})


def project(client: Client, project_id: str) -> ProjectSeen | None:
    """Look a project up by ID or alias; None when it is absent or hidden."""
    try:
        return ProjectSeen(replies.item_field(client.get(wire.project(project_id)), "ID"))
    except NotThere:
        return None


def may_edit(client: Client, project_id: str) -> bool | None:
    """Return whether we may edit a project: with less, an import lands somewhere else without a word (import.md §1.6).

    None when the server does not say: an administrator may edit what no listing names as editable.
    """
    if project_id in replies.projects(client.get(wire.editable_projects()), "ID"):
        return True
    role = replies.role(client.get(wire.projects_with_roles()), project_id)
    return False if role is not None and role.lower().startswith("collaborator") else None


def site_setting(client: Client, name: str) -> str | None:
    """Return a setting of the site; None where the account may not read it, or there is none of that name."""
    try:
        return client.get(wire.site_setting(name)).text.strip().strip('"').lower() or None
    except (AccessDenied, NotThere):
        return None


def sessions(client: Client, project_id: str, *, label: str | None, study_uid: str | None) -> tuple[SessionSeen, ...]:
    """List imaging sessions, shared ones included; NotThere when the project is not to be seen."""
    reply = client.get(wire.sessions(project_id, label=label, study_uid=study_uid))
    listed = replies.sessions(reply, project_id, label=label, study_uid=study_uid)
    # The server's filters may be wider than asked (wildcards, ignored keys): the last word is ours.
    return tuple(
        seen
        for seen in listed
        if (label is None or seen.label == label) and (study_uid is None or seen.study_uid == study_uid)
    )


def session_files(client: Client, session_id: str) -> FileListing:
    """List every file of every scan: one request, and one for each DICOM resource whose names are not ours."""
    refused: replies.Refused = []
    files = scan_files(client, session_id, refused)
    foreign = {(file.scan, file.resource) for file in files if file.resource in DICOM_RESOURCES and not file.sop_uid}
    found: dict[tuple[str, str], dict[str, str]] = {}
    complete = not refused
    for scan, resource in sorted(foreign):
        try:
            found[scan, resource] = catalog.sop_uids(client.get(wire.catalog(session_id, scan, resource)))
        except NotThere:
            complete = False  # it was listed a moment ago: somebody is changing this session
    whole = tuple(_with_uid(file, found) for file in files)
    return FileListing(whole, complete=complete, refused=tuple(refused))


def scan_files(client: Client, session_id: str, refused: replies.Refused | None = None) -> tuple[RemoteFile, ...]:
    """List every file of every scan in one request, with the UIDs that names tell.

    XNAT answers 500 or 404 both to a session without scans and to one that is not there (§3.8): then its scans and, if
    need be, the session itself are asked for.
    """
    refusal: NotThere | ReadFailed | None = None
    files: tuple[RemoteFile, ...] = ()
    try:
        files = replies.files(client.get(wire.scan_files(session_id)), refused)
    except (NotThere, ReadFailed) as error:
        if error.http not in {404, 500}:
            raise
        refusal = error
    if not files and not refused and scans(client, session_id) and refusal is not None:
        raise ReadFailed(f"the files of session {session_id} could not be listed", http=refusal.http) from refusal
    if any(not file.scan for file in files):
        raise ReplyStrange(f"listing the files of session {session_id}: a file outside of all scans is listed")
    return files


def scans(client: Client, session_id: str) -> tuple[str, ...]:
    """List the IDs of a session's scans, odd ones quoted; NotThere when the session is not to be seen."""
    listed = replies.rows(of_session(client, session_id, wire.scans(session_id)), ("ID",))
    return tuple(names.shown(row["ID"]) for row in listed)


def resource_files(client: Client, session_id: str, resource: str) -> FileListing:
    """List the files of a session-level resource; none when the session is there and has no such resource."""
    refused: replies.Refused = []
    files = replies.files(of_session(client, session_id, wire.resource_files(session_id, resource)), refused)
    if not files and not refused:
        replies.rows(of_session(client, session_id, wire.resources(session_id)), ("label",))
    ours = tuple(file for file in files if file.resource == resource and not file.scan)
    return FileListing(ours, complete=not refused, refused=tuple(refused))


def of_session(client: Client, session_id: str, call: Call) -> Reply:
    """Read something of a session; NotThere only if the session itself is not there, whatever XNAT answered (§3.8)."""
    try:
        return client.get(call)
    except (NotThere, ReadFailed) as error:
        if error.http in {404, 500}:
            client.get(wire.session(session_id))  # raises NotThere when that is the reason
        if isinstance(error, NotThere):
            raise ReadFailed(str(error), http=error.http) from error
        raise


def _with_uid(file: RemoteFile, found: dict[tuple[str, str], dict[str, str]]) -> RemoteFile:
    uids = found.get((file.scan, file.resource))
    return file if uids is None else replace(file, sop_uid=file.sop_uid or uids.get(file.name, ""))
