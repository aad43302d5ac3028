"""The data types of the site, their names and fields: `/xapi/schemas/datatypes` (src SchemaApi)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from xnatsync.sandbox.http.exchange import Match, Refusal, Request, Response, json_answer
from xnatsync.sandbox.http.router import Routes
from xnatsync.sandbox.model.schema import Element, document_types, elements, is_a
from xnatsync.sandbox.model.site import Site

_ROOT: Final = "/xapi/schemas/datatypes"
_SPACE: Final = "http://nrg.wustl.edu/xnat"


def attach(routes: Routes, site: Site) -> None:
    """Add the routes."""
    stamp = {"timestamp": [str(int(site.started * 1000))]}  # when the list of names was made
    routes.add("GET", _ROOT, _all)
    routes.add("GET", f"{_ROOT}/searchable", _searchable)
    for kind, view in (("names", _View(_names, stamp)), ("elements", _View(_described, {}))):
        routes.add("GET", f"{_ROOT}/{kind}/all", view.all)
        routes.add("GET", f"{_ROOT}/{kind}/{{TYPE}}", view.one)
        routes.add("POST", f"{_ROOT}/{kind}", view.several)


def _all(_request: Request, _match: Match) -> Response:
    """List the names of all types."""
    return json_answer(sorted(each.name for each in elements()))


def _searchable(_request: Request, _match: Match) -> Response:
    """List the types of imaging sessions that can be searched."""
    found = (each for each in document_types() if is_a(each.name, "xnat:imageSessionData") and not each.abstract)
    return json_answer(sorted(each.name for each in found))


@dataclass(frozen=True, slots=True)
class _View:
    describe: Callable[[Element], object]
    extra: dict[str, list[str]]

    def all(self, _request: Request, _match: Match) -> Response:
        """Describe all types."""
        return json_answer({**self._of(elements()), **self.extra})

    def one(self, _: Request, match: Match) -> Response:
        """Describe one type; any of its names will do."""
        return json_answer(self._named([match.values["TYPE"]]))

    def several(self, request: Request, _: Match) -> Response:
        """Describe the types that a form or a JSON object names as `dataTypes` and `dataType`."""
        return json_answer(self._named(_asked(request)))

    def _named(self, names: list[str]) -> dict[str, object]:
        known = _by_name()
        if unknown := sorted(set(names) - set(known)):
            raise Refusal(404, ", ".join(unknown))
        return self._of(known[name] for name in names)

    def _of(self, found: Iterable[Element]) -> dict[str, object]:
        return {_formatted(each): self.describe(each) for each in found}


def _asked(request: Request) -> list[str]:
    names: list[str] | None = None
    one: object = None
    if request.content_type == "application/json":
        given = request.json()
        if not isinstance(given, dict) or set(given) - {"dataTypes", "dataType"}:
            raise Refusal(400, "The body is an object with dataTypes and dataType.")
        one, found = given.get("dataType"), given.get("dataTypes")
        names = found if isinstance(found, list) else None
    elif request.content_type == "application/x-www-form-urlencoded":
        form = request.form()
        names = [name for key, value in form if key == "dataTypes" for name in value.split(",")] or None
        one = next((value for key, value in form if key == "dataType"), None)
    else:
        raise Refusal(415, f"Content type '{request.content_type}' not supported")
    if names is None:
        raise Refusal(500, "There was an error in the request: no dataTypes")  # XNAT runs into a null
    wanted = [*names, *([one] if one else [])]
    if not wanted:
        raise Refusal(400, 'No data-type names found on the request: must specify one of "dataType" or "dataTypes"')
    if not all(isinstance(name, str) for name in wanted):
        raise Refusal(500, "There was an error in the request: a data type is no text")
    return [str(name) for name in wanted]


@functools.cache
def _by_name() -> dict[str, Element]:
    """Return the types by every name that they have."""
    return {name: each for each in elements() for name in (_formatted(each), *_names(each))}


def _names(found: Element) -> list[str]:
    """Return a type's names: with its prefix and its namespace, by its own name and that of its documents."""
    own, proper = found.name.partition(":")[2], _proper(found)
    names = {f"{start}{name}" for start in ("xnat:", "xnat_", f"{_SPACE}:") for name in (own, proper)}
    return sorted(names)


def _described(found: Element) -> dict[str, object]:
    """Return what is known of a type; XNAT tells its default key, too."""
    own = found.name.partition(":")[2]
    return {
        "label": own,
        "sqlName": _formatted(found),
        "name": own,
        "properName": _proper(found),
        "formattedName": _formatted(found),
        "xmlName": found.name,
        "type": found.name,
        "namespacePrefix": "xnat",
        "namespaceURI": _SPACE,
        "fields": {
            path: {"prefix": one.type.partition(":")[0], "xmlPath": f"{found.name}/{path}", "xmlType": one.type}
            for path, one in found.fields.items()
        },
    }


def _proper(found: Element) -> str:
    return found.root or found.name.partition(":")[2]


def _formatted(found: Element) -> str:
    return found.name.replace(":", "_")
