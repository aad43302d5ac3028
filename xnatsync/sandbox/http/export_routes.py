"""A session's directory: `…/experiments/E/XAR` whole with its document, `…/DIR[/path]` as it is (import.md §13.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote
from uuid import uuid4

from xnatsync.sandbox.http.download import refuse_open_range, send_file
from xnatsync.sandbox.http.exchange import FileBody, Match, Refusal, Request, Response
from xnatsync.sandbox.http.negotiation import listing_response
from xnatsync.sandbox.http.router import Routes
from xnatsync.sandbox.model.catalog import catalog_name, catalog_xml
from xnatsync.sandbox.model.hierarchy import find_experiment, folder_of, session_of
from xnatsync.sandbox.model.items import experiment_item
from xnatsync.sandbox.model.itemxml import item_xml
from xnatsync.sandbox.model.objects import Experiment, Resource
from xnatsync.sandbox.model.site import Site
from xnatsync.sandbox.model.zipping import Packed, zipped

_ODD: Final = re.compile(r"[\\\0<>|\"?*]|(?:^|/)\.\.?(?:/|$)")
_SHOWN: Final = "/data/xnat/"  # how the paths of the archive look from outside


def attach(routes: Routes, site: Site) -> None:
    """Add the routes."""
    export = _Export(site)
    for parent in ("/experiments/{EXPT_ID}", "/projects/{PROJECT_ID}/experiments/{EXPT_ID}"):
        routes.add("GET", f"{parent}/XAR", export.xar)
        routes.add("GET", f"{parent}/DIR", export.folder)


@dataclass(frozen=True, slots=True)
class _Export:
    site: Site

    def xar(self, request: Request, match: Match) -> Response:
        """Send all files with the document and the catalogues."""
        refuse_open_range(request)
        session, folder = self._session(request, match)
        label, spool = folder.rpartition("/")[2], f"spool/{uuid4().hex}"
        with self.site.lock:
            written = {f"{session.id}.xml": self._document(session, folder)}
            written |= {f"{label}/{path}": text for path, text in _catalogues(session, folder)}
        for path, content in written.items():
            self.site.store.write(f"{spool}/{path}", [content], digest=False)
        files = [Packed(path, f"{spool}/{path}") for path in written]
        files += [Packed(f"{label}/{path}", f"{folder}/{path}") for path, _ in self.site.store.list(folder)]
        headers = {"Content-Type": "application/xar", "Content-Disposition": f'attachment; filename="{label}.xar";'}
        return Response(200, headers, self._sent(files, spool))

    def folder(self, request: Request, match: Match) -> Response:
        """List one level of the directory, all below it, or send a file or a zip of what is there."""
        session, folder = self._session(request, match)
        path = unquote(match.tail).strip("/")
        if _ODD.search(path):
            raise Refusal(400, "Invalid path.")
        store, below = self.site.store, f"{path}/" if path else ""
        every = store.list(folder)
        if any(name == path for name, _ in every):
            return send_file(store, request, f"{folder}/{path}", path.rpartition("/")[2])
        found = [(name, size) for name, size in every if name.startswith(below)]
        if not found:
            raise Refusal(404, "Specified request didn't match any stored files.")
        if request.param("format") == "zip":
            refuse_open_range(request)
            label = folder.rpartition("/")[2]
            headers = {"Content-Type": "application/zip", "Content-Disposition": f'attachment; filename="{label}.zip";'}
            return Response(200, headers, zipped(store, [Packed(f"{label}/{n}", f"{folder}/{n}") for n, _ in found]))
        rows = _rows(session, below, found, deep=request.flag("recursive"))
        return listing_response(request, rows, title="Files")

    def _session(self, request: Request, match: Match) -> tuple[Experiment, str]:
        if request.user.guest:
            raise Refusal(401)
        reference = match.values["EXPT_ID"]
        with self.site.lock:
            found = find_experiment(self.site, match.values.get("PROJECT_ID"), reference)
            owner = session_of(self.site, reference)
            if found is None and owner is not None and self.site.can_read(request.user, owner.assessors[reference]):
                raise Refusal(400, "Resource only available for extensions of the xnat:subjectAssessorData type.")
            if found is None or not self.site.can_read(request.user, found):
                raise Refusal(404, "Unable to find the specified experiment.")
            folder = folder_of(found)
        if not self.site.store.exists(folder):
            raise Refusal(404, "Session directory doesn't exist in standard location for this experiment.")
        return found, folder

    def _document(self, session: Experiment, folder: str) -> bytes:
        """Return the session's document with the addresses of its resources relative to the directory."""
        document = item_xml(experiment_item(session), self.site.settings.text("siteUrl"), hidden=False)
        return document.replace(f"{_SHOWN}{folder}/".encode(), b"")

    def _sent(self, files: list[Packed], spool: str) -> Iterator[bytes | FileBody]:
        try:
            yield from zipped(self.site.store, files)
        finally:
            self.site.store.delete(spool)


def _catalogues(session: Experiment, folder: str) -> Iterator[tuple[str, bytes]]:
    held: list[tuple[Resource, str]] = [(each, "") for each in session.resources.values()]
    held += [(each, scan.id) for scan in session.scans.values() for each in scan.resources.values()]
    held += [(each, "") for one in session.assessors.values() for each in one.resources.values()]
    for resource, scan_id in held:
        if resource.folder.startswith(f"{folder}/"):
            place = f"{resource.folder.removeprefix(f'{folder}/')}/{catalog_name(resource, scan_id)}"
            yield place, catalog_xml(resource, session.project)


def _rows(session: Experiment, below: str, found: list[tuple[str, int]], *, deep: bool) -> list[dict[str, str]]:
    base = f"/data/experiments/{session.id}/DIR/"
    rows: dict[str, dict[str, str]] = {}
    for name, size in found:
        first, more, _ = name.removeprefix(below).partition("/")
        if deep or not more:
            rows[name] = {"Name": name.rpartition("/")[2], "DIR": "false", "Size": str(size), "URI": f"{base}{name}"}
        else:
            rows[first] = {"Name": first, "DIR": "true", "Size": "", "URI": f"{base}{below}{first}"}
    return list(rows.values())
