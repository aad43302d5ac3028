"""Resources themselves: create, catalogue, delete (hierarchy.md §5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from xnatsync.sandbox.http.exchange import Match, Refusal, Request, Response, escaped
from xnatsync.sandbox.http.loading import created_at, load_values, model_errors
from xnatsync.sandbox.http.negotiation import CATALOG_VARIANTS, negotiated_format
from xnatsync.sandbox.http.router import Routes
from xnatsync.sandbox.model.catalog import catalog_name, catalog_xml
from xnatsync.sandbox.model.resources import create_resource, delete_resource, named, own_resource, place_for_write
from xnatsync.sandbox.model.selection import Held, selected
from xnatsync.sandbox.model.site import Site

_SESSIONS = ("/experiments/{EXPT_ID}", "/projects/{PROJECT_ID}/subjects/{SUBJECT_ID}/experiments/{EXPT_ID}")
PARENTS = (
    "/projects/{PROJECT_ID}",
    "/subjects/{SUBJECT_ID}",
    "/projects/{PROJECT_ID}/subjects/{SUBJECT_ID}",
    *_SESSIONS,
    *(f"{session}/scans/{{SCAN_ID}}" for session in _SESSIONS),
    *(f"{session}/reconstructions/{{RECON_ID}}" for session in _SESSIONS),
    *(f"{session}/reconstructions/{{RECON_ID}}/out" for session in _SESSIONS),
    *(f"{session}/assessors/{{ASSESSOR_ID}}" for session in _SESSIONS),
    *(f"{session}/assessors/{{ASSESSOR_ID}}/out" for session in _SESSIONS),
)
"""Everything that has both `/resources` and `/files` below it (hierarchy.md §1.4)."""

RESOURCE_PARENTS = (*PARENTS, "/projects/{PROJECT_ID}/experiments/{EXPT_ID}")
"""Everything that has `/resources` below it."""


def attach(routes: Routes, site: Site) -> None:
    """Add the routes."""
    shelf = _Shelf(site)
    for parent in RESOURCE_PARENTS:
        routes.add("POST", f"{parent}/resources", shelf.post)
        item = f"{parent}/resources/{{RESOURCE_ID}}"
        routes.add("GET", item, shelf.get)
        routes.add("PUT", item, shelf.put)
        routes.add("POST", item, shelf.put)
        routes.add("DELETE", item, shelf.delete)


def parent_ids(match: Match) -> Mapping[str, str]:
    """Return the ids of a resource or file URL; here, and only here, XNAT decodes the scan's (hierarchy.md §1.6)."""
    ids = dict(match.values)
    if "SCAN_ID" in ids:
        ids["SCAN_ID"] = unquote(ids["SCAN_ID"])
    if "RECON_ID" in ids:
        ids["RECON_ID"] = unquote(ids["RECON_ID"])
    return ids


def held_for_reading(
    site: Site, request: Request, ids: Mapping[str, str], missing: Callable[[], Refusal]
) -> list[Held]:
    """Return the resources a URL means; HEAD, which counts as a write, must mean one parent (hierarchy.md §1.13)."""
    with site.lock, model_errors():
        if request.method == "HEAD":
            place_for_write(site, request.user, ids)
        held = selected(site, request.user, ids, everything=request.flag("all"))
        if held is None:
            raise missing()
        return named(site, held, ids["RESOURCE_ID"]) if "RESOURCE_ID" in ids else held


@dataclass(frozen=True, slots=True)
class _Shelf:
    site: Site

    def post(self, request: Request, match: Match) -> Response:
        """Create a resource described by parameters or XML; answer its URL."""
        values = load_values(request, "xnat:resourceCatalog")
        label = values.fields.get("label", "") or request.param("label")
        if not label:
            raise Refusal(400, "A resource needs a label.")
        self._create(request, match, label, values.fields)
        return created_at(self.site, f"{request.path.rstrip('/')}/{label}")

    def put(self, request: Request, match: Match) -> Response:
        """Create a resource: 200 with an empty body; one that exists is not touched (409)."""
        self._no_file_path(match)
        attributes = {key: escaped(value) for key, value in request.query}
        self._create(request, match, match.values["RESOURCE_ID"], attributes)
        return Response()

    def get(self, request: Request, match: Match) -> Response:
        """Show the catalogue as XML, whatever `format=` says."""
        self._no_file_path(match)
        negotiated_format(request, CATALOG_VARIANTS)
        found = held_for_reading(self.site, request, parent_ids(match), lambda: Refusal(404))
        if len(found) != 1 or "," in match.values["RESOURCE_ID"]:
            raise Refusal(404, "Unable to find the specified catalog.")
        held = found[0]
        with self.site.lock:
            item = held.session or held.subject or held.project
            project = (item.id if item is held.project else getattr(item, "project", "")) if item is not None else ""
            location = ""
            if request.flag("includeRootPath"):
                name = catalog_name(held.resource, held.scan.id if held.scan else "")
                location = f"/data/xnat/{held.resource.folder}/{name}"
            return Response(
                headers={"Content-Type": "text/xml;charset=UTF-8"}, body=catalog_xml(held.resource, project, location)
            )

    def delete(self, request: Request, match: Match) -> Response:
        """Delete a resource with its files; one that does not exist is no error (§5.1)."""
        self._no_file_path(match)
        with self.site.lock, model_errors():
            place = place_for_write(self.site, request.user, parent_ids(match))
            resource = own_resource(place, match.values["RESOURCE_ID"])
            if resource is None:
                return Response()
            if not self.site.can(request.user, place.owner, "delete", place.kind) or self.site.settings.flag(
                "security.prevent-data-deletion"
            ):
                raise Refusal(403, "User account doesn't have permission to modify this session.")
            delete_resource(self.site, place, resource)
        return Response()

    def _create(self, request: Request, match: Match, label: str, attributes: Mapping[str, str]) -> None:
        with self.site.lock, model_errors():
            place = place_for_write(self.site, request.user, parent_ids(match))
            if not self.site.can(request.user, place.owner, "edit", place.kind):
                raise Refusal(403, "User account doesn't have permission to modify this session.")
            if label.isdigit() and own_resource(place, label) is not None:
                raise Refusal(409, "Specified resource already exists.")
            create_resource(self.site, place, label, attributes)

    def _no_file_path(self, match: Match) -> None:
        if match.tail.strip("/"):
            raise Refusal(
                400,
                "This resource works at the catalog level only and does not accept file paths. "
                f"Use /files{match.tail} to work with files.",
            )
