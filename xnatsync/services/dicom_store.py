"""DICOM files to a receiver by C-STORE: what `UploadService.upload_dicom_store` and `session upload-dicom` do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xnatsync.core.ae_title import checked_title
from xnatsync.core.errors import NothingFound, Usage
from xnatsync.core.store_status import status_words

if TYPE_CHECKING:
    from xnatsync.app.dicom_store import StoreReport
    from xnatsync.services.client import XNATClient

_PORT_MAX = 65535


class FolderNotThere(Usage, ValueError):
    """What is to be sent is no folder that is there."""


class NoDicomFiles(NothingFound, RuntimeError):
    """There is no DICOM object to send."""

    advice = "Name a folder that holds DICOM files: what they are is found by their content, not by their names."


@dataclass(frozen=True, slots=True)
class DICOMStoreSummary:
    """What became of a transfer by C-STORE; `success` means that every object is confirmed, and listed if asked for.

    `sent` counts the objects that the receiver confirmed, `skipped` of these in an earlier run.  Nothing is copied
    before it is sent: `workspace` is the folder that was named, `log_dir` that of the ledger, which has the record.
    """

    total_files: int
    sent: int
    failed: int
    log_dir: Path
    workspace: Path
    success: bool
    skipped: int = 0
    warnings: tuple[str, ...] = ()  # of objects that are stored: the receiver's words
    errors: tuple[str, ...] = ()  # one for each object that is not confirmed or not listed, and for what ended it
    proven: bool | None = None  # listed by the server; None: only the receiver's word is known


def upload_dicom_store(
    client: XNATClient | None,
    dicom_root: Path,
    host: str,
    called_aet: str,
    *,
    port: int = 104,
    calling_aet: str = "XNATCTL",
    workers: int = 4,
    tls: bool = False,
    tls_ca_bundle: str | Path | None = None,
    tls_cert: str | Path | None = None,
    tls_key: str | Path | None = None,
    prove: bool = False,
) -> DICOMStoreSummary:
    """Send a folder; see `UploadService.upload_dicom_store`."""
    from xnatsync.app.dicom_store import StoreOrder, ledger_path, store
    from xnatsync.dicomnet.peer import Peer, Tls

    root = Path(dicom_root)
    if not root.is_dir():
        raise FolderNotThere(f"{root} is not a folder that is there", advice="Name a folder with DICOM files.")
    trusted = Tls(_path(tls_ca_bundle), _path(tls_cert), _path(tls_key)) if tls else None
    peer = Peer(
        host, checked_port(port), checked_title(called_aet, "called_aet"),
        checked_title(calling_aet, "calling_aet"), trusted,
    )  # fmt: skip
    ledger = client.profile.config.ledger.path if client is not None and client.profile is not None else ledger_path()
    report = store(
        StoreOrder(root, peer, workers=checked_workers(workers)),
        ledger,
        server=client.server if client is not None and prove else None,
    )
    if not report.objects and not report.doubtful:
        raise NoDicomFiles(f"there is no DICOM object below {root}")
    return summary_of(report, ledger.parent)


def summary_of(report: StoreReport, log_dir: Path) -> DICOMStoreSummary:
    """Return a report as the documented summary."""
    total = report.objects + len(report.doubtful)
    missing = report.proof.missing if report.proof is not None else ()
    errors = [
        *(f"{left.path}: {left.why}" for left in report.doubtful),
        *(f"{sent.object.path}: {sent.outcome.value}: {sent.words}" for sent in report.failed),
        *(f"{path}: confirmed by the receiver, and not listed by the server" for path in missing),
        *([f"{report.ended} {report.ended.remedy}"] if report.ended is not None else []),
    ]
    return DICOMStoreSummary(
        total_files=total,
        sent=report.confirmed,
        failed=total - report.confirmed,
        log_dir=log_dir,
        workspace=report.order.source,
        success=report.exit_code == 0,
        skipped=report.before,
        warnings=tuple(f"{sent.object.path}: {status_words(sent.status)}" for sent in report.warned),
        errors=tuple(errors),
        proven=None if report.proof is None else not missing,
    )


def checked_port(port: int) -> int:
    """Return a port; Usage when it can be none."""
    if not 1 <= port <= _PORT_MAX:
        raise Usage(f"{port} is no port", advice=f"Give a number from 1 to {_PORT_MAX}.")
    return port


def checked_workers(workers: int) -> int:
    """Return how many associations there are at once; Usage when it cannot be that many."""
    most = 32
    if not 1 <= workers <= most:
        raise Usage(f"{workers} workers are not possible", advice=f"Give a number from 1 to {most}.")
    return workers


def _path(given: str | Path | None) -> Path | None:
    return Path(given) if given else None
