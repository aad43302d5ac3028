"""`GET /data/services/dicomdump`: header fields of stored objects (hierarchy.md §9)."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from xnatsync.sandbox.http.exchange import Match, Refusal, Request, Response
from xnatsync.sandbox.http.negotiation import listing_response
from xnatsync.sandbox.http.router import Routes
from xnatsync.sandbox.model import dicomdump
from xnatsync.sandbox.model.creation import ModelError
from xnatsync.sandbox.model.hierarchy import find_experiment, find_project
from xnatsync.sandbox.model.objects import Experiment, Scan
from xnatsync.sandbox.model.site import Site

_COLUMNS = ("tag1", "tag2", "vr", "value", "desc")
_LABELS = ("DICOM", "secondary")
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class _Dump:
    site: Site

    def get(self, request: Request, match: Match) -> Response:
        """Show the header of the first object a source names, or with `summary=true` the values of all of them."""
        src = request.param("src").removeprefix("/data")
        if not src.startswith(("/archive/", "/prearchive/")):
            raise Refusal(400, "Missing or invalid src parameter.")
        parts = [unquote(part) for part in src.strip("/").split("/")]
        fields = [value for key, value in request.query if key == "field"]
        with self.site.lock:
            paths = self._prearchived(request, parts) if parts[0] == "prearchive" else self._archived(request, parts)
        if not paths:
            raise Refusal(404, "Unable to find the specified DICOM files.")
        try:
            if request.flag("summary"):
                many = (dicomdump.rows(self.site.store, path, fields) for path in paths[:_MOST])
                rows = dicomdump.summary(many)
            else:
                rows = dicomdump.rows(self.site.store, paths[0], fields)
        except ModelError as error:
            raise Refusal(error.status, error.message) from error
        return listing_response(request, rows, columns=_COLUMNS)

    def _archived(self, request: Request, parts: list[str]) -> list[str]:
        place = dict(zip(parts[1::2], parts[2::2], strict=False))
        project = find_project(self.site, place.get("projects", ""))
        if project is None or not self.site.can(request.user, project.id, "read"):
            raise Refusal(404)
        session = find_experiment(self.site, project.id, place.get("experiments", ""))
        if session is None or not self.site.can_read(request.user, session):
            raise Refusal(404)
        return _files(session, place, parts)

    def _prearchived(self, request: Request, parts: list[str]) -> list[str]:
        if len(parts) < 5 or parts[1] != "projects":
            raise Refusal(400, "Missing or invalid src parameter.")
        row = self.site.prearchive.find(parts[2], parts[3], parts[4])
        if row is None or not self.site.can(request.user, row.project, "edit"):
            raise Refusal(404)
        content = self.site.prearchive.content(row)
        scan = parts[6] if len(parts) > 6 and parts[5] == "scans" else ""
        items = sorted(content.objects.values(), key=lambda item: (item.folder, item.order))
        return [f"{row.path}/{item.path}" for item in items if not scan or item.folder.startswith(f"SCANS/{scan}/")]


def _files(session: Experiment, place: dict[str, str], parts: list[str]) -> list[str]:
    """Return the paths of the files a source names: one file, one scan, or the whole session."""
    scans = [scan for scan in session.scans.values() if scan.id == place.get("scans", scan.id)]
    if "files" in parts:
        name = "/".join(parts[parts.index("files") + 1 :])
        return [
            f"{resource.folder}/{name}"
            for scan in scans
            for resource in scan.resources.values()
            if resource.label == place.get("resources") == "DICOM" and name in resource.entries
        ]
    return [path for scan in scans for path in _of_scan(scan)]


def _of_scan(scan: Scan) -> list[str]:
    return [
        f"{scan.resources[label].folder}/{path}"
        for label in _LABELS
        if label in scan.resources
        for path in scan.resources[label].entries
    ]


def attach(routes: Routes, site: Site) -> None:
    """Add the route."""
    routes.add("GET", "/services/dicomdump", _Dump(site).get)
