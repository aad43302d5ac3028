"""Routes that XNAT has and the sandbox has not (src XNATApplication.addRoutes).

Without them a shorter route would take them for a tail, and answer, or even delete, something else.
"""

from __future__ import annotations

from typing import Final, NoReturn

from xnatsync.sandbox.http.exchange import Match, Refusal, Request
from xnatsync.sandbox.http.router import ANY, Routes
from xnatsync.sandbox.model.site import Site

_SESSIONS: Final = (
    "/experiments/{ASSESSED_ID}",
    "/projects/{PROJECT_ID}/subjects/{SUBJECT_ID}/experiments/{ASSESSED_ID}",
)
_BELOW_SESSIONS: Final = (
    "/scans/{SCAN_ID}/DICOMDIR",
    "/assessors/{EXPT_ID}/in/files",
    "/assessors/{EXPT_ID}/in/resources",
    "/reconstructions/{RECON_ID}/in/files",
    "/reconstructions/{RECON_ID}/in/resources",
)
_BELOW_PROJECTS: Final = ("archive_spec", "automation", "pars", "pipelines/{PIPELINE_NAME}", "protocols", "scan_types")
TEMPLATES: Final = (
    *(f"{session}{tail}" for session in _SESSIONS for tail in _BELOW_SESSIONS),
    *(f"/projects/{{PROJECT_ID}}/{tail}" for tail in _BELOW_PROJECTS),
    "/automation",
    "/config/edit/studies",
    "/pars",
    "/prearchive/experiments",
    "/search/elements/{ELEMENT_NAME}/versions",
    "/services/ecatdump",
    "/services/features",
    "/services/mail",
    "/services/move-files",
)


def attach(routes: Routes, _: Site) -> None:
    """Add the routes; longer ones that are there still win."""
    for template in TEMPLATES:
        routes.add(ANY, template, _absent)


def _absent(request: Request, _: Match) -> NoReturn:
    raise Refusal(501, f"This sandbox has no {request.path}: docs/sandbox.md says what it has.")
