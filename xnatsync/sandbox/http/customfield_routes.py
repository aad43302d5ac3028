"""JSON custom fields of projects, subjects, experiments, scans and assessors (hierarchy.md §4.4)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from xnatsync.sandbox.http.exchange import Match, Refusal, Request, Response, json_answer, text
from xnatsync.sandbox.http.router import Routes
from xnatsync.sandbox.model.hierarchy import find_assessor, find_experiment, find_project, find_subject
from xnatsync.sandbox.model.objects import Experiment, Project, Scan, Subject
from xnatsync.sandbox.model.site import Site, kind_of

_ROOT = "/xapi/custom-fields"
_PROJECT, _SUBJECT, _EXPERIMENT = "/projects/{PROJECT}", "/subjects/{SUBJECT}", "/experiments/{EXPERIMENT}"
_SESSIONS = (f"{_PROJECT}{_EXPERIMENT}", f"{_PROJECT}{_SUBJECT}{_EXPERIMENT}", _EXPERIMENT)
_ITEMS = (
    _PROJECT,
    f"{_PROJECT}{_SUBJECT}",
    _SUBJECT,
    *_SESSIONS,
    *(f"{session}/scans/{{SCAN}}" for session in _SESSIONS),
    *(f"{session}/assessors/{{ASSESSOR}}" for session in _SESSIONS),
)
_Item = Project | Subject | Experiment | Scan


def attach(routes: Routes, site: Site) -> None:
    """Add the routes."""
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
        """Show all fields, or those of `fieldNames`."""
        names = [name for key, value in request.query if key == "fieldNames" for name in value.split(",")]
        with self.site.lock:
            custom = self._item(request, match, "read")[0].custom
            return json_answer({key: value for key, value in custom.items() if not names or key in names})

    def one(self, request: Request, match: Match) -> Response:
        """Show one field's value as text."""
        with self.site.lock:
            custom = self._item(request, match, "read")[0].custom
            if match.values["FIELD"] not in custom:
                raise Refusal(404)
            value = custom[match.values["FIELD"]]
            return text(value if isinstance(value, str) else json.dumps(value))

    def merge(self, request: Request, match: Match) -> Response:
        """Set the given fields, keeps the others."""
        wanted = request.json()
        if not isinstance(wanted, dict):
            raise Refusal(400, "A map of fields is expected.")
        with self.site.lock:
            item, document = self._item(request, match, "edit")
            item.custom.update(wanted)
            self.site.save(document)
            return json_answer(dict(item.custom))

    def delete(self, request: Request, match: Match) -> Response:
        """Remove one field."""
        with self.site.lock:
            item, document = self._item(request, match, "edit")
            if match.values["FIELD"] not in item.custom:
                raise Refusal(404)
            del item.custom[match.values["FIELD"]]
            self.site.save(document)
            return json_answer(dict(item.custom))

    def _item(self, request: Request, match: Match, right: str) -> tuple[_Item, Project | Subject | Experiment]:
        """Find the item and what it is kept in.

        What one cannot see is 403 here, there or not; only a scan or an assessor that a readable session does not have
        is 404, and 403 for who may not write.  A share lets one read, never write; a project is its owners' to write.
        """
        site, user, ids = self.site, request.user, match.values
        kept = self._kept(ids)
        if kept is None:
            raise Refusal(403)
        if isinstance(kept, Project):
            allowed = site.can(user, kept.id, "read" if right == "read" else "delete")
        else:
            homes = (kept.project, *kept.shares) if right == "read" else (kept.project,)
            allowed = site.can_any(user, homes, right, kind_of(kept))
        item: _Item | None = kept
        if isinstance(kept, Experiment) and "SCAN" in ids:
            item = kept.scans.get(ids["SCAN"])
        elif isinstance(kept, Experiment) and "ASSESSOR" in ids:
            found = find_assessor(kept, ids["ASSESSOR"])
            if right == "read":
                item = found if found is not None and site.can_read(user, found) else None
            else:  # the rights on the assessor decide, not those on its session
                allowed = found is not None and site.may(user, found, right)
                item = found
        if not allowed:
            raise Refusal(403)
        if item is None:
            raise Refusal(404)
        return item, kept

    def _kept(self, ids: Mapping[str, str]) -> Project | Subject | Experiment | None:
        project = find_project(self.site, ids["PROJECT"]) if "PROJECT" in ids else None
        if "PROJECT" in ids and project is None:
            return None
        home = project.id if project is not None else None
        if "EXPERIMENT" in ids:
            return find_experiment(self.site, home, ids["EXPERIMENT"])
        return find_subject(self.site, home, ids["SUBJECT"]) if "SUBJECT" in ids else project
