"""Jobs and pipelines as they are told, of both engines: what XNAT calls a workflow is a job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xnatsync.core.errors import NotEnabled
from xnatsync.core.nouns import SessionHeld
from xnatsync.core.pasting import command_line
from xnatsync.services.containers import ended
from xnatsync.services.models import Fields
from xnatsync.xnat import containers
from xnatsync.xnat.workflows import Workflow


def see_type(name: str, session: SessionHeld, types: set[str]) -> None:
    """Raise NotEnabled where a pipeline of the old engine is for other types; one without a type says nothing."""
    if types & {"", "All Datatypes", session.xsi_type}:
        return
    raise NotEnabled(
        f"pipeline {name} is not for {session.xsi_type}, which session {session.id} is: it is for {', '.join(types)}",
        advice="Name a session of another type, or another pipeline.",
    )


def plain_name(name: str) -> str:
    """Return the name of a pipeline without folder and ending, as histories and lists tell it differently."""
    return name.replace("\\", "/").rpartition("/")[2].removesuffix(".xml")


def pipeline_row(row: Mapping[str, str]) -> Fields:
    """Return a pipeline of the old engine as one of those that can be run."""
    return Fields(
        id=row.get("Name", ""),
        name=row.get("Name", ""),
        engine="pipeline",
        command="",
        command_id=None,
        image="",
        version="",
        description=row.get("Description", ""),
        contexts=[row["Datatype"]] if row.get("Datatype") else [],
        enabled_site=None,
        enabled_project=None,
    )


def engine_told(name: str) -> str:
    """Tell the engine by a name of a history, which need not have the path that tells it: "" is not told."""
    return "pipeline" if _is_path(name) else ""


def _is_path(name: str) -> bool:
    return name.endswith(".xml") or "/" in name


def job_of(one: Workflow) -> Fields:
    """Return a workflow as a job."""
    is_old = _is_path(one.name)
    return Fields(
        job_id=one.id,
        status=one.status,
        state=_state(one.status),
        pipeline=plain_name(one.name),
        pipeline_path=one.name,
        engine="pipeline" if is_old else "container",
        experiment=one.item,
        project=one.project,
        started=one.started,
        user=one.user,
        details=one.details,
        container_id="" if is_old else one.container,
        percent=one.percent,
    )


def job_of_container(one: containers.Container, names: Mapping[int, str]) -> Fields:
    """Return the job of a container; `names` of the wrappers by their numbers."""
    item = next((value.rpartition("/")[2] for value in one.inputs.values() if "/experiments/" in value), "")
    name = names.get(one.wrapper_id or 0, "")
    job = job_of(Workflow(one.workflow, one.status, name, item, one.project, user=one.user, container=one.id))
    return Fields(job, engine="container", container_id=one.id)


def _state(status: str) -> str:
    lower = status.lower()
    if not ended(status):
        return "queued" if lower.lstrip("_").startswith("queued") else "running"
    return "complete" if lower.startswith("complete") else "failed"


def job_number(job: Mapping[str, Any]) -> int:
    """Return the number of a job, 0 where it has none."""
    return int(job["job_id"]) if str(job["job_id"]).isdigit() else 0


def failed_advice(job: Mapping[str, Any]) -> str | None:
    """Return what to type to see why a job failed."""
    if not job["container_id"]:
        return None
    return f"`{command_line('container', 'logs', job['container_id'])}` shows what it wrote."
