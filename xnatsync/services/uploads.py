"""Uploads: `UploadService`, what its methods return, and the functions around them.

Objects are sent by the engine of the program's own routes: found by content, streamed, and proven.  A receipt is in the
ledger of the client's profile, or of the usual place.  The same call again sends what is missing, and nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from xnatsync.core.errors import Usage
from xnatsync.services.base import BaseService
from xnatsync.services.dicom_store import DICOMStoreSummary
from xnatsync.services.dicom_store import upload_dicom_store as _upload_dicom_store
from xnatsync.services.progress import UploadProgress, UploadSummary
from xnatsync.services.resource_uploads import ResourceUploads
from xnatsync.services.spelling import also
from xnatsync.xnat.raw import UNREACHED

if TYPE_CHECKING:
    from xnatsync.app.upload import UploadOrder

__all__ = [
    "DICOMStoreSummary",
    "UploadProgress",
    "UploadService",
    "UploadSummary",
    "archive_destination_params",
    "collect_dicom_files",
    "is_retryable_status",
    "split_into_batches",
    "split_into_n_batches",
    "upload_with_retry",
]

Callback = Callable[[UploadProgress], object] | None
_HANDLERS = ("DICOM-zip", "gradual-DICOM")
_OVERWRITES = ("none", "append", "delete")
_TIMEOUT_S = 21600


class HasStatus(Protocol):
    """An answer of any HTTP client."""

    @property
    def status_code(self) -> int:
        """Return the status."""
        ...


Answer = TypeVar("Answer", bound=HasStatus)


def collect_dicom_files(root: Path, *, include_extensionless: bool = True) -> list[Path]:
    """List the DICOM files below a folder, sorted; what is one is told by its content, whatever its name.

    Links are not followed, archives not opened.  ValueError when the root is not a folder.
    """
    from xnatsync.disk.local import LocalDisk

    root = Path(root)
    if not root.is_dir():
        raise ValueError(f"{root} is not a folder")
    disk = LocalDisk()
    files = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    return [path for path in files if (include_extensionless or path.suffix) and disk.study_of(path)]


def archive_destination_params(project: str, direct_archive: bool) -> dict[str, str]:
    """Return the parameters that route an import: into the archive, or into the prearchive of a project.

    A project that archives by itself does so either way.  The methods of UploadService do not use them: they have
    everything in the prearchive first, where it is compared, and archive it themselves.
    """
    return {"Direct-Archive": "true"} if direct_archive else {"dest": f"/prearchive/projects/{project}"}


def split_into_batches(files: Sequence[Path], batch_size: int) -> list[list[Path]]:
    """Split files into batches of a size, the last of the rest; ValueError for a size below 1."""
    if batch_size < 1:
        raise ValueError(f"a batch of {batch_size} files")
    return [list(files[at : at + batch_size]) for at in range(0, len(files), batch_size)]


def split_into_n_batches(files: Sequence[Path], num_batches: int) -> list[list[Path]]:
    """Deal files out to so many batches of about the same length; none is empty.  ValueError for less than 1."""
    if num_batches < 1:
        raise ValueError(f"{num_batches} batches")
    return [list(files[at::num_batches]) for at in range(min(num_batches, len(files)))]


def is_retryable_status(status_code: int) -> bool:
    """Return whether an answer may be another the next time: 400 (XNAT answers so to passing faults), 429, 5xx."""
    return status_code in {400, 429} or 500 <= status_code <= 599


def upload_with_retry(
    upload_fn: Callable[[], Answer], *, max_retries: int = 5, backoff_base: int = 2, label: str = "upload"
) -> Answer:
    """Call a function until its answer is not to be repeated, with growing waits; return the last answer.

    The function is called several times, so it must be harmless to repeat; an upload that was not answered is not.
    UploadService does not use this: it looks at the server first, and sends what is missing.  An error of the
    connection is raised when no further try is left.
    """
    for tries in range(max_retries + 1):
        try:
            answer = upload_fn()
            if not is_retryable_status(answer.status_code) or tries == max_retries:
                return answer
        except UNREACHED:
            if tries == max_retries:
                raise
        time.sleep(backoff_base ** (tries + 1) if backoff_base else 0)
    raise Usage(f"{label}: max_retries is {max_retries}", advice="Give 0 or more.")


class UploadService(BaseService):
    """Uploads to XNAT and to DICOM receivers.

    Nothing that is on a server is overwritten or deleted, whatever `overwrite` says.  A summary with `success` means
    that every object is proven to be where it was to go.
    """

    @also(files="source_path")
    def upload_dicom(
        self,
        project: str,
        subject: str,
        session: str,
        source_path: Path | str | Sequence[Path | str],
        overwrite: bool = False,
        quarantine: bool = False,
        batch_size: int = 500,
        parallel: bool = True,
        workers: int = 4,
        progress_callback: Callback = None,
        *,
        show_progress: bool = False,
    ) -> UploadSummary:
        """Send a folder, a file, an archive, or a list of files (also as `files=`), as streams of one series each.

        `quarantine`: it is left in the prearchive.  `batch_size` changes nothing, because nothing is packed before it
        is sent; `overwrite` neither: a session that is there gets what it lacks.
        """
        if batch_size < 1:
            raise Usage(f"batch_size is {batch_size}", advice="Give 1 or more.")
        order = self._order(
            _sources(source_path), project, subject, session, direct=not quarantine,
            workers=workers if parallel else 1,
        )  # fmt: skip
        return self._send(order, progress_callback, shown=show_progress)

    def upload_dicom_parallel(
        self,
        source_dir: Path,
        project: str,
        subject: str,
        session: str,
        *,
        username: str | None = None,
        password: str | None = None,
        upload_workers: int = 4,
        archive_workers: int = 4,
        archive_format: str = "tar",
        import_handler: str = "DICOM-zip",
        ignore_unparsable: bool = True,
        overwrite: str = "delete",
        direct_archive: bool = True,
        timeout: int = _TIMEOUT_S,
        progress_callback: Callback = None,
    ) -> UploadSummary:
        """Send a folder or an archive, several streams at once, as tar or zip.

        `archive_workers` changes nothing, because no archive is made.  `overwrite="none"` adds nothing to a session
        that is there; "append" and "delete" add what it lacks.  `ignore_unparsable`: files that are no objects are
        left, and so are damaged objects, which are in `errors`; without it nothing is sent then.
        """
        if import_handler not in _HANDLERS:
            raise Usage(f"import_handler is {import_handler!r}", advice=f"Give one of {', '.join(_HANDLERS)}.")
        if archive_format not in {"tar", "zip"}:
            raise Usage(f"archive_format is {archive_format!r}", advice="Give tar or zip.")
        order = self._order(
            [Path(source_dir)], project, subject, session, direct=direct_archive, workers=upload_workers,
            transport="gradual" if import_handler == "gradual-DICOM" else archive_format, overwrite=overwrite,
            unparsable="hold" if ignore_unparsable else "refuse",
        )  # fmt: skip
        return self._send(order, progress_callback, account=(username, password), timeout_s=float(timeout))

    def upload_dicom_gradual(
        self,
        source_path: Path,
        project: str,
        subject: str,
        session: str,
        *,
        workers: int = 4,
        direct_archive: bool = True,
        progress_callback: Callback = None,
    ) -> UploadSummary:
        """Send a folder, a file or an archive, one request for each object (XNAT's importer gradual-DICOM)."""
        order = self._order(
            [Path(source_path)], project, subject, session, direct=direct_archive, workers=workers, transport="gradual"
        )
        return self._send(order, progress_callback)

    def upload_dicom_gradual_files(
        self,
        *,
        files: Sequence[Path],
        project: str,
        subject: str,
        session: str,
        workers: int = 4,
        direct_archive: bool = True,
        progress_callback: Callback = None,
    ) -> UploadSummary:
        """Send exactly the files that are listed, one request for each."""
        order = self._order(
            _sources(files), project, subject, session, direct=direct_archive, workers=workers,
            transport="gradual",
        )  # fmt: skip
        return self._send(order, progress_callback)

    def upload_dicom_store(
        self,
        dicom_root: Path,
        host: str,
        called_aet: str,
        *,
        port: int = 104,
        calling_aet: str = "XNATCTL",
        workers: int = 4,
        cleanup: bool = True,
        tls: bool = False,
        tls_ca_bundle: str | Path | None = None,
        tls_cert: str | Path | None = None,
        tls_key: str | Path | None = None,
        prove: bool = False,
    ) -> DICOMStoreSummary:
        """Send the DICOM files of a folder to a receiver, each in its own transfer syntax, and return an outcome.

        What the receiver confirmed before is not sent again.  A receiver's success is its word alone: with `prove`
        each object is looked for on this client's server, in the prearchive and the archive.  `cleanup` changes
        nothing, because nothing is copied.

        ValueError when the folder is not there, RuntimeError when it holds no DICOM object or when the receiver cannot
        be reached or rejects us: both are errors of `services.errors` as well.
        """
        return _upload_dicom_store(
            self.client, dicom_root, host, called_aet, port=port, calling_aet=calling_aet, workers=workers,
            tls=tls, tls_ca_bundle=tls_ca_bundle, tls_cert=tls_cert, tls_key=tls_key, prove=prove,
        )  # fmt: skip

    @also(session="session_id", resource="resource_label", scan="scan_id")
    def upload_resource(
        self,
        session_id: str,
        resource_label: str,
        source_path: Path,
        scan_id: str | None = None,
        project: str | None = None,
        extract: bool = False,
        overwrite: bool = False,
        progress_callback: Callback = None,
    ) -> UploadSummary:
        """Store a file, or everything below a folder, in a resource: as `ResourceService.upload` does."""
        return ResourceUploads(self.client).upload_resource(
            session_id, resource_label, source_path, scan_id, project, extract, overwrite, progress_callback
        )

    def _order(
        self, sources: Sequence[Path], project: str, subject: str, session: str, *, direct: bool, workers: int,
        transport: str = "zip", overwrite: str = "append", unparsable: str = "hold",
    ) -> UploadOrder:  # fmt: skip
        from xnatsync.services.upload_sending import order_of

        if overwrite not in _OVERWRITES:
            raise Usage(f"overwrite is {overwrite!r}", advice=f"Give one of {', '.join(_OVERWRITES)}.")
        return order_of(
            sources, self._project(project), subject, session, direct=direct, workers=workers, transport=transport,
            overwrite=overwrite, unparsable=unparsable,
        )  # fmt: skip

    def _send(
        self,
        order: UploadOrder,
        callback: Callback,
        *,
        shown: bool = False,
        account: tuple[str | None, str | None] = (None, None),
        timeout_s: float | None = None,
    ) -> UploadSummary:
        from xnatsync.services.upload_sending import send

        return send(self.client, order, callback, shown=shown, account=account, timeout_s=timeout_s)


def _sources(given: Path | str | Sequence[Path | str]) -> list[Path]:
    """Return what is to be sent as a list; Usage when it is empty."""
    found = [Path(given)] if isinstance(given, Path | str) else [Path(file) for file in given]
    if not found:
        raise Usage("files is empty", advice="Name at least one file.")
    return found
