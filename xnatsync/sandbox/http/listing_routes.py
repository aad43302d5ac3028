"""Listings of projects, subjects, experiments, scans, assessors and resources (hierarchy.md §3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote_plus

from xnatsync.sandbox.http.exchange import Match, Refusal, Request, Response, escaped
from xnatsync.sandbox.http.negotiation import LIST_VARIANTS, listing_response, negotiated_format
from xnatsync.sandbox.http.project_table import other_listing
from xnatsync.sandbox.http.recent import recent_rows
from xnatsync.sandbox.http.resource_routes import parent_ids
from xnatsync.sandbox.http.router import Routes
from xnatsync.sandbox.model import listing
from xnatsync.sandbox.model.columns import Unjoinable
from xnatsync.sandbox.model.filters import BadFilter
from xnatsync.sandbox.model.hierarchy import find_experiment, find_project, find_subject
from xnatsync.sandbox.model.objects import Experiment, Project
from xnatsync.sandbox.model.query import Query
from xnatsync.sandbox.model.schema import is_a
from xnatsync.sandbox.model.selection import selected
from xnatsync.sandbox.model.shortcuts import SHORTCUTS
from xnatsync.sandbox.model.site import Site

SCOPED = "/projects/{PROJECT_ID}/subjects/{SUBJECT_ID}/experiments"
_CONTROL = frozenset({"format", "columns", "limit", "offset", "sortBy", "sortOrder", "xsiType", "XNAT_CSRF"})


def attach(routes: Routes, site: Site) -> None:
    """Add the routes."""
    lists = _Lists(site)
    routes.add("GET", "/projects", lists.projects)
    for template in ("/subjects", "/projects/{PROJECT_ID}/subjects"):
        routes.add("GET", template, lists.subjects)
    for template in ("/projects/{PROJECT_ID}/experiments", SCOPED):
        routes.add("GET", template, lists.project_experiments)
    routes.add("GET", "/experiments", lists.experiments)
    for template in ("/experiments", SCOPED):
        routes.add("GET", f"{template}/{{EXPT_ID}}/scans", lists.scans)
        routes.add("GET", f"{template}/{{ASSESSED_ID}}/assessors", lists.assessors)
    for template in resource_parents():
        routes.add("GET", f"{template}/resources", lists.resources)


def resource_parents() -> tuple[str, ...]:
    """Return the templates below which resources and files are listed; a project's scans are not among them (§1.4)."""
    sessions = ("/experiments", SCOPED)
    assessors = tuple(f"{each}/{{ASSESSED_ID}}/assessors/{{EXPT_ID}}" for each in sessions)
    return (
        "/projects/{PROJECT_ID}",
        "/subjects/{SUBJECT_ID}",
        "/projects/{PROJECT_ID}/subjects/{SUBJECT_ID}",
        "/projects/{PROJECT_ID}/experiments/{EXPT_ID}",
        *(f"{each}/{{EXPT_ID}}" for each in sessions),
        *(f"{each}/{{EXPT_ID}}/scans/{{SCAN_ID}}" for each in sessions),
        *(f"{each}/{{EXPT_ID}}/reconstructions/{{RECON_ID}}" for each in sessions),
        *(f"{each}/{{EXPT_ID}}/reconstructions/{{RECON_ID}}/out" for each in sessions),
        *assessors,
        *(f"{each}/{way}" for each in assessors for way in ("out", "in")),
    )


def query_of(request: Request, root: str, *, pageable: bool = False) -> Query:
    """Read columns, filters and paging from a query string; a bad `limit` or `offset` is a 500 (§3.3)."""
    paged = pageable and (request.has("limit") or request.has("offset"))
    asked = request.param("columns")
    columns = [name for name in unquote_plus(asked).split(",") if name] if asked != "DEFAULT" else []
    kind = request.param("xsiType")
    names: list[str] = []
    for key, _ in request.query:
        names += columns if key == "columns" else [] if key in _CONTROL else [key]
    return Query(
        root=root,
        xsi_type="" if "," in kind else kind,
        names=names,
        columns=columns,
        defaults=listing.DEFAULTS[root],
        filters=[(key, escaped(value)) for key, value in request.query if key not in _CONTROL],
        limit=_number(request, "limit", 100) if paged else None,
        offset=(_number(request, "offset", 0) or 0) if paged else 0,
        paged=paged,
    )


def _number(request: Request, name: str, default: int) -> int | None:
    text = request.param(name)
    if text == "*":
        return None
    try:
        return int(text) if text else default
    except ValueError:
        raise Refusal(500, f'For input string: "{text}"') from None


@dataclass(frozen=True, slots=True)
class _Lists:
    site: Site

    def projects(self, request: Request, _: Match) -> Response:
        """List projects; some parameters switch to other handlers with rows of their own."""
        negotiated_format(request, LIST_VARIANTS)
        if (other := other_listing(self.site, request)) is not None:
            return other
        right = request.param("restrict") if request.param("restrict") in {"edit", "delete"} else "read"
        query = query_of(request, "project")
        return answer_query(request, query, lambda: listing.projects(self.site, request.user, query, right))

    def subjects(self, request: Request, match: Match) -> Response:
        """List subjects of the site or of a project."""
        project = self._project(request, match, what="subjects") if "PROJECT_ID" in match.values else None
        query = query_of(request, "subject", pageable=True)
        where = project.id if project else None
        return answer_query(request, query, lambda: listing.subjects(self.site, request.user, query, where))

    def project_experiments(self, request: Request, match: Match) -> Response:
        """List the experiments of a project or a subject; a query that cannot be built gives 200 without a body."""
        project = self._project(request, match, what="experiments")
        subject = None
        if "SUBJECT_ID" in match.values:
            with self.site.lock:
                subject = find_subject(self.site, project.id, match.values["SUBJECT_ID"])
            if subject is None:
                raise Refusal(404, f"Unable to identify subject {match.values['SUBJECT_ID']}")
        query = query_of(request, "experiment", pageable=True)

        def rows() -> tuple[list[str], listing.Rows]:
            return listing.project_experiments(self.site, request.user, query, project.id, subject)

        try:
            return answer_query(request, query, rows)
        except _QueryFailed:
            fmt = negotiated_format(request, LIST_VARIANTS)
            return Response(
                headers={"Content-Type": {"json": "application/json", "csv": "text/csv"}.get(fmt, "text/xml")}
            )

    def experiments(self, request: Request, _: Match) -> Response:
        """List experiments of the site."""
        if request.param("recent"):
            with self.site.lock:
                rows = recent_rows(self.site, request)
            return listing_response(request, rows, title="Recent Experiments")
        query = query_of(request, "experiment", pageable=True)
        title = "Matching experiments"
        return answer_query(request, query, lambda: listing.experiments(self.site, request.user, query), title)

    def scans(self, request: Request, match: Match) -> Response:
        """List the scans of a session; a wrong parent is a 500, and a 404 only below a right subject (§3.8)."""
        session = self._session(request, match, match.values["EXPT_ID"])
        query = query_of(request, "scan")
        return answer_query(request, query, lambda: listing.scans(self.site, session, query))

    def assessors(self, request: Request, match: Match) -> Response:
        """List the image assessors of a session."""
        session = self._session(request, match, match.values["ASSESSED_ID"])
        query = query_of(request, "derived")
        return answer_query(request, query, lambda: listing.assessors(self.site, request.user, session, query))

    def resources(self, request: Request, match: Match) -> Response:
        """List resources with their stored counts; wrong parents fall through to their own parents (§3.8)."""
        negotiated_format(request, LIST_VARIANTS)
        with self.site.lock:
            held = selected(self.site, request.user, parent_ids(match), everything=request.flag("all"))
            rows = [each.row() for each in held] if held is not None else None
        if rows is None:
            raise Refusal(404)
        return listing_response(request, rows, title="Resources", columns=_RESOURCE_COLUMNS)

    def _project(self, request: Request, match: Match, *, what: str) -> Project:
        """Find the project of the URL; of a protected one a stranger sees the project and nothing in it (§18)."""
        with self.site.lock:
            project = find_project(self.site, match.values["PROJECT_ID"])
        if project is None or not self.site.can_see(request.user, project):
            raise Refusal(404, f"Unable to identify project {match.values['PROJECT_ID']}")
        if not self.site.can(request.user, project.id, "read"):
            raise Refusal(403, f"Unable to read {what} for Project: {project.id}")
        return project

    def _session(self, request: Request, match: Match, reference: str) -> Experiment:
        with self.site.lock:
            project = None
            if "PROJECT_ID" in match.values:
                project = find_project(self.site, match.values["PROJECT_ID"])
                if project is None:
                    raise Refusal(500)
            found = find_experiment(self.site, project.id if project else None, reference)
            if found is None or not self.site.can_read(request.user, found):
                # without a project in the URL the real constructor dereferences a null project
                raise Refusal(404 if project else 500, f"Unable to find {reference}" if project else "")
        if not is_a(found.xsi_type, "xnat:imageSessionData"):
            raise Refusal(500)
        return found


def answer_query(
    request: Request,
    query: Query,
    rows: Callable[[], tuple[list[str], listing.Rows]],
    title: str = "",
) -> Response:
    """Answer a listing with the columns and rows of its query; `fields` asks for the short names."""
    negotiated_format(request, LIST_VARIANTS)
    if request.has("fields"):
        shortcuts = [{"key": name, "xpath": path} for name, path in SHORTCUTS[query.root].items()]
        return listing_response(request, shortcuts, total=False)
    try:
        names, found = rows()
    except (Unjoinable, BadFilter) as error:
        raise _QueryFailed(500, f"Unable to build the query: {error}") from error
    return listing_response(request, found, title=title, total=not query.paged, columns=names)


class _QueryFailed(Refusal):
    """The query could not be built: 500, or for experiments of a project an empty 200."""


_RESOURCE_COLUMNS = (
    *("xnat_abstractresource_id", "label", "element_name", "category", "cat_id", "cat_desc"),
    *("file_count", "file_size", "tags", "content", "format"),
)
