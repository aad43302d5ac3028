"""Uploads: `UploadService`, and what its methods return."""

from __future__ import annotations

from pathlib import Path

from xnatsync.services.base import BaseService
from xnatsync.services.dicom_store import DICOMStoreSummary
from xnatsync.services.dicom_store import upload_dicom_store as _upload_dicom_store

__all__ = ["DICOMStoreSummary", "UploadService"]


class UploadService(BaseService):
    """Uploads to XNAT and to DICOM receivers."""

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
