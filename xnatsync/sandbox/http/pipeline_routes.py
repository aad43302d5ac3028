"""The old pipeline engine: what a project may run, launching, and ending (import.md §6.7, §14)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from xnatsync.sandbox.http.exchange import Match, Refusal, Request, Response, json_answer
from xnatsync.sandbox.http.negotiation import listing_response
from xnatsync.sandbox.http.router import Routes
from xnatsync.sandbox.model.hierarchy import find_project
from xnatsync.sandbox.model.objects import Experiment, Project
from xnatsync.sandbox.model.processing import Pipeline, has_ended
from xnatsync.sandbox.model.site import Site

_LISTS: Final = ("Experiments", "experiments", "EXPERIMENTS")
COLUMNS: Final = ["Name", "Datatype", "Path", "Description"]  # those but the first two are a doubt (import.md §14)


def attach(routes: Routes, site: Site) -> None:
    """Add the routes."""
    engine = _Engine(site)
    routes.add("GET", "/projects/{PROJECT_ID}/pipelines", engine.of_project)
    routes.add("GET", "/xapi/pipelines/project/{PROJECT_ID}", engine.of_project_for_all)
    routes.add("GET", "/xapi/pipelines/site", engine.of_site)
    routes.add("POST", "/xapi/pipelines/launch/{NAME}", engine.launch)
    routes.add("POST", "/xapi/pipelines/terminate/{NAME}/project/{PROJECT_ID}", engine.terminate)


@dataclass(frozen=True, slots=True)
class _Engine:
    site: Site

    def of_project(self, request: Request, match: Match) -> Response:
        """List the pipelines of a project, to whom may delete it; with `additional` those it might have too."""
        project = find_project(self.site, match.values["PROJECT_ID"])
        if project is None or not self.site.can_see(request.user, project):
            raise Refusal(404)
        if not self.site.can(request.user, project.id, "delete"):
            raise Refusal(403)
        has = self._of(project)
        shown = (
            has
            if not request.flag("additional")
            else [one for one in self.site.processing.book.pipelines if one not in has]
        )
        return listing_response(request, [_row(one) for one in shown], columns=COLUMNS)

    def of_project_for_all(self, request: Request, match: Match) -> Response:
        """List the pipelines of a project that fit a type, to anybody who may see it."""
        project = find_project(self.site, match.values["PROJECT_ID"])
        if project is None or not self.site.can_see(request.user, project):
            raise Refusal(404, f"Could not find xnat:projectData with ID {match.values['PROJECT_ID']}")
        kind = request.param("xsiType")
        shown = [one for one in self._of(project) if not kind or one.datatype in {"All Datatypes", kind}]
        return _table(shown)

    def of_site(self, request: Request, _: Match) -> Response:
        """List the pipelines of the site."""
        return _table(self.site.processing.book.pipelines)

    def _of(self, project: Project) -> list[Pipeline]:
        book = self.site.processing.book
        return [one for one in book.pipelines if one.name in book.project_pipelines.get(project.id, ())]

    def launch(self, request: Request, match: Match) -> Response:
        """Launch on each experiment; 200 whatever becomes of it: the report counts failures."""
        given, wanted = _given(request), request.param("project")
        if wanted and find_project(self.site, wanted) is None:
            raise Refusal(404, f"Could not find xnat:projectData with ID {wanted}")
        told, params = _experiments(given), {key: value for key, value in given.items() if key not in _LISTS}
        book, statuses = self.site.processing.book, []
        name = match.values["NAME"]
        pipeline = next((one for one in book.pipelines if one.name == name), None)
        with self.site.lock:
            for uri in told:
                item = self._item(request, uri)
                if item is None:
                    statuses.append(_status(wanted, uri.rpartition("/")[2], "", done=False))
                    break
                done = book.engine and pipeline is not None and pipeline.datatype in {"All Datatypes", item.xsi_type}
                if done and pipeline is not None:
                    self.site.processing.launch(pipeline.path, wanted or item.project, item, request.user)
                statuses.append(_status(wanted, item.id, item.label, done=done))
        return _report(statuses, params)

    def terminate(self, request: Request, match: Match) -> Response:
        """End the latest run of a pipeline on each experiment, whoever launched it."""
        given, project = _given(request), match.values["PROJECT_ID"]
        path = given.get("pipelinePath", "")
        if not path:
            raise Refusal(400, 'No data for pipeline path found under key "pipelinePath"')
        if not self.site.can(request.user, project, "edit"):
            raise Refusal(403)
        statuses = []
        with self.site.lock:
            self.site.processing.settle()
            for uri in _experiments(given):
                item = self._item(request, uri)
                runs = [
                    run
                    for run in self.site.processing.book.runs.values()
                    if item is not None and (run.item, run.project) == (item.id, project)
                    and self.site.processing.workflow(run)["pipeline_name"] == path
                ]  # fmt: skip
                if item is None or not runs:
                    continue
                done = self.site.processing.book.engine
                if done and not has_ended(self.site.processing.workflow(runs[-1])["status"]):
                    self.site.processing.end(runs[-1], "Killed")
                    self.site.processing.save()
                statuses.append(_status(project, item.id, "", done=done))
        return _report(statuses, {"pipelinePath": path})

    def _item(self, request: Request, uri: str) -> Experiment | None:
        found = self.site.experiments.get(uri.rpartition("/")[2])
        return found if found is not None and self.site.can_read(request.user, found) else None


def _row(one: Pipeline) -> dict[str, str]:
    return {"Name": one.name, "Datatype": one.datatype, "Path": one.path, "Description": one.description}


def _table(shown: list[Pipeline]) -> Response:
    rows = [_row(one) for one in shown]
    return json_answer({"ResultSet": {"Result": rows, "totalRecords": str(len(rows))}})


def _given(request: Request) -> dict[str, str]:
    parsed = request.json()
    if not isinstance(parsed, dict):
        raise Refusal(400, "A map of parameters is expected.")
    return {str(key): str(value) for key, value in parsed.items()}


def _experiments(given: dict[str, str]) -> list[str]:
    told = next((given[name] for name in _LISTS if name in given), "")
    if not told:
        raise Refusal(
            400, 'No data for experiment list found under keys "Experiments", "experiments", or "EXPERIMENTS"'
        )
    try:
        parsed = json.loads(told)
    except ValueError:
        parsed = told.strip("[]").split(",")
    return [str(one) for one in (parsed if isinstance(parsed, list) else [parsed])]


def _status(project: str, item: str, label: str, *, done: bool) -> dict[str, str]:
    return {"status": "SUCCESS" if done else "FAILURE", "project": project, "exptId": item, "exptLabel": label}


def _report(statuses: list[dict[str, str]], params: dict[str, str]) -> Response:
    done = sum(one["status"] == "SUCCESS" for one in statuses)
    return json_answer(
        {
            "successes": done,
            "failures": len(statuses) - done,
            "experimentLaunchStatuses": statuses,
            "params": params,
        }
    )
