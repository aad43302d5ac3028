"""The URLs of sessions, the prearchive and the import; `addresses` has those of projects and resources.

Sessions are addressed flat, by accession ID: those URLs fail loudly, while project-scoped ones fall through to the
parent's data with 200 (hierarchy.md §3.8).  Descriptions carry no label, because labels are made of patient IDs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final
from urllib.parse import quote

from xnatsync.core.errors import Bug, NameRefused, Usage
from xnatsync.core.remote import ImportTarget
from xnatsync.xnat import names
from xnatsync.xnat.failures import Verb

Query = tuple[tuple[str, str], ...]

_JSON: Final[Query] = (("format", "json"),)
_PLAIN: Final = re.compile(r"[A-Za-z0-9._/-]+")
UNFILTERABLE: Final = re.compile(r"[,*%&<>'\"]")
_SESSION_COLUMNS: Final = "ID,label,project,subject_label,xsiType,UID"
_HELD_COLUMNS: Final = "ID,label,project,subject_label,subject_ID,date,xsiType,modality"
SCAN_ID_COLUMN: Final = "xnat:imagescandata/id"  # answers under this very key (hierarchy.md §3.4)


class Due(Enum):
    """What the answer must be."""

    JSON = "json"
    TEXT = "text"
    XML = "xml"
    ZIP = "zip"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Call:
    """One request, and how to speak of it: `what` goes into messages and holds no label."""

    verb: Verb
    method: str
    path: str
    what: str
    query: Query = ()
    due: Due = Due.JSON

    @property
    def target(self) -> str:
        """Return path and query, encoded; keys keep their `:` and `/`, as XNAT wants them."""
        if not self.query:
            return self.path
        pairs = (f"{encoded(key, safe=':/')}={encoded(value, safe=':/,')}" for key, value in self.query)
        return f"{self.path}?{'&'.join(pairs)}"


# --- the login ---------------------------------------------------------------------------------------------------


def sign_in() -> Call:
    """Open a session; a login that is already there would not be checked again (hierarchy.md §2.1)."""
    return Call(Verb.READ, "POST", "/data/JSESSION", "logging in", due=Due.TEXT)


def sign_out() -> Call:
    """End the session."""
    return Call(Verb.READ, "DELETE", "/data/JSESSION", "logging out", due=Due.TEXT)


def auth() -> Call:
    """Ask who we are: the only proof that a login is alive (hierarchy.md §2.1, trap)."""
    return Call(Verb.READ, "GET", "/data/auth", "asking who we are", due=Due.TEXT)


def build_info() -> Call:
    """The version, open to everybody (hierarchy.md §2.3)."""
    return Call(Verb.READ, "GET", "/xapi/siteConfig/buildInfo", "asking for the version")


def site_setting(name: str) -> Call:
    """One preference of the site; mostly for administrators."""
    return Call(Verb.READ, "GET", f"/xapi/siteConfig/{seg(name)}", f"asking for the setting {name}")


# --- the archive -------------------------------------------------------------------------------------------------


def project(project_id: str) -> Call:
    """One project as an item (§4.1)."""
    return read(f"/data/projects/{seg(project_id)}", f"looking up project {project_id}")


def editable_projects() -> Call:
    """The projects this account may edit (§3.2)."""
    return read("/data/projects", "listing the projects we may edit", ("restrict", "edit"))


def projects_with_roles() -> Call:
    """The projects this account may read, with its role in each (§3.2: another handler, lower-case columns)."""
    return read("/data/projects", "listing our roles in projects", ("accessible", "true"))


def sessions(project_id: str, *, label: str | None, study_uid: str | None) -> Call:
    """Imaging sessions of a project with those shared into it, which appear under their label here (§3.2)."""
    filters: list[tuple[str, str]] = [("xsiType", "xnat:imageSessionData"), ("columns", _SESSION_COLUMNS)]
    if label is not None and not UNFILTERABLE.search(label):
        filters.append(("label", label))
    if study_uid is not None:
        filters.append(("UID", study_uid))
    path = f"/data/projects/{seg(project_id)}/experiments"
    return read(path, f"listing sessions of project {project_id}", *filters)


def projects() -> Call:
    """The projects this account can read (§3.2)."""
    return read("/data/projects", "listing projects")


def subjects(project_id: str) -> Call:
    """The subjects of a project with those shared into it (§3.2)."""
    return read(f"/data/projects/{seg(project_id)}/subjects", f"listing the subjects of project {project_id}")


def held_sessions(project_id: str, *, with_scans: bool = False) -> Call:
    """Imaging sessions as a person wants to see them; with one row for each of their scans, if asked for (§3.5)."""
    columns = f"{_HELD_COLUMNS},{SCAN_ID_COLUMN}" if with_scans else _HELD_COLUMNS
    query = (("xsiType", "xnat:imageSessionData"), ("columns", columns))
    path = f"/data/projects/{seg(project_id)}/experiments"
    return read(path, f"listing sessions of project {project_id}", *query)


def scan_resources(session_id: str, scan: str) -> Call:
    """The resources of one scan, and of scans whose type is its ID (§3.6)."""
    path = f"/data/experiments/{seg(session_id)}/scans/{seg(scan)}/resources"
    return read(path, f"listing the resources of scan {scan} of session {session_id}")


def session(session_id: str) -> Call:
    """One session as an item (§4.1)."""
    return read(f"/data/experiments/{seg(session_id)}", f"looking up session {session_id}")


def scans(session_id: str) -> Call:
    """The scans of a session (§3.2)."""
    return read(f"/data/experiments/{seg(session_id)}/scans", f"listing the scans of session {session_id}")


def scan_files(session_id: str) -> Call:
    """Every file of every scan of a session, in one request (§3.6 E)."""
    return read(f"/data/experiments/{seg(session_id)}/scans/ALL/files", f"listing the files of session {session_id}")


def catalog(session_id: str, scan: str, resource: str) -> Call:
    """The catalogue of a scan's resource: XML whatever `format` says (§5.1)."""
    path = f"/data/experiments/{seg(session_id)}/scans/{seg(scan)}/resources/{seg(resource)}"
    what = f"reading the catalogue {resource} of scan {scan} of session {session_id}"
    return Call(Verb.READ, "GET", path, what, due=Due.XML)


def resources(session_id: str) -> Call:
    """The session-level resources (§3.2)."""
    return read(f"/data/experiments/{seg(session_id)}/resources", f"listing the resources of session {session_id}")


def resource_files(session_id: str, resource: str) -> Call:
    """The files of a session-level resource; none, with 200, when there is no such resource (§3.8)."""
    path = f"/data/experiments/{seg(session_id)}/resources/{_resource(resource)}/files"
    return read(path, f"listing the files of resource {resource} of session {session_id}")


def scans_zip(session_id: str, scan_ids: Sequence[str]) -> Call:
    """The files of some scans as one zip, which streams without a length (§7)."""
    path = f"/data/experiments/{seg(session_id)}/scans/{','.join(seg(scan) for scan in scan_ids)}/files"
    what = f"fetching {len(scan_ids)} scans of session {session_id}"
    return Call(Verb.READ, "GET", path, what, (("format", "zip"),), Due.ZIP)


def stored_file(session_id: str, resource: str, name: str, *, overwrite: bool = False) -> Call:
    """The place of one file in a session-level resource, for PUT; never with `overwrite` unless asked for (§6.1)."""
    path = f"/data/experiments/{seg(session_id)}/resources/{_resource(resource)}/files/{file_path(name)}"
    what = f"storing a file in resource {resource} of session {session_id}"
    query = (("overwrite", "true"),) if overwrite else ()
    return Call(Verb.STORE, "PUT", path, what, query, Due.TEXT)


# --- import and prearchive ---------------------------------------------------------------------------------------


def import_archive(target: ImportTarget) -> Call:
    """An upload of a zip or a tar: the importer reads the members one by one (import.md §1.4, §1.8)."""
    return _import(target, "DICOM-zip", ("inbody", "true"))


def import_object(target: ImportTarget) -> Call:
    """An upload of one object in a form, which names it; it lands beside those that came before (import.md §1.8)."""
    return _import(target, "gradual-DICOM")


def _import(target: ImportTarget, handler: str, *more: tuple[str, str]) -> Call:
    """The upload: into the prearchive, built and archived by nobody but us (import.md §1.2); never with `overwrite`."""
    query = (
        ("import-handler", handler),
        *more,
        ("PROJECT_ID", target.project),
        ("SUBJECT_ID", target.subject),
        ("EXPT_LABEL", target.session),
        ("prevent_auto_commit", "true"),
        ("SOURCE", "uploader"),
    )
    what = f"uploading to project {target.project}"
    return Call(Verb.IMPORT, "POST", "/data/services/import", what, query, Due.TEXT)


def prearchive(project_id: str) -> Call:
    """A project's prearchive rows (import.md §2.1)."""
    return read(f"/data/prearchive/projects/{seg(project_id)}", f"listing the prearchive of project {project_id}")


def prearchive_scans(uri: str) -> Call:
    """The scans of a built prearchive session (import.md §2.4)."""
    return read(f"{_row(uri)}/scans", f"listing the scans of {named(uri)}")


def prearchive_resources(uri: str) -> Call:
    """All resources of a built prearchive session (import.md §2.4)."""
    return read(f"{_row(uri)}/resources", f"listing the resources of {named(uri)}")


def prearchive_scan_resources(uri: str, scan: str) -> Call:
    """The resources of one scan of a built prearchive session (import.md §2.4)."""
    return read(f"{_row(uri)}/scans/{seg(scan)}/resources", f"listing the resources of scan {scan} of {named(uri)}")


def prearchive_files(uri: str, scan: str, resource: str) -> Call:
    """The files of one scan's resource of a built prearchive session (import.md §2.4)."""
    path = f"{_row(uri)}/scans/{seg(scan)}/resources/{seg(resource)}/files"
    return read(path, f"listing the files of scan {scan} of {named(uri)}")


def prearchive_log(uri: str) -> Call:
    """The newest log entry of a prearchive session (import.md §2.3)."""
    return Call(Verb.READ, "GET", f"{_row(uri)}/logs/last", f"reading the log of {named(uri)}", due=Due.TEXT)


def build(uri: str) -> Call:
    """Build now (import.md §2.3)."""
    return Call(Verb.BUILD, "POST", _row(uri), f"building {named(uri)}", (("action", "build"),), Due.TEXT)


def commit(uri: str) -> Call:
    """Build and archive now, in a manual project too; merges, and refuses duplicates (import.md §2.3)."""
    query = (("action", "commit"), ("AA", "true"), ("SOURCE", "uploader"))
    return Call(Verb.COMMIT, "POST", _row(uri), f"archiving {named(uri)}", query, Due.TEXT)


def delete_prearchive(uri: str) -> Call:
    """Remove a prearchive session (import.md §2.3)."""
    return Call(Verb.DELETE, "DELETE", _row(uri), f"deleting {named(uri)}", due=Due.TEXT)


# --- parts -------------------------------------------------------------------------------------------------------


def read(path: str, what: str, *query: tuple[str, str]) -> Call:
    """A request for JSON."""
    return Call(Verb.READ, "GET", path, what, (*query, *_JSON))


def seg(name: str) -> str:
    """Encode one part of a path; Usage for what can be none."""
    # XNAT does not decode labels in paths (hierarchy.md §1.6): what needs encoding cannot be addressed, and gets a 404.
    if not name or name in {".", ".."}:
        raise Usage(f"{name!r} is no name that an address can have", advice="Give the name of something on the server.")
    return encoded(name, safe="")


def encoded(text: str, *, safe: str) -> str:
    """Encode a part of an address; Usage for what is no text: half of a pair, as a damaged file name has it."""
    try:
        return quote(text, safe=safe)
    except UnicodeEncodeError:
        raise Usage(
            f"{text!r} holds a sign that no encoding has, so no address can name it", advice="Type the name again."
        ) from None


def _resource(label: str) -> str:
    if label.isdigit():
        raise Bug("a resource label of digits only would be taken for a resource ID (hierarchy.md §5.1)")
    return seg(label)


def file_path(name: str) -> str:
    """Encode a file's path so that XNAT stores exactly this name (hierarchy.md §6.4)."""
    if _PLAIN.fullmatch(name):
        return name
    if " " in name or "+" in name:
        return quote(name, safe="/")  # %20 or %2B make XNAT decode the whole path
    raise NameRefused(
        "XNAT would store this file under another name: it holds characters other than letters, digits, `.`, `_`, `-`",
        advice="Rename the file, or pack it in an archive.",
    )


def _row(uri: str) -> str:
    if names.prearchive_uri(uri, "the ledger") != uri:
        raise Bug("this is no prearchive session's address")
    return "/data" + quote(uri, safe="/")


def named(uri: str) -> str:
    """Name a prearchive session by project and time; its folder is a label, which stays out of messages."""
    _, _, _, project_id, moment, *_ = uri.split("/")
    return f"prearchive session {project_id}/{moment}"
