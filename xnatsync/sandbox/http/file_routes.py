"""`…/files`: listing, one file, archives, upload, delete (hierarchy.md §6, §7)."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice

from xnatsync.sandbox.http.download import inner_file, refuse_open_range, send_file
from xnatsync.sandbox.http.exchange import Match, Refusal, Request, Response, escaped, text
from xnatsync.sandbox.http.loading import model_errors
from xnatsync.sandbox.http.manifest import manifest
from xnatsync.sandbox.http.negotiation import FILE_VARIANTS, listing_response, negotiated_format
from xnatsync.sandbox.http.resource_routes import PARENTS, RESOURCE_PARENTS, held_for_reading, parent_ids
from xnatsync.sandbox.http.router import Routes
from xnatsync.sandbox.http.upload import receive
from xnatsync.sandbox.model.archives import Layout, archive_name, packed
from xnatsync.sandbox.model.files import Upload, delete_files, entries_within, file_path
from xnatsync.sandbox.model.objects import FileEntry
from xnatsync.sandbox.model.resources import create_resource, own_resource, place_for_write
from xnatsync.sandbox.model.selection import Held
from xnatsync.sandbox.model.site import Site
from xnatsync.sandbox.model.zipping import Packed, gzipped, tarred, zipped

_ARCHIVES = {
    "zip": ("zip", "application/zip"),
    "application/zip": ("zip", "application/zip"),
    "tar": ("tar", "application/x-tar"),
    "application/x-tar": ("tar", "application/x-tar"),
    "tar.gz": ("tar.gz", "application/x-gtar"),
    "application/x-gtar": ("tar.gz", "application/x-gtar"),
}
_READ_ONLY = "User account doesn't have permission to modify this session."


def attach(routes: Routes, site: Site) -> None:
    """Add the routes."""
    desk = _Desk(site)
    for parent in PARENTS:
        routes.add("GET", f"{parent}/files", desk.get)
    for parent in RESOURCE_PARENTS:
        template = f"{parent}/resources/{{RESOURCE_ID}}/files"
        routes.add("GET", template, desk.get)
        routes.add("PUT", template, desk.put)
        routes.add("POST", template, desk.put)
        routes.add("DELETE", template, desk.delete)


@dataclass(frozen=True, slots=True)
class _Found:
    """The files a URL means: pairs of a resource and an entry of it."""

    held: list[Held]
    base: str  # of the URIs when it is one resource; "" = several, each with its own

    def rows(self, entries: Mapping[int, list[FileEntry]], locator: str) -> Iterator[dict[str, str]]:
        for item in self.held:
            resource = item.resource
            base = self.base or multi_base(item)
            for entry in entries[resource.id]:
                row = {"Name": entry.path.rpartition("/")[2], "Size": str(entry.size)}
                if locator in {"absolutePath", "projectPath"}:
                    row[locator] = f"/data/xnat/{resource.folder}/{entry.path}"
                else:
                    row["URI"] = f"{base}/resources/{resource.id}/files/{entry.path}"
                yield row | {
                    "collection": resource.label,
                    "file_tags": entry.tags,
                    "file_format": entry.format,
                    "file_content": entry.content,
                    "cat_ID": str(resource.id),
                    "digest": entry.digest,
                }


@dataclass(frozen=True, slots=True)
class _Desk:
    site: Site

    def get(self, request: Request, match: Match) -> Response:
        """List files, sends one, or streams an archive of them."""
        asked = negotiated_format(request, FILE_VARIANTS)
        ids = parent_ids(match)
        held = held_for_reading(self.site, request, ids, lambda: _missing(ids))
        path = file_path(match.tail)
        if path and not path.endswith(("/", "*")):
            return self._one(request, held, path, wrapped=asked == "zip")
        single = "RESOURCE_ID" in ids and len(held) == 1
        found = _Found(held, single_base(self.site, ids, held[0]) if single else "")
        entries = self._entries(request, held, path)
        if asked in _ARCHIVES:
            return self._archive(request, held, entries, ids, asked)
        if asked == "xcat":
            layout = Layout(request.param("structure"), "SCAN_ID" in ids, project=ids.get("PROJECT_ID", ""))
            paths = (each.name for item in held for each in self._packed(item, entries, layout))
            rows = zip(found.rows(entries, ""), paths, strict=True)
            site_url = self.site.settings.text("siteUrl").rstrip("/")
            return manifest((f"{site_url}{row['URI']}", path, row["Size"]) for row, path in rows)
        if request.has("index"):
            return self._nth(request, held, entries)
        locator = request.param("locator")
        described = [{"key": "URI", "serverRoot": ""}]
        return listing_response(request, found.rows(entries, locator), title="Files", total=False, described=described)

    def put(self, request: Request, match: Match) -> Response:
        """Store what the body brings; without the right to edit it stores nothing and say 200 all the same (§6.1)."""
        site, ids, label = self.site, parent_ids(match), match.values["RESOURCE_ID"]
        attributes = {key: escaped(value) for key, value in request.query}
        with site.lock, model_errors():
            place = place_for_write(site, request.user, ids)
            resource = own_resource(place, label)
            if not site.can(request.user, place.owner, "edit", place.kind):
                return Response(headers={"Content-Type": "text/plain;charset=UTF-8"})
            incoming = receive(request, file_path(match.tail))
            if resource is None:
                resource = create_resource(site, place, label, attributes)
            stats = request.param("update-stats", "true").lower() in {"true", "1"}
            upload = Upload(site, place, resource, request.user, attributes, request.flag("overwrite"), stats)
        with model_errors():
            for name, chunks in incoming:
                if request.flag("extract") and re.search(r"\.(tar|xar|tgz|gz|zip|zar)$", name):
                    upload.extract(name, chunks)
                else:
                    upload.store(name, chunks)
            upload.finish()
        if upload.duplicates:
            return text(json.dumps({"duplicates": upload.duplicates}), kind="text/html")
        return Response(headers={"Content-Type": "text/plain;charset=UTF-8"})

    def delete(self, request: Request, match: Match) -> Response:
        """Delete every entry whose path begins with the one given: beware of siblings that extend it (§6.6)."""
        site, ids = self.site, parent_ids(match)
        with site.lock, model_errors():
            place = place_for_write(site, request.user, ids)
            resource = own_resource(place, match.values["RESOURCE_ID"])
            if resource is None:
                raise Refusal(400, "Unable to determine resource, parent, or security.")
            if not site.can(request.user, place.owner, "delete", place.kind) or site.settings.flag(
                "security.prevent-data-deletion"
            ):
                raise Refusal(403, _READ_ONLY)
            entries = entries_within(resource, file_path(match.tail))
            if not entries:
                return _not_found(request, "No matched files")
            delete_files(site, place, resource, entries, remove=request.flag_unless("removeFiles", True))
        return Response()

    def _one(self, request: Request, held: list[Held], path: str, *, wrapped: bool) -> Response:
        for item in held:
            with self.site.lock:
                entry = item.resource.entries.get(path)
            if entry is not None:
                stored, name = f"{item.resource.folder}/{path}", path.rpartition("/")[2]
                if wrapped and not name.lower().endswith(".zip"):
                    return self._zip_answer(request, [Packed(name, stored)], archive_name([item], ""))
                return send_file(self.site.store, request, stored, name)
        for item in held:
            if (answer := self._inside(request, item, path)) is not None:
                return answer
        message = "Unable to find catalog entry for given uri." if len(held) == 1 else "Unable to find file."
        return _not_found(request, message if held else "Unable to find file.")

    def _inside(self, request: Request, held: Held, path: str) -> Response | None:
        match = re.match(r"(.+?\.(?:zip|jar|rar|ear|gar|mrb))(?:!?/)(.+)", path)
        if match is None or match[1] not in held.resource.entries:
            return None
        stored = f"{held.resource.folder}/{match[1]}"
        try:
            with self.site.store.open(stored) as file, zipfile.ZipFile(file) as archive:
                content = archive.read(match[2])
        except KeyError:
            return _not_found(request, "Unable to find file.")
        except (zipfile.BadZipFile, FileNotFoundError) as error:
            raise Refusal(415) from error
        return inner_file(iter([content]), match[2].rpartition("/")[2])

    def _nth(self, request: Request, held: list[Held], entries: Mapping[int, list[FileEntry]]) -> Response:
        if not request.param("index").isdigit():
            raise Refusal(500)
        pairs = ((item, entry) for item in held for entry in entries[item.resource.id])
        chosen = next(islice(pairs, int(request.param("index")), None), None)
        if chosen is None:
            return _not_found(request, "Unable to find file.")
        item, entry = chosen
        name = entry.path.rpartition("/")[2]
        return send_file(self.site.store, request, f"{item.resource.folder}/{entry.path}", name)

    def _entries(self, request: Request, held: list[Held], path: str) -> dict[int, list[FileEntry]]:
        content = {value for key, value in request.query if key == "file_content"}
        formats = {value for key, value in request.query if key == "file_format"}
        prefix, flat = path.rstrip("*"), path.endswith("/") and request.param("recursive") == "false"

        def wanted(entry: FileEntry) -> bool:
            if not entry.path.startswith(prefix) or (flat and "/" in entry.path[len(prefix) :]):
                return False
            if formats and entry.format not in formats:  # NULL never matches here, an old mistake (§3.2)
                return False
            return not content or entry.content in content or ("NULL" in content and not entry.content)

        with self.site.lock:
            return {
                item.resource.id: [entry for entry in item.resource.entries.values() if wanted(entry)] for item in held
            }

    def _archive(
        self,
        request: Request,
        held: list[Held],
        entries: Mapping[int, list[FileEntry]],
        ids: Mapping[str, str],
        asked: str,
    ) -> Response:
        refuse_open_range(request)
        store, (suffix, kind) = self.site.store, _ARCHIVES[asked]
        layout = Layout(
            request.param("structure"),
            "SCAN_ID" in ids,
            suffix != "zip",
            request.flag("projectIncludedInPath"),
            request.flag("subjectIncludedInPath"),
            ids.get("PROJECT_ID", ""),
        )
        files = [file for item in held for file in self._packed(item, entries, layout)]
        if not any(store.size(file.path) is not None for file in files):
            return _not_found(request, "")
        name = archive_name(held, ids.get("PROJECT_ID", ""))
        if suffix == "zip":
            return self._zip_answer(request, files, name)
        headers = {"Content-Type": kind, "Content-Disposition": f'attachment; filename="{name}.{suffix}";'}
        plain = tarred(store, files)
        return Response(200, headers, plain if suffix == "tar" else gzipped(plain))

    def _packed(self, item: Held, entries: Mapping[int, list[FileEntry]], layout: Layout) -> Iterator[Packed]:
        return packed(self.site, item, [entry.path for entry in entries[item.resource.id]], layout)

    def _zip_answer(self, request: Request, files: list[Packed], name: str) -> Response:
        method = request.param("compression") or self.site.settings.text("zipCompressionMethod")
        headers = {"Content-Type": "application/zip", "Content-Disposition": f'attachment; filename="{name}.zip";'}
        return Response(200, headers, zipped(self.site.store, files, deflate=method == "8"))


def single_base(site: Site, ids: Mapping[str, str], held: Held) -> str:
    """Return the start of the URIs of one resource's files: the path of its parent by accession IDs (§3.2)."""
    if "SCAN_ID" not in ids and "ASSESSOR_ID" not in ids and "RECON_ID" not in ids:
        held = replace(held, scan=None, assessor=None, reconstruction=None)  # made of what was asked, not of what it is
    if held.session is not None and "PROJECT_ID" in ids and "SUBJECT_ID" in ids:
        return f"/data/projects/{ids['PROJECT_ID']}/subjects/{held.session.subject}{_below_data(held)}"
    return multi_base(held)


def multi_base(held: Held) -> str:
    """Return the start of a file's URI in a listing over several resources, whatever the request's form (§3.2)."""
    return f"/data{_below_data(held)}"


def _below_data(held: Held) -> str:
    if held.session is not None:
        base = f"/experiments/{held.session.id}"
        if held.scan is not None:
            return f"{base}/scans/{held.scan.id}"
        if held.reconstruction is not None:
            return f"{base}/reconstructions/{held.reconstruction.id}"
        return f"{base}/assessors/{held.assessor.id}" if held.assessor is not None else base
    if held.subject is not None:
        return f"/projects/{held.subject.project}/subjects/{held.subject.id}"
    return f"/projects/{held.project.id}" if held.project is not None else ""


def _missing(ids: Mapping[str, str]) -> Refusal:
    """Return the answer to a parent that is not there: a flat URL breaks (500, no project for paths, §3.8)."""
    return Refusal(404 if "PROJECT_ID" in ids or "SUBJECT_ID" in ids else 500)


def _not_found(request: Request, message: str) -> Response:
    if request.flag("accept-not-found"):
        return Response(204)
    raise Refusal(404, message)
