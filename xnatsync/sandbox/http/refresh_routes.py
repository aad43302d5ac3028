"""`POST /data/services/refresh/catalog` and its /xapi twin (import.md §6.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from xnatsync.sandbox.http.exchange import Match, Refusal, Request, Response
from xnatsync.sandbox.http.loading import model_errors
from xnatsync.sandbox.http.router import Routes
from xnatsync.sandbox.model.events import note
from xnatsync.sandbox.model.files import refresh
from xnatsync.sandbox.model.hierarchy import find_experiment
from xnatsync.sandbox.model.resources import named, place_of
from xnatsync.sandbox.model.selection import Held, selected
from xnatsync.sandbox.model.site import Site

_OPERATIONS = {"append", "delete", "checksum", "populateStats"}
_URI = re.compile(
    r"(?:/data|/REST)?(?:/archive)?(?:/projects/(?P<PROJECT_ID>[^/]+))?(?:/subjects/(?P<SUBJECT_ID>[^/]+))?"
    r"(?:/experiments/(?P<EXPT_ID>[^/]+))?(?:/scans/(?P<SCAN_ID>[^/]+))?(?:/reconstructions/(?P<RECON_ID>[^/]+))?(?:/assessors/(?P<ASSESSOR_ID>[^/]+))?"
    r"(?:/resources/(?P<RESOURCE_ID>[^/]+))?(?:/files)?/?"
)


def attach(routes: Routes, site: Site) -> None:
    """Add the routes."""
    service = _Refresh(site)
    routes.add("POST", "/services/refresh/catalog", service.post)
    for method in ("PUT", "POST"):
        routes.add(method, "/xapi/archive/catalogs/refresh", service.xapi)
        routes.add(method, "/xapi/archive/catalogs/refresh/{OPERATIONS}", service.xapi)


@dataclass(frozen=True, slots=True)
class _Refresh:
    site: Site

    def post(self, request: Request, _: Match) -> Response:
        """Refresh the catalogues of `resource`, given in query or form (T:`TestFileMitigation`)."""
        fields = request.form()
        wanted = _known(name for key, value in fields if key == "options" for name in value.split(","))
        wanted |= {key for key, value in fields if key in _OPERATIONS and value.lower() in {"true", "1"}}
        resources = [value for key, value in fields if key == "resource"]
        if not resources:
            raise Refusal(400, "Please specify a resource.")
        self._refresh(request, resources, self._operations(wanted))
        return Response()

    def xapi(self, request: Request, match: Match) -> Response:
        """Refresh the catalogues of a JSON list of URIs."""
        uris = request.json()
        if not isinstance(uris, list):
            raise Refusal(400, "A list of resources is expected.")
        lowered = {name.lower(): name for name in _OPERATIONS}
        named = match.values.get("OPERATIONS", "").split(",")
        wanted = _known(lowered.get(name.lower(), name) for name in named)
        self._refresh(request, [str(uri) for uri in uris], self._operations(wanted))
        return Response()

    def _operations(self, wanted: set[str]) -> set[str]:
        """Return what to do: all when nothing is named, checksums then only if the site wants them."""
        if wanted:
            return wanted
        return _OPERATIONS if self.site.settings.flag("checksums") else _OPERATIONS - {"checksum"}

    def _refresh(self, request: Request, uris: list[str], operations: set[str]) -> None:
        with self.site.lock, model_errors():
            targets = [(place_of(self.site, held), held.resource) for uri in uris for held in self._held(request, uri)]
            for place, _ in targets:
                if not self.site.can(request.user, place.owner, "edit", place.kind):
                    raise Refusal(403, "User account doesn't have permission to modify this resource.")
        for place, resource in targets:
            refresh(self.site, place, resource, operations)
        self._note(request, uris)

    def _note(self, request: Request, uris: list[str]) -> None:
        """Have it in the history of each session that was named (§6.1)."""
        with self.site.lock:
            for uri in uris:
                match = _URI.fullmatch(uri)
                name = match["EXPT_ID"] if match is not None else None
                session = find_experiment(self.site, match["PROJECT_ID"], name) if match is not None and name else None
                if session is not None:
                    note(self.site, session, "Catalog(s) Refreshed", request.user)
                    self.site.save(session)

    def _held(self, request: Request, uri: str) -> list[Held]:
        match = _URI.fullmatch(uri)
        ids = {name: value for name, value in match.groupdict().items() if value} if match else {}
        if not ids:
            raise Refusal(400, f"Invalid resource URI: {uri}")
        resource = ids.pop("RESOURCE_ID", "")
        held = selected(self.site, request.user, ids, everything=True)
        if held is None:
            raise Refusal(404, f"Unable to find {uri}")
        return named(self.site, held, resource) if resource else held


def _known(names: Iterable[str]) -> set[str]:
    """Give the operations that are named; XNAT passes over a name that it does not know, here it is refused."""
    named = {name.strip() for name in names} - {""}
    if unknown := sorted(named - _OPERATIONS):
        raise Refusal(400, f"Unknown operation {unknown[0]}")
    return named
