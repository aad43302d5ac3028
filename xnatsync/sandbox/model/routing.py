"""Where an object belongs: project, subject and session by the default identifier (import.md §4.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from xnatsync.sandbox.model import routingrules
from xnatsync.sandbox.model.accounts import User
from xnatsync.sandbox.model.dicomhead import Head
from xnatsync.sandbox.model.naming import dicom_label
from xnatsync.sandbox.model.objects import Project
from xnatsync.sandbox.model.site import Site

_COMMENTS: Final = (0x00104000, 0x00324000, 0x001021B0)
_LABELLED: Final = re.compile(r"(?i)(?:^|[\s,;])(project|subject|session|aa):([\w-]*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Route:
    """The place of an object; `project` is empty for Unassigned, `archive` is None unless the object itself decides."""

    project: str
    subject: str
    session: str
    archive: bool | None


def route(site: Site, user: User, head: Head, params: Mapping[str, str]) -> Route:
    """Decide; an unknown or forbidden project is no error but as if none had been named (import.md §1.6)."""
    said = _said(head)
    return Route(
        _project(site, user, head, params, said),
        params.get("SUBJECT_ID")
        or _ruled(site, "subject", head)
        or said.get("subject")
        or dicom_label(head.text(0x00100010)),
        params.get("EXPT_LABEL")
        or _ruled(site, "session", head)
        or said.get("session")
        or dicom_label(head.text(0x00100020))
        or "dicom_upload",
        {"true": True, "false": False}.get(said.get("aa", "").lower()),
    )


def find_project(site: Site, name: str) -> Project | None:
    """Find a project by its ID or one of its aliases."""
    project = site.projects.get(name)
    return project or next((found for found in site.projects.values() if name and name in found.aliases), None)


def _project(site: Site, user: User, head: Head, params: Mapping[str, str], said: Mapping[str, str]) -> str:
    named = find_project(site, params.get("PROJECT_ID", ""))
    if named is not None and site.can(user, named.id, "read"):
        return named.id
    receiver = site.accounts.get(site.settings.text("receivedFileUser")) or user
    for name in (*routingrules.values(site, "project", head), *_candidates(head, said)):
        found = find_project(site, name)
        if found is not None and site.can(receiver, found.id, "read"):
            return found.id
    return ""


def _ruled(site: Site, kind: str, head: Head) -> str:
    return dicom_label(next(routingrules.values(site, kind, head), ""))


def _candidates(head: Head, said: Mapping[str, str]) -> Iterable[str]:
    yield said.get("project", "")
    yield dicom_label(head.text(0x00081030))
    yield dicom_label(head.text(0x00080050))


def _said(head: Head) -> dict[str, str]:
    """Return what the comments say: `Project:P Subject:S Session:E AA:true`; the first to say a thing wins."""
    said: dict[str, str] = {}
    for tag in _COMMENTS:
        if tag in head.spans:
            for key, value in _LABELLED.findall(head.text(tag)):
                if value:
                    said.setdefault(key.lower(), value)
    return said
