"""The plug-ins of the site: none, or the Container Service (import.md §6.6)."""

from __future__ import annotations

from typing import Final

from xnatsync.sandbox.http.exchange import Match, Refusal, Request, Response, json_answer
from xnatsync.sandbox.http.router import Routes
from xnatsync.sandbox.model.site import Site

CONTAINERS: Final[dict[str, object]] = {
    "pluginClass": "org.nrg.containers.config.ContainersConfig",
    "id": "containers",
    "namespace": None,
    "name": "containers",
    "version": "3.7.3",
    "description": "Container Service",
    "beanName": "containersConfig",
    "logConfigurationFile": None,
    "entityPackages": ["org.nrg.containers"],
    "dataModelBeans": [],
    "extendedAttributes": {},
}


def attach(routes: Routes, site: Site) -> None:
    """Add the routes."""

    def installed() -> dict[str, object]:
        return {"containers": CONTAINERS} if site.processing.book.installed else {}

    def all_of_them(_request: Request, _match: Match) -> Response:
        return json_answer(installed())

    def one(_request: Request, match: Match) -> Response:
        found = installed().get(match.values["PLUGIN"])
        if found is None:
            raise Refusal(404, f"No plugin with ID {match.values['PLUGIN']} could be found on this system")
        return json_answer(found)

    routes.add("GET", "/xapi/plugins", all_of_them)
    routes.add("GET", "/xapi/plugins/{PLUGIN}", one)
