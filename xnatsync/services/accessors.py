"""The services of a client as its attributes: `client.projects.list()` beside `ProjectService(client).list()`."""

from __future__ import annotations

import threading
from functools import cached_property
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from xnatsync.services.admin import AdminService
    from xnatsync.services.client import XNATClient
    from xnatsync.services.downloads import DownloadService
    from xnatsync.services.pipelines import PipelineService
    from xnatsync.services.prearchive import PrearchiveService
    from xnatsync.services.projects import ProjectService
    from xnatsync.services.resources import ResourceService
    from xnatsync.services.scans import ScanService
    from xnatsync.services.sessions import SessionService
    from xnatsync.services.subjects import SubjectService
    from xnatsync.services.uploads import UploadService


class Services:
    """Makes each service when it is first asked for, and keeps it."""

    @property
    def _ours(self) -> XNATClient:
        return cast("XNATClient", self)

    @cached_property
    def making(self) -> threading.RLock:
        """Held while something is looked for and then made: XNAT takes a second making of it for an edit."""
        return threading.RLock()

    @cached_property
    def projects(self) -> ProjectService:
        """The service of projects."""
        from xnatsync.services.projects import ProjectService

        return ProjectService(self._ours)

    @cached_property
    def subjects(self) -> SubjectService:
        """The service of subjects."""
        from xnatsync.services.subjects import SubjectService

        return SubjectService(self._ours)

    @cached_property
    def sessions(self) -> SessionService:
        """The service of sessions."""
        from xnatsync.services.sessions import SessionService

        return SessionService(self._ours)

    @cached_property
    def scans(self) -> ScanService:
        """The service of scans."""
        from xnatsync.services.scans import ScanService

        return ScanService(self._ours)

    @cached_property
    def resources(self) -> ResourceService:
        """The service of resources."""
        from xnatsync.services.resources import ResourceService

        return ResourceService(self._ours)

    @cached_property
    def downloads(self) -> DownloadService:
        """The service of downloads."""
        from xnatsync.services.downloads import DownloadService

        return DownloadService(self._ours)

    @cached_property
    def uploads(self) -> UploadService:
        """The service of uploads."""
        from xnatsync.services.uploads import UploadService

        return UploadService(self._ours)

    @cached_property
    def prearchive(self) -> PrearchiveService:
        """The service of the prearchive."""
        from xnatsync.services.prearchive import PrearchiveService

        return PrearchiveService(self._ours)

    @cached_property
    def pipelines(self) -> PipelineService:
        """The service of pipelines."""
        from xnatsync.services.pipelines import PipelineService

        return PipelineService(self._ours)

    @cached_property
    def admin(self) -> AdminService:
        """The service of administration."""
        from xnatsync.services.admin import AdminService

        return AdminService(self._ours)
