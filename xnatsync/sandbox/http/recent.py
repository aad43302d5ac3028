"""`/data/experiments?recent=DAYS`: the imaging sessions touched lately (hierarchy.md §3.2, notes)."""

from __future__ import annotations

from xnatsync.sandbox.http.exchange import Refusal, Request
from xnatsync.sandbox.model.items import is_session
from xnatsync.sandbox.model.objects import Experiment
from xnatsync.sandbox.model.site import Site, time_text

_DAY = 86400.0


def recent_rows(site: Site, request: Request) -> list[dict[str, str]]:
    """Return the rows, the latest first; `limit` is honoured."""
    try:
        since = time_text(site.clock() - float(request.param("recent") or 60) * _DAY)
        limit = int(request.param("limit") or 60)
    except ValueError as error:
        raise Refusal(500, str(error)) from error
    found = [
        _row(item)
        for item in site.experiments.values()
        if is_session(item) and site.can_read(request.user, item) and _action_date(item) >= since
    ]
    return sorted(found, key=lambda row: row["action_date"], reverse=True)[:limit]


def _action_date(item: Experiment) -> str:
    return item.stamps.last_modified or item.stamps.insert_date


def _row(item: Experiment) -> dict[str, str]:
    return {
        "id": item.id,
        "label": item.label,
        "project": item.project,
        "date": item.fields.get("date", ""),
        "status": item.status,
        "workflow_status": "",
        "element_name": item.xsi_type,
        "type_desc": item.xsi_type.removeprefix("xnat:").removesuffix("SessionData").upper(),
        "insert_date": item.stamps.insert_date,
        "activation_date": "",
        "last_modified": item.stamps.last_modified,
        "workflow_date": "",
        "pipeline_name": "",
        "action_date": _action_date(item),
        "scanner": item.fields.get("scanner", ""),
    }
