"""The Container Service as far as it answers without a daemon, and the containers of pretended runs (import.md §11)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from xnatsync.sandbox.http.exchange import Handler, Match, Refusal, Request, Response, json_answer, text
from xnatsync.sandbox.http.router import Routes
from xnatsync.sandbox.model.hierarchy import find_project
from xnatsync.sandbox.model.objects import Experiment
from xnatsync.sandbox.model.processing import FIELDS, Processing, Run, has_ended
from xnatsync.sandbox.model.schema import is_a
from xnatsync.sandbox.model.site import Site

MANAGER: Final = "ContainerManager"


def attach(routes: Routes, site: Site) -> None:
    """Add the routes; each answers 404 while the plug-in is not installed."""
    commands, runs = _Commands(site), _Containers(site)

    def add(method: str, path: str, handler: Handler) -> None:
        def guarded(request: Request, match: Match) -> Response:
            if not site.processing.book.installed:
                raise Refusal(404)
            with site.lock:
                site.processing.settle()
                return handler(request, match)

        routes.add(method, f"/xapi{path}", guarded)

    add("GET", "/commands", commands.all)
    add("POST", "/commands", commands.create)
    add("GET", "/commands/available", commands.available)
    add("GET", "/projects/{PROJECT}/commands/available", commands.available)
    add("GET", "/commands/{COMMAND}", commands.one)
    add("DELETE", "/commands/{COMMAND}", commands.delete)
    add("GET", "/wrappers/{WRAPPER}/enabled", commands.enabled)
    add("GET", "/projects/{PROJECT}/wrappers/{WRAPPER}/enabled", commands.enabled_in)
    for word in ("enabled", "disabled"):
        add("PUT", f"/wrappers/{{WRAPPER}}/{word}", commands.switch)
        add("PUT", f"/projects/{{PROJECT}}/wrappers/{{WRAPPER}}/{word}", commands.switch_in)
    for root in ("", "/root/{ROOT}"):
        add("POST", f"/projects/{{PROJECT}}/wrappers/{{WRAPPER}}{root}/launch", runs.launch)
    add("GET", "/containers/version", runs.version)
    add("GET", "/containers", runs.all)
    add("GET", "/projects/{PROJECT}/containers", runs.all)
    add("GET", "/containers/{ID}", runs.one)
    add("POST", "/containers/{ID}/kill", runs.kill)
    add("GET", "/containers/{ID}/logs/{FILE}", runs.logs)


def _is_manager(request: Request) -> bool:
    return request.user.admin or MANAGER in request.user.roles


@dataclass(frozen=True, slots=True)
class _Commands:
    site: Site

    @property
    def known(self) -> Processing:
        return self.site.processing

    def all(self, request: Request, _: Match) -> Response:
        """List the commands; private ones to managers alone (§11.2)."""
        shown = [
            command
            for command in self.known.book.commands.values()
            if _is_manager(request) or command["visibility"] != "private"
        ]
        return json_answer(shown)

    def one(self, request: Request, match: Match) -> Response:
        """Show one command."""
        found = self.known.book.commands.get(match.values["COMMAND"])
        if found is None:
            raise Refusal(404, f"No command with ID {match.values['COMMAND']}")
        return json_answer(found)

    def create(self, request: Request, _: Match) -> Response:
        """Take a command in: 201 and its bare number."""
        self._managed(request)
        document = request.json()
        if not isinstance(document, dict):
            raise Refusal(400, "Invalid command:")
        lacking = [f"{key} cannot be blank" for key in ("name", "image") if not document.get(key)]
        if lacking:
            raise Refusal(400, "\n".join(["Invalid command:", *lacking]))
        new = {**FIELDS, **document}
        same = (new["name"], new["version"])
        if same in {(old["name"], old["version"]) for old in self.known.book.commands.values()}:
            raise Refusal(400, f"Command {new['name']} {new['version']} already exists")
        return json_answer(self.known.add_command(new), 201)

    def delete(self, request: Request, match: Match) -> Response:
        """Remove a command: 204, also where there is none."""
        self._managed(request)
        self.known.book.commands.pop(match.values["COMMAND"], None)
        self.known.save()
        return Response(204)

    def available(self, request: Request, match: Match) -> Response:
        """List what fits a type in a project, with what is off among it; nothing of a project one cannot read."""
        kind = request.param("xsiType")
        if not kind or ":" not in kind:
            raise Refusal(400, f"Bad XSI Type. {kind}")
        project = match.values.get("PROJECT") or request.param("project")
        if find_project(self.site, project) is None or not self.site.can(request.user, project, "read"):
            return json_answer([])
        rows = []
        for command, wrapper in self.known.wrappers():
            contexts = wrapper.get("contexts")
            if not any(is_a(kind, str(one)) for one in (contexts if isinstance(contexts, list) else [])):
                continue
            rows.append(
                {
                    "command-id": command["id"],
                    "command-name": command["name"],
                    "wrapper-id": wrapper["id"],
                    "wrapper-name": wrapper["name"],
                    "wrapper-contexts": contexts,
                    "image-name": command["image"],
                    "enabled": self.known.is_enabled(_number(wrapper["id"]), project),
                    "root-element-name": _root(wrapper),
                }
            )
        return json_answer(rows)

    def enabled(self, request: Request, match: Match) -> Response:
        """Say whether a wrapper is on for the site."""
        self._managed(request)
        return json_answer(self.known.is_enabled(self._wrapper(match)))

    def enabled_in(self, request: Request, match: Match) -> Response:
        """Say where a wrapper is on, to whom may edit the project (§11.3)."""
        project, number = match.values["PROJECT"], self._wrapper(match)
        if not self.site.can(request.user, project, "edit"):
            raise Refusal(403)
        return json_answer(
            {
                "enabled-for-site": self.known.is_enabled(number),
                "enabled-for-project": self.known.is_enabled(number, project),
                "project": project,
            }
        )

    def switch(self, request: Request, match: Match) -> Response:
        """Switch a wrapper for the site; the word of the route decides, not a parameter."""
        self._managed(request)
        self.known.enable(self._wrapper(match), None, on=request.path.endswith("/enabled"))
        return Response()

    def switch_in(self, request: Request, match: Match) -> Response:
        """Switch a wrapper for a project; its owners may."""
        project = match.values["PROJECT"]
        if not self.site.can(request.user, project, "delete"):
            raise Refusal(403)
        self.known.enable(self._wrapper(match), project, on=request.path.endswith("/enabled"))
        return Response()

    def _wrapper(self, match: Match) -> int:
        number = _number(match.values["WRAPPER"])
        if self.known.wrapper(number) is None:
            raise Refusal(404, f"No wrapper with ID {match.values['WRAPPER']}")
        return number

    def _managed(self, request: Request) -> None:
        if not _is_manager(request):
            raise Refusal(401)


@dataclass(frozen=True, slots=True)
class _Containers:
    site: Site

    def launch(self, request: Request, match: Match) -> Response:
        """Queue a launch; nothing but a named root is looked at, so most mistakes are answered with success (§11.4)."""
        project = find_project(self.site, match.values["PROJECT"])
        if project is None:
            raise Refusal(500, "There was an error in the request : null")
        if not self.site.can(request.user, project.id, "read"):
            raise Refusal(403)
        given = request.json()
        params = {str(key): str(value) for key, value in given.items()} if isinstance(given, dict) else {}
        number, root = _number(match.values["WRAPPER"]), match.values.get("ROOT", "")
        report: dict[str, object] = {
            "status": "success",
            "params": params,
            "id": None,
            "command-id": 0,
            "wrapper-id": number,
            "workflow-id": "To be assigned",
        }
        if not root or root not in params:
            return json_answer(report)
        found, item = self.site.processing.wrapper(number), self._item(request, params[root])
        if found is None or item is None:
            failed = {"status": "failure", "message": "Unable to queue container launch"}
            return json_answer({**report, **failed}, 500)
        command, wrapper = found
        run = self.site.processing.launch(
            str(wrapper["name"]), project.id, item, request.user,
            wrapper=number, command=_number(command["id"]), inputs=params,
        )  # fmt: skip
        return json_answer({**report, "workflow-id": run.workflow})

    def _item(self, request: Request, value: str) -> Experiment | None:
        found = self.site.experiments.get(value.rstrip("/").rpartition("/")[2])
        return found if found is not None and self.site.can_read(request.user, found) else None

    def version(self, _request: Request, _match: Match) -> Response:
        """Say whether plug-in and XNAT fit."""
        return json_answer({"compatible": True, "message": ""})

    def all(self, request: Request, match: Match) -> Response:
        """List the containers one may see."""
        project, shown = match.values.get("PROJECT"), []
        for run in self.site.processing.book.runs.values():
            if run.container and project in {None, run.project} and self._may_see(request, run):
                if request.flag("nonfinalized") and run.ended:
                    continue
                shown.append(self._shown(run))
        return json_answer(shown)

    def one(self, request: Request, match: Match) -> Response:
        """Show one container, by its own id or its number."""
        return json_answer(self._shown(self._run(match)))

    def kill(self, request: Request, match: Match) -> Response:
        """Kill a container; whoever launched it, an owner of the project, or an administrator may."""
        run = self._run(match)
        if not self.site.processing.book.daemon:
            raise Refusal(424, "Set up Docker server before using this REST endpoint.")
        if request.user.login != run.user and not self.site.can(request.user, run.project, "delete"):
            raise Refusal(401)
        if not has_ended(self.site.processing.workflow(run)["status"]):
            self.site.processing.end(run, "Failed (Killed)")
            self.site.processing.save()
        return text(run.container)

    def logs(self, request: Request, match: Match) -> Response:
        """Return what a container wrote; an unknown one is 500."""
        run = self.site.processing.run_of(match.values["ID"])
        if run is None:
            raise Refusal(500, "There was an error in the request : null")
        which = "stdout" if match.values["FILE"] in "stdout.log" else "stderr"
        words = f"{which} of a pretended run of {self.site.processing.workflow(run)['pipeline_name']}\n"
        answer = text(words)
        answer.headers["Content-Disposition"] = f'attachment; filename="{run.container}-{which}.log"'
        return answer

    def _run(self, match: Match) -> Run:
        wanted = match.values["ID"]
        run = self.site.processing.run_of(wanted)
        if run is None:
            raise Refusal(404, f"No container with ID {wanted}")
        return run

    def _may_see(self, request: Request, run: Run) -> bool:
        owns = self.site.can(request.user, run.project, "delete")
        return _is_manager(request) or request.user.login == run.user or owns

    def _shown(self, run: Run) -> dict[str, object]:
        found, workflow = self.site.processing.wrapper(run.wrapper), self.site.processing.workflow(run)
        inputs = [{"type": "raw", "name": name, "value": value} for name, value in run.inputs.items()]
        return {
            "id": int(run.workflow),
            "command-id": run.command,
            "wrapper-id": run.wrapper,
            "container-id": run.container,
            "workflow-id": run.workflow,
            "user-id": run.user,
            "project": run.project,
            "status": workflow["status"],
            "status-time": None,
            "docker-image": found[0]["image"] if found is not None else None,
            "inputs": inputs,
            "history": [],
            "log-paths": [],
        }


def _number(value: object) -> int:
    written = str(value)
    return int(written) if written.isascii() and written.isdigit() else 0


def _root(wrapper: dict[str, object]) -> object:
    inputs = wrapper.get("external-inputs")
    first = inputs[0] if isinstance(inputs, list) and inputs else None
    return first.get("name") if isinstance(first, dict) else None
