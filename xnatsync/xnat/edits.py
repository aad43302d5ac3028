"""The addresses of changes that a person makes to projects, subjects, sessions and scans; `wire` has deliveries.

Things that are there are addressed by accession ID, never by label: a PUT to a label that is mistyped creates, and a
project-scoped URL falls through to the parent (hierarchy.md §3.8, §4.2, §4.3).  Descriptions carry no label.
"""

from __future__ import annotations

from typing import Final

from xnatsync.xnat.failures import Verb
from xnatsync.xnat.wire import Call, Due, Query, read, seg

SUBJECT, SESSION = "subjects", "experiments"
_WORDS: Final = {SUBJECT: "subject", SESSION: "session"}


def project(project_id: str) -> Call:
    """The place of a project, for a document that makes it (§4.3)."""
    return _put(f"/data/projects/{seg(project_id)}", f"creating project {project_id}")


def project_gone(project_id: str, *, remove_files: bool) -> Call:
    """A project with everything it holds; its ID is used up for ever (§4.3)."""
    return _delete(f"/data/projects/{seg(project_id)}", f"deleting project {project_id}", remove_files=remove_files)


def accessibility(project_id: str) -> Call:
    """Who may see a project, as a bare word (§18)."""
    path = f"/data/projects/{seg(project_id)}/accessibility"
    return Call(Verb.READ, "GET", path, f"asking who may see project {project_id}", due=Due.TEXT)


def accessible(project_id: str, level: str) -> Call:
    """Make a project private, protected or public (§18)."""
    path = f"/data/projects/{seg(project_id)}/accessibility/{seg(level)}"
    return _put(path, f"making project {project_id} {level}")


def members(project_id: str) -> Call:
    """The users of a project with their groups (import.md §6.5)."""
    return read(f"/data/projects/{seg(project_id)}/users", f"listing the users of project {project_id}")


def site_users() -> Call:
    """The users of the site, where this account may list them (import.md §6.5)."""
    return read("/data/users", "listing the users of the server")


def membership(project_id: str, group: str, user: str, *, ends: bool = False) -> Call:
    """A user's place in a group of a project.  Putting somebody unknown there sends an invitation (import.md §6.5)."""
    path = f"/data/projects/{seg(project_id)}/users/{seg(group)}/{seg(user)}"
    if ends:
        return Call(Verb.DELETE, "DELETE", path, f"taking a user out of project {project_id}", due=Due.TEXT)
    return _put(path, f"adding a user to project {project_id}")


def held(kind: str, item_id: str) -> Call:
    """One subject or session as an item, flat (§4.1)."""
    return read(f"/data/{kind}/{seg(item_id)}", f"looking up {_WORDS[kind]} {item_id}")


def places(kind: str, item_id: str) -> Call:
    """The projects that a subject or a session is in: the one that holds it, and those it is shared into (§4.1)."""
    path = f"/data/{kind}/{seg(item_id)}/projects"
    return read(path, f"listing the projects of {_WORDS[kind]} {item_id}")


def share(kind: str, item_id: str, project_id: str, label: str, *, primary: bool = False) -> Call:
    """Show a subject or a session in a second project, or move it there (§4.5, §20.3)."""
    query = (("label", label), *((("primary", "true"),) if primary else ()))
    path = f"/data/{kind}/{seg(item_id)}/projects/{seg(project_id)}"
    verb = "moving" if primary else "sharing"
    return _put(path, f"{verb} {_WORDS[kind]} {item_id} into project {project_id}", query)


def unshare(kind: str, item_id: str, project_id: str) -> Call:
    """Take it out of a project.  At the project that holds it XNAT deletes it, with the same 200 (§4.5)."""
    path = f"/data/{kind}/{seg(item_id)}/projects/{seg(project_id)}"
    what = f"taking {_WORDS[kind]} {item_id} out of project {project_id}"
    return Call(Verb.DELETE, "DELETE", path, what, due=Due.TEXT)


def gone(kind: str, item_id: str, *, remove_files: bool) -> Call:
    """Delete a subject with all its experiments, or a session (§4.5)."""
    return _delete(f"/data/{kind}/{seg(item_id)}", f"deleting {_WORDS[kind]} {item_id}", remove_files=remove_files)


def new_subject(project_id: str, label: str, query: Query) -> Call:
    """A subject that is not there yet; its label must not need encoding, which XNAT would store (§1.6)."""
    return _put(f"/data/projects/{seg(project_id)}/subjects/{seg(label)}", f"creating a subject in {project_id}", query)


def subject(project_id: str, subject_id: str, query: Query = ()) -> Call:
    """A subject that is there, by its accession ID; with `label` in the query it is renamed and nothing else (§4.3)."""
    path = f"/data/projects/{seg(project_id)}/subjects/{seg(subject_id)}"
    return _put(path, f"changing subject {subject_id}", query)


def new_session(project_id: str, subject_id: str, label: str, query: Query) -> Call:
    """A session that is not there yet, under a subject that is (§4.3)."""
    path = f"/data/projects/{seg(project_id)}/subjects/{seg(subject_id)}/experiments/{seg(label)}"
    return _put(path, f"creating a session of subject {subject_id}", query)


def session(project_id: str, subject_id: str, session_id: str, query: Query = ()) -> Call:
    """A session that is there.  Without a query it moves under this subject, which changes nothing else (§20.1)."""
    path = f"/data/projects/{seg(project_id)}/subjects/{seg(subject_id)}/experiments/{seg(session_id)}"
    return _put(path, f"changing session {session_id}", query)


def scan(session_id: str, scan_id: str, query: Query = ()) -> Call:
    """A scan of a session, by its ID: a type is none here (§4.3)."""
    path = f"/data/experiments/{seg(session_id)}/scans/{seg(scan_id)}"
    return _put(path, f"changing scan {scan_id} of session {session_id}", query)


def scan_held(session_id: str, scan_id: str) -> Call:
    """One scan as an item (§4.1)."""
    path = f"/data/experiments/{seg(session_id)}/scans/{seg(scan_id)}"
    return read(path, f"looking up scan {scan_id} of session {session_id}")


def scan_gone(session_id: str, scan_id: str) -> Call:
    """Delete a scan; its files always go with it (§4.5)."""
    path = f"/data/experiments/{seg(session_id)}/scans/{seg(scan_id)}"
    return _delete(path, f"deleting scan {scan_id} of session {session_id}", remove_files=True)


def as_xml(call: Call) -> Call:
    """The same thing as a document: its root element and namespaces are what a partial document needs (§4.1)."""
    return Call(Verb.READ, "GET", call.path, call.what.replace("changing", "reading", 1), (("format", "xml"),), Due.XML)


def experiments_of(subject_id: str) -> Call:
    """Everything that belongs to a subject, in whichever project this account can read (§3.4)."""
    columns = ("columns", "ID,label,project,xsiType,subject_ID")
    what = f"listing the experiments of subject {subject_id}"
    return read("/data/experiments", what, ("xsiType", "xnat:subjectAssessorData"), columns, ("subject_ID", subject_id))


def experiments_in(project_id: str) -> Call:
    """Everything of subjects that a project shows: imaging sessions and all else, its own and what is shared (§3.4)."""
    columns = ("columns", "ID,label,project,xsiType")
    what = f"listing the experiments of project {project_id}"
    return read(f"/data/projects/{seg(project_id)}/experiments", what, ("xsiType", "xnat:subjectAssessorData"), columns)


def _put(path: str, what: str, query: Query = ()) -> Call:
    return Call(Verb.CHANGE, "PUT", path, what, query, Due.TEXT)


def _delete(path: str, what: str, *, remove_files: bool) -> Call:
    query = (("removeFiles", "true"),) if remove_files else ()
    return Call(Verb.DELETE, "DELETE", path, what, query, Due.TEXT)
