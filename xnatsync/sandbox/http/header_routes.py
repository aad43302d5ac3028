"""Fields from headers and scan types on request: parameters of a PUT, legacy pipelines (import.md §6.3, §6.7)."""

from __future__ import annotations

from dataclasses import dataclass

from xnatsync.sandbox.http.exchange import Match, Refusal, Request, Response
from xnatsync.sandbox.http.router import Routes
from xnatsync.sandbox.model import headers
from xnatsync.sandbox.model.hierarchy import find_experiment, find_project
from xnatsync.sandbox.model.objects import Experiment
from xnatsync.sandbox.model.site import Site

_SILENT = frozenset({"triggerPipelines"})  # no pipeline is installed: there is nothing to run


def wants_headers(request: Request) -> bool:
    """Return whether an experiment PUT asks for its files to be read again."""
    return request.flag("pullDataFromHeaders") or request.flag("fixScanTypes")


def read_headers(site: Site, request: Request, session: Experiment) -> None:
    """Do what the parameters of a PUT ask for; needs the edit right."""
    if not site.may(request.user, session, "edit"):
        raise Refusal(403)
    if request.flag("pullDataFromHeaders"):
        headers.pull_from_headers(site, session, overwrite=request.flag("overwrite"))
    if request.flag("fixScanTypes"):
        headers.fix_scan_types(site, session)


@dataclass(frozen=True, slots=True)
class _Pipelines:
    site: Site

    def launch(self, request: Request, match: Match) -> Response:
        """Run one of the built-in pipelines; others are not installed."""
        project = find_project(self.site, match.values["PROJECT_ID"])
        session = find_experiment(self.site, project.id, match.values["EXPT_ID"]) if project is not None else None
        if project is None or session is None or not self.site.may(request.user, session, "edit"):
            raise Refusal(404)
        name = match.values["NAME"]
        if name == "pullDataFromHeaders":
            headers.pull_from_headers(self.site, session)
        elif name == "fixScanTypes":
            headers.fix_scan_types(self.site, session)
        elif name not in _SILENT:
            raise Refusal(404, f"Unable to identify pipeline: {name}")
        return Response()


def attach(routes: Routes, site: Site) -> None:
    """Add the legacy pipeline routes."""
    routes.add("POST", "/projects/{PROJECT_ID}/pipelines/{NAME}/experiments/{EXPT_ID}", _Pipelines(site).launch)
