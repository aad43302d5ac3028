"""`/data/services/archive` and `/data/services/validate-archive` (import.md §2.5)."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field

from xnatsync.sandbox.http.exchange import Match, Refusal, Request, Response, escaped, text
from xnatsync.sandbox.http.negotiation import listing_response
from xnatsync.sandbox.http.prearchive_routes import COLUMNS, archived_in_time
from xnatsync.sandbox.http.router import Routes
from xnatsync.sandbox.model import archiver, importing, merge, operations
from xnatsync.sandbox.model.archiver import Request as ArchiveRequest
from xnatsync.sandbox.model.creation import ModelError
from xnatsync.sandbox.model.hierarchy import experiment_labelled, find_project
from xnatsync.sandbox.model.merge import Rules
from xnatsync.sandbox.model.objects import Experiment
from xnatsync.sandbox.model.prearchive import UNASSIGNED, Row
from xnatsync.sandbox.model.rebuilder import overwrites
from xnatsync.sandbox.model.site import Site

_RULES_OF_MANY = {"delete": (True, True), "append": (False, True)}
_PLACE = ("PREARC_TIMESTAMP", "PREARC_SESSION_FOLDER")


@dataclass(slots=True)
class _Asked:
    """The parameters: those that may be repeated, and all others."""

    sources: list[str]
    params: dict[str, str] = field(default_factory=dict)

    def flag(self, name: str) -> bool:
        return self.params.get(name, "false").lower() not in {"false", "0"}


@dataclass(slots=True)
class ArchiveService:
    """The handlers."""

    site: Site

    def post(self, request: Request, match: Match) -> Response:
        """Archive one session while the client waits, or several in the background."""
        asked = _read(request)
        rows = [self._row(request, source) for source in asked.sources]
        if not rows:
            raise Refusal(404, "Unknown prearchive session.")
        if len(rows) > 1:
            return self._many(request, rows, asked)
        return self._one(request, rows[0], asked)

    def _row(self, request: Request, source: str) -> Row:
        parts = source.removeprefix("/data").removeprefix("/REST").strip("/").split("/")
        if len(parts) != 5 or parts[:2] != ["prearchive", "projects"]:
            raise Refusal(400, f"Invalid src URI ({source})")
        if parts[2] == UNASSIGNED:
            raise Refusal(400, "Cannot archive sessions from the Unassigned folder.")
        project = find_project(self.site, parts[2])
        if project is not None and not self.site.can(request.user, project.id, "edit"):
            raise Refusal(403, "Invalid permissions for new project.")
        row = self.site.prearchive.find(project.id if project is not None else parts[2], parts[3], parts[4])
        if row is None:
            raise Refusal(404, f"/{'/'.join(parts)} not found.")
        return row

    def _one(self, request: Request, row: Row, asked: _Asked) -> Response:
        override = asked.params.get("overwrite") in {"append", "delete"}
        rules = Rules(override=override, merge=True, overwrite_files=overwrites(self.site, row))
        if "dest" in asked.params:  # a URI object that no queue can carry (§2.5)
            self.site.prearchive.set_status(row, "ERROR")
            raise Refusal(500, "javax.jms.MessageFormatException")
        job = self._start(row, ArchiveRequest(request.user, rules, asked.params, asked.flag("quarantine")))
        if "http-session-listener" in asked.params:
            return Response(303, {"Location": f"{self._site_url()}/app/template/XDATScreen_prearchives.vm"})
        session = archived_in_time(self.site, row, job)
        return self._success(row, session, asked)

    def _success(self, row: Row, session: Experiment, asked: _Asked) -> Response:
        uri = f"/data{importing.archived_uri(self.site, session)}"
        project = self.site.projects.get(row.project)
        automatic = project is not None and project.prearchive_code >= 4
        stays = any(asked.params.get(name, "").lower() == "false" for name in ("auto-archive", "AA"))
        if asked.flag("redirect") or (automatic and not stays):
            return Response(303, {"Location": f"{self._site_url()}{uri}"})
        return text(f"{uri}\r\n", kind="text/uri-list")

    def _many(self, request: Request, rows: list[Row], asked: _Asked) -> Response:
        override, may_merge = _RULES_OF_MANY.get(asked.params.get("overwrite", ""), (False, False))
        for row in rows:
            rules = Rules(override, may_merge, overwrites(self.site, row) or asked.flag("overwrite_files"))
            self._start(row, ArchiveRequest(request.user, rules, {}, asked.flag("quarantine")))
        return listing_response(request, [row.columns() for row in rows], total=False, columns=COLUMNS)

    def _start(self, row: Row, order: ArchiveRequest) -> Future[Experiment]:
        with self.site.lock:
            if row.locked:
                raise Refusal(403, "Operation already in progress on this prearchive entry.")
            self.site.prearchive.set_status(row, "ARCHIVING")
        return self.site.prearchive.jobs.submit(lambda: operations.archive(self.site, row, order))

    def _site_url(self) -> str:
        return self.site.settings.text("siteUrl")

    def validate(self, request: Request, match: Match) -> Response:
        """Say what archiving would meet."""
        asked = _read(request)
        if not asked.sources:
            raise Refusal(404, "Unknown prearchive session.")
        row = self._row(request, asked.sources[0])
        try:
            session = archiver.built_session(self.site, row)
            with self.site.lock:
                label = archiver.final_label(self.site, row, session, asked.params)
                _, subject = archiver.find_subject(self.site, row, session, asked.params)
                existing = experiment_labelled(self.site, row.project, label)
                problems = merge.validate(self.site, session, existing, subject.id if subject is not None else "")
        except ModelError as error:
            raise Refusal(error.status, error.message) from error
        rows = [{"code": str(one.code), "type": one.kind, "message": one.message} for one in problems]
        return listing_response(request, rows, columns=["code", "type", "message"])


def _read(request: Request) -> _Asked:
    fields = request.form()
    params = {key: escaped(value) for key, value in reversed(fields) if key != "src"}
    asked = _Asked([value for key, value in fields if key == "src"], params)
    if not asked.sources and all(params.get(name) for name in ("project", *_PLACE)):
        asked.sources.append("/prearchive/projects/" + "/".join(params[name] for name in ("project", *_PLACE)))
    return asked


def attach(routes: Routes, site: Site) -> None:
    """Add the archive service."""
    service = ArchiveService(site)
    routes.add("POST", "/services/archive", service.post)
    routes.add("POST", "/services/validate-archive", service.validate)
