"""The prearchive over REST: listings, single sessions, batch services (import.md §2.1–2.4, §2.7)."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import unquote

from xnatsync.sandbox.http import prearchive_content
from xnatsync.sandbox.http.exchange import Match, Refusal, Request, Response, escaped, text
from xnatsync.sandbox.http.negotiation import listing_response
from xnatsync.sandbox.http.router import Routes
from xnatsync.sandbox.model import importing, operations, recovery, separation
from xnatsync.sandbox.model.archiver import Request as ArchiveRequest
from xnatsync.sandbox.model.creation import ModelError
from xnatsync.sandbox.model.hierarchy import find_project
from xnatsync.sandbox.model.merge import Rules
from xnatsync.sandbox.model.objects import Experiment
from xnatsync.sandbox.model.prearchive import STATUSES, UNASSIGNED, Row
from xnatsync.sandbox.model.rebuilder import overwrites
from xnatsync.sandbox.model.site import Site

T = TypeVar("T")
COLUMNS = [
    "project",
    "timestamp",
    "lastmod",
    "uploaded",
    "scan_date",
    "scan_time",
    "subject",
    "folderName",
    "name",
    "tag",
    "status",
    "url",
    "autoarchive",
    "prevent_anon",
    "prevent_auto_commit",
    "SOURCE",
    "VISIT",
    "PROTOCOL",
    "TIMEZONE",
]


@dataclass(slots=True)
class Prearchive:
    """The handlers."""

    site: Site

    # -- listings ------------------------------------------------------------------------------------------------------

    def list_rows(self, request: Request, match: Match) -> Response:
        """List rows: all that the user may edit, or those of named projects (§2.1)."""
        projects: list[str] | None = None
        if "PROJECTS" in match.values:
            projects = [self._readable(request, name) for name in match.values["PROJECTS"].split(",")]
        with self.site.lock:
            rows = self.site.prearchive.visible(request.user, projects)
            if request.has("tag"):
                if not request.user.admin:
                    raise Refusal(403)
                rows = [row for row in rows if row.tag == request.param("tag")]
            shown = [row.columns() for row in rows]
        return listing_response(request, shown, total=False, columns=COLUMNS)

    def _readable(self, request: Request, name: str) -> str:
        project = find_project(self.site, name)
        if name == UNASSIGNED and request.user.admin:
            return ""
        if project is None or not self.site.can(request.user, project.id, "read"):
            raise Refusal(403, f"The current user does not have access to the requested project: {name}")
        return project.id

    def rescan(self, request: Request, match: Match) -> Response:
        """Look for sessions on disk that have no row."""
        if not request.user.admin:
            raise Refusal(403)
        recovery.rescan(self.site)
        return text("")

    # -- one session ---------------------------------------------------------------------------------------------------

    def find(self, request: Request, match: Match, *, unassigned: bool = False) -> Row:
        """Find a session and checks that the user may see it; any access needs the edit right (§2.3)."""
        name, stamp, folder = (unquote(match.values[part]) for part in ("PROJECT", "TIMESTAMP", "FOLDER"))
        project = find_project(self.site, name)
        if name != UNASSIGNED and project is None:
            raise Refusal(404, f"No project named {name}")
        if name == UNASSIGNED and not request.user.admin and not unassigned:
            raise Refusal(500, "InsufficientPrivilegesException")
        if project is not None and not self.site.can(request.user, project.id, "edit"):
            raise Refusal(403, "Invalid permissions for new project.")
        row = self.site.prearchive.find(project.id if project is not None else "", stamp, folder)
        if row is None:
            raise Refusal(404, f"/prearchive/projects/{name}/{stamp}/{folder} not found.")
        return row

    def get(self, request: Request, match: Match) -> Response:
        """Show a session: its document by default, its row as json, its folder as zip."""
        return prearchive_content.session(self.site, request, self.find(request, match), match.tail)

    def delete(self, request: Request, match: Match) -> Response:
        """Delete a session, or one scan of it."""
        row = self.find(request, match)
        if match.tail.startswith("/scans/"):
            prearchive_content.delete_scan(self.site, row, unquote(match.tail.split("/")[2]))
        else:
            _run(lambda: operations.delete(self.site, row))
        return text("")

    def post(self, request: Request, match: Match) -> Response:
        """Act on a session (§2.3)."""
        row = self.find(request, match, unassigned=True)
        params = _params(request)
        action = params.get("action", "")
        if not action:
            raise Refusal(400, "No action parameter was specified for the prearchive session.")
        acts: dict[str, Callable[[Request, Row, dict[str, str]], Response]] = {
            "build": self._build,
            "commit": self._commit,
            "move": self._move,
            "reset-status": self._reset,
            "set-status": self._set_status,
        }
        if action not in acts:
            who = request.user.login
            raise Refusal(400, f"User {who} requested an unsupported action on prearchive session: {action}")
        return acts[action](request, row, params)

    def _build(self, request: Request, row: Row, params: dict[str, str]) -> Response:
        if not _run(lambda: operations.build(self.site, row)):
            raise Refusal(409, "session document locked")
        return _uri(row.uri)

    def _reset(self, request: Request, row: Row, params: dict[str, str]) -> Response:
        operations.reset(self.site, row)
        return _uri(row.uri)

    def _set_status(self, request: Request, row: Row, params: dict[str, str]) -> Response:
        status = params.get("status", "")
        if status not in STATUSES:
            raise Refusal(400, f"Unknown prearchive status: {status}")
        with self.site.lock:
            if not row.locked:
                self.site.prearchive.set_status(row, status)
        return _uri(row.uri)

    def _move(self, request: Request, row: Row, params: dict[str, str]) -> Response:
        project = find_project(self.site, params.get("newProject", ""))
        if project is None or not self.site.can(request.user, project.id, "edit"):
            raise Refusal(403, "Unable to modify session data for destination project.")
        if row.locked:
            return text("")
        _run(lambda: operations.move(self.site, row, project.id))
        return _uri(row.uri, 301)

    def _commit(self, request: Request, row: Row, params: dict[str, str]) -> Response:
        for name, key in (("VISIT", "visit"), ("PROTOCOL", "protocol"), ("TIMEZONE", "timezone"), ("SOURCE", "source")):
            if name in params:
                setattr(row, key, params[name])
        row.extra |= {key: value for key, value in params.items() if key.startswith("xnat:")}
        if not _run(lambda: operations.build(self.site, row)):
            raise Refusal(409, "session document locked")
        asked = any(params.get(name, "false").lower() not in {"false", "0"} for name in ("AA", "auto-archive"))
        if not row.project or not operations.auto_archives(self.site, row, asked):
            return _uri(row.uri)
        rules = Rules(overwrite_files=overwrites(self.site, row) or params.get("overwrite_files") == "true")
        order = ArchiveRequest(request.user, rules, {}, params.get("quarantine") == "true")
        job = self.site.prearchive.jobs.submit(lambda: operations.archive(self.site, row, order))
        session = archived_in_time(self.site, row, job)
        return _uri(importing.archived_uri(self.site, session), 301)

    # -- batches -------------------------------------------------------------------------------------------------------

    def batch_move(self, request: Request, match: Match) -> Response:
        """Queue moves."""
        fields = request.form()
        wanted = next((value for key, value in fields if key == "newProject"), "")
        project = find_project(self.site, wanted)
        if project is None:
            raise Refusal(404, "One or more specified projects does not exist")
        rows = self._sources(request, fields)
        if not self.site.can(request.user, project.id, "edit"):
            raise Refusal(403, f"Invalid permissions for user {request.user.login}")
        return self._queue(request, rows, "QUEUED_MOVING", lambda row: operations.move(self.site, row, project.id))

    def batch_delete(self, request: Request, match: Match) -> Response:
        """Queue deletions."""
        rows = self._sources(request, request.form())
        return self._queue(request, rows, "QUEUED_DELETING", lambda row: operations.delete(self.site, row))

    def batch_rebuild(self, request: Request, match: Match) -> Response:
        """Queue builds; this does not go on to the archive (§2.7)."""
        fields = request.form()
        rows = self._sources(request, fields)
        if any(key == "overrideLock" and value == "true" for key, value in fields):
            for row in rows:
                self.site.prearchive.set_status(row, row.status.removeprefix("_"))
        return self._queue(request, rows, "QUEUED_BUILDING", lambda row: separation.build_parts(self.site, row))

    def _queue(self, request: Request, rows: list[Row], status: str, work: Callable[[Row], object]) -> Response:
        shown = []
        for row in rows:
            with self.site.lock:
                if row.locked:
                    shown.append(row.columns())
                    continue
                self.site.prearchive.set_status(row, status)
                shown.append(row.columns())
            self.site.prearchive.jobs.submit(lambda row=row: work(row))  # type: ignore[misc]
        return listing_response(request, shown, total=False, columns=COLUMNS)

    def _sources(self, request: Request, fields: list[tuple[str, str]]) -> list[Row]:
        return [source_row(self.site, request, value) for key, value in fields if key == "src"]


def source_row(site: Site, request: Request, src: str) -> Row:
    """Find the session a `src` names, for someone who may edit it (§2.5, §2.7)."""
    parts = src.removeprefix("/data").removeprefix("/REST").strip("/").split("/")
    if len(parts) != 5 or parts[:2] != ["prearchive", "projects"]:
        raise Refusal(400, f"Invalid src URI ({src})")
    project = find_project(site, parts[2])
    if project is not None and not site.can(request.user, project.id, "edit"):
        raise Refusal(403, f"Invalid permissions for user {request.user.login}")
    row = site.prearchive.find(project.id if project is not None else parts[2], parts[3], parts[4])
    if row is None:
        raise Refusal(404, f"/{'/'.join(parts)} not found.")
    return row


def _params(request: Request) -> dict[str, str]:
    """Return the parameters of an action: a JSON body, a form, the query on top."""
    found: dict[str, str] = {}
    if request.content_type == "application/json":
        try:
            parsed = json.loads(request.body.read() or b"{}")
        except ValueError as error:
            raise Refusal(400, "The request body is not JSON.") from error
        found = {str(key): str(value) for key, value in parsed.items()} if isinstance(parsed, dict) else {}
    return found | {key: escaped(value) for key, value in request.form()}


def _run(work: Callable[[], T]) -> T:
    try:
        return work()
    except ModelError as error:
        raise Refusal(error.status, error.message) from error


def _uri(uri: str, status: int = 200) -> Response:
    return text(f"/data{uri}", status, "text/uri-list")


def attach(routes: Routes, site: Site) -> None:
    """Add the prearchive's routes."""
    handlers = Prearchive(site)
    session = "/prearchive/projects/{PROJECT}/{TIMESTAMP}/{FOLDER}"
    routes.add("GET", "/prearchive", handlers.list_rows)
    routes.add("PUT", "/prearchive", handlers.rescan)
    routes.add("GET", "/prearchive/projects/{PROJECTS}", handlers.list_rows)
    routes.add("GET", session, handlers.get)
    routes.add("POST", session, handlers.post)
    routes.add("DELETE", session, handlers.delete)
    routes.add("POST", "/services/prearchive/move", handlers.batch_move)
    routes.add("POST", "/services/prearchive/delete", handlers.batch_delete)
    routes.add("POST", "/services/prearchive/rebuild", handlers.batch_rebuild)


def archived_in_time(site: Site, row: Row, job: Future[Experiment]) -> Experiment:
    """Wait for an archive as long as the site allows; it goes on when nobody waits any more (§2.5)."""
    try:
        return job.result(site.settings.number("sessionArchiveTimeoutInterval"))
    except ModelError as error:
        raise Refusal(500, f"FAILED: Unable to archive {row.folder}: Operation Failed: {error.message}") from error
    except TimeoutError as error:
        raise Refusal(
            500, f"The archive of {row.folder} did not complete within the configured timeout interval."
        ) from error
