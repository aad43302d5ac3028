"""JSON custom fields of projects, subjects, experiments and scans (hierarchy.md §4.4)."""

from __future__ import annotations

import json
from dataclasses import dataclass

from xnatsync.sandbox.http.exchange import Match, Refusal, Request, Response, json_answer, text
from xnatsync.sandbox.http.router import Routes
from xnatsync.sandbox.model.hierarchy import find_experiment, find_project, find_subject
from xnatsync.sandbox.model.objects import Experiment, Project, Scan, Subject
from xnatsync.sandbox.model.site import Site

_ROOT = "/xapi/custom-fields"
_ITEMS = (
    "/projects/{PROJECT}",
    "/projects/{PROJECT}/subjects/{SUBJECT}",
    "/subjects/{SUBJECT}",
    "/projects/{PROJECT}/experiments/{EXPERIMENT}",
    "/projects/{PROJECT}/subjects/{SUBJECT}/experiments/{EXPERIMENT}",
    "/experiments/{EXPERIMENT}",
    "/projects/{PROJECT}/experiments/{EXPERIMENT}/scans/{SCAN}",
    "/projects/{PROJECT}/subjects/{SUBJECT}/experiments/{EXPERIMENT}/scans/{SCAN}",
    "/experiments/{EXPERIMENT}/scans/{SCAN}",
)


def attach(routes: Routes, site: Site) -> None:
    """Adds the routes."""
    fields = _Fields(site)
    for item in _ITEMS:
        routes.add("GET", f"{_ROOT}{item}/fields", fields.show)
        routes.add("PUT", f"{_ROOT}{item}/fields", fields.merge)
        routes.add("GET", f"{_ROOT}{item}/fields/{{FIELD}}", fields.one)
        routes.add("DELETE", f"{_ROOT}{item}/fields/{{FIELD}}", fields.delete)


@dataclass(frozen=True, slots=True)
class _Fields:
    site: Site

    def show(self, request: Request, match: Match) -> Response:
        """Shows all fields."""
        with self.site.lock:
            return json_answer(dict(self._item(request, match, "read")[0].custom))

    def one(self, request: Request, match: Match) -> Response:
        """Shows one field's value as text."""
        with self.site.lock:
            custom = self._item(request, match, "read")[0].custom
            if match.values["FIELD"] not in custom:
                raise Refusal(404)
            value = custom[match.values["FIELD"]]
            return text(value if isinstance(value, str) else json.dumps(value))

    def merge(self, request: Request, match: Match) -> Response:
        """Sets the given fields, keeps the others."""
        wanted = request.json()
        if not isinstance(wanted, dict):
            raise Refusal(400, "A map of fields is expected.")
        with self.site.lock:
            item, document = self._item(request, match, "edit")
            item.custom.update(wanted)
            self.site.save(document)
            return json_answer(dict(item.custom))

    def delete(self, request: Request, match: Match) -> Response:
        """Removes one field."""
        with self.site.lock:
            item, document = self._item(request, match, "edit")
            item.custom.pop(match.values["FIELD"], None)
            self.site.save(document)
            return json_answer(dict(item.custom))

    def _item(
        self, request: Request, match: Match, right: str
    ) -> tuple[Project | Subject | Experiment | Scan, Project | Subject | Experiment]:
        """Finds the item and what it is kept in; unreadable is 403 here, and so is what a project does not have."""
        site, ids = self.site, match.values
        project = find_project(site, ids["PROJECT"]) if "PROJECT" in ids else None
        if "PROJECT" in ids and (project is None or not site.can(request.user, project.id, right)):
            raise Refusal(403)
        home = project.id if project is not None else None
        item: Project | Subject | Experiment | None = project
        if "SUBJECT" in ids:
            item = find_subject(site, home, ids["SUBJECT"])
        if "EXPERIMENT" in ids:
            item = find_experiment(site, home, ids["EXPERIMENT"])
        if item is None:
            raise Refusal(403 if home else 404)
        if not isinstance(item, Project) and not site.can_any(request.user, (item.project, *item.shares), right):
            raise Refusal(403)
        if "SCAN" not in ids:
            return item, item
        scan = item.scans.get(ids["SCAN"]) if isinstance(item, Experiment) else None
        if scan is None:
            raise Refusal(403 if home else 404)
        return scan, item
