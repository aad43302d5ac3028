"""`/xapi/direct-archive`: sessions that arrive straight in the archive (import.md §3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xnatsync.sandbox.http.exchange import Match, Refusal, Request, Response, json_answer
from xnatsync.sandbox.http.router import Routes
from xnatsync.sandbox.model.direct import described
from xnatsync.sandbox.model.prearchive import Row
from xnatsync.sandbox.model.rebuilder import queue_build
from xnatsync.sandbox.model.site import Site


@dataclass(frozen=True, slots=True)
class _Direct:
    site: Site

    def list_rows(self, request: Request, match: Match) -> Response:
        """List a page of the sessions the user may see; an empty list means that all have been archived."""
        asked = request.json()
        asked = asked if isinstance(asked, dict) else {}
        page, size = int(asked.get("page", 1)), int(asked.get("size", 50))
        filters = asked.get("filters") or {}
        with self.site.lock:
            rows = [
                row
                for row in self.site.prearchive.directly()
                if self.site.can(request.user, row.project, "read") and _fits(row, filters)
            ]
            return json_answer([described(row) for row in rows[(page - 1) * size : page * size]])

    def show(self, request: Request, match: Match) -> Response:
        """Show one session."""
        return json_answer(described(self._find(request, match)))

    def trigger(self, request: Request, match: Match) -> Response:
        """Have a session built and archived now; answer at once."""
        with self.site.lock:
            row = self._find(request, match)
            if not self.site.can(request.user, row.project, "edit"):
                raise Refusal(403)
            if self.site.prearchive.content(row).busy:
                raise Refusal(
                    400,
                    f"Refusing to trigger archive on DirectArchiveSession id={row.id} because it is still receiving "
                    "new files. Please wait and try again.",
                )
            if row.status == "RECEIVING":
                queue_build(self.site, row)
        return Response()

    def delete(self, request: Request, match: Match) -> Response:
        """Remove a session with its files."""
        wanted = match.values["ID"]
        with self.site.lock:
            row = next((one for one in self.site.prearchive.directly() if str(one.id) == wanted), None)
            if row is None:
                raise Refusal(404)
            if not self.site.can(request.user, row.project, "delete"):
                raise Refusal(403)
            self.site.prearchive.remove(row)
        self.site.store.delete(row.direct)
        return Response()

    def _find(self, request: Request, match: Match) -> Row:
        wanted = (match.values["PROJECT"], match.values["STUDY"], match.values["NAME"])
        for row in self.site.prearchive.directly():
            if (row.project, row.tag, row.name) == wanted and self.site.can(request.user, row.project, "read"):
                return row
        raise Refusal(404)


def _fits(row: Row, filters: Mapping[str, object]) -> bool:
    for name, rule in filters.items():
        if not isinstance(rule, dict) or str(rule.get("operator", "eq")).lower() != "eq":
            continue
        value = str(described(row).get(name, ""))
        if value != str(rule.get("value", "")):
            return False
    return True


def attach(routes: Routes, site: Site) -> None:
    """Add the routes."""
    direct = _Direct(site)
    one = "/xapi/direct-archive/{PROJECT}/{STUDY}/{NAME}"
    routes.add("POST", "/xapi/direct-archive", direct.list_rows)
    routes.add("GET", one, direct.show)
    routes.add("POST", one, direct.trigger)
    routes.add("DELETE", "/xapi/direct-archive/{ID}", direct.delete)
