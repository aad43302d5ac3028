"""Any item by its document alone: `/xapi/archive/upload/xml` (hierarchy.md §4.3; src DefaultCatalogService).

The document says what it is and where it belongs; it is then written as a PUT to the address of that item would write
it, by the same rights.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from io import BytesIO
from typing import Final

from xnatsync.sandbox.http.exchange import Match, Refusal, Request, Response, text
from xnatsync.sandbox.http.multipart import read_parts
from xnatsync.sandbox.http.router import Routes
from xnatsync.sandbox.model.creation import ModelError
from xnatsync.sandbox.model.deletion import delete_scan
from xnatsync.sandbox.model.hierarchy import experiment_labelled, find_subject, session_of, subject_labelled
from xnatsync.sandbox.model.objects import Experiment
from xnatsync.sandbox.model.schema import is_a
from xnatsync.sandbox.model.site import Site
from xnatsync.sandbox.model.writing import Values, from_xml

_KINDS: Final = frozenset({"text/plain", "application/xml"})  # text/xml is none of them
_SWITCHES: Final = {"true": True, "on": True, "yes": True, "1": True, "false": False, "off": False, "no": False}


def attach(routes: Routes, site: Site) -> None:
    """Add the routes."""
    upload = _Upload(site, routes)
    routes.add("PUT", "/xapi/archive/upload/xml", upload.put)
    routes.add("POST", "/xapi/archive/upload/xml", upload.post)


@dataclass(frozen=True, slots=True)
class _Upload:
    site: Site
    routes: Routes

    def put(self, request: Request, _: Match) -> Response:
        """Write the document in the body; `allowDataDeletion` must be said."""
        if request.content_type not in _KINDS:
            raise Refusal(415, f"Content type '{request.content_type}' not supported")
        if not request.param("allowDataDeletion"):
            raise Refusal(400, "Required boolean parameter 'allowDataDeletion' is not present")
        return self._write(request, request.body.read())

    def post(self, request: Request, _: Match) -> Response:
        """Write the document in the part `item` of a form."""
        if request.content_type != "multipart/form-data":
            raise Refusal(415, f"Content type '{request.content_type}' not supported")
        document: bytes | None = None
        for part in read_parts(request):
            if part.name != "item" or document is not None:
                raise Refusal(400, f"This request has no part {part.name}.")
            document = part.text()
        if document is None:
            raise Refusal(400, "Required request part 'item' is not present")
        return self._write(request, document)

    def _write(self, request: Request, document: bytes) -> Response:
        said = request.param("allowDataDeletion", "false").lower()
        if said not in {*_SWITCHES, "0"}:
            raise Refusal(400, f"allowDataDeletion is no boolean: {said}")
        replaces = _SWITCHES.get(said, False)
        if not document.strip():
            return Response(204)
        try:
            values = from_xml(document)
        except ModelError as error:  # the validator speaks before anything else does
            raise Refusal(400, f"An error occurred processing the submitted XML: {error.message}") from error
        with self.site.lock:
            inner, uri = self._place(values)
            if is_a(values.xsi_type, "xnat:imageScanData"):
                self._make_room(request, inner, replaces=replaces)
            answer = self._ask(request, inner, document, replaces=replaces)
        return text(uri or f"/archive/{'subjects' if '/experiments/' not in inner else 'experiments'}/{_body(answer)}")

    def _ask(self, request: Request, path: str, document: bytes, *, replaces: bool) -> Response:
        found = self.routes.find("PUT", f"/data{path}")
        if found is None or found.handler is None:
            raise Refusal(400, f"There is no place {path}.")
        query = [pair for pair in request.query if pair[0] != "allowDataDeletion"]
        query += [("allowDataDeletion", "true")] if replaces else []
        headers = {**request.headers, "content-type": "application/xml"}
        inner = replace(
            request, path=f"/data{path}", query=query, headers=headers, body=BytesIO(document), length=len(document)
        )
        return found.handler(inner, found.match)

    def _place(self, values: Values) -> tuple[str, str]:
        """Return the address of a document's item, and the URI that is answered; "" when only the answer knows it."""
        kind, fields = values.xsi_type, values.fields
        own = fields.get("ID", "")
        if kind == "xnat:projectData":
            return f"/projects/{_needed(own, 'ID')}", f"/archive/projects/{own}"
        if kind == "xnat:subjectData":
            return self._subject(fields, own), ""
        if is_a(kind, "xnat:imageScanData"):
            session = self._session(fields.get("image_session_ID", ""))
            place = f"/experiments/{session.id}/scans/{_needed(own, 'ID')}"
            return place, f"/archive{place}"
        if is_a(kind, "xnat:imageAssessorData"):
            session = self._session(fields.get("imageSession_ID", ""))
            name = own if own in session.assessors else _needed(fields.get("label", "") or own, "label")
            return f"/experiments/{session.id}/assessors/{name}", ""
        if is_a(kind, "xnat:subjectAssessorData"):
            return self._experiment(fields, own, kind), ""
        raise Refusal(400, f"A document of the type {kind} is no item of its own here.")

    def _subject(self, fields: dict[str, str], own: str) -> str:
        if own in self.site.subjects:
            return f"/subjects/{own}"
        project, label = _needed(fields.get("project", ""), "project"), _needed(fields.get("label", "") or own, "label")
        if subject_labelled(self.site, project, label) is not None:
            raise Refusal(409, f"The project {project} has a subject {label} of another ID.")
        return f"/projects/{project}/subjects/{label}"

    def _experiment(self, fields: dict[str, str], own: str, kind: str) -> str:
        known = self.site.experiments.get(own)
        if known is not None:
            if not is_a(kind, known.xsi_type):
                raise Refusal(
                    409,
                    f"Trying to insert XML for an object of type '{kind}' and ID '{own}', but that ID already exists "
                    f"with type '{known.xsi_type}', which is not compatible.",
                )
            return f"/experiments/{own}"
        project, label = _needed(fields.get("project", ""), "project"), _needed(fields.get("label", "") or own, "label")
        if experiment_labelled(self.site, project, label) is not None:
            raise Refusal(409, f"The project {project} has an experiment {label} of another ID.")
        subject = find_subject(self.site, project, _needed(fields.get("subject_ID", ""), "subject_ID"))
        if subject is None:
            raise Refusal(400, f"Unable to identify subject {fields['subject_ID']}")
        return f"/projects/{project}/subjects/{subject.id}/experiments/{label}"

    def _session(self, reference: str) -> Experiment:
        found = self.site.experiments.get(reference)
        if found is None or session_of(self.site, reference) is not None:
            raise Refusal(400, f"Experiment ID {reference} doesn't refer to a valid image session")
        return found

    def _make_room(self, request: Request, place: str, *, replaces: bool) -> None:
        """Delete the scan that a document replaces; refuse when it may not, and when there is no need to say so."""
        _, _, session_id, _, scan_id = place.split("/")
        session = self.site.experiments[session_id]
        scan = session.scans.get(scan_id)
        if scan is None:
            return
        if not replaces:
            raise Refusal(
                400,
                f"Cannot insert scan into session {session_id}: ID {scan_id} in use. Rerun with allowDataDeletion or "
                "choose a new ID",
            )
        if not self.site.may(request.user, session, "delete"):
            raise Refusal(400, f"User account doesn't have permission to modify session {session_id}.")
        delete_scan(self.site, session, scan)


def _body(answer: Response) -> str:
    return answer.body.decode() if isinstance(answer.body, bytes) else ""


def _needed(value: str, name: str) -> str:
    if not value or "/" in value:
        raise Refusal(400, f"The document must say its {name}.")
    return value
