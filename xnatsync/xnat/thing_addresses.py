"""The addresses of what transfers ask and do beyond files: documents of things, custom forms, records, shares."""

from __future__ import annotations

from typing import Final

from xnatsync.core.described import Part, ThingKind
from xnatsync.core.errors import Bug
from xnatsync.core.inventory import OwnerKind
from xnatsync.xnat import wire
from xnatsync.xnat.failures import Verb
from xnatsync.xnat.wire import Call, Due, Query, read, seg

_STAMPED: Final = ("columns", "ID,label,subject_ID,project,xsiType,insert_date,last_modified")
_WORDS: Final = {OwnerKind.PROJECT: "projects", OwnerKind.SUBJECT: "subjects", OwnerKind.SESSION: "experiments"}


def custom_fields(kind: OwnerKind, thing_id: str, scan: str = "", assessor: str = "") -> Call:
    """The values of the custom forms of a thing, or of a scan or an assessor of a session (hierarchy.md §4.4)."""
    below = f"/scans/{seg(scan)}" if scan else f"/assessors/{seg(assessor)}" if assessor else ""
    path = f"/xapi/custom-fields/{_WORDS[kind]}/{seg(thing_id)}{below}/fields"
    return read(path, f"reading the custom values of {kind.value} {thing_id}")


def stamps(project: str, xsi_type: str) -> Call:
    """All experiments of a project with the times of their changes (§3.9)."""
    what = f"listing when things of project {project} changed"
    return read("/data/experiments", what, ("xsiType", xsi_type), _STAMPED, ("project", project))


def assessor_stamps(project: str) -> Call:
    """All image assessors of a project, the sessions they belong to, and the times of their changes (§3.9)."""
    columns = ("columns", "ID,label,project,xsiType,insert_date,last_modified,session_ID")
    what = f"listing the assessors of project {project}"
    return read("/data/experiments", what, ("xsiType", "xnat:imageAssessorData"), columns, ("project", project))


def experiments_of(subject_id: str, xsi_type: str = "xnat:subjectAssessorData") -> Call:
    """Everything that belongs to a subject, in whichever project this account can read (§3.4)."""
    columns = ("columns", "ID,label,project,xsiType,subject_ID")
    what = f"listing the experiments of subject {subject_id}"
    return read("/data/experiments", what, ("xsiType", xsi_type), columns, ("subject_ID", subject_id))


def project(project_id: str) -> Call:
    """A project, to be made or changed by a document (§4.3, §17)."""
    return _put(f"/data/projects/{seg(project_id)}", f"writing project {project_id}")


def subject(project_id: str, reference: str) -> Call:
    """A subject, to be made under a label, or changed by its accession ID (§4.3)."""
    return _put(f"/data/projects/{seg(project_id)}/subjects/{seg(reference)}", f"writing a subject of {project_id}")


def experiment(project_id: str, subject_id: str, reference: str) -> Call:
    """A session or record, to be made under a label, or changed by its accession ID (§4.3)."""
    path = f"/data/projects/{seg(project_id)}/subjects/{seg(subject_id)}/experiments/{seg(reference)}"
    return _put(path, f"writing an experiment of subject {subject_id}")


def assessor(session_id: str, reference: str) -> Call:
    """An image assessor of a session, to be made under a label, or changed by its accession ID (§19)."""
    path = f"/data/experiments/{seg(session_id)}/assessors/{seg(reference)}"
    return _put(path, f"writing an assessor of session {session_id}")


def assessors_of(session_id: str) -> Call:
    """The image assessors of a session (§3.2)."""
    path = f"/data/experiments/{seg(session_id)}/assessors"
    return read(path, f"listing the assessors of session {session_id}", ("columns", "ID,label"))


def share(kind: OwnerKind, thing_id: str, project_id: str, label: str) -> Call:
    """Show a subject, a session, a record or an assessor in a second project (§4.5)."""
    if kind is OwnerKind.PROJECT:
        raise Bug("a project is not shared")
    path = f"/data/{_WORDS[kind]}/{seg(thing_id)}/projects/{seg(project_id)}"
    query: Query = (("label", label),) if label else ()
    return _put(path, f"sharing {kind.value} {thing_id} into project {project_id}", query)


def share_scan(session_id: str, scan: str, project_id: str) -> Call:
    """Show a scan in a second project, and its session where it is not yet (§4.5)."""
    path = f"/data/experiments/{seg(session_id)}/scans/{seg(scan)}/projects/{seg(project_id)}"
    return _put(path, f"sharing a scan of session {session_id} into project {project_id}")


def custom_write(kind: OwnerKind, thing_id: str, scan: str = "", assessor: str = "") -> Call:
    """The values of custom forms, to be set; the others stay (§4.4)."""
    call = custom_fields(kind, thing_id, scan, assessor)
    return Call(Verb.CHANGE, "PUT", call.path, call.what.replace("reading", "setting", 1), (), Due.TEXT)


def below(part: Part) -> str:
    """Return which scan a part is, "" when it is none."""
    return part.name if part.kind is ThingKind.SCAN else ""


def _put(path: str, what: str, query: Query = ()) -> Call:
    return wire.Call(Verb.CHANGE, "PUT", path, what, query, Due.TEXT)


# --- what would interfere with a delivery --------------------------------------------------------------------------


def roles() -> Call:
    """The projects this account may read, with its role in each (§3.2)."""
    return wire.projects_with_roles()


def project_setting(project_id: str, name: str) -> Call:
    """A setting of a project that its address shows as a bare word (§4.3)."""
    path = f"/data/projects/{seg(project_id)}/{seg(name)}"
    return Call(Verb.READ, "GET", path, f"asking for {name} of project {project_id}", due=Due.TEXT)


def site_script() -> Call:
    """Whether the site's anonymisation runs (import.md §4.9)."""
    return Call(Verb.READ, "GET", "/xapi/anonymize/site/enabled", "asking for the site's anonymisation", due=Due.TEXT)


def project_script(project_id: str) -> Call:
    """Whether a project's anonymisation runs (import.md §4.9)."""
    path = f"/xapi/anonymize/projects/{seg(project_id)}/enabled"
    return Call(Verb.READ, "GET", path, f"asking for the anonymisation of project {project_id}", due=Due.TEXT)


def data_types() -> Call:
    """The data types that the site knows (§3.7)."""
    return Call(Verb.READ, "GET", "/xapi/schemas/datatypes", "listing the data types of the site")
