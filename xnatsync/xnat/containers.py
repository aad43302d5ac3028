"""The Container Service: commands, wrappers, where they are on, launches, and containers (import.md §11)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from xnatsync.core.errors import AccessDenied, NotThere, OutcomeUnknown, ReplyStrange, RequestRefused
from xnatsync.xnat import names, raw, replies, wire
from xnatsync.xnat.client import Client
from xnatsync.xnat.failures import Verb
from xnatsync.xnat.wire import Call, Due

PLUGIN: Final = "containers"
_LAUNCHED: Final = frozenset({200, 500})  # a refused launch is told in the body of a 500, or of a 200


@dataclass(frozen=True, slots=True)
class Wrapper:
    """One way to run a command."""

    id: int
    name: str
    command: str
    command_id: int
    image: str
    version: str
    description: str
    contexts: tuple[str, ...]
    root: str  # name of the first external input, "" when there is none
    inputs: tuple[Mapping[str, object], ...] = ()


@dataclass(frozen=True, slots=True)
class Enabled:
    """Where a wrapper is on; None is not told to this account."""

    site: bool | None
    project: bool | None


@dataclass(frozen=True, slots=True)
class Container:
    """One container, with what the server tells of it."""

    id: str
    status: str
    workflow: str
    wrapper_id: int | None
    project: str
    user: str
    image: str
    inputs: Mapping[str, str] = field(default_factory=dict)


def commands(client: Client) -> tuple[Mapping[str, object], ...]:
    """List the commands that this account may see; NotThere where the server has no Container Service."""
    call = _read("/commands", "listing the commands of the Container Service")
    return tuple(_objects(replies.parsed(client.get(call)), call.what))


def plugins(client: Client) -> Mapping[str, Mapping[str, object]] | None:
    """Return the plug-ins by their IDs; None where the server does not tell."""
    call = _read("/plugins", "listing the plug-ins")
    try:
        document = replies.parsed(client.get(call))
    except (NotThere, AccessDenied):
        return None
    if not isinstance(document, dict) or not all(isinstance(one, dict) for one in document.values()):
        raise ReplyStrange(f"{call.what}: the answer is no list of plug-ins")
    return document


def wrappers(listed: tuple[Mapping[str, object], ...]) -> tuple[Wrapper, ...]:
    """Return the wrappers of commands: they are listed nowhere else (§11.2)."""
    found = []
    for command in listed:
        inside = command.get("xnat")
        for one in inside if isinstance(inside, list) else ():
            if not isinstance(one, dict) or not isinstance(one.get("id"), int):
                continue
            external = [part for part in _list(one.get("external-inputs")) if isinstance(part, dict)]
            own = [part for part in _list(command.get("inputs")) if isinstance(part, dict)]
            found.append(
                Wrapper(
                    id=one["id"],
                    name=names.shown(one.get("name")),
                    command=names.shown(command.get("name")),
                    command_id=_number(command.get("id")),
                    image=names.shown(command.get("image")),
                    version=names.shown(command.get("version")),
                    description=names.words(str(one.get("description") or command.get("description") or "")),
                    contexts=tuple(names.shown(part) for part in _list(one.get("contexts"))),
                    root=names.shown(external[0].get("name")) if external else "",
                    inputs=(*external, *own),
                )
            )
    return tuple(found)


def enabled(client: Client, project_id: str, wrapper_id: int) -> Enabled:
    """Ask where a wrapper is on; an account that may not edit the project is told nothing (§11.3)."""
    path = f"/projects/{wire.seg(project_id)}/wrappers/{wrapper_id}/enabled"
    call = _read(path, f"asking whether wrapper {wrapper_id} is enabled in project {project_id}")
    try:
        said = replies.parsed(client.get(call))
    except AccessDenied:
        return Enabled(None, None)
    if not isinstance(said, dict):
        raise ReplyStrange(f"{call.what}: the answer is no setting")
    site, project = said.get("enabled-for-site"), said.get("enabled-for-project")
    return Enabled(site if isinstance(site, bool) else None, project if isinstance(project, bool) else None)


def offered(client: Client, project_id: str, xsi_type: str) -> Mapping[int, bool]:
    """Return which wrappers the project offers for a type, and whether they are on (§11.3: those that are off too)."""
    path = f"/projects/{wire.seg(project_id)}/commands/available"
    call = _read(path, f"listing what project {project_id} may run on {xsi_type}", ("xsiType", xsi_type))
    rows = _objects(replies.parsed(client.get(call)), call.what)
    return {_number(row.get("wrapper-id")): row.get("enabled") is True for row in rows}


def launch(
    client: Client, project_id: str, wrapper: Wrapper, params: Mapping[str, str], *, request_id: str, timeout_s: float
) -> str:
    """Launch a wrapper on its root and return the workflow; "" when none was assigned (§11.4).

    Always with the root in the address: without it the server answers success and does nothing for an unknown wrapper.
    """
    root = wire.seg(wrapper.root)
    path = f"/xapi/projects/{wire.seg(project_id)}/wrappers/{wrapper.id}/root/{root}/launch"
    what = f"launching wrapper {wrapper.id} in project {project_id}"
    call = Call(Verb.CHANGE, "POST", path, what)
    body = raw.json_body(dict(params))
    reply = client.write(call, request_id=request_id, body=body, timeout_s=timeout_s, done=_LAUNCHED)
    try:
        report = replies.parsed(reply)
    except ReplyStrange as error:
        raise OutcomeUnknown(f"{what}: {reply.status}, and no report", http=reply.status) from error
    if not isinstance(report, dict) or "status" not in report:
        raise OutcomeUnknown(f"{what}: {reply.status}, and no report", http=reply.status)
    if report["status"] != "success" or reply.status != 200:
        said = names.words(str(report.get("message") or report["status"]))
        raise RequestRefused(f"{what}: the server answered {reply.status}: {said}", http=reply.status)
    number = names.shown(report.get("workflow-id"))
    return number if number.isascii() and number.isdigit() else ""


def containers(client: Client, project_id: str | None) -> tuple[Container, ...]:
    """List the containers of a project, or all that this account may see."""
    place = f"/projects/{wire.seg(project_id)}/containers" if project_id else "/containers"
    call = _read(place, f"listing the containers of {f'project {project_id}' if project_id else 'the site'}")
    return tuple(_container(row) for row in _objects(replies.parsed(client.get(call)), call.what))


def container(client: Client, container_id: str) -> tuple[Container, Mapping[str, object]]:
    """Read one container, and everything that the server tells of it; NotThere when there is none."""
    call = _read(f"/containers/{wire.seg(container_id)}", "looking up a container")
    row = replies.parsed(client.get(call))
    if not isinstance(row, dict):
        raise ReplyStrange(f"{call.what}: the answer is no container")
    return _container(row), row


def log(client: Client, container_id: str, stream: str) -> str:
    """Return what a container wrote to `stdout` or `stderr`; look it up first: an unknown one is a 500 (§11.6)."""
    path = f"/xapi/containers/{wire.seg(container_id)}/logs/{wire.seg(stream)}"
    call = Call(Verb.READ, "GET", path, f"reading {stream} of a container", due=Due.TEXT)
    return client.get(call).text


def kill(client: Client, container_id: str, *, request_id: str, timeout_s: float) -> None:
    """Kill a container."""
    path = f"/xapi/containers/{wire.seg(container_id)}/kill"
    call = Call(Verb.CHANGE, "POST", path, "killing a container", due=Due.TEXT)
    client.write(call, request_id=request_id, timeout_s=timeout_s, done=frozenset({200}))


def _read(path: str, what: str, *query: tuple[str, str]) -> Call:
    return Call(Verb.READ, "GET", f"/xapi{path}", what, query)


def _objects(document: object, what: str) -> list[Mapping[str, object]]:
    if not isinstance(document, list) or not all(isinstance(row, dict) for row in document):
        raise ReplyStrange(f"{what}: the answer is no list of objects")
    return document


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _container(row: Mapping[str, object]) -> Container:
    inputs = {}
    for part in _list(row.get("inputs")):
        if isinstance(part, dict):
            inputs[names.shown(part.get("name"))] = names.shown(part.get("value"))
    wrapper = row.get("wrapper-id")
    return Container(
        id=names.shown(row.get("container-id") or row.get("service-id")),
        status=names.shown(row.get("status")),
        workflow=names.shown(row.get("workflow-id")),
        wrapper_id=wrapper if isinstance(wrapper, int) else None,
        project=names.shown(row.get("project")),
        user=names.shown(row.get("user-id")),
        image=names.shown(row.get("docker-image")),
        inputs=inputs,
    )
