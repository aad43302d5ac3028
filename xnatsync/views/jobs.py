"""Pipelines, jobs, commands and containers: rows, and one job for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from xnatsync.views.blocks import Block, Line, Tone

PIPELINE_COLUMNS = {"name": "name", "engine": "engine", "image": "image", "version": "version", "contexts": "for"}
WRAPPER_COLUMNS = {"id": "id", "name": "name", "command": "command", "image": "image", "contexts": "for"}
IN_A_PROJECT = {"enabled_site": "site", "enabled_project": "project"}
JOB_COLUMNS = {
    "job_id": "job", "status": "status", "pipeline": "pipeline", "experiment": "session", "project": "project",
    "started": "started",
}  # fmt: skip
COMMAND_COLUMNS = {"id": "id", "name": "name", "version": "version", "image": "image", "wrappers": "wrappers"}
CONTAINER_COLUMNS = {"id": "id", "job_id": "job", "status": "status", "image": "image", "project": "project"}
_PIPELINE = (
    "name", "engine", "id", "command", "command_id", "image", "version", "description", "contexts", "enabled_site",
    "enabled_project",
)  # fmt: skip
_JOB = (
    "job_id", "status", "state", "pipeline", "engine", "experiment", "project", "started", "user", "details",
    "container_id", "percent",
)  # fmt: skip
_COMMAND = ("id", "name", "version", "image", "type", "description", "wrappers")
_CONTAINER = ("id", "job_id", "status", "wrapper_id", "project", "user", "image")


def pipeline_row(row: Mapping[str, object]) -> dict[str, object]:
    """A row of `pipeline list` and of `wrapper list`."""
    return {**{key: row[key] for key in _PIPELINE}, "id": str(row["id"]), "contexts": _joined(row["contexts"])}


def job_row(job: Mapping[str, object]) -> dict[str, object]:
    """A row of `pipeline jobs`, and the document of one job."""
    return {key: job[key] for key in _JOB}


def command_row(row: Mapping[str, object]) -> dict[str, object]:
    """A row of `command list`."""
    return {**{key: row[key] for key in _COMMAND}, "wrappers": _joined(row["wrappers"])}


def container_row(row: Mapping[str, object]) -> dict[str, object]:
    """A row of `container list`."""
    return {key: row[key] for key in _CONTAINER}


def job_blocks(job: Mapping[str, object]) -> Iterator[Block]:
    """One job, for people."""
    tone = {"complete": Tone.GOOD, "failed": Tone.BAD}.get(str(job["state"]), Tone.HEAD)
    yield Line(f"job {job['job_id']}: {job['status']}", tone)
    yield from _facts(job, ("pipeline", "experiment", "project", "started", "user", "details", "container_id"))


def watched_line(job: Mapping[str, object]) -> Line:
    """What a look at a job shows while it is waited for."""
    percent = f", {job['percent']} %" if job["percent"] else ""
    return Line(
        f"job {job['job_id']}: {job['status']}{percent}, {int(float(str(job['remaining_s'])))} s left", Tone.DIM
    )


def cancelled_fields(job: Mapping[str, object], *, dry_run: bool, cancelled: bool) -> dict[str, object]:
    """`pipeline cancel`, for programs."""
    return {"dry_run": dry_run, "cancelled": cancelled, **job_row(job)}


def container_blocks(row: Mapping[str, object]) -> Iterator[Block]:
    """One container, for people."""
    yield Line(f"container {row['id']}: {row['status']}", Tone.HEAD)
    yield from _facts(row, ("job_id", "image", "project", "user", "wrapper_id"))


def command_blocks(raw: Mapping[str, object]) -> Iterator[Block]:
    """One command, for people: its plain fields, and the names of what is inside."""
    yield Line(f"{raw.get('name')} {raw.get('version') or ''}".strip(), Tone.HEAD)
    yield from _facts(raw, ("id", "image", "type", "description", "visibility"))
    for key, word in (("inputs", "inputs"), ("outputs", "outputs"), ("xnat", "wrappers")):
        inside = raw.get(key)
        listed = [str(one.get("name")) for one in (inside if isinstance(inside, list) else []) if isinstance(one, dict)]
        if listed:
            yield Line(f"{word}: {', '.join(listed)}", indent=2)


def _facts(row: Mapping[str, object], keys: tuple[str, ...]) -> Iterator[Block]:
    for key in keys:
        if row.get(key) not in {None, ""}:
            yield Line(f"{key.replace('_', ' ')}: {row[key]}", indent=2)


def _joined(value: object) -> str:
    return " ".join(str(one) for one in value) if isinstance(value, list) else ""
