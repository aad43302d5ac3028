"""Creating, changing, moving, sharing and deleting experiments and assessors (hierarchy.md §4.3, §4.5)."""

from __future__ import annotations

from dataclasses import dataclass

from xnatsync.sandbox.http.assessor_routes import AssessorWriter
from xnatsync.sandbox.http.exchange import Match, Refusal, Request, Response, text
from xnatsync.sandbox.http.header_routes import read_headers, wants_headers
from xnatsync.sandbox.http.history import note_request
from xnatsync.sandbox.http.loading import created_at, load_values, model_errors
from xnatsync.sandbox.http.router import Routes
from xnatsync.sandbox.http.sharing_routes import delete_or_unshare, put_share
from xnatsync.sandbox.model.creation import create_experiment, create_subject
from xnatsync.sandbox.model.hierarchy import (
    experiment_labelled,
    find_experiment,
    find_project,
    find_subject,
    label_in,
    session_of,
)
from xnatsync.sandbox.model.nested import settle
from xnatsync.sandbox.model.objects import Experiment, Subject
from xnatsync.sandbox.model.schema import element, is_a
from xnatsync.sandbox.model.sharing import change_subject, rename
from xnatsync.sandbox.model.site import Site
from xnatsync.sandbox.model.writing import Values, apply

_NO_PROJECT = "Submitted experiment record must include the project attribute."


def attach(routes: Routes, site: Site) -> None:
    """Add the routes."""
    writer, assessors = _Writer(site), AssessorWriter(site)
    scoped = "/projects/{PROJECT_ID}/subjects/{SUBJECT_ID}/experiments"
    routes.add("POST", scoped, writer.post)
    for template in ("/experiments", "/projects/{PROJECT_ID}/experiments"):
        routes.add("POST", template, writer.post)
    for template in ("/experiments", "/projects/{PROJECT_ID}/experiments", scoped):
        item = f"{template}/{{EXPT_ID}}"
        routes.add("PUT", item, writer.put)
        routes.add("POST", item, writer.put)
        routes.add("DELETE", item, writer.delete)
    for template in ("/experiments", scoped):
        item = f"{template}/{{ASSESSED_ID}}/assessors/{{EXPT_ID}}"
        routes.add("POST", f"{template}/{{ASSESSED_ID}}/assessors", assessors.post)
        routes.add("PUT", item, assessors.put)
        routes.add("POST", item, assessors.put)
        routes.add("DELETE", item, assessors.delete)


@dataclass(frozen=True, slots=True)
class _Writer:
    site: Site

    def post(self, request: Request, match: Match) -> Response:
        """Create an experiment from XML; answer its URL."""
        values = load_values(request)
        with self.site.lock:
            project_id = self._project_id(match.values.get("PROJECT_ID") or values.fields.get("project", ""))
            label = values.fields.get("label", "") or values.fields.get("ID", "")
            known = experiment_labelled(self.site, project_id, label) if label else None
            subject = match.values.get("SUBJECT_ID", "")
            if subject and find_subject(self.site, project_id, subject) is None:
                raise Refusal(404, f"Unable to identify subject {subject}")
            subject = subject or values.fields.get("subject_ID", "")
            stored = self._store(request, known, project_id, subject, label, values)
        return created_at(self.site, f"/data/experiments/{stored.id}")

    def put(self, request: Request, match: Match) -> Response:
        """Create or changes an experiment, then read its files again if asked to (import.md §6.3)."""
        answer = self._put(request, match)
        if wants_headers(request) and not request.param("label"):
            read_headers(self.site, request, self._find(request, match))
        return answer

    def _put(self, request: Request, match: Match) -> Response:
        """Create (201) or changes (200); with `label=` on an existing one it renames and does nothing else."""
        if match.tail.startswith("/projects/"):
            return put_share(self.site, request, self._find(request, match), match.tail)
        values = load_values(request)
        with self.site.lock:
            reference, url_project = match.values["EXPT_ID"], match.values.get("PROJECT_ID")
            existing = self._existing(url_project, reference)
            label = request.param("label")
            if existing is not None and label:
                if not self.site.can(request.user, existing.project, "read"):
                    raise Refusal(404, "Unable to find the specified experiment.")
                self._may(request, existing, "edit")
                with model_errors():
                    old = label_in(existing, url_project or existing.project)
                    rename(self.site, existing, label, project_id=url_project or existing.project)
                if label != old:
                    note_request(self.site, request, existing, action="Renamed")
                    self.site.save(existing)
                return Response()
            moved = request.param("subject_ID")
            if existing is not None and url_project is not None:
                self._move(request, existing, moved or self._other_subject(existing, match))
            if existing is not None and not values.document and not _names_type(request):
                self._status(request, existing)
                return text(existing.id)  # the database's own copy is saved: nothing happens (§4.3)
            if url_project is None and not values.fields.get("project"):
                raise Refusal(422, _NO_PROJECT)
            project_id = self._project_id(url_project or values.fields["project"])
            subject = moved or match.values.get("SUBJECT_ID") or values.fields.get("subject_ID", "")
            subject = existing.subject if existing is not None and moved else subject
            stored = self._store(request, existing, project_id, subject, label or reference, values)
            self._status(request, stored)
        return text(stored.id, 200 if existing is not None else 201)

    def delete(self, request: Request, match: Match) -> Response:
        """Delete an experiment, or take it out of a project it is shared into."""
        return delete_or_unshare(self.site, request, self._find(request, match), match)

    def _store(
        self,
        request: Request,
        existing: Experiment | None,
        project_id: str,
        subject_ref: str,
        label: str,
        values: Values,
    ) -> Experiment:
        site = self.site
        if existing is None:
            found = element(values.xsi_type)
            if not values.xsi_type or found is None or found.abstract:
                raise Refusal(417, "Need PUT Contents")
            if not is_a(values.xsi_type, "xnat:subjectAssessorData"):
                raise Refusal(422, "Only xnat:Subject documents can be PUT to this address.")
            if not site.can(request.user, project_id, "create", values.xsi_type):
                raise Refusal(
                    403, "Specified user account has insufficient create privileges for experiments in this project."
                )
            with model_errors():
                subject = self._subject(request, project_id, subject_ref)
                given = values.fields.get("ID", "")
                stored = create_experiment(
                    site, project_id, subject, label, values.xsi_type, request.user, given_id=given
                )
        else:
            stored = existing
            self._may(request, stored, "edit")
            self._check_identity(stored, project_id, values)
            if subject_ref:
                change_subject(site, stored, self._subject(request, project_id, subject_ref))
        with model_errors():
            changed = apply(values, stored, replace=request.flag("allowDataDeletion"))
            changed |= settle(site, request.user, stored, values)
        if changed or existing is None:
            note_request(site, request, stored, created=existing is None)
        if changed and existing is not None:
            site.changed(stored)
            site.bubble(site.subjects.get(stored.subject))
        site.save(stored)
        return stored

    def _move(self, request: Request, session: Experiment, reference: str) -> None:
        """Move a session to a subject of its project, made if there is none; others are passed over (§20.1)."""
        if not reference:
            return
        self._may(request, session, "edit")
        subject = self._subject(request, session.project, reference)
        if label_in(subject, session.project) is not None and session.subject != subject.id:
            note_request(self.site, request, session)
            change_subject(self.site, session, subject)

    def _other_subject(self, session: Experiment, match: Match) -> str:
        """Return the subject of an address when it is not the session's own; nothing in a project it is shared into."""
        reference = match.values.get("SUBJECT_ID", "")
        project = find_project(self.site, match.values.get("PROJECT_ID", ""))
        if project is None or project.id != session.project:
            return ""
        named = find_subject(self.site, project.id, reference)
        return reference if named is None or named.id != session.subject else ""

    def _subject(self, request: Request, project_id: str, reference: str) -> Subject:
        if not reference:
            raise Refusal(422, "Submitted experiment record must include the subject.")
        subject = find_subject(self.site, project_id, reference)
        return subject or create_subject(self.site, project_id, reference, request.user)

    def _check_identity(self, experiment: Experiment, project_id: str, values: Values) -> None:
        if values.xsi_type and not is_a(experiment.xsi_type, values.xsi_type):
            raise Refusal(409, "Specified xsiType differs from existing xsiType")
        if values.fields.get("ID", experiment.id) != experiment.id:
            raise Refusal(400, "ID cannot be modified")
        if values.fields.get("project", experiment.project) not in {"", experiment.project}:
            raise Refusal(409, "Project must be modified through separate URI.")
        if values.fields.get("label", experiment.label) not in {experiment.label, label_in(experiment, project_id)}:
            raise Refusal(400, "Label must be modified through separate URI.")

    def _status(self, request: Request, experiment: Experiment) -> None:
        for flag, status in (("activate", "active"), ("quarantine", "quarantine")):
            if request.flag(flag) and experiment.status != status:
                experiment.status = status
                self.site.save(experiment)

    def _existing(self, project_id: str | None, reference: str) -> Experiment | None:
        if project_id is None:
            return find_experiment(self.site, None, reference)
        project = self._project_id(project_id)
        found = experiment_labelled(self.site, project, reference) or self.site.experiments.get(reference)
        return found if found is not None and label_in(found, project) is not None else None

    def _find(self, request: Request, match: Match) -> Experiment:
        reference = match.values["EXPT_ID"]
        with self.site.lock:
            found = find_experiment(self.site, match.values.get("PROJECT_ID"), reference)
            if found is None and (session := session_of(self.site, reference)) is not None:
                found = session.assessors[reference]
            if found is not None and self.site.can_read(request.user, found):
                return found
        raise Refusal(404, "Unable to find the specified experiment.")

    def _project_id(self, reference: str) -> str:
        project = find_project(self.site, reference) if reference else None
        if project is None:
            raise Refusal(422, _NO_PROJECT)
        return project.id

    def _may(self, request: Request, experiment: Experiment, right: str) -> None:
        if not self.site.may(request.user, experiment, right):
            raise Refusal(
                403, f"Specified user account has insufficient {right} privileges for experiments in this project."
            )


def _names_type(request: Request) -> bool:
    """Return whether a request says which type it speaks of; without, it changes nothing (§4.3)."""
    return any(key in {"xsiType", "ELEMENT_0"} or (":" in key and "/" in key) for key, _ in request.query) or (
        request.content_type in {"application/x-www-form-urlencoded", "multipart/form-data"}
    )
