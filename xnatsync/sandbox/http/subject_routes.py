"""Creating, changing, sharing and deleting subjects (hierarchy.md §4.3, §4.5)."""

from __future__ import annotations

from dataclasses import dataclass

from xnatsync.sandbox.http.exchange import Match, Refusal, Request, Response, text
from xnatsync.sandbox.http.loading import created_at, load_values, model_errors
from xnatsync.sandbox.http.router import Routes
from xnatsync.sandbox.http.sharing_routes import delete_or_unshare, put_share
from xnatsync.sandbox.model.creation import create_subject
from xnatsync.sandbox.model.hierarchy import find_project, find_subject, label_in, subject_labelled
from xnatsync.sandbox.model.nested import settle
from xnatsync.sandbox.model.objects import Subject
from xnatsync.sandbox.model.sharing import rename
from xnatsync.sandbox.model.site import Site
from xnatsync.sandbox.model.writing import Values, apply

_ROOT = "xnat:subjectData"
_NO_PROJECT = "Submitted subject record must include the project attribute."


def attach(routes: Routes, site: Site) -> None:
    """Add the routes."""
    writer = _Writer(site)
    for template in ("/subjects", "/projects/{PROJECT_ID}/subjects"):
        routes.add("POST", template, writer.post)
    for template in ("/subjects/{SUBJECT_ID}", "/projects/{PROJECT_ID}/subjects/{SUBJECT_ID}"):
        routes.add("PUT", template, writer.put)
        routes.add("POST", template, writer.put)
        routes.add("DELETE", template, writer.delete)


@dataclass(frozen=True, slots=True)
class _Writer:
    site: Site

    def post(self, request: Request, match: Match) -> Response:
        """Create a subject from XML; answer its URL."""
        values = load_values(request, _ROOT)
        with self.site.lock:
            project_id = self._project_id(match.values.get("PROJECT_ID") or values.fields.get("project", ""))
            label = values.fields.get("label", "") or values.fields.get("ID", "")
            known = find_subject(self.site, project_id, label) if label else None
            subject = self._store(request, known, project_id, label, values)
        return created_at(self.site, f"/data/projects/{project_id}/subjects/{subject.id}")

    def put(self, request: Request, match: Match) -> Response:
        """Create a subject (201), changes it (200), or, when `label=` is there, renames it and does nothing else."""
        if match.tail.startswith("/projects/"):
            return put_share(self.site, request, self._find(request, match), match.tail)
        values = load_values(request, _ROOT)
        with self.site.lock:
            reference = match.values["SUBJECT_ID"]
            url_project = match.values.get("PROJECT_ID")
            subject = self._existing(url_project, reference)
            label = request.param("label")
            if subject is not None and label:
                self._may(request, subject, "edit")
                with model_errors():
                    rename(self.site, subject, label, project_id=self._home(url_project, subject))
                return Response()
            project_id = self._project_id(
                url_project or (subject.project if subject else "") or values.fields.get("project", "")
            )
            stored = self._store(request, subject, project_id, label or reference, values)
        return text(stored.id, 200 if subject is not None else 201)

    def delete(self, request: Request, match: Match) -> Response:
        """Delete a subject, or take it out of a project it is shared into."""
        return delete_or_unshare(self.site, request, self._find(request, match), match)

    def _store(self, request: Request, subject: Subject | None, project_id: str, label: str, values: Values) -> Subject:
        site = self.site
        if values.xsi_type not in {"", _ROOT}:
            raise Refusal(422, f"Unexpected document type {values.xsi_type}")
        if subject is None:
            if not site.can(request.user, project_id, "create", _ROOT):
                raise Refusal(
                    403, "Specified user account has insufficient create privileges for subjects in this project."
                )
            wanted = values.fields.get("ID", "")
            with model_errors():
                created = create_subject(
                    site, project_id, label, request.user, wanted if wanted not in site.subjects else ""
                )
                apply(values, created)
                settle(site, request.user, created, values)
            site.save(created)
            return created
        self._may(request, subject, "edit")
        self._check_identity(subject, project_id, values)
        with model_errors():
            changed = apply(values, subject, replace=request.flag("allowDataDeletion"))
            changed |= settle(site, request.user, subject, values)
        if changed:
            site.changed(subject)
        site.save(subject)
        return subject

    def _check_identity(self, subject: Subject, project_id: str, values: Values) -> None:
        if values.fields.get("ID", subject.id) != subject.id:
            raise Refusal(400, "ID cannot be modified")
        if values.fields.get("project", subject.project) not in {"", subject.project}:
            raise Refusal(409, "Project must be modified through separate URI.")
        if values.fields.get("label", subject.label) not in {subject.label, label_in(subject, project_id)}:
            raise Refusal(400, "Label must be modified through separate URI.")

    def _existing(self, project_id: str | None, reference: str) -> Subject | None:
        if project_id is None:
            return self.site.subjects.get(reference)
        project = find_project(self.site, project_id)
        if project is None:
            raise Refusal(422, _NO_PROJECT)
        found = subject_labelled(self.site, project.id, reference) or self.site.subjects.get(reference)
        return found if found is not None and label_in(found, project.id) is not None else None

    def _find(self, request: Request, match: Match) -> Subject:
        with self.site.lock:
            project_id = match.values.get("PROJECT_ID")
            found = find_subject(self.site, project_id, match.values["SUBJECT_ID"])
            if found is not None and self.site.can_read(request.user, found):
                return found
        if project_id is None and match.tail.startswith("/projects/"):
            raise Refusal(403, "Sharing is not allowed")  # XNAT's misleading word for a label without project (§4.5)
        raise Refusal(
            404, "Unable to find the specified subject. If you are using the subject label, specify its project."
        )

    def _project_id(self, reference: str) -> str:
        project = find_project(self.site, reference) if reference else None
        if project is None:
            raise Refusal(422, _NO_PROJECT)
        return project.id

    def _home(self, url_project: str | None, subject: Subject) -> str:
        return self._project_id(url_project) if url_project else subject.project

    def _may(self, request: Request, subject: Subject, right: str) -> None:
        if not self.site.may(request.user, subject, right):
            raise Refusal(
                403, f"Specified user account has insufficient {right} privileges for subjects in this project."
            )
