"""`…/history` of an experiment: JSON, whatever `format=` says (hierarchy.md §16)."""

from __future__ import annotations

import time

from xnatsync.sandbox.http.exchange import Request
from xnatsync.sandbox.model.accounts import User
from xnatsync.sandbox.model.events import note_write
from xnatsync.sandbox.model.objects import Event, Experiment, Project, Subject
from xnatsync.sandbox.model.site import Site

_PATTERN = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}


def note_request(site: Site, request: Request, item: Experiment, *, created: bool = False, action: str = "") -> None:
    """Add what a request did to the history, under the name it asks for."""
    asked = request.param("event_action") or action
    kind, why = request.param("event_type"), request.param("event_reason")
    user: User = request.user
    note_write(site, item, user, created=created, action=asked, kind=kind, why=why)


def events(site: Site, item: Experiment, request: Request) -> list[dict[str, object]]:
    """Return the events of an experiment, those of workflows that clients keep on it among them."""
    shown = [_shown(each, request.param("dateFormat")) for each in item.events]
    return [*shown, *workflow_events(site, item)]


def workflow_events(site: Site, item: Project | Subject | Experiment) -> list[dict[str, object]]:
    """Give the events of the workflows that clients keep on an item."""
    site.processing.settle()
    names = {item.id} if isinstance(item, Project) else {item.id, item.label}
    return [_of_workflow(row) for row in site.record.workflows if row.get("id") in names]


def _of_workflow(row: dict[str, str]) -> dict[str, object]:
    return {
        "event_id": int(row["wrk_workflowData_id"]),
        "event_action": row.get("pipeline_name", "").rpartition("/")[2],
        "event_date": row.get("launch_time", ""),
        "event_user": row["create_user"],
        **{f"event_{name}": row[name] for name in ("type", "category") if name in row},
        "event_status": row.get("status", ""),
        "changesets": [],
    }


def _shown(event: Event, pattern: str) -> dict[str, object]:
    date: object = event.date
    if pattern:
        for java, python in _PATTERN.items():
            pattern = pattern.replace(java, python)
        date = time.strftime(pattern, time.localtime(event.date / 1000))
    found: dict[str, object] = {
        "event_id": event.id,
        "event_action": event.action,
        "event_date": date,
        "event_user": event.user,
        "event_type": event.type,
        "event_category": "DATA",
        "event_status": event.status,
        "changesets": [],
    }
    return found | ({"event_reason": event.reason} if event.reason else {})
