"""A downloaded session as zips: `scans.zip` and one for each of its own resources, or one file of one resource."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from xnatsync.app.download_fetch import Bringer
from xnatsync.core.download_layout import listing_digest, member_path
from xnatsync.core.errors import PlaceTaken, XnatsyncError
from xnatsync.core.sides import ServerFile
from xnatsync.disk.space import free_bytes
from xnatsync.disk.zipdraft import State, ZipDraft, zip_state
from xnatsync.fetch.fetcher import compare
from xnatsync.fetch.store import Staged
from xnatsync.ports.tree import Content, TreeDisk


@dataclass(frozen=True, slots=True)
class Parcel:
    """One zip: where it lies, and what is in it under which session's label."""

    target: Path
    label: str
    of: str  # whose files it holds: a session, or one resource of it
    files: tuple[ServerFile, ...]

    @property
    def listing(self) -> str:
        """Digest what the server lists of its content."""
        return listing_digest(self.files)


def parcels(
    placed: Sequence[ServerFile], folder: Path, single: Path | None, label: str, session_id: str
) -> list[Parcel]:
    """Sort the files into zips; without files there is none."""
    sorted_out: dict[Path, list[ServerFile]] = {}
    for each in placed:
        name = "scans.zip" if each.key.scan else f"resources_{each.key.label}.zip"
        sorted_out.setdefault(single or folder / name, []).append(each)
    return [
        Parcel(target, label, f"{session_id}/{files[0].key.label}" if single is not None else session_id, tuple(files))
        for target, files in sorted_out.items()
    ]


def state(parcel: Parcel) -> State:
    """Say what lies at a zip's place; without digests a zip of ours is as the server's listing of sizes says."""
    return zip_state(parcel.target, parcel.listing, parcel.of, parcel.label)


@dataclass(frozen=True, slots=True)
class _Drafted:
    """A zip in the making as a store: what does not hold what is listed never gets into it."""

    draft: ZipDraft
    called: str  # the session in messages
    label: str
    at_once: int = 1
    apart: bool = False  # a zip lands whole or not at all

    def free(self) -> int:
        """What the disk has left, without what is kept free on it."""
        return free_bytes(self.draft.target.parent)

    def begun(self, file: ServerFile) -> int:
        """A zip begins anew."""
        return 0

    def put(self, file: ServerFile, content: Iterator[bytes], *, append: bool) -> Staged:
        """Add it behind the others."""
        assert not append
        size, md5 = self.draft.add(
            member_path(self.label, file), content, lambda size, md5: compare(file, size, md5, self.called)
        )
        return Staged(file, "", Content(size, b"", md5))

    def drop(self, file: ServerFile) -> None:
        """It was not taken in."""


def from_server(bringer: Bringer, parcel: Parcel, *, replace: bool) -> list[XnatsyncError]:
    """Fetch one zip; it lands only when nothing of it is missing, and what is missing is told."""
    with ZipDraft(parcel.target) as draft:
        store = _Drafted(draft, f"session {bringer.owner.id}", parcel.label)
        failures = bringer.bring(parcel.files, store, _take_all)
        if not failures:
            draft.land(parcel.listing, parcel.of, replace=replace)
    return failures


def _take_all(came: Iterable[Staged]) -> None:
    """They are in the zip already."""
    for _ in came:
        pass


def from_folder(disk: TreeDisk, root: Path, parcel: Parcel, *, replace: bool) -> None:
    """Make one zip of what was just unpacked; SourceChanged or ContentDiffers when somebody touched it meanwhile."""
    with ZipDraft(parcel.target) as draft:
        for file in parcel.files:
            size = file.size if file.size is not None else disk.read(root, file.path).size
            draft.add(
                member_path(parcel.label, file),
                disk.open(root, file.path, size),
                lambda size, md5, file=file: compare(file, size, md5, str(root)),  # type: ignore[misc]
            )
        draft.land(parcel.listing, parcel.of, replace=replace)


def is_plain(place: Path) -> bool:
    """Return whether a plain file lies there: no link, folder, device or pipe, which nothing ever replaces."""
    return stat.S_ISREG(place.lstat().st_mode)


def foreign_error(parcel: Parcel) -> XnatsyncError:
    """Say that what lies at a zip's place was left as it is."""
    if is_plain(parcel.target):
        return PlaceTaken(
            f"{parcel.target} is there, and is not a zip of this that this program wrote: it was left as it is",
            advice="Move it away, or give --force to overwrite it.",
        )
    return PlaceTaken(
        f"{parcel.target} is there, and is no plain file: it was left as it is",
        advice="Nothing replaces a folder, a link or a device: move it away, or name another place.",
    )
