"""`POST /data/services/import`: the decisions of import.md §9 in their order, then the handler."""

from __future__ import annotations

import html
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from xnatsync.sandbox.http.cache_routes import cache_path
from xnatsync.sandbox.http.exchange import Match, Refusal, Request, Response, escaped, json_answer, pieces, text
from xnatsync.sandbox.http.multipart import read_parts
from xnatsync.sandbox.http.router import Routes
from xnatsync.sandbox.model import importing, received, sessionimport, xarimport
from xnatsync.sandbox.model.creation import ModelError
from xnatsync.sandbox.model.importing import Order
from xnatsync.sandbox.model.site import Site
from xnatsync.sandbox.model.transactions import Note, Transactions

_LOG = logging.getLogger(__name__)
_NAMES = {
    "application/zip": "upload.zip",
    "application/x-tar": "upload.tar",
    "application/x-gtar": "upload.tar.gz",
    "application/x-gzip": "upload.gzip",
    "application/octet-stream": "upload",
    "application/dicom": "upload.dcm",
    "application/xar": "upload.xar",
}
_OBJECTS = frozenset({"application/dicom", "application/x-mirc", "application/x-mirc-dicom"})
_HANDLERS = {
    "DICOM-zip": importing.import_archive,
    "gradual-DICOM": importing.import_object,
    "SI": sessionimport.import_session,
    "XAR": xarimport.import_xar,
}
_NO_FORMAT = "Unable to identify upload format."


@dataclass(slots=True)
class _Upload:
    """The file of a request; a spooled one is removed when the import is over."""

    name: str
    chunks: Iterable[bytes]
    spooled: str = ""


@dataclass(slots=True)
class _Asked:
    """The parameters of a request: form fields first, the query on top (import.md §1.1)."""

    params: dict[str, str] = field(default_factory=dict)
    uploads: list[_Upload] = field(default_factory=list)


class ImportService:
    """The import service."""

    def __init__(self, site: Site, transactions: Transactions) -> None:
        self.site = site
        self.transactions = transactions

    def post(self, request: Request, match: Match) -> Response:
        """Import one file; a page instead of an error when `format=html` (import.md §1.5)."""
        asked = _Asked()
        try:
            self._read(request, match, asked)
            return self._decide(request, asked)
        except (ModelError, Refusal) as error:
            if request.param("format") == "html":
                return text(f"<html><body>{html.escape(error.message)}</body></html>", kind="text/html")
            raise Refusal(error.status, error.message) from error
        finally:
            if not (asked.params.get("http-session-listener") and asked.params.get("src")):
                self._clean(asked)

    # -- reading -------------------------------------------------------------------------------------------------------

    def _read(self, request: Request, match: Match, asked: _Asked) -> None:
        in_body = request.flag("inbody")
        if request.content_type.startswith("multipart/"):
            if in_body:
                raise Refusal(406)
            self._read_parts(request, asked)
        elif request.content_type in _NAMES or in_body:
            if request.length is None and request.content_type != "application/zip":
                raise Refusal(
                    400,
                    "You tried to POST a payload of which the request entity size is -1 but the media type is not "
                    "application/zip (i.e. streaming compressed upload).",
                )
            if request.length != 0:
                name = match.tail.strip("/") or _NAMES.get(request.content_type, "upload.unsupported")
                asked.uploads.append(_Upload(name, pieces(request.body)))
        elif request.content_type == "application/x-www-form-urlencoded":
            asked.params |= {key: escaped(value) for key, value in request.form()}
        asked.params |= {key: escaped(value) for key, value in reversed(request.query)}

    def _read_parts(self, request: Request, asked: _Asked) -> None:
        """Read a form; its file is spooled, for fields may come after it and a second file forbids the first."""
        for part in read_parts(request):
            if not part.filename:
                asked.params[part.name] = escaped(part.text().decode("utf-8", "replace"))
                continue
            if part.name == "reference":
                raise Refusal(400, "Invalid field name: reference")
            spooled = f"spool/{uuid4().hex}"
            asked.uploads.append(_Upload(Path(part.filename).name, (), spooled))
            self.site.store.write(spooled, part.chunks, digest=False)
            asked.uploads[-1].chunks = received.chunks(self.site.store, spooled)

    def _clean(self, asked: _Asked) -> None:
        for upload in asked.uploads:
            if upload.spooled:
                self.site.store.delete(upload.spooled)

    # -- deciding ------------------------------------------------------------------------------------------------------

    def _decide(self, request: Request, asked: _Asked) -> Response:
        params = asked.params
        order = Order(request.user, params)
        overwrite = params.get("overwrite")
        order.rules = importing.read_overwrite(overwrite, order.flag("overwrite_files"))
        if params.get("prearchive_code") == "1":
            if overwrite is not None:
                raise Refusal(400, "Overwrite flag was not set to a valid option. ('append' or 'delete')")
            self._ui_archive(order)
        if "http-session-listener" in params and not params["http-session-listener"]:
            raise Refusal(400, "'transaction' is required when requesting 'http-session-listener'.")
        if params.get("src"):
            asked.uploads.append(self._stored_upload(request, params["src"]))
        handler = self._handler(request, params)
        if not asked.uploads:
            raise Refusal(400 if params.get("import-handler") else 500, _NO_FORMAT)
        if len(asked.uploads) > 1:
            raise Refusal(400, "Importer is limited to one uploaded resource at a time.")
        if handler not in _HANDLERS:
            raise Refusal(404, f"Unknown importer implementation specified: {handler}")
        if params.get("dest"):
            order.to_archive = importing.read_dest(params["dest"], params)
        if "Ignore-Unparsable" not in params and params.get("action") == "commit":
            params["Ignore-Unparsable"] = "true"
        if params.get("http-session-listener") and params.get("src"):
            return self._later(order, handler, asked)
        note = self._note(order)
        try:
            uris = _HANDLERS[handler](self.site, order, asked.uploads[0].name, asked.uploads[0].chunks)
        except ModelError as error:
            if note is not None:
                note.finish(error.message, succeeded=False)
            raise
        if note is not None:
            note.finish(";".join(_result(uri) for uri in uris), succeeded=True)
        return self._answer(request, uris)

    def _note(self, order: Order) -> Note | None:
        """Open a transaction for a client that chose an id for an import it waits for (T:`TestImport`)."""
        key = order.params.get("http-session-listener")
        return self.transactions.begin(key, order.user.login) if key else None

    def _handler(self, request: Request, params: dict[str, str]) -> str:
        if params.get("import-handler"):
            return params["import-handler"]
        if request.content_type in _OBJECTS:
            return "gradual-DICOM"
        return self.site.settings.text("uiDefaultCompressedUploaderImporter") or "SI"

    def _ui_archive(self, order: Order) -> None:
        project = self.site.projects.get(order.params.get("project") or order.params.get("PROJECT_ID", ""))
        replace = project is not None and project.prearchive_code == 5
        order.rules = importing.read_overwrite("delete" if replace else "append", order.rules.overwrite_files)

    def _stored_upload(self, request: Request, src: str) -> _Upload:
        """Find a file the user has put into the cache before (import.md §1.7)."""
        parts = src.removeprefix("/data").strip("/").split("/")
        if parts[:3] != ["user", "cache", "resources"] or len(parts) < 6 or parts[4] != "files":
            raise Refusal(400, "src uri is invalid.")
        path = cache_path(request.user.login, parts[3], "/".join(parts[5:]))
        if self.site.store.size(path) is None:
            raise Refusal(404, "Unknown src file.")
        return _Upload(parts[-1], received.chunks(self.site.store, path))

    # -- answering -----------------------------------------------------------------------------------------------------

    def _answer(self, request: Request, uris: list[str]) -> Response:
        if request.content_type in {"application/x-mirc", "application/x-mirc-dicom"}:
            return text("OK")
        lines = [uri if uri.startswith("/xapi") else f"/data{uri}" for uri in uris]
        if request.param("format") == "txt":
            return text(lines[0] if lines else "")
        if request.param("format") == "html":
            return text("<html><body>" + "<br>".join(map(html.escape, lines)) + "</body></html>", kind="text/html")
        return text("".join(f"{line}\r\n" for line in lines), kind="text/uri-list")

    def _later(self, order: Order, handler: str, asked: _Asked) -> Response:
        """Import on a worker; the client asks for the outcome by its own transaction id (import.md §1.7)."""
        key, upload = order.params["http-session-listener"], asked.uploads[0]
        note = self.transactions.begin(key, order.user.login)

        def work() -> None:
            try:
                uris = _HANDLERS[handler](self.site, order, upload.name, upload.chunks)
                note.finish(";".join(_result(uri) for uri in uris), succeeded=True)
            except ModelError as error:
                note.finish(error.message, succeeded=False)
            except Exception as error:
                _LOG.exception("asynchronous import %s", key)
                note.finish(str(error), succeeded=False)
            finally:
                self._clean(asked)

        self.site.prearchive.jobs.submit(work)
        return text(
            "Submitted for archival" if order.params.get("prearchive_code") == "1" else "Submitted for prearchival"
        )


def _result(uri: str) -> str:
    return f"{'Archive' if uri.startswith('/archive') else 'Prearchive'}:{uri}"


def attach(routes: Routes, site: Site) -> None:
    """Add the import service and what tells of asynchronous imports."""
    transactions = Transactions(site)
    service = ImportService(site, transactions)
    routes.add("POST", "/services/import", service.post)
    routes.add("GET", "/status/{ID}", lambda request, match: _status(transactions, request, match))
    routes.add("GET", "/xapi/event_tracking/{ID}", lambda request, match: _tracking(transactions, request, match))


def _status(transactions: Transactions, request: Request, match: Match) -> Response:
    note = transactions.find(match.values["ID"], request.user)
    if note is None:
        raise Refusal(404)
    return json_answer({"msgs": [note.messages()]})


def _tracking(transactions: Transactions, request: Request, match: Match) -> Response:
    note = transactions.find(match.values["ID"], request.user)
    if note is None:
        raise Refusal(404)
    return json_answer(note.tracking())
