"""A downloaded session as zips: `scans.zip` and one for each of its own resources, or one file of one resource."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from xnatsync.core.errors import PlaceTaken, XnatsyncError
from xnatsync.core.fetching import Placed, listing_digest, member_path
from xnatsync.disk.zipdraft import State, ZipDraft, zip_state
from xnatsync.service.bringing import Bringer, check
from xnatsync.tree_ports import TreeDisk


@dataclass(frozen=True, slots=True)
class Parcel:
    """One zip: where it lies, and what is in it under which session's label."""

    target: Path
    label: str
    files: tuple[Placed, ...]

    @property
    def listing(self) -> str:
        """Digests what the server lists of its content."""
        return listing_digest(self.files)


def parcels(placed: Sequence[Placed], folder: Path, single: Path | None, label: str) -> list[Parcel]:
    """Sorts the files into zips; without files there is none."""
    sorted_out: dict[Path, list[Placed]] = {}
    for each in placed:
        name = "scans.zip" if each.file.scan else f"resources_{each.file.resource}.zip"
        sorted_out.setdefault(single or folder / name, []).append(each)
    return [Parcel(target, label, tuple(files)) for target, files in sorted_out.items()]


def state(parcel: Parcel) -> State:
    """Says what lies at a zip's place; without digests a zip of ours is as the server's listing of sizes says."""
    return zip_state(parcel.target, parcel.listing)


def from_server(bringer: Bringer, parcel: Parcel, *, replace: bool) -> list[XnatsyncError]:
    """Fetches one zip; it lands only when nothing of it is missing, and what is missing is told."""
    with ZipDraft(parcel.target) as draft:
        brought = bringer.bring(
            parcel.files,
            lambda each, pieces, proven: draft.add(member_path(parcel.label, each.file), pieces, proven),
        )
        if brought.failures:
            return [error for _, error in brought.failures]
        draft.land(parcel.listing, replace=replace)
    return []


def from_folder(disk: TreeDisk, root: Path, parcel: Parcel, *, replace: bool) -> None:
    """Makes one zip of what was just unpacked; SourceChanged or ContentDiffers when somebody touched it meanwhile."""
    with ZipDraft(parcel.target) as draft:
        for each in parcel.files:
            size = each.file.size if each.file.size is not None else disk.read(root, each.path).size
            draft.add(
                member_path(parcel.label, each.file),
                disk.open(root, each.path, size),
                lambda size, md5, each=each: check(each, size, md5),  # type: ignore[misc]
            )
        draft.land(parcel.listing, replace=replace)


def foreign_error(parcel: Parcel) -> XnatsyncError:
    """Says that a file at a zip's place was left as it is."""
    return PlaceTaken(
        f"{parcel.target} is there, and is not a zip that this program wrote: it was left as it is",
        advice="Move it away, or give --force to overwrite it.",
    )
