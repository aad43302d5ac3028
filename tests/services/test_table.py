"""Every public method of every service, against the stand-in: what it does, and what no lie and no name makes it do.

The table is total: a method without a row fails.  A method that is there to look never changes anything; one that
changes something does so on the server's side.  The same rows are then called with names that mean something else in
a URL or on a disk, and with servers that answer every request with 200 and something that is no answer.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.test_upload import study
from noun_world import PASSWORD, PROJECT, USER, NounWorld
from sandbox.dicom_study import landed
from sandbox.dicom_study import study as packed_study
from services.processing import install
from xnatsync import XNATClient, services
from xnatsync.sandbox.http.exchange import Request, Response
from xnatsync.sandbox.http.faults import Fault
from xnatsync.sandbox.model.creation import create_project, create_subject
from xnatsync.services import errors
from xnatsync.services.progress import DownloadSummary, UploadSummary

P, OTHER, S, M = PROJECT, "OTHER", "SUB001", "MR001"
# What all services have from their base, which asks nothing of a server.
OF_THE_BASE = {"do", "named_project", "written_down"}
# With a row elsewhere, because another kind of server answers.
ELSEWHERE = {"uploads.upload_dicom_store": "tests/dicomnet/test_arrival.py"}

SESSION = {"session_id": M, "project": P}
RESOURCE = {"session_id": M, "resource_label": "QC", "project": P}
SUBJECT = {"subject_id": S, "project": P}
TO = {"project": P, "subject": "SUB09", "session": "SUB09_MR1"}
WAITING = {"project": P, "timestamp": "TIMESTAMP", "session_name": "NEW1"}  # the moment is the server's

LOOKS: dict[str, dict[str, Any]] = {
    "projects.list": {},
    "projects.get": {"project_id": P},
    "projects.accessibility": {"project_id": P},
    "projects.check_new": {"project_id": "NEW"},
    "projects.check_user": {"project_id": P, "username": "bob"},
    "projects.deletable": {"project_id": P},
    "projects.get_sessions": {"project_id": P},
    "projects.get_subjects": {"project_id": P},
    "projects.users": {"project_id": P},
    "subjects.list": {"project": P},
    "subjects.get": SUBJECT,
    "subjects.get_sessions": SUBJECT,
    "subjects.held": SUBJECT,
    "subjects.home": {"project": P},
    "subjects.places": {"subject_id": "SHARED_SUBJECT"},
    "subjects.check_new": {"project": P, "label": "NEW"},
    "subjects.check_unshare": {"subject_id": "SHARED_SUBJECT", "target_project": OTHER},
    "subjects.deletable": {"subject_id": "EMPTY", "project": P},
    "subjects.variables": SUBJECT,
    "sessions.list": {"project": P},
    "sessions.get": SESSION,
    "sessions.get_scans": SESSION,
    "sessions.get_resources": SESSION,
    "sessions.home": {"project": P},
    "sessions.places": {"session_id": "SHARED_SESSION"},
    "sessions.check_new": {"project": P, "subject": S, "label": "NEW"},
    "sessions.check_unshare": {"session_id": "SHARED_SESSION", "target_project": OTHER},
    "sessions.deletable": SESSION,
    "sessions.variables": SESSION,
    "scans.list": SESSION,
    "scans.get": {**SESSION, "scan_id": "1"},
    "scans.get_resources": {**SESSION, "scan_id": "1"},
    "scans.named": {**SESSION, "scan_ids": ["1", "2"]},
    "resources.list": SESSION,
    "resources.get": RESOURCE,
    "resources.list_files": RESOURCE,
    "resources.download": {**RESOURCE, "dest": Path("qc.zip")},
    "downloads.download_resource": {**RESOURCE, "output_dir": Path("one")},
    "downloads.download_scan": {**SESSION, "scan_id": "1", "output_dir": Path("two")},
    "downloads.download_scans": {**SESSION, "scan_ids": ["1", "2"], "output_dir": Path("three")},
    "downloads.download_session": {**SESSION, "output_dir": Path("four")},
    "prearchive.list": {"project": P},
    "prearchive.get": WAITING,
    "prearchive.get_scans": WAITING,
    "prearchive.deletable": WAITING,
    "prearchive.needs": WAITING,
    "prearchive.get_routing_code": {"project": P},
    "prearchive.get_routing_mode": {"project": P},
    "pipelines.list": {"project": P},
    "pipelines.get": {"pipeline_name": "dcm2niix-session", "project": P},
    "pipelines.list_jobs": {"experiment_id": M, "project": P},
    "pipelines.status": {"job_id": "JOB"},
    "pipelines.cancellable": {"job_id": "JOB"},
    "admin.list_users": {"project": P},
    "admin.get_user": {"username": "ada"},
    "admin.groups": {"username": "bob"},
    "admin.leavable": {"username": "bob", "groups": [f"{P}_member"]},
    "admin.planned": {"groups": [f"{P}_member"], "projects": None, "role": None},
    "admin.list_roles": {"username": "ada"},
    "admin.get_server_info": {},
    "admin.get_site_config": {"key": "siteId"},
    "admin.list_plugins": {},
    "admin.get_plugin": {"plugin_id": "containers"},
    "admin.audit_log": {"project": P},
    "admin.audit_logs": {"project": P},
}
# In an order in which each finds what it needs: what deletes comes last.
CHANGES: dict[str, dict[str, Any]] = {
    "projects.create": {"project_id": "NEW"},
    "projects.grant": {"project_id": P, "username": "ada"},
    "projects.revoke": {"project_id": P, "username": "bob"},
    "projects.set_accessibility": {"project_id": P, "accessibility": "protected"},
    "projects.delete": {"project_id": OTHER},
    "subjects.create": {"project": P, "label": "NEW"},
    "subjects.set_variables": {**SUBJECT, "variables": {"group": "A"}},
    "subjects.share": {"subject_id": "SUB002", "project": P, "target_project": OTHER},
    "subjects.unshare": {"subject_id": "SHARED_SUBJECT", "target_project": OTHER},
    "subjects.rename": {"subject_id": "SUB002", "new_label": "SUB022", "project": P},
    "subjects.rename_batch": {"project": P, "mapping": {"SUB022": "SUB023"}},
    "subjects.rename_mapping": {"project": P, "mapping": {"SUB023": "SUB024"}},
    "subjects.rename_pattern": {"project": P, "match_pattern": "(SUB)024", "to_template": "{1}025"},
    "subjects.merge_subjects": {"project": P, "source_label": "SUB025", "target_label": S},
    "subjects.delete": {"subject_id": "EMPTY", "project": P},
    "sessions.create": {"project": P, "subject": S, "label": "NEW"},
    "sessions.set_field": {**SESSION, "field": "note", "value": "fine"},
    "sessions.set_fields": {**SESSION, "values": {"note": "better"}},
    "sessions.set_variables": {**SESSION, "variables": {"rater": "A"}},
    "sessions.share": {**SESSION, "target_project": OTHER},
    "sessions.unshare": {"session_id": "SHARED_SESSION", "target_project": OTHER},
    "sessions.delete": SESSION,
    "scans.set_note": {**SESSION, "scan_id": "1", "note": "moved"},
    "scans.set_quality": {**SESSION, "scan_id": "1", "quality": "unusable"},
    "scans.delete": {**SESSION, "scan_id": "1"},
    "scans.delete_multiple": {**SESSION, "scan_ids": ["2"]},
    "resources.create": {**RESOURCE, "resource_label": "NEW"},
    "resources.upload": {"session": M, "resource": "NEW2", "project": P, "files": [Path("notes.txt")]},
    "resources.upload_file": {**RESOURCE, "resource_label": "NEW3", "file_path": Path("notes.txt")},
    "resources.upload_directory": {**RESOURCE, "resource_label": "NEW4", "directory_path": Path("folder")},
    "resources.refresh": RESOURCE,
    "resources.delete": RESOURCE,
    "uploads.upload_dicom": {**TO, "source_path": Path("exam")},
    "uploads.upload_dicom_parallel": {**TO, "session": "SUB09_MR2", "source_dir": Path("exam2")},
    "uploads.upload_dicom_gradual": {**TO, "session": "SUB09_MR3", "source_path": Path("exam3")},
    "uploads.upload_dicom_gradual_files": {**TO, "session": "SUB09_MR4", "files": [Path("exam4")]},
    "uploads.upload_resource": {**RESOURCE, "resource_label": "NEW", "source_path": Path("notes.txt")},
    "prearchive.set_routing_mode": {"project": P, "mode": "manual"},
    "prearchive.rebuild": WAITING,
    "prearchive.move": {**WAITING, "target_project": OTHER},
    "prearchive.archive": {**WAITING, "timestamp": "TIMESTAMP2", "session_name": "NEW2"},
    "prearchive.delete": {**WAITING, "timestamp": "TIMESTAMP3", "session_name": "NEW3"},
    "pipelines.run": {"pipeline_name": "dcm2niix-session", "experiment_id": M, "project": P},
    "pipelines.cancel": {"job_id": "JOB"},
    "admin.add_user_to_groups": {"username": "ada", "groups": [f"{P}_member"]},
    "admin.remove_user_from_groups": {"username": "bob", "groups": [f"{P}_member"]},
    "admin.grant_role": {"username": "ada", "role": "Administrator"},
    "admin.revoke_role": {"username": "ada", "role": "Administrator"},
    "admin.set_enabled": {"username": "bob", "enabled": False},
    "admin.set_site_config": {"key": "siteId", "value": "XNAT2"},
    "admin.refresh_catalogs": {"project": P},
}
WAITS = {"pipelines.wait": {"job_id": "DONE", "timeout": 0}}
ROWS = LOOKS | CHANGES | WAITS
SERVICES = ("projects", "subjects", "sessions", "scans", "resources", "downloads", "uploads", "prearchive", "pipelines",
            "admin")  # fmt: skip


def methods() -> set[str]:
    """Every public method of every service that a client has, but for those of the base."""
    found = set()
    for name in SERVICES:
        kind = type(getattr(XNATClient("http://127.0.0.1:9", "u", "p"), name))
        public = inspect.getmembers(kind, inspect.isfunction)
        found |= {
            f"{name}.{method}" for method, _ in public if not method.startswith("_") and method not in OF_THE_BASE
        }
    return found


def test_every_method_has_a_row() -> None:
    """And every row a method: what is new is tried as everything else."""
    assert {f"{type(getattr(XNATClient('http://127.0.0.1:9', 'u', 'p'), name)).__name__}" for name in SERVICES} == {
        name for name in services.__all__ if name not in {"BaseService", "XNATClient"}
    }
    assert methods() == set(ROWS) | set(ELSEWHERE)


class Place:
    """A furnished server, and what the names of the table mean on it."""

    def __init__(self, world: NounWorld, client: XNATClient, folder: Path) -> None:
        self.world, self.client, self.folder = world, client, folder
        self.names: dict[str, str] = {}
        self._furnish()
        self.client.pipelines._sleep = lambda _: None
        self.client.prearchive._sleep = lambda _: None
        for name in SERVICES:
            service = getattr(client, name)
            service.settle_s = service.cache_s = 0.0

    def _furnish(self) -> None:
        site, owner = self.world.site, self.world.owner
        create_project(site, OTHER, owner)
        for label in ("EMPTY", "SHARED"):
            create_subject(site, P, label, owner)
        for login in ("ada", "bob"):
            site.accounts.add(login, "pw")
        site.projects[P].members["bob"] = "member"
        install(self.world)
        self.names["SHARED_SUBJECT"] = self.client.subjects.get("SHARED", P).id
        self.names["SHARED_SESSION"] = self.client.sessions.get("MR002", P).id
        self.client.subjects.share("SHARED", OTHER, project=P)
        self.client.sessions.share("MR002", OTHER, project=P)
        self.names["DONE"] = self.client.pipelines.run("dcm2niix-session", M, P).job_id
        site.processing.book.pace_s = float("inf")
        self.names["JOB"] = self.client.pipelines.run("dcm2niix-session", M, P).job_id
        site.processing.book.runs[self.names["JOB"]].container = "ab" * 32
        self.folder.mkdir()
        (self.folder / "folder").mkdir()
        (self.folder / "notes.txt").write_text("notes")
        (self.folder / "folder" / "a.txt").write_text("a")
        for number, name in enumerate(("exam", "exam2", "exam3", "exam4"), start=1):
            study(self.folder / name, seed=number, patient="SUB09", slices=(2,))

    def waiting(self) -> None:
        """Three sessions wait in the prearchive."""
        import httpx

        with httpx.Client(base_url=self.world.server.url, auth=(USER, PASSWORD), timeout=30) as web:
            web.put(f"/data/projects/{P}/prearchive_code/0").raise_for_status()
            for number, name in enumerate(("TIMESTAMP", "TIMESTAMP2", "TIMESTAMP3"), start=1):
                uri = landed(web, packed_study(study=number), f"project={P}&subject=S9&session=NEW{number}")
                web.post(f"{uri}?action=build").raise_for_status()
                self.names[name] = uri.rstrip("/").split("/")[-2]
        while sum("action=build" in str(line) for line in self.world.server.log) < 3:
            threading.Event().wait(0.01)  # a line is written once its answer has gone

    def meant(self, value: Any) -> Any:
        """What a value of the table means here."""
        if isinstance(value, Path):
            place = self.folder / value
            return sorted(place.iterdir()) if value.name == "exam4" else place
        if isinstance(value, list):
            found = [self.meant(one) for one in value]
            return found[0] if found and isinstance(found[0], list) else found
        return self.names.get(value, value) if isinstance(value, str) else value

    def call(self, row: str, **other: Any) -> Any:
        """Call a method as its row says, or with other arguments in their place."""
        service, method = row.split(".")
        given = {name: self.meant(value) for name, value in ROWS[row].items()} | other
        return getattr(getattr(self.client, service), method)(**given)

    def writes(self) -> list[str]:
        """What was asked of the server that may change it."""
        log = [(str(line["method"]), str(line["path"])) for line in self.world.server.log]
        return [f"{method} {path}" for method, path in log if method not in {"GET", "HEAD"} and "JSESSION" not in path]


@pytest.fixture
def place(far: NounWorld, client: XNATClient, tmp_path: Path) -> Place:
    return Place(far, client, tmp_path / "here")


@pytest.mark.parametrize("name", SERVICES)
def test_what_looks_changes_nothing_and_what_changes_does(name: str, place: Place) -> None:
    """By the requests that the server was sent; every call ends well."""
    place.waiting()
    for row in [row for row in ROWS if row.startswith(f"{name}.")]:
        before = len(place.writes())
        done = place.call(row)
        new = place.writes()[before:]
        assert (new != []) == (row in CHANGES), (row, new)
        if isinstance(done, DownloadSummary | UploadSummary):
            assert done.success, (row, done)


def instead(status: int, media: str, body: bytes) -> Callable[[Request], Response]:
    return lambda _: Response(status, {"Content-Type": media}, body)


LOGIN = b"<html><head><title>XNAT</title></head><body><form name='form1' action='/login'>Log in</form></body></html>"
LIES = {
    "a login page": instead(200, "text/html", LOGIN),
    "nothing": instead(200, "application/json", b""),
    "an object": instead(200, "application/json", b"{}"),
    "half of an object": instead(200, "application/json", b'{"ResultSet": {"Result": [{"ID": "'),
    "no rows": instead(200, "application/json", b'{"ResultSet": {"Result": [], "totalRecords": "0"}}'),
    "forbidden": instead(403, "text/html", b"<html><h3>Forbidden</h3></html>"),
}
# Of groups that are named with their projects, nothing has to be asked.
ASKS_NOTHING = {"admin.leavable", "admin.planned"}


@pytest.mark.parametrize("name", SERVICES)
def test_no_lie_of_a_server_is_believed(name: str, place: Place) -> None:
    """Whatever it answers to every request: an error of ours, no success, and nothing that changes anything is sent."""
    place.waiting()
    for lie, answer in LIES.items():
        place.world.server.faults.add(Fault("ANY", r"^/(?!data/JSESSION)", "call", before=answer, times=10**6))
        for row in [row for row in ROWS if row.startswith(f"{name}.") and row not in ASKS_NOTHING]:
            before = len(place.writes())
            assert outcome(place, row) == "refused", (lie, row)
            assert place.writes()[before:] == [], (lie, row)
        place.world.server.faults.clear()


def outcome(place: Place, row: str, **other: Any) -> str:
    """How a call ended: refused, as an error of the tree or in the summary that it returns; or done."""
    try:
        done = place.call(row, **other)
    except errors.XNATError as error:
        return "refused" if error.code != "XS-BUG" else f"{error}"
    if isinstance(done, DownloadSummary | UploadSummary):
        return "done" if done.success else "refused"
    return "refused" if isinstance(done, dict) and done.get("failed") else "done"


# Parameters that name something on the server; in the others a person may write what they like.
NAMES = {
    "project", "project_id", "target_project", "session", "session_id", "subject", "subject_id", "label", "new_label",
    "scan_id", "scan_ids", "resource", "resource_label", "username", "plugin_id", "timestamp", "session_name",
    "source_label", "target_label", "pipeline_name", "experiment_id", "job_id", "key",
}  # fmt: skip
HOSTILE = (
    "..", "../OTHER", "MR001/../../projects/OTHER", "%2e%2e%2fOTHER", "MR001?format=xml", "MR001#y", "MR001;y", " ",
    "", "a\x00b", "a\r\nX-Y: y", "M\u00fcller", "Mu\u0308ller", "L" * 300, "MR001%2F..", "\ud800", ".", "MR001 ", "1,2",
)  # fmt: skip
EACH = 3  # of them for each parameter, so that all together try all of them


@pytest.mark.parametrize("name", SERVICES)
def test_no_name_means_something_else(name: str, place: Place) -> None:
    """In an address, on a disk, or because it is empty: an error of ours, and nothing that changes anything is sent."""
    place.waiting()
    seen, turn = len(place.world.server.log), SERVICES.index(name)
    for row in [row for row in ROWS if row.startswith(f"{name}.") and row not in ASKS_NOTHING]:
        for parameter, value in ROWS[row].items():
            if parameter not in NAMES:
                continue
            turn += EACH
            for hostile in {"", *(HOSTILE[(turn + at) % len(HOSTILE)] for at in range(EACH))}:
                before = len(place.writes())
                given: Any = [hostile] if isinstance(value, list) else hostile
                assert outcome(place, row, **{parameter: given}) == "refused", (row, parameter, hostile)
                assert place.writes()[before:] == [], (row, parameter, hostile)
    asked = [str(line["path"]) for line in place.world.server.log[seen:]]
    assert not [path for path in asked if ".." in path.split("?")[0].split("/")]
    assert {one.name for one in place.folder.parent.iterdir()} >= {"here"}
    assert not [one for one in place.folder.parent.rglob("*") if one.name in {"OTHER", "L" * 300}]
