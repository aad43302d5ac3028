"""Single items: HTML without `format`, JSON or XML with it; status, history and projects (hierarchy.md §4.1)."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from urllib.parse import unquote

from xnatsync.sandbox.http.exchange import Match, Refusal, Request, Response, json_answer, text
from xnatsync.sandbox.http.history import events
from xnatsync.sandbox.http.listing_routes import SCOPED
from xnatsync.sandbox.http.negotiation import ITEM_VARIANTS, listing_response, negotiated_format
from xnatsync.sandbox.http.router import Routes
from xnatsync.sandbox.model.hierarchy import find_assessor, find_experiment, find_project, find_subject, session_of
from xnatsync.sandbox.model.itemjson import item_json
from xnatsync.sandbox.model.items import Item, experiment_item, is_session, project_item, scan_item, subject_item
from xnatsync.sandbox.model.itemxml import item_xml
from xnatsync.sandbox.model.objects import Experiment, Scan, Subject
from xnatsync.sandbox.model.site import Site

_NO_EXPERIMENT = "Unable to find the specified experiment."
_NO_SCAN = "Unable to find the specified scan."
_NO_SUBJECT = (
    "Unable to find the specified subject. If you are not specifying the project, you must specify the accession "
    "number and not the subject label."
)


def attach(routes: Routes, site: Site) -> None:
    """Add the routes."""
    items = _Items(site)
    routes.add("GET", "/projects/{PROJECT_ID}", items.project)
    for template in ("/subjects", "/projects/{PROJECT_ID}/subjects"):
        routes.add("GET", f"{template}/{{SUBJECT_ID}}", items.subject)
    for template in ("/experiments", "/projects/{PROJECT_ID}/experiments", SCOPED):
        routes.add("GET", f"{template}/{{EXPT_ID}}", items.experiment)
    for template in ("/experiments", SCOPED):
        routes.add("GET", f"{template}/{{EXPT_ID}}/scans/{{SCAN_ID}}", items.scan)
        routes.add("GET", f"{template}/{{ASSESSED_ID}}/assessors/{{EXPT_ID}}", items.assessor)


@dataclass(frozen=True, slots=True)
class _Items:
    site: Site

    def project(self, request: Request, match: Match) -> Response:
        """A project; an unknown tail is a 400 (§1.5)."""
        with self.site.lock:
            project = find_project(self.site, match.values["PROJECT_ID"])
            if project is None or not self.site.can_see(request.user, project):
                raise Refusal(404, _NO_EXPERIMENT)  # XNAT's own words for a project
            if match.tail.strip("/"):
                raise Refusal(400, f"Unsupported path {match.tail}")
            item = project_item(project)
            if negotiated_format(request, ITEM_VARIANTS) == "html":  # a page is what `recent=true` lists
                request.user.accessed[project.id] = self.site.now_text()
                self.site.save_accounts()
        return self._document(request, item)

    def subject(self, request: Request, match: Match) -> Response:
        """A subject with its experiments, or the projects it is in."""
        with self.site.lock:
            subject = self._subject(request, match)
            if match.tail.rstrip("/") == "/projects":
                return self._projects(request, subject)
            own = [item for item in self.site.experiments.values() if item.subject == subject.id]
            item = subject_item(subject, [each for each in own if self.site.can_read(request.user, each)])
        return self._document(request, item)

    def experiment(self, request: Request, match: Match) -> Response:
        """An experiment with everything in it; any tail but a few known ones is ignored (§1.3)."""
        with self.site.lock:
            session, experiment = self._experiment(request, match)
            return self._experiment_answer(request, match.tail, experiment, session)

    def assessor(self, request: Request, match: Match) -> Response:
        """An image assessor."""
        with self.site.lock:
            session = find_experiment(self.site, self._project_id(match), match.values["ASSESSED_ID"])
            found = find_assessor(session, match.values["EXPT_ID"]) if session is not None else None
            if session is None or found is None or not self.site.can_read(request.user, found):
                raise Refusal(404, _NO_EXPERIMENT)
            return self._experiment_answer(request, match.tail, found, session)

    def scan(self, request: Request, match: Match) -> Response:
        """A scan; of an experiment that has none, a 500 (§3.8)."""
        with self.site.lock:
            session = find_experiment(self.site, self._project_id(match), match.values["EXPT_ID"])
            if session is None or not self.site.can_read(request.user, session):
                raise Refusal(404, _NO_SCAN)
            if not is_session(session):
                raise Refusal(500)
            scan_id = match.values["SCAN_ID"]
            scan = session.scans.get(scan_id) or session.scans.get(unquote(scan_id))
            if scan is None:
                raise Refusal(404, _NO_SCAN)
            if match.tail.rstrip("/") == "/projects":
                return self._scan_projects(request, session, scan)
            item = scan_item(scan, session.id)
        return self._document(request, item)

    def _experiment_answer(
        self, request: Request, tail: str, experiment: Experiment, session: Experiment | None
    ) -> Response:
        what = tail.strip("/")
        if what == "status":
            return text(experiment.status)
        if what == "history":
            return json_answer({"events": events(self.site, experiment, request)})
        if what == "projects":
            return self._projects(request, experiment)
        return self._document(
            request,
            experiment_item(
                experiment,
                session.id if session else "",
                lambda each: self.site.can_read(request.user, each),
            ),
        )

    def _document(self, request: Request, item: Item) -> Response:
        return document(self.site, request, item)

    def _projects(self, request: Request, item: Subject | Experiment) -> Response:
        labels = {item.project: item.label, **item.shares}
        rows = []
        for project_id, label in labels.items():
            project = self.site.projects.get(project_id)
            if project is not None and self.site.can(request.user, project_id, "read"):
                own = {"Secondary_ID": project.secondary_id, "Name": project.name}
                rows.append({"label": label or item.id, "ID": project_id, **own})
        return listing_response(request, rows)

    def _scan_projects(self, request: Request, session: Experiment, scan: Scan) -> Response:
        return listing_response(request, [{"label": scan.id, "ID": each} for each in (session.project, *scan.shares)])

    def _subject(self, request: Request, match: Match) -> Subject:
        reference = match.values["SUBJECT_ID"]
        project_id = self._project_id(match)
        found = find_subject(self.site, project_id, reference)
        if found is not None and self.site.can_read(request.user, found):
            return found
        if project_id is None:
            raise Refusal(404, _NO_SUBJECT)
        words = f"The project {project_id} does not contain a subject identifiable by the ID or label {reference}."
        raise Refusal(404, words)

    def _experiment(self, request: Request, match: Match) -> tuple[Experiment | None, Experiment]:
        reference = match.values["EXPT_ID"]
        session = None
        found = find_experiment(self.site, self._project_id(match), reference)
        if found is None and (session := session_of(self.site, reference)) is not None:
            found = session.assessors[reference]
        if found is None or not self.site.can_read(request.user, found):
            raise Refusal(404, _NO_EXPERIMENT)
        return session, found

    def _project_id(self, match: Match) -> str | None:
        """Return the URL's project; an unknown one only means that no label will be found in it (§4.2)."""
        if "PROJECT_ID" not in match.values:
            return None
        project = find_project(self.site, match.values["PROJECT_ID"])
        return project.id if project is not None else match.values["PROJECT_ID"]


def document(site: Site, request: Request, item: Item) -> Response:
    """Answer with an item in the format asked for."""
    fmt = negotiated_format(request, ITEM_VARIANTS)
    if handler := request.param("handler"):
        raise Refusal(400, f"Invalid handler definition: {handler}")
    if fmt == "json":
        return Response(headers={"Content-Type": "application/json;charset=UTF-8"}, body=item_json(item))
    if fmt == "xml":
        hidden = not request.flag("concealHiddenFields")
        return Response(
            headers={"Content-Type": "text/xml"},
            body=iter([item_xml(item, site.settings.text("siteUrl"), hidden=hidden)]),
        )
    if fmt == "html":
        return text(_page(item), kind="text/html")
    raise Refusal(404)


def _page(item: Item) -> str:
    name = escape(item.values.get("label") or item.values.get("ID", ""))
    rows = "".join(f"<tr><th>{escape(key)}</th><td>{escape(value)}</td></tr>" for key, value in item.values.items())
    return (
        f"<!DOCTYPE html>\n<html><head><title>XNAT: {name}</title></head>"
        f"<body><h1>{escape(item.xsi_type)} {name}</h1><table>{rows}</table></body></html>\n"
    )
