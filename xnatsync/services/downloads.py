"""Downloads: a session, some of its scans, or one resource; nothing has its name before it was compared."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from xnatsync.core.download_layout import Wish
from xnatsync.core.errors import NotThere, Stopped, Usage
from xnatsync.core.nouns import SessionHeld
from xnatsync.core.pasting import command_line
from xnatsync.report.bar import drawing
from xnatsync.report.gauge import Gauge
from xnatsync.services.base import BaseService
from xnatsync.services.places import Place, find_place
from xnatsync.services.progress import DownloadProgress, DownloadSummary, Teller
from xnatsync.services.spelling import also
from xnatsync.xnat import listing

if TYPE_CHECKING:
    from xnatsync.app.download import DownloadReport, Order

__all__ = ["DownloadService"]

Callback = Callable[[DownloadProgress], object] | None
WORKERS_MAX = 32


class DownloadService(BaseService):
    """Downloads into folders or zips.  A second run fetches what is missing, an interrupted one goes on.

    Every file is compared with the size and the MD5 that the server lists before it gets its name.  What this program
    did not write is never overwritten: it stays, and is in `errors` of the summary.
    """

    @also(session="session_id", dest="output_dir")
    def download_session(
        self,
        session_id: str,
        output_dir: Path,
        project: str | None = None,
        include_resources: bool = True,
        include_assessors: bool = False,
        pattern: str | None = None,
        resume: bool = False,
        verify: bool = False,
        parallel: bool = True,
        workers: int = 4,
        progress_callback: Callback = None,
        *,
        show_progress: bool = False,
    ) -> DownloadSummary:
        """Fetch a session's scans, and its own resources, into the folder `output_dir/SESSION`.

        Always goes on where an earlier run ended, and always compares, whatever `resume` and `verify` say.
        `pattern` takes only files whose name matches, such as `*.dcm`.  Assessors are not fetched: Usage says so.
        """
        if include_assessors:
            raise Usage("the data of assessors is not fetched by this version", advice="Leave include_assessors out.")
        place = find_place(self.client, session_id, project=project)
        at_once = workers if parallel else 1
        if not 1 <= at_once <= WORKERS_MAX:
            raise Usage(f"workers is {at_once}", advice=f"Give a number from 1 to {WORKERS_MAX}.")
        order = self._order(
            Wish(own=include_resources, pattern=pattern), Path(output_dir) / _folder(session_id), workers=at_once
        )
        return self._run(place, order, progress_callback, show_progress)

    @also(session="session_id", resource="resource_label", scan="scan_id", dest="output_dir")
    def download_resource(
        self,
        session_id: str,
        resource_label: str,
        output_dir: Path,
        scan_id: str | None = None,
        project: str | None = None,
        extract: bool = False,
        zip_filename: str | None = None,
        progress_callback: Callback = None,
        *,
        show_progress: bool = False,
    ) -> DownloadSummary:
        """Fetch one resource of a session or a scan: as a zip in `output_dir`, or with `extract` as files.

        Files lie below `output_dir/SESSION/`, in `resources_LABEL/` or in `scans/SCAN/resources/LABEL/files/`.
        """
        place = find_place(self.client, session_id, scan=scan_id, project=project)
        wish = Wish(frozenset({scan_id}) if scan_id else None, only_own=scan_id is None, label=resource_label)
        folder = Path(output_dir) / _folder(session_id)
        single = None if extract else Path(output_dir) / _folder(zip_filename or f"{resource_label}.zip")
        return self._run(place, self._order(wish, folder, single=single), progress_callback, show_progress)

    @also(session="session_id", scan="scan_id", dest="output_dir")
    def download_scan(
        self,
        session_id: str,
        scan_id: str,
        output_dir: Path,
        project: str | None = None,
        resource: str | None = None,
        progress_callback: Callback = None,
        *,
        show_progress: bool = False,
    ) -> DownloadSummary:
        """Fetch one scan as files below `output_dir/SESSION/scans/SCAN/`, of one resource or of all."""
        place = find_place(self.client, session_id, scan=scan_id, project=project)
        folder = Path(output_dir) / _folder(session_id)
        order = self._order(Wish(frozenset({scan_id}), label=resource), folder)
        return self._run(place, order, progress_callback, show_progress)

    @also(session="session_id", scans="scan_ids", dest="output_dir")
    def download_scans(
        self,
        session_id: str,
        scan_ids: list[str],
        output_dir: Path,
        project: str | None = None,
        subject: str | None = None,
        resource: str | None = None,
        zip_filename: str | None = None,
        extract: bool = False,
        cleanup: bool = True,
        progress_callback: Callback = None,
        *,
        show_progress: bool = False,
    ) -> DownloadSummary:
        """Fetch some scans, or all (`["ALL"]` or `["*"]`), as `scans.zip`; with `extract` as files.

        With `extract` and without `cleanup` the zip is made as well.  A scan that is not in the session is NotThere,
        before anything is fetched; so is a session of another subject than `subject`.
        """
        place = find_place(self.client, session_id, project=project)
        if subject is not None and subject not in {place.owner.subject, place.owner.subject_id}:
            raise NotThere(
                f"session {place.owner.id} is not of the subject that was named",
                advice=f"`{command_line('session', 'show', '-E', place.owner.id)}` shows whose it is.",
            )
        folder = Path(output_dir) / _folder(session_id) if extract else Path(output_dir)
        single = None if extract else folder / _folder(zip_filename or "scans.zip")
        wish = Wish(self._scans(place, scan_ids), label=resource)
        order = self._order(wish, folder, single=single, unpacked=extract, keep_zips=extract and not cleanup)
        return self._run(place, order, progress_callback, show_progress)

    # --- the one implementation ----------------------------------------------------------------------------------

    def _order(
        self,
        wish: Wish,
        folder: Path,
        *,
        single: Path | None = None,
        unpacked: bool | None = None,
        keep_zips: bool = False,
        workers: int = 1,
    ) -> Order:
        from xnatsync.app.download import Order

        is_unpacked = single is None if unpacked is None else unpacked
        return Order(wish, folder, unpacked=is_unpacked, keep_zips=keep_zips, single=single, workers=workers)

    def _scans(self, place: Place, wanted: Sequence[str]) -> frozenset[str] | None:
        if list(wanted) in (["ALL"], ["*"]):
            return None
        if not wanted:
            raise Usage("no scan was named", advice='Give scan_ids=["1", "2"], or ["ALL"].')
        if missing := sorted(set(wanted) - set(listing.scans(self.client.low, place.owner.id))):
            raise NotThere(
                f"session {place.owner.id} has no scan {', '.join(missing)}",
                advice=f"`{command_line('scan', 'list', '-E', place.owner.id)}` lists its scans.",
            )
        return frozenset(wanted)

    def _run(self, place: Place, order: Order, callback: Callback, show_progress: bool) -> DownloadSummary:
        from xnatsync.app.download import download

        owner = place.owner
        held = SessionHeld(owner.id, owner.session or owner.id, owner.project, owner.subject, owner.subject_id)
        gauge = _Told(Teller(callback))
        try:
            with drawing(gauge) if show_progress else nullcontext():
                report = download(self.client.server, held, order, gauge=gauge, stopping=gauge.stopping)
        except Stopped:
            if gauge.failure is not None:
                raise gauge.failure from None
            raise
        gauge.say("done")
        return _summary(report)


class _Told(Gauge):
    """A gauge that tells a callback, from whatever thread; one that cancels stops all of them."""

    def __init__(self, teller: Teller[DownloadProgress]) -> None:
        super().__init__()
        self._teller = teller
        self._telling = threading.Lock()
        self.failure: BaseException | None = None

    def stopping(self) -> bool:
        """Return whether the callback cancelled, or failed."""
        return self.failure is not None or self._teller.stopping()

    def moved(self, size_bytes: int) -> None:
        """Count bytes."""
        super().moved(size_bytes)
        self.say("downloading")

    def done(self) -> None:
        """Count a file."""
        super().done()
        self.say("downloading")

    def say(self, phase: str) -> None:
        """Tell how far it is."""
        if self.stopping():
            raise Stopped("the progress callback cancelled the operation")
        seen = self.reading()
        told = DownloadProgress(phase, seen.goal_files, seen.files, 0, seen.goal_bytes, seen.bytes)
        with self._telling:
            try:
                self._teller.tell(told)
            except BaseException as error:
                self.failure = self.failure or error
                raise


def _folder(name: str) -> str:
    if name in {"", ".", ".."} or "/" in name or "\\" in name:
        raise Usage(f"{name!r} cannot be the name of a folder or a file", advice="Give a plain name.")
    return name


def _summary(report: DownloadReport) -> DownloadSummary:
    """Return a report as the documents describe it."""
    order = report.order
    return DownloadSummary(
        success=not report.errors,
        output_path=order.single or order.folder,
        total=report.files,
        succeeded=report.fetched_files,
        failed=report.files - report.fetched_files - report.kept_files,
        skipped=report.kept_files,
        total_bytes=report.fetched_bytes,
        duration=report.seconds,
        verified=not report.errors and report.no_digest == 0 and report.files > 0,
        errors=tuple(str(error) for error in report.errors),
        files=tuple(report.zips) if not order.unpacked else (),
    )
