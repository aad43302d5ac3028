"""Small overviews clients ask for: access levels, scanners, scan types (import.md §6, hierarchy.md §11)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from xnatsync.sandbox.http.exchange import Match, Request, Response, json_answer
from xnatsync.sandbox.http.negotiation import listing_response
from xnatsync.sandbox.http.router import Routes
from xnatsync.sandbox.model.objects import Experiment
from xnatsync.sandbox.model.site import Site

_LEVELS = {"owner": "Owners", "member": "Members", "collaborator": "Collaborators"}


def attach(routes: Routes, site: Site) -> None:
    """Add the routes."""
    views = _Overviews(site)
    routes.add("GET", "/xapi/access/projects", views.access)
    for template in ("/scanners", "/archive/scanners"):
        routes.add("GET", template, views.scanners)
    for template in ("/scan_types", "/archive/scan_types"):
        routes.add("GET", template, views.scan_types)


@dataclass(frozen=True, slots=True)
class _Overviews:
    site: Site

    def access(self, request: Request, _: Match) -> Response:
        """Tell the caller's role in each project they may read."""
        with self.site.lock:
            rows = [
                {"ID": each.id, "name": each.name, "role": _LEVELS.get(each.members.get(request.user.login, ""), "")}
                for each in self.site.projects.values()
                if self.site.can(request.user, each.id, "read")
            ]
        return json_answer(rows)

    def scanners(self, request: Request, _: Match) -> Response:
        """List the scanners that made the sessions the caller may read."""
        with self.site.lock:
            names = {item.fields.get("scanner", "") for item in self._sessions(request)}
        return listing_response(request, [{"scanner": name} for name in sorted(names) if name])

    def scan_types(self, request: Request, _: Match) -> Response:
        """List the scan types in the sessions the caller may read."""
        with self.site.lock:
            names = {scan.fields.get("type", "") for item in self._sessions(request) for scan in item.scans.values()}
        return listing_response(request, [{"type": name} for name in sorted(names) if name])

    def _sessions(self, request: Request) -> Iterable[Experiment]:
        return [item for item in self.site.experiments.values() if self.site.can_read(request.user, item)]
