"""What a callback of a transfer is told, and how it cancels.

A callback that returns False cancels: what has arrived stays, nothing new begins, and `OperationCancelled` is raised.
An exception of the callback ends the transfer in the same way, and is raised as it is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from xnatsync.core.errors import Stopped

__all__ = ["DownloadProgress", "DownloadSummary", "UploadProgress", "UploadSummary"]


@dataclass(frozen=True, slots=True)
class UploadProgress:
    """How far an upload is."""

    phase: str  # "reading", "uploading", "archiving", "verifying", "done"
    total: int = 0  # files
    completed: int = 0
    failed: int = 0
    total_bytes: int = 0
    completed_bytes: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class DownloadProgress:
    """How far a download is."""

    phase: str  # "listing", "downloading", "verifying", "done"
    total: int = 0  # files
    completed: int = 0
    failed: int = 0
    total_bytes: int = 0
    completed_bytes: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class UploadSummary:
    """What became of an upload; `success` means that every file is proven to have arrived."""

    success: bool
    total: int = 0
    succeeded: int = 0
    failed: int = 0
    skipped: int = 0  # there already, byte for byte
    total_bytes: int = 0
    duration: float = 0.0  # seconds
    session_id: str = ""  # accession ID, once it is in the archive
    errors: tuple[str, ...] = ()
    receipt: str = ""  # the ledger's receipt, where there is one

    @property
    def uploaded(self) -> int:
        """The files that were sent."""
        return self.succeeded


@dataclass(frozen=True, slots=True)
class DownloadSummary:
    """What became of a download; `success` means that every file listed is on the disk, complete."""

    success: bool
    output_path: Path
    total: int = 0
    succeeded: int = 0
    failed: int = 0
    skipped: int = 0  # there already
    total_bytes: int = 0
    duration: float = 0.0  # seconds
    verified: bool = False  # by digests
    errors: tuple[str, ...] = ()
    files: tuple[Path, ...] = field(default=(), repr=False)


Told = TypeVar("Told")


class Teller(Generic[Told]):
    """Calls a callback and remembers that it cancelled; `stopping` is for loops that ask."""

    def __init__(self, callback: Callable[[Told], object] | None) -> None:
        self._callback = callback
        self.stop = threading.Event()

    def stopping(self) -> bool:
        """Return whether the callback cancelled."""
        return self.stop.is_set()

    def tell(self, told: Told) -> None:
        """Call the callback; Stopped when it returns False."""
        if self._callback is not None and self._callback(told) is False:
            self.stop.set()
            raise Stopped("the progress callback cancelled the operation")
