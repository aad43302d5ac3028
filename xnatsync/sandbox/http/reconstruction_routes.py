"""Reconstructions of a session: list, create, change, show, delete (hierarchy.md §19)."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from xnatsync.sandbox.http.exchange import Match, Refusal, Request, Response
from xnatsync.sandbox.http.item_routes import document
from xnatsync.sandbox.http.listing_routes import answer_query, query_of
from xnatsync.sandbox.http.loading import load_values, model_errors
from xnatsync.sandbox.http.router import Routes
from xnatsync.sandbox.model import listing
from xnatsync.sandbox.model.creation import touch_up
from xnatsync.sandbox.model.hierarchy import find_experiment, reconstruction_folder
from xnatsync.sandbox.model.items import is_session, reconstruction_item
from xnatsync.sandbox.model.nested import RECONSTRUCTION, put_reconstruction
from xnatsync.sandbox.model.objects import Experiment, Scan
from xnatsync.sandbox.model.site import Site

_NOT_FOUND = "Unable to find the specified reconstruction."


def attach(routes: Routes, site: Site) -> None:
    """Add the routes."""
    shelf = _Shelf(site)
    for parent in ("/experiments/{EXPT_ID}", "/projects/{PROJECT_ID}/subjects/{SUBJECT_ID}/experiments/{EXPT_ID}"):
        routes.add("GET", f"{parent}/reconstructions", shelf.list)
        routes.add("POST", f"{parent}/reconstructions", shelf.put)
        item = f"{parent}/reconstructions/{{RECON_ID}}"
        routes.add("GET", item, shelf.get)
        routes.add("PUT", item, shelf.put)
        routes.add("POST", item, shelf.put)
        routes.add("DELETE", item, shelf.delete)


@dataclass(frozen=True, slots=True)
class _Shelf:
    site: Site

    def list(self, request: Request, match: Match) -> Response:
        """List the reconstructions of a session."""
        with self.site.lock:
            session = self._session(request, match)
            if session is None:
                raise Refusal(404)
        query = query_of(request, "reconstruction")
        return answer_query(request, query, lambda: listing.reconstructions(self.site, session, query))

    def put(self, request: Request, match: Match) -> Response:
        """Create or changes one: 200 with an empty body both times; a given ID beats that of the URL."""
        if match.tail.strip("/"):
            raise Refusal(400)
        values = load_values(request, RECONSTRUCTION)
        if values.xsi_type not in {"", RECONSTRUCTION}:
            raise Refusal(422, "Only Reconstruction documents can be PUT to this address.")
        with self.site.lock, model_errors():
            session = self._session(request, match)
            if session is None:
                raise Refusal(417, "Specified reconstruction must reference a valid image session.")
            self._may(request, session, "edit")
            identifier = values.fields.get("ID", "") or unquote(match.values.get("RECON_ID", ""))
            identifier = identifier or str(len(session.reconstructions) + 1)
            put_reconstruction(self.site, session, identifier, values, request.user)
            touch_up(self.site, session)
        return Response()

    def get(self, request: Request, match: Match) -> Response:
        """Show one."""
        with self.site.lock:
            session, made = self._made(request, match)
            item = reconstruction_item(made, session.id)
        return document(self.site, request, item)

    def delete(self, request: Request, match: Match) -> Response:
        """Delete one; its files go with any value of `removeFiles`."""
        if match.tail.strip("/"):
            raise Refusal(400)
        with self.site.lock:
            session, made = self._made(request, match)
            self._may(request, session, "delete")
            del session.reconstructions[made.id]
            if request.has("removeFiles"):
                self.site.store.delete(reconstruction_folder(session, made.id))
            touch_up(self.site, session)
        return Response()

    def _session(self, request: Request, match: Match) -> Experiment | None:
        session = find_experiment(self.site, match.values.get("PROJECT_ID"), match.values["EXPT_ID"])
        found = session is not None and is_session(session) and self.site.can_read(request.user, session)
        return session if found else None

    def _made(self, request: Request, match: Match) -> tuple[Experiment, Scan]:
        """Find one by its ID in the whole site: the session of the URL is not checked (§19)."""
        identifier = unquote(match.values["RECON_ID"])
        for session in self.site.experiments.values():
            if identifier in session.reconstructions and self.site.can_read(request.user, session):
                return session, session.reconstructions[identifier]
        raise Refusal(404, _NOT_FOUND)

    def _may(self, request: Request, session: Experiment, right: str) -> None:
        if not self.site.may(request.user, session, right):
            raise Refusal(403, f"Specified user account has insufficient {right} privileges for this session.")
