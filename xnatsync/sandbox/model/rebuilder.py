"""What the site does by itself: it builds sessions that have fallen silent and archives them (import.md §1.10)."""

from __future__ import annotations

import logging
import threading
from typing import Final

from xnatsync.sandbox.model import operations, recovery, separation
from xnatsync.sandbox.model.archiver import Request
from xnatsync.sandbox.model.creation import ModelError
from xnatsync.sandbox.model.merge import Rules
from xnatsync.sandbox.model.prearchive import Row
from xnatsync.sandbox.model.site import Site

_LOG = logging.getLogger(__name__)
_LOOK: Final = 0.2  # seconds between looks at the settings, which may change at any time


class Rebuilder:
    """The build timer; `start` and `stop` are the server's."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Mend what a crash left and begin to look for silent sessions."""
        recovery.recover(self.site)
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="sandbox-rebuilder", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the timer and waits for the work under way."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self.site.prearchive.jobs.stop()

    def tick(self) -> None:
        """Look at all rows once, and queues those that have been idle long enough."""
        interval = self.site.settings.number("sessionXmlRebuilderInterval")
        for row in [*self.site.prearchive, *self.site.prearchive.directly()]:
            with self.site.lock:
                due = self._due(row, interval)
                if due:
                    queue_build(self.site, row)

    def _due(self, row: Row, interval: float) -> bool:
        if row.status != "RECEIVING" or row.prevent_auto_commit or row.source == "uploader":
            return False
        if self.site.prearchive.content(row).busy:
            return False
        return (self.site.clock() - row.touched) // 60 >= interval

    def _run(self) -> None:
        waited = 0.0
        while not self._stop.wait(_LOOK):
            waited += _LOOK
            if waited * 1000 >= self.site.settings.number("sessionXmlRebuilderRepeat"):
                waited = 0.0
                try:
                    self.tick()
                except Exception:
                    _LOG.exception("the build timer stumbled")


def queue_build(site: Site, row: Row) -> None:
    """Have a session built by a worker, and archived if it goes on by itself."""
    site.prearchive.set_status(row, "QUEUED_BUILDING")
    site.prearchive.jobs.submit(lambda: _build_and_archive(site, row))


def _build_and_archive(site: Site, row: Row) -> None:
    try:
        for part in separation.build_parts(site, row):
            if part.direct or (part.project and operations.auto_archives(site, part, asked=False)):
                site.prearchive.set_status(part, "QUEUED_ARCHIVING")
                operations.archive(site, part, own_request(site, part))
    except ModelError as error:
        _LOG.debug("%s: %s", row.uri, error.message)  # the row's status and log say it to whom it concerns
    except Exception:
        _LOG.exception("%s", row.uri)


def own_request(site: Site, row: Row) -> Request:
    """Make the request of an archive nobody has asked for: as the user who receives files."""
    user = site.accounts.get(site.settings.text("receivedFileUser")) or site.accounts.guest
    return Request(user, Rules(overwrite_files=overwrites(site, row), merge=not row.direct))


def overwrites(site: Site, row: Row) -> bool:
    """Return whether the project or the row asks for files to be overwritten at archive (code 5, import.md §2.8)."""
    project = site.projects.get(row.project)
    return row.autoarchive == "AutoArchiveOverwrite" or (project is not None and project.prearchive_code == 5)
