"""The public Python services: one class for each kind of thing in an XNAT, on the client that the program itself uses.

    from xnatsync import XNATClient
    from xnatsync.services.projects import ProjectService

    with XNATClient.from_profile("prod") as client:
        for project in ProjectService(client).list():
            print(project.id, project.name)

Every method takes IDs or labels, returns models (`xnatsync.services.models`), and raises errors of
`xnatsync.services.errors`.  A read is repeated where that is safe; a write is sent once.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

_PLACES: Final = {  # the name of each class, and its module
    "AdminService": "admin",
    "BaseService": "base",
    "DownloadService": "downloads",
    "PipelineService": "pipelines",
    "PrearchiveService": "prearchive",
    "ProjectService": "projects",
    "ResourceService": "resources",
    "ScanService": "scans",
    "SessionService": "sessions",
    "SubjectService": "subjects",
    "UploadService": "uploads",
    "XNATClient": "client",
}

__all__ = [
    "AdminService",
    "BaseService",
    "DownloadService",
    "PipelineService",
    "PrearchiveService",
    "ProjectService",
    "ResourceService",
    "ScanService",
    "SessionService",
    "SubjectService",
    "UploadService",
    "XNATClient",
]


def __getattr__(name: str) -> object:
    """Import a service when it is first asked for: a command loads those that it uses."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
