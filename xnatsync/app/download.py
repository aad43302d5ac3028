"""One-shot downloads: a session, some of its scans, or one resource, into a folder or into zips.

Nothing has its name before it was proven against the server's listing, and nothing that we did not write is
overwritten.  The layouts are those of xnatctl's manual (docs/commands.md says where we chose).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from xnatsync.app import download_zips as packing
from xnatsync.app.download_fetch import Bringer
from xnatsync.app.download_folder import Folder, foreign_error
from xnatsync.app.download_zips import Parcel
from xnatsync.core.download_layout import Wish, of_resource, place
from xnatsync.core.errors import DiskFull, NameClash, NameHostile, NotThere, ReadFailed, Stopped, XnatsyncError
from xnatsync.core.inventory import Owner, OwnerKind, ResourceKey
from xnatsync.core.nouns import SessionHeld
from xnatsync.core.pasting import command_line
from xnatsync.core.remote import FileListing
from xnatsync.core.sides import ServerFile
from xnatsync.core.wording import size_words
from xnatsync.disk.space import free_bytes
from xnatsync.disk.tree import LocalTree
from xnatsync.ports.tree import Archive, TreeDisk
from xnatsync.report.gauge import Gauge


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be downloaded, and how."""

    wish: Wish
    folder: Path  # of the session
    unpacked: bool = False
    keep_zips: bool = False
    single: Path | None = None  # one zip of everything, here, instead of those in the folder
    workers: int = 1
    force: bool = False
    dry_run: bool = False


@dataclass(slots=True)
class DownloadReport:
    """How a download ended."""

    session: SessionHeld
    order: Order
    files: int = 0  # that are wanted
    bytes: int = 0
    scans: int = 0
    fetched_files: int = 0  # under `dry_run`: that would be
    fetched_bytes: int = 0
    kept_files: int = 0  # that were there already
    no_digest: int = 0  # of which the server tells the size alone
    zips: list[Path] = field(default_factory=list)
    errors: list[XnatsyncError] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """0 when everything that was wanted is in its place."""
        return max((error.exit_code for error in self.errors), default=0)


def download(
    archive: Archive,
    session: SessionHeld,
    order: Order,
    *,
    owner: Owner | None = None,
    disk: TreeDisk | None = None,
    gauge: Gauge | None = None,
    stopping: Callable[[], bool] = lambda: False,
    monotonic: Callable[[], float] = time.monotonic,
) -> DownloadReport:
    """Download what an order wants of a session, or of an `owner` that is none: a subject, a project.

    NotThere when there is nothing of the kind that was named; whatever ends the whole is raised, and what concerns
    single files is told in the report.
    """
    began = monotonic()
    gauge, disk = gauge or Gauge(), disk or LocalTree()
    owner = owner or Owner(
        OwnerKind.SESSION, session.project, session.id, subject=session.subject, session=session.label
    )
    listing = _listing(archive, owner)
    placement = place(listing.files, order.wish)
    _refuse_missing(owner, order.wish, listing)
    report = DownloadReport(session, order)
    report.errors += _unplaced(order.wish, listing, placement.hostile, placement.clashing)
    report.files, report.bytes = len(placement.placed), sum(each.size or 0 for each in placement.placed)
    report.scans = len({each.key.scan for each in placement.placed if each.key.scan})
    report.no_digest = sum(not each.md5 for each in placement.placed)
    everything = [
        ServerFile(ResourceKey(file.scan, file.resource), file.name, "", file.size, file.digest)
        for file in listing.files
    ]
    bringer = Bringer(archive, owner, gauge, everything, stopping)
    try:
        if order.unpacked:
            _unpack(bringer, disk, placement.placed, order, report)
        if not order.unpacked or (order.keep_zips and not report.errors and not order.dry_run):
            _pack(bringer, disk, placement.placed, order, report)
    except DiskFull as error:
        report.errors.append(error)  # what fitted is in its place, and is told
    report.seconds = monotonic() - began
    return report


def _listing(archive: Archive, owner: Owner) -> FileListing:
    found = archive.owner_files([owner]).get(owner)
    if found is None:
        raise NotThere(f"{owner.kind.value} {owner.id} is gone")
    if not found.complete and not found.refused:
        raise ReadFailed(
            f"the files of {owner.kind.value} {owner.id} could not be listed completely: it is being changed"
        )
    return found


def _refuse_missing(owner: Owner, wish: Wish, listing: FileListing) -> None:
    """What was named must be there: a misspelt scan or resource is no empty success."""
    if wish.label is None or listing.is_of_unknown_place:  # told, and perhaps what was named
        return
    told = [(scan, label) for scan, label, _ in listing.refused]
    if not any(wish.wants(scan, label) for scan, label in [*((f.scan, f.resource) for f in listing.files), *told]):
        scans = f"scan {', '.join(sorted(wish.scans))} of " if wish.scans and not wish.only_own else ""
        raise NotThere(
            f"{scans}{owner.kind.value} {owner.id} has no files in a resource {wish.label}",
            advice=f"`{command_line(*_listing_words(owner))}` lists its resources{_OF_A_SCAN[owner.kind]}.",
        )


_OF_A_SCAN = {OwnerKind.SESSION: "; --scan ID those of a scan", OwnerKind.SUBJECT: "", OwnerKind.PROJECT: ""}


def _listing_words(owner: Owner) -> tuple[str, ...]:
    match owner.kind:
        case OwnerKind.SESSION:
            return "resource", "list", owner.id
        case OwnerKind.SUBJECT:
            return "resource", "list", "-P", owner.project, "-S", owner.id
        case OwnerKind.PROJECT:
            return "resource", "list", "-P", owner.id


def _unplaced(
    wish: Wish,
    listing: FileListing,
    hostile: Iterable[tuple[str, str]],
    clashing: Iterable[tuple[str, ...]],
) -> list[XnatsyncError]:
    found: list[XnatsyncError] = []
    refused = [
        (of_resource(scan, label), why)
        for scan, label, why in listing.refused
        if not label or wish.wants(scan, label)  # without a label it may be in whatever was asked for
    ]
    for where, why in dict.fromkeys([*refused, *hostile]):
        found.append(NameHostile(f"a file in {where} was left out: {why}", advice="Rename it on the server."))
    found += [
        NameClash(
            f"{', '.join(group[:3])}: some disks take these for one; left out", advice="Rename one on the server."
        )
        for group in clashing
    ]
    return found


# --- into a folder -----------------------------------------------------------------------------------------------


def _unpack(
    bringer: Bringer, disk: TreeDisk, placed: Sequence[ServerFile], order: Order, report: DownloadReport
) -> None:
    folder = Folder(disk, order.folder, report.session.id)
    standing = folder.standing(placed, force=order.force)
    report.kept_files = len(standing.same)
    report.errors += [foreign_error(each, order.folder) for each in standing.foreign]
    if order.dry_run:
        report.fetched_files = len(standing.fetch)
        report.fetched_bytes = sum(each.size or 0 for each in standing.fetch) - folder.begun(standing.fetch)
        _foresee_room(report)
        return
    bringer.gauge.aim(len(standing.fetch), sum(each.size or 0 for each in standing.fetch))
    try:
        _bring_all(bringer, folder, standing.fetch, order.workers, report)
    finally:
        report.fetched_files, report.fetched_bytes = folder.landed, folder.landed_bytes
    report.errors += [foreign_error(each, order.folder) for each in folder.foreign] + folder.refused


def _foresee_room(report: DownloadReport) -> None:
    free = free_bytes(report.order.single or report.order.folder)
    if report.fetched_bytes > free:
        report.errors.append(DiskFull(f"{size_words(report.fetched_bytes)} to fetch, {size_words(free)} free"))


def _bring_all(
    bringer: Bringer, folder: Folder, fetch: Sequence[ServerFile], workers: int, report: DownloadReport
) -> None:
    """Bring scan by scan with several workers, or everything at once with one."""
    if not fetch:
        return
    parts: dict[str, list[ServerFile]] = {}
    for each in fetch:
        parts.setdefault(each.key.scan if workers > 1 else "", []).append(each)
    halt = threading.Event()
    stopping = bringer.stopping
    together = replace(bringer, stopping=lambda: stopping() or halt.is_set())
    with folder.staging() as staging:

        def one(scan: str) -> list[XnatsyncError]:
            try:
                return together.bring(parts[scan], staging, folder.take)
            except DiskFull:
                raise  # the others' files may be smaller
            except BaseException:
                halt.set()  # the others' work would be in vain, or would fail in the same way
                raise

        try:
            with ThreadPoolExecutor(max_workers=min(workers, len(parts))) as pool:
                futures = [pool.submit(one, scan) for scan in parts]
            first = [error for future in futures if (error := future.exception()) is not None]
            if first:
                raise _gravest(first)
            for future in futures:
                report.errors += future.result()
        finally:
            folder.note()


def _gravest(errors: Sequence[BaseException]) -> BaseException:
    """The one that is the reason: those that were told to stop only follow it."""
    return next((error for error in errors if not isinstance(error, Stopped)), errors[0])


# --- into zips ---------------------------------------------------------------------------------------------------


def _pack(bringer: Bringer, disk: TreeDisk, placed: Sequence[ServerFile], order: Order, report: DownloadReport) -> None:
    session = report.session
    parcels = packing.parcels(placed, order.folder, order.single, session.label or session.id, session.id)
    states = {parcel.target: packing.state(parcel) for parcel in parcels}
    due: list[Parcel] = []
    for parcel in parcels:
        state = states[parcel.target]
        if state == "same":
            report.kept_files += len(parcel.files) if not order.unpacked else 0
            report.zips.append(parcel.target)
        elif state == "foreign" and not (order.force and packing.is_plain(parcel.target)):
            report.errors.append(packing.foreign_error(parcel))
        else:
            due.append(parcel)
    files = [each for parcel in due for each in parcel.files]
    if order.dry_run:
        report.fetched_files, report.fetched_bytes = len(files), sum(each.size or 0 for each in files)
        _foresee_room(report)
        return
    if not order.unpacked:
        bringer.gauge.aim(len(files), sum(each.size or 0 for each in files))
    for parcel in due:
        is_taken = states[parcel.target] != "absent"
        if is_taken:
            bringer.gauge.note(f"{parcel.target} held something else and is replaced")
        if order.unpacked:
            packing.from_folder(disk, order.folder, parcel, replace=is_taken)
        else:
            failures = packing.from_server(bringer, parcel, replace=is_taken)
            report.errors += failures
            if failures:
                continue
            report.fetched_files += len(parcel.files)
            report.fetched_bytes += sum(each.size or 0 for each in parcel.files)
        report.zips.append(parcel.target)
