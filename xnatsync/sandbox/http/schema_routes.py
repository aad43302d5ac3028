"""The site's schemas, from which clients build their classes: `/xapi/schemas` and `/schemas/...`."""

from __future__ import annotations

from xnatsync.sandbox.http.exchange import Handler, Match, Refusal, Request, Response, json_answer
from xnatsync.sandbox.http.router import Routes
from xnatsync.sandbox.model.schema import SCHEMAS, schema_text
from xnatsync.sandbox.model.site import Site


def attach(routes: Routes, _: Site) -> None:
    """Add the routes."""
    routes.add("GET", "/xapi/schemas", _names)
    routes.add("GET", "/xapi/schemas/{SCHEMA}", _document)
    routes.add("GET", "/schemas/{FOLDER}/{SCHEMA}", _document)
    routes.add("GET", "/schemas/{SCHEMA}", _document)
    for name in SCHEMAS:
        routes.add("GET", f"/xapi/{name}.xsd", _named(name))


def _names(_request: Request, _match: Match) -> Response:
    """List the schemas; a client reads `/xapi/schemas/{name}` for each."""
    return json_answer(list(SCHEMAS))


def _named(name: str) -> Handler:
    return lambda request, _: _document(request, Match({"SCHEMA": name}, ""))


def _document(_: Request, match: Match) -> Response:
    """Return one schema."""
    document = schema_text(match.values["SCHEMA"].removesuffix(".xsd"))
    if document is None:
        raise Refusal(404, f"No schema named {match.values['SCHEMA']}")
    return Response(headers={"Content-Type": "application/xml"}, body=document)
