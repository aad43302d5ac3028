"""The user's own cache of uploads: `/data/user/cache/resources/{X}/files/{name}` (import.md §1.7)."""

from __future__ import annotations

from dataclasses import dataclass

from xnatsync.sandbox.http.download import send_file
from xnatsync.sandbox.http.exchange import Match, Refusal, Request, Response
from xnatsync.sandbox.http.negotiation import listing_response
from xnatsync.sandbox.http.router import Routes
from xnatsync.sandbox.http.upload import receive
from xnatsync.sandbox.model.files import file_path
from xnatsync.sandbox.model.site import Site
from xnatsync.sandbox.model.store import UnsafePathError, safe


def attach(routes: Routes, site: Site) -> None:
    """Add the routes."""
    cache = _Cache(site)
    template = "/user/cache/resources/{RESOURCE_ID}/files"
    routes.add("GET", "/user/cache/resources", cache.names)
    routes.add("DELETE", "/user/cache/resources/{RESOURCE_ID}", cache.delete)
    for method in ("PUT", "POST"):
        routes.add(method, "/user/cache/resources/{RESOURCE_ID}", cache.make)
        routes.add(method, template, cache.put)
    routes.add("GET", template, cache.get)
    routes.add("DELETE", template, cache.delete)


def cache_path(login: str, resource: str, path: str = "") -> str:
    """Return where a user's cached file lies in the store; refuse what would leave the cache."""
    try:
        return safe(f"cache/users/{login}/{resource}/{path}".rstrip("/"))
    except UnsafePathError as error:
        raise Refusal(400, str(error)) from error


@dataclass(frozen=True, slots=True)
class _Cache:
    site: Site

    def names(self, request: Request, _: Match) -> Response:
        """List the cached resources."""
        found = {path.partition("/")[0] for path, _ in self.site.store.list(f"cache/users/{request.user.login}")}
        return listing_response(request, [{"Name": name} for name in sorted(found)])

    def make(self, _request: Request, _match: Match) -> Response:
        """Make a resource: it comes to be with its first file."""
        return Response()

    def put(self, request: Request, match: Match) -> Response:
        """Store files."""
        for name, chunks in receive(request, file_path(match.tail)):
            self.site.store.write(
                cache_path(request.user.login, match.values["RESOURCE_ID"], name), chunks, digest=False
            )
        return Response()

    def get(self, request: Request, match: Match) -> Response:
        """List the files, or send one."""
        path, resource = file_path(match.tail), match.values["RESOURCE_ID"]
        if path:
            return send_file(
                self.site.store, request, cache_path(request.user.login, resource, path), path.rpartition("/")[2]
            )
        found = self.site.store.list(cache_path(request.user.login, resource))
        base = f"/data/user/cache/resources/{resource}/files"
        rows = [{"Name": name.rpartition("/")[2], "Size": str(size), "URI": f"{base}/{name}"} for name, size in found]
        return listing_response(request, rows)

    def delete(self, request: Request, match: Match) -> Response:
        """Remove a file, or all of a resource."""
        path = file_path(match.tail)
        self.site.store.delete(cache_path(request.user.login, match.values["RESOURCE_ID"], path))
        return Response()
