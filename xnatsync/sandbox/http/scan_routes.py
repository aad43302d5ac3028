"""Creating, changing, sharing and deleting scans (hierarchy.md §4.3, §4.5)."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from xnatsync.sandbox.http.exchange import Match, Refusal, Request, Response
from xnatsync.sandbox.http.history import note_request
from xnatsync.sandbox.http.loading import load_values, model_errors
from xnatsync.sandbox.http.parameters import SHARING, only
from xnatsync.sandbox.http.router import Routes
from xnatsync.sandbox.http.sharing_routes import tail_project
from xnatsync.sandbox.model.creation import create_scan, touch_up
from xnatsync.sandbox.model.deletion import delete_scan
from xnatsync.sandbox.model.headers import pull_from_headers
from xnatsync.sandbox.model.hierarchy import find_experiment
from xnatsync.sandbox.model.nested import settle
from xnatsync.sandbox.model.objects import Experiment, Scan
from xnatsync.sandbox.model.schema import element, is_a
from xnatsync.sandbox.model.sharing import share
from xnatsync.sandbox.model.site import Site
from xnatsync.sandbox.model.writing import Values, apply

_ROOT = "xnat:imageScanData"


def attach(routes: Routes, site: Site) -> None:
    """Add the routes."""
    writer = _Writer(site)
    for parent in ("/experiments/{EXPT_ID}", "/projects/{PROJECT_ID}/subjects/{SUBJECT_ID}/experiments/{EXPT_ID}"):
        routes.add("POST", f"{parent}/scans", writer.put)
        routes.add("PUT", f"{parent}/scans/{{SCAN_ID}}", writer.put)
        routes.add("POST", f"{parent}/scans/{{SCAN_ID}}", writer.put)
        routes.add("DELETE", f"{parent}/scans/{{SCAN_ID}}", writer.delete)


@dataclass(frozen=True, slots=True)
class _Writer:
    site: Site

    def put(self, request: Request, match: Match) -> Response:
        """Create or changes a scan: 200 with an empty body both times."""
        if match.tail.startswith("/projects/"):
            return self._share(request, match)
        values = load_values(request, _ROOT)
        with self.site.lock:
            session = self._session(request, match)
            if session is None:
                raise Refusal(417, "Specified scan must reference a valid image session.")
            if not self.site.may(request.user, session, "edit"):
                raise Refusal(
                    403, "Specified user account has insufficient edit privileges for sessions in this project."
                )
            scan = self._store(request, session, match.values.get("SCAN_ID", ""), values)
        if request.flag("pullDataFromHeaders"):
            pull_from_headers(self.site, session, only=scan)
        return Response()

    def delete(self, request: Request, match: Match) -> Response:
        """Delete a scan and its folder."""
        with self.site.lock:
            session = self._session(request, match)
            scan = self._scan(session, match)
            if session is None or scan is None:
                raise Refusal(404, "Unable to find the specified scan.")
            if not self.site.may(request.user, session, "delete"):
                raise Refusal(403, "User account doesn't have permission to delete this scan.")
            if match.tail.strip("/"):
                project_id = tail_project(self.site, match.tail)
                if project_id != session.project:
                    scan.shares = [known for known in scan.shares if known != project_id]
                    self.site.save(session)
                    return Response()
            delete_scan(self.site, session, scan)
        return Response()

    def _store(self, request: Request, session: Experiment, scan_id: str, values: Values) -> Scan:
        scan = session.scans.get(unquote(scan_id)) or session.scans.get(scan_id)
        given = values.fields.get("ID", "")
        if given and given != scan_id:  # an ID in parameters or document beats that of the URL (§4.3)
            scan, scan_id = session.scans.get(given), given
        if scan is None:
            found = element(values.xsi_type)
            if not values.xsi_type or found is None:
                raise Refusal(417, "Need PUT Contents")
            if found.abstract or values.xsi_type == _ROOT:
                raise Refusal(400, "Multiple scan modalities can be associated here: an xsiType is required.")
            if not is_a(values.xsi_type, _ROOT):
                raise Refusal(422, "Only xnat:Scan documents can be PUT to this address.")
            scan = create_scan(self.site, session, scan_id, values.xsi_type, request.user)
            created = True
        else:
            created = False
            named = request.param("xsiType") or (values.xsi_type if values.document else "")
            if named and not is_a(scan.xsi_type, named):
                raise Refusal(409, "Specified xsiType differs from existing xsiType")
            if values.xsi_type and not is_a(scan.xsi_type, values.xsi_type):
                return scan  # parameters of another type are ignored, with success
        with model_errors():
            if values.resources or values.shares:
                settle(self.site, request.user, session, Values(scans=[(scan.id, values)]))
            changed = apply(values, scan)
        if changed or created:  # what is written to a scan is told by its session
            note_request(self.site, request, session)
        if changed and not created:
            self.site.changed(scan)
        touch_up(self.site, session)
        return scan

    def _share(self, request: Request, match: Match) -> Response:
        only(request, SHARING)
        with self.site.lock, model_errors():
            session = self._session(request, match)
            scan = self._scan(session, match)
            if session is None or scan is None:
                raise Refusal(404, "Unable to find the specified scan.")
            project_id = tail_project(self.site, match.tail)
            if not self.site.may(request.user, session, "create", project_id):
                raise Refusal(403, "Sharing is not allowed.")
            if project_id in {session.project, *scan.shares}:
                raise Refusal(409, f"Already assigned to project:{project_id}")
            if project_id not in session.shares:
                share(self.site, session, project_id, "")
            scan.shares.append(project_id)
            self.site.save(session)
        return Response()

    def _session(self, request: Request, match: Match) -> Experiment | None:
        session = find_experiment(self.site, match.values.get("PROJECT_ID"), match.values["EXPT_ID"])
        if session is None or not self.site.can_read(request.user, session):
            return None
        return session if is_a(session.xsi_type, "xnat:imageSessionData") else None

    def _scan(self, session: Experiment | None, match: Match) -> Scan | None:
        scan_id = match.values["SCAN_ID"]
        return None if session is None else session.scans.get(scan_id) or session.scans.get(unquote(scan_id))
