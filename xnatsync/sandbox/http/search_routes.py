"""Searches: posted, cached and paged, saved, and what can be searched (hierarchy.md §3.7)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from xnatsync.sandbox.http.exchange import Match, Refusal, Request, Response
from xnatsync.sandbox.http.negotiation import LIST_VARIANTS, listing_response, negotiated_format
from xnatsync.sandbox.http.router import Routes
from xnatsync.sandbox.model.defaultsearch import default_search, limited_to, versions
from xnatsync.sandbox.model.displayfields import display_fields
from xnatsync.sandbox.model.events import plural, singular
from xnatsync.sandbox.model.hierarchy import find_project
from xnatsync.sandbox.model.schema import document_types, is_a
from xnatsync.sandbox.model.searchdocument import BadDocument, BadSearch, StoredSearch, parse_search
from xnatsync.sandbox.model.site import Site
from xnatsync.sandbox.model.storedsearch import Found, run
from xnatsync.sandbox.model.tables import Row


@dataclass(slots=True)
class SavedSearch:
    """A search somebody keeps; it is its owner's, or everybody's when an administrator saved it."""

    id: str
    owner: str
    document: str
    description: str
    root: str
    shared: bool = False


@dataclass(slots=True)
class _Snapshot:
    owner: str
    root: str
    found: Found
    document: str


def attach(routes: Routes, site: Site) -> None:
    """Add the routes."""
    kept = site.documents.register(SavedSearch, "searches", lambda item: item.id)
    searches = _Searches(site, {item.id: item for item in kept})
    routes.add("POST", "/search", searches.post)
    routes.add("GET", "/search/elements", searches.elements)
    routes.add("GET", "/search/elements/{TYPE}", searches.fields)
    routes.add("GET", "/search/saved", searches.list_saved)
    routes.add("GET", "/search/saved/{SEARCH_ID}", searches.show_saved)
    routes.add("PUT", "/search/saved/{SEARCH_ID}", searches.put_saved)
    routes.add("DELETE", "/search/saved/{SEARCH_ID}", searches.delete_saved)
    routes.add("GET", "/search/saved/{SEARCH_ID}/results", searches.run_saved)
    routes.add("GET", "/search/{CACHED_ID}", searches.cached)
    routes.add("GET", "/projects/{PROJECT_ID}/searches/{SEARCH_ID}", searches.of_project)


@dataclass(slots=True)
class _Searches:
    site: Site
    saved: dict[str, SavedSearch]
    snapshots: dict[str, _Snapshot] = field(default_factory=dict)
    kept: dict[tuple[str, str], str] = field(default_factory=dict)  # user and id of a search -> its kept table

    def post(self, request: Request, _: Match) -> Response:
        """Run a posted search; `cache=true` keeps the table for paging."""
        negotiated_format(request, LIST_VARIANTS)
        search = self._parsed(request.body.read())
        return self._answer(request, search, cache=request.flag("cache"))

    def cached(self, request: Request, match: Match) -> Response:
        """Return a page of a kept table: sorted as a whole, then cut; gone, or somebody else's, is a 410."""
        with self.site.lock:
            snapshot = self.snapshots.get(match.values["CACHED_ID"])
        if snapshot is None or snapshot.owner != request.user.login:
            raise Refusal(410)
        rows = self._sorted(request, snapshot.found)
        total = str(len(rows))
        try:
            offset = int(request.param("offset") or 0)
            limit = int(request.param("limit") or len(rows))
        except ValueError as error:
            raise Refusal(500, str(error)) from error
        extra = {"ID": match.values["CACHED_ID"], "totalRecords": total, "rootElementName": snapshot.root}
        page = rows[offset : offset + limit]
        described = snapshot.found.columns
        return listing_response(request, page, total=False, described=described, extra=extra, sort=False)

    def elements(self, request: Request, _: Match) -> Response:
        """List the types that can be searched."""
        rows = [
            {
                "ELEMENT_NAME": each.name,
                "SINGULAR": singular(each.name),
                "PLURAL": plural(each.name),
                "SECURED": "true",
                "COUNT": str(self._count(each.name)),
            }
            for each in document_types()
            if _searchable(each.name)
        ]
        person = {"ELEMENT_NAME": "xnat:investigatorData", "SINGULAR": "Investigator", "PLURAL": "Investigators"}
        rows.append({**person, "SECURED": "false", "COUNT": "0"})  # the only one without rights of its own
        return listing_response(request, rows)

    def fields(self, request: Request, match: Match) -> Response:
        """List the display fields of a type."""
        name = match.values["TYPE"]
        try:
            fields = display_fields(name)
        except BadSearch as error:
            raise Refusal(404, str(error)) from error
        rows = [
            {
                "FIELD_ID": identifier,
                "HEADER": shown.header or identifier,
                "SUMMARY": f"{name}.{identifier}",
                "TYPE": shown.type,
                "REQUIRES_VALUE": str(shown.valued).lower(),
                "DESC": "",
                "ELEMENT_NAME": name,
                "SRC": "0",
            }
            for identifier, shown in fields.items()
        ]
        extra = {"element_name": name, "versions": versions(name)}
        return listing_response(request, rows, title="Search Fields", extra=extra)

    def list_saved(self, request: Request, _: Match) -> Response:
        """List the searches the caller may use."""
        with self.site.lock:
            rows = [
                {
                    "id": each.id,
                    "root_element_name": each.root,
                    "brief_description": each.description,
                    "description": each.description,
                    "secure": "true",
                    "tag": "",
                }
                for each in self.saved.values()
                if self._may_use(request, each)
            ]
        return listing_response(request, rows)

    def show_saved(self, request: Request, match: Match) -> Response:
        """Show a search: XML only."""
        if request.param("format") not in {"", "xml", "text/xml"}:
            raise Refusal(404)
        identifier = match.values["SEARCH_ID"]
        document = (
            self._default(identifier).document if identifier.startswith("@") else self._saved(request, match).document
        )
        return Response(headers={"Content-Type": "text/xml"}, body=document.encode())

    def of_project(self, request: Request, match: Match) -> Response:
        """Show a search within a project: XML only."""
        if request.param("format") not in {"", "xml", "text/xml"}:
            raise Refusal(404)
        with self.site.lock:
            project = find_project(self.site, match.values["PROJECT_ID"])
        if project is None or not self.site.can(request.user, project.id, "read"):
            raise Refusal(404)
        identifier = match.values["SEARCH_ID"]
        if identifier.startswith("@"):
            document = self._default(identifier, project.id).document
        else:
            document = limited_to(self._parsed(self._saved(request, match).document.encode()), project.id)
        return Response(headers={"Content-Type": "text/xml"}, body=document.encode())

    def _default(self, identifier: str, project: str = "") -> StoredSearch:
        with self.site.lock:
            kept = [item for item in self.site.experiments.values() if project in {item.project, *item.shares}]
        used = tuple(sorted({item.xsi_type for item in kept}))
        try:
            return default_search(identifier[1:], project, used)
        except BadSearch as error:
            raise Refusal(404, str(error)) from error

    def put_saved(self, request: Request, match: Match) -> Response:
        """Keep a search under an id."""
        document = request.body.read()
        search = self._parsed(document)
        identifier = name = match.values["SEARCH_ID"]
        with self.site.lock:
            if request.flag("saveAs"):
                taken = (f"{name}_{number}" for number in range(1, len(self.saved) + 2))
                identifier = next(each for each in (name, *taken) if each not in self.saved)
            known = self.saved.get(identifier)
            if known is not None and known.owner != request.user.login and not request.user.admin:
                raise Refusal(403)
            self.saved[identifier] = SavedSearch(
                identifier, request.user.login, search.document, search.description, search.root, request.user.admin
            )
            self.site.save(self.saved[identifier])
        return Response()

    def delete_saved(self, request: Request, match: Match) -> Response:
        """Remove a search; an unknown one is a success too."""
        with self.site.lock:
            known = self.saved.get(match.values["SEARCH_ID"])
            if known is not None:
                if known.owner != request.user.login and not request.user.admin:
                    raise Refusal(403)
                del self.saved[known.id]
                self.site.forget(known)
        return Response()

    def run_saved(self, request: Request, match: Match) -> Response:
        """Run a saved search, or with `@type` the default listing of a type; a kept table of it is given first."""
        negotiated_format(request, LIST_VARIANTS)
        identifier = match.values["SEARCH_ID"]
        if identifier.startswith("@"):
            return self._answer(request, self._default(identifier), cache=False)
        saved = self._saved(request, match)
        search = self._parsed(saved.document.encode())
        search.id = saved.id
        return self._answer(request, search, cache=request.flag("cache"), stored=True)

    def _answer(self, request: Request, search: StoredSearch, *, cache: bool, stored: bool = False) -> Response:
        """Answer with the table of a search; one that was kept under its id is given until `refresh` (§15.1)."""
        named = search.id if search.id and not search.id.startswith("@") else ""
        with self.site.lock:
            key = "" if request.flag("refresh") else self.kept.get((request.user.login, named), "")
            snapshot = self.snapshots.get(key)
            if snapshot is not None and not stored and snapshot.document != search.document:
                key, snapshot = "", None
        try:
            found = snapshot.found if snapshot else run(self.site, request.user, search, keyed=cache)
        except BadSearch as error:
            raise Refusal(500, str(error)) from error
        extra: dict[str, object] = {"rootElementName": search.root, "totalRecords": str(len(found.rows))}
        if cache:
            key = key or f"_{request.user.login}_{secrets.token_hex(8)}"
            with self.site.lock:
                self.snapshots[key] = _Snapshot(request.user.login, search.root, found, search.document)
                if named:
                    self.kept[request.user.login, named] = key
            extra["ID"] = key
        names = [str(each["key"]) for each in found.columns]
        rows = self._sorted(request, found)
        return listing_response(
            request, rows, columns=names, described=found.columns, extra=extra, sort=False, total=False
        )

    def _sorted(self, request: Request, found: Found) -> list[Row]:
        if not (name := request.param("sortBy")):
            return list(found.rows)
        return list(found.sorted(name, descending=request.param("sortOrder").upper() == "DESC"))

    def _parsed(self, document: bytes) -> StoredSearch:
        try:
            return parse_search(document)
        except BadDocument as error:
            raise Refusal(422, str(error)) from error
        except BadSearch as error:
            raise Refusal(500, str(error)) from error

    def _saved(self, request: Request, match: Match) -> SavedSearch:
        with self.site.lock:
            found = self.saved.get(match.values["SEARCH_ID"])
        if found is None:
            raise Refusal(404)
        if not self._may_use(request, found):
            raise Refusal(403)
        return found

    def _may_use(self, request: Request, search: SavedSearch) -> bool:
        return search.shared or request.user.admin or search.owner == request.user.login

    def _count(self, name: str) -> int:
        with self.site.lock:
            if name == "xnat:projectData":
                return len(self.site.projects)
            if name == "xnat:subjectData":
                return len(self.site.subjects)
            return sum(item.xsi_type == name for item in self.site.experiments.values())


def _searchable(name: str) -> bool:
    return any(is_a(name, kind) for kind in ("xnat:projectData", "xnat:subjectData", "xnat:experimentData"))
