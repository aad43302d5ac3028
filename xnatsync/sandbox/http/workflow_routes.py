"""Workflows: a simple table of them (import.md §6.2)."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree as ET

from xnatsync.sandbox.http.exchange import Match, Refusal, Request, Response, json_answer
from xnatsync.sandbox.http.router import Routes
from xnatsync.sandbox.model.site import Site

_PREFIX = "wrk:workflowData/"
_KEYS = ("id", "launch_time", "data_type", "pipeline_name")


def attach(routes: Routes, site: Site) -> None:
    """Add the routes."""
    table = _Table(site)
    for method in ("PUT", "POST"):
        routes.add(method, "/workflows", table.put)
        routes.add(method, "/workflows/{KEY}", table.put)
    routes.add("GET", "/workflows", table.get)
    routes.add("GET", "/workflows/{KEY}", table.get)


@dataclass(frozen=True, slots=True)
class _Table:
    site: Site

    def put(self, request: Request, match: Match) -> Response:
        """Create or updates a workflow; creating asks for no right on the item."""
        wanted = _fields(request)
        with self.site.lock:
            known = self._find(wanted, match.values.get("KEY", ""))
            if known is None:
                if any(not wanted.get(key) for key in _KEYS):
                    raise Refusal(400, "Id, launch_time, data_type and pipeline_name are all required parameters.")
                workflows = self.site.record.workflows
                key = str(self.site.next_event())
                workflows.append({**wanted, "wrk_workflowData_id": key, "create_user": request.user.login})
            elif known["create_user"] != request.user.login and not request.user.admin:
                raise Refusal(403, "You are not allowed to make changes to this workflow.")
            else:
                known.update(wanted)
            self.site.save_site()
        return Response()

    def get(self, request: Request, match: Match) -> Response:
        """Show the workflow that fits."""
        with self.site.lock:
            self.site.processing.settle()
            found = self._find(_fields(request), match.values.get("KEY", ""))
            if found is None:
                raise Refusal(404, "Unable to find the specified workflow.")
            fields: dict[str, object] = dict(found)
        fields["wrk_workflowData_id"] = int(str(fields["wrk_workflowData_id"]))
        meta = {"xsi:type": "wrk:workflowData", "isHistory": False, "create_event_id": fields["wrk_workflowData_id"]}
        return json_answer({"items": [{"children": [], "meta": meta, "data_fields": fields}]})

    def _find(self, wanted: dict[str, str], key: str) -> dict[str, str] | None:
        workflows = self.site.record.workflows
        if key:
            return next((item for item in workflows if item["wrk_workflowData_id"] == key), None)
        criteria = {name: wanted[name] for name in ("id", "launch_time", "pipeline_name") if wanted.get(name)}
        if "id" not in criteria:
            return None
        fitting = [item for item in workflows if all(item.get(name) == value for name, value in criteria.items())]
        return fitting[-1] if fitting else None


def _fields(request: Request) -> dict[str, str]:
    fields = {
        key.removeprefix(_PREFIX): value for key, value in request.query if key.startswith(_PREFIX) or key in _KEYS
    }
    if request.length and (
        request.param("req_format") == "xml" or request.content_type in {"text/xml", "application/xml"}
    ):
        try:
            root = ET.fromstring(request.body.read())  # noqa: S314 - attributes only, nothing is expanded into the model
        except ET.ParseError as error:
            raise Refusal(422, str(error)) from error
        fields = {**{key.lower() if key == "ID" else key: value for key, value in root.attrib.items()}, **fields}
    if "ID" in fields:
        fields["id"] = fields.pop("ID")
    return {key: value for key, value in fields.items() if not key.startswith("{")}
