"""The history of any item by its type and key: `/data/services/audit` (hierarchy.md §16, src AuditRestlet)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from xnatsync.sandbox.http.exchange import Match, Refusal, Request, Response, json_answer
from xnatsync.sandbox.http.history import events, workflow_events
from xnatsync.sandbox.http.router import Routes
from xnatsync.sandbox.model.hierarchy import session_of
from xnatsync.sandbox.model.objects import Experiment, Project, Subject
from xnatsync.sandbox.model.schema import element, is_a, type_name
from xnatsync.sandbox.model.site import Site


def attach(routes: Routes, site: Site) -> None:
    """Add the route."""
    routes.add("GET", "/services/audit", _Audit(site).get)


@dataclass(frozen=True, slots=True)
class _Audit:
    site: Site

    def get(self, request: Request, match: Match) -> Response:
        """Tell the events of a project, a subject, an experiment or an assessor."""
        kind, slash, key = match.tail.removeprefix("/").partition("/")
        if not slash:
            raise Refusal(500)
        if not re.fullmatch(r"[\w:.]*", kind, re.ASCII) or not re.fullmatch(r"[\w.-]*", key, re.ASCII):
            raise Refusal(400, "Invalid value")
        if element(kind) is None:
            raise Refusal(400, f"{kind} is no type of this site")
        with self.site.lock:
            item = self._item(type_name(kind), key)
            if item is None or not self._readable(request, item):
                raise Refusal(404)
            found = (
                events(self.site, item, request) if isinstance(item, Experiment) else workflow_events(self.site, item)
            )
            return json_answer({"events": found})

    def _item(self, kind: str, key: str) -> Project | Subject | Experiment | None:
        if kind == "xnat:projectData":
            return self.site.projects.get(key)
        if kind == "xnat:subjectData":
            return self.site.subjects.get(key)
        session = session_of(self.site, key)
        found = self.site.experiments.get(key) or (session.assessors[key] if session is not None else None)
        return found if found is not None and is_a(found.xsi_type, kind) else None

    def _readable(self, request: Request, item: Project | Subject | Experiment) -> bool:
        if isinstance(item, Project):
            return self.site.can_see(request.user, item)
        return self.site.can_read(request.user, item)
