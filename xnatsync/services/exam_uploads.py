"""An examination: a folder with DICOM objects and everything else, which becomes one session with resources.

What is an object is told by its content.  Everything else is stored as it is: what lies in a folder of the exam, in a
resource of that name; what lies at its top, in one of its own.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from xnatsync.app.upload import UploadOrder, UploadPlan, UploadReport, Uploads, upload_of
from xnatsync.core.errors import Exit, NotThere, Usage, XnatsyncError
from xnatsync.core.given import Place as Destination
from xnatsync.core.labels import is_valid_label
from xnatsync.disk.given import GivenFile, given_files
from xnatsync.disk.local import LocalDisk
from xnatsync.engine.progress import Progress
from xnatsync.services.client import XNATClient
from xnatsync.services.places import Place, find_place
from xnatsync.services.resource_sending import Stored, Wish
from xnatsync.services.resource_uploads import ResourceUploads
from xnatsync.services.upload_sending import application, where

Groups = Mapping[str, Sequence[GivenFile]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExamOrder:
    """What is to become which session."""

    root: Path
    project: str
    subject: str
    session: str
    place: Destination = "archive"
    workers: int = 4
    misc_label: str = "MISC"
    skip_resources: bool = False
    attach_only: bool = False
    wait_s: float = 14400.0  # so long the session is waited for, where it is not archived by us
    wait_interval_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Exam:
    """A folder, sorted: its DICOM objects, and everything else by the label of its resource."""

    objects: tuple[Path, ...]
    groups: Groups


@dataclass(slots=True)
class ExamReport:
    """What became of an examination.  `upload` is None where its objects were not asked for."""

    order: ExamOrder
    upload: UploadReport | None = None
    plan: UploadPlan | None = None
    stored: list[Stored] = field(default_factory=list)
    errors: list[XnatsyncError] = field(default_factory=list)
    session_id: str = ""
    dry_run: bool = False

    @property
    def exit_code(self) -> int:
        """0 only when everything of it is there."""
        parts = [part.exit_code for part in (self.upload, self.plan) if part is not None]
        codes = [*parts, *(one.exit_code for one in self.stored), *(error.exit_code for error in self.errors)]
        return next((code for code in codes if code != Exit.OK), Exit.OK)


def sort_exam(root: Path, misc_label: str) -> Exam:
    """Sort the files of a folder; Usage when two folders would be one resource, or a label cannot be one."""
    if not root.is_dir():
        raise Usage(f"{root} is not a folder", advice="Name the folder of the examination.")
    disk = LocalDisk()
    objects, groups, folders = list[Path](), dict[str, list[GivenFile]](), dict[str, str]()
    for file in given_files([root]):
        if disk.study_of(file.path):
            objects.append(file.path)
            continue
        folder, inside, name = file.name.partition("/")
        label = _label(folder) if inside else misc_label
        if folders.setdefault(label, folder if inside else "") != (folder if inside else ""):
            other = folders[label] or "the files at the top"
            raise Usage(
                f"{folder} and {other} would be the same resource {label}", advice="Rename one, or give --misc-label."
            )
        groups.setdefault(label, []).append(replace(file, name=name if inside else file.name))
    if not is_valid_label(misc_label) or misc_label.isdigit():
        raise Usage(f"{misc_label!r} is no label of a resource", advice="It is made of A-Z a-z 0-9 _ -, as MISC is.")
    return Exam(tuple(objects), groups)


def _label(folder: str) -> str:
    """Return the label of the resource that a folder becomes: XNAT takes a number for the number of a resource."""
    label = re.sub(r"[^A-Za-z0-9_-]", "_", folder)
    return f"_{label}" if label.isdigit() else label


def upload_exam(
    client: XNATClient,
    order: ExamOrder,
    *,
    progress: Progress,
    stop: threading.Event,
    dry_run: bool = False,
    on_bug: Callable[[str], None] = lambda trace: None,
) -> ExamReport:
    """Send the objects and prove them, then store everything else; the same call again sends what is missing."""
    exam = sort_exam(order.root, order.misc_label)
    if not exam.objects and not order.attach_only:
        raise Usage(f"no DICOM object is in {order.root}", advice="Give --attach-only to store the rest alone.")
    report = ExamReport(order, dry_run=dry_run)
    if not order.attach_only:
        uploads = _uploads(client, order, exam, stop)
        if dry_run:
            report.plan = uploads.plan(progress=progress)
        else:
            report.upload = uploads.run(progress=progress, on_bug=on_bug)
            if report.upload.exit_code != Exit.OK:
                return report
    if order.skip_resources or not exam.groups:
        return report
    if dry_run:
        report.stored = _rehearsed(client, order, exam)
        return report
    try:
        place = _session(client, order, report.upload, stop)
        report.session_id = place.owner.id
        service = ResourceUploads(client)
        for label, files in sorted(exam.groups.items()):
            report.stored.append(service.store_files(place, files, Wish(label, overwrite=False)))
    except XnatsyncError as error:
        report.errors.append(error)
    return report


def _uploads(client: XNATClient, order: ExamOrder, exam: Exam, stop: threading.Event) -> Uploads:
    wanted = UploadOrder(
        sources=exam.objects, project=order.project, subject=order.subject, session=order.session, place=order.place,
        workers=order.workers,
    )  # fmt: skip
    return upload_of(*where(client), wanted, lambda config: application(client, config, stop))


def _session(client: XNATClient, order: ExamOrder, upload: UploadReport | None, stop: threading.Event) -> Place:
    """Find the session; one that somebody else archives is waited for."""
    units = upload.item.units if upload is not None and upload.item is not None else ()
    found = next((unit.unit.session_id for unit in units if unit.unit.session_id), None)
    give_up = time.monotonic() + order.wait_s
    while True:
        try:
            return find_place(client, found or order.session, project=order.project)
        except NotThere as missing:
            if time.monotonic() >= give_up or stop.wait(min(order.wait_interval_s, max(0.0, order.wait_s))):
                raise NotThere(
                    f"the session is not in the archive: {missing}",
                    advice="Once it is archived, give the same command with --attach-only.",
                ) from missing


def _rehearsed(client: XNATClient, order: ExamOrder, exam: Exam) -> list[Stored]:
    """Say what would be stored; of a session that is not there yet, everything."""
    try:
        place = find_place(client, order.session, project=order.project)
    except NotThere:
        place = find_place(client, project=order.project)
        return [
            Stored(
                place, label, dry_run=True, files=len(files), bytes=sum(file.size for file in files), sent=len(files),
                sent_bytes=sum(file.size for file in files),
            )
            for label, files in sorted(exam.groups.items())
        ]  # fmt: skip
    service = ResourceUploads(client)
    return [
        service.store_files(place, files, Wish(label, overwrite=False, dry_run=True))
        for label, files in sorted(exam.groups.items())
    ]
