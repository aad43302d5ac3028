"""What a prearchive session shows of itself: document, row, logs, scans, resources, files (import.md §2.3, §2.4)."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from html import escape
from urllib.parse import unquote

from xnatsync.sandbox.http.exchange import FileBody, Refusal, Request, Response, json_answer, text
from xnatsync.sandbox.http.negotiation import listing_response
from xnatsync.sandbox.model import archiver, received
from xnatsync.sandbox.model.creation import ModelError
from xnatsync.sandbox.model.items import experiment_item
from xnatsync.sandbox.model.itemxml import item_xml
from xnatsync.sandbox.model.objects import Experiment, Resource
from xnatsync.sandbox.model.prearchive import Row
from xnatsync.sandbox.model.site import Site
from xnatsync.sandbox.model.tables import Row as TableRow

_NO_RESOURCE = "Unable to locate prearc resource."
_NO_DOCUMENT = (
    "The named session exists, but its XNAT session document is not available. "
    "The session is likely invalid or incomplete."
)


def session(site: Site, request: Request, row: Row, tail: str) -> Response:
    """Answer a GET on a session or below it."""
    parts = [unquote(part) for part in tail.strip("/").split("/") if part]
    if not parts:
        return _whole(site, request, row)
    if parts[0] == "logs":
        return _logs(request, row, parts[1:])
    document = built(site, row)
    if document is None:
        raise Refusal(404, _NO_RESOURCE)
    if parts == ["scans"]:
        return listing_response(request, _scan_rows(document), columns=["ID", "xsiType", "series_description"])
    if parts == ["resources"]:
        columns = ["category", "cat_id", "label", "file_count", "file_size"]
        return listing_response(request, _resource_rows(document), columns=columns)
    if parts[0] == "resources" and len(parts) > 2:
        return _files(site, request, row, document.resources.get(parts[1]), parts[1], parts[3:])
    if parts[0] == "scans" and len(parts) > 2 and parts[2] == "resources":
        return _below_scan(site, request, row, document, parts)
    raise Refusal(404, _NO_RESOURCE)


def built(site: Site, row: Row) -> Experiment | None:
    """Return the session's document if it has one."""
    if not row.built:
        return None
    try:
        return archiver.built_session(site, row)
    except ModelError:
        return None


def _whole(site: Site, request: Request, row: Row) -> Response:
    wanted = request.param("format") or "xml"
    if wanted == "json":
        return json_answer({"ResultSet": {"Result": [row.columns()]}})
    if wanted == "zip":
        headers = {
            "Content-Type": "application/zip",
            "Content-Disposition": f'attachment; filename="{row.folder}.zip";',
        }
        return Response(200, headers, _zipped(site, row))
    if wanted == "html":
        failed = row.status in {"ERROR", "CONFLICT"} and row.logs
        alert = f'<div class="alert">{escape(row.logs[-1].entry)}</div>' if failed else ""
        return text(f"<html><body>{escape(row.name)} {row.status}{alert}</body></html>", kind="text/html")
    document = built(site, row)
    if document is None:
        raise Refusal(404, _NO_DOCUMENT)
    with site.lock:
        return Response(
            200,
            {"Content-Type": "text/xml;charset=UTF-8"},
            item_xml(experiment_item(document), site.settings.text("siteUrl")),
        )


def _zipped(site: Site, row: Row) -> Iterator[bytes]:
    """Return the session's folder as a zip, file by file."""

    class Tail(io.RawIOBase):
        def __init__(self) -> None:
            self.parts: list[bytes] = []

        def writable(self) -> bool:
            return True

        def write(self, data: object, /) -> int:
            piece = bytes(data)  # type: ignore[call-overload]
            self.parts.append(piece)
            return len(piece)

        def take(self) -> bytes:
            taken, self.parts = b"".join(self.parts), []
            return taken

    tail = Tail()
    with zipfile.ZipFile(tail, "w") as archive:
        for path, size in site.store.list(row.path):
            info = zipfile.ZipInfo(f"{row.folder}/{path}")
            info.file_size = size
            with archive.open(info, "w") as member:
                for piece in received.chunks(site.store, f"{row.path}/{path}"):
                    member.write(piece)
                    yield tail.take()
            yield tail.take()
    yield tail.take()


def _logs(request: Request, row: Row, parts: list[str]) -> Response:
    if not parts:
        detailed = not request.has("template") or request.param("template") == "details"
        columns = ["id", "date", "entry"] if detailed else ["id"]
        shown: list[TableRow] = [{"id": log.id, "date": log.date, "entry": log.entry} for log in row.logs]
        return listing_response(request, [{name: one[name] for name in columns} for one in shown], columns=columns)
    entries = [log for log in row.logs if parts[0] in {log.id, "last"}]
    if not entries:
        raise Refusal(404, "Unable to find the specified log.")
    return text(entries[-1].entry)


def _scan_rows(document: Experiment) -> list[TableRow]:
    return [
        {"ID": scan.id, "xsiType": scan.xsi_type, "series_description": scan.fields.get("series_description", "")}
        for scan in document.scans.values()
    ]


def _resource_rows(document: Experiment) -> list[TableRow]:
    rows: list[TableRow] = []
    for scan in document.scans.values():
        rows += [{"category": "scans", "cat_id": scan.id, **_sizes(resource)} for resource in scan.resources.values()]
    rows += [{"category": "resources", "cat_id": "", **_sizes(resource)} for resource in document.resources.values()]
    return rows


def _sizes(resource: Resource) -> dict[str, str]:
    return {
        "label": resource.label,
        "file_count": str(resource.file_count or 0),
        "file_size": str(resource.file_size or 0),
    }


def _below_scan(site: Site, request: Request, row: Row, document: Experiment, parts: list[str]) -> Response:
    scan = document.scans.get(parts[1])
    if scan is None:
        raise Refusal(404, _NO_RESOURCE)
    if len(parts) == 3:
        columns = ["label", "file_count", "file_size"]
        return listing_response(request, [_sizes(resource) for resource in scan.resources.values()], columns=columns)
    return _files(site, request, row, scan.resources.get(parts[3]), f"{parts[1]}/{parts[3]}", parts[5:])


def _files(site: Site, request: Request, row: Row, resource: Resource | None, place: str, path: list[str]) -> Response:
    if resource is None:
        raise Refusal(404, _NO_RESOURCE)
    if not path:
        scan, _, label = place.rpartition("/")
        base = f"{row.uri}/scans/{scan}/resources/{label}/files" if scan else f"{row.uri}/resources/{label}/files"
        rows: list[TableRow] = [
            {"Name": entry.path.rsplit("/", 1)[-1], "Size": str(entry.size), "URI": f"/data{base}/{entry.path}"}
            for entry in list(resource.entries.values())
        ]
        return listing_response(request, rows, columns=["Name", "Size", "URI"])
    entry = resource.entries.get("/".join(path))
    if entry is None:
        raise Refusal(404, "Unable to find the specified file.")
    headers = {"Content-Type": "application/octet-stream", "Content-Disposition": f'attachment; filename="{path[-1]}";'}
    stored = f"{resource.folder}/{entry.path}"
    real = site.store.real_path(stored)
    if real is not None:
        return Response(200, headers, FileBody(real, 0, entry.size))
    return Response(200, headers, b"".join(received.chunks(site.store, stored)))


def delete_scan(site: Site, row: Row, scan_id: str) -> None:
    """Remove a scan from a session, with its files (§2.4)."""
    document = built(site, row)
    scan = document.scans.get(scan_id) if document is not None else None
    if document is None or scan is None:
        raise Refusal(404, _NO_RESOURCE)
    content = site.prearchive.content(row)
    for resource in scan.resources.values():
        site.store.delete(resource.folder)
        with site.lock:
            for path in [path for path in content.objects if f"{row.path}/{path}".startswith(f"{resource.folder}/")]:
                content.forget(path)
    with site.lock:
        document.scans.pop(scan_id, None)
        site.prearchive.save(row)
