"""Creating, changing and deleting image assessors (hierarchy.md §4.3)."""

from __future__ import annotations

from dataclasses import dataclass

from xnatsync.sandbox.http.exchange import Match, Refusal, Request, Response, text
from xnatsync.sandbox.http.history import note_request
from xnatsync.sandbox.http.loading import created_at, load_values, model_errors
from xnatsync.sandbox.http.sharing_routes import delete_or_unshare, put_share
from xnatsync.sandbox.model.creation import create_assessor, touch_up
from xnatsync.sandbox.model.hierarchy import find_assessor, find_experiment, find_project
from xnatsync.sandbox.model.nested import settle
from xnatsync.sandbox.model.objects import Experiment
from xnatsync.sandbox.model.schema import is_a
from xnatsync.sandbox.model.sharing import rename
from xnatsync.sandbox.model.site import Site
from xnatsync.sandbox.model.writing import Values, apply


@dataclass(frozen=True, slots=True)
class AssessorWriter:
    """The writing methods of `…/assessors[/{EXPT_ID}]`."""

    site: Site

    def post(self, request: Request, match: Match) -> Response:
        """Create an assessor from XML; answer its URL."""
        values = load_values(request)
        with self.site.lock:
            session = self._session(request, match)
            label = values.fields.get("label", "")
            stored = self._store(request, session, None, label, values, match.values.get("PROJECT_ID", ""))
        return created_at(self.site, f"/data/experiments/{session.id}/assessors/{stored.id}")

    def put(self, request: Request, match: Match) -> Response:
        """Create (201) or changes (200) an assessor; with `label=` on an existing one it only renames."""
        if match.tail.startswith("/projects/"):
            return put_share(self.site, request, self._find(request, match), match.tail)
        values = load_values(request)
        with self.site.lock:
            session = self._session(request, match)
            existing = find_assessor(session, match.values["EXPT_ID"])
            label = request.param("label")
            if existing is not None and label:
                self._may(request, existing.project, "edit", existing.xsi_type)
                with model_errors():
                    rename(self.site, existing, label, project_id=existing.project)
                self.site.save(session)
                return Response()
            label = label or match.values["EXPT_ID"]
            stored = self._store(request, session, existing, label, values, match.values.get("PROJECT_ID", ""))
        return text(stored.id, 200 if existing is not None else 201)

    def delete(self, request: Request, match: Match) -> Response:
        """Delete an assessor."""
        return delete_or_unshare(self.site, request, self._find(request, match), match)

    def _store(
        self,
        request: Request,
        session: Experiment,
        existing: Experiment | None,
        label: str,
        values: Values,
        project: str,
    ) -> Experiment:
        if existing is None:
            if not values.xsi_type or not label:
                raise Refusal(417, "Need PUT Contents")
            if not is_a(values.xsi_type, "xnat:imageAssessorData"):
                raise Refusal(422, "Only xnat:imageAssessorData documents can be PUT to this address.")
            home = self._home(session, project or values.fields.get("project", ""))
            self._may(request, home, "create", values.xsi_type)
            with model_errors():
                given = values.fields.get("ID", "")
                stored = create_assessor(
                    self.site, session, label, values.xsi_type, request.user, given_id=given, project=home
                )
        else:
            self._may(request, existing.project, "edit", existing.xsi_type)
            stored = existing
            if values.fields.get("ID", existing.id) != existing.id:
                raise Refusal(400, "ID cannot be modified")
            if values.xsi_type and not is_a(existing.xsi_type, values.xsi_type):
                raise Refusal(409, "Specified xsiType differs from existing xsiType")
        with model_errors():
            changed = apply(values, stored, replace=request.flag("allowDataDeletion"))
            changed |= settle(self.site, request.user, stored, values)
        if changed or existing is None:
            note_request(self.site, request, stored, created=existing is None)
        if changed and existing is not None:
            self.site.changed(stored)
        touch_up(self.site, session)
        return stored

    def _session(self, request: Request, match: Match) -> Experiment:
        session = find_experiment(self.site, match.values.get("PROJECT_ID"), match.values["ASSESSED_ID"])
        if session is None or not self.site.can_read(request.user, session):
            raise Refusal(404, "Unable to find the specified experiment.")
        return session

    def _find(self, request: Request, match: Match) -> Experiment:
        with self.site.lock:
            found = find_assessor(self._session(request, match), match.values["EXPT_ID"])
        if found is None or not self.site.can_read(request.user, found):
            raise Refusal(404, "Unable to find the specified experiment.")
        return found

    def _home(self, session: Experiment, reference: str) -> str:
        """Find the project an assessor is made in: that of the URL, where the session is or is shared into."""
        project = find_project(self.site, reference) if reference else None
        return project.id if project is not None and project.id in session.shares else session.project

    def _may(self, request: Request, project_id: str, right: str, kind: str) -> None:
        if not self.site.can(request.user, project_id, right, kind):
            raise Refusal(
                403, f"Specified user account has insufficient {right} privileges for experiments in this project."
            )
