"""A transfer's settings, in the words of the engine: a project of one server, and the project of another it goes to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Final, Literal

from xnatsync.core.transfer_filter import TransferFilter

DicomPolicy = Literal["copy", "import"]
FOLDER: Final = "folder:"  # begins the name of a folder; no server's name holds a colon


@dataclass(frozen=True, slots=True)
class TransferRoute:
    """A route of the kind `transfer`.  `server` is the source, which is never written to."""

    kind: ClassVar[Literal["transfer"]] = "transfer"

    name: str
    server: str
    project: str
    to_server: str  # may be the same one
    to_project: str
    filters: TransferFilter = field(default_factory=TransferFilter)
    dicom: DicomPolicy = "copy"  # names and bytes kept; or by DICOM import, where the destination's scripts apply
    sync_new_only: bool = True  # what is in agreement is looked at again only when the listings of a side changed
    max_failures: int = 5  # subjects in a row that fail: then the run is stopped
    retries: int = 3  # of what failed, within one run
    delay_s: float = 5.0  # before the first retry, then twice as long each time
    workers: int = 4
    verify: bool = True  # what was written is looked at once more, by new listings, within the same run
    only: frozenset[tuple[str, str]] | None = None  # of these entities alone, by kind and ID; None: of all
    repair: bool = False  # what somebody deleted at the destination is sent again
    quiet_s: float = 60.0  # so long a write without an answer may still land
    to_folder: bool = False  # the destination is a folder, which keeps shares as they are for the way on
