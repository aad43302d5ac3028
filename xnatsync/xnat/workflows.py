"""Workflows, which is what XNAT calls a job, and the old pipeline engine that makes them (import.md §6.2, §14)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from xnatsync.core.errors import ReplyStrange, RequestRefused
from xnatsync.xnat import names, raw, replies, wire
from xnatsync.xnat.client import Client
from xnatsync.xnat.failures import Verb
from xnatsync.xnat.wire import Call


@dataclass(frozen=True, slots=True)
class Workflow:
    """One job as its item or the history of its session tells it; "" is not told."""

    id: str
    status: str
    name: str  # of the wrapper, or the path of the pipeline
    item: str  # accession ID of what it works on
    project: str = ""
    started: str = ""
    user: str = ""
    details: str = ""
    container: str = ""  # id of its container
    percent: str = ""


def one(client: Client, number: str) -> Workflow:
    """Read one workflow; NotThere when there is none of that number."""
    call = wire.read(f"/data/workflows/{wire.seg(number)}", f"looking up job {number}")
    fields = replies.item_fields(client.get(call))

    def told(*keys: str) -> str:
        return next((names.shown(fields[key]) for key in keys if fields.get(key) not in {None, ""}), "")

    return Workflow(
        id=told("wrk_workflowData_id") or number,
        status=told("status"),
        name=told("pipeline_name"),
        item=told("ID", "id"),
        project=told("ExternalID", "externalid"),
        started=told("launch_time"),
        user=told("create_user"),
        details=told("details"),
        container=told("comments"),
        percent=told("percentageComplete"),
    )


def of_session(client: Client, session_id: str) -> tuple[Workflow, ...]:
    """List what was processed of a session, the newest last, from its history (hierarchy.md §16)."""
    path, what = f"/data/experiments/{wire.seg(session_id)}/history", f"reading the history of session {session_id}"
    call = Call(Verb.READ, "GET", path, what)
    document = replies.parsed(client.get(call))
    events = document.get("events") if isinstance(document, dict) else None
    if not isinstance(events, list):
        raise ReplyStrange(f"{what}: the answer is no history")
    found = []
    for event in events:
        if not isinstance(event, dict) or event.get("event_type") != "PROCESS" or not event.get("event_id"):
            continue
        found.append(
            Workflow(
                id=names.shown(event["event_id"]),
                status=names.shown(event.get("event_status")),
                name=names.shown(event.get("event_action")),
                item=session_id,
                started=_moment(event.get("event_date")),
                user=names.shown(event.get("event_user")),
            )
        )
    return tuple(sorted(found, key=lambda job: int(job.id) if job.id.isdigit() else 0))


def _moment(value: object) -> str:
    """Write a moment that history tells in milliseconds; a text stays as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return names.shown(value)
    try:
        return datetime.fromtimestamp(value / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return str(value)


# --- the old engine ----------------------------------------------------------------------------------------------


def pipelines(client: Client, project_id: str | None) -> tuple[dict[str, str], ...]:
    """List the pipelines that a project may run, or those of the site, with the columns that the server has."""
    place = f"project/{wire.seg(project_id)}" if project_id else "site"
    of = f"project {project_id}" if project_id else "the site"
    call = Call(Verb.READ, "GET", f"/xapi/pipelines/{place}", f"listing the pipelines of {of}")
    rows = replies.rows(client.get(call), ("Name",))
    return tuple({key: names.shown(value) for key, value in row.items()} for row in rows)


def launch(
    client: Client,
    name: str,
    project_id: str,
    session_id: str,
    params: Mapping[str, str],
    *,
    request_id: str,
    timeout_s: float,
) -> None:
    """Launch a pipeline on one session; its report counts failures inside a 200, which is RequestRefused."""
    what = f"launching a pipeline on session {session_id}"
    call = Call(Verb.CHANGE, "POST", f"/xapi/pipelines/launch/{wire.seg(name)}", what, (("project", project_id),))
    body = {**params, "Experiments": json.dumps([f"/archive/experiments/{session_id}"])}
    _reported(client, call, body, request_id, timeout_s)


def terminate(
    client: Client, name: str, path: str, project_id: str, session_id: str, *, request_id: str, timeout_s: float
) -> None:
    """End the latest run of a pipeline on a session, whichever that is: the caller sees that it is the one meant."""
    place = f"/xapi/pipelines/terminate/{wire.seg(name)}/project/{wire.seg(project_id)}"
    call = Call(Verb.CHANGE, "POST", place, f"ending a pipeline on session {session_id}")
    body = {"Experiments": json.dumps([f"/archive/experiments/{session_id}"]), "pipelinePath": path}
    _reported(client, call, body, request_id, timeout_s)


def _reported(client: Client, call: Call, body: Mapping[str, str], request_id: str, timeout_s: float) -> None:
    reply = client.write(
        call, request_id=request_id, body=raw.json_body(body), timeout_s=timeout_s, done=frozenset({200})
    )
    report = replies.parsed(reply)
    counts = [report.get(key) for key in ("successes", "failures")] if isinstance(report, dict) else [None, None]
    if not all(isinstance(count, int) for count in counts):
        raise ReplyStrange(f"{call.what}: the answer is no report of a launch")
    if counts[1] or not counts[0]:
        raise RequestRefused(
            f"{call.what}: the server reports {counts[0]} successes and {counts[1]} failures, and no reason",
            advice="See that the pipeline is for this type of session; the server's pipeline log has the reason.",
        )
